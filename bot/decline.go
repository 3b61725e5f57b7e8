package bot

import (
	"errors"
	"fmt"
	"strings"

	"irisops/actions"
	"irisops/bot/access"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/oncall"
	"irisops/bot/pager"
)

// decline calls the next person at once: whom the next step of the escalation
// would page that has not been called or declined yet, or, if there is none,
// everyone else on call. No step is used up: whoever is called early is called
// again when it is due. Who was asked to take it over declines that.
func decline(c *call) error {
	number, err := c.incidentNumber()
	if err != nil {
		return err
	}
	inc, err := c.Store.Incident(number)
	if err != nil {
		return notFound(err, incident.ID(number))
	}
	if h := inc.Handoff; h != nil && h.To == c.who.ID {
		return c.declineHandoff(inc)
	}
	declined, called, err := c.turnedTo(inc)
	if err != nil {
		return err
	}
	if declined[c.who.ID] && inc.Armed() {
		c.replyIn(inc.ID(), message.Message{Title: fmt.Sprintf("You have declined %s already. Next page: %s.", inc.ID(), c.nextPage(inc, c.now))})
		return nil
	}
	declined[c.who.ID] = true
	had := inc.State == incident.Acknowledged && inc.AckedBy == c.who.ID
	r := c.roster()
	step, found := c.nextElsewhere(inc, r, declined, called)
	var others []string
	if !found {
		for _, p := range r.Everyone(c.now) {
			if p != c.who.ID && (had || !declined[p]) { // who had it leaves it to nobody: all are asked anew
				others = append(others, p)
			}
		}
	}
	event := incident.Declined{By: c.who.ID, Reason: c.args["reason"], Step: step.Name}
	inc, err = c.amend(c.ctx, number, c.now, []incident.Event{event}, func(ch *change.Change) error {
		for _, person := range others {
			ch.Pages = append(ch.Pages, r.Direct(pager.Page{Incident: incident.ID(number), Step: fmt.Sprintf("declined-%d", ch.Entries[0].Seq), Role: "declined:" + person, Person: person,
				Wide: true, Queued: c.now, Due: c.now, Text: fmt.Sprintf("%s: %s (%s cannot take it, and no step of the escalation is left, so everyone on call is called)", ch.Incident.PageName(), inc.Title, c.who.ID)})...)
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
	next := "Next page after that: " + c.nextPage(inc, c.now) + "."
	switch {
	case found:
		m.Title = fmt.Sprintf("%s cannot take %s: %s is called now.", c.who.ID, inc.ID(), c.holder(step.Role, c.now))
	case len(others) == 0:
		m.Level = message.Critical
		m.Title = fmt.Sprintf("%s cannot take %s, and nobody else is on call.", c.who.ID, inc.ID())
		next = fmt.Sprintf("Call somebody by name: `page @%s please take this`. %s", c.somebodyElse(declined), strings.Replace(next, " after that", "", 1))
	}
	if had {
		next += " Nobody has it now: it waits for `ack`."
	}
	m.Blocks = []message.Block{{Text: next}}
	c.told(inc, m)
	c.kick()
	return nil
}

// turnedTo are those who have declined the incident since its clocks were armed,
// and have not acknowledged it since; and those who were called early for them.
func (c *call) turnedTo(inc incident.Incident) (declined, called map[string]bool, err error) {
	declined, called = map[string]bool{}, map[string]bool{}
	entries, err := c.Store.Timeline(inc.Number)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range entries {
		switch {
		case e.At.Before(inc.Arming.At):
		case e.Kind == incident.KindDeclined:
			declined[e.By] = true
		case e.Kind == incident.KindAcked:
			delete(declined, e.By)
		}
	}
	pages, err := c.calls(inc.ID())
	for _, p := range pages {
		if strings.Contains(p.Step, incident.Early) && !p.Queued.Before(inc.Arming.At) {
			called[p.Person] = true
		}
	}
	return declined, called, err
}

// nextElsewhere is the first step to come that reaches somebody who has neither
// declined nor been called early.
func (c *call) nextElsewhere(inc incident.Incident, r oncall.Roster, declined, called map[string]bool) (next incident.Step, found bool) {
	if !inc.Armed() {
		return next, false
	}
	for _, s := range inc.Steps {
		person, ok := r.Now(s.Role, c.now)
		if !s.Pending() || !ok || declined[person] || called[person] {
			continue
		}
		if !found || s.Due.Before(next.Due) {
			next, found = s, true
		}
	}
	return next, found
}

// somebodyElse is somebody who may take it, for an example: who has not declined,
// if there is one.
func (c *call) somebodyElse(declined map[string]bool) string {
	for _, none := range []map[string]bool{declined, {c.who.ID: true}} {
		for _, p := range c.Access.People {
			if p.Has(access.Responder) && !none[p.ID] {
				return p.ID
			}
		}
	}
	return "NAME"
}

// declineHandoff tells whoever asked that they keep it, and calls them: they may
// have gone on to something else.
func (c *call) declineHandoff(inc incident.Incident) error {
	asked := inc.Handoff.By
	inc, err := c.amend(c.ctx, inc.Number, c.now, []incident.Event{incident.HandoffDeclined{By: c.who.ID, Reason: c.args["reason"]}}, func(ch *change.Change) error {
		ch.Pages = append(ch.Pages, c.roster().Direct(pager.Page{Incident: ch.Incident.ID(), Step: fmt.Sprint("handoff-declined/", ch.Incident.Entries), Role: "handoff",
			Person: asked, Text: fmt.Sprintf("%s: %s cannot take it over: %s. It stays with %s", ch.Incident.PageName(), c.who.ID, ch.Incident.Title, firstOf(ch.Incident.AckedBy, "nobody")), Queued: c.now, Due: c.now})...)
		return c.mark(ch)
	})
	if err != nil {
		return whyNot(inc, err)
	}
	c.told(inc, message.Message{Level: message.Warn, Title: fmt.Sprintf("%s cannot take over %s: it stays with %s.", c.who.ID, inc.ID(), firstOf(inc.AckedBy, "nobody")),
		Blocks: []message.Block{{Text: fmt.Sprintf("%s is told. Ask somebody else: `handoff @%s`. Next page: %s.", asked, c.somebodyElse(map[string]bool{c.who.ID: true, asked: true}), c.nextPage(inc, c.now))}}})
	c.kick()
	return nil
}
