package bot

import (
	"context"
	"fmt"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/runbook"
	"irisops/bot/access"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// Home is one person's page: what waits for them first, then what is going on.
// It looks and leaves no trace. caller is who the channel says it is.
func (b *Bot) Home(ctx context.Context, caller string) []message.Message {
	var groups []string
	if b.Groups != nil {
		groups = b.Groups(ctx, caller)
	}
	who, known := b.Access.Identify(caller, groups...)
	if !known || !b.Access.May(who, "status", actions.See).Allowed {
		return []message.Message{lines(b.Access.Unknown(caller).Error())}
	}
	now := nowUTC()
	h := home{Bot: b, who: who, now: now}
	open, err := b.Store.OpenIncidents()
	if err == nil {
		err = h.waiting(open)
	}
	if err != nil {
		b.log.Error("what is going on could not be read", "err", err)
		h.add(message.Message{Level: message.Unknown, Title: "What is going on could not be read: it is in irisops's log."})
	}
	h.incidents(open)
	h.clusters(ctx)
	h.onCall()
	h.nextDrill()
	h.add(message.Message{Title: "Quick actions", Buttons: []message.Button{
		{Label: "Declare an Incident", Words: "declare"},
		{Label: "Diagnose", Words: "diagnose" + h.onCluster()}, {Label: "Verify", Words: "verify" + h.onCluster()}, {Label: "Status", Words: "status"}, {Label: "Help", Words: "help"}}})
	return h.sections
}

// home is one page in the making.
type home struct {
	*Bot
	who      access.Person
	now      time.Time
	sections []message.Message
}

func (h *home) add(m message.Message) { h.sections = append(h.sections, m) }

// onCluster says which cluster a quick action is about, where it has to be said.
func (h *home) onCluster() string {
	if len(h.Clusters) > 1 {
		return " --cluster " + h.Clusters[0].Name
	}
	return ""
}

// waiting is what only this person, or one like them, can do now.
func (h *home) waiting(open []incident.Incident) error {
	runs, err := h.Store.Runs(runbook.Waiting, runbook.Uncertain)
	if err != nil {
		return err
	}
	before := len(h.sections)
	voter := h.Access.Voter(h.who)
	for _, r := range runs {
		mine := r.By == voter.Person
		switch {
		case r.State == runbook.Uncertain && (mine && r.Approval.Needs == approval.Confirmation || !mine && voter.Approver),
			r.State == runbook.Waiting && r.Approval.Needs == approval.SecondPerson && !mine && voter.Approver,
			r.State == runbook.Waiting && r.Approval.Needs == approval.Confirmation && mine:
			m := h.runMessage(r, h.now)
			m.Blocks = nil // the whole of it stands in the channel
			if r.State == runbook.Waiting {
				m.Blocks = []message.Block{{Text: fmt.Sprintf("Asked by %s. Until %s. %s", r.By, h.clock(r.Approval.ExpiresAt(), h.now), sentence(r.Why))}}
			}
			h.add(m)
		}
	}
	if h.Access.May(h.who, "ack", actions.Tell).Allowed {
		for _, inc := range open {
			if inc.Handoff != nil && inc.Handoff.To == h.who.ID {
				h.add(message.Message{Level: message.Warn, Title: fmt.Sprintf("%s asks you to take over %s %s: %s", inc.Handoff.By, inc.ID(), inc.Priority, inc.Title),
					Buttons: []message.Button{{Label: "Accept", Words: "accept --incident " + inc.ID(), Style: message.Primary}}})
				continue
			}
			if inc.Waiting() {
				h.add(message.Message{Level: message.Critical, Title: fmt.Sprintf("%s %s is not acknowledged: %s", inc.ID(), inc.Priority, inc.Title),
					Buttons: []message.Button{{Label: "Acknowledge", Words: "ack --incident " + inc.ID(), Style: message.Primary}}})
			}
		}
	}
	first := message.Message{Level: message.OK, Title: "Nothing waits for you."}
	if n := len(h.sections) - before; n > 0 {
		first = message.Message{Title: plural(n, "thing") + " waiting for you"}
		if n == 1 {
			first.Title = "1 thing is waiting for you"
		}
	}
	h.sections = append([]message.Message{first}, h.sections...)
	return nil
}

// mostOnHome bounds how many incidents are shown there.
const mostOnHome = 8

func (h *home) incidents(open []incident.Incident) {
	title := message.Message{Level: message.OK, Title: "No incident is open."}
	if len(open) > 0 {
		title = message.Message{Title: plural(len(open), "incident") + " open"}
	}
	h.add(title)
	for i, inc := range open {
		if i == mostOnHome {
			h.add(message.Message{Title: fmt.Sprintf("and %d more: `status` lists them.", len(open)-i)})
			return
		}
		m := h.parent(inc, h.now)
		m.Buttons = nil
		h.add(m)
	}
}

func (h *home) clusters(ctx context.Context) {
	rows := make([][]string, len(h.Clusters))
	each(ctx, h.Clusters, func(ctx context.Context, i int, c Cluster) {
		level, line := c.Summary(ctx)
		rows[i] = []string{c.Name, string(level), line}
	})
	m := message.Message{Title: "Clusters", Blocks: []message.Block{{Table: &message.Table{Rows: rows}}}}
	h.add(m)
}

func (h *home) onCall() {
	if fields := h.onCallFields(); len(fields) > 0 {
		for i := range fields {
			fields[i].Name = strings.TrimPrefix(fields[i].Name, "On call: ")
		}
		h.add(message.Message{Title: "On call", Blocks: []message.Block{{Fields: fields}}})
	}
}

// nextDrill is the next time that the calendar has one.
func (h *home) nextDrill() {
	states, err := h.Store.Schedules()
	if err != nil {
		h.log.Error("the schedules could not be read", "err", err)
		return
	}
	var at time.Time
	var name string
	for _, e := range h.Schedules {
		if !strings.HasPrefix(e.Words, "drill") {
			continue
		}
		next := e.When.Next(h.now)
		for _, s := range states {
			if s.Name == e.Name && s.Paused != nil {
				next = time.Time{}
			}
		}
		if !next.IsZero() && (at.IsZero() || next.Before(at)) {
			at, name = next, e.Name
		}
	}
	if name != "" {
		h.add(message.Message{Title: "Next drill: " + h.date(at) + " (" + name + ")"})
	}
}
