package slacktest

import (
	"fmt"
	"net/http"
	"time"
)

// echo delivers the message event of what was just said, to the bot too if it
// was the bot: https://docs.slack.dev/reference/events/message.channels. The
// caller holds mu.
func (s *Slack) echo(m *Message) {
	if head := s.message(m.Channel, m.Thread); head != nil {
		head.replies++
		head.latest = m.TS
	}
	if s.isDirect(m.Channel) {
		return // message.im is not among the app's events
	}
	event := m.json(false)
	event["channel"], event["channel_type"], event["event_ts"] = m.Channel, "channel", m.TS
	delete(event, "reply_count")
	s.event(event)
}

// event delivers an event to a connection that is there; there is no replay. The
// caller holds mu.
func (s *Slack) event(event answer) {
	if len(s.conns) == 0 && s.posts == "" || s.mute {
		return
	}
	d := &Delivery{slack: s, kind: "events_api", payload: s.eventOf(event), sent: time.Now(), quiet: true}
	go func() {
		d.again("")
		d.insist()
	}()
}

// eventOf wraps an event as Slack delivers it. The caller holds mu.
func (s *Slack) eventOf(event answer) answer {
	s.clock++
	return answer{
		"token": "verification", "team_id": teamID, "api_app_id": appID, "type": "event_callback", "event_id": fmt.Sprintf("Ev%d", s.clock),
		"event_time": time.Now().Unix(), "event": event, "is_ext_shared_channel": false, "event_context": "4-x",
		"authorizations": []any{answer{"enterprise_id": nil, "team_id": teamID, "user_id": BotUser, "is_bot": true, "is_enterprise_install": false}},
	}
}

// Mute makes connections that stay, answer every ping, and deliver nothing; what
// is said meanwhile is never delivered. New connections work again.
func (s *Slack) Mute() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mute = true
}

// Missed writes a message that mentions the bot and is never delivered.
func (s *Slack) Missed(user, channel string, head *Message, text string) *Message {
	s.t.Helper()
	s.mu.Lock()
	before := s.mute
	s.mute = true
	s.mu.Unlock()
	m, _ := s.written(user, channel, head, "<@"+BotUser+"> "+text)
	s.mu.Lock()
	s.mute = before
	s.mu.Unlock()
	return m
}

// ExpectPinned waits until a message is pinned, or is not any more.
func (s *Slack) ExpectPinned(m *Message, pinned bool) {
	s.t.Helper()
	s.waitFor(fmt.Sprintf("pin (%t) of %q", pinned, s.first(m)), func() bool { return m.pinned == pinned })
}

func (s *Slack) pin(r *http.Request, pinned bool) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Form.Get("channel")
	if code := s.writable(id); code != "" {
		return no(code)
	}
	m := s.message(id, r.Form.Get("timestamp"))
	switch {
	case m == nil:
		return no("message_not_found")
	case pinned && m.pinned:
		return no("already_pinned")
	case !pinned && !m.pinned:
		return no("no_pin")
	}
	m.pinned = pinned
	s.touch()
	return answer{"ok": true}
}

// ExpectConnections waits until so many connections were made.
func (s *Slack) ExpectConnections(n int) {
	s.t.Helper()
	s.waitFor(fmt.Sprintf("connection number %d", n), func() bool { return s.opened >= n })
}

// Share puts a picture or a file of a person's into a message, as Slack shows it
// in conversations.replies (docs: file object).
func (s *Slack) Share(in *Message, name, mimetype string, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in.shared = append(in.shared, answer{"id": "F0SHARED", "name": name, "title": name, "mimetype": mimetype, "size": size, "user": in.User,
		"url_private": "https://files.slack.com/files-pri/T0-F0SHARED/" + name, "permalink": "https://example.slack.com/files/" + in.User + "/F0SHARED/" + name})
}

// React puts an emoji under a message.
func (s *Slack) React(user string, on *Message, emoji string) *Delivery {
	s.t.Helper()
	s.mu.Lock()
	// https://docs.slack.dev/reference/events/reaction_added
	payload := s.eventOf(answer{"type": "reaction_added", "user": user, "reaction": emoji, "item_user": on.User, "event_ts": s.next(),
		"item": answer{"type": "message", "channel": on.Channel, "ts": on.TS}})
	s.mu.Unlock()
	return s.acked(s.deliver("events_api", false, user, on.Channel, payload))
}

// Write writes a message that speaks to nobody, in the thread of head unless that
// is nil.
func (s *Slack) Write(user, channel string, head *Message, text string) *Message {
	s.t.Helper()
	m, _ := s.written(user, channel, head, text)
	return m
}
