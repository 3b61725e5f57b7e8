// Package escalation calls people when an incident is not recovered in time. A
// Policy says who is called how long after the declaration; Clocks writes it into
// the new incident, and from then on the deadlines live with the incident in
// the store. The Loop is the one goroutine that fires them when they are due.
package escalation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/bot/incident"
)

// Policy is what happens to incidents of one priority.
type Policy struct {
	Respond         time.Duration // within how long someone should respond; 0 is at once
	NextBusinessDay bool          // someone should respond on the next business day; Respond is 0
	Business        Calendar      // says which that is; nil: Monday to Friday until midnight, UTC
	Remind          time.Duration // how long nobody may be silent before a reminder; 0: for ever
	Steps           []PolicyStep
}

// Calendar knows business days.
type Calendar interface {
	// NextDayEnds is the end of the business hours of the first business day
	// after the day of t.
	NextDayEnds(t time.Time) time.Time
}

// PolicyStep calls whoever holds a role, some time after the clocks were armed,
// unless the incident is recovered (or acknowledged) by then.
type PolicyStep struct {
	After   time.Duration // 0 or more; 0 is with the declaration itself
	Overdue bool          // After counts from the end of the response time
	Role    string        // of the on-call roster: "primary", "sre", "owner"
	Unless  incident.Unless
	Repeat  Repeat
}

// Repeat calls again.
type Repeat struct {
	Every time.Duration
	Times int // beside the first call; 0: not at all
}

// AnswerBy is by when somebody has to have acknowledged an incident whose clocks
// are armed at that time; zero if at once, which the first page is for.
func (p Policy) AnswerBy(at time.Time) time.Time {
	switch {
	case p.NextBusinessDay && p.Business != nil:
		return p.Business.NextDayEnds(at).UTC()
	case p.NextBusinessDay:
		return weekdays(at)
	case p.Respond > 0:
		return at.Add(p.Respond)
	}
	return time.Time{}
}

// weekdays is the end of the next day from Monday to Friday, in UTC.
func weekdays(at time.Time) time.Time {
	y, m, d := at.UTC().Date()
	for {
		d++
		if day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Weekday(); day != time.Saturday && day != time.Sunday {
			return time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
		}
	}
}

// Clocks is the policy as the clocks of an incident that are armed at that time.
func Clocks(priority incident.Priority, p Policy, at time.Time) incident.Clocks {
	at = at.Round(0)
	return incident.Clocks{Steps: Arm(priority, p, at), AnswerBy: p.AnswerBy(at), Remind: max(p.Remind, 0)}
}

// Arm is the policy as the steps of an incident whose clocks are armed at that
// time, in the order of their deadlines. Each has a name of its own, such as
// "P0/15m".
func Arm(priority incident.Priority, p Policy, at time.Time) []incident.Step {
	at = at.Round(0) // deadlines go by the clock on the wall, before and after a restart
	var steps []incident.Step
	names := map[string]int{}
	for _, s := range inOrder(p, at) {
		name := fmt.Sprintf("%s/%s", priority, short(s.After))
		if names[name]++; names[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, names[name])
		}
		steps = append(steps, incident.Step{Name: name, After: s.After, Role: s.Role, Unless: s.Unless, Due: at.Add(s.After)})
	}
	return steps
}

// inOrder are all calls of the policy, each repetition by itself.
func inOrder(p Policy, at time.Time) []PolicyStep {
	var steps []PolicyStep
	for _, s := range p.Steps {
		s.After = max(s.After, 0)
		if by := p.AnswerBy(at); s.Overdue && !by.IsZero() {
			s.After += by.Sub(at)
		}
		for n := range max(s.Repeat.Times, 0) + 1 {
			again := s
			again.After += time.Duration(n) * max(s.Repeat.Every, 0)
			steps = append(steps, again)
		}
	}
	slices.SortStableFunc(steps, func(a, b PolicyStep) int { return cmp.Compare(a.After, b.After) })
	return steps
}

// short is a duration as people type it: "15m", "1h", "1m30s", "0m".
func short(d time.Duration) string {
	if d == 0 {
		return "0m"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
