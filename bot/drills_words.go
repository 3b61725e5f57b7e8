package bot

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/drill"
	"irisops/actions/runbook"
	"irisops/bot/command"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/schedule"
)

const drills = "Practise"

const drillLong = `Kills a node on purpose (--fault pause holds it, --fault block has an edge refuse its clients, --fault partition cuts a core of a lab off from the others, after which it gives up its data) and stops the time until clients are served again: the runbook wants less than 5 minutes. docs/drills.md has the details.

Before: no open incident, no maintenance, a backup younger than 24 h, at least half of the cores beside the victim, clients served, two green diagnoses in a row. The victim has opted in (drill: true at the node in the config) and is drawn, those not drilled lately being likelier; --node names one.
It is asked for and announced, and a second person approves it (approve), vetoes it (deny) or postpones it (drill postpone 1d); for a scheduled drill the schedule asks and any approver agrees.
In mode auto irisops recovers the node; in mode observe people do, while watch declares and pages as usual, marked DRILL. drill abort, halt, a real incident, a second failure or clients outside of the victim that are not served end it: the node is recovered at once. So it is after 5 minutes, and on-call is paged. Only ever the one process of the node is struck, never a machine.`

var drillID = actions.Param{Name: "id", Kind: actions.Word, Optional: true, Doc: "a drill; the last one if left out", Example: "drill-20260303T100000Z-edge1"}

var drillWords = []word{
	{command.Spec{Words: "drill plan", Class: actions.See, Group: drills, Summary: "who may be the victim, how likely, and whether a drill could begin now", Long: drillLong, Example: "drill plan"}, drillPlan},
	{command.Spec{Words: drill.Name, Class: command.ByEffect, Group: drills, Summary: "kill a node on purpose, and see that clients are served again within 5 minutes", Long: drillLong, Example: "drill run --node edge1", Params: drill.Params()}, acting(drill.Name)},
	{command.Spec{Words: "drill abort", Class: actions.Tell, Group: drills, Summary: "end the drill: what is down is recovered at once", Long: drillLong, Example: "drill abort a customer calls",
		Params: []actions.Param{{Name: "reason", Kind: actions.Text, Optional: true, Doc: "why", Example: "a customer calls"}}}, drillAbort},
	{command.Spec{Words: "drill postpone", Class: actions.Tell, Group: drills, Summary: "not now: a scheduled drill is asked for again after that time", Long: drillLong, Example: "drill postpone 1d",
		Params: []actions.Param{{Name: "for", Kind: actions.Duration, Doc: "how long", Example: "1d"}}}, drillPostpone},
	{command.Spec{Words: "drill history", Class: actions.See, Group: drills, Summary: "all drills, the trend and the distribution of recovery times", Example: "drill history"}, drillHistory},
	{command.Spec{Words: "drill report", Class: actions.See, Group: drills, Summary: "one drill: verdict, stages, what clients saw, lessons", Example: "drill report",
		Long: "Lessons are the notes in the thread of the drill's incident: `note --incident INC-7 TEXT`, also after it is over.", Params: []actions.Param{drillID}}, drillReport},
}

func (c *call) drillOf() (*drillDesk, error) {
	cluster, err := c.cluster()
	if err != nil {
		return nil, err
	}
	d := c.drills[cluster.Name]
	if d == nil {
		return nil, &actions.Error{Code: "no-drills", Text: cluster.Name + " is not drilled here.", Hint: "`drill: true` at a node in the config has it take part."}
	}
	return d, nil
}

func drillPlan(c *call) error {
	d, err := c.drillOf()
	if err != nil {
		return err
	}
	past, err := d.Past()
	if err != nil {
		return err
	}
	may, why := d.drill.Candidates()
	chances := drill.Weigh(may, past, c.now)
	total := 0.0
	for _, x := range chances {
		total += x.Weight
	}
	var rows [][]string
	for _, n := range d.drill.Nodes {
		i := slices.IndexFunc(chances, func(x drill.Chance) bool { return x.Node == n.Short })
		if i < 0 {
			rows = append(rows, []string{n.Short, "-", why[n.Short]})
			continue
		}
		rows = append(rows, []string{n.Short, fmt.Sprintf("%.0f %%", 100*chances[i].Weight/total), chances[i].Why})
	}
	victim := ""
	if len(may) > 0 {
		victim = may[0]
	}
	var checks [][]string
	bad := 0
	for _, k := range d.drill.Steady(c.ctx, victim, c.now, false) {
		held := "holds"
		if !k.Held {
			held = "does NOT hold"
			bad++
		}
		checks = append(checks, []string{k.Name, held, k.Seen})
	}
	m := message.Message{Level: message.OK, Title: "A drill could begin now.", Buttons: []message.Button{{Label: "Ask for a Drill", Words: "drill run" + c.onCluster(d.cluster), Style: message.Primary}}}
	switch {
	case len(may) == 0:
		m.Level, m.Title, m.Buttons = message.Warn, "No node may be drilled.", nil
	case bad > 0:
		m.Level, m.Title, m.Buttons = message.Warn, fmt.Sprintf("No drill could begin now: %s not hold.", plural(bad, "part")+map[bool]string{true: " does", false: " do"}[bad == 1]), nil
	}
	m.Blocks = []message.Block{
		{Table: &message.Table{Header: []string{"Node", "Chance", ""}, Rows: rows}},
		{Table: &message.Table{Header: []string{"Steady state", "", "Seen"}, Rows: checks}},
		{Text: fmt.Sprintf("Announced %s before, recovered by %s, within %s. Only ever the process of the node is struck, never a machine.",
			spoken(d.drill.Notice), map[drill.Mode]string{drill.Auto: "irisops", drill.Observe: "people"}[d.drill.Mode], spoken(d.drill.Limit))},
	}
	c.reply(m)
	return nil
}

// waitingDrill is the request for a drill on the cluster that waits.
func (c *call) waitingDrill(cluster string) (runbook.Run, bool, error) {
	runs, err := c.Store.Runs(runbook.Waiting)
	if err != nil {
		return runbook.Run{}, false, err
	}
	i := slices.IndexFunc(runs, func(r runbook.Run) bool { return r.Action == drill.Name && r.Cluster == cluster })
	if i < 0 {
		return runbook.Run{}, false, nil
	}
	return runs[i], true, nil
}

func drillAbort(c *call) error {
	d, err := c.drillOf()
	if err != nil {
		return err
	}
	why := "aborted by " + c.who.ID
	if reason := c.args["reason"]; reason != "" {
		why += ": " + reason
	}
	d.mu.Lock()
	under := d.under
	if under != nil {
		d.abort = why
	}
	d.mu.Unlock()
	if under != nil {
		text := "It had not begun: nothing is struck."
		if !under.Struck.IsZero() {
			text = "What is down is recovered now; the report follows."
		}
		c.reply(message.Message{Level: message.Warn, Title: fmt.Sprintf("The drill of %s ends: %s.", under.Victim, why), Blocks: []message.Block{{Text: text}}})
		return nil
	}
	run, waits, err := c.waitingDrill(d.cluster.Name)
	if err != nil {
		return err
	}
	if !waits {
		c.reply(message.Message{Title: "No drill is under way, and none waits."})
		return nil
	}
	c.args["id"] = run.ID()
	return deny(c)
}

func drillPostpone(c *call) error {
	d, err := c.drillOf()
	if err != nil {
		return err
	}
	wait, err := time.ParseDuration(c.args["for"])
	if err != nil || wait < time.Minute || wait > 31*24*time.Hour {
		return &actions.Error{Code: "bad-value", Text: "A drill is postponed by 1 minute to 31 days.", Hint: "For example `drill postpone 1d`."}
	}
	run, waits, err := c.waitingDrill(d.cluster.Name)
	if err != nil {
		return err
	}
	d.mu.Lock()
	under := d.under
	if under != nil && under.Struck.IsZero() {
		d.abort = "postponed by " + c.who.ID
	}
	d.mu.Unlock()
	by := ""
	switch {
	case under != nil && !under.Struck.IsZero():
		return &actions.Error{Code: "too-late", Text: fmt.Sprintf("%s is struck already: it can only be aborted.", under.Victim), Hint: "`drill abort` recovers it at once."}
	case under != nil:
		by = under.By
	case waits:
		by = run.By
		c.args["id"], c.args["reason"] = run.ID(), "postponed by "+spoken(wait)
		if err := deny(c); err != nil {
			return err
		}
	default:
		c.reply(message.Message{Title: "No drill waits."})
		return nil
	}
	name, scheduled := strings.CutPrefix(by, viaSchedule+":")
	m := message.Message{Level: message.Warn, Title: fmt.Sprintf("The drill is postponed. %s asked for it, and may again: `drill run`.", by),
		Buttons: []message.Button{{Label: "Ask for a Drill", Words: "drill run" + c.onCluster(d.cluster)}}}
	if scheduled {
		next := c.now.Add(wait)
		if err := c.Store.AmendSchedule(c.ctx, name, func(s *schedule.State) bool { s.Next = next; return true }); err != nil {
			return err
		}
		m.Title = fmt.Sprintf("The drill is postponed: the schedule %s asks for it again at %s.", name, c.date(next))
		m.Buttons = nil
	}
	c.post(Post{Key: "postponed/" + c.d.ID, Message: m})
	return nil
}

func drillHistory(c *call) error {
	d, err := c.drillOf()
	if err != nil {
		return err
	}
	past, err := d.Past()
	if err != nil {
		return err
	}
	points := drill.Points(past)
	dist := drill.Distribute(points)
	m := message.Message{Level: message.OK, Title: fmt.Sprintf("%s, %d passed.", plural(dist.Drills, "drill"), dist.Passed), Data: past}
	if len(past) == 0 {
		c.reply(message.Message{Title: "There was no drill yet.", Blocks: []message.Block{{Text: "`drill plan` says whether one could begin."}},
			Buttons: []message.Button{{Label: "Plan a Drill", Words: "drill plan" + c.onCluster(d.cluster)}}})
		return nil
	}
	if dist.Passed < dist.Drills {
		m.Level = message.Warn
	}
	if len(points) > 0 {
		m.Blocks = append(m.Blocks, message.Block{Code: &message.Code{Text: strings.Join(drill.Bars(points), "\n")}})
	}
	if dist.Most > 0 {
		trend := "not known with less than three"
		if len(points) >= 3 {
			trend = fmt.Sprintf("%s a drill", signed(dist.Trend))
		}
		m.Blocks = append(m.Blocks, message.Block{Fields: []message.Field{
			{Name: "Recovery", Value: fmt.Sprintf("median %s, p90 %s, %s to %s", spoken(dist.Median), spoken(dist.P90), spoken(dist.Least), spoken(dist.Most))},
			{Name: "Trend", Value: trend}}})
	}
	var rows [][]string
	for _, r := range slices.Backward(past) {
		rows = append(rows, []string{r.ID, r.Headline()})
	}
	m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"Drill", ""}, Rows: rows[:min(len(rows), 20)]}})
	c.reply(m)
	return nil
}

func signed(d time.Duration) string {
	if d < 0 {
		return "faster by " + spoken(-d)
	}
	return "slower by " + spoken(d)
}

func drillReport(c *call) error {
	d, err := c.drillOf()
	if err != nil {
		return err
	}
	past, err := d.Past()
	if err != nil {
		return err
	}
	i := len(past) - 1
	if id := c.args["id"]; id != "" {
		i = slices.IndexFunc(past, func(r drill.Record) bool { return strings.EqualFold(r.ID, id) })
	}
	if i < 0 {
		return &actions.Error{Code: "not-found", Text: "There is no such drill.", Hint: "`drill history` lists them."}
	}
	r := past[i]
	m := drillMessage(r)
	m.Buttons = nil
	m.Blocks = append(m.Blocks, message.Block{Fields: []message.Field{
		{Name: "Drill", Value: fmt.Sprintf("%s, asked for by %s, seed %d", r.ID, r.By, r.Seed)},
		{Name: "Struck", Value: c.struckAt(r)},
		{Name: "Never drilled", Value: firstOf(strings.Join(r.Never, ", "), "no other node")}}})
	table := func(title string, header []string, rows [][]string) {
		if len(rows) > 0 {
			m.Blocks = append(m.Blocks, message.Block{Fold: &message.Fold{Title: title, Blocks: []message.Block{{Table: &message.Table{Header: header, Rows: rows}}}}})
		}
	}
	var hypothesis, rollbacks, journal [][]string
	for _, k := range r.Hypothesis {
		hypothesis = append(hypothesis, []string{k.Name, map[bool]string{true: "held", false: "did NOT hold"}[k.Held], k.Seen})
	}
	for _, b := range r.Rollbacks {
		rollbacks = append(rollbacks, []string{b.What, map[bool]string{true: "done", false: "FAILED"}[b.OK], b.Seen})
	}
	for _, l := range r.Journal {
		journal = append(journal, []string{c.clock(l.At, c.now), l.Text})
	}
	table("Steady state before", []string{"Part", "", "Seen"}, hypothesis)
	table("Put back in order", []string{"What", "", "Seen"}, rollbacks)
	table("Journal", []string{"At", "What"}, journal)
	lessons, err := c.lessons(r)
	if err != nil {
		return err
	}
	if r.Incident != "" {
		text := "No lessons yet: `note --incident " + r.Incident + " TEXT` adds one."
		if len(lessons) > 0 {
			text = "Lessons:\n" + strings.Join(lessons, "\n")
		}
		m.Blocks = append(m.Blocks, message.Block{Text: text})
	}
	c.reply(m)
	return nil
}

func (c *call) struckAt(r drill.Record) string {
	if r.Struck.IsZero() {
		return "never"
	}
	return c.date(r.Struck)
}

// lessons are what people noted in the drill's thread.
func (c *call) lessons(r drill.Record) ([]string, error) {
	number, err := numberOf(r.Incident)
	if r.Incident == "" || err != nil {
		return nil, nil
	}
	entries, err := c.Store.Timeline(number)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, e := range entries {
		if e.Kind == incident.KindNote && e.By != incident.Bot {
			lines = append(lines, fmt.Sprintf("%s (%s)", e.Text, e.By))
		}
	}
	return lines, nil
}
