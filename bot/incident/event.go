package incident

import (
	"errors"
	"time"
)

// Bot is the author of entries that no person made.
const Bot = "irisops"

// Event moves an incident. By is a person's id, or Bot.
type Event interface{ event() }

type (
	// Acked: a person has taken it. It stops the response clock; the recovery
	// clock runs on.
	Acked struct{ By string }

	// DeclaredMitigated: users are helped, the cause is not mended. It counts as
	// an acknowledgement, and stops no recovery clock.
	DeclaredMitigated struct {
		By   string
		Text string
	}

	// PriorityChanged makes it more or less urgent, and arms the clocks anew
	// from now on. Raising it lifts a stop of the paging; lowering keeps it.
	PriorityChanged struct {
		By     string
		To     Priority
		Clocks Clocks // of the new priority
	}

	// Rearmed arms the clocks anew from now on, and lifts a stop of the paging.
	Rearmed struct {
		By     string
		Reason string
		Clocks Clocks
	}

	// DeclaredReopened: it was called recovered or resolved, and is not. Its
	// clocks are armed anew, and somebody has to acknowledge it again.
	DeclaredReopened struct {
		By     string
		Reason string
		Clocks Clocks
	}

	// Merged resolves it as a duplicate of another one, which gets TookIn in the
	// same transaction.
	Merged struct {
		By   string
		Into Incident
	}

	// TookIn: another one was merged into this one.
	TookIn struct {
		By   string
		From Incident
	}

	// HandoffAsked asks a person to take it over; they have it when they accept.
	HandoffAsked struct{ By, To string }

	// HandoffAccepted: the person who was asked has it now.
	HandoffAccepted struct{ By string }

	// RoleGiven makes somebody its commander or scribe.
	RoleGiven struct {
		By   string
		Role Role
		To   string
	}

	// Noted adds a line that changes nothing else: a note, a diagnosis, a step of
	// an action, a delivered page.
	Noted struct {
		By          string
		Kind        Kind
		Text        string
		Data        []byte
		Attachments []Attachment
	}

	// Verified: someone looked whether clients are served.
	Verified struct {
		By      string
		OK      bool
		Summary string
	}

	// DeclaredRecovered: service is back. It needs a verification that passed
	// within the last VerificationHolds, or a reason to go without.
	DeclaredRecovered struct {
		By    string
		Force string
	}

	// DeclaredResolved ends it. From any state but recovered it needs a reason.
	DeclaredResolved struct {
		By     string
		Reason string
	}

	// PagingStop ends the escalation, with a reason. It is never refused while
	// the incident is not over.
	PagingStop struct {
		By     string
		Reason string
	}

	// StepsDue fires whatever is due: steps, the response clock, a reminder.
	StepsDue struct{}
)

func (Acked) event()             {}
func (DeclaredMitigated) event() {}
func (PriorityChanged) event()   {}
func (Rearmed) event()           {}
func (DeclaredReopened) event()  {}
func (Merged) event()            {}
func (TookIn) event()            {}
func (HandoffAsked) event()      {}
func (HandoffAccepted) event()   {}
func (RoleGiven) event()         {}
func (Noted) event()             {}
func (Verified) event()          {}
func (DeclaredRecovered) event() {}
func (DeclaredResolved) event()  {}
func (PagingStop) event()        {}
func (StepsDue) event()          {}

// Role is what a person does in an incident.
type Role string

const (
	Commander Role = "commander" // decides
	Scribe    Role = "scribe"    // writes down
)

// VerificationHolds is how long a passed verification counts for recovery.
const VerificationHolds = 2 * time.Minute

// Why an event is refused. The incident is then unchanged.
var (
	ErrOver         = errors.New("the incident is resolved already")
	ErrNotVerified  = errors.New("clients are not verified to be served")
	ErrReasonNeeded = errors.New("a reason is needed")
	ErrNothingToDo  = errors.New("nothing would change")
	ErrRecovered    = errors.New("the incident is recovered")
	ErrNotRecovered = errors.New("the incident is neither recovered nor resolved")
	ErrNoHandoff    = errors.New("nobody has asked for a handoff")
	ErrNotAsked     = errors.New("somebody else was asked to take it over")
	ErrSame         = errors.New("an incident is no duplicate of itself")
	ErrUrgentLost   = errors.New("the more urgent clocks would be lost")
)
