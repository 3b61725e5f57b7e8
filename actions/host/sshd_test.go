package host

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
	"golang.org/x/sys/unix"

	"irisops/actions/cluster"
)

// sshd is a real OpenSSH server on loopback, unpacked by .ci/unpack. The test
// takes the connections itself and gives each to a process of its own (sshd -i),
// so that it knows them all by their exact pids.
type sshd struct {
	t        *testing.T
	dir      string
	program  string
	listener net.Listener
	cfg      RemoteConfig // with which the login works

	mu    sync.Mutex
	conns []*exec.Cmd
}

// newSSHD starts a server. More are lines of sshd_config that go before others.
func newSSHD(t *testing.T, more ...string) *sshd {
	t.Helper()
	program := filepath.Join(moduleRoot(t), "build", "debian", "usr", "sbin", "sshd")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("the tests of SSH need a real sshd in the folder build. make test puts it there; or run: .ci/unpack openssh-server (%v)", err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &sshd{t: t, dir: t.TempDir(), program: program}
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	addr := s.listener.Addr().String()
	hostKey, identity := newKey(t), newKey(t)
	s.cfg = RemoteConfig{SSH: me.Username + "@" + addr, KnownHosts: s.path("known_hosts"), Identity: s.path("identity")}
	writeKey(t, s.path("host_key"), hostKey, "")
	writeKey(t, s.cfg.Identity, identity, "")
	write(t, s.path("authorized_keys"), string(ssh.MarshalAuthorizedKey(signer(t, identity).PublicKey())))
	write(t, s.cfg.KnownHosts, s.knownLine(signer(t, hostKey).PublicKey()))
	write(t, s.path("sshd_config"), strings.Join(append(more,
		"HostKey "+s.path("host_key"), "AuthorizedKeysFile "+s.path("authorized_keys"),
		"StrictModes no", "UsePAM no", "PidFile none", "LogLevel VERBOSE", "PrintMotd no", ""), "\n"))
	// In its own view of the file system root has a home of the test, and the
	// account sshd, which the server wants to have, exists.
	if err := os.Mkdir(s.path("home"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, s.path("passwd"), "root:x:0:0::"+s.path("home")+":/bin/sh\nsshd:x:65534:65534::/run/sshd:/usr/sbin/nologin\n")
	write(t, s.path("shadow"), "root:*:19000::::::\n")
	var taking sync.WaitGroup
	taking.Go(s.take)
	t.Cleanup(func() {
		s.listener.Close()
		taking.Wait()
		s.kill()
		if t.Failed() {
			log, _ := os.ReadFile(s.path("log"))
			t.Logf("the server says:\n%s", log)
		}
	})
	return s
}

func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }

func (s *sshd) knownLine(key ssh.PublicKey) string {
	return knownhosts.Line([]string{knownhosts.Normalize(s.listener.Addr().String())}, key) + "\n"
}

// take gives each connection to a server of its own.
func (s *sshd) take() {
	exe, err := os.Executable()
	if err != nil {
		s.t.Error(err)
		return
	}
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		file, err := conn.(*net.TCPConn).File()
		conn.Close()
		if err != nil {
			s.t.Error(err)
			return
		}
		cmd := exec.Command(exe, "play-sshd", s.program, s.dir)
		cmd.Stdin, cmd.Stdout = file, file
		cmd.Env = []string{"LD_LIBRARY_PATH=" + libraries(s.program)}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		if os.Getuid() == 0 {
			cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWNS
		}
		s.mu.Lock()
		err = cmd.Start()
		if err == nil {
			s.conns = append(s.conns, cmd)
		}
		s.mu.Unlock()
		file.Close()
		if err != nil {
			s.t.Errorf("sshd: %v", err)
			return
		}
	}
}

// libraries are the folders of those that were unpacked beside the program.
func libraries(program string) string {
	root := filepath.Dir(filepath.Dir(filepath.Dir(program)))
	some, _ := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu*"))
	more, _ := filepath.Glob(filepath.Join(root, "lib", "*-linux-gnu*"))
	return strings.Join(append(some, more...), ":")
}

// playSSHD becomes the server of one connection.
func playSSHD(program, dir string) {
	fail := func(err error) {
		if err != nil {
			_ = os.WriteFile(filepath.Join(dir, "log"), []byte(err.Error()), 0o644)
			os.Exit(1)
		}
	}
	if os.Getuid() == 0 {
		fail(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		fail(unix.Mount(filepath.Join(dir, "passwd"), "/etc/passwd", "", unix.MS_BIND, ""))
		fail(unix.Mount(filepath.Join(dir, "shadow"), "/etc/shadow", "", unix.MS_BIND, ""))
		fail(unix.Mount("tmpfs", "/run", "tmpfs", 0, "size=64k"))
		fail(os.Mkdir("/run/sshd", 0o755))
	}
	fail(syscall.Exec(program, []string{program, "-i", "-f", filepath.Join(dir, "sshd_config"), "-E", filepath.Join(dir, "log")}, os.Environ()))
}

func (s *sshd) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// signal reaches the servers of all connections, and nothing that they started.
func (s *sshd) signal(sig syscall.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cmd := range s.conns {
		if cmd.ProcessState == nil {
			_ = unix.Kill(-cmd.Process.Pid, sig)
		}
	}
}

// kill ends the servers of all connections.
func (s *sshd) kill() {
	s.signal(unix.SIGKILL)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cmd := range s.conns {
		if cmd.ProcessState == nil {
			_ = cmd.Wait()
		}
	}
}

// remote is the host h2 behind that server.
func (s *sshd) remote(t *testing.T, change ...func(*RemoteConfig)) *Remote {
	t.Helper()
	cfg := s.cfg
	for _, c := range change {
		c(&cfg)
	}
	r, err := NewRemote("h2", cfg, noEPMD, "hushhush")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// there is a node of host h2 in that folder.
func there(dir string) cluster.Node {
	n := node(dir)
	n.Host = "h2"
	return n
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRSAKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signer(t *testing.T, key any) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func writeKey(t *testing.T, file string, key any, passphrase string) {
	t.Helper()
	var block *pem.Block
	var err error
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
}

// With the server itself, nothing else can be wrong: it lets ssh's own login in.
func TestUnpackedServer(t *testing.T) {
	s := newSSHD(t)
	r := s.remote(t)
	a, err := r.look(t.Context(), "cat", "/proc/version")
	if err != nil || !strings.HasPrefix(string(a.out), "Linux ") || a.exit != 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	if r.page.Load() != int64(os.Getpagesize()) {
		t.Errorf("a page has %d bytes", r.page.Load())
	}
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			word := fmt.Sprintf("word-%d", i)
			if a, err := r.look(t.Context(), "printf", word); err != nil || string(a.out) != word {
				t.Errorf("%q, %v", a.out, err)
			}
		})
	}
	all.Wait()
	if n := s.connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	log, err := os.ReadFile(s.path("log"))
	if err != nil || slices.Contains(strings.Fields(string(log)), "password") {
		t.Errorf("the server saw: %s, %v", log, err)
	}
}
