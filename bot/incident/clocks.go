package incident

import (
	"fmt"
	"strings"
	"time"
)

// Armed says whether its escalation steps may fire.
func (i Incident) Armed() bool { return i.Troubled() && i.PagingStopped == nil }

// NextStep is the next escalation step that will fire. None if the clocks are
// stopped or every step has fired.
func (i Incident) NextStep() (Step, bool) {
	if !i.Armed() {
		return Step{}, false
	}
	var next Step
	found := false
	for _, s := range i.Steps {
		if s.Pending() && (!found || s.Due.Before(next.Due)) {
			next, found = s, true
		}
	}
	return next, found
}

// Current are the steps that were armed last.
func (i Incident) Current() []Step {
	var steps []Step
	for _, s := range i.Steps {
		if s.Round == i.Arming.Round {
			steps = append(steps, s)
		}
	}
	return steps
}

// NextDeadline is when StepsDue will next do something: a step, the response
// clock, or a reminder. False if nothing is armed.
func (i Incident) NextDeadline() (at time.Time, ok bool) {
	sooner := func(t time.Time) {
		if !t.IsZero() && (!ok || t.Before(at)) {
			at, ok = t, true
		}
	}
	if s, armed := i.NextStep(); armed {
		sooner(s.Due)
	}
	if i.answerRuns() {
		sooner(i.AnswerBy)
	}
	if i.Troubled() {
		sooner(i.RemindAt)
	}
	return at, ok
}

// answerRuns says whether the response clock runs.
func (i Incident) answerRuns() bool {
	return i.Waiting() && !i.AnswerBy.IsZero() && i.Unanswered.IsZero()
}

// fire does whatever is due, and says whether there was anything.
func (i *Incident) fire(eff *Effects, now time.Time) bool {
	fired := i.fireSteps(eff, now)
	if i.answerRuns() && !i.AnswerBy.After(now) {
		i.Unanswered, fired = now, true
		i.say(eff, now, Bot, KindUnanswered, "nobody has acknowledged it in time"+lateBy(i.AnswerBy, now))
	}
	if i.Troubled() && !i.RemindAt.IsZero() && !i.RemindAt.After(now) {
		fired = true
		i.say(eff, now, Bot, KindReminder, fmt.Sprintf("no update for %s", brief(i.RemindEvery)))
		i.remind(now)
	}
	return fired
}

func (i *Incident) fireSteps(eff *Effects, now time.Time) bool {
	if !i.Armed() {
		return false
	}
	fired := false
	for n := range i.Steps {
		s := &i.Steps[n]
		if !s.Pending() || s.Due.After(now) {
			continue
		}
		s.Fired, fired = now, true
		eff.Pages = append(eff.Pages, Call{Step: s.Name, Role: s.Role, Due: s.Due, Text: i.callText(*s)})
		i.say(eff, now, Bot, KindEscalated, fmt.Sprintf("escalation %s: paging %s", s.Name, s.Role)+lateBy(s.Due, now))
	}
	return fired
}

func lateBy(due, now time.Time) string {
	if late := now.Sub(due).Round(time.Second); late > time.Second {
		return fmt.Sprintf(", late by %s", late)
	}
	return ""
}

// remind begins the silence anew.
func (i *Incident) remind(now time.Time) {
	i.RemindAt = time.Time{}
	if i.RemindEvery > 0 && i.Troubled() {
		i.RemindAt = now.Add(i.RemindEvery)
	}
}

func all(Step) bool                 { return true }
func untilAcknowledged(s Step) bool { return s.Unless == UnlessAcknowledged }

// drop ends the steps that match and have not fired, and records why.
func (i *Incident) drop(now time.Time, because string, match func(Step) bool) {
	for n := range i.Steps {
		if s := &i.Steps[n]; s.Pending() && match(*s) {
			s.Dropped, s.Because = now, because
		}
	}
}

// arm replaces the steps that have not fired by new ones, from now on, and fires
// those that are due at once.
func (i *Incident) arm(eff *Effects, c Clocks, now time.Time, why string) {
	i.drop(now, why, all)
	i.Arming = Arming{Round: i.Arming.Round + 1, At: now, Why: why}
	for _, s := range c.Steps {
		s.Round = i.Arming.Round
		s.Name = fmt.Sprintf("%s~%d", s.Name, s.Round+1)
		i.Steps = append(i.Steps, s)
	}
	i.AnswerBy, i.AnswerFrom, i.Unanswered = c.AnswerBy, time.Time{}, time.Time{}
	i.RemindEvery = c.Remind
	i.remind(now)
	if !i.Waiting() {
		i.drop(now, i.AckedBy+" had acknowledged it before", untilAcknowledged)
	}
	i.fire(eff, now)
}

// changePriority arms the clocks of the new priority. While the incident is
// recovered there are none to arm; its record still says how bad it was.
func (i *Incident) changePriority(eff *Effects, e PriorityChanged, now time.Time) error {
	if e.To == i.Priority {
		return ErrNothingToDo
	}
	verb, raised := "lowered", e.To < i.Priority
	if raised {
		verb = "raised"
	}
	why := fmt.Sprintf("%s from %s to %s", verb, i.Priority, e.To)
	i.Priority = e.To
	if !i.Troubled() {
		i.say(eff, now, e.By, KindSeverity, why)
		return nil
	}
	if i.PagingStopped != nil && !raised {
		i.say(eff, now, e.By, KindSeverity, why+"; paging stays stopped")
		e.Clocks.Steps = nil
	} else {
		i.PagingStopped = nil
		i.say(eff, now, e.By, KindSeverity, why)
	}
	i.arm(eff, e.Clocks, now, fmt.Sprintf("it was %s by %s", why, e.By))
	return nil
}

func (i *Incident) rearm(eff *Effects, e Rearmed, now time.Time) error {
	if !i.Troubled() {
		return ErrRecovered
	}
	text := "clocks armed anew, by the policy as it is now"
	if reason := strings.TrimSpace(e.Reason); reason != "" {
		text += ": " + reason
	}
	i.PagingStopped = nil
	i.say(eff, now, e.By, KindRearmed, text)
	i.arm(eff, e.Clocks, now, "its clocks were armed anew by "+e.By)
	return nil
}

// PageName is what every page calls it; that it is a drill comes first.
func (i Incident) PageName() string {
	name := fmt.Sprintf("%s %s", i.ID(), i.Priority)
	if i.Drill {
		name = "DRILL " + name
	}
	return name
}

// callText is what the person who is paged reads.
func (i *Incident) callText(s Step) string {
	name := i.PageName()
	since := ""
	if i.Arming.Why != "" {
		since = i.Arming.Why
	}
	switch {
	case s.After == 0 && since == "":
		return fmt.Sprintf("%s: %s (declared by %s)", name, i.Title, i.DeclaredBy)
	case s.After == 0:
		return fmt.Sprintf("%s: %s (%s)", name, i.Title, since)
	}
	what := "not recovered after " + brief(s.After)
	if s.Unless == UnlessAcknowledged {
		what = "not acknowledged within " + brief(s.After)
	}
	if since != "" {
		what += ", since " + since
	}
	text := fmt.Sprintf("%s %s: %s", name, what, i.Title)
	switch {
	case s.Unless == UnlessAcknowledged:
		return text
	case i.State == Mitigated:
		return text + " (mitigated by " + i.MitigatedBy + ")"
	case i.AckedBy != "":
		return text + " (acknowledged by " + i.AckedBy + ")"
	}
	return text + " (not acknowledged)"
}

// brief is a duration in words: "15 minutes", "2 hours".
func brief(d time.Duration) string {
	switch {
	case d == time.Minute:
		return "1 minute"
	case d%time.Minute == 0 && d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d%time.Hour == 0:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d > 2*time.Hour:
		return strings.TrimSuffix(d.Round(time.Minute).String(), "0s")
	}
	return d.String()
}
