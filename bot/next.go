package bot

import (
	"errors"
	"maps"
	"strings"

	"irisops/bot/incident"
	"irisops/bot/message"
)

// A reply that has a next step offers it as a button: people read it with one
// hand free, at night. An answer in an incident offers what its head offers,
// unless it knows better.

// told answers in the incident's thread and brings its parent up to date.
func (c *call) told(inc incident.Incident, m message.Message) {
	if m.Buttons == nil {
		m.Buttons = incidentButtons(inc)
	}
	c.replyIn(inc.ID(), m)
	c.publishParent(c.ctx, inc)
}

// already answers that there was nothing to do, and what there is to do.
func (c *call) already(inc incident.Incident, title string) {
	c.replyIn(inc.ID(), message.Message{Title: title, Buttons: incidentButtons(inc)})
}

// offering is a refusal with the way out as buttons.
type offering struct {
	error
	buttons []message.Button
}

func (o *offering) Unwrap() error { return o.error }

// offer has the refusal offer a way out.
func offer(err error, buttons ...message.Button) error { return &offering{err, buttons} }

// offered are the buttons of a refusal.
func offered(err error) []message.Button {
	if o, ok := errors.AsType[*offering](err); ok {
		return o.buttons
	}
	return nil
}

func reopenButton(id string) message.Button {
	return message.Button{Label: "Reopen", Words: "reopen --incident " + id}
}

func rearmButton(id string) message.Button {
	return message.Button{Label: "Arm Anew", Words: "rearm --incident " + id}
}

// forReal offers to do what a dry run has shown: the same words without
// --dry-run, where that is all the difference.
func (c *call) forReal() []message.Button {
	words := strings.Join(strings.Fields(strings.Replace(c.d.Text, "--dry-run", "", 1)), " ")
	parsed, err := c.table.Parse(words, c.people())
	if err != nil || parsed.Spec.Words != c.spec.Words {
		return nil
	}
	want := maps.Clone(c.args)
	delete(want, "dry-run")
	if !maps.Equal(want, parsed.Args) {
		return nil
	}
	b := message.Message{Buttons: []message.Button{{Label: "Do It", Words: words}}}
	return withIncident(b, c.d.Incident).Buttons
}
