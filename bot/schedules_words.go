package bot

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"irisops/actions"
	"irisops/bot/command"
	"irisops/bot/message"
	"irisops/bot/schedule"
)

const calendars = "By the calendar"

const scheduleLong = "An entry is skipped, and says so, while something stands against it: for the drill an open incident that has not recovered, a deploy lock, a blackout date or maintenance; " +
	"for the backup an incident or a deploy lock; for the test page an incident or a blackout date; nothing for reports. " +
	"A run that was missed, because irisops was off, is made up for once if it is not too late for that, else skipped. " +
	"On days when the clocks change nothing is lost and nothing runs twice. docs/schedules.md has the details."

var entryName = actions.Param{Name: "name", Kind: actions.Word, Doc: "an entry of `schedule list`", Example: "backup"}

var scheduleWords = []word{
	{command.Spec{Words: "schedule list", Class: actions.See, Group: calendars, Summary: "what irisops does by the calendar, when it is due next, and how it went", Long: scheduleLong, Example: "schedule list"}, scheduleList},
	{command.Spec{Words: "schedule next", Class: actions.See, Group: calendars, Summary: "the next runs of all schedules, in order", Example: "schedule next 5",
		Params: []actions.Param{{Name: "count", Kind: actions.Count, Optional: true, Doc: "how many; 5 if left out", Example: "5"}}}, scheduleNext},
	{command.Spec{Words: "schedule run", Class: actions.Tell, Group: calendars, Summary: "have an entry run now, as it would by itself", Long: scheduleLong, Example: "schedule run backup",
		Params: []actions.Param{entryName}}, scheduleRun},
	{command.Spec{Words: "schedule pause", Class: actions.Tell, Group: calendars, Summary: "keep an entry from running until it is resumed", Example: "schedule pause drill the new edges are not in yet",
		Params: []actions.Param{entryName, {Name: "reason", Kind: actions.Text, Optional: true, Doc: "why", Example: "the new edges are not in yet"}}}, schedulePause},
	{command.Spec{Words: "schedule resume", Class: actions.Tell, Group: calendars, Summary: "let a paused entry run again when it is due", Example: "schedule resume drill",
		Params: []actions.Param{entryName}}, scheduleResume},
	{command.Spec{Words: "report health", Class: actions.See, Group: calendars, Summary: "the daily health report: clusters, incidents, who is on call, what comes", Example: "report health"}, reportHealth},
	{command.Spec{Words: "report oncall", Class: actions.See, Group: calendars, Summary: "the hand-over notice: who is on call from now on", Example: "report oncall"}, reportOnCall},
}

// states are what is kept, by name.
func (b *Bot) scheduleStates() (map[string]schedule.State, error) {
	list, err := b.Store.Schedules()
	if err != nil {
		return nil, err
	}
	states := map[string]schedule.State{}
	for _, s := range list {
		states[s.Name] = s
	}
	return states, nil
}

func scheduleList(c *call) error {
	states, err := c.scheduleStates()
	if err != nil {
		return err
	}
	if len(c.Schedules) == 0 {
		_, err := c.scheduled("")
		return err
	}
	var rows [][]string
	var buttons []message.Button
	paused := 0
	for _, e := range c.Schedules {
		s := states[e.Name]
		next, last := "never", "not yet"
		if !s.Next.IsZero() {
			next = c.date(s.Next)
		}
		if s.Paused != nil {
			paused++
			buttons = append(buttons, message.Button{Label: "Resume " + e.Name, Words: "schedule resume " + e.Name})
			next = "paused by " + s.Paused.By
			if s.Paused.Reason != "" {
				next += ": " + s.Paused.Reason
			}
		}
		if o := s.Last; o != nil {
			last = fmt.Sprintf("%s, due %s", o.Result, c.date(o.Due))
			if o.Text != "" {
				last += ": " + o.Text
			}
		}
		rows = append(rows, []string{e.Name, e.What, e.When.String(), next, last})
	}
	m := message.Message{Title: plural(len(rows), "schedule") + ".", Buttons: buttons}
	if paused > 0 {
		m.Level, m.Title = message.Warn, fmt.Sprintf("%s, %d of them paused.", plural(len(rows), "schedule"), paused)
	}
	m.Blocks = []message.Block{{Table: &message.Table{Header: []string{"Name", "What", "When", "Next (" + c.now.In(c.Zone).Format("MST") + ")", "Last"}, Rows: rows}}}
	m.Data = states
	c.reply(m)
	return nil
}

// date is a moment that may be weeks away.
func (b *Bot) date(t time.Time) string { return t.In(b.Zone).Format("Mon 2 Jan 15:04") }

// manyRuns bounds what can be asked for.
const manyRuns = 100

func scheduleNext(c *call) error {
	count, _ := strconv.Atoi(cmp.Or(c.args["count"], "5"))
	if count > manyRuns {
		return &actions.Error{Code: "bad-value", Text: fmt.Sprintf("That are too many: at most %d.", manyRuns), Hint: "Say `schedule next 5`."}
	}
	states, err := c.scheduleStates()
	if err != nil {
		return err
	}
	type run struct {
		at time.Time
		e  Scheduled
	}
	var runs []run
	for _, e := range c.Schedules {
		s := states[e.Name]
		if s.Paused != nil {
			continue
		}
		at := s.Next
		if at.IsZero() || s.Spec != e.When.String() {
			at = e.When.Next(c.now)
		}
		for range count {
			if at.IsZero() {
				break
			}
			runs = append(runs, run{at, e})
			at = e.When.Next(at)
		}
	}
	slices.SortStableFunc(runs, func(a, b run) int { return a.at.Compare(b.at) })
	var rows [][]string
	for _, r := range runs[:min(count, len(runs))] {
		rows = append(rows, []string{c.date(r.at), r.e.Name, r.e.What})
	}
	if len(rows) == 0 {
		c.reply(message.Message{Title: "No schedule is due: there is none, or all are paused."})
		return nil
	}
	c.reply(message.Message{Title: fmt.Sprintf("Next is %s, at %s.", rows[0][1], rows[0][0]),
		Blocks: []message.Block{{Table: &message.Table{Header: []string{"At (" + c.now.In(c.Zone).Format("MST") + ")", "Name", "What"}, Rows: rows}}}})
	return nil
}

func scheduleRun(c *call) error {
	e, err := c.scheduled(c.args["name"])
	if err != nil {
		return err
	}
	why, err := c.holds(e, c.now)
	if err != nil {
		return err
	}
	if why != "" {
		return &actions.Error{Code: "held", Text: sentence(fmt.Sprintf("%s does not run now: %s", e.Name, why)), Hint: "When that is over, say it again; what it does can also be asked for by a person: `" + cmp.Or(e.Words, "schedule list") + "`."}
	}
	due := c.now
	c.reply(message.Message{Level: message.Info, Title: fmt.Sprintf("%s runs now, asked for by %s.", e.Name, c.who.ID)})
	return c.runScheduled(c.ctx, schedule.Run{ID: "schedule/" + e.Name + "/" + c.d.ID, Entry: e.Entry, Due: due}, func(result schedule.Result, text string) {
		o := schedule.Outcome{Due: due, At: nowUTC(), Result: result, Text: text}
		err := c.Store.AmendSchedule(c.Bot.ctx, e.Name, func(s *schedule.State) bool { s.Last = &o; return true })
		if err != nil {
			c.log.Error("how a schedule ended could not be recorded", "schedule", e.Name, "err", err)
		}
	})
}

func schedulePause(c *call) error {
	e, err := c.scheduled(c.args["name"])
	if err != nil {
		return err
	}
	p := schedule.Pause{By: c.who.ID, At: c.now, Reason: c.args["reason"]}
	if err := c.Store.AmendSchedule(c.ctx, e.Name, func(s *schedule.State) bool { s.Paused = &p; return true }); err != nil {
		return err
	}
	c.reply(message.Message{Level: message.Warn, Title: fmt.Sprintf("%s is paused: it does not run until `schedule resume %s`.", e.Name, e.Name),
		Buttons: []message.Button{{Label: "Resume", Words: "schedule resume " + e.Name}}})
	return nil
}

func scheduleResume(c *call) error {
	e, err := c.scheduled(c.args["name"])
	if err != nil {
		return err
	}
	was := false
	var next time.Time
	err = c.Store.AmendSchedule(c.ctx, e.Name, func(s *schedule.State) bool {
		was, s.Paused = s.Paused != nil, nil
		next = s.Next
		return was
	})
	if err != nil {
		return err
	}
	if !was {
		c.reply(message.Message{Title: e.Name + " was not paused."})
		return nil
	}
	c.reply(message.Message{Level: message.OK, Title: fmt.Sprintf("%s runs again when it is due: %s.", e.Name, c.date(next))})
	return nil
}

// reportOnCall says who answers from now on.
func reportOnCall(c *call) error {
	c.reply(message.Message{Level: message.Info, Title: "On call from now on:", Blocks: []message.Block{{Fields: c.onCallFields()}}})
	return nil
}

// reportHealth is what a team reads in the morning: the diagnosis of every
// cluster, what is open, who is on call, and what comes today.
func reportHealth(c *call) error {
	worst, title := message.OK, "Health report: all is well."
	var rows [][]string
	results := make([]actions.Result, len(c.Clusters))
	for i, cl := range c.Clusters {
		action, ok := cl.action("diagnose")
		if !ok {
			results[i] = actions.Result{Level: actions.Unknown, Headline: "it cannot be diagnosed here"}
		} else if r, err := action.Look(c.ctx, actions.Request{By: c.who.ID, Now: c.now, Args: actions.Args{}}); err != nil {
			results[i] = actions.Result{Level: actions.Unknown, Headline: err.Error()}
		} else {
			results[i] = r
		}
		rows = append(rows, []string{cl.Name, string(results[i].Level), results[i].Headline})
		if l := levels[results[i].Level]; results[i].Level != actions.OK && (worst == message.OK || l == message.Critical) {
			worst, title = l, "Health report: not all is well."
		}
	}
	open, err := c.Store.OpenIncidents()
	if err != nil {
		return err
	}
	if len(open) > 0 {
		if worst == message.OK {
			worst = message.Warn
		}
		title = fmt.Sprintf("Health report: %s open.", plural(len(open), "incident"))
	}
	m := message.Message{Level: worst, Title: title, Blocks: []message.Block{{Table: &message.Table{Header: []string{"Cluster", "State", ""}, Rows: rows}}}}
	if len(open) > 0 {
		var rows [][]string
		for _, inc := range open {
			rows = append(rows, []string{inc.ID(), string(inc.Priority), string(inc.State), spoken(c.now.Sub(inc.DeclaredAt)), inc.Title})
		}
		m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"Incident", "", "State", "Age", "Title"}, Rows: rows}})
	}
	if err := c.addRuns(&m); err != nil {
		return err
	}
	m.Blocks = append(m.Blocks, message.Block{Fields: c.onCallFields()})
	c.addRosterFaults(&m)
	today, err := c.comingUp(c.now.Add(24 * time.Hour))
	if err != nil {
		return err
	}
	if len(today) > 0 {
		m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"Within a day", "", "Last"}, Rows: today}})
	}
	if err := c.addMaintenance(&m); err != nil {
		return err
	}
	c.reply(m)
	return nil
}

// comingUp are the schedules that are due until then.
func (c *call) comingUp(until time.Time) ([][]string, error) {
	states, err := c.scheduleStates()
	if err != nil {
		return nil, err
	}
	var rows [][]string
	for _, e := range c.Schedules {
		s := states[e.Name]
		if e.Chore != nil || s.Next.IsZero() || s.Next.After(until) || s.Paused != nil {
			continue
		}
		last := "not yet"
		if s.Last != nil {
			last = string(s.Last.Result) + ", due " + c.date(s.Last.Due)
		}
		rows = append(rows, []string{c.date(s.Next), e.Name, last})
	}
	return rows, nil
}
