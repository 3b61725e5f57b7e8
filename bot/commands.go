package bot

import (
	"slices"
	"strings"

	"irisops/actions"
	"irisops/bot/command"
	"irisops/bot/message"
)

// makeTable joins the conversation's own words and the clusters' actions into
// the one table: parser, help, "did you mean" and the Slack manifest read it.
func (b *Bot) makeTable() (err error) {
	b.table, b.handlers, err = tableOf(b.Clusters[0].Actions)
	return err
}

// TableOf is the command table of a bot whose clusters have these actions.
func TableOf(list []actions.Action) (*command.Table, error) {
	table, _, err := tableOf(list)
	return table, err
}

func tableOf(list []actions.Action) (*command.Table, map[string]handler, error) {
	handlers := map[string]handler{}
	var specs []command.Spec
	for _, w := range slices.Concat(
		words, incidentWords, maintenanceWords, scheduleWords, pagingWords, onCallWords,
		auditWords,
		watchWords,
		glassWords,
		drillWords,
	) {
		specs = append(specs, w.Spec)
		handlers[w.Spec.Words] = w.run
	}
	for _, a := range list {
		spec := command.Spec{Words: a.Name, Class: actions.See, Group: looks, Summary: a.Summary, Long: a.Long, Example: a.Example, Params: a.Params}
		run := looking(a.Name)
		if a.Plan != nil {
			spec.Class, spec.Group = command.ByEffect, acts
			run = acting(a.Name)
		}
		specs = append(specs, spec)
		handlers[a.Name] = run
	}
	slices.SortStableFunc(specs, func(a, b command.Spec) int {
		return slices.Index(groups, a.Group) - slices.Index(groups, b.Group)
	})
	table, err := command.New(specs)
	return table, handlers, err
}

type word struct {
	command.Spec
	run handler
}

const (
	incids  = "Incident"
	looks   = "Look"
	acts    = "Act on the cluster"
	agrees  = "Agree or stop"
	oneself = "Help"
)

// groups in the order of help.
var groups = []string{incids, looks, acts, agrees, onCallGroup, calendars, drills, oneself}

// words are the commands that need no action of the cluster.
var words = []word{
	{command.Spec{Words: "help", Class: actions.See, Group: oneself, Summary: "what I can do here, or how one command works",
		Example: "help restart", Params: []actions.Param{{Name: "command", Kind: actions.Text, Optional: true, Doc: "a command", Example: "restart"}}}, help},
	{command.Spec{Words: "whoami", Class: actions.See, Group: oneself, Summary: "who you are to me, and what you may do", Example: "whoami"}, whoami},
	{command.Spec{Words: "access explain", Class: actions.See, Group: oneself, Summary: "who may use a command, and why you may or may not",
		Example: "access explain restart", Params: []actions.Param{{Name: "command", Kind: actions.Text, Doc: "a command", Example: "restart"}}}, explain},

	{command.Spec{Words: "status", Class: actions.See, Group: looks, Summary: "clusters, open incidents with their clocks, who is on call", Example: "status"}, status},

	{command.Spec{Words: "declare", Class: actions.Tell, Group: incids, Summary: "open an incident: its clocks start and the first diagnosis follows",
		Example: `declare P0 "no clients can connect"`,
		Long: "P0 service down, P1 major degradation, P2 partial impact, P3 minor issue. The escalation policy of the priority is armed at once: " +
			"for P0 the runbook pages the on-call SRE after 15 and the service owner after 30 minutes that are not recovered.",
		Params: []actions.Param{
			{Name: "priority", Kind: actions.Choice, Choices: []string{"P0", "P1", "P2", "P3"}, Doc: "how urgent", Example: "P0"},
			{Name: "title", Kind: actions.Text, Doc: "what is wrong, in a few words", Example: `"no clients can connect"`},
			{Name: "symptoms", Kind: actions.Text, Flag: true, Doc: "what is seen, for the timeline", Example: `"logins time out since 10:40"`}}}, declare},
	{command.Spec{Words: "ack", Class: actions.Tell, Group: incids, Summary: "take it; the escalation clocks run on until recovery", Example: "ack"}, ack},
	{command.Spec{Words: "recovered", Class: actions.Tell, Group: incids, Summary: "service is back: verified first, refused while that fails", Example: "recovered",
		Params: []actions.Param{{Name: "force", Kind: actions.Text, Flag: true, Doc: "call it recovered although the check fails, and why", Example: `"the probe host lost its network"`}}}, recovered},
	{command.Spec{Words: "resolve", Class: actions.Tell, Group: incids, Summary: "end it; after recovery without more words, else with a reason", Example: "resolve false alarm",
		Params: []actions.Param{{Name: "reason", Kind: actions.Text, Optional: true, Doc: "why it ends", Example: "false alarm"}}}, resolve},
	{command.Spec{Words: "stop-paging", Class: actions.Tell, Group: incids, Summary: "call nobody any more for this incident, with a reason", Example: "stop-paging the owner is in the room",
		Params: []actions.Param{{Name: "reason", Kind: actions.Text, Doc: "why nobody needs calling", Example: "the owner is in the room"}}}, stopPaging},

	{command.Spec{Words: "confirm", Class: actions.Tell, Group: agrees, Summary: "run what you asked for, as shown", Example: "confirm REQ-3", Params: []actions.Param{requestID}}, confirm},
	{command.Spec{Words: "approve", Class: actions.Tell, Group: agrees, Summary: "let another person's dangerous request run, as shown", Example: "approve REQ-3", Params: []actions.Param{requestID}}, approve},
	{command.Spec{Words: "deny", Class: actions.Tell, Group: agrees, Summary: "refuse or withdraw a request", Example: "deny REQ-3 the owner is on it",
		Long: "A request that waits is refused or withdrawn. One that is being carried out stops: the step under way finishes, and none starts after it. " +
			"One that was interrupted is given up: everything stays as it is, and its lock is freed.",
		Params: []actions.Param{requestID, {Name: "reason", Kind: actions.Text, Optional: true, Doc: "why not", Example: "the owner is on it"}}}, deny},
	{command.Spec{Words: "halt", Class: actions.Tell, Group: agrees, Summary: "stop every action at once: the running step finishes, none starts", Example: "halt something is wrong",
		Params: []actions.Param{{Name: "reason", Kind: actions.Text, Optional: true, Doc: "why", Example: "something is wrong"}}}, halt},
	{command.Spec{Words: "resume-actions", Class: actions.Tell, Group: agrees, Summary: "lift a halt", Example: "resume-actions"}, resumeActions},
}

var requestID = actions.Param{Name: "id", Kind: actions.ID, Optional: true, Doc: "a request; may be left out if only one waits", Example: "REQ-3"}

func help(c *call) error {
	if of := c.args["command"]; of != "" {
		if c.inDemo() && (of == "as" || of == "quit" || of == "exit") {
			c.reply(message.Message{Title: "In this terminal", Blocks: []message.Block{c.ofTheDemo()}})
			return nil
		}
		m, err := c.table.HelpFor(of)
		if err != nil {
			return &usageError{err}
		}
		c.reply(m)
		return nil
	}
	m := c.table.Help()
	if c.inDemo() {
		m.Blocks = append(m.Blocks, message.Block{Text: "In this terminal"}, c.ofTheDemo())
	}
	c.reply(m)
	return nil
}

// inDemo says that the words were typed at the prompt of the terminal demo, which
// has some of its own.
func (c *call) inDemo() bool { return c.Access.Demo && c.d.Via == "terminal" }

func (c *call) ofTheDemo() message.Block {
	var names []string
	for _, p := range c.Access.People {
		if p.Listed() {
			names = append(names, p.ID)
		}
	}
	return message.Block{Table: &message.Table{Rows: [][]string{
		{"as NAME COMMAND", "say it as someone else: " + strings.Join(names, ", ")},
		{"as NAME", "go on as someone else"},
		{"quit", "end the demo"},
	}}}
}

func whoami(c *call) error {
	c.reply(lines(c.Access.Whoami(c.who)))
	return nil
}

func explain(c *call) error {
	spec, ok := c.table.Meant(c.args["command"])
	if !ok { // several, or none
		if err := c.table.NoneMeant(c.args["command"], "so there is nothing to explain", "access explain"); err != nil {
			return &usageError{err}
		}
		m, err := c.table.HelpFor(c.args["command"])
		if err != nil {
			return &usageError{err}
		}
		c.reply(m)
		return nil
	}
	c.reply(lines(c.Access.Explain(c.who, spec.Words, accessClass(spec))))
	return nil
}

// accessClass is the least that a command needs: what it does to the cluster is
// judged again by its effect.
func accessClass(s *command.Spec) actions.Class {
	if s.Class == command.ByEffect {
		return actions.Do
	}
	return s.Class
}

// lines is a message whose first line is the outcome.
func lines(text string) message.Message {
	title, rest, _ := strings.Cut(text, "\n")
	m := message.Message{Title: title}
	if rest != "" {
		m.Blocks = []message.Block{{Text: rest}}
	}
	return m
}

func (b *Bot) onCallFields() []message.Field {
	var fields []message.Field
	for _, role := range b.roster().Names() {
		person, ok := b.roster().Now(role, nowUTC())
		if !ok {
			person = "nobody: everybody on call would be paged"
		}
		fields = append(fields, message.Field{Name: "On call: " + role, Value: person})
	}
	return fields
}
