package bot_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/audit"
	"irisops/bot/inbox"
	"irisops/bot/oncall"
	"irisops/store"
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

// interrupted is a bot with the run REQ-1 that operator asked for and second
// approved, and whose only step broke in the middle. It is tried again well.
func interrupted(t *testing.T) (b *bot.Bot, room *posts, db *store.DB, tries *int) {
	t.Helper()
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	room, tries = &posts{}, new(int)
	b, err = bot.New(bot.Options{Store: db, Rooms: []bot.Room{room}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		OnCall: oncall.Roster{Roles: map[string]string{"sre": "second", "owner": "owner"}},
		Clusters: []bot.Cluster{{Name: "main", Summary: func(context.Context) (actions.Level, string) { return actions.OK, "" },
			Actions: []actions.Action{{Name: "mend", Summary: "mend", Example: "mend", Plan: func(context.Context, actions.Request) (actions.Plan, error) {
				return actions.Plan{Title: "Mend", Class: actions.Harm, Why: "it can lose data", Targets: []string{"main/core"}, Steps: []actions.Step{{Name: "mend", Describe: "mend",
					Perform: func(context.Context) (string, error) {
						if *tries++; *tries == 1 {
							panic("in the middle of it")
						}
						return "mended", nil
					}}}}, nil
			}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Stop(context.Background()) })
	typed(b, "1", "operator", "mend")
	typed(b, "2", "second", "approve REQ-1")
	if r, err := db.Run(1); err != nil || r.State != runbook.Uncertain {
		t.Fatalf("%+v, %v", r, err)
	}
	return b, room, db, tries
}

// A run that was interrupted and would need a second person to go on is taken up
// by its requester alone, in front of everybody; nobody else may.
func TestAnInterruptedRunGoesOnAlone(t *testing.T) {
	b, room, db, tries := interrupted(t)
	for i, who := range []string{"second", "guest"} {
		if code := typed(b, fmt.Sprint("no", i), who, "break-glass REQ-1 let me"); code != bot.ExitRefused {
			t.Errorf("%s broke the glass: %+v", who, room.reply(fmt.Sprint("no", i)))
		}
	}
	if code := typed(b, "3", "operator", "confirm REQ-1"); code != bot.ExitRefused || !strings.Contains(fmt.Sprint(room.reply("3")), "break-glass REQ-1") {
		t.Errorf("the requester goes on without a second person, or is not told how: %+v", room.reply("3"))
	}
	if code := typed(b, "4", "operator", "break-glass REQ-1 nobody answers"); code != bot.ExitDone {
		t.Fatalf("%+v", room.reply("4"))
	}
	r, err := db.Run(1)
	if err != nil || r.State != runbook.Done || !r.Approval.Glass || r.Approval.By != "operator" || *tries != 2 {
		t.Errorf("%+v, %v; tried %d times", r, err, *tries)
	}
	pages, err := db.PagesOf("")
	if err != nil || len(pages) != 2 {
		t.Errorf("paged are %+v, %v", pages, err)
	}
}

// The button lets it go on for each second person: an owner, who is no operator,
// too.
func TestAnApproverHasTheButtonToGoOn(t *testing.T) {
	b, room, db, tries := interrupted(t)
	words := room.button("run/REQ-1", "Check and Go On")
	if code := typed(b, "3", "operator", words); code != bot.ExitRefused || *tries != 1 {
		t.Errorf("its requester lets it go on: %+v", room.reply("3"))
	}
	if code := typed(b, "4", "owner", words); code != bot.ExitDone {
		t.Errorf("`%s` by owner: %+v", words, room.reply("4"))
	}
	if r, err := db.Run(1); err != nil || r.State != runbook.Done || *tries != 2 {
		t.Errorf("%+v, %v; tried %d times", r, err, *tries)
	}
}
