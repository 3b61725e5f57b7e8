package bot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/drill"
	"irisops/actions/runbook"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// ResultMessage is an action's answer as a message: the same for every action.
func ResultMessage(r actions.Result) message.Message {
	m := message.Message{Level: levels[r.Level], Title: r.Headline, Data: r.Data}
	for _, s := range r.Sections {
		m.Blocks = append(m.Blocks, sectionBlocks(s)...)
	}
	for i, n := range r.Next {
		b := message.Button{Label: n.Label, Words: n.Words}
		if i == 0 {
			b.Style = message.Primary
		}
		m.Buttons = append(m.Buttons, b)
	}
	return m
}

var levels = map[actions.Level]message.Level{
	actions.OK: message.OK, actions.Advice: message.Advice, actions.Warn: message.Warn,
	actions.Critical: message.Critical, actions.Unknown: message.Unknown,
	actions.NotAvailable: message.Unknown, actions.NotApplicable: message.Info,
}

func sectionBlocks(s actions.Section) []message.Block {
	var blocks []message.Block
	if len(s.Rows) > 0 {
		blocks = append(blocks, message.Block{Table: &message.Table{Header: s.Header, Rows: s.Rows}})
	}
	if len(s.Lines) > 0 {
		text := strings.Join(s.Lines, "\n")
		if s.Code {
			blocks = append(blocks, message.Block{Code: &message.Code{Text: text}})
		} else {
			blocks = append(blocks, message.Block{Text: text})
		}
	}
	if s.Folded {
		return []message.Block{{Fold: &message.Fold{Title: s.Title, Blocks: blocks}}}
	}
	if s.Title != "" {
		blocks = append([]message.Block{{Text: s.Title}}, blocks...)
	}
	return blocks
}

// boardField leads from an incident's message to its page on the board.
const boardField = "Board"

// parent is the incident's own message: its present state at a glance.
func (b *Bot) parent(inc incident.Incident, now time.Time) message.Message {
	m := message.Message{
		Level: message.Critical,
		Title: fmt.Sprintf("%s %s %s: %s", inc.ID(), inc.Priority, inc.State, inc.Title),
	}
	if inc.Drill {
		m.Title = "DRILL " + m.Title
	}
	if inc.Priority == incident.P2 || inc.Priority == incident.P3 {
		m.Level = message.Warn
	}
	fields := []message.Field{{Name: "Declared", Value: b.clock(inc.DeclaredAt, now) + now.In(b.Zone).Format(" MST") + " by " + inc.DeclaredBy, At: inc.DeclaredAt}}
	owner := "nobody yet"
	if inc.AckedBy != "" {
		owner = fmt.Sprintf("%s, since %s", inc.AckedBy, b.clock(inc.AckedAt, now))
	}
	if h := inc.Handoff; h != nil {
		owner += fmt.Sprintf("; %s was asked at %s to take over", h.To, b.clock(h.At, now))
	}
	fields = append(fields, message.Field{Name: "Owner", Value: owner})
	if inc.Commander != "" {
		fields = append(fields, message.Field{Name: "Commander", Value: inc.Commander})
	}
	if inc.Scribe != "" {
		fields = append(fields, message.Field{Name: "Scribe", Value: inc.Scribe})
	}
	if inc.Cause != "" {
		fields = append(fields, message.Field{Name: "Cause", Value: inc.Cause})
	}
	if len(b.Clusters) > 1 {
		fields = append(fields, message.Field{Name: "Cluster", Value: inc.Cluster})
	}
	if v := inc.Verification; v != nil {
		fields = append(fields, message.Field{Name: "Last check", Value: fmt.Sprintf("%s at %s", v.Summary, b.clock(v.At, now))})
	}
	if inc.Waiting() && !inc.AnswerBy.IsZero() {
		by := b.clock(inc.AnswerBy, now)
		if !inc.Unanswered.IsZero() {
			by = "nobody did, by " + by
		}
		fields = append(fields, message.Field{Name: "Answer by", Value: by})
	}
	if inc.Troubled() {
		fields = append(fields, message.Field{Name: "Next page", Value: b.nextPage(inc, now)})
	}
	switch inc.State {
	case incident.Acknowledged:
		m.Level = message.Warn
	case incident.Mitigated:
		m.Level = message.Warn
		fields = append(fields, message.Field{Name: "Mitigated", Value: fmt.Sprintf("%s by %s; the cause is not mended", b.clock(inc.MitigatedAt, now), inc.MitigatedBy)})
	case incident.Recovered:
		m.Level = message.OK
		fields = append(fields, message.Field{Name: "Recovered", Value: fmt.Sprintf("%s by %s, %s after it was declared",
			b.clock(inc.RecoveredAt, now), inc.RecoveredBy, spoken(inc.RecoveredAt.Sub(inc.DeclaredAt)))})
		if inc.Forced != "" {
			fields = append(fields, message.Field{Name: "Not verified", Value: inc.Forced})
		}
	case incident.Resolved:
		m.Level = message.Info
		text := fmt.Sprintf("%s by %s", b.clock(inc.ResolvedAt, now), inc.ResolvedBy)
		if inc.Resolution != "" {
			text += ": " + inc.Resolution
		}
		fields = append(fields, message.Field{Name: "Resolved", Value: text})
	}
	if b.Board != "" {
		fields = append(fields, message.Field{Name: boardField, Value: fmt.Sprintf("%s/incidents/%d", b.Board, inc.Number)})
	}
	m.Blocks = []message.Block{{Fields: fields}}
	m.Buttons = incidentButtons(inc)
	return m
}

func incidentButtons(inc incident.Incident) []message.Button {
	in := " --incident " + inc.ID()
	switch inc.State {
	case incident.Open, incident.Reopened:
		return []message.Button{
			{Label: "Acknowledge", Words: "ack" + in, Style: message.Primary},
			{Label: "Diagnose", Words: "diagnose" + in},
			{Label: "Verify", Words: "verify" + in},
		}
	case incident.Acknowledged, incident.Mitigated:
		return []message.Button{
			{Label: "Diagnose", Words: "diagnose" + in},
			{Label: "Verify", Words: "verify" + in},
			{Label: "Recovered", Words: "recovered" + in, Style: message.Primary},
		}
	case incident.Recovered:
		return []message.Button{{Label: "Resolve", Words: "resolve" + in, Style: message.Primary}}
	}
	return nil
}

// nextPage says what the escalation will do next, or why it will do nothing.
func (b *Bot) nextPage(inc incident.Incident, now time.Time) string {
	if inc.State == incident.Recovered {
		return "none: recovered"
	}
	if s := inc.PagingStopped; s != nil {
		return fmt.Sprintf("stopped by %s: %s", s.By, s.Reason)
	}
	next, ok := inc.NextStep()
	switch {
	case ok && !next.Due.After(now):
		return fmt.Sprintf("%s, due at %s: now", b.holder(next.Role, now), b.clock(next.Due, now))
	case ok:
		return fmt.Sprintf("%s at %s (in %s), unless %s", b.holder(next.Role, next.Due), b.clock(next.Due, now), spoken(next.Due.Sub(now)), next.Unless)
	}
	current := inc.Current()
	answered := slices.IndexFunc(current, func(s incident.Step) bool { return !s.Dropped.IsZero() })
	switch {
	case len(current) == 0:
		return fmt.Sprintf("none: the %s policy pages nobody by itself", inc.Priority)
	case answered >= 0:
		return "none: " + current[answered].Because
	}
	return "none left: every step has paged"
}

// holder names who a page for the role reaches now: "sre (operator)".
func (b *Bot) holder(role string, now time.Time) string {
	if person, ok := b.roster().Now(role, now); ok {
		return fmt.Sprintf("%s (%s)", role, person)
	}
	return role + " (held by nobody: everybody will be paged)"
}

// runMessage is a run as it stands: what it waits for, or its live checklist.
func (b *Bot) runMessage(r runbook.Run, now time.Time) message.Message {
	m := message.Message{Level: message.Info, Data: r}
	switch r.State {
	case runbook.Waiting:
		return b.waitingMessage(r, now)
	case runbook.Dropped:
		m.Title = fmt.Sprintf("%s %s: %s. Nothing was run.", r.ID(), r.Approval.Verdict, r.Title)
		m.Blocks = []message.Block{{Text: settled(r.Approval, b, now)}}
		return m
	case runbook.Running:
		m.Title = fmt.Sprintf("%s running: %s", r.ID(), r.Title)
	case runbook.Done:
		m.Level = message.OK
		m.Title = fmt.Sprintf("%s done in %s: %s", r.ID(), spoken(r.Ended.Sub(r.Started)), r.Title)
	case runbook.Failed:
		m.Level = message.Critical
		m.Title = fmt.Sprintf("%s failed: %s", r.ID(), r.Title)
	case runbook.Cancelled:
		m.Level = message.Warn
		m.Title = fmt.Sprintf("%s cancelled: %s", r.ID(), r.Title)
	case runbook.Uncertain:
		m.Level = message.Unknown
		m.Title = fmt.Sprintf("%s was interrupted in the middle: %s", r.ID(), r.Title)
	}
	m.Blocks = append(m.Blocks, message.Block{Text: settled(r.Approval, b, now)}, message.Block{Checklist: checklist(r)})
	if r.Outcome != "" {
		m.Blocks = append(m.Blocks, message.Block{Text: sentence(r.Outcome)})
	}
	if r.State == runbook.Failed || r.State == runbook.Cancelled {
		m.Blocks = append(m.Blocks, message.Block{Text: "What was done before stays done: look at what is down now, and start it or ask again."})
	}
	m.Buttons = runButtons(r)
	return m
}

// goesOn are the words that let an interrupted run go on, for whoever may say them:
// an approver need not be an operator, who alone confirms.
func goesOn(r runbook.Run) string {
	if r.Approval.Needs == approval.SecondPerson {
		return "approve " + r.ID()
	}
	return "confirm " + r.ID()
}

func runButtons(r runbook.Run) []message.Button {
	switch r.State {
	case runbook.Uncertain:
		return []message.Button{
			{Label: "Check and Go On", Words: goesOn(r), Style: message.Primary},
			{Label: "Give Up", Words: "deny " + r.ID()},
		}
	case runbook.Failed, runbook.Cancelled:
		return withIncident(message.Message{Buttons: []message.Button{{Label: "Diagnose", Words: "diagnose", Style: message.Primary}}}, r.Incident).Buttons
	case runbook.Done:
		return withIncident(message.Message{Buttons: []message.Button{{Label: "Verify", Words: "verify", Style: message.Primary}}}, r.Incident).Buttons
	}
	return nil
}

func (b *Bot) waitingMessage(r runbook.Run, now time.Time) message.Message {
	m := message.Message{Level: message.Warn, Data: r}
	agree := message.Button{Label: "Confirm", Words: "confirm " + r.ID(), Style: message.Primary}
	if r.Approval.Needs == approval.SecondPerson {
		m.Title = fmt.Sprintf("%s needs a second person: %s", r.ID(), r.Title)
		agree = message.Button{Label: "Approve", Words: "approve " + r.ID(), Style: message.Danger,
			Confirm: fmt.Sprintf("%s. %s", r.Title, r.Why)}
		m.Blocks = append(m.Blocks, message.Block{Text: fmt.Sprintf("Asked by %s. An approver other than %s approves with `approve %s` before %s.",
			r.By, r.By, r.ID(), b.clock(r.Approval.ExpiresAt(), now))})
	} else {
		m.Title = fmt.Sprintf("%s ready: %s. Confirm to run it.", r.ID(), r.Title)
		m.Blocks = append(m.Blocks, message.Block{Text: fmt.Sprintf("%s confirms with `confirm %s` before %s.", r.By, r.ID(), b.clock(r.Approval.ExpiresAt(), now))})
	}
	if r.Why != "" {
		m.Blocks = append(m.Blocks, message.Block{Text: "Class " + r.Class.String() + ": " + sentence(r.Why)})
	}
	m.Blocks = append(m.Blocks, planBlocks(r)...)
	m.Buttons = []message.Button{agree, {Label: "Deny", Words: "deny " + r.ID()}}
	if r.Action == drill.Name {
		m.Buttons = append(m.Buttons, message.Button{Label: "Postpone by a Day", Words: "drill postpone 1d"})
	}
	return m
}

// planBlocks show exactly what would run.
func planBlocks(r runbook.Run) []message.Block {
	var steps message.Checklist
	for _, s := range r.Steps {
		steps.Items = append(steps.Items, message.Item{State: message.Pending, Text: s.Name, Note: s.Describe})
	}
	blocks := []message.Block{{Checklist: &steps}}
	if len(r.Preview) > 0 {
		blocks = append(blocks, message.Block{Code: &message.Code{Text: strings.Join(r.Preview, "\n")}})
	}
	return blocks
}

func checklist(r runbook.Run) *message.Checklist {
	states := map[runbook.StepState]message.ItemState{
		runbook.StepPending: message.Pending, runbook.StepStarted: message.Running, runbook.StepDone: message.Done,
		runbook.StepFailed: message.Failed, runbook.StepUnknown: message.Uncertain, runbook.StepSkipped: message.Skipped,
	}
	var list message.Checklist
	for _, s := range r.Steps {
		note := s.Evidence
		if s.State == runbook.StepDone && !s.Ended.IsZero() {
			if took := spoken(s.Ended.Sub(s.Started)); note == "" {
				note = took
			} else {
				note += ", " + took
			}
		}
		list.Items = append(list.Items, message.Item{State: states[s.State], Text: s.Name, Note: note})
	}
	return &list
}

// settled is the record that stands where the buttons were.
func settled(a approval.Request, b *Bot, now time.Time) string {
	at := b.clock(a.At, now)
	switch {
	case a.Verdict == approval.Approved && a.Needs == approval.Confirmation:
		return fmt.Sprintf("Confirmed by %s at %s.", a.By, at)
	case a.Verdict == approval.Approved && a.Glass:
		return fmt.Sprintf("Asked by %s. %s broke the glass alone at %s, and everybody on call was paged: %s", a.Requester, a.By, at, sentence(a.Reason))
	case a.Verdict == approval.Approved:
		return fmt.Sprintf("Asked by %s, approved by %s at %s.", a.Requester, a.By, at)
	case a.Verdict == approval.Denied && a.Reason != "":
		return fmt.Sprintf("Denied by %s at %s: %s", a.By, at, sentence(a.Reason))
	case a.Verdict == approval.Denied:
		return fmt.Sprintf("Denied by %s at %s.", a.By, at)
	case a.Verdict == approval.Expired:
		return fmt.Sprintf("Nobody settled it before %s. Ask again if it is still wanted.", at)
	}
	return "Asked by " + a.Requester + "."
}

// clock is a time in people's zone; the date stands only where it is another day.
func (b *Bot) clock(t, now time.Time) string {
	t, now = t.In(b.Zone), now.In(b.Zone)
	if y, m, d := t.Date(); y == now.Year() && m == now.Month() && d == now.Day() {
		return t.Format("15:04:05")
	}
	return t.Format("2 Jan 15:04:05")
}

// spoken is a duration as people say it: "420 ms", "3.2 s", "15 minutes", "2 h 5 min".
func spoken(d time.Duration) string {
	switch {
	case d < 0:
		return "now"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	case d < 100*time.Second:
		return fmt.Sprintf("%d s", int(d.Round(time.Second).Seconds()))
	}
	d = d.Round(time.Minute)
	if d < time.Hour {
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	if d < 48*time.Hour {
		return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
	}
	return fmt.Sprintf("%d days", int(d.Hours())/24)
}
