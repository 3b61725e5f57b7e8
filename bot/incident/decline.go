package incident

import (
	"fmt"
	"strings"
	"time"
)

// Declined: a person who was called cannot take it, or not any more. Step, if
// given, is one to come whose role is called now already. It stays due: the clocks
// are about recovery, and nobody has brought that nearer.
type Declined struct {
	By     string
	Reason string
	Step   string
}

// HandoffDeclined: the person who was asked to take it over cannot. It stays with
// whoever has it.
type HandoffDeclined struct {
	By     string
	Reason string
}

// Early marks the step of a page that came ahead of its time, because somebody
// declined.
const Early = "/early-"

func (Declined) event()        {}
func (HandoffDeclined) event() {}

func (i *Incident) decline(eff *Effects, e Declined, now time.Time) error {
	if !i.Armed() {
		return ErrNothingToDo
	}
	i.say(eff, now, e.By, KindDeclined, because("cannot take it", e.Reason))
	if i.State == Acknowledged && i.AckedBy == e.By {
		i.letGo(now)
	}
	for _, s := range i.Steps {
		if s.Name != e.Step || !s.Pending() {
			continue
		}
		name := fmt.Sprint(s.Name, Early, i.Entries)
		eff.Pages = append(eff.Pages, Call{Step: name, Role: s.Role, Due: now,
			Text: fmt.Sprintf("%s: %s (%s cannot take it, so you are called now)", i.PageName(), i.Title, e.By)})
		i.say(eff, now, Bot, KindEscalated, fmt.Sprintf("escalation %s ahead of its time: paging %s", s.Name, s.Role))
	}
	return nil
}

// letGo leaves it without an owner: somebody has to acknowledge it again, and what
// waited for that counts from now on.
func (i *Incident) letGo(now time.Time) {
	since := i.DeclaredAt
	switch {
	case !i.AnswerFrom.IsZero():
		since = i.AnswerFrom
	case i.Arming.Round > 0:
		since = i.Arming.At
	}
	i.State, i.AckedBy, i.AckedAt = Open, "", time.Time{}
	if i.Reopenings > 0 {
		i.State = Reopened
	}
	if !i.AnswerBy.IsZero() {
		i.AnswerBy, i.AnswerFrom, i.Unanswered = now.Add(i.AnswerBy.Sub(since)), now, time.Time{}
	}
	for n := range i.Steps {
		if s := &i.Steps[n]; s.Round == i.Arming.Round && untilAcknowledged(*s) && s.Fired.IsZero() && !s.Dropped.IsZero() {
			s.Due, s.Dropped, s.Because = now.Add(s.After), time.Time{}, ""
		}
	}
}

func (i *Incident) declineHandoff(eff *Effects, e HandoffDeclined, now time.Time) error {
	switch {
	case i.Handoff == nil:
		return ErrNoHandoff
	case i.Handoff.To != e.By:
		return ErrNotAsked
	}
	i.say(eff, now, e.By, KindHandoff, because("cannot take it over from "+i.Handoff.By, e.Reason))
	i.Handoff = nil
	return nil
}

func because(text, reason string) string {
	if reason = strings.TrimSpace(reason); reason != "" {
		text += ": " + reason
	}
	return text
}
