// Package incident is the life of an incident: its states, the events that move
// it, and its timeline. It is pure: Apply takes an incident, an event and the
// time, and returns the incident afterwards with the effects to be committed
// with it in one transaction. Nothing here reads a clock, a file or a network.
package incident

import (
	"fmt"
	"time"
)

// Priority is how urgent an incident is, as the incident runbook names it.
type Priority string

const (
	P0 Priority = "P0" // service down: immediate
	P1 Priority = "P1" // major degradation: 15 minutes
	P2 Priority = "P2" // partial impact: 1 hour
	P3 Priority = "P3" // minor issue: next business day
)

// Priorities in order of urgency.
var Priorities = []Priority{P0, P1, P2, P3}

// State is where an incident stands.
type State string

const (
	Open         State = "open"
	Acknowledged State = "acknowledged"
	Recovered    State = "recovered"
	Resolved     State = "resolved"
)

// Incident is the aggregate that the store keeps. Version counts its commits.
type Incident struct {
	Number   uint64
	Version  uint64
	Cluster  string
	Title    string
	Priority Priority
	State    State

	DeclaredBy string
	DeclaredAt time.Time
	Cause      string // what made the bot declare it: "watch: edge1 refuses logins"; "" if a person did
	Drill      bool   // rehearsed: left out of the statistics, and every page says so

	AckedBy string
	AckedAt time.Time

	// Verification is the last time someone looked whether clients can log in
	// and reach each other.
	Verification *Verification

	RecoveredBy string
	RecoveredAt time.Time
	Forced      string // why it was called recovered while verification failed

	ResolvedBy string
	ResolvedAt time.Time
	Resolution string

	// Escalation: the steps of the policy as they stood when it was declared.
	// Only recovery, resolution or an explicit stop ends them; acknowledging
	// does not, because the runbook says "not recovered".
	Steps         []Step
	PagingStopped *Stop

	Entries int // how many timeline entries there are; the next has this number
}

// Step is one escalation step of this incident.
type Step struct {
	Name  string        // "P0/15m", unique within the incident
	After time.Duration // after declaration
	Role  string        // whom it pages: "sre"
	Due   time.Time
	Fired time.Time // zero: not yet
}

// Stop is a person's explicit "stop paging, because".
type Stop struct {
	By     string
	At     time.Time
	Reason string
}

// Verification is the outcome of looking whether clients are served.
type Verification struct {
	At      time.Time
	OK      bool
	Summary string
}

// ID is what people call it: "INC-7".
func (i Incident) ID() string { return ID(i.Number) }

// ID of the incident with that number.
func ID(number uint64) string { return fmt.Sprintf("INC-%d", number) }

// Over says whether it is resolved.
func (i Incident) Over() bool { return i.State == Resolved }

// Armed says whether its escalation clocks are running.
func (i Incident) Armed() bool {
	return (i.State == Open || i.State == Acknowledged) && i.PagingStopped == nil
}

// NextStep is the next escalation step that will fire. None if the clocks are
// stopped or every step has fired.
func (i Incident) NextStep() (Step, bool) {
	if !i.Armed() {
		return Step{}, false
	}
	var next Step
	found := false
	for _, s := range i.Steps {
		if s.Fired.IsZero() && (!found || s.Due.Before(next.Due)) {
			next, found = s, true
		}
	}
	return next, found
}

// Entry is one line of the timeline. Entries are only ever added.
type Entry struct {
	Seq  int
	At   time.Time
	By   string // a person's id, or "irisops"
	Kind Kind
	Text string
	Data []byte `json:",omitempty"` // details as JSON, by kind
}

// Kind says what a timeline entry tells.
type Kind string

const (
	KindDeclared  Kind = "declared"
	KindAcked     Kind = "acknowledged"
	KindNote      Kind = "note"
	KindDiagnosed Kind = "diagnosed"
	KindRequested Kind = "requested" // someone asked for an action
	KindDecided   Kind = "decided"   // confirmed, approved or denied
	KindStep      Kind = "step"      // a step of an action ended
	KindAction    Kind = "action"    // an action started or ended
	KindVerified  Kind = "verified"
	KindRecovered Kind = "recovered"
	KindResolved  Kind = "resolved"
	KindEscalated Kind = "escalated" // an escalation step fired
	KindPage      Kind = "page"      // a page was delivered or failed
	KindStopped   Kind = "paging stopped"
	KindHalt      Kind = "halt"
)

// Effects are what a change asks for beside the incident itself. The store
// commits them in the same transaction.
type Effects struct {
	Entries []Entry
	Pages   []Call
}

// Call asks for a role to be paged; who holds the role, and by which channels
// they are reached, is worked out by whoever commits it.
type Call struct {
	Step string
	Role string
	Due  time.Time
	Text string
}
