package escalation

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/bot/incident"
	"irisops/bot/pager"
)

func want(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestFifteenAndThirtyMinutesToTheSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		s.declare(1, runbookP0, time.Now())
		s.loop.Kick()
		first := "INC-1 P0/0m primary"
		pass(15*time.Minute - time.Second)
		want(t, "after 14:59", s.paged(), first)
		pass(time.Second)
		want(t, "after 15:00", s.paged(), first, "INC-1 P0/15m sre")
		pass(15*time.Minute - time.Second)
		want(t, "after 29:59", s.paged(), first, "INC-1 P0/15m sre")
		pass(time.Second)
		want(t, "after 30:00", s.paged(), first, "INC-1 P0/15m sre", "INC-1 P0/30m owner")
		pass(6 * time.Hour)
		want(t, "hours later", s.paged(), first, "INC-1 P0/15m sre", "INC-1 P0/30m owner")

		for _, p := range s.pages {
			if !p.Queued.Equal(p.Due) {
				t.Errorf("%s was due at %s and fired at %s", p.Step, p.Due, p.Queued)
			}
		}
		_, fired := s.heard()
		want(t, "the listener heard", fired, "INC-1 P0/15m", "INC-1 P0/30m")
		if s.incidents[1].Version != 3 {
			t.Errorf("version %d", s.incidents[1].Version)
		}
	})
}

// Nobody kicks: still no step is more than a second late.
func TestTheLoopLooksEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		pass(300 * time.Millisecond)
		s.declare(1, Policy{Steps: []PolicyStep{{After: 10 * time.Millisecond, Role: "sre"}}}, time.Now())
		pass(time.Second)
		want(t, "paged", s.paged(), "INC-1 P0/10ms sre")
	})
}

func TestAKickIsNoticedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		pass(300 * time.Millisecond)
		s.declare(1, Policy{Steps: []PolicyStep{{After: 20 * time.Millisecond, Role: "sre"}}}, time.Now())
		s.loop.Kick()
		s.loop.Kick()
		pass(20 * time.Millisecond)
		want(t, "paged", s.paged(), "INC-1 P0/20ms sre")
	})
}

func TestAcknowledgingDoesNotStopTheClocks(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event incident.Event
		stops bool
	}{
		{"acknowledged", incident.Acked{By: "operator"}, false},
		{"noted", incident.Noted{By: "operator", Kind: incident.KindNote, Text: "looking"}, false},
		{"verified, and not called recovered", incident.Verified{By: "operator", OK: true, Summary: "all edges"}, false},
		{"recovered", incident.DeclaredRecovered{By: "operator", Force: "seen by hand"}, true},
		{"resolved", incident.DeclaredResolved{By: "operator", Reason: "false alarm"}, true},
		{"paging stopped", incident.PagingStop{By: "operator", Reason: "the owner sits here"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, nil)
				defer s.stop()
				s.declare(1, runbookP0, time.Now())
				pass(15*time.Minute - time.Nanosecond)
				if err := s.apply(1, tt.event, time.Now()); err != nil {
					t.Fatal(err)
				}
				pass(time.Hour)
				if tt.stops {
					want(t, "paged", s.paged(), "INC-1 P0/0m primary")
				} else {
					want(t, "paged", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/15m sre", "INC-1 P0/30m owner")
				}
			})
		})
	}
}

func TestTheClockIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		s.declare(1, runbookP0, s.wall.now())
		pass(20 * time.Minute)
		s.wall.set(-time.Hour)
		pass(time.Second)
		alarms, _ := s.heard()
		want(t, "alarms", alarms, "the clock of this machine was set back by 1h0m0s: steps that have not fired yet fire by the new time, so much later")
		pass(69*time.Minute + 58*time.Second)
		want(t, "before it is half past again", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/15m sre")
		pass(time.Second)
		want(t, "no step is repeated, none lost", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/15m sre", "INC-1 P0/30m owner")
		pass(6 * time.Hour)
		want(t, "hours later", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/15m sre", "INC-1 P0/30m owner")
	})
}

// The same for the loop: the clock set forward by a day, and a machine that was
// asleep for a day. Both steps fire once, within a second, and say so.
func TestTheClockIsADayFurther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		s.declare(1, runbookP0, s.wall.now())
		pass(5 * time.Minute)
		s.wall.set(24 * time.Hour)
		pass(time.Second)
		want(t, "paged", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/15m sre late by 23h50m1s", "INC-1 P0/30m owner late by 23h35m1s")
		if got, want := s.entries[1][2].Text, "escalation P0/15m: paging sre, late by 23h50m1s"; got != want {
			t.Errorf("timeline says %q, want %q", got, want)
		}
		pass(time.Hour)
		if n := len(s.paged()); n != 3 {
			t.Errorf("%d pages", n)
		}
		if alarms, _ := s.heard(); len(alarms) != 0 {
			t.Errorf("alarms %q", alarms)
		}
	})
}

func TestDaylightSavingChangesNothing(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		// The clocks of Berlin go forward in the night of 26 March 2000, at 2:00.
		declared := time.Date(2000, 3, 26, 1, 50, 0, 0, berlin)
		s := start(t, func(s *stage) { s.wall.off = time.Until(declared) })
		defer s.stop()
		s.declare(1, runbookP0, s.wall.now().In(berlin))
		pass(30 * time.Minute)
		want(t, "paged", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/15m sre", "INC-1 P0/30m owner")
	})
}

func TestOverdueStepsFireAtOnceAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		s.declare(1, runbookP0, time.Now())
		pass(10 * time.Minute)
		s.stop()
		pass(10 * time.Minute)
		want(t, "while it is down", s.paged(), "INC-1 P0/0m primary")
		memory := s.memory
		s = start(t, func(s *stage) { s.memory, s.loop.Incidents = memory, memory })
		defer s.stop()
		want(t, "at once", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/15m sre late by 5m0s")
	})
}

// Someone acknowledges one of many in the very moment that all are due.
// Someone resolves it in the very moment that it is due: it does not fire.
func TestACallThatReachesNobodyIsLoud(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, func(s *stage) {
			s.loop.Pages = func(inc incident.Incident, calls []incident.Call, now time.Time) []pager.Page {
				if calls[0].Role == "sre" {
					return nil
				}
				return pagesFor(inc, calls, now)
			}
		})
		defer s.stop()
		s.declare(1, runbookP0, time.Now())
		pass(time.Hour)
		want(t, "paged", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/30m owner")
		alarms, _ := s.heard()
		want(t, "alarms", alarms, "P0/15m of INC-1 has nobody to page as sre")
		if got, want := s.entries[1][3].Text, "escalation P0/15m reached nobody: there is no one to page as sre"; got != want {
			t.Errorf("timeline says %q, want %q", got, want)
		}
	})
}

func TestManyAtOnceInFewTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		const many = 6000
		for n := range uint64(many) {
			s.declare(n+1, Policy{Steps: []PolicyStep{{After: 2 * time.Second, Role: "sre"}}}, time.Now())
		}
		pass(2 * time.Second)
		if n := len(s.paged()); n != many {
			t.Errorf("%d pages, want %d", n, many)
		}
		if s.commits != many/batch {
			t.Errorf("%d transactions", s.commits)
		}
		if _, fired := s.heard(); len(fired) != many {
			t.Errorf("the listener heard of %d", len(fired))
		}
	})
}

// The end of the loop does not tear a transaction.
func TestALoopWithoutListeners(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, func(s *stage) { s.loop.Fired, s.loop.Alarm = nil, nil; s.failDue = fmt.Errorf("closed") })
		defer s.stop()
		pass(time.Minute)
		s.mu.Lock()
		s.failDue = nil
		s.mu.Unlock()
		s.declare(1, Policy{Steps: []PolicyStep{{After: time.Minute, Role: "sre"}}}, time.Now())
		pass(time.Minute)
		want(t, "paged", s.paged(), "INC-1 P0/1m sre")
	})
}
