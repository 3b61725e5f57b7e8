package oncall

import (
	"time"

	"irisops/bot/pager"
)

// Direct is one page to one person, whatever role they hold: by the first of
// their channels, with the others to fall back on. For nobody in particular
// (Person is "") it goes by what the roster has for that.
func (r Roster) Direct(p pager.Page) []pager.Page {
	channels := r.Channels(p.Person)
	p.Channel, p.Next, p.State = channels[0], channels[1:], pager.Queued
	if len(p.Next) == 0 {
		p.Next = nil
	}
	return []pager.Page{p}
}

// Channels are how the person is paged, in order.
func (r Roster) Channels(person string) []string {
	if channels := r.Contacts[person]; len(channels) > 0 {
		return channels
	}
	return []string{Conversation}
}

// After is what follows a page that has failed for good: the next of the person's
// channels, else everyone of everybody but the person, and whoever is meant by
// nobody in particular; the person once more, if there is no one else. Nothing
// follows a page to everyone.
func (r Roster) After(p pager.Page, everybody []string, why string, now time.Time) []pager.Page {
	next := pager.Page{Incident: p.Incident, Step: p.Step, Role: p.Role, Person: p.Person, Text: p.Text, Queued: now, Due: p.Due, State: pager.Queued, Wide: p.Wide}
	if len(p.Next) > 0 {
		next.Channel, next.Next = p.Next[0], p.Next[1:]
		if len(next.Next) == 0 {
			next.Next = nil
		}
		return []pager.Page{next}
	}
	if p.Wide {
		return nil
	}
	next.Wide, next.Text = true, p.Text+"\n"+why
	var pages []pager.Page
	for _, person := range everybody {
		if person == p.Person || person == "" {
			continue
		}
		next.Role, next.Person = p.Role+":"+person, person
		pages = append(pages, r.Direct(next)...)
	}
	if len(r.Contacts[""]) > 0 && p.Person != "" {
		next.Role, next.Person = p.Role+":team", ""
		pages = append(pages, r.Direct(next)...)
	}
	if len(pages) == 0 && len(everybody) > 0 && p.Person != "" {
		next.Role, next.Person, next.Text = p.Role+":again", p.Person, p.Text
		pages = r.Direct(next)
	}
	return pages
}
