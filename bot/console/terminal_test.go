package console

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/bot"
	"irisops/bot/inbox"
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

// typist is a conversation that writes down who says what.
type typist struct{ said []string }

func (c *typist) Join(bot.Room)  {}
func (c *typist) Leave(bot.Room) {}
func (c *typist) Handle(_ context.Context, d inbox.Delivery) *bot.Outcome {
	c.said = append(c.said, d.Caller+": "+d.Text)
	return nil
}

// as NAME alone goes on as that person, until another one is named.
func TestSpeakingOnAsSomeoneElse(t *testing.T) {
	var out bytes.Buffer
	c := &typist{}
	term := NewTerminal(&out, false, Style{Width: 80}, time.UTC, []string{"operator", "second"})
	term.Bot = c
	for _, line := range []string{"status", "as second", "approve", "as operator deny", "ack", "as nobody", "", "as second", "as", "as operator", "halt"} {
		if term.line(t.Context(), line) {
			t.Errorf("%q ends the conversation", line)
		}
	}
	want := []string{"demo:operator: status", "demo:second: approve", "demo:operator: deny", "demo:second: ack", "demo:nobody: whoami", "demo:second: help as", "demo:operator: halt"}
	if diff := cmp.Diff(want, c.said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(out.String(), "You speak as second from now on. `as operator` takes that back.") {
		t.Error(out.String())
	}
	if !term.line(t.Context(), "quit") {
		t.Error("quit does not end it")
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
