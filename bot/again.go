package bot

import (
	"errors"
	"fmt"
	"time"

	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// again are the events that make of an incident what it has to be when its cause
// is seen, or declared, once more: one that had recovered is open again, with its
// clocks armed anew, and one that is less urgent than that gets the clocks of the
// priority. None if it counts already.
func (b *Bot) again(inc incident.Incident, p incident.Priority, by, reason string, now time.Time) []incident.Event {
	var events []incident.Event
	to := min(inc.Priority, p)
	clocks := escalation.Clocks(to, b.Policies[to], now)
	if to < inc.Priority {
		events = append(events, incident.PriorityChanged{By: by, To: to, Clocks: clocks})
	}
	if inc.State == incident.Recovered {
		events = append(events, incident.DeclaredReopened{By: by, Reason: reason, Clocks: clocks})
	}
	return events
}

// declareAgain answers a declaration whose incident is not resolved. What was
// called recovered has come back, and somebody has to be called for it.
func (c *call) declareAgain(inc incident.Incident, p incident.Priority) error {
	before := inc
	inc, err := c.amendBy(c.ctx, inc.Number, c.now, func(inc incident.Incident) []incident.Event {
		before = inc
		events := c.again(inc, p, c.who.ID, "it was declared again", c.now)
		if text := c.args["symptoms"]; text != "" && len(events) > 0 {
			events = append(events, incident.Noted{By: c.who.ID, Kind: incident.KindNote, Text: "symptoms: " + text})
		}
		return events
	}, c.mark)
	switch {
	case errors.Is(err, incident.ErrNothingToDo):
		c.replyIn(inc.ID(), c.alreadyOpen(inc))
		return nil
	case err != nil:
		return whyNot(inc, err)
	}
	m := message.Message{Level: message.Critical, Title: fmt.Sprintf("%s is %s now: %s declares it again, and it was %s.", inc.ID(), inc.Priority, c.who.ID, before.Priority),
		Blocks: []message.Block{{Text: fmt.Sprintf("Its clocks are those of %s, from now on. Next page: %s. If yours is other trouble, declare it with another title.", inc.Priority, c.nextPage(inc, c.now))}},
		Buttons: []message.Button{{Label: "Acknowledge", Words: "ack --incident " + inc.ID(), Style: message.Primary},
			{Label: "Diagnose", Words: "diagnose --incident " + inc.ID()}}}
	if before.State == incident.Recovered {
		m.Title = fmt.Sprintf("%s reopened: %s declares it again. It was called recovered by %s at %s, and never resolved.", inc.ID(), c.who.ID, before.RecoveredBy, c.clock(before.RecoveredAt, c.now))
		m.Blocks = []message.Block{{Text: fmt.Sprintf("Its clocks are armed anew, from now on. Next page: %s. If yours is other trouble, declare it with another title.", c.nextPage(inc, c.now))}}
	}
	c.told(inc, m)
	c.kick()
	return nil
}

// reopenedBy is who last opened the incident again; "" if it never was.
func (b *Bot) reopenedBy(inc incident.Incident) (string, error) {
	if inc.Reopenings == 0 {
		return "", nil
	}
	entries, err := b.Store.Timeline(inc.Number)
	by := ""
	for _, e := range entries {
		if e.Kind == incident.KindReopened {
			by = e.By
		}
	}
	return by, err
}

// leftToPeople says that a person has reopened the incident: they know of trouble
// that probes and alerts do not see, so that only a person calls it recovered.
func (b *Bot) leftToPeople(inc incident.Incident) (by string, is bool) {
	by, err := b.reopenedBy(inc)
	if err != nil {
		b.log.Error("who reopened an incident cannot be read, so it is left to people", "incident", inc.ID(), "err", err)
		return "a person", true
	}
	return by, by != "" && by != incident.Bot
}
