package webhook_test

import (
	"crypto/hmac"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/bot/pager"
	"irisops/bot/pager/pagertest"
	"irisops/bot/pager/webhook"
)

const (
	secret = "a_planted_signing_key"
	auth   = "GenieKey a_planted_genie_key"
)

// far is the far end: it takes only what is signed, dated, typed and keyed.
type far struct {
	t      testing.TB
	answer func(w http.ResponseWriter, r *http.Request) (takes bool)

	mu    sync.Mutex
	calls []webhook.Call
	keys  []string
}

func (f *far) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	at := r.Header.Get("X-Irisops-Timestamp")
	signed := hmac.Equal([]byte(r.Header.Get("X-Irisops-Signature")), []byte("v1="+webhook.Sign(secret, at, body)))
	var c webhook.Call
	switch {
	case err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json":
		f.t.Errorf("a request that is none: %v %s %v", err, r.Method, r.Header)
	case at == "" || !signed:
		f.t.Errorf("the signature is not right: %v", r.Header)
	case r.Header.Get("Authorization") != auth:
		f.t.Errorf("authorization %q", r.Header.Get("Authorization"))
	case json.Unmarshal(body, &c) != nil || c.ID == "" || !strings.Contains(r.Header.Get("Idempotency-Key"), c.ID):
		f.t.Errorf("the body or its key is not right: %s, %v", body, r.Header)
	}
	if f.answer != nil && !f.answer(w, r) {
		return
	}
	f.mu.Lock()
	f.calls, f.keys = append(f.calls, c), append(f.keys, r.Header.Get("Idempotency-Key"))
	f.mu.Unlock()
}

func (f *far) texts() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var texts []string
	for _, c := range f.calls {
		texts = append(texts, c.Text)
	}
	return texts
}

func sender(t testing.TB, url string) pager.Sender {
	t.Helper()
	s, err := webhook.New(webhook.Options{Name: "phone", URL: url + "/a_planted_path", Secret: secret, Authorization: auth,
		Link: func(p pager.Page) string { return "https://irisops.example.org/ack/x" }})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(answer func(w http.ResponseWriter, r *http.Request) bool) func(testing.TB) (pager.Sender, func() []string) {
	return func(t testing.TB) (pager.Sender, func() []string) {
		f := &far{t: t, answer: answer}
		server := httptest.NewServer(f)
		t.Cleanup(server.Close)
		return sender(t, server.URL), f.texts
	}
}

func status(code int, header ...string) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if len(header) > 0 {
			w.Header().Set(header[0], header[1])
		}
		w.WriteHeader(code)
		_, key, _ := strings.Cut(auth, " ")
		io.WriteString(w, "no: "+auth+" "+key+" "+secret+" "+r.URL.Path)
		return code/100 == 2
	}
}

func TestConformance(t *testing.T) {
	pagertest.Test(t, pagertest.Backend{
		Channel: "webhook:phone", Secrets: []string{secret, auth, "a_planted_genie_key", "a_planted_path"},
		Cases: []pagertest.Case{
			{Name: "200", Want: pager.Arrived, Open: open(nil)},
			{Name: "202", Want: pager.Arrived, Open: open(status(202))},
			{Name: "400", Want: pager.Refused, Open: open(status(400))},
			{Name: "401", Want: pager.Refused, Open: open(status(401))},
			{Name: "a redirect elsewhere", Want: pager.Refused, Open: open(status(302, "Location", "http://127.0.0.1:1/elsewhere"))},
			{Name: "408", Want: pager.NotArrived, Open: open(status(408))},
			{Name: "429 with a time", Want: pager.NotArrived, Wait: 7 * time.Second, Open: open(status(429, "Retry-After", "7"))},
			{Name: "500", Want: pager.NotArrived, Open: open(status(500))},
			{Name: "503", Want: pager.NotArrived, Open: open(status(503))},
			{Name: "the connection breaks before an answer", Want: pager.Uncertain, Open: open(func(http.ResponseWriter, *http.Request) bool {
				panic(http.ErrAbortHandler)
			})},
			{Name: "nobody listens", Want: pager.NotArrived, Open: func(t testing.TB) (pager.Sender, func() []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				l.Close()
				return sender(t, "http://"+l.Addr().String()), func() []string { return nil }
			}},
		},
		Silent: func(t testing.TB) pager.Sender {
			stop := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				io.Copy(io.Discard, r.Body)
				<-stop
			}))
			t.Cleanup(func() { close(stop); server.Close() })
			return sender(t, server.URL)
		},
	})
}

// The same page again has the same key; word about it has the same id.
func TestTheFarEndCanTellTheSameAgain(t *testing.T) {
	f := &far{t: t}
	server := httptest.NewServer(f)
	defer server.Close()
	s := sender(t, server.URL)
	p := pager.Page{Incident: "INC-7", Step: "P1/15m", Role: "sre", Person: "operator", Channel: "webhook:phone", Text: "it is down", Queued: time.Unix(1e9, 0), Attempts: 1}
	again := p
	again.Attempts, again.PossibleDuplicate = 2, true
	for _, p := range []pager.Page{p, again, p.About(pager.Resolved, "INC-7 resolved", time.Unix(2e9, 0))} {
		if err := s.Send(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	a, b, c := f.calls[0], f.calls[1], f.calls[2]
	if a.ID != b.ID || b.ID != c.ID || f.keys[0] != f.keys[1] || f.keys[1] == f.keys[2] {
		t.Errorf("ids %q %q %q, keys %q", a.ID, b.ID, c.ID, f.keys)
	}
	if a.Type != "page" || c.Type != "resolve" || a.Priority != "P1" || a.AckURL == "" || c.AckURL != "" || !b.Duplicate || b.Attempt != 2 {
		t.Errorf("%+v %+v %+v", a, b, c)
	}
}

func TestTheBodyIsATemplate(t *testing.T) {
	var got, kind string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, kind = string(body), r.Header.Get("Content-Type")
	}))
	defer server.Close()
	for body, want := range map[string][2]string{
		`{"topic":"oncall","title":{{json .Title}},"message":{{json .Text}},"priority":5}`: {`{"topic":"oncall","title":"it is \"down\"","message":"it is \"down\"\nreally","priority":5}`, "application/json"},
		`{{.Title}}`: {`it is "down"`, "text/plain; charset=utf-8"},
	} {
		s, err := webhook.New(webhook.Options{Name: "ntfy", URL: server.URL, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), pager.Page{Text: "it is \"down\"\nreally"}); err != nil || got != want[0] || kind != want[1] {
			t.Errorf("%s: %v, %q of %s, want %q", body, err, got, kind, want)
		}
	}
	for _, bad := range []string{"{{.Nonsense}}", "{{", "{{json}}"} {
		if _, err := webhook.New(webhook.Options{Body: bad}); err == nil {
			t.Errorf("%q is taken for a template", bad)
		}
	}
}
