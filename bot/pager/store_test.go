package pager_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"
	"irisops/store"
)

// outbox is the database as the pager sees it.
type outbox struct{ *store.DB }

func (o outbox) Begin(ctx context.Context, pages []pager.Page) ([]pager.Page, error) {
	return pages, o.Settle(ctx, pages)
}

func (o outbox) Settle(ctx context.Context, pages []pager.Page) error {
	return o.Commit(ctx, change.Change{Pages: pages})
}

// far is a Sender that keeps what arrives, and does not answer while it is silent.
type far struct {
	mu      sync.Mutex
	arrived []string
	silent  bool
}

func (*far) Channel() string { return "conversation" }

func (f *far) Send(ctx context.Context, p pager.Page) error {
	f.mu.Lock()
	f.arrived = append(f.arrived, p.Words())
	silent := f.silent
	f.mu.Unlock()
	if silent {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

// The bot ends in the middle of a send: the page is sent again when it is back,
// and says that it may have arrived before. The one that waited is just sent.
func TestAPageInMidSendOutlivesTheBot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "irisops.db")
	synctest.Test(t, func(t *testing.T) {
		f := &far{silent: true}
		run := func() (db *store.DB, recovered int, end func()) {
			db, err := store.Open(path, store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if recovered, err = db.RecoverPages(t.Context()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			drain := &pager.Drain{Outbox: outbox{db}, Senders: []pager.Sender{f}, Alarm: func(err error) { t.Error("alarm:", err) }}
			var running sync.WaitGroup
			running.Go(func() { drain.Run(ctx) })
			return db, recovered, func() {
				cancel()
				running.Wait()
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		}
		wait := func(d time.Duration) { <-time.After(d); synctest.Wait() }

		db, recovered, end := run()
		if recovered != 0 {
			t.Errorf("%d pages recovered from nothing", recovered)
		}
		_, _, err := db.Declare(t.Context(), "", func(n uint64) change.Change {
			now := time.Now()
			inc, eff := incident.New(n, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "no clients can connect", By: "operator"}, now)
			page := pager.Page{Incident: inc.ID(), Role: "primary", Person: "operator", Channel: "conversation", State: pager.Queued, Queued: now, Due: now}
			first, second := page, page
			first.Step, first.Text = "P0/0m", "the first"
			second.Step, second.Text, second.Queued = "P0/1m", "the second", now.Add(time.Millisecond)
			return change.Change{Incident: &inc, Entries: eff.Entries, Pages: []pager.Page{first, second}}
		})
		if err != nil {
			t.Fatal(err)
		}
		wait(2 * time.Second)
		end()

		f.mu.Lock()
		f.silent = false
		f.mu.Unlock()
		db, recovered, end = run()
		defer end()
		if recovered != 1 {
			t.Errorf("%d pages recovered, want 1", recovered)
		}
		wait(time.Second)
		f.mu.Lock()
		defer f.mu.Unlock()
		if diff := cmp.Diff([]string{"the first", "the first [possible duplicate]", "the second"}, f.arrived); diff != "" {
			t.Errorf("arrived (-want +got):\n%s", diff)
		}
		pages, err := db.PagesOf("INC-1")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			if p.State != pager.Delivered || p.PossibleDuplicate != (p.Step == "P0/0m") {
				t.Errorf("%+v", p)
			}
		}
	})
}
