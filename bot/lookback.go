package bot

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot/chart"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/postmortem"
	"irisops/bot/stats"
)

// The commands that look back, from the record alone.

func timeline(c *call) error {
	inc, err := c.theIncident()
	if err != nil {
		return err
	}
	entries, err := c.Store.Timeline(inc.Number)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, e := range entries {
		text := e.Text
		for _, a := range e.Attachments {
			text += " [" + strings.TrimSpace(a.Name+" "+a.Link) + "]"
		}
		rows = append(rows, []string{c.clock(e.At, c.now), e.By, text})
	}
	m := message.Message{
		Title:  fmt.Sprintf("Timeline of %s %s %s: %s", inc.ID(), inc.Priority, inc.State, inc.Title),
		Blocks: []message.Block{{Table: &message.Table{Header: []string{"At (" + c.now.In(c.Zone).Format("MST") + ")", "By", "What"}, Rows: rows}}},
		Data:   map[string]any{"incident": inc, "timeline": entries},
	}
	for _, n := range inc.Duplicates {
		m.Buttons = append(m.Buttons, message.Button{Label: "Show Timeline of " + incident.ID(n), Words: "timeline --incident " + incident.ID(n)})
	}
	if inc.MergedInto != 0 {
		m.Buttons = append(m.Buttons, message.Button{Label: "Show Timeline of " + incident.ID(inc.MergedInto), Words: "timeline --incident " + incident.ID(inc.MergedInto)})
	}
	c.replyIn(inc.ID(), m)
	return nil
}

// theCase is all that is on record about the incident that is meant.
func (c *call) theCase(number uint64) (k postmortem.Case, err error) {
	if k.Incident, err = c.Store.Incident(number); err != nil {
		return k, notFound(err, incident.ID(number))
	}
	if k.Timeline, err = c.Store.Timeline(number); err != nil {
		return k, err
	}
	if k.Pages, err = c.calls(k.Incident.ID()); err != nil {
		return k, err
	}
	k.Runs, err = c.runsIn(k.Incident.ID(), k.Timeline)
	return k, err
}

var requestShape = regexp.MustCompile(`\bREQ-[0-9]{1,19}\b`)

// runsIn are the requests that the timeline speaks of, as far as they are the
// incident's.
func (c *call) runsIn(id string, entries []incident.Entry) (runs []runbook.Run, err error) {
	seen := map[uint64]bool{}
	for _, e := range entries {
		switch e.Kind {
		case incident.KindRequested, incident.KindDecided, incident.KindGlass, incident.KindStep, incident.KindAction:
		default:
			continue
		}
		for _, name := range requestShape.FindAllString(e.Text, -1) {
			number, err := numberOf(name)
			if err != nil || seen[number] {
				continue
			}
			seen[number] = true
			r, err := c.Store.Run(number)
			if err != nil {
				return nil, notFound(err, name)
			}
			if r.Incident == id {
				runs = append(runs, r)
			}
		}
	}
	slices.SortFunc(runs, func(a, b runbook.Run) int { return a.Asked.Compare(b.Asked) })
	return runs, nil
}

// writePostmortem writes down what is known, as a file.
func writePostmortem(c *call) error {
	number, err := c.incidentNumber()
	if err != nil {
		return err
	}
	k, err := c.theCase(number)
	if err != nil {
		return err
	}
	inc := k.Incident
	m := message.Message{Level: message.OK, Title: fmt.Sprintf("The post-mortem of %s is written: what is on record, with what only people know left to fill in.", inc.ID()),
		Blocks: []message.Block{
			{Text: fmt.Sprintf("It has %s of the timeline, %s on the cluster and %s. A note that begins with `action:` becomes an action item.",
				plural(len(k.Timeline), "line"), plural(len(k.Runs), "request"), plural(len(k.Pages), "page"))},
			{File: &message.File{Name: "postmortem-" + inc.ID() + ".md", MediaType: "text/markdown; charset=utf-8", Bytes: []byte(postmortem.Markdown(k, c.Zone, c.now))}}}}
	if !inc.Over() {
		m.Level, m.Title = message.Warn, fmt.Sprintf("The post-mortem of %s as far as it goes: it is %s, not resolved.", inc.ID(), inc.State)
	}
	c.replyIn(inc.ID(), m)
	return nil
}

// export is one incident with everything about it, as JSON.
func export(c *call) error {
	number, err := numberOf(c.args["id"])
	if err != nil {
		return err
	}
	k, err := c.theCase(number)
	if err != nil {
		return err
	}
	data, err := postmortem.JSON(k)
	if err != nil {
		return err
	}
	c.reply(message.Message{Level: message.OK, Title: fmt.Sprintf("%s with its timeline, requests and pages, as JSON.", k.Incident.ID()),
		Blocks: []message.Block{{File: &message.File{Name: k.Incident.ID() + ".json", MediaType: "application/json", Bytes: data}}}})
	return nil
}

const (
	listed  = 20  // incidents, if nothing is said
	listing = 200 // and at most
)

func incidents(c *call) error {
	var list []incident.Incident
	var err error
	what := "Incidents"
	switch {
	case c.args["open"] != "":
		what = "Open incidents"
		list, err = c.Store.OpenIncidents()
		slices.Reverse(list)
	case c.args["last"] != "":
		var since time.Duration
		if since, err = time.ParseDuration(c.args["last"]); err != nil {
			return err
		}
		what = "Incidents of the last " + spoken(since)
		list, err = c.Store.IncidentsSince(c.now.Add(-since))
	default:
		list, err = c.Store.LastIncidents(listed)
		if len(list) == listed {
			what = "The last incidents"
		}
	}
	if err != nil {
		return err
	}
	m := message.Message{Title: fmt.Sprintf("%s: %d.", what, len(list))}
	if len(list) > listing {
		list = list[:listing]
		m.Title += fmt.Sprintf(" These are the newest %d.", listing)
	}
	m.Data = list
	if len(list) == 0 {
		m.Title = what + ": none."
	}
	var rows [][]string
	for _, inc := range list {
		state := string(inc.State)
		if inc.MergedInto != 0 {
			state = "merged into " + incident.ID(inc.MergedInto)
		}
		title := inc.Title
		if inc.Drill {
			title = "DRILL " + title
		}
		rows = append(rows, []string{inc.ID(), string(inc.Priority), state, c.clock(inc.DeclaredAt, c.now),
			spanOr(stats.TimeToAcknowledge(inc)), spanOr(stats.TimeToRecover(inc)), title})
	}
	if len(rows) > 0 {
		m.Blocks = []message.Block{{Table: &message.Table{Header: []string{"Incident", "", "State", "Declared", "Acknowledged after", "Recovered after", "Title"}, Rows: rows}}}
	}
	c.reply(m)
	return nil
}

func spanOr(d time.Duration, ok bool) string {
	if !ok {
		return "-"
	}
	return spoken(d)
}

// lookBack is how far stats look if nothing is said.
const lookBack = 365 * 24 * time.Hour

func statistics(c *call) error {
	since := lookBack
	if text := c.args["last"]; text != "" {
		var err error
		if since, err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	list, err := c.Store.IncidentsSince(c.now.Add(-since))
	if err != nil {
		return err
	}
	rows := stats.Compute(list, c.Zone)
	if len(rows) == 0 {
		c.reply(message.Message{Title: fmt.Sprintf("There were no incidents in the last %s, drills left out.", spoken(since))})
		return nil
	}
	count := 0
	var table [][]string
	for _, r := range rows {
		count += r.Count
		table = append(table, []string{r.Month.Format("Jan 2006"), string(r.Priority), fmt.Sprint(r.Count), fmt.Sprint(r.Unanswered), fmt.Sprint(r.Reopened),
			median(r.Acknowledge), longest(r.Acknowledge), median(r.Recover), longest(r.Recover)})
	}
	m := message.Message{Title: fmt.Sprintf("%s in the last %s, drills and duplicates left out.", plural(count, "incident"), spoken(since)), Data: rows,
		Blocks: []message.Block{{Table: &message.Table{Header: []string{"Month", "", "Incidents", "Not answered in time", "Reopened",
			"Acknowledged (median)", "(longest)", "Recovered (median)", "(longest)"}, Rows: table}}}}
	picture, err := chart.PNG(rows)
	if err != nil {
		return actions.Errorf("no-picture", "The figures are there, the picture is not: %v", err)
	}
	m.Blocks = append(m.Blocks, message.Block{File: &message.File{Name: "stats-" + c.now.In(c.Zone).Format(time.DateOnly) + ".png", MediaType: "image/png", Bytes: picture}})
	c.reply(m)
	return nil
}

func median(s stats.Span) string  { return spanOr(s.Median, s.Count > 0) }
func longest(s stats.Span) string { return spanOr(s.Longest, s.Count > 0) }
