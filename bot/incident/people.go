package incident

import (
	"fmt"
	"time"
)

func (i *Incident) askHandoff(eff *Effects, e HandoffAsked, now time.Time) error {
	if e.To == i.AckedBy || i.Handoff != nil && i.Handoff.To == e.To {
		return ErrNothingToDo
	}
	i.Handoff = &Handoff{By: e.By, To: e.To, At: now}
	i.say(eff, now, e.By, KindHandoff, fmt.Sprintf("asked %s to take over", e.To))
	return nil
}

// acceptHandoff: whoever accepts has it, and so has acknowledged it.
func (i *Incident) acceptHandoff(eff *Effects, e HandoffAccepted, now time.Time) error {
	switch {
	case i.Handoff == nil && i.AckedBy == e.By:
		return ErrNothingToDo
	case i.Handoff == nil:
		return ErrNoHandoff
	case i.Handoff.To != e.By:
		return ErrNotAsked
	}
	text := "took over from " + i.Handoff.By
	if i.AckedBy != "" && i.AckedBy != i.Handoff.By {
		text = fmt.Sprintf("took over from %s, as %s asked", i.AckedBy, i.Handoff.By)
	}
	i.Handoff = nil
	if i.Waiting() {
		i.State = Acknowledged
	}
	i.take(e.By, now)
	i.say(eff, now, e.By, KindHandoff, text)
	return nil
}

func (i *Incident) giveRole(eff *Effects, e RoleGiven, now time.Time) error {
	holder := &i.Commander
	if e.Role == Scribe {
		holder = &i.Scribe
	}
	if *holder == e.To {
		return ErrNothingToDo
	}
	text := fmt.Sprintf("%s is %s", e.To, e.Role)
	if *holder != "" {
		text += ", instead of " + *holder
	}
	*holder = e.To
	i.say(eff, now, e.By, KindRole, text)
	return nil
}
