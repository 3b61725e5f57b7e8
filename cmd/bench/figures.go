package main

// figure is a row of the table. at is where its value comes from: package,
// benchmark and unit, as results names them.
type figure struct {
	part  string
	what  string
	at    string
	unit  string  // as it is shown
	bound float64 // 0: none
	least bool    // the bound is the least that holds, not the most
}

// The parts of the table.
const (
	promised = "What is promised"
	beside   = "Beside it: what a bound of our own holds, or nobody promised"
	growth   = "How cost grows with the incidents that there ever were (docs/growth.png)"
)

// figures are all rows that have one value. The first part is "Speed and size" of
// the promises, row by row; a row there with two bounds is two here.
var figures = []figure{
	{part: promised, what: "rpc part of a full diagnosis, against the same calls by erl -eval", at: "actions/cluster.AgainstErl times-faster", unit: "times faster", bound: 100, least: true},
	{part: promised, what: "one rpc on a held connection", at: "actions/erlang.Call ms/call", unit: "ms", bound: 1},
	{part: promised, what: "Slack at 50 commands/s: command to first post, p50, beyond a bare bot in the same run", at: "bot/slack.Conversation ms-beyond-bare", unit: "ms", bound: 1},
	{part: promised, what: "the same, for what is looked up first (status)", at: "bot/slack.Conversation ms-beyond-bare-looking", unit: "ms", bound: 1},
	{part: promised, what: "Slack at 50 commands/s: processor time a command", at: "bot/slack.Conversation cpu-ms/command", unit: "ms", bound: 2},
	{part: promised, what: "the same, for what is looked up first (status)", at: "bot/slack.Conversation cpu-ms/looking-command", unit: "ms", bound: 2},
	{part: promised, what: "Slack at 50 commands/s: acknowledgement of an envelope, p99", at: "bot/slack.Conversation ms-ack-p99", unit: "ms", bound: 10},
	{part: promised, what: "6,000 escalation steps due at once, durable in the outbox", at: "store.StepsDueAtOnce s/6000-steps", unit: "s", bound: 1},
	{part: promised, what: "durable timers accepted per second", at: "store.DurableTimers timers/s", unit: "timers/s", bound: 2000, least: true},
	{part: promised, what: "kill -9 with 10,000 pending: the process armed again, none lost", at: "cmd/irisops.Killed s/armed-again", unit: "s", bound: 0.25},
	{part: promised, what: "memory (VmRSS - RssFile), idle", at: "cmd/irisops.Start MB-idle", unit: "MB", bound: 25},
	{part: promised, what: "memory (VmRSS - RssFile), 10,000 open incidents, most seen", at: "cmd/irisops.Killed MB-most", unit: "MB", bound: 60},
	{part: promised, what: "diagnosis of 50 nodes of which 5 hang, beyond its deadline", at: "actions/cluster.FiftyNodesOfWhichFiveHang ms-beyond-deadline", unit: "ms", bound: 200},
	{part: promised, what: "cold start until connected to Slack", at: "cmd/irisops.StartInSlack ms/start", unit: "ms", bound: 50},

	{part: beside, what: "kill -9 with 10,000 open: all shown again, and commands taken", at: "cmd/irisops.Killed s/commands-again", unit: "s"},
	{part: beside, what: "cold start until commands are taken, no Slack", at: "cmd/irisops.Start ms/start", unit: "ms", bound: 50},
	{part: beside, what: "rpc part of a full diagnosis, core and two edges", at: "actions/cluster.AgainstErl ms/diagnosis", unit: "ms", bound: 1000},
	{part: beside, what: "the same calls by erl, one each", at: "actions/cluster.AgainstErl ms-by-erl", unit: "ms"},
	{part: beside, what: "memory that the diagnosis of 50 nodes takes, nodes included", at: "actions/cluster.FiftyNodesOfWhichFiveHang MB-most", unit: "MB", bound: 64},
	{part: beside, what: "the bare Slack bot: command to first post, p50", at: "bot/slack.Conversation ms-bare", unit: "ms"},
	{part: beside, what: "the bare Slack bot: processor time a command", at: "bot/slack.Conversation cpu-ms/bare-command", unit: "ms"},
	{part: beside, what: "10,000 pending armed again, the store alone", at: "store.ReopenWith10000Pending s/reopen", unit: "s", bound: 0.25},
	{part: beside, what: "one change alone, beyond the two bare flushes that it takes", at: "store.LoneCommit ms-beyond-flushes", unit: "ms", bound: 1},
	{part: beside, what: "size of the binary", at: "cmd/irisops.Binary MB", unit: "MB"},
	{part: beside, what: "size of the binary without its symbols", at: "cmd/irisops.Binary MB-stripped", unit: "MB"},
	{part: beside, what: "a day's events replayed: heap at noon", at: "bot.Day MB-heap-noon", unit: "MB"},
	{part: beside, what: "a day's events replayed: heap at its end", at: "bot.Day MB-heap", unit: "MB"},
	{part: beside, what: "a day's events replayed: memory of the process at its end", at: "bot.Day MB-process", unit: "MB"},
	{part: beside, what: "a day's events replayed: goroutines more than at noon", at: "bot.Day goroutines-more", unit: "goroutines"},
	{part: beside, what: "a day's events replayed: processor time", at: "bot.Day cpu-s/day", unit: "s"},

	{part: growth, what: "bytes in the database per incident of the day replayed, deliveries included", at: "bot.Day bytes/incident", unit: "bytes"},
	{part: growth, what: "bytes in the database per incident that is over", at: "cmd/irisops.Growth/100000 bytes/incident", unit: "bytes"},
	{part: growth, what: "database, 100 incidents", at: "cmd/irisops.Growth/100 MB-database", unit: "MB"},
	{part: growth, what: "database, 1,000", at: "cmd/irisops.Growth/1000 MB-database", unit: "MB"},
	{part: growth, what: "database, 10,000", at: "cmd/irisops.Growth/10000 MB-database", unit: "MB"},
	{part: growth, what: "database, 100,000", at: "cmd/irisops.Growth/100000 MB-database", unit: "MB"},
	{part: growth, what: "full start of the process, 100 incidents", at: "cmd/irisops.Growth/100 ms/start", unit: "ms"},
	{part: growth, what: "full start of the process, 1,000", at: "cmd/irisops.Growth/1000 ms/start", unit: "ms"},
	{part: growth, what: "full start of the process, 10,000", at: "cmd/irisops.Growth/10000 ms/start", unit: "ms"},
	{part: growth, what: "full start of the process, 100,000", at: "cmd/irisops.Growth/100000 ms/start", unit: "ms"},
	{part: growth, what: "processor time of such a start, and of the stop after it, 100,000", at: "cmd/irisops.Growth/100000 cpu-ms/start-and-stop", unit: "ms"},
	{part: growth, what: "memory of the process then, 100 incidents", at: "cmd/irisops.Growth/100 MB-process", unit: "MB"},
	{part: growth, what: "memory of the process then, 100,000", at: "cmd/irisops.Growth/100000 MB-process", unit: "MB"},
}

// costs are parts of the table with a row for each benchmark below one: time,
// memory and allocations of one operation.
var costs = []struct{ part, below string }{
	{"A command, from its arrival to its answer (disk included)", "bot.Command/"},
	{"An event of an incident, in memory", "bot/incident.Apply/"},
	{"An event of an incident, made durable (disk included)", "store.Event/"},
	{"A check of one node (the node is made of memory: what irisops itself takes)", "actions/cluster.Check/"},
}
