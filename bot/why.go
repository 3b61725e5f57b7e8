package bot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/pager"
)

// theIncident is the incident that is meant, as it stands.
func (c *call) theIncident() (incident.Incident, error) {
	number, err := c.incidentNumber()
	if err != nil {
		return incident.Incident{}, err
	}
	inc, err := c.Store.Incident(number)
	return inc, notFound(err, incident.ID(number))
}

// ahead says what the clocks will do, to whom, by which channel, and what would
// stop it.
func ahead(c *call) error {
	inc, err := c.theIncident()
	if err != nil {
		return err
	}
	rows, pages := c.aheadRows(inc)
	m := message.Message{Title: fmt.Sprintf("%s %s %s: no page is ahead, %s.", inc.ID(), inc.Priority, inc.State, strings.TrimPrefix(strings.TrimPrefix(c.nextPage(inc, c.now), "none: "), "none left: "))}
	if pages > 0 {
		m.Title = fmt.Sprintf("%s %s %s: %s ahead, as long as nothing stops the clocks.", inc.ID(), inc.Priority, inc.State, plural(pages, "page"))
	}
	if len(rows) > 0 {
		m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"At (" + c.now.In(c.Zone).Format("MST") + ")", "Step", "Who", "By", "What stops it"}, Rows: rows}})
	}
	m.Blocks = append(m.Blocks, message.Block{Text: c.armed(inc)})
	if inc.Armed() && pages > 0 {
		m.Buttons = append(m.Buttons, message.Button{Label: "Recovered", Words: "recovered --incident " + inc.ID(), Style: message.Primary})
	}
	if c.policyChanged(inc) {
		m.Buttons = append(m.Buttons, message.Button{Label: "Arm Anew", Words: "rearm --incident " + inc.ID()})
	}
	m.Buttons = append(m.Buttons, message.Button{Label: "Why Not Paged", Words: "why-not-paged --incident " + inc.ID()})
	c.replyIn(inc.ID(), m)
	return nil
}

// aheadRows are the deadlines in their order, and how many of them are pages.
func (c *call) aheadRows(inc incident.Incident) (rows [][]string, pages int) {
	type line struct {
		at  time.Time
		row []string
	}
	var lines []line
	add := func(at time.Time, cells ...string) {
		when := c.clock(at, c.now)
		if at.After(c.now) {
			when += " (in " + spoken(at.Sub(c.now)) + ")"
		} else {
			when += " (now)"
		}
		lines = append(lines, line{at, append([]string{when}, cells...)})
	}
	if inc.Armed() {
		for _, s := range inc.Steps {
			if !s.Pending() {
				continue
			}
			pages++
			stops := "recovered, resolve, stop-paging"
			if s.Unless == incident.UnlessAcknowledged {
				stops = "ack, mitigated, " + stops
			}
			who, by := c.reached(inc, s)
			add(s.Due, s.Name, who, by, stops)
		}
	}
	if inc.Waiting() && !inc.AnswerBy.IsZero() && inc.Unanswered.IsZero() {
		add(inc.AnswerBy, "response time over", "everybody", "the thread", "ack, mitigated, recovered, resolve")
	}
	if inc.Troubled() && !inc.RemindAt.IsZero() {
		add(inc.RemindAt, "reminder", "everybody", "the thread", "any update; recovered, resolve")
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at.UnixNano(), b.at.UnixNano()) })
	for _, l := range lines {
		rows = append(rows, l.row)
	}
	return rows, pages
}

// reached is whom a step would page and by which channels, as the roster stands.
func (c *call) reached(inc incident.Incident, s incident.Step) (who, by string) {
	var people, channels []string // first
	var later []string            // where the first do not deliver
	for _, p := range c.roster().Pages(inc.ID(), []incident.Call{{Step: s.Name, Role: s.Role, Due: s.Due}}, s.Due) {
		people = append(people, firstOf(p.Person, "everybody"))
		channels = append(channels, pager.Spoken(p.Channel))
		later = append(later, channelNames(p.Next)...)
	}
	slices.Sort(people)
	by = strings.Join(distinct(channels), ", ")
	if len(later) > 0 {
		by += ", else " + strings.Join(distinct(later), ", then ")
	}
	return fmt.Sprintf("%s (%s)", strings.Join(slices.Compact(people), ", "), s.Role), by
}

// distinct keeps the first of equal ones, in their order.
func distinct(list []string) []string {
	var once []string
	for _, s := range list {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

// armed says since when the clocks run, and that a new policy does not touch them.
func (c *call) armed(inc incident.Incident) string {
	text := fmt.Sprintf("The clocks were armed at %s, with the declaration", c.clock(inc.DeclaredAt, c.now))
	if inc.Arming.Round > 0 {
		text = fmt.Sprintf("The clocks were armed anew at %s, because %s", c.clock(inc.Arming.At, c.now), inc.Arming.Why)
	}
	if c.policyChanged(inc) {
		return text + ". The policy has changed since: this incident keeps its steps until its severity changes, it is reopened, or somebody says `rearm`."
	}
	return text + ", by the policy as it still is."
}

// policyChanged says whether the policy of its priority would arm other clocks
// today.
func (c *call) policyChanged(inc incident.Incident) bool {
	if !inc.Troubled() || inc.PagingStopped != nil {
		return false
	}
	at := inc.DeclaredAt
	if inc.Arming.Round > 0 {
		at = inc.Arming.At
	}
	today := escalation.Clocks(inc.Priority, c.Policies[inc.Priority], at)
	same := func(a, b incident.Step) bool {
		return a.Role == b.Role && a.Unless == b.Unless && a.After == b.After
	}
	if from := inc.AnswerFrom; !from.IsZero() && !today.AnswerBy.IsZero() { // somebody gave it back
		today.AnswerBy = from.Add(today.AnswerBy.Sub(at))
	}
	return !slices.EqualFunc(inc.Current(), today.Steps, same) || !inc.AnswerBy.Equal(today.AnswerBy) || inc.RemindEvery != today.Remind
}

// whyPaged tells from the record who was paged, and why.
func whyPaged(c *call) error {
	inc, pages, err := c.pagesAsked()
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range pages {
		if p.State != pager.Delivered {
			continue
		}
		text, _, _ := strings.Cut(p.Text, "\n")
		note := ""
		if late := p.Late(); late > 0 {
			note = ", late by " + spoken(late)
		}
		if p.PossibleDuplicate {
			note += ", possible duplicate"
		}
		if len(p.Group) > 1 {
			note += fmt.Sprintf(", in one message with %d others", len(p.Group)-1)
		}
		rows = append(rows, []string{c.clock(p.Sent, c.now), firstOf(p.Person, "everybody"), pager.Spoken(p.Channel), p.Step + note, text})
	}
	who := firstOf(c.args["person"], "Nobody")
	m := message.Message{Title: fmt.Sprintf("%s was not paged for %s.", who, inc.ID()),
		Buttons: []message.Button{{Label: "Why Not", Words: "why-not-paged --incident " + inc.ID()}}}
	if c.args["person"] == "" {
		m.Title = fmt.Sprintf("Nobody was paged for %s.", inc.ID())
	}
	if len(rows) > 0 {
		m.Title = fmt.Sprintf("%s delivered for %s:", plural(len(rows), "page"), inc.ID())
		if c.args["person"] != "" {
			m.Title = fmt.Sprintf("%s was paged %d times for %s:", who, len(rows), inc.ID())
		}
		m.Blocks = []message.Block{{Table: &message.Table{Header: []string{"At", "Who", "By", "Step", "Because"}, Rows: rows}}}
	}
	c.replyIn(inc.ID(), m)
	return nil
}

// whyNotPaged tells from the record which pages there were not, and why.
func whyNotPaged(c *call) error {
	inc, pages, err := c.pagesAsked()
	if err != nil {
		return err
	}
	entries, err := c.Store.Timeline(inc.Number)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, p := range pages {
		switch p.State {
		case pager.Failed:
			rows = append(rows, []string{p.Step, firstOf(p.Person, "everybody") + " by " + pager.Spoken(p.Channel), "it could not be delivered: " + firstOf(p.LastError, "no reason recorded")})
		case pager.Queued, pager.Sending:
			why := "it is on its way since " + c.clock(p.Queued, c.now)
			if p.LastError != "" {
				why += fmt.Sprintf("; attempt %d failed: %s", p.Attempts, p.LastError)
			}
			rows = append(rows, []string{p.Step, firstOf(p.Person, "everybody") + " by " + pager.Spoken(p.Channel), why})
		}
	}
	for _, s := range inc.Steps {
		switch {
		case !s.Dropped.IsZero():
			rows = append(rows, []string{s.Name, s.Role, fmt.Sprintf("due at %s, but at %s %s", c.clock(s.Due, c.now), c.clock(s.Dropped, c.now), s.Because)})
		case s.Pending() && inc.Armed():
			rows = append(rows, []string{s.Name, s.Role, fmt.Sprintf("it is due at %s, unless %s", c.clock(s.Due, c.now), s.Unless)})
		case s.Pending():
			rows = append(rows, []string{s.Name, s.Role, fmt.Sprintf("due at %s, and the incident is %s", c.clock(s.Due, c.now), c.silence(inc))})
		}
	}
	for _, e := range entries {
		if e.Kind == incident.KindPage && strings.Contains(e.Text, "reached nobody") {
			rows = append(rows, []string{"", "", c.clock(e.At, c.now) + ": " + e.Text})
		}
	}
	m := message.Message{Title: fmt.Sprintf("Every page that %s asked for was delivered.", inc.ID())}
	switch {
	case len(rows) > 0:
		m.Title = fmt.Sprintf("Why there was no page for %s:", inc.ID())
		m.Blocks = []message.Block{{Table: &message.Table{Header: []string{"Step", "Who", "Because"}, Rows: rows}}}
	case len(inc.Steps) == 0 && len(pages) == 0:
		m.Title = fmt.Sprintf("%s pages nobody: when its clocks were armed, the %s policy had no steps.", inc.ID(), inc.Priority)
	}
	m.Buttons = []message.Button{{Label: "What Comes Next", Words: "escalation --incident " + inc.ID()}}
	c.replyIn(inc.ID(), m)
	return nil
}

// silence is why an incident with steps left pages nobody, where the steps
// themselves do not say so.
func (c *call) silence(inc incident.Incident) string {
	if s := inc.PagingStopped; s != nil {
		return fmt.Sprintf("silent: %s stopped the paging at %s: %s", s.By, c.clock(s.At, c.now), s.Reason)
	}
	return string(inc.State)
}

// calls are the incident's pages, without the words that follow them later.
func (c *call) calls(id string) ([]pager.Page, error) {
	pages, err := c.Store.PagesOf(id)
	return slices.DeleteFunc(pages, func(p pager.Page) bool { return p.Update != "" }), err
}

// pagesAsked are the pages of the incident: all, or those of the person named.
func (c *call) pagesAsked() (incident.Incident, []pager.Page, error) {
	inc, err := c.theIncident()
	if err != nil {
		return inc, nil, err
	}
	pages, err := c.calls(inc.ID())
	if who := c.args["person"]; who != "" {
		pages = slices.DeleteFunc(pages, func(p pager.Page) bool { return p.Person != who })
	}
	slices.SortStableFunc(pages, func(a, b pager.Page) int { return cmp.Or(a.Queued.Compare(b.Queued), cmp.Compare(a.Key(), b.Key())) })
	return inc, pages, err
}
