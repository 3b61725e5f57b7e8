// Package schedule is what irisops does by the calendar: when each entry is due
// next, whether a run that was missed is made up for, and the loop over it.
//
// An entry is words that are said at its time, as a person would say them; who
// may say what, and what becomes of it, is the conversation's business. When an
// entry is due next stands in the store. A run is handed over first, under an id
// made of its name and the time it was due, and only then is the next time
// recorded: a crash in between hands the same run over again, which is known by
// its id and does nothing. So a run is neither lost nor made twice. What became
// of one that irisops was killed in is unknown, and said to be.
//
// The rule for missed runs: one that is found due late, because irisops was off,
// the machine asleep or the clock set forward, is made up for if it is no later
// than the entry's Late, once, however many were missed; else it is skipped.
// Either is said. A clock that is set back repeats nothing, unless it had been
// wrong by more than from one time to the next: then the next one is worked out
// anew, or it would not come for as long as the clock had been ahead.
package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Entry is one thing that is done by the calendar.
type Entry struct {
	Name  string // "backup"
	What  string // for people, in a few words: "nightly backup of Mnesia"
	Words string // what is said: "backup now"
	When  Spec
	Late  time.Duration // how late a missed run is still made up for
	Hold  Hold
}

// Hold says what an entry waits for nobody about: it is skipped, and says so.
type Hold struct {
	Incident    bool // while an incident is open on the cluster that has not recovered
	DeployLock  bool // while a deploy holds its lock
	Blackout    bool // on a blackout date
	Maintenance bool // while work on the cluster is announced
}

// State is what is kept of an entry.
type State struct {
	Name   string
	Spec   string    // the When that Next was worked out from
	Next   time.Time // when it is due
	Paused *Pause    // nil: not
	Last   *Outcome  // nil: it was never due
}

// Pause keeps an entry from running until a person resumes it.
type Pause struct {
	By     string
	At     time.Time
	Reason string
}

// Outcome is what came of one time that the entry was due.
type Outcome struct {
	Due    time.Time
	At     time.Time // when it was found due, or ended
	Result Result
	Text   string // a phrase: why, or what is known of it
}

// Result of a run.
type Result string

const (
	Started Result = "started" // handed over; how it ended is not known yet
	Done    Result = "done"
	Failed  Result = "failed"  // or refused
	Skipped Result = "skipped" // something stood against it
	Missed  Result = "missed"  // found due too late
	Unknown Result = "unknown" // irisops was stopped before it ended
)

// ID of the delivery that the run due then is: the same run has the same one.
func ID(name string, due time.Time) string {
	return fmt.Sprintf("schedule/%s/%s", name, due.UTC().Format(time.RFC3339))
}

// decide is what is to be done about an entry now. The state is as it is to be
// kept; run says that the entry is to be handed over before it is. tell says that
// people should hear why it is not. back says that the clock may have been set back
// since the last time.
func decide(e Entry, s State, now time.Time, back bool, against func(Entry) string) (next State, run, tell bool) {
	if s.Name == "" || s.Spec != e.When.String() || back && e.When.tooFar(s.Next, now) {
		s.Name, s.Spec, s.Next = e.Name, e.When.String(), e.When.Next(now)
		return s, false, false
	}
	if s.Next.IsZero() || now.Before(s.Next) {
		return s, false, false
	}
	patience := max(e.Late, onTime)
	due := s.Next
	for n, t := 0, e.When.Next(due); n < most && !t.IsZero() && !t.After(now); n, t = n+1, e.When.Next(t) {
		due = t // of several that were missed, the last one
	}
	for t := e.When.Next(later(due, now.Add(-patience-time.Second))); !t.IsZero() && !t.After(now); t = e.When.Next(t) {
		due = t
	}
	s.Next = e.When.Next(now)
	s.Last = &Outcome{Due: due, At: now, Result: Started}
	late := now.Sub(due)
	switch {
	case s.Paused != nil:
		s.Last.Result, s.Last.Text = Skipped, "paused by "+s.Paused.By
		return s, false, false
	case late > patience:
		s.Last.Result, s.Last.Text = Missed, fmt.Sprintf("found due %s late, and it is made up for within %s only", spoken(late), spoken(patience))
		return s, false, true
	}
	if why := against(e); why != "" {
		s.Last.Result, s.Last.Text = Skipped, why
		return s, false, true
	}
	if late > onTime {
		s.Last.Text = "late by " + spoken(late)
	}
	return s, true, false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// most bounds the looking for the last of very many missed runs.
const most = 2000

// spoken is a duration for people: "90 s", "25 min", "8 h 30 min", "3 days".
func spoken(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}

// onTime is how late a run may be that nobody would call late.
const onTime = 5 * time.Second
