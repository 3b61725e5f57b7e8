package bot

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// The commands that change the incident only.

func ack(c *call) error {
	inc, err := c.tell(incident.Acked{By: c.who.ID})
	if errors.Is(err, incident.ErrNothingToDo) {
		c.already(inc, fmt.Sprintf("%s is %s already, by %s.", inc.ID(), inc.State, firstOf(inc.AckedBy, inc.RecoveredBy, inc.DeclaredBy)))
		return nil
	}
	if err != nil {
		return err
	}
	text := "Acknowledging does not stop the clocks, only recovery does. Next page: " + c.nextPage(inc, c.now) + "."
	if _, armed := inc.NextStep(); !armed {
		text = "No further page is due."
	}
	c.told(inc, message.Message{Level: message.OK, Title: fmt.Sprintf("%s acknowledged by %s.", inc.ID(), c.who.ID), Blocks: []message.Block{{Text: text}}})
	return nil
}

func stopPaging(c *call) error {
	inc, err := c.tell(incident.PagingStop{By: c.who.ID, Reason: c.args["reason"]})
	if err != nil {
		return err
	}
	c.told(inc, message.Message{Level: message.Warn, Title: fmt.Sprintf("Paging for %s stopped by %s: %s", inc.ID(), c.who.ID, inc.PagingStopped.Reason),
		Blocks:  []message.Block{{Text: "Nobody will be called for it any more, unless its severity is raised, it is reopened, or somebody says `rearm`. The incident stays " + string(inc.State) + "."}},
		Buttons: append(incidentButtons(inc), rearmButton(inc.ID()))})
	return nil
}

// recovered needs clients that are seen to be served: it verifies first, and
// believes nobody, unless forced with a reason.
func recovered(c *call) error {
	number, err := c.incidentNumber()
	if err != nil {
		return err
	}
	inc, err := c.Store.Incident(number)
	if err != nil {
		return notFound(err, incident.ID(number))
	}
	if inc.Over() {
		return whyNot(inc, incident.ErrOver)
	}
	cluster, err := c.clusterNamed(inc.Cluster)
	if err != nil {
		return err
	}
	verdict, result := c.look(cluster, inc, "verify")
	inc, err = c.amend(c.ctx, number, nowUTC(), []incident.Event{verdict, incident.DeclaredRecovered{By: c.who.ID, Force: c.args["force"]}}, c.mark)
	if errors.Is(err, incident.ErrNotVerified) {
		// The check is a fact worth keeping, though it refuses the recovery.
		if kept, err := c.amend(c.ctx, number, nowUTC(), []incident.Event{verdict}, c.mark); err == nil {
			c.publishParent(c.ctx, kept)
		}
		m := ResultMessage(result)
		m.Level, m.Title = message.Refused, fmt.Sprintf("%s is not recovered: %s", incident.ID(number), result.Headline)
		m.Blocks = append(m.Blocks, message.Block{Text: "The clocks run on. Mend it and say `recovered` again, or, if the check itself is wrong, `recovered --force REASON`."})
		c.replyIn(incident.ID(number), withIncident(m, incident.ID(number)))
		c.out.fail(ExitRefused)
		return nil
	}
	if errors.Is(err, incident.ErrNothingToDo) || err == nil && inc.RecoveredAt.Before(c.now) {
		m := message.Message{Level: message.OK, Title: fmt.Sprintf("%s is %s already, since %s. Checked again: %s", inc.ID(), inc.State, c.clock(inc.RecoveredAt, c.now), result.Headline)}
		if !verdict.OK {
			c.out.fail(ExitRefused)
			m.Level = message.Critical
			m.Title = fmt.Sprintf("%s was called recovered at %s, and now: %s", inc.ID(), c.clock(inc.RecoveredAt, c.now), result.Headline)
			m.Blocks = []message.Block{{Text: "No clock runs for a recovered incident. If clients are not served, reopen it: `reopen --incident " + inc.ID() + "`."}}
			m.Buttons = []message.Button{reopenButton(inc.ID()), {Label: "Diagnose", Words: "diagnose --incident " + inc.ID()}}
		}
		c.told(inc, m)
		return nil
	}
	if err != nil {
		return whyNot(inc, err)
	}
	m := message.Message{Level: message.OK,
		Title:  fmt.Sprintf("%s recovered after %s, verified: %s", inc.ID(), spoken(inc.RecoveredAt.Sub(inc.DeclaredAt)), result.Headline),
		Blocks: []message.Block{{Text: "The escalation clocks are stopped. When the work is done: `resolve`."}}}
	if inc.Forced != "" {
		m.Level = message.Warn
		m.Title = fmt.Sprintf("%s called recovered by %s without verification: %s", inc.ID(), c.who.ID, inc.Forced)
		m.Blocks = append([]message.Block{{Text: "The check says: " + result.Headline}}, m.Blocks...)
		m.Buttons = append([]message.Button{{Label: "Verify", Words: "verify --incident " + inc.ID()}}, incidentButtons(inc)...)
	}
	c.told(inc, m)
	return nil
}

func resolve(c *call) error {
	inc, err := c.tell(incident.DeclaredResolved{By: c.who.ID, Reason: c.args["reason"]})
	if errors.Is(err, incident.ErrReasonNeeded) {
		return offer(&actions.Error{Code: "reason-needed",
			Text: fmt.Sprintf("%s is %s, not recovered, so resolving it needs a reason.", inc.ID(), inc.State),
			Hint: "Either `recovered` first, or say why: `resolve false alarm, the probe host lost its network`."},
			message.Button{Label: "Recovered", Words: "recovered --incident " + inc.ID()})
	}
	if err != nil {
		return err
	}
	c.told(inc, message.Message{Level: message.OK,
		Title: fmt.Sprintf("%s resolved by %s, %s after it was declared.", inc.ID(), c.who.ID, spoken(inc.ResolvedAt.Sub(inc.DeclaredAt))),
		Buttons: []message.Button{{Label: "Show Timeline", Words: "timeline --incident " + inc.ID(), Style: message.Primary},
			{Label: "Write Post-Mortem", Words: "postmortem --incident " + inc.ID()}}})
	return nil
}

// tell applies one event to the incident that is meant.
func (c *call) tell(event incident.Event) (incident.Incident, error) {
	return c.tellBy(func(incident.Incident) incident.Event { return event })
}

// tellBy is tell with an event that depends on the incident as it stands.
func (c *call) tellBy(event func(incident.Incident) incident.Event) (incident.Incident, error) {
	number, err := c.incidentNumber()
	if err != nil {
		return incident.Incident{}, err
	}
	inc, err := c.amendBy(c.ctx, number, c.now, func(inc incident.Incident) []incident.Event { return []incident.Event{event(inc)} }, c.mark)
	return inc, whyNot(inc, err)
}

// mark binds the change to this delivery, so that it is carried out once.
func (c *call) mark(ch *change.Change) error {
	ch.Delivery = c.d.ID
	return nil
}

// whyNot turns the domain's refusals into sentences with a way out.
func whyNot(inc incident.Incident, err error) error {
	switch {
	case err == nil, errors.Is(err, incident.ErrNothingToDo), errors.Is(err, incident.ErrReasonNeeded):
		return err
	case errors.Is(err, incident.ErrOver):
		return offer(&actions.Error{Code: "resolved", Text: fmt.Sprintf("%s is resolved already, by %s.", inc.ID(), inc.ResolvedBy),
			Hint: "`note --incident " + inc.ID() + " TEXT` still adds to its record; the same trouble again is `reopen --incident " + inc.ID() + "`, new trouble a new `declare`."},
			reopenButton(inc.ID()))
	case errors.Is(err, incident.ErrRecovered):
		return offer(&actions.Error{Code: "recovered", Text: fmt.Sprintf("%s is recovered already, by %s.", inc.ID(), inc.RecoveredBy),
			Hint: "No clock runs for it. If clients are not served: `reopen --incident " + inc.ID() + "`."},
			reopenButton(inc.ID()))
	case errors.Is(err, incident.ErrNotRecovered):
		return offer(&actions.Error{Code: "not-ended", Text: fmt.Sprintf("%s is %s: it was neither called recovered nor resolved, so there is nothing to reopen.", inc.ID(), inc.State),
			Hint: "To start its clocks again: `rearm --incident " + inc.ID() + "`."},
			rearmButton(inc.ID()))
	}
	return err
}

// incidentNumber is the incident that the words mean: named by --incident, else
// the thread's, else the only open one.
func (c *call) incidentNumber() (uint64, error) {
	if id := firstOf(c.args["incident"], c.d.Incident); id != "" {
		return numberOf(id)
	}
	open, err := c.Store.OpenIncidents()
	if err != nil {
		return 0, err
	}
	switch len(open) {
	case 0:
		if last, err := c.Store.LastIncidents(1); err == nil && len(last) == 1 && c.spec.Class == actions.See {
			return last[0].Number, nil // looking back at what was resolved
		}
		return 0, &actions.Error{Code: "no-incident", Text: "No incident is open.",
			Hint: "Open one with `declare P1 \"what is wrong\"`, or name an old one with `--incident INC-7`."}
	case 1:
		return open[0].Number, nil
	}
	var ids []string
	var each []message.Button
	for _, inc := range open {
		ids = append(ids, fmt.Sprintf("%s (%s %s)", inc.ID(), inc.Priority, inc.Title))
		if len(each) < 5 {
			each = append(each, message.Button{Label: "For " + inc.ID(), Words: strings.TrimSpace(c.d.Text) + " --incident " + inc.ID()})
		}
	}
	return 0, offer(&actions.Error{Code: actions.CodeAmbiguous, Text: "More than one incident is open: " + strings.Join(ids, ", ") + ".",
		Hint: fmt.Sprintf("Say which: `%s --incident %s`.", strings.TrimSpace(c.d.Text), open[0].ID())}, each...)
}

// numberOf reads "INC-7", "REQ-7" or "7".
func numberOf(id string) (uint64, error) {
	_, digits, found := strings.Cut(id, "-")
	if !found {
		digits = id
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n == 0 {
		return 0, &actions.Error{Code: "bad-id", Text: fmt.Sprintf("%q is no number of an incident or a request.", id), Hint: "They look like INC-7 and REQ-3."}
	}
	return n, nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func nowUTC() time.Time { return time.Now().UTC() }
