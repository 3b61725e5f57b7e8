package pager

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func want[T any](t *testing.T, what string, got []T, want ...T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(sent{})); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

var errBusy = errors.New("503 Service Unavailable")

func TestAPageIsRecordedBeforeAndAfterItIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, nil)
		defer s.stop()
		p := s.queue("operator", "P0/0m")[0]
		s.drain.Kick()
		synctest.Wait()
		want(t, "states", s.history(p), Queued, Sending, Delivered)
		want(t, "sends", s.sent(), sent{step: "P0/0m"})
		if got := s.page(p); got.Attempts != 1 || !got.Sent.Equal(time.Now()) || got.LastError != "" || got.PossibleDuplicate {
			t.Errorf("delivered: %+v", got)
		}
	})
}

func TestTheOutboxIsLookedAtEverySecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, nil)
		defer s.stop()
		pass(300 * time.Millisecond)
		s.queue("operator", "P0/0m")
		pass(700 * time.Millisecond)
		want(t, "sends", s.steps(), "P0/0m")
	})
}

func TestAFailedSendIsTriedAgain(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		dup  bool
	}{
		{"it has not arrived", Retry(errBusy), false},
		{"wrapped", fmt.Errorf("sending: %w", Retry(errBusy)), false},
		{"it may have arrived", Unsure(errBusy), true},
		{"of no known kind", errBusy, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, func(s *stage) {
					s.answer = func(_ context.Context, _ Page, n int) error {
						if n <= 3 {
							return tt.err
						}
						return nil
					}
				})
				defer s.stop()
				p := s.queue("operator", "P0/0m")[0]
				s.drain.Kick()
				synctest.Wait()
				kept := s.page(p)
				if kept.State != Queued || kept.LastError != tt.err.Error() || kept.PossibleDuplicate != tt.dup {
					t.Errorf("after the first attempt: %+v", kept)
				}
				if wait := time.Until(kept.NotBefore); wait < 800*time.Millisecond || wait > 1200*time.Millisecond {
					t.Errorf("the next attempt is in %s", wait)
				}
				pass(time.Minute)
				want(t, "states", s.history(p), Queued, Sending, Queued, Sending, Queued, Sending, Queued, Sending, Delivered)
				calls := s.sent()
				// After about 1, 3 and 7 seconds, each at most a second late.
				for i, earliest := range []float64{0, 0.8, 2.4, 5.6} {
					if at := calls[i].at.Seconds(); at < earliest || at > earliest*1.5+1+float64(i) {
						t.Errorf("attempt %d after %v", i+1, calls[i].at)
					}
					if calls[i].dup != (tt.dup && i > 0) {
						t.Errorf("attempt %d: possible duplicate %v", i+1, calls[i].dup)
					}
				}
				if got := s.page(p); got.Attempts != 4 || got.LastError != "" || !got.NotBefore.IsZero() {
					t.Errorf("delivered: %+v", got)
				}
				if lost, alarms := s.heard(); len(lost)+len(alarms) > 0 {
					t.Errorf("lost %q, alarms %q", lost, alarms)
				}
			})
		})
	}
}

// stuck is a Sender that pays no heed to its context.
func TestPagesForOnePersonGoInOrderAndPeopleDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, func(s *stage) {
			s.answer = func(ctx context.Context, p Page, _ int) error {
				<-time.After(2 * time.Second)
				return nil
			}
		})
		defer s.stop()
		s.queue("operator", "1", "2", "3")
		s.queue("owner", "4", "5")
		s.drain.Kick()
		pass(10 * time.Second)
		var operator, owner []sent
		for _, c := range s.sent() {
			if c.step < "4" {
				operator = append(operator, c)
			} else {
				owner = append(owner, c)
			}
		}
		want(t, "for the operator", operator, sent{"1", 0, false}, sent{"2", 2 * time.Second, false}, sent{"3", 4 * time.Second, false})
		want(t, "for the owner", owner, sent{"4", 0, false}, sent{"5", 2 * time.Second, false})
	})
}

func TestAPageThatWaitsDoesNotHoldBackTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, func(s *stage) {
			s.answer = func(_ context.Context, p Page, n int) error {
				if n == 1 {
					return RetryAfter(errBusy, 20*time.Second)
				}
				return nil
			}
		})
		defer s.stop()
		s.queue("operator", "P0/0m", "P0/15m")
		s.drain.Kick()
		pass(19 * time.Second)
		want(t, "sends", s.steps(), "P0/0m", "P0/15m")
		pass(2 * time.Second)
		want(t, "sends", s.steps(), "P0/0m", "P0/15m", "P0/0m")
	})
}

func TestSendsAtATimeAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, func(s *stage) {
			s.answer = func(context.Context, Page, int) error { <-time.After(time.Second); return nil }
		})
		defer s.stop()
		for i := range 50 {
			s.queue(fmt.Sprintf("person%d", i), fmt.Sprint(i))
		}
		s.drain.Kick()
		pass(7 * time.Second)
		if n := len(s.sent()); n != 50 || s.most != parallel {
			t.Errorf("%d sends, %d at a time, want 50 and %d", n, s.most, parallel)
		}
	})
}

func TestMoreThanIsTakenAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, nil)
		defer s.stop()
		const many = 2*fetch + 100
		for i := range many {
			s.queue(fmt.Sprintf("person%d", i%7), fmt.Sprintf("%05d", i))
		}
		s.drain.Kick()
		pass(time.Second)
		steps := s.steps()
		slices.Sort(steps)
		if len(steps) != many || len(slices.Compact(steps)) != many {
			t.Errorf("%d sends", len(steps))
		}
	})
}

func TestOnePersonsBacklogHoldsBackNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, func(s *stage) {
			s.answer = func(_ context.Context, p Page, _ int) error {
				if p.Person == "operator" {
					<-time.After(time.Second)
				}
				return nil
			}
		})
		defer s.stop()
		for i := range fetch + 10 {
			s.queue("operator", fmt.Sprint(i))
		}
		s.queue("owner", "for the owner")
		s.drain.Kick()
		pass(3 * time.Second)
		if !slices.Contains(s.steps(), "for the owner") {
			t.Error("the owner waits for the operator")
		}
		pass(time.Hour)
		s.set(func(m *memory) {
			if m.limit != fetch {
				t.Errorf("with nothing to send %d pages are still in hand", m.limit-fetch)
			}
		})
	})
}

// fragile is an outbox of which every part breaks once.
// A retry goes by the clock that only counts.
func TestTheClockIsSet(t *testing.T) {
	for _, by := range []time.Duration{-time.Hour, 24 * time.Hour} {
		t.Run(by.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, func(s *stage) {
					s.answer = func(_ context.Context, _ Page, n int) error {
						if n == 1 {
							return Retry(errBusy)
						}
						return nil
					}
				})
				defer s.stop()
				s.queue("operator", "P0/0m")
				s.drain.Kick()
				synctest.Wait()
				s.mu.Lock()
				s.off = by
				s.mu.Unlock()
				pass(700 * time.Millisecond)
				want(t, "sends", s.steps(), "P0/0m")
				pass(2 * time.Second)
				want(t, "sends", s.steps(), "P0/0m", "P0/0m")
				s.queue("operator", "P0/15m")
				pass(time.Second)
				want(t, "sends", s.steps(), "P0/0m", "P0/0m", "P0/15m")
			})
		})
	}
}

func TestTheFarEndSaysHowLongToWait(t *testing.T) {
	for _, tt := range []struct{ asks, least, most time.Duration }{
		{0, 800 * time.Millisecond, 2200 * time.Millisecond},
		{30 * time.Second, 30 * time.Second, 31 * time.Second},
		{time.Hour, maxWait, maxWait + time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := begin(t, func(s *stage) {
				s.answer = func(_ context.Context, _ Page, n int) error {
					if n == 1 {
						return RetryAfter(errBusy, tt.asks)
					}
					return nil
				}
			})
			defer s.stop()
			s.queue("operator", "P0/0m")
			s.drain.Kick()
			pass(2 * time.Hour)
			if calls := s.sent(); len(calls) != 2 || calls[1].at < tt.least || calls[1].at > tt.most {
				t.Errorf("asked to wait %s: %v", tt.asks, calls)
			}
		})
	}
}

// A far end that is too busy for long does not hold a page back from the person's
// next channel.
func TestTheNextChannelDoesNotWaitForABusyOne(t *testing.T) {
	for _, tt := range []struct {
		asks     time.Duration
		attempts int
		state    State
	}{{20 * time.Second, 2, Delivered}, {time.Minute, 1, Failed}} {
		synctest.Test(t, func(t *testing.T) {
			s := begin(t, func(s *stage) {
				s.answer = func(_ context.Context, _ Page, n int) error {
					if n == 1 {
						return RetryAfter(errBusy, tt.asks)
					}
					return nil
				}
			})
			defer s.stop()
			p := Page{Incident: "INC-7", Step: "P0/0m", Role: "primary", Person: "operator", Channel: "conversation", Next: []string{"mail"},
				Text: "INC-7 P0: no clients can connect", Queued: time.Now(), Due: time.Now(), State: Queued}
			s.add(p)
			s.drain.Kick()
			pass(time.Hour)
			if got := s.page(p); len(s.sent()) != tt.attempts || got.State != tt.state {
				t.Errorf("asked to wait %s: %v, %s", tt.asks, s.sent(), got.State)
			}
		})
	}
}

// A page to everyone is tried until the network is back, for an hour; that it has
// not arrived is known long before.
func TestTheLastPageIsNotGivenUpSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		s := begin(t, func(s *stage) {
			s.answer = func(context.Context, Page, int) error {
				if time.Since(begun) < 20*time.Minute {
					return Retry(errBusy)
				}
				return nil
			}
		})
		defer s.stop()
		p := Page{Incident: "INC-7", Step: "P0/0m", Role: "primary:owner", Person: "owner", Channel: "conversation", Wide: true,
			Text: "INC-7 P0: no clients can connect", Queued: time.Now(), Due: time.Now(), State: Queued}
		s.add(p)
		s.drain.Kick()
		pass(2 * time.Minute)
		if lost, _ := s.heard(); len(lost) != 1 {
			t.Errorf("after two minutes it is told %q", lost)
		}
		pass(20 * time.Minute)
		if got := s.page(p); got.State != Delivered {
			t.Errorf("%+v", got)
		}
	})
}

func TestWhatIsKeptOfAnErrorIsBounded(t *testing.T) {
	got := inShort(errors.New("\xff" + strings.Repeat("é", 1000)))
	if len(got) > 310 || !strings.HasPrefix(got, "\uFFFDé") || !strings.HasSuffix(got, "é ...") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestBackoff(t *testing.T) {
	for attempt, middle := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 6: 32 * time.Second, 7: time.Minute, 1000: time.Minute} {
		for range 50 {
			if got := backoff(attempt); got < middle*8/10 || got > middle*12/10 {
				t.Errorf("after %d attempts: %s", attempt, got)
			}
		}
	}
}

func TestWords(t *testing.T) {
	at := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	p := Page{Incident: "INC-7", Step: "P0/15m", Role: "sre", Channel: "mail", Text: "INC-7 P0", Due: at, Queued: at}
	if got := p.Words(); got != "INC-7 P0" {
		t.Errorf("%q", got)
	}
	p.Queued, p.PossibleDuplicate = at.Add(90*time.Second), true
	if got := p.Words(); got != "INC-7 P0 [late by 1m30s] [possible duplicate]" {
		t.Errorf("%q", got)
	}
	for late, want := range map[time.Duration]time.Duration{-time.Hour: 0, time.Second: 0, 1600 * time.Millisecond: 2 * time.Second} {
		p.Queued = at.Add(late)
		if got := p.Late(); got != want {
			t.Errorf("queued %s after it was due: late %s, want %s", late, got, want)
		}
	}
	if got, want := p.Key(), "INC-7/P0/15m/sre/mail"; got != want {
		t.Errorf("key %q", got)
	}
}
