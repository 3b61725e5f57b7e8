package postmortem

import (
	"encoding/json"
	"time"

	"irisops/bot/incident"
)

// The export has names of its own, which stay when the program's change.
type exported struct {
	Format      int       `json:"format"` // of this export: 1
	ID          string    `json:"id"`
	Cluster     string    `json:"cluster"`
	Title       string    `json:"title"`
	Priority    string    `json:"priority"`
	State       string    `json:"state"`
	Drill       bool      `json:"drill"`
	Cause       string    `json:"cause,omitempty"`
	DeclaredBy  string    `json:"declared_by"`
	DeclaredAt  time.Time `json:"declared_at"`
	AnsweredAt  time.Time `json:"acknowledged_at,omitzero"` // first
	Owner       string    `json:"owner,omitempty"`
	Commander   string    `json:"commander,omitempty"`
	Scribe      string    `json:"scribe,omitempty"`
	MitigatedBy string    `json:"mitigated_by,omitempty"`
	MitigatedAt time.Time `json:"mitigated_at,omitzero"`
	RecoveredBy string    `json:"recovered_by,omitempty"`
	RecoveredAt time.Time `json:"recovered_at,omitzero"`
	Forced      string    `json:"recovered_unverified_because,omitempty"`
	ResolvedBy  string    `json:"resolved_by,omitempty"`
	ResolvedAt  time.Time `json:"resolved_at,omitzero"`
	Resolution  string    `json:"resolution,omitempty"`
	Reopenings  int       `json:"reopenings"`
	MergedInto  string    `json:"merged_into,omitempty"`
	Duplicates  []string  `json:"duplicates,omitempty"`
	AnswerBy    time.Time `json:"acknowledge_by,omitzero"`
	Unanswered  time.Time `json:"unanswered_at,omitzero"`

	PagingStopped *exportedStop `json:"paging_stopped,omitempty"`

	Steps    []exportedStep  `json:"steps"`
	Timeline []exportedEntry `json:"timeline"`
	Runs     []exportedRun   `json:"runs"`
	Pages    []exportedPage  `json:"pages"`
}

type exportedStop struct {
	By     string    `json:"by"`
	At     time.Time `json:"at"`
	Reason string    `json:"reason"`
}

type exportedStep struct {
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Unless  string    `json:"unless"`
	Due     time.Time `json:"due"`
	Fired   time.Time `json:"fired,omitzero"`
	Dropped time.Time `json:"dropped,omitzero"`
	Because string    `json:"because,omitempty"`
}

type exportedEntry struct {
	At          time.Time             `json:"at"`
	By          string                `json:"by"`
	Kind        string                `json:"kind"`
	Text        string                `json:"text"`
	Data        json.RawMessage       `json:"data,omitempty"`
	Attachments []exportedAttachments `json:"attachments,omitempty"`
}

type exportedAttachments struct {
	Name      string `json:"name"`
	MediaType string `json:"media_type,omitempty"`
	Size      int64  `json:"size,omitempty"`
	Link      string `json:"link,omitempty"`
}

type exportedRun struct {
	ID         string            `json:"id"`
	Action     string            `json:"action"`
	Parameters map[string]string `json:"parameters,omitempty"`
	Title      string            `json:"title"`
	State      string            `json:"state"`
	AskedBy    string            `json:"asked_by"`
	AskedAt    time.Time         `json:"asked_at"`
	Verdict    string            `json:"verdict,omitempty"`
	SettledBy  string            `json:"settled_by,omitempty"`
	Started    time.Time         `json:"started,omitzero"`
	Ended      time.Time         `json:"ended,omitzero"`
	Outcome    string            `json:"outcome,omitempty"`
	Steps      []exportedRunStep `json:"steps"`
}

type exportedRunStep struct {
	Name     string    `json:"name"`
	State    string    `json:"state"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Evidence string    `json:"evidence,omitempty"`
}

type exportedPage struct {
	Step              string    `json:"step"`
	Role              string    `json:"role"`
	Person            string    `json:"person,omitempty"`
	Channel           string    `json:"channel"`
	Text              string    `json:"text"`
	Due               time.Time `json:"due"`
	Queued            time.Time `json:"queued"`
	Sent              time.Time `json:"sent,omitzero"`
	State             string    `json:"state"`
	Attempts          int       `json:"attempts"`
	PossibleDuplicate bool      `json:"possible_duplicate,omitempty"`
	LastError         string    `json:"last_error,omitempty"`
}

// JSON is all that is on record, for machines.
func JSON(c Case) ([]byte, error) {
	i := c.Incident
	e := exported{
		Format: 1, ID: i.ID(), Cluster: i.Cluster, Title: i.Title, Priority: string(i.Priority), State: string(i.State), Drill: i.Drill, Cause: i.Cause,
		DeclaredBy: i.DeclaredBy, DeclaredAt: i.DeclaredAt, AnsweredAt: i.AnsweredAt, Owner: i.AckedBy, Commander: i.Commander, Scribe: i.Scribe,
		MitigatedBy: i.MitigatedBy, MitigatedAt: i.MitigatedAt, RecoveredBy: i.RecoveredBy, RecoveredAt: i.RecoveredAt, Forced: i.Forced,
		ResolvedBy: i.ResolvedBy, ResolvedAt: i.ResolvedAt, Resolution: i.Resolution, Reopenings: i.Reopenings, AnswerBy: i.AnswerBy, Unanswered: i.Unanswered,
		Steps: []exportedStep{}, Timeline: []exportedEntry{}, Runs: []exportedRun{}, Pages: []exportedPage{},
	}
	if s := i.PagingStopped; s != nil {
		e.PagingStopped = &exportedStop{s.By, s.At, s.Reason}
	}
	if i.MergedInto != 0 {
		e.MergedInto = incident.ID(i.MergedInto)
	}
	for _, n := range i.Duplicates {
		e.Duplicates = append(e.Duplicates, incident.ID(n))
	}
	for _, s := range i.Steps {
		e.Steps = append(e.Steps, exportedStep{s.Name, s.Role, s.Unless.String(), s.Due, s.Fired, s.Dropped, s.Because})
	}
	for _, t := range c.Timeline {
		entry := exportedEntry{At: t.At, By: t.By, Kind: string(t.Kind), Text: t.Text}
		if json.Valid(t.Data) {
			entry.Data = t.Data
		}
		for _, a := range t.Attachments {
			entry.Attachments = append(entry.Attachments, exportedAttachments(a))
		}
		e.Timeline = append(e.Timeline, entry)
	}
	for _, r := range c.Runs {
		run := exportedRun{ID: r.ID(), Action: r.Action, Parameters: r.Args, Title: r.Title, State: string(r.State), AskedBy: r.By, AskedAt: r.Asked,
			Verdict: string(r.Approval.Verdict), SettledBy: r.Approval.By, Started: r.Started, Ended: r.Ended, Outcome: r.Outcome, Steps: []exportedRunStep{}}
		for _, s := range r.Steps {
			run.Steps = append(run.Steps, exportedRunStep{s.Name, string(s.State), s.Started, s.Ended, s.Evidence})
		}
		e.Runs = append(e.Runs, run)
	}
	for _, p := range c.Pages {
		e.Pages = append(e.Pages, exportedPage{p.Step, p.Role, p.Person, p.Channel, p.Text, p.Due, p.Queued, p.Sent, string(p.State), p.Attempts, p.PossibleDuplicate, p.LastError})
	}
	return json.MarshalIndent(e, "", "  ")
}
