package oncall

import "irisops/bot/pager"

// Direct is one page to one person, whatever role they hold, by each of their
// channels.
func (r Roster) Direct(p pager.Page) []pager.Page {
	channels := r.Contacts[p.Person]
	if len(channels) == 0 {
		channels = []string{Conversation}
	}
	var pages []pager.Page
	for _, channel := range channels {
		p.Channel, p.State = channel, pager.Queued
		pages = append(pages, p)
	}
	return pages
}
