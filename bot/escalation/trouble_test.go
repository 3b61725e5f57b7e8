package escalation

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot/incident"
	"irisops/bot/pager"
)

func TestTheStoreFailsForAWhile(t *testing.T) {
	full := errors.New("no space left on device")
	for _, tt := range []struct {
		name string
		fail func(m *memory, err error)
	}{
		{"reading", func(m *memory, err error) { m.failDue = err }},
		{"writing", func(m *memory, err error) { m.failCommit = err }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, nil)
				defer s.stop()
				for n := range uint64(50) {
					s.declare(n+1, Policy{Steps: []PolicyStep{{After: 15 * time.Minute, Role: "sre"}}}, time.Now())
				}
				s.loop.Kick()
				pass(10 * time.Minute)
				fail := func(err error) {
					s.mu.Lock()
					defer s.mu.Unlock()
					tt.fail(s.memory, err)
				}
				fail(full)
				pass(7 * time.Minute)
				fail(nil)
				pass(time.Second)
				if got := s.paged(); len(got) != 50 || got[0] != "INC-1 P0/15m sre late by 2m1s" && got[0] != "INC-1 P0/15m sre late by 2m0s" {
					t.Errorf("%d pages: %.3q", len(got), got)
				}
				alarms, fired := s.heard()
				if len(fired) != 50 {
					t.Errorf("the listener heard of %d", len(fired))
				}
				// At once, and then once a minute.
				if n := len(alarms); n < 2 || n > 8 || !strings.Contains(alarms[0], full.Error()) {
					t.Errorf("%d alarms: %q", n, alarms)
				}
				// Every second, and no storm: a batch and a few single tries.
				if s.tries > 1+120*(1+hopeless)+50 {
					t.Errorf("%d commits were tried", s.tries)
				}
			})
		})
	}
}

func TestAConflictHoldsBackNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		s.mu.Lock()
		s.meanwhile = func(n int, m *memory) bool {
			switch n {
			case 1: // it is read, and then acknowledged
				if err := m.applied(3, incident.Acked{By: "operator"}, time.Now()); err != nil {
					t.Error(err)
				}
			case 4: // and again, when its turn comes
				if err := m.applied(3, incident.Noted{By: "operator", Kind: incident.KindNote, Text: "mine"}, time.Now()); err != nil {
					t.Error(err)
				}
			}
			return false
		}
		s.mu.Unlock()
		for n := range uint64(5) {
			s.declare(n+1, Policy{Steps: []PolicyStep{{After: 15 * time.Minute, Role: "sre"}}}, time.Now())
		}
		pass(15 * time.Minute)
		if got := s.paged(); len(got) != 5 {
			t.Errorf("paged %q", got)
		}
		if _, fired := s.heard(); len(fired) != 5 {
			t.Errorf("the listener heard of %q", fired)
		}
		if inc := s.incidents[3]; inc.State != incident.Acknowledged || inc.Entries != 4 {
			t.Errorf("the other change is lost: %+v", inc)
		}
		if alarms, _ := s.heard(); len(alarms) != 0 {
			t.Errorf("alarms %q", alarms)
		}
	})
}

func TestAConflictThatEndsTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		s.mu.Lock()
		s.meanwhile = func(n int, m *memory) bool {
			if n == 1 {
				if err := m.applied(1, incident.DeclaredResolved{By: "operator", Reason: "false alarm"}, time.Now()); err != nil {
					t.Error(err)
				}
			}
			return false
		}
		s.mu.Unlock()
		s.declare(1, Policy{Steps: []PolicyStep{{After: 15 * time.Minute, Role: "sre"}}}, time.Now())
		pass(time.Hour)
		want(t, "paged", s.paged())
		alarms, _ := s.heard()
		want(t, "alarms", alarms)
	})
}

func TestAConflictThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, nil)
		defer s.stop()
		s.mu.Lock()
		s.meanwhile = func(int, *memory) bool { return true }
		s.mu.Unlock()
		s.declare(1, Policy{Steps: []PolicyStep{{After: 15 * time.Minute, Role: "sre"}}}, time.Now())
		pass(15*time.Minute + 10*time.Second)
		s.mu.Lock()
		tries := s.tries
		s.meanwhile = nil
		s.mu.Unlock()
		if tries < 100 || tries > 11*2*(patience+1) {
			t.Errorf("%d commits in ten seconds", tries)
		}
		pass(time.Second)
		if n := len(s.paged()); n != 1 {
			t.Errorf("%d pages", n)
		}
	})
}

func TestOneBadIncidentHoldsBackNobody(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(s *stage)
		alarm string
	}{
		{"it cannot be written", func(s *stage) { s.bad = map[uint64]bool{2: true} }, "INC-2 cannot be written"},
		{"its pages cannot be worked out", func(s *stage) {
			s.loop.Pages = func(inc incident.Incident, calls []incident.Call, now time.Time) []pager.Page {
				if inc.Number == 2 {
					panic("no such role")
				}
				return pagesFor(inc, calls, now)
			}
		}, "whom to page cannot be worked out: panic: no such role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := start(t, tt.spoil)
				defer s.stop()
				for n := range uint64(3) {
					s.declare(n+1, Policy{Steps: []PolicyStep{{After: 15 * time.Minute, Role: "sre"}}}, time.Now())
				}
				pass(15*time.Minute + 30*time.Second)
				want(t, "paged", s.paged(), "INC-1 P0/15m sre", "INC-3 P0/15m sre")
				alarms, _ := s.heard()
				want(t, "alarms", alarms, tt.alarm)
			})
		})
	}
}

func TestManyBadIncidentsHoldBackNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, func(s *stage) { s.bad = map[uint64]bool{} })
		defer s.stop()
		s.mu.Lock()
		for n := range uint64(60) {
			if n < hopeless || n%3 == 0 {
				s.bad[n] = true
			}
		}
		s.mu.Unlock()
		good := 0
		for n := uint64(1); n < 60; n++ {
			s.declare(n, Policy{Steps: []PolicyStep{{After: time.Minute, Role: "sre"}}}, time.Now())
			if !s.bad[n] {
				good++
			}
		}
		pass(time.Minute)
		if got := len(s.paged()); got != good {
			t.Errorf("%d of %d good ones fired", got, good)
		}
	})
}

func TestNoPanicEndsTheLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var once sync.Once
		s := start(t, func(s *stage) {
			s.loop.Fired = func(incident.Incident, []incident.Call, []incident.Entry) { panic("terminal gone") }
			s.loop.Alarm = func(error) { panic("terminal gone") }
			s.meanwhile = func(int, *memory) bool {
				once.Do(func() { panic("damaged page") })
				return false
			}
		})
		defer s.stop()
		s.declare(1, runbookP0, time.Now())
		pass(time.Hour)
		want(t, "paged", s.paged(), "INC-1 P0/0m primary", "INC-1 P0/15m sre", "INC-1 P0/30m owner")
	})
}

func TestAPanicThatLastsIsNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, func(s *stage) {
			s.meanwhile = func(int, *memory) bool { panic("damaged page") }
		})
		defer s.stop()
		s.declare(1, Policy{Steps: []PolicyStep{{After: time.Minute, Role: "sre"}}}, time.Now())
		pass(70*time.Second + time.Millisecond)
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.tries != 11 {
			t.Errorf("%d commits in ten seconds", s.tries)
		}
		alarms, _ := s.heard()
		want(t, "alarms", alarms, "escalation broke, and tries again every second: panic: damaged page")
	})
}

func TestStoppingLetsATransactionEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reached, goOn := make(chan struct{}), make(chan struct{})
		s := start(t, func(s *stage) {
			s.meanwhile = func(int, *memory) bool { close(reached); <-goOn; return false }
		})
		s.declare(1, Policy{Steps: []PolicyStep{{After: time.Minute, Role: "sre"}}}, time.Now())
		<-reached
		go func() { <-time.After(time.Second); close(goOn) }()
		s.stop()
		want(t, "paged", s.paged(), "INC-1 P0/1m sre")
		_, fired := s.heard()
		want(t, "the listener heard", fired, "INC-1 P0/1m")
	})
}
