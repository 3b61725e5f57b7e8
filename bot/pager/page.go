// Package pager calls people. A Page is one call to one person by one channel,
// keyed so that it is never lost and never doubled without saying so; the
// outbox in the store holds pages until a Sender has delivered them.
package pager

import (
	"fmt"
	"strings"
	"time"
)

// Page is one entry of the outbox.
type Page struct {
	Incident string // "INC-7"
	Step     string // "P0/15m": which step of which policy, unique within the incident
	Role     string // the target as the policy names it: "sre"
	Person   string // who that was when the step fired; "" if nobody holds the role
	Channel  string // which Sender: "conversation"
	Text     string // what the person reads, first line first
	Queued   time.Time
	Due      time.Time // when the step was due; before Queued if it fired late
	State    State
	Attempts int
	// PossibleDuplicate: the bot died in the middle of an earlier send, so this
	// page may already have arrived.
	PossibleDuplicate bool
	LastError         string
	Sent              time.Time
	NotBefore         time.Time // next attempt not before this

	// Next are the channels that are tried after this one, in order, when it
	// fails; with none left everyone is paged. Wide says that this has happened:
	// the page is one of those to everyone, and its end is the end.
	Next []string
	Wide bool
	// Update says that this is no page but word about an earlier one, which has
	// the same Ref: that somebody has taken what it called for, or that it is over.
	Update Update
	// Ref is what far ends know the page by, the same for the page, for every
	// attempt at it, and for its Updates. Those that were sent as one share it.
	Ref string
	// Group are the keys of the pages that were sent as one with this, the first
	// of them; itself included. Empty: it went alone.
	Group []string
}

// DirectMessage is the channel that speaks to the person alone, where people
// talk: a direct message in Slack.
const DirectMessage = "direct"

// Spoken is a channel as people call it.
func Spoken(channel string) string {
	if channel == DirectMessage {
		return "Slack direct message"
	}
	return strings.ReplaceAll(channel, ":", " ")
}

// Update is what is to be told about an earlier page.
type Update string

const (
	NoUpdate     Update = ""
	Acknowledged Update = "acknowledge"
	Resolved     Update = "resolve"
)

// Reference is Ref, or what it will be.
func (p Page) Reference() string {
	if p.Ref != "" {
		return p.Ref
	}
	return fmt.Sprintf("%s@%d", p.Key(), p.Queued.Unix())
}

// Together says that it was sent as one with others.
func (p Page) Together() bool {
	return strings.Contains(p.Ref[strings.LastIndexByte(p.Ref, '@')+1:], "+")
}

// KeyOf is the key of the page that the reference is of.
func KeyOf(reference string) string {
	if i := strings.LastIndexByte(reference, '@'); i >= 0 {
		return reference[:i]
	}
	return reference
}

// About is word for the far end of p about it: not a page, so that nothing is
// tried beyond its channel.
func (p Page) About(u Update, text string, now time.Time) Page {
	return Page{Incident: p.Incident, Step: p.Step + "+" + string(u), Role: p.Role, Person: p.Person, Channel: p.Channel,
		Text: text, Queued: now, Due: now, State: Queued, Update: u, Ref: p.Reference()}
}

// State is where a page stands.
type State string

const (
	Queued    State = "queued"
	Sending   State = "sending" // written before the send begins
	Delivered State = "delivered"
	Failed    State = "failed" // given up; the incident says so
)

// Key is the page's identity: at least once for each key, and twice only with
// PossibleDuplicate.
func (p Page) Key() string {
	return fmt.Sprintf("%s/%s/%s/%s", p.Incident, p.Step, p.Role, p.Channel)
}

// Late is how long after its due time the page was queued; 0 if within a second.
func (p Page) Late() time.Duration {
	if late := p.Queued.Sub(p.Due); late > time.Second {
		return late.Round(time.Second)
	}
	return 0
}
