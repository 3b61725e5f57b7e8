package bot

import (
	"errors"
	"fmt"
	"strings"

	"irisops/actions"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/pager"
)

// handoffStep is how the pages of a handoff call their step, before the number
// of the request.
const handoffStep = "handoff/"

// handoff asks somebody to take it over: they are paged, and have it when they
// accept. Until then it stays with whoever has it.
func handoff(c *call) error {
	to := c.args["person"]
	number, err := c.incidentNumber()
	if err != nil {
		return err
	}
	if person, known := c.Access.Person(to); !known || !c.Access.May(person, "accept", actions.Tell).Allowed {
		return &actions.Error{Code: "may-not-accept", Text: fmt.Sprintf("%s may not take over an incident.", to), Hint: "Ask somebody with the role responder; `access explain accept` says who that is."}
	}
	if to == c.who.ID {
		return c.takeOver(number)
	}
	inc, err := c.amend(c.ctx, number, c.now, []incident.Event{incident.HandoffAsked{By: c.who.ID, To: to}}, func(ch *change.Change) error {
		text := fmt.Sprintf("%s asks you to take over %s %s %s: %s. `accept --incident %s`", c.who.ID, ch.Incident.ID(), ch.Incident.Priority, ch.Incident.State, ch.Incident.Title, ch.Incident.ID())
		if ch.Incident.Drill {
			text = "DRILL " + text
		}
		ch.Pages = append(ch.Pages, c.roster().Direct(pager.Page{Incident: ch.Incident.ID(), Step: fmt.Sprint(handoffStep, ch.Incident.Entries), Role: "handoff",
			Person: to, Text: text, Queued: c.now, Due: c.now})...)
		return c.mark(ch)
	})
	switch {
	case errors.Is(err, incident.ErrNothingToDo) && inc.Handoff == nil:
		c.already(inc, fmt.Sprintf("%s has %s already.", to, inc.ID()))
		return nil
	case errors.Is(err, incident.ErrNothingToDo):
		c.already(inc, fmt.Sprintf("%s was asked for %s already, at %s, and has not accepted yet.", to, inc.ID(), c.clock(inc.Handoff.At, c.now)))
		return nil
	case err != nil:
		return whyNot(inc, err)
	}
	c.told(inc, message.Message{Title: fmt.Sprintf("%s is asked to take over %s.", to, inc.ID()),
		Blocks:  []message.Block{{Text: fmt.Sprintf("It stays with %s until %s accepts.", firstOf(inc.AckedBy, "nobody"), to)}},
		Buttons: []message.Button{{Label: "Accept", Words: "accept --incident " + inc.ID(), Style: message.Primary}}})
	c.kick()
	return nil
}

// takeOver is a handoff to oneself: nobody has to be asked.
func (c *call) takeOver(number uint64) error {
	inc, err := c.amend(c.ctx, number, c.now, []incident.Event{incident.HandoffAsked{By: c.who.ID, To: c.who.ID}, incident.HandoffAccepted{By: c.who.ID}}, c.mark)
	if errors.Is(err, incident.ErrNothingToDo) {
		c.already(inc, fmt.Sprintf("You have %s already.", inc.ID()))
		return nil
	}
	if err != nil {
		return whyNot(inc, err)
	}
	c.told(inc, message.Message{Level: message.OK, Title: fmt.Sprintf("%s has %s now.", c.who.ID, inc.ID()),
		Blocks: []message.Block{{Text: "Next page: " + c.nextPage(inc, c.now) + "."}}})
	return nil
}

func accept(c *call) error {
	inc, err := c.tell(incident.HandoffAccepted{By: c.who.ID})
	switch {
	case errors.Is(err, incident.ErrNothingToDo):
		c.already(inc, fmt.Sprintf("You have %s already.", inc.ID()))
		return nil
	case errors.Is(err, incident.ErrNoHandoff):
		return offer(&actions.Error{Code: "no-handoff", Text: fmt.Sprintf("Nobody was asked to take over %s.", inc.ID()), Hint: "To take it without being asked: `handoff @" + c.who.ID + "`, or `ack` if nobody has it."}, c.takeButton(inc))
	case errors.Is(err, incident.ErrNotAsked):
		return offer(&actions.Error{Code: "not-asked", Text: fmt.Sprintf("%s was asked to take over %s, not you.", inc.Handoff.To, inc.ID()), Hint: "To take it all the same: `handoff @" + c.who.ID + "`."}, c.takeButton(inc))
	case err != nil:
		return err
	}
	c.told(inc, message.Message{Level: message.OK, Title: fmt.Sprintf("%s has %s now.", c.who.ID, inc.ID()),
		Blocks: []message.Block{{Text: "Next page: " + c.nextPage(inc, c.now) + "."}}})
	return nil
}

// takeButton is for the one who takes it without being asked.
func (c *call) takeButton(inc incident.Incident) message.Button {
	return message.Button{Label: "Take It", Words: "handoff @" + c.who.ID + " --incident " + inc.ID()}
}

// giveRole names the commander or the scribe.
func giveRole(c *call) error {
	role := incident.Role(c.args["role"])
	inc, err := c.tell(incident.RoleGiven{By: c.who.ID, Role: role, To: c.args["person"]})
	if errors.Is(err, incident.ErrNothingToDo) {
		c.already(inc, fmt.Sprintf("%s is %s of %s already.", c.args["person"], role, inc.ID()))
		return nil
	}
	if err != nil {
		return err
	}
	text := "The commander decides, and keeps the whole in view."
	if role == incident.Scribe {
		text = "The scribe writes down what happens: `note TEXT`."
	}
	c.told(inc, message.Message{Level: message.OK, Title: fmt.Sprintf("%s is %s of %s.", c.args["person"], role, inc.ID()), Blocks: []message.Block{{Text: text}}})
	return nil
}

// note adds a line to the timeline: what was typed, or a message of the thread
// that somebody wants to keep, with its pictures where they stand.
func note(c *call) error {
	event := incident.Noted{By: c.who.ID, Kind: incident.KindNote, Text: c.args["text"]}
	if p := c.d.Pinned; p != nil {
		if event.Text == "" || p.Text != "" {
			event.Text = strings.TrimSpace(event.Text + " " + c.pinnedText())
		}
		if p.Link != "" {
			event.Attachments = append(event.Attachments, incident.Attachment{Name: "the message", Link: p.Link})
		}
		for _, f := range p.Files {
			event.Attachments = append(event.Attachments, incident.Attachment(f))
		}
	}
	if event.Text == "" {
		return &usageError{&actions.Error{Code: "missing", Text: "The note is empty.", Hint: "Say it behind the word: `note switch in rack 4 was rebooted`."}}
	}
	inc, err := c.tell(event)
	if err != nil {
		return err
	}
	c.replyIn(inc.ID(), message.Message{Level: message.OK, Title: "Noted in the timeline of " + inc.ID() + "."})
	return nil
}

// pinnedText is a message of the thread with who said it and when.
func (c *call) pinnedText() string {
	p := c.d.Pinned
	who := p.By
	if person, known := c.Access.Identify(p.By); known {
		who = person.ID
	}
	text := strings.TrimSpace(p.Text)
	if text == "" {
		text = plural(len(p.Files), "file")
	}
	if who == "" {
		return text
	}
	return fmt.Sprintf("%s said at %s: %s", who, c.clock(p.At, c.now), text)
}
