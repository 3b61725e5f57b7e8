// Package oncall says who is on call: who holds a role now, and whom a call for
// a role therefore pages, by which channels. It is pure.
package oncall

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"irisops/bot/incident"
	"irisops/bot/pager"
)

// Conversation is the channel of people for whom no other is given: the
// conversation itself, in every room.
const Conversation = "conversation"

// Roster is who holds which on-call role, and how they are reached.
type Roster struct {
	Roles     map[string]string   // "sre" -> a person's id, where it is always the same
	Shifts    map[string][]Shift  // "sre" -> who holds it when; the first that is on counts
	Overrides []Override          // they go before both, the last made first
	Contacts  map[string][]string // a person's id -> the channels that page them, in order; absent: Conversation
	Zone      *time.Location      // of the clock on the wall; nil: UTC
}

// Now is who holds the role at that time. False if nobody does.
func (r Roster) Now(role string, now time.Time) (person string, ok bool) {
	person, _ = r.holder(role, now)
	return person, person != ""
}

// holder is who holds the role at that time, and the override by which.
func (r Roster) holder(role string, at time.Time) (person, override string) {
	for _, o := range slices.Backward(r.Overrides) {
		if o.Role == role && o.on(at) {
			return o.Person, o.ID()
		}
	}
	for _, s := range r.Shifts[role] {
		if s.covers(at, r.zone()) {
			return s.person(at, r.zone()), ""
		}
	}
	return r.Roles[role], ""
}

func (r Roster) zone() *time.Location {
	if r.Zone == nil {
		return time.UTC
	}
	return r.Zone
}

// Names are the roles of the roster, in alphabetical order.
func (r Roster) Names() []string {
	names := slices.Collect(maps.Keys(r.Roles))
	for role := range r.Shifts {
		names = append(names, role)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Everyone is every person on the roster, once, in alphabetical order.
func (r Roster) Everyone(now time.Time) []string {
	var people []string
	for _, role := range r.Names() {
		if person, ok := r.Now(role, now); ok {
			people = append(people, person)
		}
	}
	slices.Sort(people)
	return slices.Compact(people)
}

// Pages are the calls as pages, one for each person, by the first of their
// channels. A role that
// nobody holds calls everyone on the roster instead, and says so; their pages
// have the target "sre:operator", so that each has a key of its own. With
// nobody on the roster at all one page without a person goes to the
// conversation, where whoever reads it is meant.
func (r Roster) Pages(incidentID string, calls []incident.Call, now time.Time) []pager.Page {
	var pages []pager.Page
	for _, c := range calls {
		if person, ok := r.Now(c.Role, now); ok {
			pages = append(pages, r.page(incidentID, c, c.Role, person, c.Text, false, now)...)
			continue
		}
		everyone := r.Everyone(now)
		if len(everyone) == 0 {
			text := fmt.Sprintf("%s\nNobody holds the on-call role %s, and nobody is on call at all: whoever reads this, take it.", c.Text, c.Role)
			pages = append(pages, r.page(incidentID, c, c.Role, "", text, true, now)...)
			continue
		}
		text := fmt.Sprintf("%s\nNobody holds the on-call role %s, so everyone on call is paged: %s.", c.Text, c.Role, strings.Join(everyone, ", "))
		for _, person := range everyone {
			pages = append(pages, r.page(incidentID, c, c.Role+":"+person, person, text, true, now)...)
		}
	}
	return pages
}

func (r Roster) page(incidentID string, c incident.Call, target, person, text string, wide bool, now time.Time) []pager.Page {
	return r.Direct(pager.Page{Incident: incidentID, Step: c.Step, Role: target, Person: person, Text: text, Wide: wide, Queued: now, Due: c.Due})
}
