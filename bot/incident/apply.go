package incident

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Bot is the author of entries that no person made.
const Bot = "irisops"

// Event moves an incident. By is a person's id, or Bot.
type Event interface{ event() }

type (
	// Acked: a person has taken it. The escalation clocks run on.
	Acked struct{ By string }

	// Noted adds a line that changes nothing else: a note, a diagnosis, a step of
	// an action, a delivered page.
	Noted struct {
		By   string
		Kind Kind
		Text string
		Data []byte
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

	// StepsDue fires every step that is due.
	StepsDue struct{}
)

func (Acked) event()             {}
func (Noted) event()             {}
func (Verified) event()          {}
func (DeclaredRecovered) event() {}
func (DeclaredResolved) event()  {}
func (PagingStop) event()        {}
func (StepsDue) event()          {}

// VerificationHolds is how long a passed verification counts for recovery.
const VerificationHolds = 2 * time.Minute

// Why an event is refused. The incident is then unchanged.
var (
	ErrOver         = errors.New("the incident is resolved already")
	ErrNotVerified  = errors.New("clients are not verified to be served")
	ErrReasonNeeded = errors.New("a reason is needed")
	ErrNothingToDo  = errors.New("nothing would change")
)

// Declaration is what a new incident is made of.
type Declaration struct {
	Cluster  string
	Title    string
	Priority Priority
	By       string // a person's id, or Bot
	Cause    string // what made the bot declare it
	Drill    bool
	Steps    []Step // of the escalation policy, armed
}

// Declare makes a new incident as a person declares it; see New.
func Declare(number uint64, cluster string, p Priority, title, by string, steps []Step, now time.Time) (Incident, Effects) {
	return New(number, Declaration{Cluster: cluster, Title: title, Priority: p, By: by, Steps: steps}, now)
}

// New makes a new incident. Its steps come from the escalation policy; those due
// at once fire with it.
func New(number uint64, d Declaration, now time.Time) (Incident, Effects) {
	inc := Incident{
		Number: number, Cluster: d.Cluster, Title: d.Title, Priority: d.Priority, State: Open,
		DeclaredBy: d.By, DeclaredAt: now, Cause: d.Cause, Drill: d.Drill, Steps: append([]Step(nil), d.Steps...),
	}
	var eff Effects
	text := fmt.Sprintf("%s declared: %s", d.Priority, d.Title)
	if d.Drill {
		text = "drill, " + text
	}
	if d.Cause != "" {
		text += " (" + d.Cause + ")"
	}
	inc.enter(&eff, now, d.By, KindDeclared, text, nil)
	inc.fire(&eff, now)
	return inc, eff
}

// Apply moves the incident by one event. On an error the incident is returned
// as it was and nothing is to be committed. ErrNothingToDo says that the event
// is already true (acknowledged twice), which is no failure.
func Apply(inc Incident, event Event, now time.Time) (Incident, Effects, error) {
	before := inc
	inc.Steps = append([]Step(nil), inc.Steps...)
	var eff Effects
	if err := inc.apply(&eff, event, now); err != nil {
		return before, Effects{}, err
	}
	return inc, eff, nil
}

func (i *Incident) apply(eff *Effects, event Event, now time.Time) error {
	if note, ok := event.(Noted); ok { // the record may grow after the end
		i.enter(eff, now, note.By, note.Kind, note.Text, note.Data)
		return nil
	}
	if i.Over() {
		return ErrOver
	}
	switch e := event.(type) {
	case Acked:
		if i.State != Open {
			return ErrNothingToDo
		}
		i.State, i.AckedBy, i.AckedAt = Acknowledged, e.By, now
		i.enter(eff, now, e.By, KindAcked, "acknowledged", nil)
	case Verified:
		i.Verification = &Verification{At: now, OK: e.OK, Summary: e.Summary}
		text := "verified: " + e.Summary
		if !e.OK {
			text = "not verified: " + e.Summary
		}
		i.enter(eff, now, e.By, KindVerified, text, nil)
	case DeclaredRecovered:
		return i.recover(eff, e, now)
	case DeclaredResolved:
		reason := strings.TrimSpace(e.Reason)
		if i.State != Recovered && reason == "" {
			return ErrReasonNeeded
		}
		text := "resolved"
		if reason != "" {
			text += ": " + reason
		}
		i.State, i.ResolvedBy, i.ResolvedAt, i.Resolution = Resolved, e.By, now, reason
		i.enter(eff, now, e.By, KindResolved, text, nil)
	case PagingStop:
		reason := strings.TrimSpace(e.Reason)
		if reason == "" {
			return ErrReasonNeeded
		}
		i.PagingStopped = &Stop{By: e.By, At: now, Reason: reason}
		i.enter(eff, now, e.By, KindStopped, "paging stopped: "+reason, nil)
	case StepsDue:
		if !i.fire(eff, now) {
			return ErrNothingToDo
		}
	default:
		panic(fmt.Sprintf("incident: unknown event %T", event))
	}
	return nil
}

func (i *Incident) recover(eff *Effects, e DeclaredRecovered, now time.Time) error {
	if i.State == Recovered {
		return ErrNothingToDo
	}
	text := "recovered"
	force := strings.TrimSpace(e.Force)
	v := i.Verification
	switch {
	case v != nil && v.OK && now.Sub(v.At).Abs() <= VerificationHolds: // Abs: the clock may have been set back
		text += ", verified: " + v.Summary
	case force != "":
		i.Forced = force
		text += " without verification, because: " + force
	default:
		return ErrNotVerified
	}
	i.State, i.RecoveredBy, i.RecoveredAt = Recovered, e.By, now
	i.enter(eff, now, e.By, KindRecovered, text, nil)
	return nil
}

// fire fires every due step and says whether there was one.
func (i *Incident) fire(eff *Effects, now time.Time) bool {
	if !i.Armed() {
		return false
	}
	fired := false
	for n := range i.Steps {
		s := &i.Steps[n]
		if !s.Fired.IsZero() || s.Due.After(now) {
			continue
		}
		s.Fired, fired = now, true
		eff.Pages = append(eff.Pages, Call{Step: s.Name, Role: s.Role, Due: s.Due, Text: i.callText(*s)})
		text := fmt.Sprintf("escalation %s: paging %s", s.Name, s.Role)
		if late := now.Sub(s.Due).Round(time.Second); late > time.Second {
			text += fmt.Sprintf(", late by %s", late)
		}
		i.enter(eff, now, Bot, KindEscalated, text, nil)
	}
	return fired
}

func (i *Incident) callText(s Step) string {
	name := fmt.Sprintf("%s %s", i.ID(), i.Priority)
	if i.Drill {
		name = "DRILL " + name
	}
	if s.After == 0 {
		return fmt.Sprintf("%s: %s (declared by %s)", name, i.Title, i.DeclaredBy)
	}
	text := fmt.Sprintf("%s not recovered after %s: %s", name, brief(s.After), i.Title)
	if i.AckedBy != "" {
		return text + " (acknowledged by " + i.AckedBy + ")"
	}
	return text + " (not acknowledged)"
}

func brief(d time.Duration) string {
	switch {
	case d == time.Minute:
		return "1 minute"
	case d%time.Minute == 0:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return d.String()
}

func (i *Incident) enter(eff *Effects, now time.Time, by string, kind Kind, text string, data []byte) {
	eff.Entries = append(eff.Entries, Entry{Seq: i.Entries, At: now, By: by, Kind: kind, Text: text, Data: data})
	i.Entries++
}
