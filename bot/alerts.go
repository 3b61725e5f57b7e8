package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"irisops/actions"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/intake"
	"irisops/bot/message"
)

const (
	// byAlert is the cause of what alerts declare.
	byAlert = "alert: "
	// stormFrom is from how many new alerts on, within stormWithin, they become one
	// incident instead of one each.
	stormFrom   = 5
	stormWithin = 5 * time.Minute
	// listedAlerts is how many alerts of one incident are listed for people.
	listedAlerts = 20
	// alertsEvery is how often it is looked whether an incident without alerts is
	// recovered.
	alertsEvery = time.Minute
	// alertsLag is how long after the recovery its alerts may still fire before
	// that is worth a word.
	alertsLag = 5 * time.Minute
)

// alertsDesk lets one notification at a time become incidents.
type alertsDesk struct {
	mu    sync.Mutex
	kicks chan struct{}
}

func (d *alertsDesk) kick() {
	select {
	case d.kicks <- struct{}{}:
	default: // it is about to look anyway
	}
}

// TakeAlerts makes incidents of alerts that came in, and says which. It returns
// when that is durable. An alert that is known to be firing belongs to its
// incident and changes nothing; many at once belong to one. One that is over is
// recorded, and when an incident has none left it is recovered, if that is
// verified.
func (b *Bot) TakeAlerts(ctx context.Context, alerts []intake.Incoming) (incidents []string, err error) {
	b.alerts.mu.Lock()
	defer b.alerts.mu.Unlock()
	firing, err := b.Store.Alerts()
	if err != nil {
		return nil, err
	}
	known := map[string]intake.Alert{}
	for _, a := range firing {
		known[a.Key] = a
	}
	touched := func(id string) {
		if !slices.Contains(incidents, id) {
			incidents = append(incidents, id)
		}
	}
	fresh := map[string][]intake.Alert{} // by cluster
	for _, a := range alerts {
		cluster, err := b.clusterNamed(a.Cluster)
		if err != nil {
			cluster = b.Clusters[0] // it has to be told to somebody
		}
		old, wasFiring := known[a.Key]
		switch {
		case !a.Firing && wasFiring:
			delete(known, a.Key)
			if err := b.alertOver(ctx, old); err != nil {
				return incidents, err
			}
			touched(old.Incident)
		case !a.Firing:
		case wasFiring && b.stillOpen(&old):
			if err := b.firesOn(ctx, old, a); err != nil {
				return incidents, err
			}
			touched(old.Incident)
		default:
			one := intake.Alert{Key: a.Key, Cluster: cluster.Name, Title: a.Title, Priority: a.Priority, Started: a.Started, Seen: nowUTC()}
			if !slices.ContainsFunc(fresh[cluster.Name], func(o intake.Alert) bool { return o.Key == one.Key }) {
				fresh[cluster.Name] = append(fresh[cluster.Name], one)
			}
		}
	}
	for _, cl := range b.Clusters {
		ids, err := b.openFor(ctx, cl.Name, fresh[cl.Name])
		for _, id := range ids {
			touched(id)
		}
		if err != nil {
			return incidents, err
		}
	}
	b.alerts.kick()
	return incidents, nil
}

// stillOpen says whether the alert's incident is not over. One that was merged
// into another goes on as that.
func (b *Bot) stillOpen(a *intake.Alert) bool {
	for range 10 {
		number, err := numberOf(a.Incident)
		if err != nil {
			return false
		}
		inc, err := b.Store.Incident(number)
		if err != nil {
			return false
		}
		if inc.MergedInto == 0 {
			return !inc.Over()
		}
		a.Incident = incident.ID(inc.MergedInto)
	}
	return false
}

// openFor declares what new alerts of a cluster mean: each its own incident, or
// one for many.
func (b *Bot) openFor(ctx context.Context, cluster string, fresh []intake.Alert) (ids []string, err error) {
	if len(fresh) == 0 {
		return nil, nil
	}
	slices.SortStableFunc(fresh, func(a, b intake.Alert) int { return cmp.Compare(a.Priority, b.Priority) })
	if len(fresh) >= stormFrom {
		id, err := b.declareAlerts(ctx, cluster, fmt.Sprintf("%d alerts at once, first %s", len(fresh), fresh[0].Title), "", fresh)
		return []string{id}, err
	}
	for _, a := range fresh {
		id, err := b.stormOf(cluster, a)
		if err != nil {
			return ids, err
		}
		if id != "" {
			err = b.attach(ctx, id, a)
		} else {
			id, err = b.declareAlerts(ctx, cluster, a.Title, a.Key, []intake.Alert{a})
		}
		if err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (b *Bot) declareAlerts(ctx context.Context, cluster, title, dedup string, alerts []intake.Alert) (string, error) {
	var titles []string
	for _, a := range alerts {
		titles = append(titles, a.Title)
	}
	inc, existed, err := b.DeclareBy(ctx, Declaration{Cluster: cluster, Priority: incident.Priority(alerts[0].Priority), Title: title,
		Cause: byAlert + strings.Join(titles[:min(len(titles), 3)], "; "), Dedup: dedup, Alerts: alerts})
	if err != nil {
		return "", err
	}
	if existed { // from before, when nothing was remembered of its alert
		for _, a := range alerts {
			if err := b.attach(ctx, inc.ID(), a); err != nil {
				return inc.ID(), err
			}
		}
		return inc.ID(), nil
	}
	if len(alerts) > 1 {
		lines := make([]string, len(alerts))
		for i, a := range alerts {
			lines[i] = a.Priority + " " + a.Title
		}
		all, err := json.Marshal(lines)
		if err != nil {
			return inc.ID(), err
		}
		text := strings.Join(lines[:min(len(lines), listedAlerts)], "; ")
		if more := len(lines) - listedAlerts; more > 0 {
			text += fmt.Sprintf("; and %d more", more)
			lines = append(lines[:listedAlerts:listedAlerts], fmt.Sprintf("and %d more: all stand in the timeline's data", more))
		}
		b.note(ctx, inc.Number, incident.Noted{By: incident.Bot, Kind: incident.KindNote, Text: fmt.Sprintf("its %d alerts: %s", len(alerts), text), Data: all})
		b.publish(ctx, Post{Key: "alerts/" + inc.ID(), Incident: inc.ID(), Message: message.Message{
			Title: fmt.Sprintf("%s is about %d alerts at once.", inc.ID(), len(alerts)), Blocks: []message.Block{{Text: strings.Join(lines, "\n")}}}})
	}
	return inc.ID(), nil
}

// stormOf is the incident that a new alert belongs to because many came before
// it: the newest of at least its priority, where alerts have opened many within a
// few minutes, or one of many; "" if there is none.
func (b *Bot) stormOf(cluster string, a intake.Alert) (string, error) {
	open, err := b.Store.OpenIncidents()
	if err != nil {
		return "", err
	}
	firing, err := b.Store.Alerts()
	if err != nil {
		return "", err
	}
	of := map[string]int{}
	for _, f := range firing {
		of[f.Incident]++
	}
	newest, alerts := "", 0
	for _, inc := range open {
		if inc.Cluster != cluster || !strings.HasPrefix(inc.Cause, byAlert) || nowUTC().Sub(inc.DeclaredAt) > stormWithin {
			continue
		}
		alerts += of[inc.ID()]
		if inc.Armed() && string(inc.Priority) <= a.Priority { // else it would call nobody
			newest = inc.ID()
		}
	}
	if alerts >= stormFrom {
		return newest, nil
	}
	return "", nil
}

// attach lets an alert belong to an incident that is not resolved. One that had
// recovered is open again with it: somebody has to be called.
func (b *Bot) attach(ctx context.Context, id string, a intake.Alert) error {
	number, err := numberOf(id)
	if err != nil {
		return err
	}
	a.Incident = id
	now, reopened := nowUTC(), false
	inc, err := b.amendBy(ctx, number, now, func(inc incident.Incident) []incident.Event {
		events := []incident.Event{incident.Noted{By: incident.Bot, Kind: incident.KindNote, Text: "alert: " + a.Priority + " " + a.Title}}
		if reopened = inc.State == incident.Recovered; reopened {
			events = append(events, b.again(inc, incident.Priority(a.Priority), incident.Bot, "an alert fires again: "+a.Title, now)...)
		}
		return events
	}, func(ch *change.Change) error { ch.Alerts = append(ch.Alerts, a); return nil })
	if err != nil || !reopened {
		return err
	}
	b.publishParent(ctx, inc)
	b.publish(ctx, Post{Key: fmt.Sprintf("again/%s/%d", inc.ID(), inc.Entries), Incident: inc.ID(), Message: message.Message{Level: message.Critical,
		Title: fmt.Sprintf("%s reopened: its alert fires again.", inc.ID()), Blocks: []message.Block{{Text: sentence(a.Priority + " " + a.Title)}},
		Buttons: []message.Button{{Label: "Acknowledge", Words: "ack --incident " + inc.ID(), Style: message.Primary}, {Label: "Diagnose", Words: "diagnose --incident " + inc.ID()}}}})
	b.kick()
	return nil
}

// firesOn deals with an alert that is told again and belongs to an incident that
// is not resolved. If that had recovered, the alert may only lag behind; one that
// began after the recovery is trouble that came back, though nobody ever told
// that it was over.
func (b *Bot) firesOn(ctx context.Context, known intake.Alert, a intake.Incoming) error {
	number, err := numberOf(known.Incident)
	if err != nil {
		return err
	}
	inc, err := b.Store.Incident(number)
	if err != nil || inc.State != incident.Recovered {
		return err
	}
	if a.Started.After(inc.RecoveredAt) {
		known.Started, known.Seen = a.Started, nowUTC()
		return b.attach(ctx, known.Incident, known)
	}
	if nowUTC().Sub(inc.RecoveredAt) >= alertsLag {
		b.publish(ctx, Post{Key: fmt.Sprintf("still-firing/%s/%d", inc.ID(), inc.Reopenings), Incident: inc.ID(), Message: message.Message{Level: message.Warn,
			Title:   fmt.Sprintf("%s is called recovered, and its alert still fires: %s", inc.ID(), known.Title),
			Blocks:  []message.Block{{Text: "No clock runs for it, and nobody is called. If clients are not served: `reopen --incident " + inc.ID() + "`."}},
			Buttons: []message.Button{{Label: "Verify", Words: "verify --incident " + inc.ID()}, {Label: "Reopen", Words: "reopen --incident " + inc.ID(), Style: message.Danger}}}})
	}
	return nil
}

// alertOver records that an alert fires no more.
func (b *Bot) alertOver(ctx context.Context, a intake.Alert) error {
	was := a
	was.Over = true
	open := b.stillOpen(&a)
	number, err := numberOf(a.Incident)
	if err != nil || !open {
		return b.Store.Commit(ctx, change.Change{Alerts: []intake.Alert{was}})
	}
	_, err = b.amend(ctx, number, nowUTC(), []incident.Event{incident.Noted{By: incident.Bot, Kind: incident.KindNote, Text: "alert is over: " + a.Title}},
		func(ch *change.Change) error { ch.Alerts = append(ch.Alerts, was); return nil })
	return err
}

// recoverAlerted looks, again and again, whether incidents whose alerts are all
// over are recovered.
func (b *Bot) recoverAlerted(ctx context.Context) {
	tick := time.NewTicker(alertsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-b.alerts.kicks:
		}
		if err := b.recoverOnce(ctx); err != nil {
			b.log.Error("whether alerts are over could not be read", "err", err)
		}
	}
}

func (b *Bot) recoverOnce(ctx context.Context) error {
	open, err := b.Store.OpenIncidents()
	if err != nil {
		return err
	}
	var waiting []incident.Incident
	for _, inc := range open {
		if strings.HasPrefix(inc.Cause, byAlert) && inc.Troubled() {
			waiting = append(waiting, inc)
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	firing, err := b.Store.Alerts()
	if err != nil {
		return err
	}
	for _, inc := range waiting {
		if !slices.ContainsFunc(firing, func(a intake.Alert) bool { b.stillOpen(&a); return a.Incident == inc.ID() }) {
			b.recoverOne(ctx, inc)
		}
	}
	return nil
}

// recoverOne recovers an incident whose alerts are all over, if clients are seen
// to be served. If not, that is said once, and looked at again.
func (b *Bot) recoverOne(ctx context.Context, inc incident.Incident) {
	if by, is := b.leftToPeople(inc); is {
		b.publish(ctx, Post{Key: fmt.Sprintf("alerts-over/%s/%d", inc.ID(), inc.Reopenings), Incident: inc.ID(), Message: message.Message{Level: message.Advice,
			Title:   fmt.Sprintf("No alert of %s fires, and it stays open: %s has reopened it.", inc.ID(), by),
			Blocks:  []message.Block{{Text: "The clocks run on until a person says `recovered`, which verifies that clients are served."}},
			Buttons: []message.Button{{Label: "Recovered", Words: "recovered --incident " + inc.ID(), Style: message.Primary}}}})
		return
	}
	cluster, err := b.clusterNamed(inc.Cluster)
	if err != nil {
		return // the config has lost it: a person decides
	}
	verify, ok := cluster.action("verify")
	if !ok {
		return
	}
	result, err := verify.Look(ctx, actions.Request{Incident: inc.ID(), By: incident.Bot, Now: nowUTC()})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		result = actions.Result{Level: actions.Unknown, Headline: "the check could not be made: " + err.Error()}
	}
	if result.Level != actions.OK {
		b.publish(ctx, Post{Key: fmt.Sprintf("alerts-over/%s/%d", inc.ID(), inc.Reopenings), Incident: inc.ID(), Message: message.Message{Level: message.Warn,
			Title:   fmt.Sprintf("All alerts of %s are over, but it is not recovered: %s", inc.ID(), result.Headline),
			Blocks:  []message.Block{{Text: "The clocks run on. It is checked again every minute, and called recovered when that passes."}},
			Buttons: []message.Button{{Label: "Diagnose", Words: "diagnose --incident " + inc.ID(), Style: message.Primary}}}})
		return
	}
	after, err := b.amend(ctx, inc.Number, nowUTC(), []incident.Event{
		incident.Verified{By: incident.Bot, OK: true, Summary: result.Headline}, incident.DeclaredRecovered{By: incident.Bot}}, nil)
	if err != nil {
		if !errors.Is(err, incident.ErrOver) {
			b.log.Error("an incident whose alerts are over could not be recovered", "incident", inc.ID(), "err", err)
		}
		return
	}
	b.publish(ctx, Post{Key: fmt.Sprintf("alerts-over/%s/%d", inc.ID(), inc.Reopenings), Incident: inc.ID(), Message: message.Message{Level: message.OK,
		Title:   fmt.Sprintf("%s recovered after %s: all its alerts are over, verified: %s", inc.ID(), spoken(after.RecoveredAt.Sub(after.DeclaredAt)), result.Headline),
		Blocks:  []message.Block{{Text: "The escalation clocks are stopped. When the work is done: `resolve`."}},
		Buttons: []message.Button{{Label: "Resolve", Words: "resolve --incident " + inc.ID(), Style: message.Primary}}}})
	b.publishParent(ctx, after)
}
