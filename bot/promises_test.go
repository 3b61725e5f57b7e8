package bot_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/store"
)

// The promises of this project, each by its number. Promise 7 is shown in
// package escalation, where the clock on the wall can be set.

// witness looks at the database as a crash would leave it: around every commit,
// and in the moment that an incident is shown for the first time.
type witness struct {
	path string // of the database
	dir  string

	mu     sync.Mutex
	looks  int
	absent int // looks that found no incident
	shown  int
	errs   []error
}

func (w *witness) Publish(_ context.Context, p bot.Post) error {
	if p.Parent {
		w.look("shown", true)
	}
	return nil
}

// look wants the incident whole, or, unless it has to be there, not at all.
func (w *witness) look(when string, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.looks++
	if when == "shown" {
		w.shown++
	}
	found, err := w.found()
	if !found {
		w.absent++
	}
	if err == nil && there && !found {
		err = errors.New("there is no incident")
	}
	if err != nil {
		w.errs = append(w.errs, fmt.Errorf("%s, look %d: %w", when, w.looks, err))
	}
}

func (w *witness) found() (bool, error) {
	left, err := os.ReadFile(w.path)
	if err != nil {
		return false, err
	}
	path := filepath.Join(w.dir, fmt.Sprint("left-", w.looks, ".db"))
	if err := os.WriteFile(path, left, 0o600); err != nil {
		return false, err
	}
	db, err := store.Open(path, store.Options{})
	if err != nil {
		return false, err
	}
	defer db.Close()
	all, err := db.LastIncidents(2)
	if err != nil || len(all) == 0 {
		return false, err
	}
	next, armed, err := db.NextDue()
	if err != nil || !armed || !next.Equal(all[0].DeclaredAt.Add(15*time.Minute)) {
		return true, fmt.Errorf("its timer is not armed: %v, %v, %v", next, armed, err)
	}
	pages, err := db.PagesOf(all[0].ID())
	if err != nil || len(pages) != 1 || pages[0].Role != "primary" {
		return true, fmt.Errorf("its first page is missing: %v, %v", pages, err)
	}
	if wrong, err := db.Audit(time.Now()); err != nil || len(wrong) > 0 {
		return true, fmt.Errorf("the auditor finds %q, %v", wrong, err)
	}
	return true, nil
}

// Promise 1: an incident, its timers and its first pages are in one fsynced
// transaction before anyone reads "declared".
func TestPromise1DeclaredIsDurable(t *testing.T) {
	dir := t.TempDir()
	w := &witness{path: filepath.Join(dir, "irisops.db"), dir: dir}
	db, err := store.Open(w.path, store.Options{Failpoint: func(name string) {
		if strings.HasPrefix(name, "commit/") {
			w.look(name, false)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	b, err := bot.New(bot.Options{
		Store: db, Rooms: []bot.Room{w}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		OnCall:   oncall.Roster{Roles: map[string]string{"primary": "operator", "sre": "second"}},
		Policies: map[incident.Priority]escalation.Policy{incident.P0: {Steps: []escalation.PolicyStep{{Role: "primary"}, {After: 15 * time.Minute, Role: "sre"}}}},
		Clusters: []bot.Cluster{{Name: "main", Summary: newFakeCluster().summary}},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Not started: no clock adds to what the declaration itself does.
	if code := say(b, `operator: declare P0 "no clients can connect"`, "d1"); code != bot.ExitDone {
		t.Fatal("code", code)
	}
	if w.shown != 1 || w.absent == 0 || w.looks <= w.absent || len(w.errs) > 0 {
		t.Errorf("shown %d times; %d looks, %d before it was there: %v", w.shown, w.looks, w.absent, errors.Join(w.errs...))
	}
	if err := errors.Join(b.Stop(t.Context()), db.Close()); err != nil {
		t.Error(err)
	}
}

// Promise 2: a step fires at most 1 s after it is due. After a restart, overdue
// steps fire within 5 s, marked "late by ...".
func TestPromise2StepsFireInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer func() { s.stop() }()
		for n := range 20 { // at odd moments, so that they are due at odd moments
			s.ask("operator", fmt.Sprintf(`declare P0 "outage %d"`, n+1))
			s.pass(time.Duration(n*137) * time.Millisecond)
		}
		s.pass(15 * time.Minute)
		for n := range 20 {
			pages, err := s.db.PagesOf(incident.ID(uint64(n + 1)))
			if err != nil || len(pages) != 2 {
				t.Fatalf("%d: %v, %v", n, pages, err)
			}
			for _, p := range pages {
				if late := p.Queued.Sub(p.Due); late < 0 || late > time.Second {
					t.Errorf("%s fired %s after it was due", p.Key(), late)
				}
			}
		}
		s.stop()
		s.pass(20 * time.Minute)
		started := time.Now()
		s.start()
		s.pass(5 * time.Second)
		for n := range 20 {
			pages, err := s.db.PagesOf(incident.ID(uint64(n + 1)))
			if err != nil || len(pages) != 3 {
				t.Fatalf("%d: %v, %v", n, pages, err)
			}
			for _, p := range pages {
				if p.Role == "owner" && (p.Queued.Sub(started) > 5*time.Second || p.Late() < time.Minute || !strings.Contains(p.Words(), "late by")) {
					t.Errorf("%s: %s after the start, late by %s: %q", p.Key(), p.Queued.Sub(started), p.Late(), p.Words())
				}
			}
		}
	})
}

// Promise 4: acknowledging does not stop the 15 and 30 minute clocks. Only a
// verified recovery, a resolution or a person's explicit "stop paging, because"
// does; maintenance does not.
func TestPromise4OnlyRecoveryStopsTheClocks(t *testing.T) {
	both := []string{"primary", "sre", "owner"}
	for said, want := range map[string][]string{
		"ack":                   both,
		"mitigated on edge2":    both,
		"note looking":          both,
		"role scribe @second":   both,
		"handoff @second":       both,
		"halt":                  both,
		"maintenance on 2h new": both,
		"verify":                both,
		"recovered":             {"primary"},
		"resolve":               both, // refused: it needs a reason
		"resolve false alarm":   {"primary"},
		"stop-paging":           both, // refused: it needs a reason
		"stop-paging I am here": {"primary"},
	} {
		t.Run(said, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				defer s.stop()
				s.ask("operator", `declare P0 "no clients can connect"`)
				s.ask("operator", said)
				if strings.HasPrefix(said, "maintenance") {
					s.ask("operator", "confirm")
					if m := s.ask("operator", "maintenance"); !strings.Contains(m.Title+fmt.Sprint(m.Blocks), "02:00") {
						t.Fatalf("maintenance is not on: %+v", m)
					}
				}
				s.pass(time.Hour)
				pages, err := s.db.PagesOf("INC-1")
				if err != nil {
					t.Fatal(err)
				}
				paged := map[string]time.Time{}
				for _, p := range pages {
					if p.Role != "handoff" {
						paged[p.Role] = p.Queued
					}
				}
				if len(paged) != len(want) {
					t.Errorf("paged %v, want %q", paged, want)
				}
				inc, err := s.db.Incident(1)
				if err != nil {
					t.Fatal(err)
				}
				for role, after := range map[string]time.Duration{"sre": 15 * time.Minute, "owner": 30 * time.Minute} {
					if at, ok := paged[role]; ok && !at.Equal(inc.DeclaredAt.Add(after)) {
						t.Errorf("%s was paged at %s", role, at)
					}
				}
			})
		})
	}
	t.Run("acknowledged and unverified", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := newStage(t)
			defer s.stop()
			s.cluster.set("edge1", "down")
			s.ask("operator", `declare P0 "no clients can connect"`)
			s.ask("operator", "ack")
			s.ask("operator", "recovered") // refused: verify fails
			s.pass(time.Hour)
			if pages, err := s.db.PagesOf("INC-1"); err != nil || len(pages) != 3 {
				t.Errorf("%v, %v", pages, err)
			}
		})
	})
}
