package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"irisops/cmd/irisops/config"
)

// withListen is the site's app with another listen: line; "" leaves it out.
func (s *site) withListen(line string) (*app, string, error) {
	s.t.Helper()
	text, err := os.ReadFile(s.config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("listen.yaml", strings.Replace(string(text), "listen: 127.0.0.1:0\n", line, 1))
	cfg, err := config.Load(s.dir + "/listen.yaml")
	if err != nil {
		s.t.Fatal(err)
	}
	var logged lockedBuffer
	a, err := newApp(cfg, overrides{}, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		return nil, logged.String(), err
	}
	s.t.Cleanup(func() { a.Stop(context.Background()) })
	if err := a.Start(context.Background()); err != nil {
		s.t.Fatal(err)
	}
	return a, logged.String(), nil
}

func TestWebRequestsAreAnswered(t *testing.T) {
	a, _, err := newSite(t).withListen("listen: 127.0.0.1:0\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		resp, err := http.Get(a.web.URL() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, body)
		}
	}
	if err := a.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(a.web.URL() + "/healthz"); err == nil {
		t.Error("it still answers after the end")
	}
}

func TestTakenAddress(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	s := newSite(t)
	if _, _, err := s.withListen("listen: " + other.Addr().String() + "\n"); err == nil || !strings.Contains(err.Error(), "listens on "+other.Addr().String()+" already") {
		t.Errorf("an address that the config asks for: %v", err)
	}
	a, _, err := s.withListen("listen: none\n")
	if err != nil || a.web != nil {
		t.Errorf("listen: none: %v, %v", a.web, err)
	}
	if err := a.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	// The default may be another irisops's on this machine.
	if theirs, err := net.Listen("tcp", "127.0.0.1:8642"); err == nil {
		defer theirs.Close()
	}
	a, logged, err := s.withListen("")
	if err != nil || a.web != nil || !strings.Contains(logged, "no web requests are answered") {
		t.Errorf("an address that nobody asked for: %v, %q", err, logged)
	}
}

// TestListenElsewhere starts it with --listen on every address of the machine: the
// board is there only for those who know its token.
func TestListenElsewhere(t *testing.T) {
	s := newSite(t)
	at := regexp.MustCompile(`http://\[::\]:[0-9]+`)
	begin := func(t *testing.T) (said *lockedBuffer, url string) {
		t.Helper()
		said = &lockedBuffer{}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan int, 1)
		go func() {
			done <- run(ctx, []string{"run", "--config", s.config, "--listen", "0.0.0.0:0"}, streams{os.Stdin, said, said})
		}()
		t.Cleanup(func() {
			cancel()
			if code := <-done; code != 0 {
				t.Errorf("it ended with %d: %s", code, said)
			}
		})
		for deadline := time.After(20 * time.Second); url == ""; url = at.FindString(said.String()) {
			select {
			case <-deadline:
				t.Fatalf("it says no address: %s", said)
			case <-time.After(5 * time.Millisecond):
			}
		}
		return said, strings.Replace(url, "[::]", "127.0.0.1", 1)
	}
	answers := func(t *testing.T, url, token string) int {
		t.Helper()
		req, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			req.SetBasicAuth("me", token)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	t.Run("without a token", func(t *testing.T) {
		said, url := begin(t)
		if !strings.Contains(said.String(), "the board is not shown there") || !strings.Contains(said.String(), "without the board") {
			t.Errorf("it says %s", said)
		}
		if got := answers(t, url+"/", ""); got != http.StatusNotFound {
			t.Errorf("the board answers %d", got)
		}
		if got := answers(t, url+"/healthz", ""); got != http.StatusOK {
			t.Errorf("/healthz answers %d", got)
		}
	})
	t.Run("with a token", func(t *testing.T) {
		text, err := os.ReadFile(s.config)
		if err != nil {
			t.Fatal(err)
		}
		s.write("token", "0123456789abcdef\n")
		s.write("irisops.yaml", string(text)+"board: {token_file: "+s.dir+"/token}\n")
		said, url := begin(t)
		if !strings.Contains(said.String(), "The board: http") {
			t.Errorf("it says %s", said)
		}
		for token, want := range map[string]int{"": http.StatusUnauthorized, "0123456789abcdeX": http.StatusUnauthorized, "0123456789abcdef": http.StatusOK} {
			if got := answers(t, url+"/", token); got != want {
				t.Errorf("with %q the board answers %d", token, got)
			}
		}
	})
}
