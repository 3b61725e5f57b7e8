package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"irisops/bot/change"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/pager"
	"irisops/bot/pager/link"
)

// Linkable says whether a page can be acknowledged by a link: it has to be for a
// person, about an incident, and not to ask for something else: an approval, or to
// take it over.
func Linkable(p pager.Page) bool {
	return p.Person != "" && (p.Incident != "" || len(p.Group) > 0) && p.Update == pager.NoUpdate && !strings.HasSuffix(p.Step, approvalStep) && !strings.HasPrefix(p.Step, handoffStep)
}

// incidentsOf are the incidents that the page with that key called for: several,
// if it was sent as one with others.
func (b *Bot) incidentsOf(key string) (p pager.Page, incidents []incident.Incident, err error) {
	if p, err = b.Store.Page(key); err != nil {
		return p, nil, err
	}
	keys := p.Group
	if len(keys) == 0 {
		keys = []string{key}
	}
	seen := map[string]bool{}
	for _, k := range keys {
		id, _, _ := strings.Cut(k, "/")
		if id == "" || seen[id] {
			continue
		}
		seen[id] = true
		number, err := numberOf(id)
		if err != nil {
			return p, nil, err
		}
		inc, err := b.Store.Incident(number)
		if err != nil {
			return p, nil, err
		}
		incidents = append(incidents, inc)
	}
	return p, incidents, nil
}

// Linked implements link.Desk.
func (b *Bot) Linked(c link.Claim) (link.State, error) {
	p, incidents, err := b.incidentsOf(c.Page)
	if errors.Is(err, change.ErrNotFound) || err == nil && (len(incidents) == 0 || p.Person != c.Person) {
		return link.State{}, link.ErrUnknown
	}
	if err != nil {
		return link.State{}, err
	}
	used, err := b.Store.Received(ackDelivery("link", c.ID, incidents[0]))
	if err != nil {
		return link.State{}, err
	}
	s := link.State{Used: used, Title: fmt.Sprintf("%s %s: %s", incidents[0].ID(), incidents[0].Priority, incidents[0].Title)}
	if len(incidents) > 1 {
		s.Title = fmt.Sprintf("%d incidents, %s first", len(incidents), incidents[0].ID())
	}
	for _, inc := range incidents {
		if inc.Waiting() {
			return s, nil
		}
	}
	s.Done = ackState(incidents[0])
	return s, nil
}

func ackState(inc incident.Incident) string {
	switch {
	case inc.Over():
		return "resolved by " + inc.ResolvedBy
	case inc.State == incident.Recovered:
		return "recovered, says " + inc.RecoveredBy
	case !inc.Waiting() && inc.AckedBy != "":
		return "acknowledged by " + inc.AckedBy
	}
	return string(inc.State)
}

func ackDelivery(via, id string, inc incident.Incident) string {
	return via + "/" + id + "/" + inc.ID()
}

// AcknowledgeBy implements link.Desk: the words of the person, by the same way as
// everybody's.
func (b *Bot) AcknowledgeBy(ctx context.Context, c link.Claim) (said string, err error) {
	_, incidents, err := b.incidentsOf(c.Page)
	if err != nil {
		return "", err
	}
	return b.acknowledgeFor(ctx, "link", c.ID, c.Person, incidents)
}

// AcknowledgedThere takes what a person did in another system, by that system's
// id of it. person is who did it, where the system's account is known; else it
// counts as done by whom the page called. It returns when that is durable.
func (b *Bot) AcknowledgedThere(ctx context.Context, via, id, reference, person string) error {
	p, incidents, err := b.incidentsOf(pager.KeyOf(reference))
	if errors.Is(err, change.ErrNotFound) {
		return nil // another irisops's, or one from before its database
	}
	if err != nil {
		return err
	}
	_, err = b.acknowledgeFor(ctx, via, id, firstOf(person, p.Person), incidents)
	return err
}

func (b *Bot) acknowledgeFor(ctx context.Context, via, id, person string, incidents []incident.Incident) (said string, err error) {
	for _, inc := range incidents {
		d := inbox.Delivery{ID: ackDelivery(via, id, inc), Via: via, Caller: "link:" + person, Text: "ack --incident " + inc.ID(), Incident: inc.ID(), Received: nowUTC()}
		fresh, err := b.Receive(ctx, d)
		if err != nil {
			return "", err
		}
		if fresh && b.CarryOut(context.WithoutCancel(ctx), d).Wait() != ExitDone {
			return "", fmt.Errorf("%s could not be acknowledged as %s", inc.ID(), person)
		}
	}
	if len(incidents) == 1 {
		return fmt.Sprintf("%s acknowledged by %s.", incidents[0].ID(), person), nil
	}
	return fmt.Sprintf("%d incidents acknowledged by %s.", len(incidents), person), nil
}
