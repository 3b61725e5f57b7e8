package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"

	"github.com/google/go-cmp/cmp"

	"go.etcd.io/bbolt"
)

func TestDeclareRecordsAllTogether(t *testing.T) {
	db := open(t, "", Options{})
	inc := declare(t, db, "no clients can connect", t0)
	if inc.ID() != "INC-1" || inc.Version != 1 {
		t.Fatalf("got %s version %d", inc.ID(), inc.Version)
	}
	if diff := cmp.Diff(inc, value(db.Incident(1))(t)); diff != "" {
		t.Errorf("the incident is not what was returned:\n%s", diff)
	}
	timeline := value(db.Timeline(1))(t)
	if len(timeline) != 2 || timeline[0].Kind != incident.KindDeclared || timeline[1].Kind != incident.KindEscalated {
		t.Errorf("timeline: %+v", timeline)
	}
	pages := value(db.DuePages(t0, 0))(t)
	if len(pages) != 1 || pages[0].Key() != "INC-1/P0/0m/primary/conversation" {
		t.Errorf("pages: %+v", pages)
	}
	at, ok, err := db.NextDue()
	if err != nil || !ok || !at.Equal(t0.Add(15*time.Minute)) {
		t.Errorf("next due %v %v %v", at, ok, err)
	}
	audited(t, db, t0)
	if second := declare(t, db, "again", t0); second.Number != 2 {
		t.Errorf("the second is %s", second.ID())
	}
}

func TestTheClocksFollowTheIncident(t *testing.T) {
	db := memory(t)
	inc := declare(t, db, "down", t0)
	inc = apply(t, db, inc, incident.Acked{By: "operator"}, t0.Add(time.Minute))
	if due := value(db.Due(t0.Add(15*time.Minute-1), 0))(t); len(due) != 0 {
		t.Fatalf("due too early: %+v", due)
	}
	due := value(db.Due(t0.Add(15*time.Minute), 0))(t)
	if len(due) != 1 || due[0].Version != 2 {
		t.Fatalf("acknowledged, and due: %+v", due)
	}
	inc = apply(t, db, inc, incident.StepsDue{}, t0.Add(15*time.Minute))
	if at, _, _ := db.NextDue(); !at.Equal(t0.Add(30 * time.Minute)) {
		t.Errorf("next due %v", at)
	}
	inc = apply(t, db, inc, incident.PagingStop{By: "operator", Reason: "false alarm"}, t0.Add(20*time.Minute))
	if _, ok, _ := db.NextDue(); ok {
		t.Error("still due after paging was stopped")
	}
	inc = apply(t, db, inc, incident.DeclaredResolved{By: "operator", Reason: "false alarm"}, t0.Add(21*time.Minute))
	if list := value(db.OpenIncidents())(t); len(list) != 0 {
		t.Errorf("open: %+v", list)
	}
	inc = apply(t, db, inc, incident.Noted{By: "operator", Kind: incident.KindNote, Text: "why it happened"}, t0.Add(time.Hour))
	if last := value(db.LastIncidents(5))(t); len(last) != 1 || last[0].State != incident.Resolved || last[0].Version != inc.Version {
		t.Errorf("last: %+v", last)
	}
	if got := value(db.PagesOf("INC-1"))(t); len(got) != 2 {
		t.Errorf("pages: %+v", got)
	}
	audited(t, db, t0.Add(time.Hour))
}

func TestEqualDeclarationsAtOnceMakeOneIncident(t *testing.T) {
	db := open(t, "", Options{})
	const people = 40
	var group sync.WaitGroup
	numbers, made := make([]uint64, people), make([]bool, people)
	for n := range people {
		group.Go(func() {
			inc, existed, err := db.Declare(t.Context(), "main: no clients can connect", declaring("no clients can connect", t0))
			if err != nil {
				t.Error(err)
			}
			numbers[n], made[n] = inc.Number, !existed
		})
	}
	group.Wait()
	makers := 0
	for n := range people {
		if made[n] {
			makers++
		}
		if numbers[n] != 1 {
			t.Errorf("person %d got INC-%d", n, numbers[n])
		}
	}
	if makers != 1 {
		t.Errorf("%d people made the incident", makers)
	}
	audited(t, db, t0)

	// After its end the same words make a new one.
	inc := value(db.Incident(1))(t)
	apply(t, db, inc, incident.DeclaredResolved{By: "operator", Reason: "over"}, t0)
	again, existed, err := db.Declare(t.Context(), "main: no clients can connect", declaring("no clients can connect", t0))
	if err != nil || existed || again.Number != 2 {
		t.Errorf("got %s %v %v", again.ID(), existed, err)
	}
	audited(t, db, t0)
}

func TestDedupKeysOfAnyShape(t *testing.T) {
	db := memory(t)
	for n, key := range []string{strings.Repeat("x", 100_000), "\xff\xfe", "a\x00b"} {
		inc, existed, err := db.Declare(t.Context(), key, declaring("down", t0))
		if err != nil || existed || inc.Number != uint64(n+1) {
			t.Fatalf("%.10q: %s %v %v", key, inc.ID(), existed, err)
		}
		if _, existed, err = db.Declare(t.Context(), key, declaring("down", t0)); err != nil || !existed {
			t.Errorf("%.10q was declared twice: %v", key, err)
		}
		audited(t, db, t0)
		apply(t, db, inc, incident.DeclaredResolved{By: "operator", Reason: "over"}, t0)
		audited(t, db, t0)
	}
}

func TestConflictRecordsNothing(t *testing.T) {
	db := memory(t)
	one, two := declare(t, db, "one", t0), declare(t, db, "two", t0)
	stale := two
	apply(t, db, two, incident.Acked{By: "operator"}, t0)

	next1, eff1, err := incident.Apply(one, incident.Acked{By: "owner"}, t0)
	must(t, err)
	next2, eff2, err := incident.Apply(stale, incident.Acked{By: "owner"}, t0)
	must(t, err)
	err = db.Commit(t.Context(), changed(next1, eff1, t0), changed(next2, eff2, t0))
	if !errors.Is(err, change.ErrConflict) {
		t.Fatalf("got %v", err)
	}
	wantCode(t, err, CodeConflict)
	if got := value(db.Incident(1))(t); got.Version != 1 || got.State != incident.Open {
		t.Errorf("half of it was recorded: %+v", got)
	}
	if got := value(db.Timeline(1))(t); len(got) != 2 {
		t.Errorf("its timeline has %d entries", len(got))
	}
	if err := db.Commit(t.Context(), changed(next1, eff1, t0), changed(next1, eff1, t0)); !errors.Is(err, change.ErrConflict) {
		t.Errorf("the same incident twice in one transaction: %v", err)
	}
	audited(t, db, t0)
}

func TestRacingCommitsLoseNothing(t *testing.T) {
	db := open(t, "", Options{})
	declare(t, db, "down", t0)
	const people, notes = 16, 5
	var group sync.WaitGroup
	for p := range people {
		group.Go(func() {
			for n := range notes {
				for {
					inc, err := db.Incident(1)
					if err != nil {
						t.Error(err)
						return
					}
					inc, eff, _ := incident.Apply(inc, incident.Noted{By: "operator", Kind: incident.KindNote, Text: fmt.Sprint(p, n)}, t0)
					if err = db.Commit(t.Context(), changed(inc, eff, t0)); err == nil {
						break
					}
					if !errors.Is(err, change.ErrConflict) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	group.Wait()
	seen := map[string]int{}
	for n, e := range value(db.Timeline(1))(t) {
		if e.Seq != n {
			t.Errorf("entry %d has number %d", n, e.Seq)
		}
		if e.Kind == incident.KindNote {
			seen[e.Text]++
		}
	}
	if len(seen) != people*notes {
		t.Errorf("%d different notes, want %d", len(seen), people*notes)
	}
}

func TestChangesThatMakeNoSense(t *testing.T) {
	db := memory(t)
	inc := declare(t, db, "down", t0)
	acked, eff, err := incident.Apply(inc, incident.Acked{By: "operator"}, t0)
	must(t, err)
	unknown := acked
	unknown.Number = 9
	gap := changed(acked, eff, t0)
	gap.Entries = nil
	twice := changed(acked, eff, t0)
	twice.Entries = append(twice.Entries, twice.Entries...)
	page := pager.Page{Incident: "INC-1", Step: "s", Role: "r", Channel: "c", State: "lost"}
	long := page
	long.State, long.Step = pager.Queued, strings.Repeat("x", maxKey)
	bytes := page
	bytes.State, bytes.Step = pager.Queued, "\xff"
	for name, c := range map[string]struct {
		change change.Change
		code   string
	}{
		"an unknown incident":               {changed(unknown, eff, t0), CodeNotFound},
		"an incident without its entries":   {gap, CodeInvalid},
		"entries twice":                     {twice, CodeInvalid},
		"entries without an incident":       {change.Change{Entries: eff.Entries}, CodeInvalid},
		"a page in no known state":          {change.Change{Pages: []pager.Page{page}}, CodeInvalid},
		"a page with a long key":            {change.Change{Pages: []pager.Page{long}}, CodeInvalid},
		"a page with a broken key":          {change.Change{Pages: []pager.Page{bytes}}, CodeInvalid},
		"an incident, and a wrong page":     {change.Change{Incident: &acked, Entries: eff.Entries, Pages: []pager.Page{page}}, CodeInvalid},
		"an unknown run":                    {change.Change{Run: &runbook.Run{Number: 4, Version: 1, State: runbook.Done, Class: actions.Do}}, CodeNotFound},
		"an incident, and then another one": {change.Change{Incident: &acked, Entries: eff.Entries, Run: &runbook.Run{Number: 4}}, CodeNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			wantCode(t, db.Commit(t.Context(), c.change), c.code)
			if diff := cmp.Diff(inc, value(db.Incident(1))(t)); diff != "" {
				t.Errorf("something was recorded:\n%s", diff)
			}
			audited(t, db, t0)
		})
	}
	for name, build := range map[string]func(n uint64) change.Change{
		"no incident":  func(uint64) change.Change { return change.Change{} },
		"wrong number": func(n uint64) change.Change { return declaring("x", t0)(n + 1) },
		"old version": func(n uint64) change.Change {
			c := declaring("x", t0)(n)
			c.Incident.Version = 1
			return c
		},
		"resolved": func(n uint64) change.Change {
			c := declaring("x", t0)(n)
			c.Incident.State = incident.Resolved
			return c
		},
	} {
		_, _, err := db.Declare(t.Context(), name, build)
		if actions.CodeOf(err) != CodeInvalid {
			t.Errorf("declare with %s: %v", name, err)
		}
	}
	if _, err := db.Request(t.Context(), func(uint64) change.Change { return change.Change{} }); actions.CodeOf(err) != CodeInvalid {
		t.Errorf("request without a run: %v", err)
	}
	if _, err := db.Incident(7); !errors.Is(err, change.ErrNotFound) {
		t.Errorf("INC-7: %v", err)
	}
	must(t, db.Commit(t.Context()))
}

// A refused change, a failing one and good ones share one transaction: each gets
// its own answer.
func TestOneBadChangeDoesNotHurtTheOthers(t *testing.T) {
	db := memory(t)
	inc := declare(t, db, "down", t0)
	db.turn <- struct{}{} // hold the turn until all stand in the queue
	errs := make(map[string]error)
	var mu sync.Mutex
	var group sync.WaitGroup
	start := func(name string, do func() error) {
		group.Go(func() {
			err := do()
			mu.Lock()
			defer mu.Unlock()
			errs[name] = err
		})
	}
	acked, eff, err := incident.Apply(inc, incident.Acked{By: "operator"}, t0)
	must(t, err)
	half := changed(acked, eff, t0)
	half.Run = &runbook.Run{Number: 99}
	stale := changed(acked, eff, t0)
	stale.Incident.Version = 7
	start("good", func() error { _, _, err := db.Declare(t.Context(), "a", declaring("a", t0)); return err })
	start("stale", func() error { return db.Commit(t.Context(), stale) })
	start("half", func() error { return db.Commit(t.Context(), half) })
	start("panic", func() (err error) {
		defer func() { err = fmt.Errorf("%v", recover()) }()
		_, _, err = db.Declare(t.Context(), "b", func(uint64) change.Change { panic("a fault in build") })
		return err
	})
	start("good too", func() error { _, err := db.Request(t.Context(), requesting("main/edge1")); return err })
	for {
		db.mu.Lock()
		queued := len(db.queue)
		db.mu.Unlock()
		if queued == 5 {
			break
		}
		runtime.Gosched()
	}
	<-db.turn
	group.Wait()
	must(t, errs["good"])
	must(t, errs["good too"])
	wantCode(t, errs["stale"], CodeConflict)
	wantCode(t, errs["half"], CodeNotFound)
	if !strings.Contains(errs["panic"].Error(), "a fault in build") || !strings.Contains(errs["panic"].Error(), "commit_test.go") {
		t.Errorf("the panic did not reach its caller: %v", errs["panic"])
	}
	if got := value(db.Incident(1))(t); got.Version != 1 {
		t.Errorf("INC-1 changed: %+v", got)
	}
	audited(t, db, t0)
}

func TestEveryChangeIsFlushed(t *testing.T) {
	if db := open(t, "", Options{}); db.bolt.NoSync || db.bolt.NoGrowSync {
		t.Error("the database does not wait for the disk")
	}
}

func TestGivingUpBeforeItsTurn(t *testing.T) {
	db := memory(t)
	db.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan error)
	go func() {
		_, _, err := db.Declare(ctx, "", declaring("down", t0))
		failed <- err
	}()
	cancel()
	wantCode(t, <-failed, CodeCancelled)
	<-db.turn
	if inc := declare(t, db, "next", t0); inc.Number != 1 {
		t.Errorf("what was given up was recorded: the next is %s", inc.ID())
	}
	wantCode(t, db.Commit(ctx), CodeCancelled)
}

func TestAfterClose(t *testing.T) {
	db := memory(t)
	must(t, db.Close())
	_, _, err := db.Declare(t.Context(), "", declaring("down", t0))
	wantCode(t, err, CodeClosed)
	_, err = db.OpenIncidents()
	wantCode(t, err, CodeClosed)
	_, err = db.Due(t0, 0)
	wantCode(t, err, CodeClosed)
}

// What only grows lies close together: a start reads all of it.
func TestWhatGrowsFillsItsPages(t *testing.T) {
	db := memory(t)
	const n = 300
	for range n {
		inc := declare(t, db, "no clients can connect", t0)
		for range 10 {
			inc = apply(t, db, inc, incident.Noted{By: "operator", Kind: incident.KindNote, Text: "restarting edge1"}, t0)
		}
		apply(t, db, inc, incident.DeclaredResolved{By: "operator", Reason: "it was a drill"}, t0)
	}
	must(t, db.bolt.View(func(bt *bbolt.Tx) error {
		at, err := newTx(bt).in(bTimeline)
		must(t, err)
		if s := at.Stats(); float64(s.LeafInuse) < 0.75*float64(s.LeafAlloc) {
			t.Errorf("%s uses %d bytes of %d", bTimeline, s.LeafInuse, s.LeafAlloc)
		}
		return nil
	}))
}
