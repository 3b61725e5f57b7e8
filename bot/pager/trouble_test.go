package pager

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPageThatCannotBeDeliveredIsLoud(t *testing.T) {
	for _, tt := range []struct {
		name   string
		spoil  func(s *stage)
		sends  int
		within time.Duration
		lost   string
	}{
		{"the far end will never take it", func(s *stage) {
			s.answer = func(context.Context, Page, int) error { return Final(errors.New("no such user")) }
		}, 1, 0, "P0/0m: no such user"},
		{"nothing helps", func(s *stage) {
			s.answer = func(context.Context, Page, int) error { return Retry(errBusy) }
		}, attempts, 45 * time.Second, "P0/0m: 503 Service Unavailable"},
		{"nobody sends by that channel", func(s *stage) { s.channel = "pigeon" }, 0, 0, `P0/0m: there is no channel "conversation"`},
		{"the sender panics", func(s *stage) {
			s.answer = func(context.Context, Page, int) error { panic("nil map") }
		}, attempts, 45 * time.Second, "P0/0m: the sender broke"},
		{"the sender ends its goroutine", func(s *stage) {
			s.answer = func(context.Context, Page, int) error { runtime.Goexit(); return nil }
		}, attempts, 45 * time.Second, "P0/0m: the sender ended without an answer"},
		{"the far end is silent", func(s *stage) {
			s.answer = func(ctx context.Context, _ Page, _ int) error { <-ctx.Done(); return ctx.Err() }
		}, attempts, 45*time.Second + attempts*timeout, "P0/0m: no answer within 15s: context deadline exceeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, tt.spoil)
				defer s.stop()
				p := s.queue("operator", "P0/0m")[0]
				s.drain.Kick()
				synctest.Wait()
				if tt.within > 0 {
					if lost, _ := s.heard(); len(lost) > 0 {
						t.Errorf("given up at once: %q", lost)
					}
					pass(tt.within)
				}
				lost, _ := s.heard()
				want(t, "lost", lost, tt.lost)
				if got := s.page(p); got.State != Failed || got.LastError == "" || !got.Sent.IsZero() {
					t.Errorf("given up: %+v", got)
				}
				pass(time.Hour)
				if n := len(s.sent()); n != tt.sends {
					t.Errorf("sent %d times, want %d", n, tt.sends)
				}
				if lost, _ := s.heard(); len(lost) != 1 {
					t.Errorf("lost %q", lost)
				}
			})
		})
	}
}

func TestASenderThatPaysNoHeedStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		s := begin(t, func(s *stage) {
			s.drain.Senders = []Sender{stuck{letGo}, s.fake}
		})
		defer s.stop()
		s.queue("operator", "P0/15m")
		onPaper := s.queue("operator", "P0/0m")[0]
		s.set(func(m *memory) { // the same page by the channel that is stuck
			p := onPaper
			p.Channel = "stuck"
			m.order = append(m.order, p.Key())
			m.put(p)
		})
		s.drain.Kick()
		synctest.Wait()
		want(t, "sends", s.steps(), "P0/15m", "P0/0m")
		pass(10 * time.Minute)
		lost, _ := s.heard()
		want(t, "lost", lost, "P0/0m: no answer within 15s, and the sender pays no heed")
		close(letGo)
	})
}

type stuck struct{ letGo chan struct{} }

func (stuck) Channel() string { return "stuck" }

func (s stuck) Send(context.Context, Page) error { <-s.letGo; return nil }

func TestTheOutboxFailsForAWhile(t *testing.T) {
	full := errors.New("no space left on device")
	for _, tt := range []struct {
		name   string
		fail   func(m *memory, err error)
		before []string // sent before it works again
	}{
		{"reading", func(m *memory, err error) { m.failDue = err }, nil},
		{"recording a beginning", func(m *memory, err error) { m.failBegin = err }, nil},
		{"recording an end", func(m *memory, err error) { m.failSettle = err }, []string{"P0/0m", "P0/15m"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, nil)
				defer s.stop()
				s.set(func(m *memory) { tt.fail(m, full) })
				pages := s.queue("operator", "P0/0m", "P0/15m")
				s.drain.Kick()
				pass(150 * time.Second)
				want(t, "while it fails", s.steps(), tt.before...)
				if s.begins > 2*150+2 {
					t.Errorf("%d attempts to begin", s.begins)
				}
				s.set(func(m *memory) { tt.fail(m, nil) })
				pass(2 * time.Second)
				want(t, "each once, in order", s.steps(), "P0/0m", "P0/15m")
				for _, p := range pages {
					if got := s.page(p); got.State != Delivered || got.Attempts != 1 || got.PossibleDuplicate {
						t.Errorf("%+v", got)
					}
				}
				_, alarms := s.heard()
				if len(alarms) != 3 || !strings.Contains(alarms[0], full.Error()) {
					t.Errorf("alarms %q", alarms)
				}
			})
		})
	}
}

func TestAPanicOfTheOutboxStopsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, func(s *stage) { s.drain.Outbox = &fragile{memory: s.memory} })
		defer s.stop()
		p := s.queue("operator", "P0/0m")[0]
		pass(10 * time.Second)
		want(t, "sends", s.steps(), "P0/0m")
		want(t, "states", s.history(p), Queued, Sending, Delivered)
	})
}

type fragile struct {
	*memory
	due, begin, settle bool
}

func (f *fragile) DuePages(now time.Time, limit int) ([]Page, error) {
	if !f.due {
		f.due = true
		panic("due")
	}
	return f.memory.DuePages(now, limit)
}

func (f *fragile) Begin(ctx context.Context, p []Page) ([]Page, error) {
	if !f.begin {
		f.begin = true
		panic("begin")
	}
	return f.memory.Begin(ctx, p)
}

func (f *fragile) Settle(ctx context.Context, p []Page) error {
	if !f.settle {
		f.settle = true
		panic("settle")
	}
	return f.memory.Settle(ctx, p)
}

func TestPanickingListenersStopNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, func(s *stage) {
			s.answer = func(context.Context, Page, int) error { return Final(errBusy) }
			s.drain.Undeliverable = func(Page) { panic("terminal gone") }
			s.drain.Alarm = func(error) { panic("terminal gone") }
			s.failDue = errBusy
		})
		defer s.stop()
		s.set(func(m *memory) { m.failDue = nil })
		pages := s.queue("operator", "P0/0m", "P0/15m")
		pass(time.Second)
		for _, p := range pages {
			if got := s.page(p); got.State != Failed {
				t.Errorf("%+v", got)
			}
		}
	})
}

func TestStop(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(ctx context.Context, p Page, n int) error
		took   time.Duration
		states []State
	}{
		{"a send ends in time", func(context.Context, Page, int) error { <-time.After(2 * time.Second); return nil },
			2 * time.Second, []State{Queued, Sending, Delivered}},
		{"a send is cut off", func(ctx context.Context, _ Page, _ int) error { <-ctx.Done(); return ctx.Err() },
			finish, []State{Queued, Sending}},
		{"a send is cut off, and has certainly not arrived", func(ctx context.Context, _ Page, _ int) error { <-ctx.Done(); return Retry(ctx.Err()) },
			finish, []State{Queued, Sending, Queued}},
		{"a sender pays no heed", func(context.Context, Page, int) error { <-time.After(time.Minute); return nil },
			finish + grace, []State{Queued, Sending}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := begin(t, func(s *stage) { s.answer = tt.answer })
				pages := s.queue("operator", "P0/0m", "P0/15m")
				s.drain.Kick()
				synctest.Wait()
				start := time.Now()
				s.stop()
				if took := time.Since(start); took != tt.took {
					t.Errorf("stopped after %s, want %s", took, tt.took)
				}
				want(t, "states", s.history(pages[0]), tt.states...)
				want(t, "states of the one after it", s.history(pages[1]), Queued)
				<-time.After(2 * time.Minute) // for the heedless to end
			})
		})
	}
}

func TestStopRecordsWhatCouldNotBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, func(s *stage) { s.failSettle = errBusy })
		p := s.queue("operator", "P0/0m")[0]
		pass(5 * time.Second)
		want(t, "states", s.history(p), Queued, Sending)
		s.set(func(m *memory) { m.failSettle = nil })
		s.stop()
		want(t, "states", s.history(p), Queued, Sending, Delivered)
	})
}
