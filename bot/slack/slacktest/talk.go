package slacktest

import (
	"fmt"
	"strings"
	"time"
)

// Say types a slash command: Say("U01", "C0OPS", "/iris status").
func (s *Slack) Say(user, channel, line string) *Delivery {
	s.t.Helper()
	return s.acked(s.SayAndGoOn(user, channel, line))
}

// SayAndGoOn types a slash command and does not wait for the acknowledgement.
func (s *Slack) SayAndGoOn(user, channel, line string) *Delivery {
	s.t.Helper()
	command, text, _ := strings.Cut(line, " ")
	s.mu.Lock()
	trigger := s.newTrigger(user)
	s.mu.Unlock()
	// https://docs.slack.dev/interactivity/implementing-slash-commands
	return s.deliver("slash_commands", true, user, channel, answer{
		"token": "verification", "team_id": teamID, "team_domain": "example", "channel_id": channel, "channel_name": strings.ToLower(channel),
		"user_id": user, "user_name": strings.ToLower(user), "command": command, "text": text, "api_app_id": appID,
		"is_enterprise_install": false, "response_url": "https://hooks.slack.com/commands/x", "trigger_id": trigger,
	})
}

// Mention writes a message that mentions the bot, in the thread of head unless
// that is nil.
func (s *Slack) Mention(user, channel string, head *Message, text string) *Delivery {
	s.t.Helper()
	m, payload := s.written(user, channel, head, "<@"+BotUser+"> "+text)
	return s.acked(s.deliver("events_api", false, user, m.Channel, payload))
}

// Deliver delivers any envelope.
func (s *Slack) Deliver(kind string, payload map[string]any) *Delivery {
	s.t.Helper()
	return s.acked(s.deliver(kind, false, "", "", payload))
}

// Written is the last message that a person wrote in the channel.
func (s *Slack) Written(channel string) *Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages := s.channels[channel].messages
	for i := len(messages) - 1; i >= 0; i-- {
		if !messages[i].Bot {
			return messages[i]
		}
	}
	return nil
}

func (s *Slack) written(user, channel string, head *Message, text string) (*Message, answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[channel]
	if c == nil {
		s.t.Fatalf("slacktest: there is no channel %s", channel)
	}
	m := &Message{Channel: channel, TS: s.next(), User: user, text: text}
	event := answer{"type": "app_mention", "user": user, "text": text, "ts": m.TS, "team": teamID, "channel": channel, "event_ts": m.TS}
	if head != nil {
		m.Thread = head.TS
		if head.Thread != "" {
			m.Thread = head.Thread
		}
		event["thread_ts"] = m.Thread
	}
	c.messages = append(c.messages, m)
	s.echo(m)
	s.clock++
	// https://docs.slack.dev/reference/events/app_mention
	return m, answer{
		"token": "verification", "team_id": teamID, "api_app_id": appID, "type": "event_callback", "event_id": fmt.Sprintf("Ev%d", s.clock),
		"event_time": time.Now().Unix(), "event": event, "is_ext_shared_channel": false, "event_context": "4-x",
		"authorizations": []any{answer{"enterprise_id": nil, "team_id": teamID, "user_id": BotUser, "is_bot": true, "is_enterprise_install": false}},
	}
}

// Click presses a button that asks nothing.
func (s *Slack) Click(user string, on *Message, label string) *Delivery {
	s.t.Helper()
	return s.acked(s.press(user, on, label, false))
}

// ClickAndConfirm presses a button and says yes to its question, which has to
// contain asks.
func (s *Slack) ClickAndConfirm(user string, on *Message, label, asks string) *Delivery {
	s.t.Helper()
	b := s.button(on, label)
	confirm, _ := b["confirm"].(map[string]any)
	question, _ := confirm["text"].(map[string]any)
	if text, _ := question["text"].(string); !strings.Contains(text, asks) {
		s.t.Errorf("slacktest: %s asks %q, not %q", label, text, asks)
	}
	return s.acked(s.press(user, on, label, true))
}

// Buttons are the labels of a message's buttons.
func (s *Slack) Buttons(m *Message) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var labels []string
	for _, b := range buttons(m) {
		label, _ := b["text"].(map[string]any)
		labels = append(labels, fmt.Sprint(label["text"]))
	}
	return labels
}

func buttons(m *Message) []map[string]any {
	var all []map[string]any
	for _, block := range m.blocks {
		b, _ := block.(map[string]any)
		if b["type"] != "actions" {
			continue
		}
		elements, _ := b["elements"].([]any)
		for _, e := range elements {
			element, _ := e.(map[string]any)
			copied := map[string]any{"block_id": b["block_id"]}
			for k, v := range element {
				copied[k] = v
			}
			all = append(all, copied)
		}
	}
	return all
}

func (s *Slack) button(on *Message, label string) map[string]any {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range buttons(on) {
		if text, _ := b["text"].(map[string]any); text["text"] == label {
			return b
		}
	}
	s.t.Fatalf("slacktest: there is no button %q on:\n%s", label, shown(on.text, on.blocks))
	return nil
}

func (s *Slack) press(user string, on *Message, label string, confirmed bool) *Delivery {
	s.t.Helper()
	b := s.button(on, label)
	if b["confirm"] != nil && !confirmed {
		s.t.Fatalf("slacktest: %q asks before it acts", label)
	}
	s.mu.Lock()
	ts := s.next()
	container := answer{"type": "message", "message_ts": on.TS, "channel_id": on.Channel, "is_ephemeral": false}
	if on.Thread != "" {
		container["thread_ts"] = on.Thread
	}
	channelName := strings.ToLower(on.Channel)
	if s.isDirect(on.Channel) {
		channelName = "directmessage"
	}
	// https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
	payload := answer{
		"type": "block_actions", "team": answer{"id": teamID, "domain": "example"}, "api_app_id": appID, "token": "verification",
		"user":      answer{"id": user, "username": strings.ToLower(user), "name": strings.ToLower(user), "team_id": teamID},
		"container": container, "trigger_id": s.newTrigger(user), "channel": answer{"id": on.Channel, "name": channelName},
		"message": on.json(true), "state": answer{"values": answer{}}, "response_url": "https://hooks.slack.com/actions/x", "enterprise": nil, "is_enterprise_install": false,
		"actions": []any{answer{"type": "button", "action_id": b["action_id"], "block_id": b["block_id"], "text": b["text"], "value": b["value"], "action_ts": ts}},
	}
	s.mu.Unlock()
	return s.deliver("interactive", false, user, on.Channel, payload)
}

// acked waits for the acknowledgement.
func (s *Slack) acked(d *Delivery) *Delivery {
	s.t.Helper()
	s.waitFor("the acknowledgement of "+d.kind, func() bool { return d.acks > 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.took > ackWithin && !d.disturbed {
		s.t.Errorf("slacktest: %s was acknowledged after %s", d.kind, d.took)
	}
	return d
}

// MentionAndGoOn mentions the bot and does not wait for the acknowledgement.
func (s *Slack) MentionAndGoOn(user, channel string, head *Message, text string) *Delivery {
	s.t.Helper()
	m, payload := s.written(user, channel, head, "<@"+BotUser+"> "+text)
	return s.deliver("events_api", false, user, m.Channel, payload)
}

// Copy is a message as it stands now, for somebody whose screen is old.
func (s *Slack) Copy(m *Message) *Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	return m.copied()
}

// ClickEphemeral presses a button on a message that only that person sees.
func (s *Slack) ClickEphemeral(user string, on *Ephemeral, label string) *Delivery {
	s.t.Helper()
	s.mu.Lock()
	m := &Message{Channel: on.Channel, TS: s.next(), Thread: on.Thread, User: BotUser, Bot: true, text: on.Text, blocks: on.Blocks}
	s.mu.Unlock()
	return s.acked(s.press(user, m, label, false))
}
