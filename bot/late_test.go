package bot_test

import (
	"strings"
	"testing"
	"time"

	"irisops/bot"
	"irisops/bot/inbox"
)

// What was said more than two minutes before it arrived asks again, and the
// button says it anew.
func TestLateWordsAskAgain(t *testing.T) {
	b, room, db := small(t, nil)
	late := func(id, text string, ago time.Duration) int {
		return b.Handle(t.Context(), inbox.Delivery{ID: id, Caller: "demo:operator", Text: text, Received: time.Now().UTC().Add(-ago)}).Wait()
	}
	if code := late("1", "restart edge1", 3*time.Minute); code != bot.ExitRefused {
		t.Errorf("code %d", code)
	}
	m := room.reply("1")
	if !strings.Contains(m.Title, "Is `restart edge1` still wanted? It was said 3 minutes ago and reached me only now, so it was not carried out.") {
		t.Errorf("%+v", m)
	}
	if runs, err := db.LastRuns(10); err != nil || len(runs) > 0 {
		t.Fatalf("%v, %v", runs, err)
	}
	if len(m.Buttons) == 0 || m.Buttons[0].Words != "restart edge1" {
		t.Fatalf("%+v", m.Buttons)
	}
	if code := late("2", m.Buttons[0].Words, 0); code != bot.ExitDone {
		t.Errorf("code %d", code)
	}
	if runs, err := db.LastRuns(10); err != nil || len(runs) != 1 {
		t.Errorf("%v, %v", runs, err)
	}
	// Looking is never late.
	if code := late("3", "status", time.Hour); code != bot.ExitDone {
		t.Errorf("code %d", code)
	}
	// In an incident's thread the button stays in it.
	late("5", `declare P1 "slow"`, 0)
	b.Handle(t.Context(), inbox.Delivery{ID: "6", Caller: "demo:operator", Text: "note hello", Incident: "INC-1", Received: time.Now().UTC().Add(-time.Hour)}).Wait()
	if m := room.reply("6"); len(m.Buttons) == 0 || m.Buttons[0].Words != "note hello --incident INC-1" {
		t.Errorf("%+v", m.Buttons)
	}
}
