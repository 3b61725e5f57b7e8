package escalation

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot/incident"
)

// allClocks has one of each: a page for want of an answer, one for want of
// recovery, the response time itself, and reminders.
var allClocks = Policy{Respond: 15 * time.Minute, Remind: 20 * time.Minute, Steps: []PolicyStep{
	{Role: "primary"}, {Overdue: true, Role: "sre", Unless: incident.UnlessAcknowledged}, {After: 30 * time.Minute, Role: "owner"}}}

// happened is every page and every line of the clocks, with the minutes that
// had passed on the clock that only counts.
func happened(s *stage, since time.Time) func() []string {
	var seen int
	var all []string
	return func() []string {
		s.mu.Lock()
		defer s.mu.Unlock()
		entries := s.entries[1]
		for _, e := range entries[seen:] {
			switch e.Kind {
			case incident.KindEscalated, incident.KindUnanswered, incident.KindReminder:
				all = append(all, fmt.Sprintf("%s: %s", time.Since(since).Round(time.Second), e.Text))
			}
		}
		seen = len(entries)
		return all
	}
}

// Promise 7: wall-clock jumps, daylight-saving changes and a laptop's sleep
// neither lose nor repeat a step.
func TestPromise7NoJumpOfTheClockLosesOrRepeatsAStep(t *testing.T) {
	const (
		first    = "0s: escalation P0/0m: paging primary"
		sre      = "escalation P0/15m: paging sre"
		told     = "nobody has acknowledged it in time"
		reminder = "no update for 20 minutes"
		owner    = "escalation P0/30m: paging owner"
	)
	onTime := []string{first, "15m0s: " + sre, "15m0s: " + told, "20m0s: " + reminder, "30m0s: " + owner}
	in := func(zone string, year int, month time.Month, day, hour, minute int) time.Time {
		at, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		return time.Date(year, month, day, hour, minute, 0, 0, at)
	}
	for _, tt := range []struct {
		name     string
		declared time.Time
		jump     time.Duration // of the wall clock, after 5 minutes
		until    time.Duration
		want     []string
	}{
		{"clocks go forward at 2:00", in("Europe/Paris", 2026, time.March, 29, 1, 50), 0, 35 * time.Minute, onTime},
		{"clocks go back at 3:00", in("Europe/Paris", 2026, time.October, 25, 1, 50), 0, 35 * time.Minute, onTime},
		{"the hour that is there twice", in("Europe/Paris", 2026, time.October, 25, 2, 50), 0, 35 * time.Minute, onTime},
		{"half an hour forward", in("Australia/Lord_Howe", 2026, time.October, 4, 1, 50), 0, 35 * time.Minute, onTime},
		{"the clock is set back by an hour", in("UTC", 2026, time.May, 1, 3, 0), -time.Hour, 95 * time.Minute,
			[]string{first, "1h15m0s: " + sre, "1h15m0s: " + told, "1h20m0s: " + reminder, "1h30m0s: " + owner}},
		{"a day forward, as after a day's sleep", in("UTC", 2026, time.May, 1, 3, 0), 24 * time.Hour, 20 * time.Minute,
			[]string{first, "5m1s: " + sre + ", late by 23h50m1s", "5m1s: " + owner + ", late by 23h35m1s", "5m1s: " + told + ", late by 23h50m1s", "5m1s: " + reminder}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, func(s *stage) { s.wall.off = time.Until(tt.declared) })
				defer s.stop()
				began := time.Now()
				seen := happened(s, began)
				s.declare(1, allClocks, s.wall.now())
				seen()
				for passed := time.Duration(0); passed < tt.until; passed += time.Second {
					if passed == 5*time.Minute {
						s.wall.set(tt.jump)
					}
					pass(time.Second)
					seen()
				}
				want(t, "happened", seen(), tt.want...)
			})
		})
	}
}

// A machine that sleeps for a day in the middle of an incident that somebody has:
// what waited for an answer stays dropped, the rest fires once.
func TestAsleepForADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		s.declare(1, allClocks, s.wall.now())
		pass(5 * time.Minute)
		if err := s.apply(1, incident.Acked{By: "operator"}, s.wall.now()); err != nil {
			t.Fatal(err)
		}
		s.wall.set(24 * time.Hour)
		pass(19 * time.Minute)
		want(t, "paged", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/30m owner late by 23h35m1s")
		reminders := 0
		for _, e := range s.entries[1] {
			if e.Kind == incident.KindReminder {
				reminders++
			}
			if e.Kind == incident.KindUnanswered {
				t.Errorf("it was answered: %s", e.Text)
			}
		}
		if reminders != 1 {
			t.Errorf("%d reminders for one day of sleep", reminders)
		}
	})
}
