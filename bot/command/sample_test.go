package command

import (
	"strings"
	"testing"

	"irisops/actions"
)

// sample is a table with the shapes that the real one has.
func sample(t testing.TB) *Table {
	t.Helper()
	table, err := New(sampleSpecs())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func sampleSpecs() []Spec {
	target := actions.Param{Name: "target", Kind: actions.Target, Doc: "a node, a role (core, edge) or all", Example: "edge1"}
	node := actions.Param{Name: "node", Kind: actions.Node, Doc: "a node's short or full name", Example: "edge1"}
	request := actions.Param{Name: "request", Kind: actions.ID, Doc: "the number that the bot gave it", Example: "REQ-3"}
	noArchive := actions.Param{Name: "no-archive", Kind: actions.Bool, Flag: true, Doc: "do not keep the old log"}
	text := func(name, doc, example string, optional bool) actions.Param {
		return actions.Param{Name: name, Kind: actions.Text, Doc: doc, Example: example, Optional: optional}
	}
	const see, fix, incident, agree = "Look", "Act", "Incident", "Agree"
	return []Spec{
		{Words: "help", Class: actions.See, Group: see, Summary: "What I can do", Example: "help restart",
			Params: []actions.Param{text("command", "a command", "restart", true)}},
		{Words: "whoami", Class: actions.See, Group: see, Summary: "Who you are here", Example: "whoami"},
		{Words: "access explain", Class: actions.See, Group: see, Summary: "Who may use a command, and why", Example: "access explain restart",
			Params: []actions.Param{text("command", "a command", "restart", false)}},
		{Words: "status", Class: actions.See, Group: see, Summary: "Clusters, open incidents, who is on call", Example: "status"},
		{Words: "diagnose", Class: actions.See, Group: see, Summary: "What is wrong, and what to do", Example: "diagnose quick",
			Params: []actions.Param{
				{Name: "scope", Kind: actions.Choice, Choices: []string{"quick", "full", "mnesia", "messages", "host", "network"}, Doc: "how far to look", Optional: true},
				{Name: "since", Kind: actions.Choice, Choices: []string{"last"}, Flag: true, Doc: "only what changed"},
			}},
		{Words: "diagnose node", Class: actions.See, Group: see, Summary: "One node", Example: "diagnose node edge1", Params: []actions.Param{node}},
		{Words: "logs", Class: actions.See, Group: see, Summary: "The end of a node's log", Example: "logs edge1 -n 50 --grep nodedown",
			Params: []actions.Param{node,
				{Name: "n", Kind: actions.Count, Flag: true, Doc: "how many lines", Example: "100"},
				{Name: "grep", Kind: actions.Text, Flag: true, Doc: "only lines with this", Example: "nodedown"},
				{Name: "since", Kind: actions.Duration, Flag: true, Doc: "only newer lines", Example: "15m"},
			}},
		{Words: "presence", Class: actions.See, Group: see, Summary: "Where a user is connected", Example: "presence alice",
			Params: []actions.Param{{Name: "user", Kind: actions.Word, Doc: "a user of IRIS", Example: "alice"}}},
		{Words: "presence size", Class: actions.See, Group: see, Summary: "How many users are connected", Example: "presence size"},
		{Words: "messages size", Class: actions.See, Group: see, Summary: "How many messages wait", Example: "messages size"},
		{Words: "messages show", Class: actions.See, Group: see, Summary: "What waits for a user", Example: "messages show alice",
			Params: []actions.Param{{Name: "user", Kind: actions.Word, Doc: "a user of IRIS", Example: "alice"}}},
		{Words: "messages clear", Class: actions.Harm, Group: fix, Summary: "Delete what waits for a user, after an export", Example: "messages clear alice",
			Params: []actions.Param{{Name: "user", Kind: actions.Word, Doc: "a user of IRIS", Example: "alice"}}},
		{Words: "declare", Class: actions.Tell, Group: incident, Summary: "Open an incident; its clocks start", Example: `declare P0 "no clients can connect"`,
			Params: []actions.Param{
				{Name: "priority", Kind: actions.Choice, Choices: []string{"P0", "P1", "P2", "P3"}, Doc: "how urgent", Optional: true},
				text("title", "what people notice", "no clients can connect", true)}},
		{Words: "ack", Class: actions.Tell, Group: incident, Summary: "You are on it; the clocks go on", Example: "ack"},
		{Words: "note", Class: actions.Tell, Group: incident, Summary: "Write into the timeline", Example: "note the load balancer looks fine",
			Params: []actions.Param{text("text", "what to write", "the load balancer looks fine", false)}},
		{Words: "handoff", Class: actions.Tell, Group: incident, Summary: "Give the incident to someone else", Example: "handoff @owner",
			Params: []actions.Param{{Name: "person", Kind: actions.Person, Doc: "who takes over", Example: "@owner"}}},
		{Words: "merge", Class: actions.Tell, Group: incident, Summary: "Join another incident to this one", Example: "merge INC-7",
			Params: []actions.Param{{Name: "other", Kind: actions.ID, Doc: "the other incident", Example: "INC-7"}}},
		{Words: "verify", Class: actions.See, Group: see, Summary: "Log in and send a message on every edge", Example: "verify"},
		{Words: "recovered", Class: actions.Tell, Group: incident, Summary: "Clients are served again; stops the clocks", Example: "recovered",
			Params: []actions.Param{{Name: "force", Kind: actions.Text, Flag: true, Doc: "why, although verify fails", Example: "users confirm by phone"}}},
		{Words: "resolve", Class: actions.Tell, Group: incident, Summary: "Close the incident", Example: "resolve false alarm",
			Params: []actions.Param{text("reason", "why, unless it is recovered", "false alarm", true)}},
		{Words: "stop-paging", Class: actions.Tell, Group: incident, Summary: "Stop the escalation clocks", Example: "stop-paging the vendor is on it",
			Params: []actions.Param{text("reason", "why", "the vendor is on it", false)}},
		{Words: "timeline", Class: actions.See, Group: incident, Summary: "What happened, in order", Example: "timeline --incident INC-1"},
		{Words: "start", Class: ByEffect, Group: fix, Summary: "Start nodes, verified", Example: "start edge1", Params: []actions.Param{target, noArchive}},
		{Words: "stop", Class: ByEffect, Group: fix, Summary: "Stop nodes, verified", Example: "stop edge1", Params: []actions.Param{target}},
		{Words: "restart", Class: ByEffect, Group: fix, Summary: "Stop and start nodes, verified", Example: "restart edge1",
			Long:   "Stops the process by its exact pid, keeps the old log, runs the node's make target, and waits until the node answers and clients can log in.",
			Params: []actions.Param{target, noArchive}},
		{Words: "maintenance on", Class: actions.Do, Group: fix, Summary: "Silence the watch", Example: "maintenance on 2h replacing disks",
			Params: []actions.Param{
				{Name: "for", Kind: actions.Duration, Doc: "how long", Example: "2h", Optional: true},
				text("reason", "why", "replacing disks", false)}},
		{Words: "confirm", Class: actions.Tell, Group: agree, Summary: "Run what you asked for", Example: "confirm REQ-3", Params: []actions.Param{request}},
		{Words: "approve", Class: actions.Tell, Group: agree, Summary: "Agree to what another asked for", Example: "approve REQ-3", Params: []actions.Param{request}},
		{Words: "deny", Class: actions.Tell, Group: agree, Summary: "Turn a request down", Example: "deny REQ-3 not now",
			Params: []actions.Param{request, text("reason", "why", "not now", true)}},
		{Words: "halt", Class: actions.Tell, Group: agree, Summary: "Let no further step start", Example: "halt",
			Params: []actions.Param{text("reason", "why", "wrong cluster", true)}},
		{Words: "resume-actions", Class: actions.Tell, Group: agree, Summary: "Let steps start again", Example: "resume-actions"},
	}
}

// crew is a Resolver with the demo's people.
type crew struct{}

var slackIDs = map[string]string{"U01": "operator", "U02": "owner"}

func (crew) Person(name string) (string, bool) {
	if id, ok := slackIDs[name]; ok {
		return id, true
	}
	for _, id := range (crew{}).People() {
		if id == strings.ToLower(name) {
			return id, true
		}
	}
	return "", false
}

func (crew) People() []string { return []string{"operator", "second", "owner", "guest"} }
