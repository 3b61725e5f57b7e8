package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

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
