package host

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"irisops/actions"
)

// hostKeys checks the key by which a host proves who it is, against known_hosts.
type hostKeys struct {
	login   login
	known   ssh.HostKeyCallback
	text    []byte // the file
	refused error  // why check said no; an *actions.Error
}

// readHostKeys reads the file anew for each connection: what a person adds counts
// without a restart.
func readHostKeys(l login) (*hostKeys, error) {
	text, err := os.ReadFile(l.cfg.KnownHosts)
	var known ssh.HostKeyCallback
	if err == nil {
		known, err = knownhosts.New(l.cfg.KnownHosts)
	}
	if err != nil {
		return nil, &actions.Error{Code: CodeHostKey, Err: err,
			Text: fmt.Sprintf("The file of known hosts for %s cannot be used: %v.", l, err),
			Hint: "Check known_hosts: under hosts in the config."}
	}
	return &hostKeys{login: l, known: known, text: text}, nil
}

func (h *hostKeys) check(addr string, remote net.Addr, key ssh.PublicKey) error {
	err := h.known(addr, remote, key)
	if err == nil {
		return nil
	}
	shown := fmt.Sprintf("%s %s", key.Type(), ssh.FingerprintSHA256(key))
	e := &actions.Error{Code: CodeHostKey, Err: err}
	var wrong *knownhosts.KeyError
	var revoked *knownhosts.RevokedError
	switch {
	case errors.As(err, &revoked):
		e.Text = fmt.Sprintf("%s shows a key that %s says is revoked: %s. Nothing was sent.", capital(h.login.String()), h.login.cfg.KnownHosts, shown)
		e.Hint = "Treat the machine as taken over until somebody has looked."
	case errors.As(err, &wrong) && len(wrong.Want) > 0:
		e.Text = fmt.Sprintf("%s shows another key than line %d of %s says: %s. Nothing was sent.", capital(h.login.String()), wrong.Want[0].Line, h.login.cfg.KnownHosts, shown)
		e.Hint = "Either the machine was set up anew, or somebody stands in between. Compare with ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the machine itself before you change that line."
	default:
		e.Text = fmt.Sprintf("%s is not in %s, so it is not trusted. It shows the key %s. Nothing was sent.", capital(h.login.String()), h.login.cfg.KnownHosts, shown)
		e.Hint = "If ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the machine itself shows the same, add the line that ssh-keyscan prints."
	}
	h.refused = e
	return e
}

// algorithms are the kinds of host keys to ask for: those that the file has for
// this host. Otherwise a host with two keys could show the one that is not there.
// Nil means all.
func (h *hostKeys) algorithms() []string {
	var wrong *knownhosts.KeyError
	if err := h.known(h.login.addr, &net.TCPAddr{IP: net.IPv4zero}, noKey{}); !errors.As(err, &wrong) {
		return nil
	}
	lines := bytes.Split(h.text, []byte("\n"))
	var all []string
	for _, k := range wrong.Want {
		if k.Line <= len(lines) && bytes.HasPrefix(bytes.TrimSpace(lines[k.Line-1]), []byte("@cert-authority")) {
			return nil
		}
		if k.Key.Type() == ssh.KeyAlgoRSA { // the key's kind; SHA-1 signatures with it are not wanted
			all = append(all, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
			continue
		}
		all = append(all, k.Key.Type())
	}
	return all
}

// noKey is a key that no host has, to ask which ones the file has.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
