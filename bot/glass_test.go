package bot_test

import (
	"fmt"
	"strings"
	"testing"

	"irisops/actions/runbook"
	"irisops/bot"
	"irisops/bot/audit"
	"irisops/bot/inbox"
)

// An account of the machine that is no person, root included, breaks the glass
// over the socket, and can do nothing else; outside of any incident everybody is
// paged all the same.
func TestAnAccountBreaksTheGlass(t *testing.T) {
	b, room, db, _ := audited(t)
	say := func(id, text string) int {
		return b.Handle(t.Context(), inbox.Delivery{ID: id, Via: "socket", Caller: "unix:root", Text: text}).Wait()
	}
	typed(b, "1", "operator", "stop core")
	for i, words := range []string{"approve REQ-1", "deny REQ-1", "stop core", "restart edge1", "halt", "note x", "declare P1 x"} {
		if code := say(fmt.Sprint("no", i), words); code != bot.ExitRefused {
			t.Errorf("root may %q: %+v", words, room.reply(fmt.Sprint("no", i)))
		}
	}
	if code := say("2", "break-glass REQ-1 \"nobody else is awake\""); code != bot.ExitDone {
		t.Fatalf("%+v", room.reply("2"))
	}
	r, err := db.Run(1)
	if err != nil || r.State != runbook.Done || !r.Approval.Glass || r.Approval.By != "unix:root" || r.Approval.Reason != "nobody else is awake" {
		t.Errorf("%+v, %v", r, err)
	}
	eventually(t, "somebody is paged", func() bool {
		room.mu.Lock()
		defer room.mu.Unlock()
		for _, p := range room.all {
			if strings.Contains(fmt.Sprintf("%+v", p), "unix:root broke the glass alone: REQ-1 (Stop core) runs without a second person. Reason: nobody else is awake") {
				return true
			}
		}
		return false
	})
	broken := 0
	for _, e := range trail(t, db) {
		if e.Kind == audit.Glass && e.By == "unix:root" && e.Request == "REQ-1" && e.Digest != "" {
			broken++
		}
	}
	if broken != 1 {
		t.Errorf("the audit tells of it %d times", broken)
	}
	if code := say("3", "break-glass REQ-1 again"); code != bot.ExitRefused {
		t.Errorf("it was broken twice: %+v", room.reply("3"))
	}
}
