package slacktest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sight is everything that people see at one time.
type Sight struct {
	messages   map[string]string // by channel and ts
	order      []string
	where      map[string]string
	ephemerals []string
	forms      map[string]string
}

// Look is what is to be seen now.
func (s *Slack) Look() Sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := Sight{messages: map[string]string{}, where: map[string]string{}, forms: map[string]string{}}
	for _, m := range s.all() {
		key := m.TS + " " + m.Channel
		text := shown(m.text, m.blocks)
		if len(m.files) > 0 {
			text = m.filesShown()
		}
		v.messages[key] = text
		v.where[key] = m.Channel
		if s.isDirect(m.Channel) {
			v.where[key] = "direct message to <@" + s.channels[m.Channel].direct + ">"
		}
		if m.Thread != "" {
			v.where[key] += ", in a thread"
		}
		v.order = append(v.order, key)
	}
	slices.Sort(v.order)
	for _, e := range s.ephemerals {
		v.ephemerals = append(v.ephemerals, fmt.Sprintf("[only for <@%s>]\n%s", e.User, indented(shown(e.Text, e.Blocks))))
	}
	for _, f := range s.forms {
		if !f.home && !f.gone {
			text := viewShown(f.view)
			for field, fault := range f.errors {
				text += fmt.Sprintf("\nat %s: %v", field, fault)
			}
			v.forms[f.id] = fmt.Sprintf("[form for <@%s>]\n%s", f.User, indented(text))
		}
	}
	return v
}

// Since is what is new, in the order of its places. Texts that steady makes equal
// are no news.
func (v Sight) Since(before Sight, steady func(string) string) (lines []string) {
	for _, key := range v.order {
		was, known := before.messages[key]
		switch {
		case !known:
			lines = append(lines, fmt.Sprintf("[%s]\n%s", v.where[key], indented(v.messages[key])))
		case steady(was) != steady(v.messages[key]):
			lines = append(lines, fmt.Sprintf("[%s, edited]\n%s", v.where[key], indented(v.messages[key])))
		}
	}
	slices.SortStableFunc(lines, func(a, b string) int { return strings.Compare(a, b) })
	lines = append(lines, v.ephemerals[len(before.ephemerals):]...)
	var ids []string
	for id := range v.forms {
		if before.forms[id] != v.forms[id] {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		lines = append(lines, v.forms[id])
	}
	return lines
}

func indented(text string) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n  ")
}

// NewestThread is the newest message of the bot in the channel itself that begins
// a thread, or has buttons; nil if there is none.
func (s *Slack) NewestThread(channel string) *Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	messages := s.channels[channel].messages
	for i := len(messages) - 1; i >= 0; i-- {
		if m := messages[i]; m.Bot && m.Thread == "" && strings.HasPrefix(m.key(), "incident/") {
			return m
		}
	}
	return nil
}

// PressNewest presses the newest button of that name that the person sees, and says
// yes to its question.
func (s *Slack) PressNewest(user, label string) *Delivery {
	s.t.Helper()
	s.mu.Lock()
	var on *Message
	for _, m := range s.all() {
		if s.isDirect(m.Channel) && s.channels[m.Channel].direct != user {
			continue // they do not see it
		}
		for _, b := range buttons(m) {
			if text, _ := b["text"].(map[string]any); text["text"] == label && (on == nil || m.TS > on.TS) {
				on = m
			}
		}
	}
	s.mu.Unlock()
	if on == nil {
		s.t.Fatalf("slacktest: there is no button %q. There is:\n%s", label, s.Transcript())
	}
	return s.acked(s.press(user, on, label, true))
}

// SettleFor waits until nothing has happened for so long.
func (s *Slack) SettleFor(quiet time.Duration) {
	s.t.Helper()
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
			timer.Reset(quiet)
		case <-timer.C:
			return
		}
	}
}
