package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/pager"
)

// outbox is the store as the pager sees it: a page's end is told in the
// incident's timeline in the same transaction, together with what follows from
// it: another channel, or everyone.
type outbox struct{ *Bot }

// DuePages implements pager.Outbox.
func (o outbox) DuePages(now time.Time, limit int) ([]pager.Page, error) {
	return o.Store.DuePages(now, limit)
}

// Begin implements pager.Outbox: "sending" is durable before the send begins.
func (o outbox) Begin(ctx context.Context, pages []pager.Page) ([]pager.Page, error) {
	return pages, o.Store.Commit(ctx, change.Change{Pages: pages})
}

// Settle implements pager.Outbox. Pages that were sent as one are settled in one
// transaction, whatever incidents they belong to.
func (o outbox) Settle(ctx context.Context, pages []pager.Page) error {
	if pages[0].State == pager.Queued { // another attempt later
		return o.Store.Commit(ctx, change.Change{Pages: pages})
	}
	for range attempts {
		changes, err := o.settling(pages, nowUTC())
		if err != nil {
			return err
		}
		err = o.Store.Commit(ctx, changes...)
		if errors.Is(err, change.ErrConflict) {
			continue
		}
		if err == nil {
			o.tellSettled(pages)
			o.drain.Kick() // for what follows
		}
		return err
	}
	return fmt.Errorf("%d pages could not be settled, because their incidents change too often: %w", len(pages), change.ErrConflict)
}

// settling are the changes that settle the pages, one for each incident.
func (o outbox) settling(pages []pager.Page, now time.Time) ([]change.Change, error) {
	var order []string
	of := map[string][]pager.Page{}
	for _, p := range pages {
		if of[p.Incident] == nil {
			order = append(order, p.Incident)
		}
		of[p.Incident] = append(of[p.Incident], p)
	}
	var changes []change.Change
	for _, id := range order {
		if id == "" {
			ch := change.Change{Pages: slices.Clone(of[id])}
			for _, p := range of[id] {
				if p.State == pager.Failed {
					ch.Pages = append(ch.Pages, o.next(nil, p, now).pages...)
				}
			}
			changes = append(changes, ch)
			continue
		}
		ch, err := o.settlingOf(id, of[id], now)
		if err != nil {
			return nil, err
		}
		changes = append(changes, ch)
	}
	return changes, nil
}

func (o outbox) settlingOf(id string, pages []pager.Page, now time.Time) (change.Change, error) {
	number, err := numberOf(id)
	if err != nil {
		return change.Change{}, err
	}
	inc, err := o.Store.Incident(number)
	if err != nil {
		return change.Change{}, err
	}
	ch := change.Change{Pages: slices.Clone(pages)}
	for _, p := range pages {
		follows := following{}
		if p.State == pager.Failed {
			follows = o.next(&inc, p, now)
		}
		if u, ok := o.updateNow(inc, p, now); ok && p.State == pager.Delivered { // it was taken or over before the page arrived
			follows.pages = append(follows.pages, u)
		}
		ch.Pages = append(ch.Pages, follows.pages...)
		text := settledText(p, follows.text)
		if text == "" {
			continue
		}
		next, eff, err := incident.Apply(inc, incident.Noted{By: incident.Bot, Kind: incident.KindPage, Text: text}, now)
		if err != nil {
			return change.Change{}, err
		}
		inc = next
		ch.Entries = append(ch.Entries, eff.Entries...)
	}
	if len(ch.Entries) > 0 {
		ch.Incident = &inc
	}
	return ch, nil
}

// settledText is what the timeline says of a page that has come to its end; "" is
// nothing.
func settledText(p pager.Page, follows string) string {
	whom := fmt.Sprintf("%s (%s)", firstOf(p.Person, "everybody"), p.Role)
	if p.Update != pager.NoUpdate {
		if p.State == pager.Delivered {
			return ""
		}
		return fmt.Sprintf("could NOT tell %s %s that it is %sd: %s", whom, byChannel(p.Channel), p.Update, p.LastError)
	}
	text := fmt.Sprintf("paged %s %s", whom, byChannel(p.Channel))
	if p.State == pager.Failed {
		text = fmt.Sprintf("could NOT page %s %s: %s", whom, byChannel(p.Channel), p.LastError)
	}
	if late := p.Late(); late > 0 {
		text += fmt.Sprintf(", late by %s", spoken(late))
	}
	if p.PossibleDuplicate {
		text += ", possible duplicate"
	}
	if p.Together() {
		text += ", together with others"
	}
	if follows != "" {
		text += "; " + follows
	}
	return text
}

func byChannel(channel string) string {
	if channel == (conversation{}).Channel() {
		return "in the conversation"
	}
	return "by " + pager.Spoken(channel)
}

// following is what follows a page that has failed.
type following struct {
	pages []pager.Page
	text  string
}

// next is what is done about a page that could not be delivered: the person's
// next channel, then everyone else whom the incident's policy names.
func (o outbox) next(inc *incident.Incident, p pager.Page, now time.Time) following {
	if p.Update != pager.NoUpdate {
		return following{}
	}
	everybody := []string(nil)
	if inc != nil && !strings.HasSuffix(p.Step, approvalStep) {
		everybody = o.everybody(*inc, now)
	}
	why := fmt.Sprintf("%s was not reached %s, so everyone on call is paged.", firstOf(p.Person, "everybody"), byChannel(p.Channel))
	pages := []pager.Page(nil)
	if inc != nil || len(p.Next) > 0 {
		pages = o.roster().After(p, everybody, why, now)
	}
	if afterDirect(p) { // the same Slack: it gets what is left of the attempts, and one at least
		pages[0].Attempts, pages[0].PossibleDuplicate = max(0, p.Attempts-1), p.PossibleDuplicate
	}
	switch {
	case len(pages) == 0 && p.Wide:
		return following{text: "everyone else is paged already"}
	case len(pages) == 0:
		return following{text: "there is nobody and nothing else to try"}
	case len(p.Next) == 0 && pages[0].Person == p.Person:
		return following{pages, "there is nobody else, so all is tried again"}
	case len(p.Next) > 0:
		return following{pages, "trying " + byChannel(pages[0].Channel) + " instead"}
	}
	var names []string
	for _, n := range pages {
		names = append(names, firstOf(n.Person, "the team"))
	}
	return following{pages, "paging everyone else instead: " + strings.Join(names, ", ")}
}

// everybody is everyone whom the steps of the incident page; if it has none,
// everyone on call.
func (b *Bot) everybody(inc incident.Incident, now time.Time) []string {
	roster := b.roster()
	var people []string
	for _, s := range inc.Steps {
		if person, ok := roster.Now(s.Role, now); ok {
			people = append(people, person)
		}
	}
	if len(people) == 0 {
		return roster.Everyone(now)
	}
	slices.Sort(people)
	return slices.Compact(people)
}

// undeliverable is loud: a person was not reached.
func (b *Bot) undeliverable(p pager.Page) {
	if p.Update != pager.NoUpdate {
		b.log.Error("a far end does not know what became of a page", "page", p.Key(), "err", p.LastError)
		return
	}
	follows := "Call them by another way."
	id, _, _ := strings.Cut(p.Key(), "/")
	if len(p.Group) > 0 {
		id, _, _ = strings.Cut(p.Group[0], "/")
	}
	if number, err := numberOf(id); err == nil {
		if inc, err := b.Store.Incident(number); err == nil {
			if f := (outbox{b}).next(&inc, p, nowUTC()); len(f.pages) > 0 {
				follows = sentence(strings.ToUpper(f.text[:1]) + f.text[1:])
			}
		}
	}
	if p.State == pager.Queued {
		follows = "It is tried again and again, for an hour. Call them by another way."
	}
	level := message.Page
	if afterDirect(p) { // where they are called all the same
		level = message.Warn
	}
	b.publish(b.ctx, Post{Key: "undeliverable/" + p.Key(), Incident: p.Incident, OnCall: true, Message: message.Message{
		Level: level, Title: fmt.Sprintf("%s was NOT reached %s: %s", firstOf(p.Person, p.Role), byChannel(p.Channel), p.LastError),
		Blocks: []message.Block{{Text: follows + " The page said: " + p.Text}}}})
}

// tellSettled says in the incident's thread who was reached outside of the
// conversation, and brings the answer to whoever sent a page by hand up to date.
func (b *Bot) tellSettled(pages []pager.Page) {
	for _, p := range pages {
		if p.Update != pager.NoUpdate {
			continue
		}
		shown := p.Channel == (conversation{}).Channel() || p.Channel == pager.DirectMessage // the page itself stands there
		if p.State == pager.Delivered && !shown && p.Incident != "" && len(pages) == 1 {
			b.publish(b.ctx, Post{Key: "paged/" + p.Key(), Incident: p.Incident, Message: message.Message{
				Title: fmt.Sprintf("Paged %s (%s) %s.", firstOf(p.Person, "the team"), p.Role, byChannel(p.Channel))}})
		}
		b.tellAsker(p)
	}
}
