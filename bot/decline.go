package bot

import (
	"errors"
	"fmt"
	"strings"

	"irisops/actions"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/oncall"
	"irisops/bot/pager"
)

// decline calls the next person at once: by the next step of the escalation that
// reaches somebody else, or, if none is left, everyone else on call.
func decline(c *call) error {
	number, err := c.incidentNumber()
	if err != nil {
		return err
	}
	inc, err := c.Store.Incident(number)
	if err != nil {
		return notFound(err, incident.ID(number))
	}
	r := c.roster()
	step, found := nextElsewhere(inc, r, c)
	var others []string
	if !found {
		for _, p := range r.Everyone(c.now) {
			if p != c.who.ID {
				others = append(others, p)
			}
		}
	}
	event := incident.Declined{By: c.who.ID, Reason: c.args["reason"], Step: step.Name}
	inc, err = c.amend(c.ctx, number, c.now, []incident.Event{event}, func(ch *change.Change) error {
		for _, person := range others {
			ch.Pages = append(ch.Pages, r.Direct(pager.Page{Incident: incident.ID(number), Step: fmt.Sprintf("declined-%d", ch.Entries[0].Seq), Role: "declined:" + person, Person: person,
				Wide: true, Queued: c.now, Due: c.now, Text: fmt.Sprintf("%s: %s (%s cannot take it, and no step of the escalation is left, so everyone on call is called)", incident.ID(number), inc.Title, c.who.ID)})...)
		}
		return c.mark(ch)
	})
	if errors.Is(err, incident.ErrNothingToDo) {
		return &actions.Error{Code: "nothing-to-decline", Text: fmt.Sprintf("Nobody is called for %s any more: %s.", incident.ID(number), c.nextPage(inc, c.now)),
			Hint: "To call somebody all the same: `page @second please take this`."}
	}
	if err != nil {
		return whyNot(inc, err)
	}
	m := message.Message{Level: message.Warn, Title: fmt.Sprintf("%s cannot take %s: %s is called now.", c.who.ID, inc.ID(), strings.Join(others, ", "))}
	switch {
	case found:
		m.Title = fmt.Sprintf("%s cannot take %s: %s is called now.", c.who.ID, inc.ID(), c.holder(step.Role, c.now))
	case len(others) == 0:
		m.Level = message.Critical
		m.Title = fmt.Sprintf("%s cannot take %s, and nobody else is on call.", c.who.ID, inc.ID())
		m.Blocks = []message.Block{{Text: "Call somebody by name: `page @owner please take this`."}}
	}
	if len(m.Blocks) == 0 {
		m.Blocks = []message.Block{{Text: "Next page after that: " + c.nextPage(inc, c.now) + "."}}
	}
	c.told(inc, m)
	c.kick()
	return nil
}

// nextElsewhere is the first step to come that reaches somebody else than the
// caller.
func nextElsewhere(inc incident.Incident, r oncall.Roster, c *call) (next incident.Step, found bool) {
	if !inc.Armed() {
		return next, false
	}
	for _, s := range inc.Steps {
		person, ok := r.Now(s.Role, c.now)
		if !s.Pending() || !ok || person == c.who.ID {
			continue
		}
		if !found || s.Due.Before(next.Due) {
			next, found = s, true
		}
	}
	return next, found
}
