// Package postmortem writes down what is known of an incident: as Markdown for
// people, with what only they know left to be filled in, and as JSON for
// machines. It works from the record alone and looks at nothing.
package postmortem

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions/approval"
	"irisops/actions/runbook"
	"irisops/bot/incident"
	"irisops/bot/pager"
	"irisops/bot/stats"
)

// Case is all that is on record about one incident.
type Case struct {
	Incident incident.Incident
	Timeline []incident.Entry
	Runs     []runbook.Run // that belong to it
	Pages    []pager.Page
}

// Markdown is the post-mortem. Times are in the zone.
func Markdown(c Case, zone *time.Location, now time.Time) string {
	w := &writer{zone: zone}
	inc := c.Incident
	title := fmt.Sprintf("%s: %s", inc.ID(), inc.Title)
	if inc.Drill {
		title = "DRILL " + title
	}
	w.line("# %s", text(title))
	w.line("Written by irisops at %s from its record. What stands in _italics_ is for people to fill in.", w.at(now))
	w.summary(c)
	w.impact(c)
	w.times(inc)
	w.timeline(c.Timeline)
	w.runs(c.Runs)
	w.pages(c)
	w.actionItems(c.Timeline)
	return w.String()
}

type writer struct {
	strings.Builder
	zone *time.Location
}

func (w *writer) line(format string, args ...any) { fmt.Fprintf(w, format+"\n\n", args...) }

func (w *writer) at(t time.Time) string { return t.In(w.zone).Format("2006-01-02 15:04:05 MST") }

func (w *writer) table(header []string, rows [][]string) {
	fmt.Fprintf(w, "| %s |\n|%s\n", strings.Join(header, " | "), strings.Repeat(" --- |", len(header)))
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = text(cell)
		}
		fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	}
	w.WriteString("\n")
}

func (w *writer) summary(c Case) {
	inc := c.Incident
	w.line("## Summary")
	said := fmt.Sprintf("%s on cluster %s, declared by %s at %s.", inc.Priority, inc.Cluster, inc.DeclaredBy, w.at(inc.DeclaredAt))
	if inc.Cause != "" {
		said += " Cause of the declaration: " + full(inc.Cause)
	}
	if took, ok := stats.TimeToAcknowledge(inc); ok {
		said += fmt.Sprintf(" It was acknowledged after %s.", long(took))
	} else {
		said += " Nobody acknowledged it."
	}
	if !inc.MitigatedAt.IsZero() {
		said += fmt.Sprintf(" %s mitigated it after %s.", inc.MitigatedBy, long(inc.MitigatedAt.Sub(inc.DeclaredAt)))
	}
	if took, ok := stats.TimeToRecover(inc); ok {
		switch {
		case inc.Forced != "":
			said += fmt.Sprintf(" Service was back after %s, says %s, without a verification that passed: %s", long(took), inc.RecoveredBy, inc.Forced)
		case inc.Verification != nil && inc.Verification.OK:
			said += fmt.Sprintf(" Service was back after %s, verified for %s: %s", long(took), inc.RecoveredBy, inc.Verification.Summary)
		default: // there was one that passed, and a later one did not
			said += fmt.Sprintf(" Service was back after %s, verified for %s", long(took), inc.RecoveredBy)
		}
		said = full(said)
	} else {
		said += " It was never recovered."
	}
	switch {
	case inc.Reopenings == 1:
		said += " It was reopened once."
	case inc.Reopenings > 1:
		said += fmt.Sprintf(" It was reopened %d times.", inc.Reopenings)
	}
	if inc.Over() {
		said += fmt.Sprintf(" Resolved by %s at %s", inc.ResolvedBy, w.at(inc.ResolvedAt))
		if inc.Resolution != "" {
			said += ": " + inc.Resolution
		}
		said = full(said)
	} else {
		said += fmt.Sprintf(" It is %s still.", inc.State)
	}
	w.line("%s", text(said))
	for _, e := range c.Timeline {
		if e.Kind == incident.KindGlass {
			w.line("**The glass was broken** by %s at %s: %s", text(e.By), w.at(e.At), text(full(e.Text)))
		}
	}
	for _, n := range inc.Duplicates {
		w.line("%s was a duplicate and was merged into it.", incident.ID(n))
	}
	if inc.MergedInto != 0 {
		w.line("It was a duplicate of %s, which went on.", incident.ID(inc.MergedInto))
	}
	var people [][]string
	for _, p := range [][2]string{{"Owner", inc.AckedBy}, {"Commander", inc.Commander}, {"Scribe", inc.Scribe}} {
		if p[1] != "" {
			people = append(people, []string{p[0], p[1]})
		}
	}
	if len(people) > 0 {
		w.table([]string{"Role", "Who"}, people)
	}
}

// impact shows what was seen to fail. Who was hurt by it is not on record.
func (w *writer) impact(c Case) {
	w.line("## Impact")
	var seen []string
	for _, e := range c.Timeline {
		if e.Kind == incident.KindVerified || e.Kind == incident.KindDiagnosed {
			seen = append(seen, fmt.Sprintf("- %s: %s", w.at(e.At), text(e.Text)))
		}
	}
	if len(seen) > 0 {
		w.line("What was seen:")
		w.line("%s", strings.Join(seen, "\n"))
	}
	w.line("_Who was hurt by it, how many, and from when until when?_")
}

func (w *writer) times(inc incident.Incident) {
	w.line("## Response and recovery")
	rows := [][]string{{"Declared", w.at(inc.DeclaredAt), ""}}
	add := func(what string, at time.Time) {
		if !at.IsZero() {
			rows = append(rows, []string{what, w.at(at), long(at.Sub(inc.DeclaredAt))})
		}
	}
	add("Acknowledged", inc.AnsweredAt)
	if !inc.AnswerBy.IsZero() {
		rows = append(rows, []string{"To be acknowledged by", w.at(inc.AnswerBy), ""})
	}
	add("Told that nobody had", inc.Unanswered)
	add("Mitigated", inc.MitigatedAt)
	add("Recovered", inc.RecoveredAt)
	add("Resolved", inc.ResolvedAt)
	w.table([]string{"What", "When", "After the declaration"}, rows)
}

func (w *writer) timeline(entries []incident.Entry) {
	w.line("## Timeline")
	var rows [][]string
	for _, e := range entries {
		rows = append(rows, []string{w.at(e.At), e.By, e.Text + attached(e.Attachments)})
	}
	w.table([]string{"When", "Who", "What"}, rows)
}

func attached(list []incident.Attachment) string {
	var all []string
	for _, a := range list {
		all = append(all, strings.TrimSpace(a.Name+" "+a.Link))
	}
	if len(all) == 0 {
		return ""
	}
	return " (" + strings.Join(all, ", ") + ")"
}

func (w *writer) runs(runs []runbook.Run) {
	w.line("## What was run")
	if len(runs) == 0 {
		w.line("Nothing was run on the cluster.")
	}
	for _, r := range runs {
		w.line("### %s %s: %s", r.ID(), text(r.Title), r.State)
		said := fmt.Sprintf("Asked for by %s at %s", r.By, w.at(r.Asked))
		switch {
		case r.Approval.Verdict == approval.Approved && r.Approval.Needs == approval.Confirmation:
			said += fmt.Sprintf(", confirmed by %s at %s", r.Approval.By, w.at(r.Approval.At))
		case r.Approval.Verdict == approval.Approved:
			said += fmt.Sprintf(", approved by %s at %s", r.Approval.By, w.at(r.Approval.At))
		case r.State == runbook.Dropped:
			said += fmt.Sprintf(", %s at %s; nothing was run", r.Approval.Verdict, w.at(r.Approval.At))
		}
		if r.Outcome != "" {
			said += ". Outcome: " + r.Outcome
		}
		w.line("%s", text(full(said)))
		var rows [][]string
		for _, s := range r.Steps {
			took := ""
			if !s.Started.IsZero() && !s.Ended.IsZero() {
				took = long(s.Ended.Sub(s.Started))
			}
			rows = append(rows, []string{s.Name, string(s.State), took, s.Evidence})
		}
		if len(rows) > 0 && r.State != runbook.Dropped {
			w.table([]string{"Step", "Result", "Took", "Seen"}, rows)
		}
	}
}

func (w *writer) pages(c Case) {
	w.line("## Pages")
	var rows [][]string
	for _, p := range c.Pages {
		when := p.Sent
		if when.IsZero() {
			when = p.Queued
		}
		outcome := string(p.State)
		if p.LastError != "" && p.State != pager.Delivered {
			outcome += ": " + p.LastError
		}
		if late := p.Late(); late > 0 {
			outcome += ", late by " + long(late)
		}
		if p.PossibleDuplicate {
			outcome += ", possible duplicate"
		}
		rows = append(rows, []string{w.at(when), p.Step, p.Role, p.Person, pager.Spoken(p.Channel), outcome})
	}
	if len(rows) == 0 {
		w.line("Nobody was paged.")
	} else {
		w.table([]string{"When", "Step", "As", "Who", "By", "Outcome"}, rows)
	}
	var dropped []string
	for _, s := range c.Incident.Steps {
		if !s.Dropped.IsZero() {
			dropped = append(dropped, fmt.Sprintf("- %s (%s, due at %s) did not page, because %s.", text(s.Name), text(s.Role), w.at(s.Due), text(s.Because)))
		}
	}
	if len(dropped) > 0 {
		w.line("%s", strings.Join(dropped, "\n"))
	}
}

// actionItem begins a note that is one.
const actionItem = "action:"

func (w *writer) actionItems(entries []incident.Entry) {
	w.line("## Action items")
	var items []string
	for _, e := range entries {
		if e.Kind == incident.KindNote && len(e.Text) >= len(actionItem) && strings.EqualFold(e.Text[:len(actionItem)], actionItem) {
			items = append(items, fmt.Sprintf("- [ ] %s (noted by %s)", text(strings.TrimSpace(e.Text[len(actionItem):])), text(e.By)))
		}
	}
	items = append(items, "- [ ] _What keeps this from happening again? Who does it, and until when?_")
	w.line("%s", strings.Join(items, "\n"))
}

// text is written letter by letter: nothing in it is taken for Markdown, a
// mention or a line of its own.
func text(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		switch {
		case slices.Contains([]rune("\\`*_[]<>|#~"), r):
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0: // control characters
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func full(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.HasSuffix(s, ".") || strings.HasSuffix(s, "!") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

// long is a duration to the second: "1h2m3s".
func long(d time.Duration) string {
	if d < time.Second && d > -time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
