package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"irisops/bot/audit"
	"irisops/bot/change"
)

func whole(t *testing.T, db *DB) audit.Chain {
	t.Helper()
	var chain audit.Chain
	must(t, db.Trail(1, chain.Next))
	return chain
}

// Entries are appended in one transaction with what they tell of, or not at all,
// by many at once, and the chain holds over a restart.
func TestTrail(t *testing.T) {
	db := memory(t)
	if _, ok, err := db.LastEntry(); ok || err != nil {
		t.Errorf("a new database has an entry: %v", err)
	}
	must(t, db.Record(t.Context(), audit.Entry{At: t0, Kind: audit.Intent, By: "operator", Text: "not UTF-8: \xff"}, audit.Entry{At: t0, Kind: audit.Outcome, Args: map[string]string{"b": "1", "a": "2"}}))
	run := request(t, db, "main/edge1")
	stale := run
	must(t, db.Commit(t.Context(), change.Change{Run: &run, Audit: []audit.Entry{{At: t0, Kind: audit.Decided, Request: run.ID()}}}))
	if err := db.Commit(t.Context(), change.Change{Run: &stale, Audit: []audit.Entry{{At: t0, Kind: audit.Decided}}}); !errors.Is(err, change.ErrConflict) {
		t.Error(err)
	}
	if c := whole(t, db); c.Count != 3 || c.Last.Request != run.ID() {
		t.Errorf("%+v", c)
	}
	wantCode(t, db.Record(t.Context(), audit.Entry{Kind: audit.Intent}), CodeInvalid)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			if err := db.Record(t.Context(), audit.Entry{At: t0, Kind: audit.Intent, Text: fmt.Sprint(i)}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	path := db.Path()
	must(t, db.Close())
	db = open(t, path, Options{})
	c := whole(t, db)
	if last, ok, err := db.LastEntry(); c.Count != 53 || !ok || err != nil || last.Hash != c.Last.Hash {
		t.Errorf("%d entries, the last is %+v (%v)", c.Count, last, err)
	}
	stop := errors.New("enough")
	n := 0
	if err := db.Trail(52, func(audit.Entry) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("%d visited: %v", n, err)
	}
}
