package pagertest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/bot/pager"
	"irisops/bot/pager/pagertest"
)

// hook is a small back end over real HTTP, with faults to switch on.
type hook struct {
	channel string
	url     string
	token   string

	tellsToken  bool // in its errors
	ignoresCtx  bool
	ignoresMark bool // says nothing of duplicates and lateness
	givesUp     bool // calls every failure final
	blind       bool // calls every answer a success
	panics      bool
	doubles     bool
	dumb        bool // its errors say nothing
}

func (h *hook) Channel() string { return h.channel }

func (h *hook) Send(ctx context.Context, p pager.Page) error {
	if h.panics {
		panic("no route")
	}
	if h.ignoresCtx {
		ctx = context.WithoutCancel(ctx)
	}
	if h.doubles {
		if err := h.post(ctx, p); err != nil {
			return err
		}
	}
	return h.post(ctx, p)
}

func (h *hook) post(ctx context.Context, p pager.Page) error {
	words := p.Words()
	if h.ignoresMark {
		words = p.Text
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader([]byte(words)))
	if err != nil {
		return pager.Final(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return h.fail(pager.Unsure, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode < 300 || h.blind:
		return nil
	case resp.StatusCode == http.StatusTooManyRequests:
		return h.fail(func(err error) error { return pager.RetryAfter(err, 7*time.Second) }, errors.New(resp.Status))
	case resp.StatusCode >= 500:
		return h.fail(pager.Retry, errors.New(resp.Status))
	}
	return h.fail(pager.Final, errors.New(resp.Status))
}

func (h *hook) fail(how func(error) error, err error) error {
	if h.tellsToken {
		err = fmt.Errorf("with token %s: %w", h.token, err)
	}
	if h.givesUp {
		how = pager.Final
	}
	if h.dumb {
		err = errors.New(" ")
	}
	return how(err)
}

// backend describes hooks that are made with the given fault.
func backend(fault func(*hook)) pagertest.Backend {
	open := func(status int) func(testing.TB) (pager.Sender, func() []string) {
		return func(t testing.TB) (pager.Sender, func() []string) {
			var mu sync.Mutex
			var taken []string
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					return
				}
				if status < 300 {
					mu.Lock()
					taken = append(taken, string(body))
					mu.Unlock()
				}
				w.WriteHeader(status)
			}))
			t.Cleanup(server.Close)
			h := &hook{channel: "hook", url: server.URL, token: "s3cret-token"}
			fault(h)
			return h, func() []string {
				mu.Lock()
				defer mu.Unlock()
				return append([]string(nil), taken...)
			}
		}
	}
	return pagertest.Backend{
		Channel: "hook",
		Secrets: []string{"s3cret-token"},
		Cases: []pagertest.Case{
			{Name: "takes it", Want: pager.Arrived, Open: open(200)},
			{Name: "too many", Want: pager.NotArrived, Wait: 7 * time.Second, Open: open(429)},
			{Name: "broken", Want: pager.NotArrived, Open: open(503)},
			{Name: "unknown person", Want: pager.Refused, Open: open(404)},
		},
		Silent: func(t testing.TB) pager.Sender {
			end := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-end }))
			t.Cleanup(server.Close)
			t.Cleanup(func() { close(end) })
			h := &hook{channel: "hook", url: server.URL, token: "s3cret-token"}
			fault(h)
			return h
		},
	}
}

func TestAGoodBackEndPasses(t *testing.T) {
	pagertest.Test(t, backend(func(*hook) {}))
}

// The kit is tried by breaking what it watches over.
func TestTheKitFindsFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault func(*hook)
		want  []string
	}{
		{"another channel", func(h *hook) { h.channel = "mail" }, []string{`Channel is "mail"`}},
		{"a secret in an error", func(h *hook) { h.tellsToken = true }, []string{"a secret stands in the error"}},
		{"pays no heed to its context", func(h *hook) { h.ignoresCtx = true },
			[]string{"Send does not end with its context", "with a context that had ended, a page was sent"}},
		{"marks left out", func(h *hook) { h.ignoresMark = true }, []string{`does not say "possible duplicate"`, `does not say "late by 2"`}},
		{"gives up too early", func(h *hook) { h.givesUp = true }, []string{`the verdict is "refused"`}},
		{"success without looking", func(h *hook) { h.blind = true }, []string{"the page is said to have arrived, and has 0 times"}},
		{"panics", func(h *hook) { h.panics = true }, []string{"Send panics"}},
		{"sends twice", func(h *hook) { h.doubles = true }, []string{"the page is said to have arrived, and has 2 times"}},
		{"says nothing", func(h *hook) { h.dumb = true }, []string{"an error says nothing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found := strings.Join(pagertest.Problems(t, backend(tt.fault)), "\n")
			for _, want := range tt.want {
				if !strings.Contains(found, want) {
					t.Errorf("the kit does not say %q:\n%s", want, found)
				}
			}
		})
	}
	t.Run("cases left out", func(t *testing.T) {
		b := backend(func(*hook) {})
		b.Cases = nil
		if found := pagertest.Problems(t, b); len(found) != 2 {
			t.Errorf("the kit finds %q", found)
		}
	})
}
