package pagerduty_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/bot/pager"
	"irisops/bot/pager/pagerduty"
	"irisops/bot/pager/pagertest"
)

const key = "0123456789abcdef0123456789abcdef" // 32 characters, as PagerDuty's are

// fake is PagerDuty's Events API v2 by its documentation: what it does not
// describe is an error of the test, and what it refuses is refused with its words.
// https://developer.pagerduty.com/docs/events-api-v2-overview#response-codes--retry-logic
type fake struct {
	t      testing.TB
	answer int // 0: what the event deserves
	header [2]string
	breaks bool

	mu        sync.Mutex
	summaries []string
	alerts    map[string]string // dedup key: state
	actions   []string
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var e map[string]any
	body, err := io.ReadAll(io.LimitReader(r.Body, 512<<10+1))
	if err != nil || len(body) > 512<<10 || r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" || json.Unmarshal(body, &e) != nil {
		f.t.Errorf("not an event: %v %s %s, %d bytes", err, r.Method, r.URL, len(body))
	}
	if f.breaks {
		panic(http.ErrAbortHandler)
	}
	if f.header[0] != "" {
		w.Header().Set(f.header[0], f.header[1])
	}
	if f.answer != 0 {
		w.WriteHeader(f.answer)
		fmt.Fprintf(w, `{"status":"throttle exceeded","message":"%s"}`, key)
		return
	}
	if wrong := f.check(e); len(wrong) > 0 {
		w.WriteHeader(http.StatusBadRequest)
		json.NewEncoder(w).Encode(map[string]any{"status": "invalid event", "message": "Event object is invalid", "errors": wrong})
		return
	}
	f.take(e)
	w.WriteHeader(http.StatusAccepted)
	json.NewEncoder(w).Encode(map[string]any{"status": "success", "message": "Event processed", "dedup_key": e["dedup_key"]})
}

func (f *fake) check(e map[string]any) (wrong []string) {
	known := []string{"routing_key", "event_action", "dedup_key", "payload", "images", "links", "client", "client_url"}
	for name := range e {
		if !strings.Contains(strings.Join(known, " "), name) {
			f.t.Errorf("PagerDuty knows no field %q", name)
		}
	}
	text := func(of map[string]any, name string) string { s, _ := of[name].(string); return s }
	if len(text(e, "routing_key")) != 32 {
		wrong = append(wrong, "Length of 'routing_key' is incorrect (should be 32 characters)")
	}
	if d := text(e, "dedup_key"); len(d) > 255 || d == "" && text(e, "event_action") != "trigger" {
		wrong = append(wrong, "'dedup_key' is missing or too long")
	}
	switch text(e, "event_action") {
	case "acknowledge", "resolve":
		return wrong
	case "trigger":
	default:
		return append(wrong, "'event_action' is invalid")
	}
	p, _ := e["payload"].(map[string]any)
	if s := text(p, "summary"); s == "" || len([]rune(s)) > 1024 {
		wrong = append(wrong, "'payload.summary' is missing or blank, or too long")
	}
	if text(p, "source") == "" {
		wrong = append(wrong, "'payload.source' is missing or blank")
	}
	if s := text(p, "severity"); s != "critical" && s != "error" && s != "warning" && s != "info" {
		wrong = append(wrong, "'payload.severity' is invalid (must be one of the following: 'critical', 'warning', 'error' or 'info')")
	}
	if at := text(p, "timestamp"); at != "" {
		if _, err := time.Parse("2006-01-02T15:04:05.000Z0700", at); err != nil {
			wrong = append(wrong, "'payload.timestamp' is invalid")
		}
	}
	return wrong
}

// take does what PagerDuty does with the event: an alert lives by its key.
func (f *fake) take(e map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.alerts == nil {
		f.alerts = map[string]string{}
	}
	dedup, action := e["dedup_key"].(string), e["event_action"].(string)
	f.actions = append(f.actions, action)
	switch state := f.alerts[dedup]; {
	case action == "trigger":
		if state == "" || state == "resolve" {
			f.alerts[dedup] = "trigger"
		}
		details := e["payload"].(map[string]any)["custom_details"].(map[string]any)
		f.summaries = append(f.summaries, details["text"].(string))
	case state != "" && state != "resolve":
		f.alerts[dedup] = action
	}
}

func (f *fake) taken() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.summaries...)
}

func sender(url, k string) *pagerduty.Sender {
	return pagerduty.New(pagerduty.Options{URL: url + "/v2/enqueue", Key: func(person string) string { return k },
		Link: func(pager.Page) string { return "https://irisops.example.org/ack/x" }})
}

func open(f *fake, k string) func(testing.TB) (pager.Sender, func() []string) {
	return func(t testing.TB) (pager.Sender, func() []string) {
		one := &fake{t: t, answer: f.answer, header: f.header, breaks: f.breaks}
		server := httptest.NewServer(one)
		t.Cleanup(server.Close)
		return sender(server.URL, k), one.taken
	}
}

func TestConformance(t *testing.T) {
	pagertest.Test(t, pagertest.Backend{
		Channel: "pagerduty", Secrets: []string{key},
		Cases: []pagertest.Case{
			{Name: "202", Want: pager.Arrived, Open: open(&fake{}, key)},
			{Name: "400, a key that is none", Want: pager.Refused, Open: open(&fake{}, "too short")},
			{Name: "no key", Want: pager.Refused, Open: open(&fake{}, "")},
			{Name: "403", Want: pager.Refused, Open: open(&fake{answer: 403}, key)},
			{Name: "429", Want: pager.NotArrived, Open: open(&fake{answer: 429}, key)},
			{Name: "429 with a time", Want: pager.NotArrived, Wait: 30 * time.Second, Open: open(&fake{answer: 429, header: [2]string{"Retry-After", "30"}}, key)},
			{Name: "500", Want: pager.NotArrived, Open: open(&fake{answer: 500}, key)},
			{Name: "the connection breaks", Want: pager.Uncertain, Open: open(&fake{breaks: true}, key)},
		},
		Silent: func(t testing.TB) pager.Sender {
			stop := make(chan struct{})
			server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-stop }))
			t.Cleanup(func() { close(stop); server.Close() })
			return sender(server.URL, key)
		},
	})
}

// One alert from the trigger to the end, by one key; another page for the same
// incident is another alert, which rings again.
func TestTriggerAcknowledgeResolve(t *testing.T) {
	f := &fake{t: t}
	server := httptest.NewServer(f)
	defer server.Close()
	s := sender(server.URL, key)
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	first := pager.Page{Incident: "INC-7", Step: "P0/0m", Role: "primary", Person: "operator", Channel: "pagerduty", Text: "INC-7 P0: it is down", Queued: at, Due: at}
	second := first
	second.Step, second.Role, second.Queued = "P0/15m", "sre", at.Add(15*time.Minute)
	again := first
	again.PossibleDuplicate = true
	for i, p := range []pager.Page{first, again, first.About(pager.Acknowledged, "acknowledged", at), second, first.About(pager.Resolved, "resolved", at)} {
		if err := s.Send(t.Context(), p); err != nil {
			t.Fatal(i, err)
		}
	}
	if got := fmt.Sprint(f.actions); got != "[trigger trigger acknowledge trigger resolve]" {
		t.Error(got)
	}
	if len(f.alerts) != 2 || f.alerts[pagerduty.DedupKey(first)] != "resolve" || f.alerts[pagerduty.DedupKey(second)] != "trigger" {
		t.Errorf("%v", f.alerts)
	}
}

// What PagerDuty sends, signed as it does.
func TestHook(t *testing.T) {
	const secret = "a_planted_hook_secret"
	sign := func(secret, body string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		io.WriteString(mac, body)
		return "v1=" + hex.EncodeToString(mac.Sum(nil))
	}
	event := func(kind, agent string) string {
		return fmt.Sprintf(`{"event":{"id":"01BZ","event_type":%q,"resource_type":"incident","occurred_at":"2026-03-01T03:02:00.000Z",
			"agent":%s,"client":{"name":"PagerDuty"},"data":{"id":"PT4KHLK","type":"incident","status":"acknowledged","incident_key":"INC-7/P0/0m/primary/pagerduty@1"}}}`, kind, agent)
	}
	user := `{"id":"PXPGF42","type":"user_reference","summary":"Ada"}`
	acknowledged := event("incident.acknowledged", user)
	for _, tt := range []struct {
		name, body, signature string
		fails                 bool
		code                  int
		want                  string
	}{
		{"acknowledged", acknowledged, sign(secret, acknowledged), false, 202, "{01BZ INC-7/P0/0m/primary/pagerduty@1 PXPGF42}"},
		{"with the old secret as well", acknowledged, sign("old", acknowledged) + "," + sign(secret, acknowledged), false, 202, "{01BZ INC-7/P0/0m/primary/pagerduty@1 PXPGF42}"},
		{"by no user", event("incident.acknowledged", `{"id":"PINT","type":"integration_reference"}`), "", false, 202, "{01BZ INC-7/P0/0m/primary/pagerduty@1 }"},
		{"by nobody", event("incident.acknowledged", "null"), "", false, 202, "{01BZ INC-7/P0/0m/primary/pagerduty@1 }"},
		{"something else", event("incident.triggered", user), "", false, 202, ""},
		{"a ping", `{"event":{"id":"x","event_type":"pagey.ping","resource_type":"pagey","data":{"message":"Hello from your friend Pagey!","type":"ping"}}}`, "", false, 202, ""},
		{"it cannot be kept", acknowledged, "", true, 503, ""},
		{"no signature", acknowledged, "none", false, 401, ""},
		{"another secret", acknowledged, sign("other", acknowledged), false, 401, ""},
		{"another body", acknowledged, sign(secret, acknowledged+" "), false, 401, ""},
		{"no JSON", "nonsense", "", false, 400, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			h := &pagerduty.Hook{Secret: secret, Log: slog.New(slog.DiscardHandler), Take: func(_ context.Context, a pagerduty.Acknowledgement) error {
				if tt.fails {
					return errors.New("disk full")
				}
				got = append(got, fmt.Sprint(a))
				return nil
			}}
			r := httptest.NewRequest(http.MethodPost, "/pagerduty", strings.NewReader(tt.body))
			signature := tt.signature
			if signature == "" {
				signature = sign(secret, tt.body)
			}
			if signature != "none" {
				r.Header.Set("X-PagerDuty-Signature", signature)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != tt.code || strings.Join(got, "") != tt.want {
				t.Errorf("%d %v, want %d %s", w.Code, got, tt.code, tt.want)
			}
		})
	}
	empty := &pagerduty.Hook{Take: func(context.Context, pagerduty.Acknowledgement) error { t.Error("taken"); return nil }}
	r := httptest.NewRequest(http.MethodPost, "/pagerduty", strings.NewReader(acknowledged))
	r.Header.Set("X-PagerDuty-Signature", sign("", acknowledged))
	w := httptest.NewRecorder()
	if empty.ServeHTTP(w, r); w.Code != 401 {
		t.Errorf("without a secret everybody is believed: %d", w.Code)
	}
}
