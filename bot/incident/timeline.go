package incident

import "time"

// Entry is one line of the timeline. Entries are only ever added.
type Entry struct {
	Seq  int
	At   time.Time
	By   string // a person's id, or "irisops"
	Kind Kind
	Text string
	Data []byte `json:",omitempty"` // details as JSON, by kind

	Attachments []Attachment `json:",omitempty"`
}

// Attachment is a picture or a file that people shared. It stays where it is: the
// timeline keeps what it is called and where it stands.
type Attachment struct {
	Name      string
	MediaType string // "image/png"
	Size      int64  // bytes; 0: not known
	Link      string
}

// Kind says what a timeline entry tells.
type Kind string

const (
	KindDeclared   Kind = "declared"
	KindAcked      Kind = "acknowledged"
	KindMitigated  Kind = "mitigated"
	KindSeverity   Kind = "severity"
	KindReopened   Kind = "reopened"
	KindRearmed    Kind = "re-armed"
	KindMerged     Kind = "merged"
	KindHandoff    Kind = "handoff"
	KindRole       Kind = "role"
	KindNote       Kind = "note"
	KindReminder   Kind = "reminder"   // nobody has said anything for long
	KindUnanswered Kind = "unanswered" // the response time is over
	KindDiagnosed  Kind = "diagnosed"
	KindRequested  Kind = "requested"   // someone asked for an action
	KindDecided    Kind = "decided"     // confirmed, approved or denied
	KindGlass      Kind = "break-glass" // an action was agreed to by one person alone
	KindStep       Kind = "step"        // a step of an action ended
	KindAction     Kind = "action"      // an action started or ended
	KindVerified   Kind = "verified"
	KindRecovered  Kind = "recovered"
	KindResolved   Kind = "resolved"
	KindEscalated  Kind = "escalated" // an escalation step fired
	KindPage       Kind = "page"      // a page was delivered or failed
	KindStopped    Kind = "paging stopped"
	KindHalt       Kind = "halt"
	KindDeclined   Kind = "declined" // a person who was called cannot take it
)

// enter adds a line. What a person says, and what an action does, is an update:
// the silence begins anew.
func (i *Incident) enter(eff *Effects, e Entry) {
	e.Seq = i.Entries
	i.Entries++
	eff.Entries = append(eff.Entries, e)
	if e.By != Bot || e.Kind == KindStep || e.Kind == KindAction {
		i.remind(e.At)
	}
}
