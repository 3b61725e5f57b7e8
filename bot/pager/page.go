// Package pager calls people. A Page is one call to one person by one channel,
// keyed so that it is never lost and never doubled without saying so; the
// outbox in the store holds pages until a Sender has delivered them.
package pager

import (
	"fmt"
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
