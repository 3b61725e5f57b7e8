package web_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"irisops/actions"
	"irisops/bot/web"
)

// started is a server on a free port, with these routes.
func started(t *testing.T, o web.Options, routes map[string]http.HandlerFunc) *web.Server {
	t.Helper()
	o.Address = "127.0.0.1:0"
	s, err := web.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for pattern, h := range routes {
		s.Handle(pattern, h)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return s
}

func get(t *testing.T, url string) (int, string, http.Header) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body), resp.Header
}

func TestHealthAndReadiness(t *testing.T) {
	var trouble error
	s := started(t, web.Options{Ready: func(context.Context) error { return trouble }}, nil)
	if code, body, head := get(t, s.URL()+"/healthz"); code != 200 || body != "ok\n" || head.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("healthz: %d %q %v", code, body, head)
	}
	if code, body, _ := get(t, s.URL()+"/readyz"); code != 200 || body != "ready\n" {
		t.Errorf("readyz: %d %q", code, body)
	}
	trouble = errors.New("the database cannot be read")
	if code, body, _ := get(t, s.URL()+"/readyz"); code != 503 || !strings.Contains(body, "the database cannot be read") {
		t.Errorf("readyz in trouble: %d %q", code, body)
	}
	if code, _, _ := get(t, s.URL()+"/nothing"); code != 404 {
		t.Errorf("an unknown path: %d", code)
	}
}

func TestRoutesAndLinks(t *testing.T) {
	s := started(t, web.Options{External: "https://irisops.example.org/"}, map[string]http.HandlerFunc{
		"GET /hello": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") },
		"GET /broken": func(http.ResponseWriter, *http.Request) {
			panic("on purpose")
		},
	})
	if s.URL() != "https://irisops.example.org" {
		t.Errorf("links begin with %q", s.URL())
	}
	if code, body, _ := get(t, "http://"+s.Address()+"/hello"); code != 200 || body != "hello" {
		t.Errorf("hello: %d %q", code, body)
	}
	if code, body, _ := get(t, "http://"+s.Address()+"/broken"); code != 500 || strings.Contains(body, "on purpose") {
		t.Errorf("a panic: %d %q", code, body)
	}
}

func TestBodyIsBounded(t *testing.T) {
	s := started(t, web.Options{}, map[string]http.HandlerFunc{
		"POST /take": func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.ReadAll(r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			}
		},
	})
	for size, want := range map[int]int{web.MaxBody: 200, web.MaxBody + 1: 413} {
		resp, err := http.Post(s.URL()+"/take", "text/plain", bytes.NewReader(make([]byte, size)))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%d bytes: %d, want %d", size, resp.StatusCode, want)
		}
	}
}

func TestTakenPortIsSaid(t *testing.T) {
	s := started(t, web.Options{}, nil)
	_, err := web.New(web.Options{Address: s.Address()})
	var e *actions.Error
	if !errors.As(err, &e) || e.Code != web.CodeTaken || !strings.Contains(e.Text, s.Address()) || !strings.Contains(e.Hint, "listen:") {
		t.Errorf("the error is %v", err)
	}
}

// Whoever is being answered is answered to the end, and streams are told to end.
func TestStopWaitsForAnswers(t *testing.T) {
	inside := make(chan struct{})
	var s *web.Server
	s, err := web.New(web.Options{Address: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	s.Handle("GET /stream", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(inside)
		<-s.Stopping()
		io.WriteString(w, "the end")
	}))
	s.Start()
	answer := make(chan string, 1)
	go func() {
		resp, err := http.Get(s.URL() + "/stream")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- string(body)
	}()
	<-inside
	if err := s.Stop(context.Background()); err != nil {
		t.Error(err)
	}
	if got := <-answer; got != "the end" {
		t.Errorf("the answer is %q", got)
	}
	if _, err := web.New(web.Options{Address: s.Address()}); err != nil {
		t.Errorf("the address is not free again: %v", err)
	}
}
