package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"irisops/actions/cluster"
	"irisops/actions/drill"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/watch"
)

// drillDesk is the conversation as the drills of one cluster see it.
type drillDesk struct {
	*Bot
	cluster Cluster
	drill   *drill.Drill

	mu    sync.Mutex
	under *drill.Record // being made: announced or struck
	abort string        // why it has to end
}

// makeDrills gives every cluster that is drilled the action, beside its own.
func (b *Bot) makeDrills() {
	b.drills = map[string]*drillDesk{}
	b.Clusters = slices.Clone(b.Clusters)
	for i, cl := range b.Clusters {
		if cl.Drill == nil {
			continue
		}
		d := &drillDesk{Bot: b, cluster: cl}
		o := *cl.Drill
		o.Desk, o.Log = d, b.log
		d.drill = drill.New(o)
		b.drills[cl.Name] = d
		b.Clusters[i].Actions = append(slices.Clip(cl.Actions), d.drill.Action())
	}
}

// Keep implements drill.Desk.
func (d *drillDesk) Keep(ctx context.Context, r drill.Record) error {
	d.mu.Lock()
	if r.Ended.IsZero() {
		kept := r
		d.under = &kept
	}
	d.mu.Unlock()
	return d.Store.KeepDrill(ctx, r)
}

// Past implements drill.Desk.
func (d *drillDesk) Past() ([]drill.Record, error) { return d.Store.Drills(d.cluster.Name) }

// Against implements drill.Desk.
func (d *drillDesk) Against() (string, error) {
	now := nowUTC()
	m, err := d.maintenanceOf(d.cluster.Name, now)
	if err != nil {
		return "", err
	}
	if m != nil {
		return fmt.Sprintf("maintenance by %s until %s: %s", m.By, d.clock(m.Until, now), m.Reason), nil
	}
	inc, err := d.realIncident(time.Time{})
	if err != nil {
		return "", err
	}
	if inc != nil {
		return fmt.Sprintf("%s %s is %s: %s", inc.ID(), inc.Priority, inc.State, inc.Title), nil
	}
	if h, err := d.Store.Halted(); err != nil {
		return "", err
	} else if h != nil {
		return "actions are halted by " + h.By, nil
	}
	return "", nil
}

// realIncident is one that is open on the cluster and no drill, declared after
// that time; nil for none.
func (d *drillDesk) realIncident(after time.Time) (*incident.Incident, error) {
	open, err := d.Store.OpenIncidents()
	if err != nil {
		return nil, err
	}
	for _, inc := range open {
		if inc.Cluster == d.cluster.Name && !inc.Drill && inc.State != incident.Recovered && !inc.DeclaredAt.Before(after) {
			return &inc, nil
		}
	}
	return nil, nil
}

// Begin implements drill.Desk: the drill gets an incident of its own, marked so,
// in whose thread people write what they learn.
func (d *drillDesk) Begin(ctx context.Context, r drill.Record) string {
	inc, _, err := d.DeclareBy(ctx, Declaration{Cluster: d.cluster.Name, Priority: incident.P3, Drill: true, Dedup: r.ID,
		Title: fmt.Sprintf("%s %s, recovered by %s", r.Fault, r.Victim, map[drill.Mode]string{drill.Auto: "irisops", drill.Observe: "people"}[r.Mode]),
		Cause: causeOfDrill(r)})
	if err != nil {
		d.log.Error("a drill has no incident", "drill", r.ID, "err", err)
		return ""
	}
	return inc.ID()
}

func causeOfDrill(r drill.Record) string { return "drill: " + r.ID }

// Stop implements drill.Desk.
func (d *drillDesk) Stop(r drill.Record) string {
	d.mu.Lock()
	abort := d.abort
	d.mu.Unlock()
	if abort != "" {
		return abort
	}
	if why, halted := d.haltReason(); halted {
		return why
	}
	since := r.Struck
	if since.IsZero() {
		since = time.Time{}
	}
	if inc, err := d.realIncident(since); err != nil {
		return "whether a real incident is open could not be found out: " + err.Error()
	} else if inc != nil {
		return fmt.Sprintf("a real incident: %s %s: %s", inc.ID(), inc.Priority, inc.Title)
	}
	return ""
}

// Progress implements drill.Desk.
func (d *drillDesk) Progress(r drill.Record) {
	if !r.Struck.IsZero() {
		d.publish(d.ctx, Post{Key: "drill/" + r.ID, Incident: r.Incident, Message: drillMessage(r)})
	}
}

// Alarm implements drill.Desk: this is no practice any more.
func (d *drillDesk) Alarm(ctx context.Context, r drill.Record, what string) {
	inc, _, err := d.DeclareBy(ctx, Declaration{Cluster: d.cluster.Name, Priority: incident.P1, Title: what, Cause: "drill: " + r.ID + ": it went wrong", Dedup: r.ID + "/alarm"})
	if err != nil {
		d.alarm(what, err)
		return
	}
	now := nowUTC()
	roles := d.OnCall.Names()
	if slices.Contains(roles, "primary") {
		roles = []string{"primary"}
	}
	var calls []incident.Call
	for _, role := range roles {
		calls = append(calls, incident.Call{Step: fmt.Sprintf("drill/%d", now.UnixNano()), Role: role, Due: now, Text: fmt.Sprintf("%s %s: %s. This is no practice any more", inc.ID(), inc.Priority, what)})
	}
	_, err = d.amend(ctx, inc.Number, now, []incident.Event{incident.Noted{By: incident.Bot, Kind: incident.KindEscalated, Text: "paging on-call: " + what}},
		func(ch *change.Change) error {
			ch.Pages = append(ch.Pages, d.roster().Pages(inc.ID(), calls, now)...)
			return nil
		})
	if err != nil {
		d.alarm(what, err)
	}
	d.kick()
}

// End implements drill.Desk: its own incident ends with it.
func (d *drillDesk) End(ctx context.Context, r drill.Record) {
	d.mu.Lock()
	d.under, d.abort = nil, ""
	d.mu.Unlock()
	if err := d.Store.KeepDrill(ctx, r); err != nil {
		d.log.Error("the end of a drill could not be recorded", "drill", r.ID, "err", err)
	}
	d.publish(ctx, Post{Key: "drill/" + r.ID, Incident: r.Incident, Message: drillMessage(r)})
	number, err := numberOf(r.Incident)
	if r.Incident == "" || err != nil {
		return
	}
	inc, err := d.amend(ctx, number, nowUTC(), []incident.Event{
		incident.Noted{By: incident.Bot, Kind: incident.KindNote, Text: "the drill is over: " + r.Headline()},
		incident.DeclaredResolved{By: incident.Bot, Reason: "the drill is over: " + r.Headline()},
	}, nil)
	if err != nil {
		d.log.Error("the incident of a drill could not be resolved", "incident", r.Incident, "err", err)
		return
	}
	d.publishParent(ctx, inc)
}

// drillOn is the drill on the cluster whose fault is on, or was until just now;
// nil for none. What its victim explains is no real trouble.
func (b *Bot) drillOn(cluster string) *drill.Record {
	d := b.drills[cluster]
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.under == nil || d.under.Struck.IsZero() {
		return nil
	}
	r := *d.under
	return &r
}

// explains says whether what watch sees is what the victim of the drill explains.
func explains(r drill.Record, core bool, s watch.Symptom) bool {
	if core { // without it much else may fail; another node that is gone is no part of it
		return !strings.HasPrefix(s.Cause, "node/") || s.Cause == "node/"+r.Victim || len(s.Nodes) == 1 && slices.Contains(r.Side, s.Nodes[0])
	}
	return s.Cause == "mesh" || len(s.Nodes) == 1 && s.Nodes[0] == r.Victim
}

func (d *drillDesk) isCore(node string) bool {
	return slices.ContainsFunc(d.drill.Nodes, func(n cluster.Node) bool { return n.Short == node && n.Role == cluster.CoreRole })
}

// drillMessage is a drill as it stands.
func drillMessage(r drill.Record) message.Message {
	m := message.Message{Level: message.Info, Title: "DRILL " + r.Headline() + ".", Data: r}
	switch r.Verdict {
	case drill.Passed:
		m.Level = message.OK
	case drill.Running:
		m.Buttons = []message.Button{{Label: "Abort Drill", Words: "drill abort", Style: message.Danger, Confirm: "End the drill, and recover " + r.Victim + " at once?"}}
	case drill.Planned:
	case drill.Skipped, drill.Aborted, drill.Interrupted:
		m.Level = message.Warn
	default:
		m.Level = message.Critical
	}
	if !r.Struck.IsZero() {
		m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"Stage", "After"}, Rows: r.Rows()}},
			message.Block{Fields: []message.Field{
				{Name: "Messages through " + r.Victim, Value: r.Victims.String()}, {Name: "Messages outside of it", Value: r.Others.String()}}})
	}
	return m
}
