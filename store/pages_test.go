package store

import (
	"errors"
	"testing"
	"time"

	"irisops/bot/change"
	"irisops/bot/pager"

	"github.com/google/go-cmp/cmp"
)

func page(step string, queued time.Time) pager.Page {
	return pager.Page{
		Incident: "INC-1", Step: step, Role: "sre", Person: "operator", Channel: "conversation", Text: "P0 not recovered",
		Queued: queued, Due: queued, State: pager.Queued,
	}
}

func commitPages(t testing.TB, db *DB, pages ...pager.Page) {
	t.Helper()
	must(t, db.Commit(t.Context(), change.Change{Pages: pages}))
}

func keys(pages []pager.Page) (list []string) {
	for _, p := range pages {
		list = append(list, p.Step)
	}
	return list
}

func TestOutboxOrder(t *testing.T) {
	db := memory(t)
	retry := page("retry", t0)
	retry.Attempts, retry.NotBefore = 1, t0.Add(time.Minute)
	ahead := page("queued before the clock was set back", t0.Add(time.Hour))
	commitPages(t, db, page("b", t0.Add(2)), retry, ahead, page("a", t0.Add(1)), page("c", t0.Add(2)))
	want := []string{"a", "b", "c", ahead.Step}
	if diff := cmp.Diff(want, keys(value(db.DuePages(t0, 0))(t))); diff != "" {
		t.Errorf("before the retry: %s", diff)
	}
	if diff := cmp.Diff(append(want, "retry"), keys(value(db.DuePages(t0.Add(time.Minute), 0))(t))); diff != "" {
		t.Errorf("with the retry: %s", diff)
	}
	if diff := cmp.Diff(want[:2], keys(value(db.DuePages(t0.Add(time.Minute), 2))(t))); diff != "" {
		t.Errorf("at most two: %s", diff)
	}
	n, oldest, err := db.PendingPages()
	if err != nil || n != 5 || !oldest.Equal(t0) {
		t.Errorf("%d pages are pending, the oldest since %s, %v", n, oldest, err)
	}
	sending := page("sending", t0.Add(-time.Hour))
	sending.State = pager.Sending
	commitPages(t, db, sending)
	if n, oldest, err = db.PendingPages(); err != nil || n != 6 || !oldest.Equal(t0) {
		t.Errorf("with one under way %d pages are pending, the oldest queued since %s, %v", n, oldest, err)
	}
	audited(t, db, t0)
}

func TestPageLife(t *testing.T) {
	for _, step := range []struct {
		name string
		to   func(*pager.Page)
		due  bool // at t0 afterwards
		at   pager.State
	}{
		{"tried", func(p *pager.Page) { p.State, p.Attempts = pager.Sending, 1 }, false, pager.Sending},
		{"put back", func(p *pager.Page) {
			p.State, p.LastError, p.NotBefore = pager.Queued, "429", t0.Add(time.Second)
		}, false, pager.Queued},
		{"put back at once", func(p *pager.Page) { p.State, p.NotBefore = pager.Queued, time.Time{} }, true, pager.Queued},
		{"failed", func(p *pager.Page) { p.State = pager.Failed }, false, pager.Failed},
		{"tried after all", func(p *pager.Page) { p.State, p.Attempts = pager.Sending, 2 }, false, pager.Sending},
		{"delivered", func(p *pager.Page) { p.State, p.Sent = pager.Delivered, t0.Add(time.Minute) }, false, pager.Delivered},
	} {
		t.Run(step.name, func(t *testing.T) {
			db := memory(t)
			p := page("P0/15m", t0)
			commitPages(t, db, p)
			step.to(&p)
			if step.at == pager.Queued {
				p.Attempts = 1
			}
			commitPages(t, db, p)
			if diff := cmp.Diff(p, value(db.Page(p.Key()))(t)); diff != "" {
				t.Error(diff)
			}
			if due := value(db.DuePages(t0, 0))(t); (len(due) == 1) != step.due {
				t.Errorf("due: %+v", due)
			}
			// The step's page comes once more, as if it was queued for the first time.
			commitPages(t, db, page("P0/15m", t0.Add(time.Second)))
			if diff := cmp.Diff(p, value(db.Page(p.Key()))(t)); diff != "" {
				t.Errorf("doubled: %s", diff)
			}
			if all := value(db.PagesOf("INC-1"))(t); len(all) != 1 {
				t.Errorf("pages: %+v", all)
			}
			audited(t, db, t0)
		})
	}
}

func TestDeliveredStaysDelivered(t *testing.T) {
	db := memory(t)
	p := page("P0/15m", t0)
	p.State, p.Attempts = pager.Delivered, 1
	commitPages(t, db, p)
	p.State = pager.Sending
	if err := db.Commit(t.Context(), change.Change{Pages: []pager.Page{p}}); !errors.Is(err, change.ErrConflict) {
		t.Errorf("got %v", err)
	}
	p.State = pager.Delivered
	commitPages(t, db, p)
	audited(t, db, t0)
}

func TestPagesOfOneIncidentOnly(t *testing.T) {
	db := memory(t)
	other := page("x", t0)
	other.Incident = "INC-10"
	done := page("early", t0.Add(-time.Hour))
	done.State, done.Attempts = pager.Delivered, 1
	commitPages(t, db, page("late", t0), other, done)
	if diff := cmp.Diff([]string{"early", "late"}, keys(value(db.PagesOf("INC-1"))(t))); diff != "" {
		t.Error(diff)
	}
	if _, err := db.Page("INC-1/none"); !errors.Is(err, change.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestRecoverPages(t *testing.T) {
	db := memory(t)
	under, waiting := page("under way", t0), page("waiting", t0.Add(1))
	under.State, under.Attempts, under.NotBefore = pager.Sending, 1, t0.Add(-time.Hour)
	commitPages(t, db, under, waiting)
	path := db.Path()
	must(t, db.Close())

	db = open(t, path, Options{noSync: true})
	if n := value(db.RecoverPages(t.Context()))(t); n != 1 {
		t.Errorf("%d pages recovered", n)
	}
	due := value(db.DuePages(t0, 0))(t)
	if len(due) != 2 || due[0].Step != "under way" || !due[0].PossibleDuplicate || due[0].Attempts != 1 || due[1].PossibleDuplicate {
		t.Errorf("due: %+v", due)
	}
	if n := value(db.RecoverPages(t.Context()))(t); n != 0 {
		t.Errorf("%d pages recovered twice", n)
	}
	audited(t, db, t0)
}

// A page that waited for another attempt is tried again after a restart, also
// where the clock was set back meanwhile.
func TestRecoveredPagesDoNotWait(t *testing.T) {
	db := memory(t)
	waiting := page("waiting", t0)
	waiting.State, waiting.Attempts, waiting.LastError, waiting.NotBefore = pager.Queued, 2, "busy", t0.Add(time.Hour)
	commitPages(t, db, waiting)
	if due := value(db.DuePages(t0, 0))(t); len(due) != 0 {
		t.Errorf("due before the restart: %+v", due)
	}
	if n := value(db.RecoverPages(t.Context()))(t); n != 0 {
		t.Errorf("%d pages were under way", n)
	}
	due := value(db.DuePages(t0, 0))(t)
	if len(due) != 1 || due[0].Attempts != 2 || due[0].PossibleDuplicate {
		t.Errorf("due: %+v", due)
	}
	audited(t, db, t0)
}
