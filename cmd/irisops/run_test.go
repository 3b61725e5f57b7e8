package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// site is a folder with a config for a cluster that does not run.
type site struct {
	t              *testing.T
	dir            string
	config, socket string
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "site") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &site{t: t, dir: dir, config: filepath.Join(dir, "irisops.yaml"), socket: filepath.Join(dir, "s")}
	s.write("cookie", "a_planted_cookie")
	s.write("irisops.yaml", fmt.Sprintf(`data: %[1]s/data
listen: 127.0.0.1:0
socket: {path: %[1]s/s}
people:
  - {id: operator, roles: [operator, approver]}
oncall: {primary: operator, sre: operator, owner: operator}
clusters:
  - name: main
    cookie_file: %[1]s/cookie
    epmd_port: 4
    nodes:
      - {short: core, name: iris_core@localhost, role: core, host: local, dir: %[1]s}
`, dir))
	return s
}

func (s *site) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// irisops runs a command line and returns its code and what it printed.
func (s *site) irisops(ctx context.Context, args ...string) (code int, out, errs string) {
	var o, e lockedBuffer
	code = run(ctx, args, streams{os.Stdin, &o, &e})
	for _, text := range []string{o.String(), e.String()} {
		if strings.Contains(text, "a_planted_cookie") {
			s.t.Errorf("irisops %q printed the cookie", args)
		}
	}
	return code, o.String(), e.String()
}

// start runs irisops until the returned function is called, which gives its code.
func (s *site) start() (stop func() int) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan int, 1)
	go func() {
		code, _, errs := s.irisops(ctx, "run", "--config", s.config)
		if code != 0 {
			s.t.Log("run: ", errs)
		}
		done <- code
	}()
	s.await()
	return func() int { cancel(); return <-done }
}

func (s *site) await() {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		if conn, err := net.Dial("unix", s.socket); err == nil {
			conn.Close()
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			s.t.Fatal("it does not answer on its socket")
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestSpeakingOverTheSocket(t *testing.T) {
	s := newSite(t)
	stop := s.start()
	ctl := func(words ...string) (int, string, string) {
		return s.irisops(t.Context(), append([]string{"ctl", "--config", s.config}, words...)...)
	}
	if code, out, _ := ctl("status"); code != 0 || !strings.Contains(out, "core") {
		t.Errorf("status: %d %s", code, out)
	}
	code, out, _ := ctl("--json", "status")
	var said struct {
		Code  int
		Posts []struct {
			Key     string
			Message struct{ Title string }
		}
	}
	if err := json.Unmarshal([]byte(out), &said); err != nil || code != 0 || len(said.Posts) != 1 || said.Posts[0].Message.Title == "" {
		t.Errorf("status --json: %d %v %s", code, err, out)
	}
	// The account that irisops runs as may look, and nothing else.
	if code, out, _ := ctl("declare", "P0", "no clients"); code != 1 || !strings.Contains(out, "declare") {
		t.Errorf("declare by the bot's own account: %d %s", code, out)
	}
	if code, out, _ := ctl("restart", "core", "--dry-run"); code != 1 {
		t.Errorf("restart by the bot's own account: %d %s", code, out)
	}
	if code, out, _ := ctl("frobnicate"); code != 2 || !strings.Contains(out, "frobnicate") {
		t.Errorf("unknown words: %d %s", code, out)
	}

	// A second one refuses to start, and touches nothing.
	if code, _, errs := s.irisops(t.Context(), "run", "--config", s.config); code != 1 || !strings.Contains(errs, "irisops.db") {
		t.Errorf("a second irisops: %d %s", code, errs)
	}
	if code, _, _ := ctl("status"); code != 0 {
		t.Error("the first one was disturbed")
	}
	if code := stop(); code != 0 {
		t.Errorf("it stopped with %d", code)
	}
	if code, _, errs := ctl("status"); code != 1 || !strings.Contains(errs, "No irisops listens") {
		t.Errorf("after the end: %d %s", code, errs)
	}
}

func TestDamagedDatabaseIsRefused(t *testing.T) {
	s := newSite(t)
	if code := s.start()(); code != 0 {
		t.Fatal(code)
	}
	path := filepath.Join(s.dir, "data", "irisops.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged := append([]byte(nil), whole...)
	for i := 0; i < len(damaged); i += 512 {
		damaged[i] ^= 0xff
	}
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := s.irisops(t.Context(), "run", "--config", s.config)
	if code != 1 || !strings.Contains(errs, "To restore") {
		t.Errorf("a damaged database: %d %s", code, errs)
	}
	if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, damaged) {
		t.Error("the damaged file was changed")
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if code := s.start()(); code != 0 {
		t.Errorf("after the restore it ends with %d", code)
	}
}
