package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"irisops/actions"
)

// RemoteConfig says how a host is reached, as under hosts in the config.
type RemoteConfig struct {
	SSH        string // user@host or user@host:port
	KnownHosts string // a file as of ssh(1): by which key the host is recognised

	// Identity is the file with the private key. One that has a passphrase is used
	// through the agent (SSH_AUTH_SOCK), where it has to be. "" means: whatever
	// keys the agent has.
	Identity string
}

// connectTimeout bounds the connection with its login.
const connectTimeout = 10 * time.Second

var sshShape = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.-]*)@([A-Za-z0-9][A-Za-z0-9.-]*)(?::([0-9]{1,5}))?$`)

// login is how one host is reached.
type login struct {
	name string // the host's name in the config
	user string
	addr string // host:port
	cfg  RemoteConfig
}

func newLogin(name string, cfg RemoteConfig) (login, error) {
	parts := sshShape.FindStringSubmatch(cfg.SSH)
	if parts == nil {
		return login{}, actions.Errorf(CodeBadValue, "ssh of host %s: %s is not user@host or user@host:port.", quote(name), quote(cfg.SSH))
	}
	port := parts[3]
	if port == "" {
		port = "22"
	}
	return login{name: name, user: parts[1], addr: net.JoinHostPort(parts[2], port), cfg: cfg}, nil
}

func (l login) String() string { return fmt.Sprintf("host %s (%s)", l.name, l.cfg.SSH) }

// dial connects and logs in. It needs a known host key and a private key; it
// never offers a password. Errors: CodeHostKey, CodeLogin, CodeHung, CodeNotHere.
func (l login) dial(ctx context.Context) (*ssh.Client, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	keys, err := readHostKeys(l)
	if err != nil {
		return nil, err
	}
	signers, done, err := l.signers(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.addr)
	if err != nil {
		return nil, l.unreachable(ctx, err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c, chans, reqs, err := ssh.NewClientConn(conn, l.addr, &ssh.ClientConfig{
		User:              l.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(signers...)},
		HostKeyCallback:   keys.check,
		HostKeyAlgorithms: keys.algorithms(),
		ClientVersion:     "SSH-2.0-irisops",
	})
	if err == nil && !stop() {
		err = ctx.Err() // the connection is closed by now
		c.Close()
	}
	if err == nil {
		return ssh.NewClient(c, chans, reqs), nil
	}
	conn.Close()
	switch {
	case keys.refused != nil:
		return nil, keys.refused
	case ctx.Err() != nil:
		return nil, &actions.Error{Code: actions.CodeHung, Err: err,
			Text: fmt.Sprintf("The sshd of %s takes connections, but did not answer in time.", l),
			Hint: "The machine may be overloaded, out of memory or hung: look at its console."}
	case strings.Contains(err.Error(), "unable to authenticate"):
		return nil, &actions.Error{Code: CodeLogin, Err: err,
			Text: fmt.Sprintf("The sshd of %s does not let irisops in with its key (%s).", l, fingerprints(signers)),
			Hint: fmt.Sprintf("Put its public key into the file authorized_keys of %s there.", l.user)}
	}
	return nil, &actions.Error{Code: actions.CodeNotHere, Err: err,
		Text: fmt.Sprintf("The connection to %s broke before the login: %v.", l, err),
		Hint: "Try again; if it stays, look at what sshd logs there."}
}

// unreachable tells why there is no TCP connection.
func (l login) unreachable(ctx context.Context, err error) error {
	e := &actions.Error{Code: actions.CodeNotHere, Err: err,
		Text: fmt.Sprintf("There is no connection to %s: %v.", l, err),
		Hint: "Is the machine up, and does the network let irisops through to it?"}
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		e.Text = fmt.Sprintf("The name of %s does not resolve.", l)
		e.Hint = "Check ssh: under hosts in the config, and the name server of this machine."
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Text = fmt.Sprintf("Nothing listens at %s of %s.", l.addr, l)
		e.Hint = "The machine is up, but its sshd does not run there: start it, or check the port."
	case ctx.Err() != nil:
		e.Text = fmt.Sprintf("%s could not be reached in time.", capital(l.String()))
	}
	return e
}

// signers gives the private keys to log in with. Done has to be called when the
// login is over: it closes the connection to the agent.
func (l login) signers(ctx context.Context) (signers []ssh.Signer, done func(), err error) {
	none := func() {}
	if l.cfg.Identity == "" {
		return l.agentKeys(ctx, nil)
	}
	pem, err := os.ReadFile(l.cfg.Identity)
	if err != nil {
		return nil, none, &actions.Error{Code: CodeLogin, Err: err,
			Text: fmt.Sprintf("The key for %s cannot be read: %v.", l, err),
			Hint: "Check identity: under hosts in the config."}
	}
	signer, err := ssh.ParsePrivateKey(pem)
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return []ssh.Signer{signer}, none, nil
	case errors.As(err, &locked):
		return l.agentKeys(ctx, locked.PublicKey)
	}
	return nil, none, &actions.Error{Code: CodeLogin, // err could quote the file
		Text: fmt.Sprintf("The file %s, the key for %s, is not a private key that irisops can read.", l.cfg.Identity, l),
		Hint: "Make one with ssh-keygen -t ed25519."}
}

// agentKeys are the agent's keys, or the one that is asked for. An old format of
// locked keys does not tell its public half; then all are tried.
func (l login) agentKeys(ctx context.Context, only ssh.PublicKey) ([]ssh.Signer, func(), error) {
	none := func() {}
	wanted := "identity: is not set, "
	if l.cfg.Identity != "" {
		wanted = l.cfg.Identity + " has a passphrase, "
	}
	fail := func(text string, err error) ([]ssh.Signer, func(), error) {
		return nil, none, &actions.Error{Code: CodeLogin, Err: err,
			Text: fmt.Sprintf("irisops has no key for %s: %s.", l, wanted+text),
			Hint: "Start irisops with an ssh-agent that has the key (ssh-add), or give it a key of its own without a passphrase."}
	}
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return fail("and no agent is running (SSH_AUTH_SOCK is not set)", nil)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return fail("and the agent at SSH_AUTH_SOCK does not answer", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	done := func() { stop(); conn.Close() }
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		done()
		return fail("and the agent at SSH_AUTH_SOCK does not answer as an agent", err)
	}
	if only != nil {
		for _, s := range signers {
			if string(s.PublicKey().Marshal()) == string(only.Marshal()) {
				return []ssh.Signer{s}, done, nil
			}
		}
		done()
		return fail("and the agent does not have it", nil)
	}
	if len(signers) == 0 {
		done()
		return fail("and the agent has no keys", nil)
	}
	return signers, done, nil
}

// fingerprints names at most three keys.
func fingerprints(signers []ssh.Signer) string {
	var names []string
	for _, s := range signers[:min(len(signers), 3)] {
		names = append(names, ssh.FingerprintSHA256(s.PublicKey()))
	}
	if len(signers) > 3 {
		names = append(names, "...")
	}
	return strings.Join(names, ", ")
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
