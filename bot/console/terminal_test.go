package console

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"irisops/bot"
	"irisops/bot/message"
)

func running(done int, steps ...string) bot.Post {
	var list message.Checklist
	for i, s := range steps {
		state := message.Pending
		if i < done {
			state = message.Done
		}
		list.Items = append(list.Items, message.Item{State: state, Text: s})
	}
	return bot.Post{Key: "run/REQ-1", Message: message.Message{Title: "REQ-1 running", Blocks: []message.Block{{Checklist: &list}}}}
}

func TestSpeaker(t *testing.T) {
	term := NewTerminal(&bytes.Buffer{}, false, Style{Width: 80}, time.UTC, []string{"operator", "second"})
	for line, want := range map[string][2]string{
		"status":                {"operator", "status"},
		"as second approve":     {"second", "approve"},
		"  AS Second   approve": {"second", "approve"},
		"as second":             {"second", ""},
		"as":                    {"operator", "as"},
		"":                      {"operator", ""},
	} {
		if who, text := term.Speaker(line); who != want[0] || text != want[1] {
			t.Errorf("%q is %q, %q; want %q", line, who, text, want)
		}
	}
}

// On a real terminal a message that changes is rewritten in place while it is the
// last thing there; elsewhere only what changed is printed.
func TestEditsInPlace(t *testing.T) {
	for _, live := range []bool{true, false} {
		var out bytes.Buffer
		term := NewTerminal(&out, live, Style{Width: 80, Unicode: true}, time.UTC, []string{"operator"})
		term.Publish(t.Context(), running(0, "stop", "start"))
		first := out.String()
		term.Publish(t.Context(), running(0, "stop", "start"))
		if out.String() != first {
			t.Errorf("live %v: an equal post was printed again", live)
		}
		term.Publish(t.Context(), running(1, "stop", "start"))
		edit := strings.TrimPrefix(out.String(), first)
		if rewound := strings.Contains(edit, "\x1b["); rewound != live {
			t.Errorf("live %v: the edit is %q", live, edit)
		}
		if !live && strings.Contains(edit, "start") {
			t.Errorf("what did not change was printed again: %q", edit)
		}
		term.Publish(t.Context(), bot.Post{Key: "other", Message: message.Message{Title: "something else"}})
		before := out.Len()
		term.Publish(t.Context(), running(2, "stop", "start"))
		if edit := out.String()[before:]; strings.Contains(edit, "\x1b[") || !strings.Contains(edit, "start") {
			t.Errorf("live %v: after something else the edit is %q", live, edit)
		}
	}
}
