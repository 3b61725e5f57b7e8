package escalation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"
)

// Incidents is where incidents and their deadlines are kept.
type Incidents interface {
	// Due are the incidents whose next deadline (a step, the response clock, a
	// reminder) is at now or before, the longest due first, at most limit (0:
	// all). What can be read comes beside an error about what cannot.
	Due(now time.Time, limit int) ([]incident.Incident, error)
	// NextDue is the next deadline of any incident; false if none is armed.
	NextDue() (time.Time, bool, error)
	// Commit records all of the changes or, on an error, none; change.ErrConflict
	// says that an incident has moved on since it was read.
	Commit(ctx context.Context, changes ...change.Change) error
}

const (
	// tick is the longest that the loop sleeps, so that it sees the clock being
	// set and the machine waking up.
	tick = time.Second
	// batch is how many incidents are fired in one transaction.
	batch = 2000
	// alarmEvery is the least time between two reports of a trouble that lasts.
	alarmEvery = time.Minute
	// hopeless is after how many failures in a row, with nothing recorded in
	// between, the store is taken to be down, and not an incident to be bad.
	hopeless = 10
	// patience is how often in a row the only incidents left may have moved on
	// before they wait for the next tick.
	patience = 10
)

// Loop fires the steps of all incidents when they are due: each once, and none
// lost. A step fires in one transaction with its pages; where that fails, it is
// tried again every second. Steps that come due while irisops is down, the
// machine asleep or the store failing fire as soon as that is over, and say how
// late they are.
//
// Deadlines go by the clock on the wall. Set forward, it makes steps fire early
// by as much; set back, it delays those that have not fired, which is reported,
// and repeats none.
//
// Set the fields before Run, and do not copy it.
type Loop struct {
	Incidents Incidents
	// Pages says whom the calls of an incident reach, and how.
	Pages func(inc incident.Incident, calls []incident.Call, now time.Time) []pager.Page
	// Fired is told what was recorded, after it was: the calls, and all lines of
	// the timeline. It has to be quick. May be nil.
	Fired func(inc incident.Incident, calls []incident.Call, lines []incident.Entry)
	// Alarm is told what keeps steps from being fired as they should; of a
	// trouble that lasts, at most once a minute. It has to be quick. May be nil.
	Alarm func(error)
	Log   *slog.Logger // nil: nothing is logged

	now func() time.Time // nil: time.Now

	once   sync.Once
	kicked chan struct{}

	troubled time.Time // when a trouble was last reported
}

// Kick has the loop look for deadlines at once, after an incident was declared.
// It never blocks.
func (l *Loop) Kick() {
	select {
	case l.kicks() <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run fires steps until ctx ends. A transaction under way is completed.
func (l *Loop) Run(ctx context.Context) {
	watch := newClockWatch(l.clock)
	for ctx.Err() == nil {
		if back := watch.setBack(); back > 0 {
			l.alarm(fmt.Errorf("the clock of this machine was set back by %s: steps that have not fired yet fire by the new time, so much later", back))
		}
		timer := time.NewTimer(l.round(ctx))
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-l.kicks():
		}
		timer.Stop()
	}
}

// round fires what is due and returns how long to sleep: until the next
// deadline, but no more than a tick. No panic ends the loop.
func (l *Loop) round(ctx context.Context) (pause time.Duration) {
	defer func() {
		if p := recover(); p != nil {
			l.log().Error("panic in the escalation", "panic", p, "stack", string(debug.Stack()))
			l.trouble(fmt.Errorf("escalation broke, and tries again every second: panic: %v", p))
			pause = tick
		}
	}()
	if !l.fireDue(ctx) {
		return tick
	}
	next, armed, err := l.Incidents.NextDue()
	if err != nil || !armed {
		return tick // the next look meets the error again, and reports it
	}
	if pause = next.Sub(l.clock()); pause <= 0 {
		return 10 * time.Millisecond // due just now, or the store contradicts itself
	}
	return min(pause, tick)
}

// firing is one incident with the steps that fire.
type firing struct {
	inc    incident.Incident // as it will be
	calls  []incident.Call
	change change.Change
	nobody []string // steps that reach nobody
}

// fireDue fires all that is due, batch by batch, and then says so to Fired. It
// returns false if something is left that has to be tried again later.
func (l *Loop) fireDue(ctx context.Context) bool {
	var fired []firing
	defer func() { l.announce(fired) }()
	for conflicts := 0; ctx.Err() == nil; {
		now := l.clock()
		due, err := l.Incidents.Due(now, batch)
		if err != nil && len(due) == 0 { // what can be read fires first
			return l.trouble(fmt.Errorf("the steps that are due cannot be read: %w", err))
		}
		if len(due) == 0 {
			break
		}
		firings, err := l.prepare(due, now)
		if err == nil {
			err = l.commit(ctx, firings)
		}
		if err == nil {
			fired = append(fired, firings...)
			continue
		}
		some, err := l.fireSingly(ctx)
		fired = append(fired, some...)
		switch {
		case len(some) > 0 || err == nil:
			conflicts = 0
		case errors.Is(err, change.ErrConflict) && conflicts < patience:
			conflicts++
		default:
			return l.trouble(err)
		}
	}
	return true
}

// fireSingly fires what is due one by one, after they would not go together: one
// of them has moved on, or is bad, or the store is down. It returns those that
// were fired, and the last error of those that were not.
func (l *Loop) fireSingly(ctx context.Context) (fired []firing, last error) {
	due, err := l.Incidents.Due(l.clock(), batch)
	if err != nil && len(due) == 0 {
		return nil, err
	}
	failures := 0
	for _, inc := range due {
		one, err := l.prepare([]incident.Incident{inc}, l.clock())
		if err == nil {
			err = l.commit(ctx, one)
		}
		if err == nil {
			fired, failures = append(fired, one...), 0
			continue
		}
		last = err
		if failures++; failures == hopeless || ctx.Err() != nil {
			break
		}
	}
	return fired, last
}

// prepare works out what firing does.
func (l *Loop) prepare(due []incident.Incident, now time.Time) (firings []firing, err error) {
	defer func() { // Pages is not ours
		if p := recover(); p != nil {
			l.log().Error("panic while working out pages", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("whom to page cannot be worked out: panic: %v", p)
		}
	}()
	for _, inc := range due {
		next, eff, err := incident.Apply(inc, incident.StepsDue{}, now)
		if err != nil {
			return nil, fmt.Errorf("the store says that something of %s is due, but: %w", inc.ID(), err)
		}
		f := firing{calls: eff.Pages}
		f.change.Entries, f.change.Pages = eff.Entries, l.Pages(next, eff.Pages, now)
		for _, call := range eff.Pages {
			if slices.ContainsFunc(f.change.Pages, func(p pager.Page) bool { return p.Step == call.Step }) {
				continue
			}
			var noted incident.Effects
			next, noted, err = incident.Apply(next, incident.Noted{By: incident.Bot, Kind: incident.KindPage,
				Text: fmt.Sprintf("escalation %s reached nobody: there is no one to page as %s", call.Step, call.Role)}, now)
			if err != nil {
				return nil, err
			}
			f.change.Entries = append(f.change.Entries, noted.Entries...)
			f.nobody = append(f.nobody, fmt.Sprintf("%s of %s has nobody to page as %s", call.Step, inc.ID(), call.Role))
		}
		f.inc = next
		f.change.Incident = &next
		firings = append(firings, f)
	}
	return firings, nil
}

// commit records the firings in one transaction.
func (l *Loop) commit(ctx context.Context, firings []firing) error {
	changes := make([]change.Change, len(firings))
	for i, f := range firings {
		changes[i] = f.change
	}
	return l.Incidents.Commit(context.WithoutCancel(ctx), changes...)
}

func (l *Loop) announce(fired []firing) {
	for _, f := range fired {
		for _, text := range f.nobody {
			l.alarm(errors.New(text))
		}
		if l.Fired != nil {
			f.inc.Version++ // the store has counted it
			l.safely(func() { l.Fired(f.inc, f.calls, f.change.Entries) })
		}
	}
}

// trouble reports what keeps steps from firing; it returns false for its caller
// to return.
func (l *Loop) trouble(err error) bool {
	if l.troubled.IsZero() || time.Since(l.troubled) >= alarmEvery {
		l.troubled = time.Now()
		l.alarm(err)
	}
	return false
}

func (l *Loop) alarm(err error) {
	l.log().Error("escalation is in trouble", "err", err)
	if l.Alarm != nil {
		l.safely(func() { l.Alarm(err) })
	}
}

// safely keeps a panic of those who are told from ending the loop.
func (l *Loop) safely(f func()) {
	defer func() {
		if p := recover(); p != nil {
			l.log().Error("panic in a listener of the escalation", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f()
}

func (l *Loop) kicks() chan struct{} {
	l.once.Do(func() { l.kicked = make(chan struct{}, 1) })
	return l.kicked
}

func (l *Loop) clock() time.Time {
	if l.now == nil {
		return time.Now().UTC().Round(0)
	}
	return l.now().UTC().Round(0)
}

func (l *Loop) log() *slog.Logger {
	if l.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l.Log
}
