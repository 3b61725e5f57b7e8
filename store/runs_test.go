package store

import (
	"context"
	"errors"
	"sync"
	"testing"

	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"

	"github.com/google/go-cmp/cmp"
)

func request(t testing.TB, db *DB, targets ...string) runbook.Run {
	t.Helper()
	return value(db.Request(t.Context(), requesting(targets...)))(t)
}

// to commits the run in that state and returns it as it is then.
func to(db *DB, r runbook.Run, s runbook.State) (runbook.Run, error) {
	next := r
	next.State = s
	if err := db.Commit(context.Background(), change.Change{Run: &next}); err != nil {
		return r, err
	}
	next.Version++
	return next, nil
}

func TestOneRunATarget(t *testing.T) {
	db := memory(t)
	one, two, other := request(t, db, "main/edge1", "main/edge2"), request(t, db, "main/edge2"), request(t, db, "main/core")
	if n := value(db.Holder("main/edge2"))(t); n != 0 {
		t.Errorf("a waiting run holds its target: %d", n)
	}
	one = value(to(db, one, runbook.Running))(t)
	value(to(db, other, runbook.Running))(t)
	_, err := to(db, two, runbook.Running)
	var busy *change.ErrBusy
	if !errors.As(err, &busy) || busy.Run != one.Number || busy.Target != "main/edge2" {
		t.Fatalf("got %v", err)
	}
	wantCode(t, err, CodeBusy)
	one = value(to(db, one, runbook.Uncertain))(t)
	if _, err = to(db, two, runbook.Running); !errors.As(err, &busy) {
		t.Errorf("an uncertain run let go of its target: %v", err)
	}
	audited(t, db, t0)
	one = value(to(db, one, runbook.Failed))(t)
	two = value(to(db, two, runbook.Running))(t)
	if n := value(db.Holder("main/edge2"))(t); n != two.Number {
		t.Errorf("held by %d", n)
	}
	if n := value(db.Holder("main/edge1"))(t); n != 0 {
		t.Errorf("still held by %d", n)
	}
	audited(t, db, t0)
	if got := value(db.Run(one.Number))(t); got.State != runbook.Failed || got.Version != one.Version {
		t.Errorf("got %+v", got)
	}
	if _, err := db.Run(77); !errors.Is(err, change.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	stale := one
	stale.Version--
	if _, err := to(db, stale, runbook.Done); !errors.Is(err, change.ErrConflict) {
		t.Errorf("got %v", err)
	}
}

func TestRunsRacingForATarget(t *testing.T) {
	db := open(t, "", Options{})
	const n = 12
	var group sync.WaitGroup
	won := make(chan uint64, n)
	for range n {
		r := request(t, db, "main/edge1")
		group.Go(func() {
			var busy *change.ErrBusy
			switch _, err := to(db, r, runbook.Running); {
			case err == nil:
				won <- r.Number
			case !errors.As(err, &busy):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(won) != 1 {
		t.Errorf("%d runs hold the target", len(won))
	}
	audited(t, db, t0)
}

// In one transaction a target goes from one run to the next, in that order only.
func TestHandingATargetOn(t *testing.T) {
	db := memory(t)
	one, two := request(t, db, "main/core"), request(t, db, "main/core")
	one = value(to(db, one, runbook.Running))(t)
	ended, begun := one, two
	ended.State, begun.State = runbook.Done, runbook.Running
	var busy *change.ErrBusy
	if err := db.Commit(t.Context(), change.Change{Run: &begun}, change.Change{Run: &ended}); !errors.As(err, &busy) {
		t.Errorf("got %v", err)
	}
	if got := value(db.Run(one.Number))(t); got.State != runbook.Running {
		t.Errorf("half of it was recorded: %+v", got)
	}
	must(t, db.Commit(t.Context(), change.Change{Run: &ended}, change.Change{Run: &begun}))
	audited(t, db, t0)
}

func TestRunsByState(t *testing.T) {
	db := memory(t)
	for n := range 9 {
		r := request(t, db)
		if n%3 > 0 {
			value(to(db, r, []runbook.State{"", runbook.Running, runbook.Done}[n%3]))(t)
		}
	}
	for _, c := range []struct {
		states []runbook.State
		want   []uint64
	}{
		{[]runbook.State{runbook.Waiting}, []uint64{1, 4, 7}},
		{[]runbook.State{runbook.Running, runbook.Waiting, runbook.Running}, []uint64{1, 2, 4, 5, 7, 8}},
		{[]runbook.State{runbook.Cancelled}, nil},
		{nil, nil},
	} {
		var got []uint64
		for _, r := range value(db.Runs(c.states...))(t) {
			got = append(got, r.Number)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v: %s", c.states, diff)
		}
	}
}

func TestRequestWithItsIncident(t *testing.T) {
	db := memory(t)
	inc := declare(t, db, "down", t0)
	asked := func(inc incident.Incident) func(uint64) change.Change {
		return func(n uint64) change.Change {
			next, eff, err := incident.Apply(inc, incident.Noted{By: "operator", Kind: incident.KindRequested, Text: runbook.ID(n)}, t0)
			must(t, err)
			c := changed(next, eff, t0)
			c.Run = requesting("main/edge1")(n).Run
			return c
		}
	}
	run := value(db.Request(t.Context(), asked(inc)))(t)
	timeline := value(db.Timeline(1))(t)
	if run.ID() != "REQ-1" || run.Version != 1 || timeline[len(timeline)-1].Text != "REQ-1" {
		t.Errorf("got %+v and %+v", run, timeline)
	}
	if _, err := db.Request(t.Context(), asked(inc)); !errors.Is(err, change.ErrConflict) {
		t.Errorf("got %v", err)
	}
	if got := value(db.Runs(runbook.Waiting))(t); len(got) != 1 {
		t.Errorf("half of it was recorded: %+v", got)
	}
	audited(t, db, t0)
}
