package soak

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"irisops/actions/erlang"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
	"irisops/bot/slack/slacktest"
)

// channels are where people speak: a channel takes a message a second.
var channels = []string{"C0OPS", "C0A", "C0B", "C0C", "C0D", "C0E"}

const onCall = "C0ONCALL"

// arrange brings up everything around irisops, and irisops.
func (s *soak) arrange(length time.Duration) {
	t := s.t
	t.Helper()
	var err error
	if s.dir, err = os.MkdirTemp("", "soak"); err != nil { // short, for the socket
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.dir) })
	s.binary = filepath.Join(s.dir, "irisops")
	args := []string{"build", "-o", s.binary}
	if raced {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "irisops/cmd/irisops")...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	s.disk = newDisk(t, filepath.Join(s.dir, "data"), 64<<20+int(length.Hours())*(32<<20))
	s.lab = labtest.ForTest(t, lab.Options{Cores: 2})
	if s.link, err = erlang.New(erlang.Options{Cookie: lab.Cookie, EPMDPort: s.lab.EPMDPort()}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.link.Close() })
	s.slack = slacktest.New(t, append([]string{onCall}, channels...)...)
	s.slack.Patience(2 * time.Minute)
	s.slack.Uploads("https://files.slack.com")
	s.slack.Generous() // the bot keeps Slack's pace; after a kill it cannot know how much of it is spent
	s.mail = newMailbox(t)
	s.configure()
	s.clients.begin()

	path := filepath.Join(s.dir, "path")
	s.must(os.Mkdir(path, 0o700))
	wrapped, err := exec.LookPath("make")
	s.must(err)
	// Every start of a node goes by make: here they are counted, outside of irisops.
	s.must(os.WriteFile(filepath.Join(path, "make"), fmt.Appendf(nil, "#!/bin/sh\nprintf '%%s\\n' \"$*\" >>%s\nexec %s \"$@\"\n", s.journal(), wrapped), 0o700))
	s.env = append(os.Environ(), "PATH="+path+":"+os.Getenv("PATH"), "SLACK_BOT_TOKEN="+slacktest.BotToken, "SLACK_APP_TOKEN="+slacktest.AppToken)
	s.env = append(s.env, doorTo(t, s.dir, strings.TrimSuffix(strings.TrimPrefix(s.slack.API(), "http://"), "/api/"))...)
	s.until("irisops starts", 30*time.Second, s.start)
	t.Cleanup(func() {
		s.bot.kill()
		if log, err := os.ReadFile(s.log()); err == nil && t.Failed() {
			lines := bytes.Split(log, []byte("\n"))
			t.Logf("irisops logged last:\n%s", bytes.Join(lines[max(0, len(lines)-60):], []byte("\n")))
		}
	})
}

func (s *soak) journal() string { return filepath.Join(s.dir, "journal") }
func (s *soak) log() string     { return filepath.Join(s.dir, "log") }

func (s *soak) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// configure makes the lab's config one with Slack, mail, and short clocks.
func (s *soak) configure() {
	s.t.Helper()
	text, err := os.ReadFile(s.lab.ConfigFile())
	s.must(err)
	out := regexp.MustCompile(`(?ms)^people:\n.*?\n\n`).ReplaceAllString(string(text), `people:
  - {id: operator, slack: U01, mail: operator@example.org, contact: [mail], roles: [operator, approver]}
  - {id: second, slack: U02, mail: second@example.org, contact: [mail], roles: [operator, approver]}
  - {id: owner, slack: U03, mail: owner@example.org, contact: [mail], roles: [approver, owner]}
  - {id: responder, slack: U04, mail: responder@example.org, contact: [mail], roles: [responder]}
  - {id: guest, slack: U05, roles: [viewer]}

`)
	out = regexp.MustCompile(`(?m)^data: .*$`).ReplaceAllString(out, "data: "+filepath.Join(s.dir, "data", "bot"))
	s.socket = filepath.Join(s.dir, "socket")
	out = regexp.MustCompile(`(?m)^socket: .*$`).ReplaceAllString(out, "socket: {path: "+s.socket+"}")
	out += fmt.Sprintf(`
mail: {server: %s, security: none, from: irisops@example.org, team: team@example.org}
slack: {channel: C0OPS, oncall_channel: C0ONCALL, channels: {C0A: lab, C0B: lab, C0C: lab, C0D: lab, C0E: lab}}
policies:
  P0: {respond: 0m, remind: 20m, steps: [{after: 0m, page: primary}, {after: 2s, page: sre}, {after: 5s, page: owner}]}
  P1: {respond: 4s, remind: 20m, steps: [{after: respond, page: primary, unless: acknowledged}]}
  P2: {respond: 1h, remind: 0m, steps: []}
schedules: {backup: {cron: "off"}, drill: {cron: "off"}, test_page: {cron: "off"}}
watch: {mode: observe, every: 5s}
backup: {min_free: 1MiB, keep: 2}
`, s.mail.address)
	s.config = filepath.Join(s.dir, "irisops.yaml")
	s.must(os.WriteFile(s.config, []byte(out), 0o600))
}

// bot is one life of irisops.
type bot struct {
	cmd    *exec.Cmd
	board  string
	ended  chan struct{}
	killed bool // by the storm
}

func (b *bot) kill() {
	b.killed = true
	b.cmd.Process.Kill()
	<-b.ended
}

func (b *bot) over() bool {
	select {
	case <-b.ended:
		return true
	default:
		return false
	}
}

// start begins a life of irisops, and says whether it came to listen.
func (s *soak) start() bool {
	s.t.Helper()
	log, err := os.OpenFile(s.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	s.must(err)
	defer log.Close()
	b := &bot{cmd: exec.Command(s.binary, "run", "--config", s.config), ended: make(chan struct{})}
	b.cmd.Env, b.cmd.Stderr = s.env, log
	out, err := b.cmd.StdoutPipe()
	s.must(err)
	s.must(b.cmd.Start())
	s.bot = b
	board := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "The board: "); ok {
				board <- url
			}
		}
		_, _ = io.Copy(io.Discard, out) // whatever is too long for a line
		_ = b.cmd.Wait()                // its state is looked at where it matters
		close(b.ended)
	}()
	select {
	case b.board = <-board:
		s.counts["lives of irisops"]++
		return true
	case <-b.ended:
		s.died()
		return false
	}
}

// revive starts irisops again if it has ended by itself.
func (s *soak) revive() {
	s.t.Helper()
	if s.bot != nil && s.bot.over() && time.Now().After(s.asleep) {
		if s.bot.board != "" {
			s.died()
		}
		s.start()
	}
}

// died takes note of an end that nobody has made. On a full disk it may come to
// that; else it is a fault.
func (s *soak) died() {
	s.t.Helper()
	if s.disk.wasFull(2 * time.Second) {
		s.counts["starts that a full disk did not allow"]++
		return
	}
	if !s.bot.killed {
		s.t.Errorf("irisops ended by itself: %s", s.bot.cmd.ProcessState)
	}
}

// end stops irisops in order.
func (s *soak) end() {
	s.t.Helper()
	s.must(s.bot.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-s.bot.ended:
	case <-time.After(30 * time.Second):
		s.t.Fatal("irisops does not stop")
	}
	if code := s.bot.cmd.ProcessState.ExitCode(); code != 0 {
		s.t.Errorf("irisops stopped with %d", code)
	}
	log, err := os.ReadFile(s.log())
	s.must(err)
	for _, bad := range []string{"DATA RACE", "panic", lab.Cookie, slacktest.BotToken, slacktest.AppToken} {
		if bytes.Contains(log, []byte(bad)) {
			s.t.Errorf("%q is in the log of irisops", bad)
		}
	}
}

// metrics are the figures that irisops shows.
func (s *soak) metrics() (map[string]string, error) {
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", strings.TrimSuffix(s.bot.board, "/")+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(answer.Status)
	}
	found := map[string]string{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), " "); ok {
			found[name] = value
		}
	}
	return found, nil
}

// doorTo is the environment in which slack.com is the test's own Slack, for a
// program that is not made for tests: a proxy, and a certificate for the name.
func doorTo(t interface {
	Fatal(...any)
	Cleanup(func())
}, dir, slack string) []string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "soak"}, DNSNames: []string{"slack.com", "files.slack.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "slack.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	secure := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pipe(c, secure, slack)
		}
	}()
	return []string{"HTTPS_PROXY=http://" + l.Addr().String(), "https_proxy=", "NO_PROXY=127.0.0.1,localhost", "SSL_CERT_FILE=" + file, "SSL_CERT_DIR=" + dir}
}

// pipe answers CONNECT, ends the TLS, and goes on to Slack in the clear.
func pipe(c net.Conn, secure *tls.Config, slack string) {
	defer c.Close()
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil || r.Method != http.MethodConnect || r.Host != "slack.com:443" && r.Host != "files.slack.com:443" {
		return
	}
	if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	from := tls.Server(c, secure)
	to, err := net.Dial("tcp", slack)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, from) // either end may go
		to.Close()
	}()
	_, _ = io.Copy(from, to)
}
