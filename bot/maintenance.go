package bot

import (
	"context"
	"fmt"
	"time"

	"irisops/actions"
	"irisops/bot/change"
	"irisops/bot/command"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// How long a maintenance lasts if nobody says, and at most.
const (
	usualMaintenance   = 2 * time.Hour
	longestMaintenance = 24 * time.Hour
)

const maintenanceLong = "Watch declares nothing and no drill begins on the cluster until it ends; by itself after the time given (2 h if none is, 24 h at most). " +
	"It never stops the clocks of an incident, and stops no action that people ask for. It takes effect at once: nothing on the cluster is touched, so there is nothing to confirm. Said again, it begins anew."

var maintenanceWords = []word{
	{command.Spec{Words: "maintenance", Class: actions.See, Group: looks, Summary: "whether work on a cluster is announced, and until when", Example: "maintenance"}, showMaintenance},
	{command.Spec{Words: "maintenance on", Class: actions.Do, Group: acts, Summary: "announce work on the cluster: watch and drills are silent until it ends",
		Long: maintenanceLong, Example: "maintenance on 2h new switches in rack 4",
		Params: []actions.Param{
			{Name: "for", Kind: actions.Duration, Optional: true, Doc: "how long, at most 24h; 2h if left out", Example: "2h"},
			{Name: "reason", Kind: actions.Text, Doc: "what is being done", Example: "new switches in rack 4"}}}, maintenanceOn},
	{command.Spec{Words: "maintenance off", Class: actions.Do, Group: acts, Summary: "the work is over: watch and drills go on", Long: maintenanceLong, Example: "maintenance off"}, maintenanceOff},
}

func maintenanceOn(c *call) error {
	cluster, err := c.cluster()
	if err != nil {
		return err
	}
	m := change.Maintenance{Cluster: cluster.Name, By: c.who.ID, At: c.now, Until: c.now.Add(usualMaintenance), Reason: c.args["reason"]}
	if given := c.args["for"]; given != "" {
		length, err := time.ParseDuration(given)
		if err != nil || length <= 0 || length > longestMaintenance {
			return &actions.Error{Code: "bad-value", Text: fmt.Sprintf("A maintenance lasts at most 24 h, not %s.", given),
				Hint: "Say `maintenance on 24h " + m.Reason + "`, and again when that is over."}
		}
		m.Until = c.now.Add(length)
	}
	if c.args["dry-run"] != "" {
		c.reply(message.Message{Title: fmt.Sprintf("Dry run, nothing was done: watch and drills on %s would be silent until %s.", m.Cluster, c.clock(m.Until, c.now)), Buttons: c.forReal()})
		return nil
	}
	if err := c.Store.BeginMaintenance(c.ctx, m); err != nil {
		return fmt.Errorf("the maintenance could not be recorded: %w", err)
	}
	c.noteOn(cluster.Name, incident.Noted{By: m.By, Kind: incident.KindNote, Text: fmt.Sprintf("maintenance until %s UTC: %s", m.Until.Format("15:04:05"), m.Reason)})
	c.reply(message.Message{Level: message.Warn, Title: fmt.Sprintf("Maintenance of %s until %s (%s): %s", m.Cluster, c.clock(m.Until, c.now), spoken(m.Until.Sub(m.At)), m.Reason),
		Blocks:  []message.Block{{Text: "Watch and drills are silent until then. The clocks of open incidents run on, and whoever sees trouble still declares it."}},
		Buttons: []message.Button{endMaintenance(c.onCluster(cluster))}})
	return nil
}

func maintenanceOff(c *call) error {
	cluster, err := c.cluster()
	if err != nil {
		return err
	}
	m, err := c.maintenanceOf(cluster.Name, c.now)
	if err != nil {
		return err
	}
	if m == nil {
		c.reply(message.Message{Title: fmt.Sprintf("No maintenance of %s stands.", cluster.Name)})
		return nil
	}
	if c.args["dry-run"] != "" {
		c.reply(message.Message{Title: fmt.Sprintf("Dry run, nothing was done: the maintenance of %s by %s would end.", cluster.Name, m.By), Buttons: c.forReal()})
		return nil
	}
	if err := c.Store.EndMaintenance(c.ctx, m.Cluster, m.At); err != nil {
		return fmt.Errorf("the end of the maintenance could not be recorded: %w", err)
	}
	c.noteOn(cluster.Name, incident.Noted{By: c.who.ID, Kind: incident.KindNote, Text: "maintenance ended: " + m.Reason})
	c.reply(message.Message{Level: message.OK, Title: fmt.Sprintf("The maintenance of %s is over after %s: watch and drills go on.", m.Cluster, spoken(c.now.Sub(m.At)))})
	return nil
}

func showMaintenance(c *call) error {
	var m message.Message
	if err := c.addMaintenance(&m); err != nil {
		return err
	}
	m.Title = "No maintenance is announced."
	if n := len(m.Blocks); n > 0 {
		m.Level, m.Title = message.Warn, plural(n, "cluster")+" under maintenance."
	}
	c.reply(m)
	return nil
}

// maintenanceOf is the work on the cluster that stands now; nil for none.
func (b *Bot) maintenanceOf(cluster string, now time.Time) (*change.Maintenance, error) {
	list, err := b.Store.Maintenance()
	if err != nil {
		return nil, err
	}
	for _, m := range list {
		if m.Cluster == cluster && m.Stands(now) {
			return &m, nil
		}
	}
	return nil, nil
}

// addMaintenance tells of what stands, a block for each cluster.
func (c *call) addMaintenance(m *message.Message) error {
	list, err := c.Store.Maintenance()
	if err != nil {
		return err
	}
	for _, w := range list {
		if w.Stands(c.now) {
			m.Blocks = append(m.Blocks, message.Block{Text: fmt.Sprintf("Maintenance of %s by %s until %s (another %s): %s. Watch and drills are silent; `maintenance off` ends it.",
				w.Cluster, w.By, c.clock(w.Until, c.now), spoken(w.Until.Sub(c.now)), w.Reason)})
			m.Buttons = append(m.Buttons, endMaintenance(c.onCluster(Cluster{Name: w.Cluster})))
		}
	}
	return nil
}

func endMaintenance(on string) message.Button {
	return message.Button{Label: "End Maintenance", Words: "maintenance off" + on}
}

// onCluster makes words mean that cluster, where there are several.
func (b *Bot) onCluster(cluster Cluster) string {
	if len(b.Clusters) < 2 {
		return ""
	}
	return " --cluster " + cluster.Name
}

// noteOn tells every open incident of the cluster.
func (c *call) noteOn(cluster string, n incident.Noted) {
	open, err := c.Store.OpenIncidents()
	if err != nil {
		c.log.Error("the open incidents could not be told", "err", err)
		return
	}
	for _, inc := range open {
		if inc.Cluster == cluster {
			c.note(c.ctx, inc.Number, n)
		}
	}
}

// endMaintenance says so when the time of a maintenance is over.
func (b *Bot) endMaintenance(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		list, err := b.Store.Maintenance()
		if err != nil {
			b.log.Error("the maintenance could not be read", "err", err)
			continue
		}
		now := nowUTC()
		for _, m := range list {
			if m.Stands(now) {
				continue
			}
			if err := b.Store.EndMaintenance(ctx, m.Cluster, m.At); err != nil {
				b.log.Error("the end of a maintenance could not be recorded", "err", err)
				continue
			}
			b.publish(ctx, Post{Key: fmt.Sprintf("maintenance/%s/%d", m.Cluster, m.At.UnixNano()), Message: message.Message{Level: message.Info,
				Title: fmt.Sprintf("The maintenance of %s by %s is over: watch and drills go on.", m.Cluster, m.By)}})
		}
	}
}
