package command

import (
	"errors"
	"testing"
	"unicode/utf8"

	"irisops/actions"
)

// FuzzFill: whatever is typed is understood, or refused with a sentence; what is
// understood says the same again when it is written out.
func FuzzFill(f *testing.F) {
	for _, seed := range []string{
		"status", "/iris declare P0 \"no clients can connect\"", "note the switch -- rebooted --incident INC-7", "restart edge1 --dry-run",
		"declare P0 “smart quotes” --symptoms ‘x’", "<@U0IRIS> ack", "help declare?", "```\nstatus\n```", "declare —dry-run P1 x", "page <@U01> &lt;come&gt; &amp; see",
		"declare P0 x --incident=INC-1 --cluster main", "\xff\xfe", "declare P1 <https://example.org|example.org>", "a\u202eb", "--", "declare", "?",
	} {
		f.Add(seed)
	}
	table := formTable(f)
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := table.Parse(text, anyone{})
		if err != nil {
			var e *actions.Error
			if !errors.As(err, &e) || e.Code == "" || e.Text == "" {
				t.Fatalf("%q is refused without a sentence: %v", text, err)
			}
			if !utf8.ValidString(err.Error()) {
				t.Fatalf("%q: the refusal is no text: %q", text, err)
			}
			return
		}
		values := map[string]string{}
		for name, value := range parsed.Args {
			if !utf8.ValidString(value) {
				t.Fatalf("%q: %s is no text: %q", text, name, value)
			}
			values[name] = value
		}
		line, faults := table.Fill(parsed.Spec.Words, values, anyone{})
		if len(faults) > 0 {
			return // an id without its prefix, say
		}
		again, err := table.Parse(line, anyone{})
		if err != nil || again.Spec != parsed.Spec || len(again.Args) != len(parsed.Args) {
			t.Fatalf("%q means %v, and written out as %q it means %v (%v)", text, parsed.Args, line, again.Args, err)
		}
	})
}
