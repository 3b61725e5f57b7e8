package bot_test

import (
	"testing"

	"irisops/bot"
	"irisops/bot/inbox"

	"github.com/google/go-cmp/cmp"
)

// What is answered before it is kept leaves no trace until then, and says what
// the long way says.
func TestAGlanceLeavesNoTrace(t *testing.T) {
	b, room, db := small(t, nil)
	if code := typed(b, "declared", "operator", `declare P1 "slow"`); code != bot.ExitDone {
		t.Fatal("not declared")
	}
	before := len(room.all)
	for _, text := range []string{"help", "help restart", "whoami", "access explain restart", "oncall", "oncall next", "oncall schedule",
		"schedule list", "escalation --incident INC-1", "watch status"} {
		d := inbox.Delivery{ID: "glance/" + text, Caller: "demo:operator", Text: text}
		kept, answers, ok := b.Glance(t.Context(), d)
		if text == "schedule list" { // refused: there are none here
			if ok {
				t.Errorf("%s: a refusal is kept as an answer", text)
			}
			continue
		}
		if !ok || len(answers) != 1 || kept.ID != d.ID {
			t.Errorf("%s: not answered at a glance: %v", text, answers)
			continue
		}
		if known, err := db.Received(d.ID); known || err != nil || len(room.all) != before {
			t.Errorf("%s: it left a trace: known %v, %v, %d posts", text, known, err, len(room.all)-before)
		}
		typed(b, d.ID, "operator", text)
		if diff := cmp.Diff(room.reply(d.ID), answers[0].Message); diff != "" {
			t.Errorf("%s: the long way says something else:\n%s", text, diff)
		}
		before = len(room.all)
	}
	for caller, text := range map[string]string{
		"demo:operator": "status", "demo:nobody": "whoami", "demo:stranger": "help",
		"demo:owner": "help nonsense", "demo:viewer": "declare P0 x", "demo:admin": "ack", "demo:responder": "hlep",
	} {
		if _, _, ok := b.Glance(t.Context(), inbox.Delivery{ID: "no/" + text, Caller: caller, Text: text}); ok {
			t.Errorf("%s by %s is answered at a glance", text, caller)
		}
	}
}

// The other rooms are told what one of them has kept.
func TestTellLeavesOneRoomOut(t *testing.T) {
	b, room, _ := small(t, nil)
	other := &posts{}
	b.Join(other)
	b.Tell(t.Context(), []bot.Post{{Key: "reply/x"}}, room)
	if len(other.all) != 1 || len(room.all) != 0 {
		t.Errorf("told: %d and %d", len(other.all), len(room.all))
	}
}
