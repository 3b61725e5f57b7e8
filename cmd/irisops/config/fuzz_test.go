package config

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// Whatever the bytes, the answer is a config or faults that a person can read.
func FuzzRead(f *testing.F) {
	broken, err := os.ReadFile("testdata/broken.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{example(f), Shortest, string(broken), "", "a", "- - -", "? a\n: b", "{[}]", "a: &a [*a, *a]", "people: [{id: ''}]\noncall: {a: ''}",
		"a: |\n  b\n c", "\"\\x", "%YAML 9.9\n---\n", "clusters: [{nodes: [{name: '@', short: core, role: core}]}]", "policies: {P0: {steps: [{after: 1m}]}}", "<<: {a: b}", "a: !!binary x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 16<<10 { // longer ones only take longer
			return
		}
		_, err := read("f.yaml", data, theMachine)
		if err == nil {
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("no faults: %#v", err)
		}
		lines := bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r")) + 1 // YAML ends a line at either
		for _, fault := range faults {
			if fault.Line < 0 || fault.Line > lines+1 {
				t.Errorf("line %d of %d: %s", fault.Line, lines, fault.Text)
			}
			if fault.Text == "" || !utf8.ValidString(fault.Text) || strings.ContainsFunc(fault.Text, unicode.IsControl) {
				t.Errorf("no text for people: %q", fault.Text)
			}
			if len(fault.Text) > 2000 {
				t.Errorf("too long for anyone: %d bytes", len(fault.Text))
			}
		}
	})
}
