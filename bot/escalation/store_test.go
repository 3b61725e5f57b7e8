package escalation

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/store"
)

// life is a loop over a real database, from its start to its end.
func life(t *testing.T, path string) (db *store.DB, end func()) {
	t.Helper()
	db, err := store.Open(path, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	loop := &Loop{Incidents: db, Pages: pagesFor, Alarm: func(err error) { t.Error("alarm:", err) }}
	var running sync.WaitGroup
	running.Go(func() { loop.Run(ctx) })
	return db, func() {
		cancel()
		running.Wait()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The same with the real database: declared, acknowledged, fifteen minutes, the
// bot gone for a while, and the thirty minutes late.
func TestWithARealDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "irisops.db")
	synctest.Test(t, func(t *testing.T) {
		db, end := life(t, path)
		declared := time.Now()
		inc, _, err := db.Declare(t.Context(), "", func(n uint64) change.Change {
			inc, eff := incident.New(n, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "no clients can connect", By: "operator", Clocks: incident.Clocks{Steps: Arm(incident.P0, runbookP0, declared)}}, declared)
			return change.Change{Incident: &inc, Entries: eff.Entries, Pages: pagesFor(inc, eff.Pages, declared)}
		})
		if err != nil {
			t.Fatal(err)
		}
		acked, eff, err := incident.Apply(inc, incident.Acked{By: "operator"}, declared.Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Commit(t.Context(), change.Change{Incident: &acked, Entries: eff.Entries}); err != nil {
			t.Fatal(err)
		}
		pass(20 * time.Minute)
		end()
		pass(15 * time.Minute)
		db, end = life(t, path)
		defer end()
		pass(time.Second)

		pages, err := db.PagesOf(inc.ID())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range pages {
			got = append(got, p.Step+" "+p.Role+" after "+p.Queued.Sub(declared).String()+", late "+p.Late().String())
		}
		want(t, "pages", got,
			"P0/0m primary after 0s, late 0s",
			"P0/15m sre after 15m0s, late 0s",
			"P0/30m owner after 35m0s, late 5m0s")
		timeline, err := db.Timeline(inc.Number)
		if err != nil {
			t.Fatal(err)
		}
		last := timeline[len(timeline)-1]
		if last.Text != "escalation P0/30m: paging owner, late by 5m0s" || last.By != incident.Bot {
			t.Errorf("the timeline ends with %+v", last)
		}
	})
}
