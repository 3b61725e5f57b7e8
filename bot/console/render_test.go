package console

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"irisops/bot/message"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

type (
	msg    = message.Message
	blocks = []message.Block
	items  = []message.Item
)

func table(header []string, rows ...[]string) message.Block {
	return message.Block{Table: &message.Table{Header: header, Rows: rows}}
}

func code(s string) message.Block { return message.Block{Code: &message.Code{Text: s}} }

func steps(list ...message.Item) message.Block {
	return message.Block{Checklist: &message.Checklist{Items: list}}
}

func text(s string) message.Block { return message.Block{Text: s} }

const paragraph = "edge1 is not registered with epmd, it has no process, and nothing accepts connections on port 8085. Clients on edge1 were cut off at 10:41; the other edges serve theirs. The runbook says: restart the failed edge."

// samples are messages of the shapes that the bot says.
func samples() map[string][]msg {
	return map[string][]msg{
		"levels": {
			{Title: "irisops says something"},
			{Level: message.OK, Title: "Clients can log in and reach each other on 2 of 2 edges"},
			{Level: message.Advice, Title: "Mnesia has never been backed up"},
			{Level: message.Warn, Title: "The disk of h1 is nearly full: 9.2 GiB free"},
			{Level: message.Critical, Title: "No client can log in: edge1 is down, and it is the only edge"},
			{Level: message.Unknown, Title: "edge2 did not answer within 5 s: it hangs, or the network drops what we send"},
			{Level: message.Refused, Title: "Refused: the requester cannot approve: a second person has to"},
			{Level: message.Page, Title: "operator (sre): INC-1 is not recovered after 15 minutes: no clients can connect"},
			{Level: "purple", Title: "a level of a later version"},
		},
		"text": {{Level: message.Critical, Title: "No client can log in", Blocks: blocks{
			text(paragraph), text("A second text."),
			text("What to do:\n- restart edge1, and look whether it stays up for more than the minute that it takes to read its log\n- look at its log"),
		}}},
		"fields": {{Title: "INC-1 P0: no clients can connect", Blocks: blocks{
			{Fields: []message.Field{{Name: "State", Value: "open since 10:41:07 (12 min)"}, {Name: "On call", Value: "operator, sre owner"},
				{Name: "Next page", Value: "sre at 10:56:07, unless verified as recovered by then, resolved, or stopped by a person with a reason"}}},
			{Fields: []message.Field{{Name: "Somewhat long name of a field", Value: "short"}, {Name: "A field with a name that is far too long for a column", Value: "value\nof two lines"}}},
		}}},
		"table": {
			{Level: message.Warn, Title: "1 of 3 nodes is down", Blocks: blocks{text("Nodes"),
				table([]string{"node", "state", "ping", "pid", "evidence"},
					[]string{"core", "up", "0.4 ms", "4711", "registered, answers"},
					[]string{"edge1", "down", "-", "", "not registered with epmd; no process with -sname iris_edge1; nothing listens on port 8085"},
					[]string{"edge2", "up", "0.6 ms", "815", "registered, answers, 東京 logs in as 👩\u200d🚒"})}},
			{Title: "Tables", Blocks: blocks{
				text("Without a header"), table(nil, []string{"restart TARGET", "Stop and start nodes, verified"}, []string{"status", "Clusters, open incidents, who is on call"}),
				text("Empty"), table([]string{"request", "state"}),
				text("Words that do not fit"), table([]string{"node", "cookie file", "data folder"},
					[]string{"iris_edge1@host-with-a-long-name.example.org", "/etc/irisops/cookie-of-the-main-cluster", "/srv/iris/Mnesia.iris_core@host-with-a-long-name"},
					[]string{"core", "/etc/irisops/cookie", "/srv/iris"}),
				text("Figures"), table([]string{"what", "count", "share"}, []string{"waiting", "12,345", "9.1%"}, []string{"sent", "7", "100%"}, []string{"lost", "-", ""}),
			}},
		},
		"code": {{Level: message.Unknown, Title: "The end of edge1.log", Blocks: blocks{text("Last lines, the noise of os_mon left out"),
			code("2026-01-05 10:41:06 =ERROR REPORT====\n\tnode iris_core@h1 \x1b[31mnot responding\x1b[0m\n  ** Removing (timedout) connection ** because of something that takes a whole long line to say\n"),
			code("make -n start_edge1")}}},
		"checklist": {
			{Title: "Restarting edge1 (REQ-3, asked for by operator)", Blocks: blocks{steps(
				message.Item{State: message.Done, Text: "archive edge1.log", Note: "edge1.log.20260105-104502, 12 kB"},
				message.Item{State: message.Done, Text: "stop edge1", Note: "pid 4711 exited after 0.4 s"},
				message.Item{State: message.Running, Text: "start edge1", Note: "3 s"},
				message.Item{State: message.Pending, Text: "wait for port 8085"},
				message.Item{State: message.Pending, Text: "log in on edge1"})}},
			{Level: message.Critical, Title: "edge1 was not restarted: it did not come up within 60 s", Blocks: blocks{steps(
				message.Item{State: message.Done, Text: "stop edge1", Note: "pid 4711 exited after 0.4 s"},
				message.Item{State: message.Failed, Text: "start edge1", Note: "make ended with 2: \x1b[1mProtocol 'inet_tcp': the name iris_edge1@h1 seems to be in use by another Erlang node"},
				message.Item{State: message.Uncertain, Text: "wait for port 8085", Note: "it was under way when irisops ended; a person decides"},
				message.Item{State: message.Uncertain, Text: "see whether the core knows edge1"},
				message.Item{State: message.Skipped, Text: "log in on edge1"},
				message.Item{State: message.Done, Text: "a step whose name is so long that nothing can stand beside it", Note: "evidence"})}},
		},
		"fold": {{Level: message.OK, Title: "All is well", Blocks: blocks{
			text("12 checks ran in 0.3 s."),
			{Fold: &message.Fold{Title: "12 healthy: say `diagnose full`", Blocks: blocks{table([]string{"check", "seen"}, []string{"epmd", "3 names"}, []string{"ports", "2 open"}), text("Nothing else.")}}},
			{Fold: &message.Fold{Title: "the end of core.log", Blocks: blocks{code("ok")}}},
			text("Last looked at 10:41."),
		}}},
		"file": {{Level: message.OK, Title: "The post-mortem of INC-7 is written", Blocks: blocks{
			text("What happened, what was run, who was paged."),
			{File: &message.File{Name: "postmortem-INC-7.md", MediaType: "text/markdown; charset=utf-8", Bytes: []byte("# INC-7\n\nno clients can connect\n")}},
			{File: &message.File{Name: "stats-\x1b[31m.png", MediaType: "image/png", Bytes: make([]byte, 12_345)}},
			{Fold: &message.Fold{Title: "the same for machines", Blocks: blocks{{File: &message.File{Name: "INC-7.json", MediaType: "application/json", Bytes: []byte("{}")}}}}},
		}}},
		"buttons": {
			{Level: message.Critical, Title: "edge1 is down", Buttons: []message.Button{{Label: "Restart Edge 1", Words: "restart edge1", Style: message.Primary}, {Label: "Show Its Log", Words: "logs edge1 -n 50"}}},
			{Title: "REQ-4: clear 412 messages of alice", Blocks: blocks{text("Asked for by operator. A second person approves.")}, Buttons: []message.Button{
				{Label: "Approve", Words: "approve REQ-4", Style: message.Danger, Confirm: "412 messages of alice are deleted. An export was made before: 1.2 MB."},
				{Label: "Deny", Words: "deny REQ-4"},
				{Label: "Say That It Is Recovered Although It Cannot Be Verified", Words: `recovered --force "users confirm by phone that they can log in again"`, Style: message.Danger}}},
		},
		"hostile": {{Title: "A log line that \x1b]0;owned\x07sets the title\nand \x1b[2Jclears the screen \x9b1m\u202e", Blocks: blocks{
			code("\x1b[31mred\x1b[0m \x07 bell, \x00 nul, \r\nreturn\rover, \x1b[ open, \xff\xfe bytes, \u202eturned\u202c, a\u200bb, \u009b31mred"),
			table([]string{"na\x1bme"}, []string{"two\nlines\tand a tab"}),
			{Fields: []message.Field{{Name: "f\x1b[1mield", Value: "v\x08alue"}}},
			steps(message.Item{State: "later", Text: "st\x1b[5mep", Note: "n\x1b(Bote"}),
			text("smart “quotes” and — dashes …")},
			Buttons: []message.Button{{Label: "La\x1bbel", Words: "restart \x1b[1medge1"}}}},
	}
}

// TestRender shows every kind of block as it looks on four kinds of terminals.
func TestRender(t *testing.T) {
	styles := []struct {
		name  string
		style Style
	}{
		{"80 columns", Style{Width: 80, Unicode: true}},
		{"80 columns, ASCII", Style{Width: 80}},
		{"40 columns, all", Style{Width: 40, Unicode: true, All: true}},
		{"a pipe", Style{Unicode: true}},
		{"colours", Style{Width: 80, Unicode: true, Color: true}},
	}
	for name, messages := range samples() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for _, s := range styles {
				fmt.Fprintf(&b, "===== %s\n", s.name)
				for i, m := range messages {
					if i > 0 && name != "levels" {
						b.WriteString("-----\n")
					}
					var out strings.Builder
					if err := Render(&out, m, s.style); err != nil {
						t.Fatal(err)
					}
					b.WriteString(strings.ReplaceAll(out.String(), "\x1b", "^"))
				}
			}
			golden(t, name+".txt", b.String())
		})
	}
}

// anyMessage is a message of any shape with any text.
func anyMessage() *rapid.Generator[msg] {
	word := rapid.OneOf(
		rapid.StringMatching(`[a-z0-9_.]{1,12}`), rapid.StringMatching(`[a-zA-Z ,.]{0,120}`), rapid.String(),
		rapid.SampledFrom([]string{"", " ", "\n", "\x1b[31m", "\x1b]0;x\x07", "\x9b", "\xff", "東京東京東京", "👩\u200d🚒👩\u200d🚒", "\u202e", "\t\t", strings.Repeat("x", 200), "e\u0301\u0301", "- a list\n  - of a list"}))
	some := rapid.SliceOfN(word, 0, 4)
	field := rapid.Custom(func(t *rapid.T) message.Field {
		return message.Field{Name: word.Draw(t, "name"), Value: word.Draw(t, "value")}
	})
	item := rapid.Custom(func(t *rapid.T) message.Item {
		state := rapid.SampledFrom([]message.ItemState{message.Pending, message.Running, message.Done, message.Failed, message.Uncertain, message.Skipped, "x\x1b"}).Draw(t, "state")
		return message.Item{State: state, Text: word.Draw(t, "text"), Note: word.Draw(t, "note")}
	})
	flat := rapid.Custom(func(t *rapid.T) message.Block {
		switch rapid.IntRange(0, 5).Draw(t, "block") {
		case 0:
			return text(word.Draw(t, "text"))
		case 1:
			return message.Block{Fields: rapid.SliceOfN(field, 0, 4).Draw(t, "fields")}
		case 2:
			return table(some.Draw(t, "header"), rapid.SliceOfN(some, 0, 4).Draw(t, "rows")...)
		case 3:
			return code(word.Draw(t, "code"))
		case 4:
			return message.Block{File: &message.File{Name: word.Draw(t, "name"), Bytes: []byte(word.Draw(t, "bytes")),
				MediaType: rapid.SampledFrom([]string{"text/markdown", "image/png"}).Draw(t, "type")}}
		}
		return steps(rapid.SliceOfN(item, 0, 5).Draw(t, "items")...)
	})
	block := rapid.Custom(func(t *rapid.T) message.Block {
		if rapid.IntRange(0, 4).Draw(t, "fold") > 0 {
			return flat.Draw(t, "flat")
		}
		return message.Block{Fold: &message.Fold{Title: word.Draw(t, "title"), Blocks: rapid.SliceOfN(flat, 0, 3).Draw(t, "folded")}}
	})
	button := rapid.Custom(func(t *rapid.T) message.Button {
		return message.Button{Label: word.Draw(t, "label"), Words: word.Draw(t, "words"), Confirm: word.Draw(t, "confirm"),
			Style: rapid.SampledFrom([]message.Style{message.Plain, message.Primary, message.Danger}).Draw(t, "style")}
	})
	return rapid.Custom(func(t *rapid.T) msg {
		return msg{Level: rapid.SampledFrom([]message.Level{message.Info, message.OK, message.Advice, message.Warn, message.Critical, message.Unknown, message.Refused, message.Page, "x\x1b"}).Draw(t, "level"),
			Title: word.Draw(t, "title"), Blocks: rapid.SliceOfN(block, 0, 4).Draw(t, "blocks"), Buttons: rapid.SliceOfN(button, 0, 3).Draw(t, "buttons")}
	})
}

// TestAnyMessage: whatever a message holds, what is printed is valid, safe, not
// wider than the terminal, and says the same in colour and without.
func TestAnyMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage().Draw(t, "message")
		s := Style{Width: rapid.SampledFrom([]int{0, narrowest, 31, 80}).Draw(t, "width"),
			Unicode: rapid.Bool().Draw(t, "unicode"), All: rapid.Bool().Draw(t, "all")}
		var plain, coloured strings.Builder
		Render(&plain, m, s)
		out := plain.String()
		checkSafe(t, out)
		for _, line := range strings.Split(out, "\n") {
			if s.Width > 0 && columns(line) > s.Width {
				t.Fatalf("%d columns, but there are %d: %q", columns(line), s.Width, line)
			}
			if strings.HasSuffix(line, " ") {
				t.Fatalf("spaces at the end: %q", line)
			}
		}
		s.Color = true
		Render(&coloured, m, s)
		if bare := sgr.ReplaceAllString(coloured.String(), ""); bare != out {
			t.Fatalf("in colour it says something else (-plain +colour):\n%s", cmp.Diff(out, bare))
		}
	})
}

func checkSafe(t *rapid.T, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Fatalf("not UTF-8: %q", out)
	}
	for _, c := range out {
		if c < ' ' && c != '\n' || c >= 0x7f && c < 0xa0 || c >= '\u202a' && c <= '\u202e' || c >= '\u2066' && c <= '\u2069' {
			t.Fatalf("%U reaches the terminal: %q", c, out)
		}
	}
}
