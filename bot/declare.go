package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"irisops/actions"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// declare opens an incident. The incident, its armed clocks and its first pages
// are one transaction, durable before anyone reads "declared". The first
// diagnosis follows by itself.
func declare(c *call) error {
	cluster, err := c.cluster()
	if err != nil {
		return err
	}
	priority, title := incident.Priority(c.args["priority"]), c.args["title"]
	inc, existed, err := c.open(c.ctx, Declaration{Cluster: cluster.Name, Priority: priority, Title: title, Symptoms: c.args["symptoms"], By: c.who.ID},
		dedupKey(cluster.Name, priority, title), c.d.ID)
	if err != nil {
		return err
	}
	if existed {
		return c.declareAgain(inc, priority)
	}
	inc = c.announce(c.ctx, inc, c.d.ID)
	c.later("first diagnosis", func(ctx context.Context) error {
		return c.firstDiagnosis(ctx, cluster, inc, c.d.ID)
	})
	return nil
}

// dedupKey makes two people who declare the same thing at once share one
// incident: the same priority and title on the same cluster, in any case and
// spacing. With another priority it is another incident, which has clocks of its
// own.
func dedupKey(cluster string, p incident.Priority, title string) string {
	return cluster + "\x00" + string(p) + "\x00" + strings.ToLower(strings.Join(strings.Fields(title), " "))
}

func parentKey(inc incident.Incident) string { return "incident/" + inc.ID() }

// parentPost is the incident's own message, and what it is news of.
func (b *Bot) parentPost(inc incident.Incident, now time.Time) Post {
	p := Post{Key: parentKey(inc), Incident: inc.ID(), Cluster: inc.Cluster, Parent: true, State: string(inc.State),
		Pin: !inc.Over() && (inc.Priority == incident.P0 || inc.Priority == incident.P1), Message: b.parent(inc, now)}
	p.Since, p.News = inc.DeclaredAt, fmt.Sprintf("%s %s is open again: %s", inc.ID(), inc.Priority, inc.Title)
	switch inc.State {
	case incident.Acknowledged:
		p.Since, p.News = inc.AckedAt, fmt.Sprintf("%s %s acknowledged by %s: %s", inc.ID(), inc.Priority, inc.AckedBy, inc.Title)
	case incident.Mitigated:
		p.Since, p.News = inc.MitigatedAt, fmt.Sprintf("%s %s mitigated by %s, not recovered: %s", inc.ID(), inc.Priority, inc.MitigatedBy, inc.Title)
	case incident.Reopened:
		p.Since, p.News = inc.Arming.At, fmt.Sprintf("%s %s reopened: %s", inc.ID(), inc.Priority, inc.Title)
	case incident.Recovered:
		p.Since, p.News = inc.RecoveredAt, fmt.Sprintf("%s %s recovered after %s: %s", inc.ID(), inc.Priority, spoken(inc.RecoveredAt.Sub(inc.DeclaredAt)), inc.Title)
	case incident.Resolved:
		p.Since, p.News = inc.ResolvedAt, fmt.Sprintf("%s %s resolved by %s: %s", inc.ID(), inc.Priority, inc.ResolvedBy, inc.Title)
	}
	return p
}

// publishParent shows the incident as it is now. Reading and showing are one, so
// that of several who bring it up to date at once none shows an older state last.
func (b *Bot) publishParent(ctx context.Context, inc incident.Incident) {
	b.parents.Lock()
	defer b.parents.Unlock()
	if fresh, err := b.Store.Incident(inc.Number); err == nil {
		inc = fresh
	}
	b.publish(ctx, b.parentPost(inc, nowUTC()))
}

func (c *call) alreadyOpen(inc incident.Incident) message.Message {
	return message.Message{
		Level:  message.Info,
		Title:  fmt.Sprintf("%s is open already for this: declared by %s at %s. Nothing new was opened.", inc.ID(), inc.DeclaredBy, c.clock(inc.DeclaredAt, c.now)),
		Blocks: []message.Block{{Text: fmt.Sprintf("It is %s with priority %s. Next page: %s. If yours is another one, declare it with another title.", inc.State, inc.Priority, c.nextPage(inc, c.now))}},
		Buttons: []message.Button{
			{Label: "Acknowledge", Words: "ack --incident " + inc.ID(), Style: message.Primary},
			{Label: "Show Timeline", Words: "timeline --incident " + inc.ID()},
		},
	}
}

// mentionOthers points at what else is open on the same cluster: it may be the
// same trouble under another name.
func (b *Bot) mentionOthers(ctx context.Context, inc incident.Incident, answers string) {
	open, err := b.Store.OpenIncidents()
	if err != nil {
		b.log.Error("the other open incidents could not be read", "err", err)
		return
	}
	var others []string
	for _, o := range open {
		if o.Number != inc.Number && o.Cluster == inc.Cluster {
			others = append(others, fmt.Sprintf("%s %s %s: %s", o.ID(), o.Priority, o.State, o.Title))
		}
	}
	if len(others) > 0 {
		b.publish(ctx, Post{Key: "others/" + inc.ID(), Incident: inc.ID(), Answers: answers, Message: message.Message{
			Level: message.Advice, Title: "Also open on " + inc.Cluster + ", perhaps the same trouble:",
			Blocks: []message.Block{{Text: strings.Join(others, "\n")}}}})
	}
}

// firstDiagnosis follows a declaration by itself. answers is the delivery that
// declared, "" after a restart.
func (b *Bot) firstDiagnosis(ctx context.Context, cluster Cluster, inc incident.Incident, answers string) error {
	action, ok := cluster.action("diagnose")
	if !ok {
		return nil
	}
	key := "diagnosis/" + inc.ID() + "/first"
	result, err := action.Look(ctx, actions.Request{Incident: inc.ID(), By: inc.DeclaredBy, Now: nowUTC()})
	if err != nil {
		m := refusal(err)
		m.Title = "The first diagnosis failed: " + m.Title
		b.publish(ctx, Post{Key: key, Incident: inc.ID(), Answers: answers, Message: m})
		b.note(ctx, inc.Number, incident.Noted{By: incident.Bot, Kind: incident.KindDiagnosed, Text: m.Title})
		return nil // the incident is declared all the same
	}
	// Shown first: what stands in the timeline is not diagnosed again after a crash.
	b.publish(ctx, Post{Key: key, Incident: inc.ID(), Answers: answers, Message: withIncident(ResultMessage(result), inc.ID())})
	b.noteResult(ctx, inc.Number, incident.Bot, incident.KindDiagnosed, result)
	return nil
}

// noteResult keeps a look's headline and data with the incident.
func (b *Bot) noteResult(ctx context.Context, number uint64, by string, kind incident.Kind, r actions.Result) {
	data, err := json.Marshal(r.Data)
	if err != nil {
		b.log.Error("a result could not be kept whole", "headline", r.Headline, "err", err)
	}
	b.note(ctx, number, incident.Noted{By: by, Kind: kind, Text: string(kind) + ": " + r.Headline, Data: data})
}

// withCluster makes the message's buttons work on that cluster, where there are
// several and no incident says which.
func (b *Bot) withCluster(m message.Message, cluster Cluster) message.Message {
	if len(b.Clusters) < 2 {
		return m
	}
	buttons := make([]message.Button, len(m.Buttons))
	for i, button := range m.Buttons {
		if !strings.Contains(button.Words, "--incident") && !strings.Contains(button.Words, "REQ-") {
			button.Words += " --cluster " + cluster.Name
		}
		buttons[i] = button
	}
	m.Buttons = buttons
	return m
}

// withIncident makes the message's buttons work on that incident wherever they
// are pressed.
func withIncident(m message.Message, id string) message.Message {
	if id == "" {
		return m
	}
	buttons := make([]message.Button, len(m.Buttons))
	for i, b := range m.Buttons {
		if !strings.Contains(b.Words, "--incident") && !strings.Contains(b.Words, "REQ-") {
			b.Words += " --incident " + id
		}
		buttons[i] = b
	}
	m.Buttons = buttons
	return m
}
