package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// looking carries out an action that changes nothing. Inside an incident a
// diagnosis and a verification leave their trace in its timeline.
func looking(action string) handler {
	return func(c *call) error {
		cluster, inc, err := c.scope()
		if err != nil {
			return err
		}
		a, ok := cluster.action(action)
		if !ok {
			return &actions.Error{Code: "no-action", Text: fmt.Sprintf("%s has no %s.", cluster.Name, action)}
		}
		if action == "verify" && inc != nil {
			return c.verifyIn(cluster, *inc)
		}
		if flag := ownFlag(a, c.args); flag != "" {
			return c.ownLook(cluster, inc, a, flag)
		}
		result, err := a.Look(c.ctx, c.request(inc))
		if err != nil {
			return err
		}
		id := ""
		if inc != nil {
			id = inc.ID()
			if action == "diagnose" {
				c.noteResult(c.ctx, inc.Number, c.who.ID, incident.KindDiagnosed, result)
			}
		}
		if action == "verify" && result.Level != actions.OK {
			c.out.fail(ExitRefused)
		}
		c.replyIn(id, c.withCluster(withIncident(ResultMessage(result), id), cluster))
		return nil
	}
}

// verifyIn verifies and keeps the outcome with the incident.
func (c *call) verifyIn(cluster Cluster, inc incident.Incident) error {
	event, result := c.look(cluster, inc, "verify")
	if inc, err := c.amend(c.ctx, inc.Number, nowUTC(), []incident.Event{event}, c.mark); err == nil {
		c.publishParent(c.ctx, inc)
	} else {
		c.noteResult(c.ctx, inc.Number, c.who.ID, incident.KindVerified, result) // resolved meanwhile
	}
	m := withIncident(ResultMessage(result), inc.ID())
	if event.OK {
		m.Buttons = append([]message.Button{{Label: "Recovered", Words: "recovered --incident " + inc.ID(), Style: message.Primary}}, m.Buttons...)
	} else {
		c.out.fail(ExitRefused)
	}
	c.replyIn(inc.ID(), m)
	return nil
}

// look runs the named look and turns its outcome into the incident's event.
func (c *call) look(cluster Cluster, inc incident.Incident, name string) (incident.Verified, actions.Result) {
	action, ok := cluster.action(name)
	if !ok {
		r := actions.Result{Level: actions.Unknown, Headline: "this cluster cannot be verified"}
		return incident.Verified{By: c.who.ID, Summary: r.Headline}, r
	}
	result, err := action.Look(c.ctx, actions.Request{Incident: inc.ID(), By: c.who.ID, Now: nowUTC()})
	if err != nil {
		result = actions.Result{Level: actions.Unknown, Headline: "the check could not be made: " + err.Error()}
	}
	return incident.Verified{By: c.who.ID, OK: result.Level == actions.OK, Summary: result.Headline}, result
}

// scope is the cluster and the incident that the words are about. Looking and
// acting need no incident.
func (c *call) scope() (Cluster, *incident.Incident, error) {
	if c.args["incident"] == "" && c.d.Incident == "" {
		open, err := c.Store.OpenIncidents()
		if err != nil {
			return Cluster{}, nil, err
		}
		cluster, err := c.cluster()
		if err != nil {
			return Cluster{}, nil, err
		}
		return cluster, mostUrgent(open, cluster.Name), nil
	}
	number, err := c.incidentNumber()
	if err != nil {
		return Cluster{}, nil, err
	}
	inc, err := c.Store.Incident(number)
	if err != nil {
		return Cluster{}, nil, notFound(err, incident.ID(number))
	}
	name := firstOf(c.args["cluster"], inc.Cluster)
	cluster, err := c.clusterNamed(name)
	return cluster, &inc, err
}

// mostUrgent is the open incident of the cluster that what is done now most
// likely belongs to: the highest priority, and of those the newest.
func mostUrgent(open []incident.Incident, cluster string) *incident.Incident {
	var best *incident.Incident
	for i := range open {
		if inc := &open[i]; inc.Cluster == cluster && (best == nil || inc.Priority <= best.Priority) {
			best = inc
		}
	}
	return best
}

// request is what the action is asked, without the words that only the
// conversation needs.
func (c *call) request(inc *incident.Incident) actions.Request {
	args := actions.Args{}
	for k, v := range c.args {
		switch k {
		case "incident", "cluster", "dry-run":
		default:
			args[k] = v
		}
	}
	req := actions.Request{Args: args, By: c.who.ID, Now: c.now}
	if inc != nil {
		req.Incident = inc.ID()
	}
	return req
}

// cluster is the one named by --cluster, else the channel's, else the only one.
func (c *call) cluster() (Cluster, error) {
	return c.clusterNamed(firstOf(c.args["cluster"], c.d.Cluster))
}

func (b *Bot) clusterNamed(name string) (Cluster, error) {
	var names []string
	for _, cl := range b.Clusters {
		if strings.EqualFold(cl.Name, name) {
			return cl, nil
		}
		names = append(names, cl.Name)
	}
	if name == "" && len(b.Clusters) == 1 {
		return b.Clusters[0], nil
	}
	if name == "" {
		return Cluster{}, &actions.Error{Code: actions.CodeAmbiguous, Text: "There are several clusters: " + strings.Join(names, ", ") + ".",
			Hint: "Say which with `--cluster " + names[0] + "`."}
	}
	return Cluster{}, &actions.Error{Code: "no-cluster", Text: fmt.Sprintf("There is no cluster %q.", name), Hint: "There is: " + strings.Join(names, ", ") + "."}
}

func (c Cluster) action(name string) (actions.Action, bool) {
	for _, a := range c.Actions {
		if a.Name == name {
			return a, true
		}
	}
	return actions.Action{}, false
}

// status is the whole picture in a few lines.
func status(c *call) error {
	open, err := c.Store.OpenIncidents()
	if err != nil {
		return err
	}
	m := message.Message{Level: message.OK, Title: "No incident is open."}
	if len(open) > 0 {
		m.Level, m.Title = message.Critical, fmt.Sprintf("%s open.", plural(len(open), "incident"))
	}
	if len(open) == 1 {
		m.Buttons = incidentButtons(open[0])
	}
	clusters := make([][]string, len(c.Clusters))
	each(c.ctx, c.Clusters, func(ctx context.Context, i int, cl Cluster) {
		level, line := cl.Summary(ctx)
		clusters[i] = []string{cl.Name, string(level), line}
	})
	for _, row := range clusters {
		if row[1] == string(actions.OK) {
			continue
		}
		if len(open) == 0 {
			m.Level, m.Title = levels[actions.Level(row[1])], "No incident is open, but not all is well."
			m.Buttons = append(m.Buttons, c.withCluster(message.Message{Buttons: []message.Button{
				{Label: "Diagnose", Words: "diagnose", Style: message.Primary}}}, Cluster{Name: row[0]}).Buttons...)
		}
	}
	if len(open) > 0 && !slices.ContainsFunc(open, func(i incident.Incident) bool { return i.State != incident.Recovered }) {
		m.Level, m.Title = message.Warn, plural(len(open), "incident")+" recovered, not yet resolved."
	}
	m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"Cluster", "State", ""}, Rows: clusters}})
	if len(open) > 0 {
		var rows [][]string
		for i, inc := range open {
			if i == listing {
				m.Title = fmt.Sprintf("%s open, of which these are the first %d; `incidents --open` has the newest.", plural(len(open), "incident"), listing)
				break
			}
			rows = append(rows, []string{inc.ID(), string(inc.Priority), string(inc.State), spoken(c.now.Sub(inc.DeclaredAt)), inc.Title, c.nextPage(inc, c.now)})
		}
		m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"Incident", "", "State", "Age", "Title", "Next page"}, Rows: rows}})
	}
	if err := c.addRuns(&m); err != nil {
		return err
	}
	m.Blocks = append(m.Blocks, message.Block{Fields: c.onCallFields()})
	if halt, err := c.Store.Halted(); err != nil {
		return err
	} else if halt != nil {
		m.Blocks = append(m.Blocks, message.Block{Text: fmt.Sprintf("Halted by %s at %s: %s. No action starts until `resume-actions`.", halt.By, c.clock(halt.At, c.now), firstOf(halt.Reason, "no reason given"))})
	}
	c.addWatch(&m)
	if err := c.addMaintenance(&m); err != nil {
		return err
	}
	c.reply(m)
	return nil
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// each runs f for every cluster at once, and waits. A panic of f is the
// caller's, which knows what to do about it.
func each(ctx context.Context, clusters []Cluster, f func(ctx context.Context, i int, c Cluster)) {
	var all sync.WaitGroup
	panics := make([]any, len(clusters))
	for i, c := range clusters {
		all.Go(func() {
			defer func() { panics[i] = recover() }()
			f(ctx, i, c)
		})
	}
	all.Wait()
	for _, p := range panics {
		if p != nil {
			panic(p)
		}
	}
}

// addRuns lists the requests that wait, run, or were interrupted.
func (c *call) addRuns(m *message.Message) error {
	runs, err := c.Store.Runs(runbook.Waiting, runbook.Running, runbook.Uncertain)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, r := range runs {
		rows = append(rows, []string{r.ID(), string(r.State), r.By, r.Title})
		if r.State == runbook.Waiting {
			m.Buttons = append(m.Buttons, c.waitingMessage(r, c.now).Buttons...)
		}
		if r.State != runbook.Uncertain {
			continue
		}
		if m.Level == message.OK {
			m.Level, m.Title = message.Warn, "No incident is open, but an interrupted action waits for a decision."
		}
		m.Buttons = append(m.Buttons, runButtons(r)...)
	}
	if len(rows) > 0 {
		m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"Request", "State", "By", "What"}, Rows: rows}})
	}
	return nil
}
