package incident

import (
	"fmt"
	"strings"
	"time"
)

// Declined: a person who was called cannot take it. Step, if given, is the one
// that is brought forward: it fires now.
type Declined struct {
	By     string
	Reason string
	Step   string
}

func (Declined) event() {}

func (i *Incident) decline(eff *Effects, e Declined, now time.Time) error {
	if !i.Armed() {
		return ErrNothingToDo
	}
	text := "cannot take it"
	if reason := strings.TrimSpace(e.Reason); reason != "" {
		text += ": " + reason
	}
	i.say(eff, now, e.By, KindDeclined, text)
	for n := range i.Steps {
		s := &i.Steps[n]
		if s.Name != e.Step || !s.Pending() {
			continue
		}
		s.Fired = now
		due := s.Due
		if due.After(now) {
			due = now
		}
		eff.Pages = append(eff.Pages, Call{Step: s.Name, Role: s.Role, Due: due,
			Text: fmt.Sprintf("%s %s: %s (%s cannot take it, so you are called now)", i.ID(), i.Priority, i.Title, e.By)})
		i.say(eff, now, Bot, KindEscalated, fmt.Sprintf("escalation %s brought forward: paging %s", s.Name, s.Role))
	}
	return nil
}
