package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/drill"
	"irisops/bot/command"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/watch"
)

// Watch says how the clusters are watched. The zero value is off.
type Watch struct {
	Mode  watch.Mode
	Every time.Duration // 0: watch.Every
	Rules watch.Rules
}

func (b *Bot) makeWatch() {
	if b.Watch.Mode == "" || b.Watch.Mode == watch.Off {
		return
	}
	for _, cl := range b.Clusters {
		if cl.Observe != nil {
			b.watchers = append(b.watchers, &watch.Watcher{Cluster: cl.Name, Observe: cl.Observe, Every: b.Watch.Every, Rules: b.Watch.Rules, Desk: desk{b}, Log: b.log})
		}
	}
}

// Watched is what watch knows of every cluster that it watches.
func (b *Bot) Watched() []watch.Snapshot {
	var all []watch.Snapshot
	for _, w := range b.watchers {
		all = append(all, w.Snapshot())
	}
	return all
}

// desk turns what watch sees into incidents.
type desk struct{ *Bot }

// byWatch begins the record of the cause of what watch declares; the cause
// follows, and then what was seen.
const byWatch = "watch: "

// Declare implements watch.Desk.
func (d desk) Declare(ctx context.Context, cluster string, s watch.Symptom) (watch.Outcome, error) {
	m, err := d.maintenanceOf(cluster, nowUTC())
	if err != nil {
		return watch.Outcome{}, err
	}
	if m != nil {
		return watch.Outcome{Text: "silent: maintenance until " + d.clock(m.Until, nowUTC()), Held: true}, nil
	}
	r := d.drillOn(cluster)
	drilled := r != nil && explains(*r, d.drills[cluster].isCore(r.Victim), s)
	if drilled && r.Mode == drill.Auto {
		return watch.Outcome{Text: "DRILL: the drill of " + r.Victim + " explains it", Held: true}, nil
	}
	if d.Watch.Mode != watch.Declare {
		return watch.Outcome{Text: fmt.Sprintf("would declare %s", s.Priority)}, nil
	}
	what := Declaration{Cluster: cluster, Priority: s.Priority, Title: s.Title, Cause: byWatch + s.Cause + ": " + s.Seen, Dedup: byWatch + s.Cause, Drill: drilled}
	if drilled {
		what.Dedup += "\x00" + r.ID
	}
	inc, existed, err := d.DeclareBy(ctx, what)
	if err != nil {
		return watch.Outcome{}, err
	}
	if existed {
		return d.again(ctx, inc, s)
	}
	return watch.Outcome{Number: inc.Number, Text: inc.ID() + " declared"}, nil
}

// Remember implements watch.Desk.
func (d desk) Remember(ctx context.Context, cluster string, events []watch.Event) error {
	return d.Store.KeepWatched(ctx, cluster, events)
}

// Remembered implements watch.Desk.
func (d desk) Remembered(cluster string) ([]watch.Event, error) { return d.Store.Watched(cluster) }

// again is what becomes of a cause that has an incident: one that had recovered
// is open again, with clocks armed anew, and one that is graver by now gets the
// clocks of its priority.
func (d desk) again(ctx context.Context, inc incident.Incident, s watch.Symptom) (watch.Outcome, error) {
	now := nowUTC()
	text := inc.ID() + " is open for it"
	if s.Priority < inc.Priority {
		text = fmt.Sprintf("%s is %s by now", inc.ID(), s.Priority)
	}
	if inc.State == incident.Recovered {
		text = inc.ID() + " reopened: it came back"
	}
	if events := d.Bot.again(inc, s.Priority, incident.Bot, "it came back: "+s.Seen, now); len(events) > 0 {
		inc, err := d.amend(ctx, inc.Number, now, events, nil)
		if err != nil && !errors.Is(err, incident.ErrNothingToDo) {
			return watch.Outcome{}, err
		}
		d.publishParent(ctx, inc)
		d.publish(ctx, Post{Key: fmt.Sprintf("again/%s/%d", inc.ID(), inc.Entries), Incident: inc.ID(), Message: message.Message{Level: message.Critical,
			Title: text + ".", Blocks: []message.Block{{Text: sentence(s.Title + ": " + s.Seen)}},
			Buttons: []message.Button{{Label: "Acknowledge", Words: "ack --incident " + inc.ID(), Style: message.Primary}, {Label: "Diagnose", Words: "diagnose --incident " + inc.ID()}}}})
		d.kick()
	}
	return watch.Outcome{Number: inc.Number, Text: text}, nil
}

// Over implements watch.Desk. What nobody has taken recovers by itself, if
// clients are verified to be served, and asks to be confirmed. What a person has
// taken is theirs: they are told that it seems recovered.
func (d desk) Over(ctx context.Context, cluster string, number uint64, s watch.Symptom) (bool, error) {
	inc, err := d.Store.Incident(number)
	if err != nil {
		return false, err
	}
	seen := "what watch saw has not shown for a while"
	if s.Title != "" {
		seen += " (" + s.Title + ")"
	}
	switch inc.State {
	case incident.Open, incident.Reopened:
		if by, is := d.leftToPeople(inc); is {
			return true, d.SeemsRecovered(ctx, number, seen+", though "+by+" has reopened it")
		}
	case incident.Acknowledged, incident.Mitigated:
		return true, d.SeemsRecovered(ctx, number, seen)
	default:
		return true, nil // somebody was faster
	}
	cl, err := d.clusterNamed(cluster)
	if err != nil {
		return false, err
	}
	action, ok := cl.action("verify")
	if !ok {
		return true, d.SeemsRecovered(ctx, number, seen)
	}
	result, err := action.Look(ctx, actions.Request{Incident: inc.ID(), By: incident.Bot, Now: nowUTC()})
	if err != nil || result.Level != actions.OK {
		return false, nil // it is asked again after the next round
	}
	inc, err = d.amend(ctx, number, nowUTC(), []incident.Event{
		incident.Noted{By: incident.Bot, Kind: incident.KindNote, Text: seen},
		incident.Verified{By: incident.Bot, OK: true, Summary: result.Headline},
		incident.DeclaredRecovered{By: incident.Bot},
	}, nil)
	if err != nil {
		return false, err
	}
	d.publishParent(ctx, inc)
	d.publish(ctx, Post{Key: fmt.Sprintf("recovered/%s/%d", inc.ID(), inc.Entries), Incident: inc.ID(), Message: message.Message{
		Level:  message.OK,
		Title:  fmt.Sprintf("%s recovered by itself after %s, please confirm: %s", inc.ID(), spoken(inc.RecoveredAt.Sub(inc.DeclaredAt)), result.Headline),
		Blocks: []message.Block{{Text: sentence(seen) + " The clocks are stopped. Look whether it is so, and why it happened; then `resolve`. Should it come back, this incident is open again."}},
		Buttons: []message.Button{
			{Label: "Resolve", Words: "resolve --incident " + inc.ID(), Style: message.Primary},
			{Label: "Diagnose", Words: "diagnose --incident " + inc.ID()},
		}}})
	return true, nil
}

// Open implements watch.Desk.
func (d desk) Open(cluster string) (map[string]uint64, error) {
	open, err := d.Store.OpenIncidents()
	if err != nil {
		return nil, err
	}
	causes := map[string]uint64{}
	for _, inc := range open {
		rest, ours := strings.CutPrefix(inc.Cause, byWatch)
		if ours && inc.Cluster == cluster && inc.DeclaredBy == incident.Bot {
			cause, _, _ := strings.Cut(rest, ": ")
			causes[cause] = inc.Number
		}
	}
	return causes, nil
}

var watchWords = []word{
	{command.Spec{Words: "watch status", Class: actions.See, Group: looks, Summary: "what watch sees now, and what it did or would have done",
		Long: "Watch looks at every node and has the two probes of every edge log in and send a message, every 30 s unless the config says otherwise. " +
			"A cause that shows in enough of the last rounds becomes one incident: a P0 in 2 of 3, a P1 in 3 of 5, a P2 in 4 of 6, a P3 in 8 of 10. " +
			"Once it has not shown for 4 rounds and clients are verified to be served, the incident recovers by itself and asks to be confirmed. " +
			"With `watch: {mode: observe}` nothing is declared, and here stands what would have been. docs/watch.md has the rules.",
		Example: "watch status"}, watchStatus},
}

func watchStatus(c *call) error {
	if len(c.watchers) == 0 {
		c.reply(message.Message{Level: message.Info, Title: "Watch is off: nothing is looked at unless somebody asks.", Blocks: []message.Block{{Text: "`watch: {mode: observe}` in the config has it look and tell, `mode: declare` has it declare."}}})
		return nil
	}
	m := message.Message{Level: message.OK, Title: "Watch sees no trouble."}
	if c.Watch.Mode == watch.Observe {
		m.Title = "Watch sees no trouble (it observes only, and declares nothing)."
	}
	var seen, showing, events [][]string
	for _, s := range c.Watched() {
		seen = append(seen, c.watchRow(s))
		for _, x := range s.Showing {
			became := "not yet"
			switch {
			case x.Number != 0:
				became = incident.ID(x.Number)
			case x.Counts:
				became = "counts"
			}
			showing = append(showing, []string{s.Cluster, string(x.Priority), x.Title, fmt.Sprintf("%d of %d", x.Rounds, x.Of), became, x.Seen})
		}
		for _, e := range s.Events[:min(len(s.Events), 10)] {
			events = append(events, []string{c.clock(e.At, c.now), e.Cluster, string(e.Symptom.Priority), firstOf(e.Symptom.Title, e.Symptom.Cause), e.Became})
		}
	}
	if len(showing) > 0 {
		m.Level, m.Title = message.Warn, fmt.Sprintf("Watch sees %s of trouble.", plural(len(showing), "cause"))
		if c.Watch.Mode == watch.Observe {
			m.Title = fmt.Sprintf("Watch sees %s of trouble (it observes only, and declares nothing).", plural(len(showing), "cause"))
		}
	}
	m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"Cluster", "Seen", "Nodes", "p50", "p99", "Users", "Waiting"}, Rows: seen}})
	if len(showing) > 0 {
		m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"Cluster", "", "Cause", "Rounds", "Incident", "Seen"}, Rows: showing}})
	}
	if len(events) > 0 {
		m.Blocks = append(m.Blocks, message.Block{Text: "What it did, or would have done, the newest first:"}, message.Block{Table: &message.Table{Header: []string{"At", "Cluster", "", "Cause", "Became"}, Rows: events}})
	}
	m.Data = c.Watched()
	c.reply(m)
	return nil
}

func (c *call) watchRow(s watch.Snapshot) []string {
	if s.At.IsZero() {
		return []string{s.Cluster, "not yet", "", "", "", "", ""}
	}
	row := []string{s.Cluster, spoken(c.now.Sub(s.At)) + " ago", fmt.Sprintf("%d of %d", s.Connected, s.Expected), "-", "-", "?", "?"}
	if s.Latency.Samples > 0 {
		row[3], row[4] = spoken(s.Latency.P50), spoken(s.Latency.P99)
	}
	if s.Users != nil {
		row[5] = fmt.Sprint(*s.Users)
	}
	if s.Waiting != nil {
		row[6] = fmt.Sprint(*s.Waiting)
	}
	return row
}

// addWatch tells in the status what watch sees, and that it is not heard while it
// only observes.
func (c *call) addWatch(m *message.Message) {
	for _, s := range c.Watched() {
		var worst []string
		for _, x := range s.Showing {
			if x.Counts && x.Number == 0 {
				worst = append(worst, fmt.Sprintf("%s %s", x.Priority, x.Title))
			}
		}
		if len(worst) > 0 {
			text := "Watch would have declared on " + s.Cluster + ": " + strings.Join(worst, "; ") + ". It observes only (`watch status`)."
			m.Blocks = append(m.Blocks, message.Block{Text: text})
		}
	}
}
