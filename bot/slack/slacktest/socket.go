package slacktest

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// conn is one Socket Mode connection.
type conn struct {
	ws     *websocket.Conn
	mu     sync.Mutex // for writing
	ending bool       // it was told to go
}

func (c *conn) send(frame answer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ws.WriteJSON(frame)
}

// open hands out the address of a socket, good for one connection.
func (s *Slack) open(*http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock++
	ticket := fmt.Sprintf("ticket-%d", s.clock)
	s.tickets[ticket] = true
	return answer{"ok": true, "url": strings.Replace(s.server.URL, "http://", "ws://", 1) + "/link/?ticket=" + ticket + "&app_id=" + appID}
}

func (s *Slack) serveSocket(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	ticket := r.URL.Query().Get("ticket")
	good := s.tickets[ticket]
	delete(s.tickets, ticket)
	s.mu.Unlock()
	if !good {
		http.Error(w, "ticket", http.StatusNotFound)
		return
	}
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }} // clients name Slack's own
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &conn{ws: ws}
	defer s.drop(c)
	// https://docs.slack.dev/apis/events-api/using-socket-mode
	err = c.send(answer{"type": "hello", "num_connections": 1, "connection_info": answer{"app_id": appID},
		"debug_info": answer{"host": "applink-test", "build_number": 1, "approximate_connection_time": 18060}})
	if err != nil {
		return
	}
	s.mu.Lock()
	s.conns = append(s.conns, c)
	s.mute = false
	s.opened++
	s.touch()
	s.mu.Unlock()
	stop := make(chan struct{})
	defer close(stop)
	go c.ping(stop)
	for {
		var frame map[string]any
		if err := ws.ReadJSON(&frame); err != nil {
			return
		}
		s.acknowledged(frame)
	}
}

func (c *conn) ping(stop chan struct{}) {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			_ = c.ws.WriteControl(websocket.PingMessage, []byte("ping"), time.Now().Add(time.Second)) // the reader sees the end
		}
	}
}

func (s *Slack) drop(c *conn) {
	c.ws.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns = slices.DeleteFunc(s.conns, func(o *conn) bool { return o == c })
	for _, d := range s.deliveries {
		d.disturbed = d.disturbed || d.acks == 0
	}
	s.touch()
}

// Disconnect tells every connection to go, as Slack does a few times a day:
// "warning" ten seconds before, "refresh_requested" at once.
func (s *Slack) Disconnect(reason string) {
	s.mu.Lock()
	conns := slices.Clone(s.conns)
	for _, c := range conns {
		c.ending = true
	}
	for _, d := range s.deliveries {
		d.disturbed = true
	}
	s.mu.Unlock()
	for _, c := range conns {
		_ = c.send(answer{"type": "disconnect", "reason": reason, "debug_info": answer{"host": "applink-test"}}) // it may have gone by itself
	}
}

// Cut breaks every connection without a word.
func (s *Slack) Cut() {
	s.mu.Lock()
	conns := slices.Clone(s.conns)
	for _, d := range s.deliveries {
		d.disturbed = true
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.ws.Close()
	}
}

// Delivery is one thing that was delivered to the bot.
type Delivery struct {
	slack     *Slack
	kind      string
	accepts   bool
	payload   answer
	user      string
	channel   string
	sent      time.Time
	attempts  int
	acks      int
	took      time.Duration
	response  map[string]any
	at        map[string]time.Time // when each of its envelopes went out
	timedOut  bool                 // the person was told so
	disturbed bool                 // a connection ended on the way
	doubled   bool
	lost      bool // it never went out
	quiet     bool // nobody waits for it
	form      *Form
}

// deliver sends an envelope to one of the connections, and again every 4 seconds
// until it is acknowledged.
func (s *Slack) deliver(kind string, accepts bool, user, channel string, payload answer) *Delivery {
	s.t.Helper()
	return s.send(&Delivery{slack: s, kind: kind, accepts: accepts, payload: payload, user: user, channel: channel, sent: time.Now()})
}

func (s *Slack) send(d *Delivery) *Delivery {
	s.t.Helper()
	s.waitFor("a connection", func() bool {
		return s.posts != "" || slices.ContainsFunc(s.conns, func(c *conn) bool { return !c.ending })
	})
	s.mu.Lock()
	d.doubled, s.twice = s.twice, false
	s.mu.Unlock()
	d.again("")
	if d.doubled {
		d.again("timeout")
	}
	go d.insist()
	return d
}

// insist delivers again what is not acknowledged, as long as the test runs.
func (d *Delivery) insist() {
	for range 3 {
		timer := time.NewTimer(again)
		select {
		case <-timer.C:
		case <-d.slack.t.Context().Done():
			timer.Stop()
			return
		}
		d.slack.mu.Lock()
		over := d.acks > 0 || d.slack.closed || d.lost
		if !over && d.slack.stalled {
			d.late() // whichever of its deliveries is acknowledged first
		}
		d.slack.mu.Unlock()
		if over {
			return
		}
		d.again("timeout")
	}
}

// Again delivers it once more, with an envelope of its own but the same content:
// Slack's retry after it has lost an acknowledgement.
func (d *Delivery) Again() { d.again("timeout") }

func (d *Delivery) again(reason string) {
	s := d.slack
	s.mu.Lock()
	s.clock++
	envelope := fmt.Sprintf("envelope-%d", s.clock)
	s.deliveries[envelope] = d
	if d.at == nil {
		d.at = map[string]time.Time{}
	}
	d.at[envelope] = time.Now()
	attempt := d.attempts
	d.attempts++
	if s.posts != "" {
		s.mu.Unlock()
		d.post(attempt, reason)
		return
	}
	var to *conn
	for _, c := range s.conns {
		if !c.ending {
			to = c
		}
	}
	if s.mute {
		d.disturbed, d.lost, to = true, true, nil
	}
	s.mu.Unlock()
	frame := answer{"envelope_id": envelope, "type": d.kind, "accepts_response_payload": d.accepts, "payload": d.payload}
	if d.kind == "events_api" {
		frame["retry_attempt"], frame["retry_reason"] = attempt, reason
	}
	deliver := func() {
		if to == nil || to.send(frame) != nil {
			s.mu.Lock()
			d.disturbed = true
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	if s.swap && !d.quiet {
		s.swap, s.held = false, append(s.held, deliver)
		s.mu.Unlock()
		return
	}
	held := s.held
	if d.quiet {
		held = nil
	} else {
		s.held = nil
	}
	s.mu.Unlock()
	deliver()
	for _, later := range held {
		later()
	}
}

// Swap has the next envelope delivered after the one that follows it.
func (s *Slack) Swap() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swap = true
}

// Raw sends any text through every connection, as no Slack should.
func (s *Slack) Raw(text string) {
	s.mu.Lock()
	conns := slices.Clone(s.conns)
	s.mu.Unlock()
	for _, c := range conns {
		c.mu.Lock()
		_ = c.ws.WriteMessage(websocket.TextMessage, []byte(text)) // it may have gone
		c.mu.Unlock()
	}
}

// acknowledged reads an acknowledgement as a plain map.
func (s *Slack) acknowledged(frame map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, _ := frame["envelope_id"].(string)
	d := s.deliveries[id]
	for _, key := range slices.Sorted(maps.Keys(frame)) {
		if key != "envelope_id" && key != "payload" {
			s.t.Errorf("slacktest: an acknowledgement with %q", key)
		}
	}
	if d == nil {
		s.t.Errorf("slacktest: an acknowledgement of %q, which was never sent", id)
		return
	}
	if !s.tooLate(d, d.at[id]) {
		s.answered(d, frame)
	}
}

// answered takes an acknowledgement. The caller holds mu.
func (s *Slack) answered(d *Delivery, frame map[string]any) {
	if d.quiet {
		d.acks++
		return
	}
	if d.acks++; d.acks == 1 {
		d.took = time.Since(d.sent)
	}
	response, ok := frame["payload"].(map[string]any)
	if d.form != nil {
		d.form.submitted(response)
		s.touch()
		return
	}
	if ok && d.response == nil {
		if !d.accepts {
			s.t.Errorf("slacktest: an answer in the acknowledgement of %s, which takes none", d.kind)
		}
		d.response = response
		text, _ := response["text"].(string)
		s.ephemerals = append(s.ephemerals, &Ephemeral{Channel: d.channel, User: d.user, Text: text})
	}
	s.touch()
}

// Sent is when it was first delivered.
func (d *Delivery) Sent() time.Time { return d.sent }

// Trigger is the trigger id of a slash command.
func (d *Delivery) Trigger() string { return fmt.Sprint(d.payload["trigger_id"]) }

// Took is how long the acknowledgement took.
func (d *Delivery) Took() time.Duration {
	d.slack.mu.Lock()
	defer d.slack.mu.Unlock()
	return d.took
}
