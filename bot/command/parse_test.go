package command

import (
	"strings"
	"testing"

	"irisops/actions"

	"github.com/google/go-cmp/cmp"
)

type args = actions.Args

func TestParse(t *testing.T) {
	long := strings.Repeat("ä", MaxText)
	table := sample(t)
	tests := []struct {
		name  string
		text  string
		words string
		args  args
	}{
		{"a word", "status", "status", args{}},
		{"capitals", "  STATUS ", "status", args{}},
		{"a target", "Restart Edge1", "restart", args{"target": "edge1"}},
		{"a full name", "restart iris_edge1@h1.example.org", "restart", args{"target": "iris_edge1@h1.example.org"}},
		{"two words", "messages show alice", "messages show", args{"user": "alice"}},
		{"capitals in a value stay", "messages show Alice.B", "messages show", args{"user": "Alice.B"}},
		{"a dash in the words", "Stop-Paging vendor is on it", "stop-paging", args{"reason": "vendor is on it"}},
		{"a space for the dash", "stop paging vendor is on it", "stop-paging", args{"reason": "vendor is on it"}},
		{"an en dash for the dash", "stop–paging vendor", "stop-paging", args{"reason": "vendor"}},
		{"stop is still there", "stop all", "stop", args{"target": "all"}},
		{"quotes keep words apart", `stop "paging"`, "stop", args{"target": "paging"}},

		{"the bot's name", "irisops restart edge1", "restart", args{"target": "edge1"}},
		{"the slash word", "/iris restart edge1", "restart", args{"target": "edge1"}},
		{"the mention as text", "@iris: status", "status", args{}},
		{"the ctl line", "irisops ctl status", "status", args{}},
		{"a slash before the command", "/restart edge1", "restart", args{"target": "edge1"}},

		{"a title in quotes", `declare P0 "no clients can connect"`, "declare", args{"priority": "P0", "title": "no clients can connect"}},
		{"a title as it is", "declare p0 no clients can connect", "declare", args{"priority": "P0", "title": "no clients can connect"}},
		{"smart quotes", "declare P0 “no clients can connect”", "declare", args{"priority": "P0", "title": "no clients can connect"}},
		{"french quotes", "declare P0 « no clients can connect »", "declare", args{"priority": "P0", "title": "no clients can connect"}},
		{"german quotes", "declare P0 „no clients can connect“", "declare", args{"priority": "P0", "title": "no clients can connect"}},
		{"single smart quotes", "declare P0 ‘no clients can't connect’", "declare", args{"priority": "P0", "title": "no clients can't connect"}},
		{"mixed quotes", `declare P0 "no clients”`, "declare", args{"priority": "P0", "title": "no clients"}},
		{"no words at all", "declare", "declare", args{}},
		{"no title", "declare P1", "declare", args{"priority": "P1"}},
		{"no priority", "declare no clients can connect", "declare", args{"title": "no clients can connect"}},
		{"a title that begins like a node", "declare edge1 is down", "declare", args{"title": "edge1 is down"}},
		{"a title in quotes that looks like a priority", `declare "P1"`, "declare", args{"title": "P1"}},
		{"a priority in ticks", "declare `P1` slow", "declare", args{"priority": "P1", "title": "slow"}},

		{"an apostrophe opens nothing", "note users can't log in, it's slow", "note", args{"text": "users can't log in, it's slow"}},
		{"an apostrophe at the end of a word", "note the nodes' logs and the users' reports", "note", args{"text": "the nodes' logs and the users' reports"}},
		{"an apostrophe at the beginning", "note 'twas the core", "note", args{"text": "'twas the core"}},
		{"quotes inside a text", `note "core" and "edge1" are fine`, "note", args{"text": `"core" and "edge1" are fine`}},
		{"an open quote in a text", `note "core is fine`, "note", args{"text": `"core is fine`}},
		{"escaped quotes", `note "he said \"restart\" at C:\\ or \d"`, "note", args{"text": `he said "restart" at C:\ or \d`}},
		{"ticks inside a text", "note saw `nodedown` twice", "note", args{"text": "saw `nodedown` twice"}},
		{"dashes inside a text", "note core is down — edges are fine", "note", args{"text": "core is down — edges are fine"}},
		{"lines in a text", "note first\r\nsecond\n  third", "note", args{"text": "first\nsecond\n  third"}},
		{"the longest text", "note " + long, "note", args{"text": long}},
		{"a text after a colon", "note: all fine.", "note", args{"text": "all fine."}},
		{"a question in a text", "note is it the disk?", "note", args{"text": "is it the disk?"}},

		{"a flag after", "restart edge1 --dry-run", "restart", args{"target": "edge1", "dry-run": "true"}},
		{"a flag before", "restart --dry-run edge1", "restart", args{"target": "edge1", "dry-run": "true"}},
		{"an em dash for two dashes", "restart edge1 —dry-run", "restart", args{"target": "edge1", "dry-run": "true"}},
		{"a flag in capitals", "restart edge1 --DryRun --No_Archive", "restart", args{"target": "edge1", "dry-run": "true", "no-archive": "true"}},
		{"a flag with a value", "timeline --incident INC-1", "timeline", args{"incident": "1"}},
		{"a flag with =", "timeline --incident=inc-1", "timeline", args{"incident": "1"}},
		{"a flag with a spaced id", "timeline --incident inc 12", "timeline", args{"incident": "12"}},
		{"short flags", "logs core -n 100 --since 15m --grep \"connection refused\"", "logs", args{"node": "core", "n": "100", "since": "15m0s", "grep": "connection refused"}},
		{"a text flag before an argument is one word", "logs --grep nodedown core", "logs", args{"node": "core", "grep": "nodedown"}},
		{"a text flag takes the rest", "logs core --grep connection refused --since 2 hours", "logs", args{"node": "core", "grep": "connection refused", "since": "2h0m0s"}},
		{"a text flag with = and quotes", `logs core --grep="connection refused" -n=5`, "logs", args{"node": "core", "grep": "connection refused", "n": "5"}},
		{"a reason with a flag", "recovered --force users confirm by phone", "recovered", args{"force": "users confirm by phone"}},
		{"a flag before a text", "note --incident 3 the disk is full", "note", args{"incident": "3", "text": "the disk is full"}},
		{"flags after a text", "note the disk is full --incident 3 --cluster b", "note", args{"incident": "3", "cluster": "b", "text": "the disk is full"}},
		{"flags inside a text are text", "note use --incident 3 next time", "note", args{"text": "use --incident 3 next time"}},
		{"unknown flags in a text are text", "note --verbose did not help", "note", args{"text": "--verbose did not help"}},
		{"quoted flags are text", `note "--incident 3"`, "note", args{"text": "--incident 3"}},
		{"two dashes end the flags", "note -- --incident 3", "note", args{"text": "--incident 3"}},
		{"two dashes keep the end too", "note --incident 4 -- see --incident 3", "note", args{"incident": "4", "text": "see --incident 3"}},
		{"two dashes inside a text are text", "note a -- b", "note", args{"text": "a -- b"}},
		{"two dashes before an argument", "restart -- edge1", "restart", args{"target": "edge1"}},

		{"an id", "approve REQ-3", "approve", args{"request": "3"}},
		{"a small id", "approve req3", "approve", args{"request": "3"}},
		{"a bare id", "approve 3", "approve", args{"request": "3"}},
		{"an id with a number sign", "approve #3", "approve", args{"request": "3"}},
		{"an id in two words", "deny req 3 not now", "deny", args{"request": "3", "reason": "not now"}},
		{"a reason that may be left out", "deny 003", "deny", args{"request": "3"}},
		{"a full stop", "approve REQ-3.", "approve", args{"request": "3"}},
		{"a full stop after the words", "Status.", "status", args{}},
		{"a question that changes nothing", "status?", "status", args{}},
		{"punctuation on its own", "status ?!", "status", args{}},

		{"a person", "handoff owner", "handoff", args{"person": "owner"}},
		{"a person with @", "handoff @Owner", "handoff", args{"person": "owner"}},
		{"a mention", "handoff <@U02>", "handoff", args{"person": "owner"}},
		{"a mention with a name", "handoff <@U02|jo>", "handoff", args{"person": "owner"}},
		{"a mention in a text", "note asked <@U02> and <@U77|jo>", "note", args{"text": "asked @owner and @U77"}},

		{"a duration that may be left out", "maintenance on replacing disks", "maintenance on", args{"reason": "replacing disks"}},
		{"a duration", "maintenance on 2h replacing disks", "maintenance on", args{"for": "2h0m0s", "reason": "replacing disks"}},
		{"a duration in two words", "maintenance on 90 minutes replacing disks", "maintenance on", args{"for": "1h30m0s", "reason": "replacing disks"}},
		{"days", "maintenance on 1d2h x", "maintenance on", args{"for": "26h0m0s", "reason": "x"}},
		{"a reason in quotes that begins with a number", `maintenance on "2 disks"`, "maintenance on", args{"reason": "2 disks"}},

		{"a choice", "diagnose FULL --since last", "diagnose", args{"scope": "full", "since": "last"}},
		{"a longer command", "diagnose node edge1", "diagnose node", args{"node": "edge1"}},

		{"non-breaking spaces", "restart\u00a0edge1\u2003--dry-run", "restart", args{"target": "edge1", "dry-run": "true"}},
		{"zero-width characters", "\ufeffre\u200bst\u00adart ed\u2060ge1\u200d", "restart", args{"target": "edge1"}},
		{"text-direction characters", "restart \u202eedge1\u202c", "restart", args{"target": "edge1"}},
		{"colours", "\x1b[31mrestart\x1b[0m edge1\x00", "restart", args{"target": "edge1"}},
		{"emoji stay whole", "note 👩\u200d🚒 is here", "note", args{"text": "👩\u200d🚒 is here"}},
		{"entities", "note a &lt;b&gt; &amp;amp; c", "note", args{"text": "a <b> &amp; c"}},
		{"a link by itself", "messages show <http://alice.example.org|alice.example.org>", "messages show", args{"user": "alice.example.org"}},
		{"a mail link", "restart <mailto:iris_edge1@h1.example.org|iris_edge1@h1.example.org>", "restart", args{"target": "iris_edge1@h1.example.org"}},
		{"links in a text", "note see <https://g.example.org/d/1?a=1&amp;b=2> and <https://w.example.org/x|the wiki>", "note",
			args{"text": "see https://g.example.org/d/1?a=1&b=2 and the wiki (https://w.example.org/x)"}},
		{"channels and groups", "note told <#C01|ops> and <!subteam^S01|@sre> and <!here>", "note", args{"text": "told #ops and @sre and @here"}},
		{"less and more", "note x < y and y > z, a<b>c", "note", args{"text": "x < y and y > z, a<b>c"}},
		{"ticks around the line", "`restart edge1`", "restart", args{"target": "edge1"}},
		{"ticks around the command", "`restart edge1` --dry-run", "restart", args{"target": "edge1", "dry-run": "true"}},
		{"ticks around a word", "restart `edge1`", "restart", args{"target": "edge1"}},
		{"a code fence", "```\nrestart edge1\n```", "restart", args{"target": "edge1"}},
		{"a tight code fence", "```restart edge1```", "restart", args{"target": "edge1"}},
		{"quotes around the line", `"restart edge1"`, "restart", args{"target": "edge1"}},
		{"ticks around a line with quotes", "`declare P0 \"a \\\"b\\\" c\"`", "declare", args{"priority": "P0", "title": `a "b" c`}},

		{"help by flag", "restart --help", "help", args{"command": "restart"}},
		{"help by question mark", "messages show ?", "help", args{"command": "messages show"}},
		{"a question mark", "?", "help", args{}},
		{"a command and a question mark", "ack ?", "help", args{"command": "ack"}},
		{"a flag's name in a text", "note the disk --incident of today", "note", args{"text": "the disk --incident of today"}},
		{"help", "help stop-paging", "help", args{"command": "stop-paging"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := table.Parse(tt.text, crew{})
			if err != nil {
				t.Fatalf("Parse(%q): %v", tt.text, err)
			}
			if got.Spec.Words != tt.words {
				t.Errorf("Parse(%q) is %q, want %q", tt.text, got.Spec.Words, tt.words)
			}
			if diff := cmp.Diff(tt.args, got.Args); diff != "" {
				t.Errorf("Parse(%q) arguments (-want +got):\n%s", tt.text, diff)
			}
		})
	}
}
