package command

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"irisops/actions"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// pieces are what lines are made of when they are interesting.
var pieces = []string{
	"restart", "declare", "P0", "note", "messages", "show", "edge1", "all", "approve", "REQ-3", "stop", "paging", "-", "--", "—", "--dry-run",
	"--incident", "=", "INC-1", "--force", "help", "?", "\"", "“", "”", "'", "’", "«", "»", "`", "```", "\\", "\\\"", " ", "\u00a0", "\u200b", "\u200d", "é", "👩",
	"<@U01>", "<@U99|x>", "<", ">", "&", "&lt;", "&amp;", "<http://x.org|x.org>", "\x1b[1m", "\x00", "\n", "\r", "2h", "15 min", "irisops", "/iris", ".", "a", "\xff",
}

func line() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 4).Draw(t, "kind") == 0 {
			return rapid.String().Draw(t, "any")
		}
		parts := rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 14).Draw(t, "pieces")
		return strings.Join(parts, rapid.SampledFrom([]string{"", " "}).Draw(t, "between"))
	})
}

// checkParse holds for every line: it is a command of the table with arguments
// that it declares, or an *actions.Error that says something.
func checkParse(t interface {
	Helper()
	Fatalf(string, ...any)
}, table *Table, text string) {
	t.Helper()
	parsed, err := table.Parse(text, crew{})
	if err != nil {
		var e *actions.Error
		if !errors.As(err, &e) || e.Code == "" || e.Text == "" || parsed.Spec != nil || !utf8.ValidString(e.Error()) {
			t.Fatalf("Parse(%q): not a proper error: %#v", text, err)
		}
		return
	}
	e := table.lookup(parsed.Spec.Words)
	for name, value := range parsed.Args {
		found := false
		for _, p := range append(e.positional, append(e.own, e.global...)...) {
			if p.Name != name {
				continue
			}
			found = true
			if p.Kind == actions.Bool {
				continue
			}
			again, err := canonical(p, value, crew{})
			if err != nil || again != value {
				t.Fatalf("Parse(%q): %s=%q is not canonical: %q, %v", text, name, value, again, err)
			}
		}
		if !found {
			t.Fatalf("Parse(%q): %s has no parameter %q", text, parsed.Spec.Words, name)
		}
	}
	for _, p := range e.positional {
		if _, given := parsed.Args[p.Name]; !given && !p.Optional {
			t.Fatalf("Parse(%q): %s without its %s", text, parsed.Spec.Words, p.Name)
		}
	}
	written := table.Format(parsed.Spec, parsed.Args)
	again, err := table.Parse(written, crew{})
	if err != nil {
		t.Fatalf("Parse(%q) is written as %q, which does not work: %v", text, written, err)
	}
	if again.Spec != parsed.Spec || !cmp.Equal(again.Args, parsed.Args) {
		t.Fatalf("Parse(%q) is %q %q; written as %q it is %q %q", text, parsed.Spec.Words, parsed.Args, written, again.Spec.Words, again.Args)
	}
}

func TestAnyLine(t *testing.T) {
	table := sample(t)
	rapid.Check(t, func(t *rapid.T) { checkParse(t, table, line().Draw(t, "line")) })
}

// TestAnyArguments begins with a command, to get further into the parser.
func TestAnyArguments(t *testing.T) {
	table := sample(t)
	rapid.Check(t, func(t *rapid.T) {
		spec := rapid.SampledFrom(table.Specs()).Draw(t, "command")
		checkParse(t, table, spec.Words+" "+line().Draw(t, "rest"))
	})
}

func TestQuoteRoundTrip(t *testing.T) {
	table := sample(t)
	rapid.Check(t, func(t *rapid.T) {
		// what cleaning takes away cannot come back: see Quote
		x, err := clean(protect(rapid.OneOf(line(), rapid.String()).Draw(t, "x")), nobody{})
		if err != nil || x == "" || utf8.RuneCountInString(x) > MaxText {
			return
		}
		lines := []string{"note " + Quote(x), "note " + Quote(x) + " --incident 3", "recovered --force " + Quote(x), "declare P1 " + Quote(x)}
		if strings.ContainsAny(x, " \n\t") { // Join leaves single words to the parser, flags and all
			lines = append(lines, Join([]string{"note", x}))
		}
		for _, text := range lines {
			parsed, err := table.Parse(text, crew{})
			if err != nil {
				t.Fatalf("Parse(%q): %v", text, err)
			}
			got := parsed.Args["text"] + parsed.Args["force"] + parsed.Args["title"]
			if got != x {
				t.Fatalf("%q is read as %q, want %q", text, got, x)
			}
		}
	})
}

// TestCanonicalArguments prints arguments of every kind and reads them back.
func TestCanonicalArguments(t *testing.T) {
	table := sample(t)
	rapid.Check(t, func(t *rapid.T) {
		spec := rapid.SampledFrom(table.Specs()).Draw(t, "command")
		e := table.lookup(spec.Words)
		want := actions.Args{}
		for _, p := range append(e.positional, append(e.own, e.global...)...) {
			if p.Optional && rapid.Bool().Draw(t, "leave out "+p.Name) {
				continue
			}
			want[p.Name] = canonicalValue(t, p)
		}
		written := table.Format(spec, want)
		got, err := table.Parse(written, crew{})
		if err != nil {
			t.Fatalf("%q does not work: %v", written, err)
		}
		if diff := cmp.Diff(want, got.Args); got.Spec != spec || diff != "" {
			t.Fatalf("%q is read as %q (-want +got):\n%s", written, got.Spec.Words, diff)
		}
	})
}

func canonicalValue(t *rapid.T, p actions.Param) string {
	typed := ""
	switch p.Kind {
	case actions.Bool:
		return "true"
	case actions.Word, actions.Target, actions.Node:
		typed = rapid.StringMatching(`[a-zA-Z0-9][a-zA-Z0-9_.:@-]{0,12}`).Draw(t, p.Name)
	case actions.Text:
		typed = "x" + strings.TrimSpace(rapid.StringMatching(`[ -~“”é—\n]{0,30}`).Draw(t, p.Name))
	case actions.Person:
		typed = rapid.SampledFrom(crew{}.People()).Draw(t, p.Name)
	case actions.Choice:
		typed = rapid.SampledFrom(p.Choices).Draw(t, p.Name)
	case actions.ID:
		typed = rapid.StringMatching(`[1-9][0-9]{0,8}`).Draw(t, p.Name)
	case actions.Duration:
		typed = rapid.StringMatching(`[1-9][0-9]?(h[1-9]m|m|s|ms|d)`).Draw(t, p.Name)
	case actions.Count:
		typed = rapid.StringMatching(`[1-9][0-9]{0,6}`).Draw(t, p.Name)
	}
	value, err := canonical(p, typed, crew{})
	if err != nil {
		t.Fatalf("%s %q: %v", p.Kind, typed, err)
	}
	return value
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "", 3}, {"restrt", "restart", 1}, {"resatrt", "restart", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}, {"héllo", "hello", 1}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("distance(%q, %q) = %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
	word := rapid.StringMatching(`[a-d]{0,7}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"restart edge1 --dry-run", "declare P0 “no clients”", "note <@U01> &lt;b&gt; `x` \\\"", "recovered --force \"a b\" --incident 3", "help restart", "stop paging x -- y", "\xff"} {
		f.Add(seed)
	}
	table := sample(f)
	f.Fuzz(func(t *testing.T, text string) { checkParse(t, table, text) })
}
