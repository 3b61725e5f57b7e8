package incident

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Declaration is what a new incident is made of.
type Declaration struct {
	Cluster  string
	Title    string
	Priority Priority
	By       string // a person's id, or Bot
	Cause    string // what made the bot declare it
	Symptoms string // what was seen, as a person told it
	Drill    bool
	Clocks   Clocks // of the escalation policy, from the declaration on
}

// New makes a new incident. Its clocks come from the escalation policy; steps
// that are due at once fire with it.
func New(number uint64, d Declaration, now time.Time) (Incident, Effects) {
	inc := Incident{
		Number: number, Cluster: d.Cluster, Title: d.Title, Priority: d.Priority, State: Open,
		DeclaredBy: d.By, DeclaredAt: now, Cause: d.Cause, Drill: d.Drill, Steps: slices.Clone(d.Clocks.Steps),
		AnswerBy: d.Clocks.AnswerBy, RemindEvery: d.Clocks.Remind,
	}
	var eff Effects
	text := fmt.Sprintf("%s declared: %s", d.Priority, d.Title)
	if d.Drill {
		text = "drill, " + text
	}
	if d.Cause != "" {
		text += " (" + d.Cause + ")"
	}
	inc.say(&eff, now, d.By, KindDeclared, text)
	if d.Symptoms != "" {
		inc.say(&eff, now, d.By, KindNote, "symptoms: "+d.Symptoms)
	}
	inc.remind(now)
	inc.fire(&eff, now)
	return inc, eff
}

// Apply moves the incident by one event. On an error the incident is returned
// as it was and nothing is to be committed. ErrNothingToDo says that the event
// is already true (acknowledged twice), which is no failure.
func Apply(inc Incident, event Event, now time.Time) (Incident, Effects, error) {
	before := inc
	inc.Steps = slices.Clone(inc.Steps)
	inc.Duplicates = slices.Clone(inc.Duplicates)
	var eff Effects
	if err := inc.apply(&eff, event, now); err != nil {
		return before, Effects{}, err
	}
	return inc, eff, nil
}

func (i *Incident) apply(eff *Effects, event Event, now time.Time) error {
	switch e := event.(type) { // what may come after the end
	case Noted: // the record may grow
		i.enter(eff, Entry{At: now, By: e.By, Kind: e.Kind, Text: e.Text, Data: e.Data, Attachments: e.Attachments})
		return nil
	case DeclaredReopened:
		return i.reopen(eff, e, now)
	}
	if i.Over() {
		return ErrOver
	}
	switch e := event.(type) {
	case Acked:
		return i.ack(eff, e, now)
	case DeclaredMitigated:
		return i.mitigate(eff, e, now)
	case PriorityChanged:
		return i.changePriority(eff, e, now)
	case Rearmed:
		return i.rearm(eff, e, now)
	case Merged:
		return i.merge(eff, e, now)
	case TookIn:
		i.Duplicates = append(i.Duplicates, e.From.Number)
		i.say(eff, now, e.By, KindMerged, fmt.Sprintf("%s is a duplicate of this and was merged into it: %s %s", e.From.ID(), e.From.Priority, e.From.Title))
	case HandoffAsked:
		return i.askHandoff(eff, e, now)
	case HandoffAccepted:
		return i.acceptHandoff(eff, e, now)
	case RoleGiven:
		return i.giveRole(eff, e, now)
	case Verified:
		i.Verification = &Verification{At: now, OK: e.OK, Summary: e.Summary}
		text := "verified: " + e.Summary
		if !e.OK {
			text = "not verified: " + e.Summary
		}
		i.say(eff, now, e.By, KindVerified, text)
	case DeclaredRecovered:
		return i.recover(eff, e, now)
	case Declined:
		return i.decline(eff, e, now)
	case HandoffDeclined:
		return i.declineHandoff(eff, e, now)
	case DeclaredResolved:
		return i.resolve(eff, e, now)
	case PagingStop:
		reason := strings.TrimSpace(e.Reason)
		if reason == "" {
			return ErrReasonNeeded
		}
		i.PagingStopped = &Stop{By: e.By, At: now, Reason: reason}
		i.drop(now, fmt.Sprintf("%s stopped the paging: %s", e.By, reason), all)
		i.say(eff, now, e.By, KindStopped, "paging stopped: "+reason)
	case StepsDue:
		if !i.fire(eff, now) {
			return ErrNothingToDo
		}
	default:
		panic(fmt.Sprintf("incident: unknown event %T", event))
	}
	return nil
}

func (i *Incident) ack(eff *Effects, e Acked, now time.Time) error {
	if !i.Waiting() {
		return ErrNothingToDo
	}
	i.State = Acknowledged
	i.take(e.By, now)
	i.say(eff, now, e.By, KindAcked, "acknowledged")
	return nil
}

// take makes a person its owner and stops the response clock.
func (i *Incident) take(by string, now time.Time) {
	i.AckedBy, i.AckedAt = by, now
	if i.AnsweredAt.IsZero() {
		i.AnsweredAt = now
	}
	i.drop(now, by+" acknowledged it", untilAcknowledged)
}

func (i *Incident) mitigate(eff *Effects, e DeclaredMitigated, now time.Time) error {
	switch i.State {
	case Mitigated:
		return ErrNothingToDo
	case Recovered:
		return ErrRecovered
	}
	if i.Waiting() {
		i.take(e.By, now)
	}
	i.State, i.MitigatedBy, i.MitigatedAt = Mitigated, e.By, now
	text := "mitigated"
	if how := strings.TrimSpace(e.Text); how != "" {
		text += ": " + how
	}
	i.say(eff, now, e.By, KindMitigated, text)
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
	i.drop(now, e.By+" called it recovered", all)
	i.say(eff, now, e.By, KindRecovered, text)
	return nil
}

func (i *Incident) resolve(eff *Effects, e DeclaredResolved, now time.Time) error {
	reason := strings.TrimSpace(e.Reason)
	if i.State != Recovered && reason == "" {
		return ErrReasonNeeded
	}
	text := "resolved"
	if reason != "" {
		text += ": " + reason
	}
	i.end(e.By, reason, now)
	i.say(eff, now, e.By, KindResolved, text)
	return nil
}

func (i *Incident) end(by, reason string, now time.Time) {
	i.State, i.ResolvedBy, i.ResolvedAt, i.Resolution = Resolved, by, now, reason
	i.Handoff = nil
	because := by + " resolved it"
	if reason != "" {
		because += ": " + reason
	}
	i.drop(now, because, all)
}

// merge keeps the more urgent clocks: the one that goes on is at least as urgent,
// and of two alike the older.
func (i *Incident) merge(eff *Effects, e Merged, now time.Time) error {
	into := e.Into
	switch {
	case into.Number == i.Number:
		return ErrSame
	case into.Over():
		return ErrOver
	case i.Armed() && !into.Armed(), i.Troubled() && (!into.Troubled() || into.Priority > i.Priority || into.Priority == i.Priority && into.DeclaredAt.After(i.DeclaredAt)):
		return ErrUrgentLost
	}
	i.MergedInto = into.Number
	i.end(e.By, "duplicate of "+into.ID(), now)
	i.say(eff, now, e.By, KindMerged, fmt.Sprintf("merged into %s, as a duplicate of it: %s %s", into.ID(), into.Priority, into.Title))
	return nil
}

func (i *Incident) reopen(eff *Effects, e DeclaredReopened, now time.Time) error {
	if i.Troubled() {
		return ErrNotRecovered
	}
	was := fmt.Sprintf("it was called recovered by %s", i.RecoveredBy)
	if i.Over() {
		was = fmt.Sprintf("it was resolved by %s", i.ResolvedBy)
	}
	i.State = Reopened
	i.Reopenings++
	i.AckedBy, i.AckedAt = "", time.Time{}
	i.MitigatedBy, i.MitigatedAt = "", time.Time{}
	i.Verification, i.Forced = nil, ""
	i.RecoveredBy, i.RecoveredAt = "", time.Time{}
	i.ResolvedBy, i.ResolvedAt, i.Resolution, i.MergedInto = "", time.Time{}, "", 0
	i.PagingStopped, i.Handoff = nil, nil
	text := "reopened"
	if reason := strings.TrimSpace(e.Reason); reason != "" {
		text += ": " + reason
	}
	i.say(eff, now, e.By, KindReopened, text+" ("+was+")")
	i.arm(eff, e.Clocks, now, "it was reopened by "+e.By)
	return nil
}

func (i *Incident) say(eff *Effects, now time.Time, by string, kind Kind, text string) {
	i.enter(eff, Entry{At: now, By: by, Kind: kind, Text: text})
}
