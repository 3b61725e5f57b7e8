package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memory keeps states, and can be made to fail.
type memory struct {
	mu     sync.Mutex
	states map[string]State
	broken error
}

func (m *memory) Schedules() ([]State, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []State
	for _, s := range m.states {
		list = append(list, s)
	}
	return list, m.broken
}

func (m *memory) AmendSchedule(_ context.Context, name string, change func(*State) bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	s := m.states[name]
	s.Name = name
	if change(&s) {
		if m.states == nil {
			m.states = map[string]State{}
		}
		m.states[name] = s
	}
	return nil
}

// desk is who takes the runs.
type desk struct {
	mu      sync.Mutex
	zone    *time.Location
	known   map[string]bool
	ran     []string
	said    []string
	alarms  []string
	against func(Entry, time.Time) string
	refuse  error
	lost    bool // runs are taken, and their end is never told
}

func (d *desk) loop(store Store, entries ...Entry) *Loop {
	if d.known == nil {
		d.known = map[string]bool{}
	}
	return &Loop{Entries: entries, Store: store, Log: slog.New(slog.DiscardHandler),
		Deliver: func(_ context.Context, r Run, ended func(Result, string)) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.refuse != nil {
				return d.refuse
			}
			if d.known[r.ID] {
				return nil
			}
			d.known[r.ID] = true
			line := r.Due.In(d.zone).Format("Mon 2006-01-02 15:04 ") + r.Entry.Name
			if r.Late > 0 {
				line += fmt.Sprintf(" late by %s", r.Late)
			}
			d.ran = append(d.ran, line)
			if !d.lost {
				go ended(Done, "")
			}
			return nil
		},
		Against: func(e Entry, now time.Time) string {
			if d.against == nil {
				return ""
			}
			return d.against(e, now)
		},
		Say: func(e Entry, o Outcome) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.said = append(d.said, fmt.Sprintf("%s %s %s: %s", o.Due.In(d.zone).Format("2006-01-02 15:04"), e.Name, o.Result, o.Text))
		},
		Alarm: func(err error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.alarms = append(d.alarms, err.Error())
		},
	}
}

// live runs the loop for so long of fake time.
func live(t *testing.T, l *Loop, d time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	<-time.After(d)
	synctest.Wait()
	cancel()
	<-done
	synctest.Wait()
}

func until(t *testing.T, z *time.Location, at string) {
	when, err := time.ParseInLocation("2006-01-02 15:04", at, z)
	if err != nil {
		t.Fatal(err)
	}
	<-time.After(time.Until(when))
}

// usual are the entries that irisops has, in that zone.
func usual(t testing.TB, z *time.Location) []Entry {
	var all []Entry
	for _, u := range Usuals() {
		u.When = spec(t, u.Cron, u.Week, z)
		all = append(all, u.Entry)
	}
	return all
}

// A month of the usual schedules in Paris, with an incident in one night, a
// blackout over the drill's day and the change to summer time, against a table
// that was written by hand (testdata/march.txt).
func TestAMonth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		paris := zone(t, "Europe/Paris")
		until(t, paris, "2026-03-01 00:00")
		d := &desk{zone: paris}
		var quiet Days
		if err := quiet.UnmarshalText([]byte("2026-03-02..2026-03-03")); err != nil {
			t.Fatal(err)
		}
		d.against = func(e Entry, now time.Time) string {
			night := now.In(paris).Format(time.DateOnly) == "2026-03-10" && now.In(paris).Hour() < 6
			switch {
			case e.Hold.Incident && night:
				return "INC-7 is open"
			case e.Hold.Blackout && quiet.Covers(now, paris):
				return "2026-03-02..2026-03-03 is a blackout"
			}
			return ""
		}
		l := d.loop(&memory{}, usual(t, paris)...)
		l.tick = 20 * time.Second
		live(t, l, 31*24*time.Hour-time.Hour) // the month has an hour less
		text, err := os.ReadFile("testdata/march.txt")
		if err != nil {
			t.Fatal(err)
		}
		var want, wantSaid []string
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			switch {
			case line == "" || strings.HasPrefix(line, "#"):
			case strings.Contains(line, " skipped: "):
				wantSaid = append(wantSaid, line)
			default:
				want = append(want, line)
			}
		}
		if diff := cmp.Diff(want, d.ran); diff != "" {
			t.Errorf("runs (-table +made):\n%s", diff)
		}
		if diff := cmp.Diff(wantSaid, d.said); diff != "" {
			t.Errorf("said (-table +made):\n%s", diff)
		}
	})
}

func TestMissedRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(t, time.UTC, "2026-03-01 00:00")
		e := Entry{Name: "backup", Words: "backup now", When: spec(t, "30 3 * * *", 0, time.UTC), Late: 6 * time.Hour}
		d, kept := &desk{zone: time.UTC}, &memory{}
		live(t, d.loop(kept, e), 3*time.Hour)
		until(t, time.UTC, "2026-03-04 05:00") // three nights were missed, the last one by 90 minutes
		live(t, d.loop(kept, e), time.Hour)
		until(t, time.UTC, "2026-03-05 12:00") // found too late
		live(t, d.loop(kept, e), time.Hour)
		until(t, time.UTC, "2026-03-06 03:00")
		live(t, d.loop(kept, e), time.Hour)
		if diff := cmp.Diff([]string{"Wed 2026-03-04 03:30 backup late by 1h30m0s", "Fri 2026-03-06 03:30 backup"}, d.ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"2026-03-05 03:30 backup missed: found due 8 h 30 min late, and it is made up for within 6 h only"}, d.said); diff != "" {
			t.Errorf("said (-want +got):\n%s", diff)
		}
	})
}

// The process dies between handing over and recording: the same run comes again,
// under the same id.
func TestNoRunTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(t, time.UTC, "2026-03-01 03:00")
		e := Entry{Name: "backup", When: spec(t, "30 3 * * *", 0, time.UTC), Late: 6 * time.Hour}
		d, kept := &desk{zone: time.UTC}, &memory{}
		live(t, d.loop(kept, e), time.Minute)
		until(t, time.UTC, "2026-03-01 03:30")
		l := d.loop(kept, e)
		deliver := l.Deliver
		l.Deliver = func(ctx context.Context, r Run, ended func(Result, string)) error {
			err := deliver(ctx, r, func(Result, string) {})
			kept.mu.Lock()
			kept.broken = errors.New("the disk is full")
			kept.mu.Unlock()
			return err
		}
		live(t, l, 10*time.Second)
		if len(d.alarms) != 1 || !strings.Contains(d.alarms[0], "the disk is full") {
			t.Errorf("alarms: %q", d.alarms)
		}
		kept.broken = nil
		live(t, d.loop(kept, e), time.Hour)
		if diff := cmp.Diff([]string{"Sun 2026-03-01 03:30 backup"}, d.ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
		if next := kept.states["backup"].Next; next.Format(time.RFC3339) != "2026-03-02T03:30:00Z" {
			t.Errorf("next is %s", next)
		}
	})
}

// What cannot be handed over is tried again, and made up for.
func TestHandedOverAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(t, time.UTC, "2026-03-01 03:29")
		e := Entry{Name: "backup", When: spec(t, "30 3 * * *", 0, time.UTC), Late: 6 * time.Hour}
		d, kept := &desk{zone: time.UTC, refuse: errors.New("nothing was recorded")}, &memory{}
		l := d.loop(kept, e)
		live(t, l, 10*time.Minute)
		if len(d.ran) != 0 || len(d.alarms) == 0 {
			t.Errorf("ran %q, alarms %q", d.ran, d.alarms)
		}
		d.refuse = nil
		live(t, l, time.Minute)
		if diff := cmp.Diff([]string{"Sun 2026-03-01 03:30 backup late by 9m0s"}, d.ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
		if s := kept.states["backup"]; s.Last == nil || s.Last.Result != Done {
			t.Errorf("last: %+v", s.Last)
		}
	})
}

// A clock that is set back repeats nothing; set forward, runs are late by that.
func TestTheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(t, time.UTC, "2026-03-01 03:29")
		daily := Entry{Name: "backup", When: spec(t, "30 3 * * *", 0, time.UTC), Late: 6 * time.Hour}
		often := Entry{Name: "often", When: spec(t, "@every 10m", 0, time.UTC)}
		d, kept := &desk{zone: time.UTC}, &memory{}
		var shift time.Duration
		l := d.loop(kept, daily, often)
		l.now = func() time.Time { return time.Now().Add(shift) }
		live(t, l, 2*time.Minute) // 03:31
		shift = -time.Hour        // 02:31
		live(t, l, 70*time.Minute)
		shift = 0 // forward again: 04:41, and 03:30 of this night was made
		live(t, l, 5*time.Minute)
		var backups, others int
		for _, line := range d.ran {
			if strings.Contains(line, "backup") {
				backups++
			} else {
				others++
			}
		}
		if backups != 1 || others < 6 {
			t.Errorf("%d backups, %d others:\n%s", backups, others, strings.Join(d.ran, "\n"))
		}
	})
}

func TestPausedAndChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(t, time.UTC, "2026-03-01 03:00")
		e := Entry{Name: "backup", When: spec(t, "30 3 * * *", 0, time.UTC)}
		d, kept := &desk{zone: time.UTC}, &memory{}
		live(t, d.loop(kept, e), time.Minute)
		pause := func(p *Pause) {
			if err := kept.AmendSchedule(t.Context(), "backup", func(s *State) bool { s.Paused = p; return true }); err != nil {
				t.Fatal(err)
			}
		}
		pause(&Pause{By: "owner"})
		live(t, d.loop(kept, e), time.Hour)
		if s := kept.states["backup"]; len(d.ran)+len(d.said) != 0 || s.Last == nil || s.Last.Text != "paused by owner" || s.Paused == nil {
			t.Errorf("ran %q, said %q, %+v", d.ran, d.said, s)
		}
		pause(nil)
		e.When = spec(t, "0 5 * * *", 0, time.UTC) // the config was changed
		live(t, d.loop(kept, e), 2*time.Hour)
		if diff := cmp.Diff([]string{"Sun 2026-03-01 05:00 backup"}, d.ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
	})
}

// A panic of those who are asked ends nothing.
func TestPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(t, time.UTC, "2026-03-01 03:29")
		e := Entry{Name: "backup", When: spec(t, "30 3 * * *", 0, time.UTC), Late: time.Hour}
		d, kept := &desk{zone: time.UTC}, &memory{}
		d.against = func(Entry, time.Time) string { panic("broken") }
		l := d.loop(kept, e)
		live(t, l, 3*time.Minute)
		if len(d.alarms) == 0 {
			t.Error("nobody was told")
		}
		d.against = nil
		live(t, l, time.Minute)
		if len(d.ran) != 1 {
			t.Errorf("ran %q", d.ran)
		}
	})
}
