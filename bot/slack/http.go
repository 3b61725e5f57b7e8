package slack

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/slack-go/slack"
)

// Slack over HTTP: the same envelopes, each a request of its own, signed. What is
// not signed by Slack, is older than five minutes, or came before is refused and
// read no further. https://docs.slack.dev/authentication/verifying-requests-from-slack

const (
	maxBody   = 1 << 20
	signedFor = 5 * time.Minute // as the library has it
)

// StartHTTP takes what comes by the Handler until Stop, and what was missed while
// nobody listened.
func (l *Listener) StartHTTP() {
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.done = cancel, make(chan struct{})
	l.work.Go(func() { l.keepHomes(ctx) })
	l.watch.read(l.room.conversations(), time.Now())
	go func() {
		defer close(l.done)
		for ctx.Err() == nil {
			if err := l.watchSilence(ctx); err != nil {
				l.room.alarms.raise(whatDeaf, fmt.Errorf("%w; see the request URLs on the app's pages", err))
			}
		}
	}()
}

// Handler answers what Slack asks at /slack/commands, /slack/events and
// /slack/interactions. The secret is the app's signing secret.
func (l *Listener) Handler(secret string) http.Handler {
	mux := http.NewServeMux()
	heard := &replays{}
	route := func(path string, read func(body []byte) (envelope, any, error)) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			body, status := verified(w, r, secret, heard)
			if status != http.StatusOK {
				l.room.Log.Warn("a request that is not Slack's, or comes again, was refused", "path", path, "status", status, "from", r.RemoteAddr)
				http.Error(w, http.StatusText(status), status)
				return
			}
			e, answer, err := read(body)
			switch {
			case err != nil:
				http.Error(w, "not understood", http.StatusBadRequest)
			case answer != nil:
				respond(w, answer)
			default:
				l.serve(w, r, e)
			}
		})
	}
	route("/slack/commands", commandBody)
	route("/slack/events", eventBody)
	route("/slack/interactions", interactionBody)
	return mux
}

// serve keeps what came, answers, and has it carried out after.
func (l *Listener) serve(w http.ResponseWriter, r *http.Request, e envelope) {
	p := l.arrive(e)
	l.room.alarms.over(whatDeaf)
	l.keep(r.Context(), p)
	if p.fate == unkept {
		p.end()
		http.Error(w, "it could not be kept", http.StatusServiceUnavailable) // Slack delivers events again
		return
	}
	respond(w, p.answer)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	l.work.Add(1)
	go func() {
		defer l.work.Done()
		defer p.end()
		l.carryOut(p)
	}()
}

func respond(w http.ResponseWriter, answer any) {
	switch answer := answer.(type) {
	case nil:
		w.WriteHeader(http.StatusOK)
	case string:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, answer) // who has gone is not answered
	default:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// verified reads the body, as long as it is Slack's and comes for the first time.
func verified(w http.ResponseWriter, r *http.Request, secret string, heard *replays) (body []byte, status int) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, http.StatusRequestEntityTooLarge
	case err != nil:
		return nil, http.StatusBadRequest
	}
	verifier, err := slack.NewSecretsVerifier(r.Header, secret) // the age too
	if err != nil {
		return nil, http.StatusUnauthorized
	}
	if _, err := verifier.Write(body); err != nil || verifier.Ensure() != nil {
		return nil, http.StatusUnauthorized
	}
	if heard.again(r.Header.Get("X-Slack-Signature"), time.Now()) {
		return nil, http.StatusUnauthorized
	}
	return body, http.StatusOK
}

// commandBody: https://docs.slack.dev/interactivity/implementing-slash-commands
func commandBody(body []byte) (e envelope, answer any, err error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return e, nil, err
	}
	if form.Get("ssl_check") == "1" {
		return e, "", nil
	}
	fields := map[string]string{}
	for name := range form {
		fields[name] = form.Get(name)
	}
	payload, err := json.Marshal(fields)
	sum := sha256.Sum256(body)
	return envelope{typ: "slash_commands", id: hex.EncodeToString(sum[:12]), payload: payload, answers: true}, nil, err
}

// eventBody: https://docs.slack.dev/apis/events-api/using-http-request-urls
func eventBody(body []byte) (e envelope, answer any, err error) {
	var outer struct {
		Type      string `json:"type"`
		Challenge string `json:"challenge"`
	}
	if err := json.Unmarshal(body, &outer); err != nil {
		return e, nil, err
	}
	if outer.Type == "url_verification" {
		return e, outer.Challenge, nil
	}
	return envelope{typ: "events_api", payload: body}, nil, nil
}

// interactionBody: https://docs.slack.dev/interactivity/handling-user-interaction
func interactionBody(body []byte) (e envelope, answer any, err error) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return e, nil, err
	}
	payload := form.Get("payload")
	if !json.Valid([]byte(payload)) {
		return e, nil, errors.New("no payload")
	}
	return envelope{typ: "interactive", payload: json.RawMessage(payload)}, nil, nil
}

// replays remembers signatures as long as their time is good, and up to twice as
// long.
type replays struct {
	mu          sync.Mutex
	now, before map[string]bool
	since       time.Time
}

func (r *replays) again(signature string, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil || at.Sub(r.since) > 2*signedFor {
		r.before, r.now, r.since = r.now, map[string]bool{}, at
	}
	again := r.now[signature] || r.before[signature]
	r.now[signature] = true
	return again
}

// Sign makes the headers with which Slack proves that a request is its own, for
// who asks the way that Slack does.
func Sign(body []byte, at time.Time, secret string) http.Header {
	stamp := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
	return http.Header{"X-Slack-Request-Timestamp": {stamp}, "X-Slack-Signature": {"v0=" + hex.EncodeToString(mac.Sum(nil))}, "Content-Type": {"application/json"}}
}
