package pager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// Whatever far ends and the outbox do: every page ends delivered, or given up
// loudly; none is sent again after it has arrived, and none that may have
// arrived is sent again without saying so.
func TestEveryPageEnds(t *testing.T) {
	for range 4 { // rapid stops after a day of the bubble's time
		synctest.Test(t, func(t *testing.T) {
			rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) { page(t, rt) })
		})
	}
}

func page(t *testing.T, rt *rapid.T) {
	// Drawn beforehand, because pages are sent in goroutines of their own.
	answers := rapid.SliceOfN(rapid.SampledFrom([]string{"ok", "ok", "ok", "retry", "after", "unsure", "final", "panic", "silent", "slow"}), 40, 40).Draw(rt, "answers")
	arrived, unsure := map[string]bool{}, map[string]bool{}
	s := begin(t, func(s *stage) {
		s.answer = func(ctx context.Context, p Page, n int) error {
			how := answers[n%len(answers)]
			s.fake.mu.Lock()
			for _, one := range s.members(p) {
				if arrived[one.Key()] {
					s.wrong = append(s.wrong, one.Key()+" is sent again after it has arrived")
				}
				if unsure[one.Key()] && !p.PossibleDuplicate {
					s.wrong = append(s.wrong, one.Key()+" may have arrived, and is sent again unmarked")
				}
				if !strings.Contains(p.Words(), one.Incident) {
					s.wrong = append(s.wrong, one.Key()+" is sent, and nothing says so")
				}
				arrived[one.Key()] = how == "ok" || how == "slow"
				unsure[one.Key()] = unsure[one.Key()] || how == "unsure" || how == "panic" || how == "silent"
			}
			s.fake.mu.Unlock()
			switch how {
			case "retry":
				return Retry(errBusy)
			case "after":
				return RetryAfter(errBusy, 10*time.Second)
			case "unsure":
				return Unsure(errBusy)
			case "final":
				return Final(errBusy)
			case "panic":
				panic("nil map")
			case "silent":
				<-ctx.Done()
				return ctx.Err()
			case "slow":
				<-time.After(5 * time.Second)
			}
			return nil
		}
	})
	defer s.stop()

	var pages []Page
	for i := range rapid.IntRange(1, 20).Draw(rt, "pages") {
		person := rapid.SampledFrom([]string{"operator", "owner", "second", ""}).Draw(rt, "person")
		pages = append(pages, s.queue(person, fmt.Sprint(i))...)
		if rapid.Bool().Draw(rt, "kick") {
			s.drain.Kick()
		}
		full := errors.New("no space left on device")
		switch rapid.IntRange(0, 8).Draw(rt, "trouble") {
		case 0:
			s.set(func(m *memory) { m.failBegin = full })
		case 1:
			s.set(func(m *memory) { m.failSettle = full })
		case 2:
			s.set(func(m *memory) { m.failDue = full })
		case 3, 4:
			s.set(func(m *memory) { m.failBegin, m.failSettle, m.failDue = nil, nil, nil })
		}
		pass(rapid.SampledFrom([]time.Duration{0, 500 * time.Millisecond, 3 * time.Second, time.Minute}).Draw(rt, "time passes"))
	}
	s.set(func(m *memory) { m.failBegin, m.failSettle, m.failDue = nil, nil, nil })
	pass(30 * time.Minute)

	given, _ := s.heard()
	failed := 0
	for _, p := range pages {
		got := s.page(p)
		switch {
		case got.State == Failed:
			failed++
		case got.State != Delivered || !arrived[p.Key()]:
			rt.Fatalf("%s is %s, arrived %v, after %v", p.Key(), got.State, arrived[p.Key()], s.history(p))
		}
	}
	if failed != len(given) {
		rt.Fatalf("%d pages have failed, and %d were loud: %q", failed, len(given), given)
	}
	s.fake.mu.Lock()
	defer s.fake.mu.Unlock()
	if len(s.wrong) > 0 {
		rt.Fatal(s.wrong)
	}
}
