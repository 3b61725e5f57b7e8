package command

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/actions"
)

func formTable(t testing.TB) *Table {
	t.Helper()
	table, err := New([]Spec{
		{Words: "declare", Class: actions.Tell, Summary: "x", Group: "x", Example: `declare P0 "x"`, Params: []actions.Param{
			{Name: "priority", Kind: actions.Choice, Choices: []string{"P0", "P1"}}, {Name: "title", Kind: actions.Text},
			{Name: "symptoms", Kind: actions.Text, Flag: true}, {Name: "quiet", Kind: actions.Bool, Flag: true}}},
		{Words: "page", Class: actions.Tell, Summary: "x", Group: "x", Example: "page @a hello", Params: []actions.Param{{Name: "who", Kind: actions.Person}, {Name: "text", Kind: actions.Text}}},
		{Words: "status", Class: actions.See, Summary: "x", Group: "x", Example: "status"},
		{Words: "help", Class: actions.See, Summary: "x", Group: "x", Example: "help"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestForm(t *testing.T) {
	table := formTable(t)
	for line, want := range map[string]string{
		"declare": "priority title symptoms quiet", " Declare ": "priority title symptoms quiet", "/iris declare": "priority title symptoms quiet",
		"page": "who text", "declare P0": "", "declare P0 x": "", "status": "", "nonsense": "", "": "", "declare?": "", "declare --symptoms x": "",
	} {
		f, ok := table.Form(line, nil)
		var names []string
		for _, p := range f.Fields {
			names = append(names, p.Name)
		}
		if got := strings.Join(names, " "); got != want || ok != (want != "") {
			t.Errorf("%q: %q", line, got)
		}
		if ok && f.Lacks == nil {
			t.Errorf("%q lacks nothing", line)
		}
	}
}

func TestFill(t *testing.T) {
	table := formTable(t)
	for _, c := range []struct {
		values map[string]string
		line   string
		faults map[string]string
	}{
		{map[string]string{"priority": "P0", "title": " no clients ", "cluster": "eu"}, `declare P0 "no clients" --cluster eu`, nil},
		{map[string]string{"priority": "p1", "title": `say "hi" --quiet`, "symptoms": "a\nb", "quiet": "true"}, `declare p1 "say \"hi\" --quiet" --symptoms "a b" --quiet`, nil},
		{map[string]string{"priority": "P9"}, "", map[string]string{"priority": `"P9" is not a priority. Say P0 or P1.`, "title": "This is needed."}},
	} {
		line, faults := table.Fill("declare", c.values, anyone{})
		if diff := cmp.Diff(c.line, line) + cmp.Diff(len(c.faults), len(faults)); diff != "" {
			t.Errorf("%v: %s %v", c.values, diff, faults)
		}
		for name := range c.faults {
			if faults[name] == "" {
				t.Errorf("%v: no fault at %s", c.values, name)
			}
		}
	}
	if _, faults := table.Fill("gone", nil, nil); len(faults) != 1 {
		t.Error("a command that is not there is filled in")
	}
}

// Whatever is filled in is read back as just that.
func TestFillIsReadBack(t *testing.T) {
	table := formTable(t)
	rapid.Check(t, func(t *rapid.T) {
		title := rapid.String().Draw(t, "title")
		line, faults := table.Fill("declare", map[string]string{"priority": "P0", "title": title}, anyone{})
		if len(faults) > 0 {
			return
		}
		parsed, err := table.Parse(line, anyone{})
		if err != nil || parsed.Spec.Words != "declare" || parsed.Args["priority"] != "P0" || len(parsed.Args) != 2 {
			t.Fatalf("%q became %q: %v %v", title, line, parsed.Args, err)
		}
	})
}
