package bot

import (
	"context"
	"fmt"
	"slices"

	"irisops/bot/change"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/intake"
	"irisops/bot/message"
)

// Declaration is an incident that no person typed: a probe saw it, an alert came
// in, or a drill needs it.
type Declaration struct {
	Cluster  string // needed where there are several clusters
	Priority incident.Priority
	Title    string
	Cause    string // what made the bot declare it, for the record: "watch: edge1 refuses logins"
	Symptoms string // what was seen, where a person told it
	By       string // a person's id where one asked for it (a drill); "" is the bot itself
	// Dedup is the key of the cause: as long as an incident with it is not
	// resolved, there is no second one. "" is equal to none.
	Dedup string
	// Alerts are what it is about: from then on they belong to it.
	Alerts []intake.Alert
	Drill  bool // left out of the statistics, and every page says that it is one
}

// DeclareBy opens an incident as declare does: it is durable, with its clocks
// and its first pages, when this returns; its message, the pages and the first
// diagnosis follow. If one with the same Dedup is not resolved yet, that one is
// returned as it stands, existed is true, and nothing is changed.
func (b *Bot) DeclareBy(ctx context.Context, d Declaration) (inc incident.Incident, existed bool, err error) {
	cluster, err := b.clusterNamed(d.Cluster)
	if err != nil {
		return inc, false, err
	}
	if !slices.Contains(incident.Priorities, d.Priority) {
		return inc, false, fmt.Errorf("%q is no priority", d.Priority)
	}
	d.Cluster, d.By = cluster.Name, firstOf(d.By, incident.Bot)
	key := ""
	if d.Dedup != "" {
		key = "cause\x00" + cluster.Name + "\x00" + d.Dedup // never equal to what a person declares
	}
	inc, existed, err = b.open(ctx, d, key, "")
	if err != nil || existed {
		return inc, existed, err
	}
	inc = b.announce(ctx, inc, "")
	b.background("first diagnosis of "+inc.ID(), func(ctx context.Context) {
		if err := b.firstDiagnosis(ctx, cluster, inc, ""); err != nil {
			b.log.Error("the first diagnosis failed", "incident", inc.ID(), "err", err)
		}
	})
	return inc, false, nil
}

// open records a new incident with its armed clocks and its first pages in one
// transaction, as carried out by that delivery.
func (b *Bot) open(ctx context.Context, d Declaration, dedup, delivery string) (incident.Incident, bool, error) {
	now := nowUTC()
	inc, existed, err := b.Store.Declare(ctx, dedup, func(number uint64) change.Change {
		inc, eff := incident.New(number, incident.Declaration{
			Cluster: d.Cluster, Title: d.Title, Priority: d.Priority, By: d.By, Cause: d.Cause, Symptoms: d.Symptoms, Drill: d.Drill,
			Clocks: escalation.Clocks(d.Priority, b.Policies[d.Priority], now),
		}, now)
		ch := change.Change{Incident: &inc, Entries: eff.Entries, Pages: b.roster().Pages(inc.ID(), eff.Pages, now), Delivery: delivery}
		for _, a := range d.Alerts {
			a.Incident = inc.ID()
			ch.Alerts = append(ch.Alerts, a)
		}
		return ch
	})
	if err != nil {
		return inc, false, fmt.Errorf("the incident was not declared, because it could not be recorded: %w", err)
	}
	return inc, existed, nil
}

// announce shows a new incident, and then wakes the clocks, so that its pages
// find a thread.
func (b *Bot) announce(ctx context.Context, inc incident.Incident, answers string) incident.Incident {
	b.parents.Lock()
	if fresh, err := b.Store.Incident(inc.Number); err == nil {
		inc = fresh
	}
	p := b.parentPost(inc, nowUTC())
	p.Answers = answers
	b.publish(ctx, p)
	b.parents.Unlock()
	b.mentionOthers(ctx, inc, answers) // before the pages, which come when they are ready
	b.kick()
	return inc
}

// SeemsRecovered says in the incident's thread that its cause is gone, with what
// was seen, and asks a person to confirm it. It stops no clock: only a person's
// verified "recovered" does. Call it once for each time that the cause goes.
func (b *Bot) SeemsRecovered(ctx context.Context, number uint64, seen string) error {
	inc, err := b.amend(ctx, number, nowUTC(), []incident.Event{incident.Noted{By: incident.Bot, Kind: incident.KindNote, Text: "seems recovered by itself: " + seen}}, nil)
	if err != nil {
		return err
	}
	if inc.Over() || inc.State == incident.Recovered {
		return nil // somebody was faster
	}
	b.publish(ctx, Post{Key: fmt.Sprintf("seems-recovered/%s/%d", inc.ID(), inc.Entries), Incident: inc.ID(), Message: message.Message{
		Level: message.Advice, Title: fmt.Sprintf("%s seems recovered by itself: %s. Please confirm.", inc.ID(), seen),
		Blocks: []message.Block{{Text: "The clocks run on until a person says so: Recovered verifies that clients are served, and then stops them. Next page: " + b.nextPage(inc, nowUTC()) + "."}},
		Buttons: []message.Button{
			{Label: "Recovered", Words: "recovered --incident " + inc.ID(), Style: message.Primary},
			{Label: "Diagnose", Words: "diagnose --incident " + inc.ID()},
		}}})
	return nil
}
