// Package incident is the life of an incident: its states, the events that move
// it, its clocks, and its timeline. It is pure: Apply takes an incident, an event
// and the time, and returns the incident afterwards with the effects to be
// committed with it in one transaction. Nothing here reads a clock, a file or a
// network. docs/incidents.md has the rules in one page.
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
	Mitigated    State = "mitigated" // users are helped, the cause is not mended: the clocks run on
	Recovered    State = "recovered"
	Resolved     State = "resolved"
	Reopened     State = "reopened" // as open: it was called recovered or resolved, and was not
)

// States in the order in which an incident passes through them.
var States = []State{Open, Reopened, Acknowledged, Mitigated, Recovered, Resolved}

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

	AckedBy    string // who has it now
	AckedAt    time.Time
	AnsweredAt time.Time // when it was first acknowledged, whatever came later
	Handoff    *Handoff  // asked for and not accepted yet
	Commander  string
	Scribe     string

	MitigatedBy string
	MitigatedAt time.Time

	// Verification is the last time someone looked whether clients can log in
	// and reach each other.
	Verification *Verification

	RecoveredBy string
	RecoveredAt time.Time
	Forced      string // why it was called recovered while verification failed

	ResolvedBy string
	ResolvedAt time.Time
	Resolution string

	MergedInto uint64   // resolved as a duplicate of that one
	Duplicates []uint64 // those that were merged into this one
	Reopenings int

	// The recovery clock: steps of the policy as it stood when they were armed.
	// Only recovery, resolution or an explicit stop ends them; acknowledging
	// does not, because the runbook says "not recovered". Steps that fired or
	// were dropped stay, as the record.
	Steps         []Step
	Arming        Arming
	PagingStopped *Stop

	// The response clock: by when somebody has to have acknowledged, and when
	// it was told that nobody did.
	AnswerBy   time.Time // zero: no time is set
	AnswerFrom time.Time // since when that runs; zero: since the clocks were armed
	Unanswered time.Time

	// Reminders: how long nobody may be silent, and when that is over.
	RemindEvery time.Duration // 0: never
	RemindAt    time.Time

	Entries int // how many timeline entries there are; the next has this number
}

// Step is one escalation step of this incident.
type Step struct {
	Name   string        // "P0/15m", unique within the incident
	After  time.Duration // after the clocks were armed
	Role   string        // whom it pages: "sre"
	Unless Unless
	Round  int // of Arming; 0: armed with the declaration
	Due    time.Time
	Fired  time.Time // zero: not yet

	Dropped time.Time // zero: not; it will never fire then
	Because string    // why it was dropped
}

// Pending says whether it may still fire.
func (s Step) Pending() bool { return s.Fired.IsZero() && s.Dropped.IsZero() }

// Unless is what keeps a step from firing, if it comes first.
type Unless string

const (
	UnlessRecovered    Unless = "" // the recovery clock
	UnlessAcknowledged Unless = "acknowledged"
)

func (u Unless) String() string {
	if u == UnlessRecovered {
		return "recovered"
	}
	return string(u)
}

// Arming is when and why the clocks were last armed. Round counts how often they
// were armed anew, so that steps of different rounds have different names.
type Arming struct {
	Round int
	At    time.Time
	Why   string // "it was raised from P2 to P0 by owner"; "" is the declaration
}

// Clocks are what the escalation policy says from one moment on.
type Clocks struct {
	Steps    []Step
	AnswerBy time.Time     // zero: no time is set
	Remind   time.Duration // 0: never
}

// Handoff is asked for by one person and accepted by the other.
type Handoff struct {
	By string
	To string
	At time.Time
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

// Waiting says whether nobody has acknowledged it, or not since it was reopened.
func (i Incident) Waiting() bool { return i.State == Open || i.State == Reopened }

// Troubled says whether clients may not be served: neither recovered nor
// resolved.
func (i Incident) Troubled() bool { return i.State != Recovered && i.State != Resolved }

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
