package host

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/sys/unix"

	"irisops/actions"
)

// startAgent serves keys as ssh-agent does, and sets SSH_AUTH_SOCK.
func startAgent(t *testing.T, keys ...any) {
	t.Helper()
	ring := agent.NewKeyring()
	for _, key := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = agent.ServeAgent(ring, conn)
			}()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", socket)
}

// Who may be talked to, and with what. Each try goes to a real server.
func TestLogins(t *testing.T) {
	s := newSSHD(t)
	known, err := os.ReadFile(s.cfg.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(s.cfg.Identity)
	if err != nil {
		t.Fatal(err)
	}
	right, err := ssh.ParseRawPrivateKey(pem)
	if err != nil {
		t.Fatal(err)
	}
	wrong := newKey(t)
	writeKey(t, s.path("wrong"), wrong, "")
	writeKey(t, s.path("locked"), right, "pass phrase")
	write(t, s.path("no key"), "-----BEGIN OPENSSH PRIVATE KEY-----\nprivateprivate\n")
	hostKey := string(known)
	fingerprint := strings.Fields(hostKey)
	hostPublic, _, _, _, err := ssh.ParseAuthorizedKey([]byte(strings.Join(fingerprint[1:], " ")))
	if err != nil {
		t.Fatal(err)
	}
	shown := ssh.FingerprintSHA256(hostPublic)
	wrongShown := ssh.FingerprintSHA256(signer(t, wrong).PublicKey())
	knows := func(name, text string) func(*RemoteConfig) {
		write(t, s.path(name), text)
		return func(c *RemoteConfig) { c.KnownHosts = s.path(name) }
	}
	identity := func(file string) func(*RemoteConfig) { return func(c *RemoteConfig) { c.Identity = file } }

	tests := []struct {
		name   string
		change func(*RemoteConfig)
		agent  []any // keys of the agent; nil for none
		code   string
		says   []string
	}{
		{name: "as it should be"},
		{name: "unknown host", change: knows("unknown", "other.example.org "+strings.Join(fingerprint[1:], " ")+"\n"), code: CodeHostKey,
			says: []string{"not in " + s.path("unknown"), shown, "Nothing was sent", "h2"}},
		{name: "nothing known", change: knows("empty", ""), code: CodeHostKey, says: []string{"not in " + s.path("empty"), shown}},
		{name: "another key", change: knows("changed", "# comment\n"+s.knownLine(signer(t, wrong).PublicKey())), code: CodeHostKey,
			says: []string{"line 2 of " + s.path("changed"), shown, "Nothing was sent"}},
		{name: "revoked", change: knows("revoked", hostKey+"@revoked * "+strings.Join(fingerprint[1:], " ")+"\n"), code: CodeHostKey,
			says: []string{"revoked", shown}},
		{name: "key among others of other kinds", change: knows("several", s.knownLine(signer(t, newRSAKey(t)).PublicKey())+hostKey)},
		{name: "no file of known hosts", change: func(c *RemoteConfig) { c.KnownHosts = s.path("nowhere") }, code: CodeHostKey, says: []string{s.path("nowhere")}},
		{name: "a broken file of known hosts", change: knows("broken", "x y z\n"), code: CodeHostKey, says: []string{s.path("broken")}},
		{name: "wrong key", change: identity(s.path("wrong")), code: CodeLogin, says: []string{wrongShown, "authorized_keys"}},
		{name: "wrong key, right one in the agent", change: identity(s.path("wrong")), agent: []any{right}, code: CodeLogin, says: []string{wrongShown}},
		{name: "no such key", change: identity(s.path("nowhere")), code: CodeLogin, says: []string{s.path("nowhere")}},
		{name: "no key at all", change: identity(s.path("no key")), code: CodeLogin, says: []string{"is not a private key"}},
		{name: "another account", change: func(c *RemoteConfig) { c.SSH = "nobody@" + s.listener.Addr().String() }, code: CodeLogin, says: []string{"nobody"}},
		{name: "agent", change: identity(""), agent: []any{wrong, right}},
		{name: "agent for a locked key", change: identity(s.path("locked")), agent: []any{wrong, right}},
		{name: "agent without the key", change: identity(s.path("locked")), agent: []any{wrong}, code: CodeLogin, says: []string{"locked has a passphrase", "the agent does not have it"}},
		{name: "agent with a wrong key", change: identity(""), agent: []any{wrong}, code: CodeLogin, says: []string{wrongShown}},
		{name: "agent without keys", change: identity(""), agent: []any{}, code: CodeLogin, says: []string{"the agent has no keys"}},
		{name: "no agent", change: identity(""), code: CodeLogin, says: []string{"SSH_AUTH_SOCK is not set"}},
		{name: "no agent for a locked key", change: identity(s.path("locked")), code: CodeLogin, says: []string{"has a passphrase", "SSH_AUTH_SOCK is not set"}},
		{name: "nothing listens", change: func(c *RemoteConfig) { c.SSH = "ops@127.0.0.1:" + strconv.Itoa(freePort(t)) }, code: actions.CodeNotHere, says: []string{"Nothing listens at 127.0.0.1"}},
		{name: "no such name", change: func(c *RemoteConfig) { c.SSH = "ops@no-such-host.invalid" }, code: actions.CodeNotHere, says: []string{"does not resolve"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("SSH_AUTH_SOCK", "")
			if tt.agent != nil {
				startAgent(t, tt.agent...)
			}
			if tt.change == nil {
				tt.change = func(*RemoteConfig) {}
			}
			a, err := s.remote(t, tt.change).look(t.Context(), "printf", "in")
			if tt.code == "" {
				if err != nil || string(a.out) != "in" {
					t.Fatalf("%q, %v", a.out, err)
				}
				return
			}
			if actions.CodeOf(err) != tt.code {
				t.Errorf("%q: %v; want %q", actions.CodeOf(err), err, tt.code)
			}
			for _, says := range tt.says {
				if !strings.Contains(fmt.Sprint(err), says) {
					t.Errorf("%v does not say %q", err, says)
				}
			}
			if strings.Contains(fmt.Sprint(err), "privateprivate") {
				t.Error("the error shows the key")
			}
		})
	}
}

// What a person adds to known_hosts counts at the next try.
func TestKnownHostsIsReadAnew(t *testing.T) {
	s := newSSHD(t)
	known, err := os.ReadFile(s.cfg.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.cfg.KnownHosts, "")
	r := s.remote(t)
	if _, err := r.look(t.Context(), "true"); actions.CodeOf(err) != CodeHostKey {
		t.Fatal(err)
	}
	write(t, s.cfg.KnownHosts, string(known))
	if _, err := r.look(t.Context(), "true"); err != nil {
		t.Fatal(err)
	}
}

// A server with two keys shows the one that is known.
func TestHostWithTwoKeys(t *testing.T) {
	t.Parallel()
	for _, known := range []string{"rsa", "ed25519"} {
		second := newRSAKey(t)
		dir := t.TempDir()
		writeKey(t, filepath.Join(dir, "rsa"), second, "")
		s := newSSHD(t, "HostKey "+filepath.Join(dir, "rsa"))
		if known == "rsa" {
			write(t, s.cfg.KnownHosts, s.knownLine(signer(t, second).PublicKey()))
		}
		if _, err := s.remote(t).look(t.Context(), "true"); err != nil {
			t.Errorf("%s: %v", known, err)
		}
	}
}

func TestUnusableLogins(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, line, code, says string
	}{
		{"talkative", "ForceCommand echo Welcome; $SSH_ORIGINAL_COMMAND", CodeShell, "Welcome"},
		{"another program", "ForceCommand false", CodeShell, "It printed nothing"},
		{"no sessions", "MaxSessions 0", CodeShell, "runs no command"},
		{"no key", "PubkeyAuthentication no", CodeLogin, "does not let irisops in"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := func() error { _, err := newSSHD(t, tt.line).remote(t).look(t.Context(), "true"); return err }()
			if actions.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q: %v", actions.CodeOf(err), err)
			}
		})
	}
}

// With fewer sessions than irisops wants, it waits for its turn.
func TestFewSessions(t *testing.T) {
	t.Parallel()
	r := newSSHD(t, "MaxSessions 2").remote(t)
	if _, err := r.Facts(t.Context(), there(t.TempDir())); err != nil {
		t.Fatal(err)
	}
	f, err := r.Facts(t.Context(), there(t.TempDir()))
	if err != nil || f.Load == nil || f.Disk == nil || f.VMs == nil || f.Ports == nil {
		t.Errorf("%+v, %v", f, err)
	}
}

// A tool that is missing there is named.
func TestMissingTool(t *testing.T) {
	r := newSSHD(t).remote(t)
	_, err := r.look(t.Context(), "no-such-tool")
	if actions.CodeOf(err) != CodeNoProgram || !strings.Contains(err.Error(), "no-such-tool") {
		t.Error(err)
	}
}

// Servers that take connections and say nothing, or hang up.
func TestSilentServers(t *testing.T) {
	s := newSSHD(t)
	for _, tt := range []struct {
		name, code string
		serve      func(net.Conn)
	}{
		{"silent", actions.CodeHung, func(net.Conn) {}},
		{"hangs up", actions.CodeNotHere, func(c net.Conn) { c.Close() }},
		{"is no ssh", actions.CodeNotHere, func(c net.Conn) { fmt.Fprint(c, "HTTP/1.0 400 no\r\n\r\n"); c.Close() }},
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				tt.serve(c)
			}
		}()
		r := s.remote(t, func(c *RemoteConfig) { c.SSH = "ops@" + l.Addr().String() })
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		_, err = r.look(ctx, "true")
		cancel()
		if took := time.Since(began); actions.CodeOf(err) != tt.code || took > 2*time.Second {
			t.Errorf("%s: %v after %s", tt.name, err, took)
		}
	}
	// An agent that is hung costs no more either.
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	socket := filepath.Join(t.TempDir(), "agent")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: socket}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", socket)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = s.remote(t, func(c *RemoteConfig) { c.Identity = "" }).look(ctx, "true")
	if took := time.Since(began); actions.CodeOf(err) != CodeLogin || took > 2*time.Second {
		t.Errorf("%v after %s", err, took)
	}
}
