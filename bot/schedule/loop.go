package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"
)

// Store keeps the states.
type Store interface {
	Schedules() ([]State, error)
	// AmendSchedule has change applied to the state of that name (only its Name set if
	// there is none yet), durable when it returns. change may run more than once; false
	// leaves everything as it is.
	AmendSchedule(ctx context.Context, name string, change func(*State) bool) error
}

// Run is one run to be made.
type Run struct {
	ID    string
	Entry Entry
	Due   time.Time
	Late  time.Duration // 0: on time
}

// tick is how often the loop looks, so that it sees the clock being set and the
// machine waking up.
const tick = time.Second

// Loop makes the runs that are due. Set the fields before Run.
type Loop struct {
	Entries []Entry
	Store   Store
	// Deliver hands a run over. It is durable when Deliver returns; the same ID
	// again does nothing. On an error the run is tried again every second. ended is
	// called once, when the run is over; not if irisops ends before.
	Deliver func(ctx context.Context, r Run, ended func(Result, string)) error
	// Against is why an entry is not run now; "" for nothing.
	Against func(e Entry, now time.Time) string
	// Say tells people why a run was not made. It has to be quick.
	Say func(e Entry, o Outcome)
	// Alarm is told what keeps entries from running as they should, at most once a
	// minute.
	Alarm func(error)
	Log   *slog.Logger

	now  func() time.Time // nil: time.Now
	tick time.Duration    // 0: a second
	seen time.Time        // the clock, when a round was last made whole

	mu       sync.Mutex
	troubled time.Time // when a trouble was last told
}

// Run runs until ctx ends.
func (l *Loop) Run(ctx context.Context) {
	l.interrupted(ctx)
	t := time.NewTicker(max(l.tick, tick))
	defer t.Stop()
	for {
		l.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// interrupted is what there is to say of runs that were under way when irisops
// ended: nobody is left who would tell how they went.
func (l *Loop) interrupted(ctx context.Context) {
	states, err := l.Store.Schedules()
	if err != nil {
		return // the round says it
	}
	for _, s := range states {
		if s.Last != nil && s.Last.Result == Started {
			l.ended(ctx, s.Name, s.Last.Due, Unknown, Restarted)
		}
	}
}

// Restarted is why it is unknown how a run ended.
const Restarted = "irisops was restarted before it was over"

// Ended records how the run with that id ended, where it was handed over before
// irisops was started.
func (l *Loop) Ended(ctx context.Context, id string, result Result, text string) {
	states, err := l.Store.Schedules()
	if err != nil {
		l.trouble(fmt.Errorf("how a schedule ended cannot be recorded: %w", err))
		return
	}
	for _, s := range states {
		if s.Last != nil && ID(s.Name, s.Last.Due) == id {
			l.ended(ctx, s.Name, s.Last.Due, result, text)
		}
	}
}

// round looks at every entry once. No panic ends the loop.
func (l *Loop) round(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			l.Log.Error("panic in the schedules", "panic", p, "stack", string(debug.Stack()))
			l.trouble(fmt.Errorf("schedules broke, and are tried again every second: panic: %v", p))
		}
	}()
	states, err := l.Store.Schedules()
	if err != nil {
		l.trouble(fmt.Errorf("the schedules cannot be read: %w", err))
		return
	}
	known := map[string]State{}
	for _, s := range states {
		known[s.Name] = s
	}
	var failed []error
	began := l.clock()
	back := began.Before(l.seen) || l.seen.IsZero()
	for _, e := range l.Entries {
		if ctx.Err() != nil {
			return
		}
		if err := l.look(ctx, e, known[e.Name], back); err != nil {
			failed = append(failed, fmt.Errorf("the schedule %s is due and cannot be run: %w", e.Name, err))
		}
	}
	if len(failed) > 0 {
		l.trouble(errors.Join(failed...))
		return
	}
	l.seen = began
}

func (l *Loop) look(ctx context.Context, e Entry, s State, back bool) error {
	now := l.clock()
	next, run, tell := decide(e, s, now, back, func(e Entry) string { return l.Against(e, now) })
	if same(s, next) {
		return nil
	}
	if run {
		due := next.Last.Due
		r := Run{ID: ID(e.Name, due), Entry: e, Due: due}
		if late := now.Sub(due); late > onTime {
			r.Late = late.Round(time.Second)
		}
		if err := l.Deliver(ctx, r, func(result Result, text string) { l.ended(ctx, e.Name, due, result, text) }); err != nil {
			return err
		}
	}
	moved, last := false, next.Last
	err := l.Store.AmendSchedule(ctx, e.Name, func(kept *State) bool {
		moved = kept.Next.Equal(s.Next) && kept.Spec == s.Spec
		if !moved { // postponed in this very moment
			return false
		}
		if kept.Last != nil && next.Last != nil && kept.Last.Due.Equal(next.Last.Due) {
			next.Last = kept.Last // it has ended already
		}
		next.Paused = kept.Paused
		*kept = next
		return true
	})
	if err == nil && moved && tell {
		l.Say(e, *last)
	}
	return err
}

// ended records how a run ended, unless another is the last one by now, or it is
// known already.
func (l *Loop) ended(ctx context.Context, name string, due time.Time, result Result, text string) {
	o := Outcome{Due: due, At: l.clock(), Result: result, Text: text}
	err := l.Store.AmendSchedule(context.WithoutCancel(ctx), name, func(s *State) bool {
		if s.Last != nil && (s.Last.Due.After(due) || result == Unknown && s.Last.Due.Equal(due) && s.Last.Result != Started) {
			return false
		}
		s.Last = &o
		return true
	})
	if err != nil {
		l.trouble(fmt.Errorf("how the schedule %s ended cannot be recorded: %w", name, err))
	}
}

func same(a, b State) bool {
	return a.Name == b.Name && a.Spec == b.Spec && a.Next.Equal(b.Next) && a.Last == b.Last
}

func (l *Loop) trouble(err error) {
	l.mu.Lock()
	again := !l.troubled.IsZero() && time.Since(l.troubled) < time.Minute
	if !again {
		l.troubled = time.Now()
	}
	l.mu.Unlock()
	if !again {
		l.Alarm(err)
	}
}

func (l *Loop) clock() time.Time {
	if l.now == nil {
		return time.Now().UTC().Round(0)
	}
	return l.now().UTC().Round(0)
}
