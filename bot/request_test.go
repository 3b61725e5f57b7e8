package bot_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/change"
	"irisops/bot/inbox"
	"irisops/store"
)

// eventually waits for something that happens by itself within seconds.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(20 * time.Second); ; {
		if done() {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not happen: %s", what)
		}
	}
}

func TestYesConfirmsOnesOwnDo(t *testing.T) {
	b, room, db := small(t, nil)
	code := b.Handle(t.Context(), inbox.Delivery{ID: "1", Caller: "demo:operator", Text: "restart edge1", Yes: true}).Wait()
	if code != bot.ExitDone {
		t.Fatalf("code %d: %+v", code, room.reply("1"))
	}
	if r, err := db.Run(1); err != nil || r.State != runbook.Done || r.Approval.By != "operator" {
		t.Errorf("%+v, %v", r, err)
	}
	// It is never enough where a second person is needed.
	b.Handle(t.Context(), inbox.Delivery{ID: "2", Caller: "demo:operator", Text: "stop core", Yes: true}).Wait()
	if r, err := db.Run(2); err != nil || r.State != runbook.Waiting {
		t.Errorf("%+v, %v", r, err)
	}
}

// broken is a store that can be made to take no more changes.
type broken struct {
	*store.DB
	full atomic.Bool
}

var errFull = &actions.Error{Code: actions.CodeDiskFull, Text: "Nothing was recorded: the disk is full.", Hint: "Free some space."}

func (b *broken) Commit(ctx context.Context, changes ...change.Change) error {
	if b.full.Load() {
		return errFull
	}
	return b.DB.Commit(ctx, changes...)
}

func (b *broken) Answer(ctx context.Context, id string, at time.Time) error {
	if b.full.Load() {
		return errFull
	}
	return b.DB.Answer(ctx, id, at)
}

// The disk fills up while a step runs: nothing is called done, the targets stay
// locked, and once there is space again a person can decide.
func TestFullDiskInTheMiddleOfARun(t *testing.T) {
	var kept *broken
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	kept = &broken{DB: db}
	room := &posts{}
	step := func(name string, do func()) actions.Step {
		return actions.Step{Name: name, Describe: name, Perform: func(context.Context) (string, error) { do(); return "seen", nil },
			Check: func(context.Context) (string, error) { return "seen again", nil }}
	}
	var second atomic.Int32
	b, err := bot.New(bot.Options{Store: kept, Rooms: []bot.Room{room}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		Clusters: []bot.Cluster{{Name: "main", Summary: func(context.Context) (actions.Level, string) { return actions.OK, "" },
			Actions: []actions.Action{{Name: "mend", Summary: "mend", Example: "mend", Plan: func(context.Context, actions.Request) (actions.Plan, error) {
				return actions.Plan{Title: "Mend", Class: actions.Do, Why: "it is broken", Targets: []string{"main/edge1"}, Steps: []actions.Step{
					step("first", func() { kept.full.Store(true) }), step("second", func() { second.Add(1) })}}, nil
			}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.Stop(context.Background())
	typed(b, "1", "operator", "mend")
	if code := typed(b, "2", "operator", "confirm"); code != bot.ExitRefused {
		t.Errorf("a run that could not be written down ended with %d", code)
	}
	if second.Load() != 0 {
		t.Error("a step ran although its start could not be written down")
	}
	if r, err := db.Run(1); err != nil || !r.State.Locks() {
		t.Errorf("the target is free: %s, %v", r.State, err)
	}
	kept.full.Store(false)
	eventually(t, "the run asks a person", func() bool { r, err := db.Run(1); return err == nil && r.State == runbook.Uncertain })
	if code := typed(b, "3", "operator", "confirm REQ-1"); code != bot.ExitDone {
		t.Errorf("going on ended with %d: %+v", code, room.reply("3"))
	}
	if r, err := db.Run(1); err != nil || r.State != runbook.Done || second.Load() != 1 {
		t.Errorf("%s, %v; the second step ran %d times", r.State, err, second.Load())
	}
	eventually(t, "every answer is recorded", func() bool { left, err := db.Unanswered(); return err == nil && len(left) == 0 })
}

// What was agreed to just as irisops died is asked for once more: an old
// confirmation never lets anything run after a restart.
func TestAgreementsAreNotTakenUpAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "irisops.db")
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, _, _ := smallOn(t, db)
	typed(b, "1", "operator", "restart edge1")
	typed(b, "2", "operator", "stop core")
	if err := b.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, text := range []string{"confirm", "confirm REQ-1", "resume-actions", "deny REQ-1", "break-glass REQ-2 nobody answers"} {
		if _, err := db.Receive(t.Context(), inbox.Delivery{ID: fmt.Sprint("late/", i), Caller: "demo:operator", Text: text, Received: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Receive(t.Context(), inbox.Delivery{ID: "late/yes", Caller: "demo:operator", Text: "restart edge2", Yes: true, Received: time.Now()}); err != nil {
		t.Fatal(err)
	}
	b, room, _ := smallOn(t, db)
	defer b.Stop(context.Background())
	for _, id := range []string{"late/0", "late/1", "late/2", "late/3", "late/4", "late/yes"} {
		if m := room.reply(id); !strings.Contains(m.Title, "was not carried out") {
			t.Errorf("%s was answered with %+v", id, m)
		}
	}
	for _, number := range []uint64{1, 2} {
		if r, err := db.Run(number); err != nil || r.State != runbook.Waiting {
			t.Errorf("%s is %s, %v", r.ID(), r.State, err)
		}
	}
	if _, err := db.Run(3); !errors.Is(err, change.ErrNotFound) {
		t.Errorf("a third run: %v", err)
	}
}

func smallOn(t *testing.T, db *store.DB) (*bot.Bot, *posts, *fakeCluster) {
	t.Helper()
	cluster, room := newFakeCluster(), &posts{}
	b, err := bot.New(bot.Options{Store: db, Rooms: []bot.Room{room}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		Clusters: []bot.Cluster{{Name: "main", Actions: cluster.actions(), Summary: cluster.summary}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b, room, cluster
}

// Many press Confirm at once: it runs once.
func TestManyConfirmAtOnce(t *testing.T) {
	b, _, db := small(t, nil)
	typed(b, "ask", "operator", "restart edge1")
	var all sync.WaitGroup
	var done atomic.Int32
	for i := range 10 {
		all.Go(func() {
			if typed(b, fmt.Sprint("confirm/", i), "operator", "confirm REQ-1") == bot.ExitDone {
				done.Add(1)
			}
		})
	}
	all.Wait()
	if r, err := db.Run(1); err != nil || r.State != runbook.Done || done.Load() != 1 {
		t.Errorf("%s, %v, carried out %d times", r.State, err, done.Load())
	}
}

// A request that can lose service calls an approver as soon as any P0 or P1 is
// open on the cluster, and is told in the most urgent incident.
func TestHarmCallsAnApprover(t *testing.T) {
	b, _, db := small(t, nil)
	typed(b, "1", "operator", "declare P3 a typo in the logs")
	typed(b, "2", "operator", "declare P0 no clients")
	typed(b, "3", "operator", "stop core")
	pages, err := db.PagesOf("INC-2")
	if err != nil || len(pages) != 1 || pages[0].Person != "second" || pages[0].Step != "REQ-1/approval" {
		t.Errorf("%+v, %v", pages, err)
	}
}
