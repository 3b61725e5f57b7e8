package command

import (
	"fmt"
	"strings"
	"testing"

	"irisops/actions"
	"irisops/bot/message"
)

func TestNewRefuses(t *testing.T) {
	good := Spec{Words: "restart", Class: ByEffect, Group: "Act", Summary: "Restart nodes", Example: "restart edge1",
		Params: []actions.Param{{Name: "target", Kind: actions.Target}}}
	with := func(change func(*Spec)) []Spec {
		s := good
		s.Params = append([]actions.Param(nil), good.Params...)
		change(&s)
		return []Spec{s}
	}
	params := func(ps ...actions.Param) func(*Spec) { return func(s *Spec) { s.Params = ps } }
	tests := []struct {
		name  string
		specs []Spec
		want  string
	}{
		{"twice", []Spec{good, good}, "twice"},
		{"twice but for a dash", append(with(func(s *Spec) { s.Words, s.Example = "stop paging", "stop paging x" }),
			with(func(s *Spec) { s.Words, s.Example = "stop-paging", "stop-paging x" })...), "twice"},
		{"capitals", with(func(s *Spec) { s.Words = "Restart" }), "lower-case"},
		{"no words", with(func(s *Spec) { s.Words = "" }), "lower-case"},
		{"no class", with(func(s *Spec) { s.Class = 0 }), "class"},
		{"no summary", with(func(s *Spec) { s.Summary = "" }), "summary"},
		{"an example that does not work", with(func(s *Spec) { s.Example = "restart" }), "does not work"},
		{"an example of something else", append(with(func(s *Spec) { s.Example = "ack x" }),
			with(func(s *Spec) { s.Words, s.Example = "ack", "ack x" })...), `is read as "ack"`},
		{"no such kind", with(params(actions.Param{Name: "target", Kind: "colour"})), "no kind"},
		{"a name in capitals", with(params(actions.Param{Name: "Target", Kind: actions.Target})), "name"},
		{"a name twice", with(params(actions.Param{Name: "a-b", Kind: actions.Word}, actions.Param{Name: "ab", Kind: actions.Word})), "twice"},
		{"a choice without choices", with(params(actions.Param{Name: "target", Kind: actions.Choice})), "choices"},
		{"choices without a choice", with(params(actions.Param{Name: "target", Kind: actions.Word, Choices: []string{"a"}})), "choices"},
		{"choices alike", with(params(actions.Param{Name: "target", Kind: actions.Choice, Choices: []string{"a", "A"}})), "told from another"},
		{"a bool that is no flag", with(params(actions.Param{Name: "target", Kind: actions.Bool})), "only a flag"},
		{"something after a text", with(params(actions.Param{Name: "a", Kind: actions.Text}, actions.Param{Name: "b", Kind: actions.Word})), "rest of the line"},
		{"a word that may be left out in the middle", with(params(actions.Param{Name: "a", Kind: actions.Word, Optional: true}, actions.Param{Name: "b", Kind: actions.Word})), "cannot be told"},
		{"a value that does not work", with(params(actions.Param{Name: "target", Kind: actions.Target, Example: "a b"})), "does not work"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.specs)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New = %v, want an error with %q", err, tt.want)
			}
		})
	}
	if _, err := New([]Spec{good}); err != nil {
		t.Error(err)
	}
}

func TestAddedFlags(t *testing.T) {
	table := sample(t)
	for _, text := range []string{"status --dry-run", "ack --dry-run", "logs edge1 --dry-run"} {
		if _, err := table.Parse(text, crew{}); actions.CodeOf(err) != "unknown-flag" {
			t.Errorf("Parse(%q) = %v: a command that changes no cluster takes --dry-run", text, err)
		}
	}
	own := Spec{Words: "audit", Class: actions.See, Group: "Look", Summary: "Who did what", Example: "audit --incident all",
		Params: []actions.Param{{Name: "incident", Kind: actions.Word, Flag: true}}}
	table, err := New([]Spec{own})
	if err != nil {
		t.Fatal(err)
	}
	got, err := table.Parse("audit --incident all", nil)
	if err != nil || got.Args[FlagIncident] != "all" {
		t.Errorf("a command's own flag is %q, %v", got.Args, err)
	}
}

func TestWithoutAResolverNobodyIsKnown(t *testing.T) {
	if _, err := sample(t).Parse("handoff owner", nil); actions.CodeOf(err) != "no-such-person" {
		t.Errorf("Parse = %v", err)
	}
}

func TestLookup(t *testing.T) {
	table := sample(t)
	if s, ok := table.Lookup("Stop Paging"); !ok || s.Words != "stop-paging" {
		t.Errorf("Lookup = %v, %v", s, ok)
	}
	if _, ok := table.Lookup("stop the paging"); ok {
		t.Error("Lookup finds what is not there")
	}
}

func TestJoin(t *testing.T) {
	for _, tt := range []struct {
		argv []string
		want string
	}{
		{[]string{"status"}, "status"},
		{[]string{"declare P0 'no clients'"}, "declare P0 'no clients'"},
		{[]string{"declare", "P0", "no clients can't connect"}, `declare P0 "no clients can't connect"`},
		{[]string{"note", "users", "can't", "log", "in"}, "note users can't log in"},
		{[]string{"logs", "core", "--grep=connection refused", "-n", "5"}, `logs core --grep="connection refused" -n 5`},
		{[]string{"note", ""}, `note ""`},
		{[]string{"note", "a &lt; b", "<b>"}, `note "a &amp;lt; b" &lt;b>`},
	} {
		if got := Join(tt.argv); got != tt.want {
			t.Errorf("Join(%q) = %s, want %s", tt.argv, got, tt.want)
		}
	}
}

func TestFormat(t *testing.T) {
	table := sample(t)
	for text, want := range map[string]string{
		"Restart EDGE1 —dry-run --no-archive":              "restart edge1 --no-archive --dry-run",
		"declare p0 no clients":                            `declare P0 "no clients"`,
		"approve 3 --incident 7":                           "approve REQ-3 --incident INC-7",
		"maintenance on 90min replacing disks":             `maintenance on 1h30m "replacing disks"`,
		"handoff <@U02>":                                   "handoff @owner",
		`presence "size"`:                                  `presence "size"`,
		"logs core --grep “connection refused” --since 2h": `logs core --grep "connection refused" --since 2h`,
	} {
		parsed, err := table.Parse(text, crew{})
		if err != nil {
			t.Errorf("Parse(%q): %v", text, err)
			continue
		}
		if got := table.Format(parsed.Spec, parsed.Args); got != want {
			t.Errorf("%q is written as %s, want %s", text, got, want)
		}
	}
}

func TestHelp(t *testing.T) {
	table := sample(t)
	var out strings.Builder
	out.WriteString(sketch(table.Help()))
	for _, words := range []string{"", "restart", "Stop Paging", "`declare`", "diagnose", "logs", "recovered", "messages", "messages clear", "resume", "reboot", "xyzzy"} {
		fmt.Fprintf(&out, "\n=== help %s\n", words)
		m, err := table.HelpFor(words)
		if err != nil {
			fmt.Fprintf(&out, "[%s] %s\n", actions.CodeOf(err), err)
			continue
		}
		if words == "" {
			fmt.Fprintf(&out, "(%s)\n", m.Title)
			continue
		}
		out.WriteString(sketch(m))
	}
	golden(t, "help.txt", out.String())
}

// sketch is a message in a form that a golden file can show; what it looks like
// to people is the rooms' business.
func sketch(m message.Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", m.Title)
	for _, block := range m.Blocks {
		switch {
		case block.Text != "":
			fmt.Fprintf(&b, "  %s\n", block.Text)
		case block.Code != nil:
			fmt.Fprintf(&b, "  | %s\n", block.Code.Text)
		case block.Table != nil:
			for _, row := range block.Table.Rows {
				fmt.Fprintf(&b, "  - %s\n", strings.Join(row, " :: "))
			}
		}
		for _, f := range block.Fields {
			fmt.Fprintf(&b, "  %s: %s\n", f.Name, f.Value)
		}
	}
	return b.String()
}
