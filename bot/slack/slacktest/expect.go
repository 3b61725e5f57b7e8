package slacktest

import (
	"fmt"
	"strings"
	"time"
)

// waitFor waits until is holds; it is called with mu held. Not more than the
// workspace's patience.
func (s *Slack) waitFor(what string, is func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(s.patience)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		ok, changed := is(), s.changed
		s.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			s.t.Fatalf("slacktest: no %s within %s. There is:\n%s", what, s.patience, s.Transcript())
		}
	}
}

// Patience sets how long is waited for what is expected; 10 s if never set.
func (s *Slack) Patience(d time.Duration) { s.patience = d }

func has(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// expect waits for a message of the bot that was not expected before.
func (s *Slack) expect(what string, in func(*Message) bool, parts []string) *Message {
	s.t.Helper()
	var found *Message
	s.waitFor(fmt.Sprintf("message %s with %q", what, parts), func() bool {
		for _, m := range s.all() {
			if !m.expected && in(m) && has(m.states[0], parts) {
				found = m
				m.expected = true
				return true
			}
		}
		return false
	})
	return found
}

// ExpectPost waits for a new message in the channel itself whose first state had
// all the parts.
func (s *Slack) ExpectPost(channel string, parts ...string) *Message {
	s.t.Helper()
	return s.expect("in "+channel, func(m *Message) bool { return m.Channel == channel && m.Thread == "" }, parts)
}

// ExpectInThread waits for a new message in the thread of head.
func (s *Slack) ExpectInThread(head *Message, parts ...string) *Message {
	s.t.Helper()
	return s.expect("in the thread of "+head.TS, func(m *Message) bool { return m.Channel == head.Channel && m.Thread == head.TS }, parts)
}

// ExpectEdited waits until the message says all the parts now, after an edit in
// place.
func (s *Slack) ExpectEdited(m *Message, parts ...string) {
	s.t.Helper()
	s.waitFor(fmt.Sprintf("edit of %q to %q", s.first(m), parts), func() bool { return m.edits > 0 && has(shown(m.text, m.blocks), parts) })
}

// ExpectEither waits until the message, or another one in its thread, says one
// of the texts now, and says which.
func (s *Slack) ExpectEither(m *Message, texts ...string) (which int) {
	s.t.Helper()
	s.waitFor(fmt.Sprintf("edit of %q to one of %q", s.first(m), texts), func() bool {
		for i, text := range texts {
			for _, o := range s.all() {
				if o.Channel == m.Channel && o.Thread == m.Thread && strings.Contains(shown(o.text, o.blocks), text) {
					which = i
					return true
				}
			}
		}
		return false
	})
	return which
}

// ExpectEphemeral waits for a message that only that person sees.
func (s *Slack) ExpectEphemeral(user string, parts ...string) *Ephemeral {
	s.t.Helper()
	var found *Ephemeral
	s.waitFor(fmt.Sprintf("private message to %s with %q", user, parts), func() bool {
		for _, e := range s.ephemerals {
			if !e.expected && e.User == user && has(shown(e.Text, e.Blocks), parts) {
				found, e.expected = e, true
				return true
			}
		}
		return false
	})
	return found
}

// first is what a message said at first.
func (s *Slack) first(m *Message) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.states[0]
}

// Edits is how often a message was edited.
func (s *Slack) Edits(m *Message) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.edits
}

// HasBlocks says whether a message has more than text.
func (s *Slack) HasBlocks(m *Message) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(m.blocks) > 0
}

// Shown is all that a person sees of a message now.
func (s *Slack) Shown(m *Message) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return shown(m.text, m.blocks)
}

// quiet is how long nothing has to happen until nothing will.
const quiet = 1200 * time.Millisecond // longer than the pace of a channel

// NothingElse waits until all is quiet, and fails the test for every message
// that was not expected.
func (s *Slack) NothingElse() {
	s.t.Helper()
	s.Settle()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.all() {
		if !m.expected {
			s.t.Errorf("slacktest: unexpected in %s (thread %q):\n%s", m.Channel, m.Thread, m.states[0])
		}
	}
	for _, e := range s.ephemerals {
		if !e.expected {
			s.t.Errorf("slacktest: unexpected private message to %s:\n%s", e.User, shown(e.Text, e.Blocks))
		}
	}
	for _, d := range s.deliveries {
		if d.acks == 0 && !d.lost && !(d.quiet && d.disturbed) {
			s.t.Errorf("slacktest: a %s was never acknowledged", d.kind)
		}
	}
}

// Settle waits until all is quiet.
func (s *Slack) Settle() {
	s.t.Helper()
	s.SettleFor(quiet)
}

// Transcript is everything that was said, for a test that fails.
func (s *Slack) Transcript() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, m := range s.all() {
		fmt.Fprintf(&b, "--- %s %s thread %q, %d edits\n%s\n", m.Channel, m.TS, m.Thread, m.edits, shown(m.text, m.blocks))
	}
	for _, e := range s.ephemerals {
		fmt.Fprintf(&b, "--- only for %s\n%s\n", e.User, shown(e.Text, e.Blocks))
	}
	return b.String()
}

// Broadcast says whether a message in a thread was shown to the whole channel.
func (m *Message) Broadcast() bool { return m.broadcast }

// Await waits until is holds, which may ask everything and take its time.
func (s *Slack) Await(what string, is func() bool) {
	s.t.Helper()
	deadline := time.NewTimer(s.patience)
	defer deadline.Stop()
	for !is() {
		moment := time.NewTimer(50 * time.Millisecond) // not at every one of many changes
		select {
		case <-deadline.C:
			moment.Stop()
			s.t.Fatalf("slacktest: no %s within %s. There is:\n%s", what, s.patience, s.Transcript())
		case <-moment.C:
		}
	}
}

// Connections is how many connections were made.
func (s *Slack) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}
