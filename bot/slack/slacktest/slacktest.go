// Package slacktest is Slack for tests: a stateful fake of the part of the Web
// API and of Socket Mode that bot/slack uses, on loopback, and a language to
// test conversations in. It is strict: it refuses what Slack refuses (limits of
// text and blocks, channels the bot is not in, wrong tokens) and fails the test
// for it, for calls that it does not know, for envelopes that are not
// acknowledged within 3 seconds (unless the test had that happen), and for edits that come too fast.
//
// Its frames are written from Slack's documentation, not with the library that
// bot/slack uses, and what it is sent is read as plain maps, so that our own
// encoder does not confirm itself. Imported by tests only.
package slacktest

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// Who and what there is.
const (
	BotToken = "xoxb-test-1"
	AppToken = "xapp-test-1"
	BotUser  = "U0IRIS"
	botID    = "B0IRIS"
	appID    = "A0IRIS"
	teamID   = "T0TEAM"
)

// ackWithin is Slack's deadline; again is when it delivers once more what was
// not acknowledged (slackapi/bolt-js#2487).
const (
	ackWithin = 3 * time.Second
	again     = 4 * time.Second
	editEvery = 3 * time.Second
)

// Slack is a fake workspace.
type Slack struct {
	t        testing.TB
	server   *httptest.Server
	patience time.Duration

	mu         sync.Mutex
	changed    chan struct{} // closed at every change
	closed     bool
	clock      int // makes ts and ids
	channels   map[string]*channel
	groups     map[string][]string
	ephemerals []*Ephemeral
	tickets    map[string]bool
	conns      []*conn
	deliveries map[string]*Delivery // by envelope id
	faults     map[string][]fault
	refusal    string
	calls      map[string]int
	twice      bool
	back       time.Duration
	triggers   map[string]trigger
	forms      []*Form
	files      []*File

	uploads string // where files are uploaded to, without the path
	posts   string // where deliveries are posted to; "": they go by Socket Mode

	revoked  []string
	spent    map[string]spent
	limited  int
	generous bool
	tolerant bool
	skew     time.Duration

	held []func() // envelopes that wait for the next one, which passes them
	swap bool

	lateAcks int  // acknowledgements that come too late
	stalled  bool // the test makes the bot late

	noDirect     map[string]string // user -> why the bot may not write to them
	slowTriggers bool
	mute         bool // connections stay, and nothing is delivered
	opened       int  // connections, ever
}

type channel struct {
	id       string
	members  map[string]bool
	archived bool
	messages []*Message
	direct   string // the user, if it is a direct message
}

// Message is one message as it stands. What changes of it is asked for by methods
// of Slack; a copy from Messages does not change.
type Message struct {
	Channel string
	TS      string
	Thread  string // ts of the head of its thread; "" if it is in the channel itself
	User    string
	Bot     bool

	text      string
	blocks    []any
	edits     int
	metadata  any
	broadcast bool
	edited    time.Time
	expected  bool
	states    []string // everything it ever said
	pinned    bool
	arrived   time.Time
	files     []*File
	shared    []answer // files of a person's
	replies   int
	latest    string // ts of the last reply
}

// Ephemeral is a message that one person saw.
type Ephemeral struct {
	Channel, Thread, User, Text string
	Blocks                      []any
	expected                    bool
}

// New starts a workspace in which the bot is a member of the given channels.
func New(t testing.TB, channels ...string) *Slack {
	s := &Slack{t: t, patience: 10 * time.Second, changed: make(chan struct{}), channels: map[string]*channel{},
		groups: map[string][]string{}, tickets: map[string]bool{}, deliveries: map[string]*Delivery{}, faults: map[string][]fault{}, calls: map[string]int{}}
	for _, id := range channels {
		s.channels[id] = &channel{id: id, members: map[string]bool{BotUser: true}}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/api/", s.serveAPI)
	mux.HandleFunc("/link/", s.serveSocket)
	mux.HandleFunc("/upload/", s.serveUpload)
	s.server = httptest.NewServer(mux)
	s.uploads = s.server.URL
	t.Cleanup(s.close)
	return s
}

func (s *Slack) close() {
	s.mu.Lock()
	s.closed = true
	conns := slices.Clone(s.conns)
	s.mu.Unlock()
	for _, c := range conns {
		c.ws.Close()
	}
	s.server.Close()
}

// API is the address of the Web API.
func (s *Slack) API() string { return s.server.URL + "/api/" }

// AddChannel makes a channel that the bot is not in.
func (s *Slack) AddChannel(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[id] = &channel{id: id, members: map[string]bool{}}
}

// Group says who is in a user group.
func (s *Slack) Group(id string, users ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.groups[id] = users
}

// Calls says how often a method of the Web API was called.
func (s *Slack) Calls(method string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[method]
}

// touch tells who waits that something has changed. The caller holds mu.
func (s *Slack) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// next makes a ts: the present second, and a number that grows. The caller
// holds mu.
func (s *Slack) next() string {
	s.clock++
	return fmt.Sprintf("%d.%06d", time.Now().Add(-s.back).Unix(), s.clock)
}

func (s *Slack) wrong(format string, args ...any) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if !closed {
		s.t.Errorf("slacktest: "+format, args...)
	}
}

func (s *Slack) message(channel, ts string) *Message {
	c := s.channels[channel]
	if c == nil {
		return nil
	}
	for _, m := range c.messages {
		if m.TS == ts {
			return m
		}
	}
	return nil
}

// fault is what goes wrong with one call.
type fault struct {
	status int
	header map[string]string
	code   string // in an answer with status 200
	hangup bool   // the call is done, and the answer lost
}

func (s *Slack) break_(method string, n int, f fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.faults[method] = append(s.faults[method], f)
	}
}

// RateLimit answers the next n calls of a method with 429; with Retry-After
// unless after is 0.
func (s *Slack) RateLimit(method string, n int, after time.Duration) {
	f := fault{status: http.StatusTooManyRequests, header: map[string]string{}}
	if after > 0 {
		f.header["Retry-After"] = fmt.Sprint(int(after.Seconds()))
	}
	s.break_(method, n, f)
}

// Fail answers the next n calls of a method with an error code.
func (s *Slack) Fail(method string, n int, code string) { s.break_(method, n, fault{code: code}) }

// LoseAnswer does what the next n calls of a method ask, and breaks the
// connection instead of answering.
func (s *Slack) LoseAnswer(method string, n int) { s.break_(method, n, fault{hangup: true}) }

// Refuse answers every call with an error code, until it is called with "".
func (s *Slack) Refuse(code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = code
}

// Break answers the next n calls of a method with an HTTP status.
func (s *Slack) Break(method string, n, status int) { s.break_(method, n, fault{status: status}) }

// Arrived is when it was posted.
func (m *Message) Arrived() time.Time { return m.arrived }

// DeliverTwice has the next envelope delivered twice.
func (s *Slack) DeliverTwice() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.twice = true
}

// Late makes what is said from now on that late: Slack retries events for
// minutes. 0 ends it.
func (s *Slack) Late(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back = by
}

// Forget takes a message away, as a person can.
func (s *Slack) Forget(m *Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[m.Channel]
	c.messages = slices.DeleteFunc(c.messages, func(o *Message) bool { return o == m })
}

// Messages are all messages in a channel, in order.
func (s *Slack) Messages(channel string) []*Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[channel]
	if c == nil { // a direct message that was never opened
		return nil
	}
	var all []*Message
	for _, m := range c.messages {
		all = append(all, m.copied())
	}
	return all
}

// Text is its fallback text.
func (m *Message) Text() string { return m.text }

// Key is the key that the bot has written into the message's metadata.
func (m *Message) Key() string { return m.key() }

func (m *Message) key() string {
	metadata, _ := m.metadata.(map[string]any)
	payload, _ := metadata["event_payload"].(map[string]any)
	key, _ := payload["key"].(string)
	return key
}

func (m *Message) copied() *Message {
	c := *m
	return &c
}

// all messages of the bot, in a fixed order. The caller holds mu.
func (s *Slack) all() []*Message {
	var all []*Message
	for _, id := range slices.Sorted(maps.Keys(s.channels)) {
		for _, m := range s.channels[id].messages {
			if m.Bot {
				all = append(all, m)
			}
		}
	}
	return all
}
