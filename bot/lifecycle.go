package bot

import (
	"errors"
	"fmt"
	"time"

	"irisops/actions"
	"irisops/bot/change"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// clocks are what the present policy says for a priority from now on.
func (c *call) clocks(p incident.Priority) incident.Clocks {
	return escalation.Clocks(p, c.Policies[p], c.now)
}

// severity makes it more or less urgent; the clocks begin anew.
func severity(c *call) error {
	to := incident.Priority(c.args["priority"])
	inc, err := c.tell(incident.PriorityChanged{By: c.who.ID, To: to, Clocks: c.clocks(to)})
	if errors.Is(err, incident.ErrNothingToDo) {
		c.already(inc, fmt.Sprintf("%s is %s already.", inc.ID(), inc.Priority))
		return nil
	}
	if err != nil {
		return err
	}
	text := fmt.Sprintf("Its clocks are those of %s, from now on. Next page: %s.", inc.Priority, c.nextPage(inc, c.now))
	if inc.State == incident.Recovered {
		text = "It is recovered, so no clock runs."
	}
	c.told(inc, message.Message{Level: message.Warn, Title: fmt.Sprintf("%s is %s now, says %s.", inc.ID(), inc.Priority, c.who.ID), Blocks: []message.Block{{Text: text}}})
	c.kick()
	return nil
}

// mitigated: users are helped. It is no recovery.
func mitigated(c *call) error {
	inc, err := c.tell(incident.DeclaredMitigated{By: c.who.ID, Text: c.args["text"]})
	if errors.Is(err, incident.ErrNothingToDo) {
		c.already(inc, fmt.Sprintf("%s is mitigated already, by %s.", inc.ID(), inc.MitigatedBy))
		return nil
	}
	if err != nil {
		return err
	}
	c.told(inc, message.Message{Level: message.OK, Title: fmt.Sprintf("%s mitigated, says %s.", inc.ID(), c.who.ID),
		Blocks:  []message.Block{{Text: "The recovery clock runs on until it is verified as recovered. Next page: " + c.nextPage(inc, c.now) + "."}},
		Buttons: []message.Button{{Label: "Recovered", Words: "recovered --incident " + inc.ID(), Style: message.Primary}}})
	return nil
}

// reopen begins again what was called recovered or resolved and is not.
func reopen(c *call) error {
	if c.args["incident"] == "" && c.d.Incident == "" {
		return c.sayWhich()
	}
	inc, err := c.tellBy(func(inc incident.Incident) incident.Event {
		return incident.DeclaredReopened{By: c.who.ID, Reason: c.args["reason"], Clocks: c.clocks(inc.Priority)}
	})
	if err != nil {
		return err
	}
	c.told(inc, message.Message{Level: message.Critical, Title: fmt.Sprintf("%s reopened by %s: %s %s", inc.ID(), c.who.ID, inc.Priority, inc.Title),
		Blocks: []message.Block{{Text: "Its clocks are armed anew, from now on, and somebody has to acknowledge it again. Next page: " + c.nextPage(inc, c.now) + "."}},
		Buttons: []message.Button{{Label: "Acknowledge", Words: "ack --incident " + inc.ID(), Style: message.Primary},
			{Label: "Diagnose", Words: "diagnose --incident " + inc.ID()}}})
	c.kick()
	return nil
}

// sayWhich refuses to guess what is to be reopened, and names what may be meant.
func (c *call) sayWhich() error {
	last, err := c.Store.LastIncidents(10)
	if err != nil {
		return err
	}
	var ended incident.Incident
	for _, inc := range last {
		if !inc.Troubled() && inc.MergedInto == 0 && endOf(inc).After(endOf(ended)) {
			ended = inc
		}
	}
	if ended.Number != 0 {
		return offer(&actions.Error{Code: actions.CodeAmbiguous, Text: "Say which incident to reopen.",
			Hint: fmt.Sprintf("The last one that ended is %s: `reopen --incident %s`.", ended.ID()+" "+ended.Title, ended.ID())},
			message.Button{Label: "Reopen " + ended.ID(), Words: "reopen --incident " + ended.ID()})
	}
	return &actions.Error{Code: "no-incident", Text: "No incident has ended lately.", Hint: "`incidents` lists them."}
}

func endOf(inc incident.Incident) time.Time {
	if inc.RecoveredAt.After(inc.ResolvedAt) {
		return inc.RecoveredAt
	}
	return inc.ResolvedAt
}

// rearm arms the clocks by the policy as it is now.
func rearm(c *call) error {
	inc, err := c.tellBy(func(inc incident.Incident) incident.Event {
		return incident.Rearmed{By: c.who.ID, Reason: c.args["reason"], Clocks: c.clocks(inc.Priority)}
	})
	if err != nil {
		return err
	}
	c.told(inc, message.Message{Level: message.OK, Title: fmt.Sprintf("The clocks of %s are armed anew by %s, by the %s policy as it is now.", inc.ID(), c.who.ID, inc.Priority),
		Blocks: []message.Block{{Text: "Next page: " + c.nextPage(inc, c.now) + "."}}})
	c.kick()
	return nil
}

// merge resolves this incident as a duplicate of another, in one transaction for
// both.
func merge(c *call) error {
	number, err := c.incidentNumber()
	if err != nil {
		return err
	}
	into, err := numberOf(c.args["id"])
	if err != nil {
		return err
	}
	for range attempts {
		inc, host, err := c.merged(number, into)
		if errors.Is(err, change.ErrConflict) {
			continue
		}
		if err != nil {
			return err
		}
		c.drain.Kick()
		c.told(inc, message.Message{Level: message.OK, Title: fmt.Sprintf("%s merged into %s by %s.", inc.ID(), host.ID(), c.who.ID),
			Blocks:  []message.Block{{Text: fmt.Sprintf("%s is resolved as a duplicate; its timeline stays. %s goes on: %s %s. Next page: %s.", inc.ID(), host.ID(), host.Priority, host.Title, c.nextPage(host, c.now))}},
			Buttons: []message.Button{{Label: "Show Timeline of " + host.ID(), Words: "timeline --incident " + host.ID()}}})
		c.post(Post{Key: "merged/" + inc.ID(), Incident: host.ID(), Message: message.Message{
			Title: fmt.Sprintf("%s was merged into this by %s: %s", inc.ID(), c.who.ID, inc.Title)}})
		c.publishParent(c.ctx, host)
		return nil
	}
	return change.ErrConflict
}

func (c *call) merged(number, into uint64) (inc, host incident.Incident, err error) {
	if inc, err = c.Store.Incident(number); err != nil {
		return inc, host, notFound(err, incident.ID(number))
	}
	if host, err = c.Store.Incident(into); err != nil {
		return inc, host, notFound(err, incident.ID(into))
	}
	gone, goneEff, err := incident.Apply(inc, incident.Merged{By: c.who.ID, Into: host}, c.now)
	switch {
	case errors.Is(err, incident.ErrSame):
		return inc, host, &actions.Error{Code: "same", Text: inc.ID() + " cannot be a duplicate of itself.", Hint: "`merge` is said in the thread of the duplicate, and names the incident that goes on."}
	case errors.Is(err, incident.ErrUrgentLost):
		return inc, host, &actions.Error{Code: "urgent",
			Text: fmt.Sprintf("Merging %s (%s, %s) into %s (%s, %s) would stop the clocks that count: %s.", inc.ID(), inc.Priority, inc.State, host.ID(), host.Priority, host.State, whyCounts(inc, host)),
			Hint: fmt.Sprintf("Merge the other way round: `merge %s --incident %s`. To end this one all the same: `resolve duplicate of %s --incident %s`.", inc.ID(), host.ID(), host.ID(), inc.ID())}
	case errors.Is(err, incident.ErrOver) && host.Over() && !inc.Over():
		return inc, host, &actions.Error{Code: "resolved", Text: fmt.Sprintf("%s is resolved, so nothing can go on in it.", host.ID()),
			Hint: fmt.Sprintf("`reopen --incident %s` first, or `resolve duplicate of %s`.", host.ID(), host.ID())}
	case err != nil:
		return inc, host, whyNot(inc, err)
	}
	more, moreEff, err := incident.Apply(host, incident.TookIn{By: c.who.ID, From: inc}, c.now)
	if err != nil {
		return inc, host, whyNot(host, err)
	}
	updates, err := c.updates(inc, gone, c.now)
	if err != nil {
		return inc, host, err
	}
	err = c.Store.Commit(c.ctx, change.Change{Incident: &gone, Entries: goneEff.Entries, Pages: updates, Delivery: c.d.ID}, change.Change{Incident: &more, Entries: moreEff.Entries})
	return gone, more, err
}

// whyCounts is why the clocks of the one must not be lost for the other's.
func whyCounts(inc, host incident.Incident) string {
	switch {
	case !host.Troubled():
		return fmt.Sprintf("%s is %s and has none", host.ID(), host.State)
	case inc.Armed() && !host.Armed():
		return fmt.Sprintf("paging is stopped for %s", host.ID())
	case inc.Priority < host.Priority:
		return fmt.Sprintf("%s is more urgent", inc.ID())
	}
	return fmt.Sprintf("%s was declared first", inc.ID())
}
