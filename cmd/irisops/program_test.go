package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"irisops/actions"
	"irisops/actions/lab"
)

// as has the rest of the test called by that word. No test beside it may run.
func as(t *testing.T, word string) {
	t.Helper()
	before := program
	t.Cleanup(func() { program = before })
	calledBy(word)
}

// TestTyped: what is printed to be typed begins with the word that irisops was
// called by, and nothing else changes.
func TestTyped(t *testing.T) {
	as(t, "bin/irisops")
	for text, want := range map[string]string{
		"Start with: irisops demo":                            "Start with: bin/irisops demo",
		"Start it with `irisops run --config FILE`, or":       "Start it with `bin/irisops run --config FILE`, or",
		"irisops lab up --dir D; irisops ctl status":          "bin/irisops lab up --dir D; bin/irisops ctl status",
		"The account that irisops runs as, and irisops works": "The account that irisops runs as, and irisops works",
		"stop irisops first; irisops running":                 "stop irisops first; irisops running",
		"/srv/irisops lab is a folder":                        "/srv/irisops lab is a folder",
	} {
		if got := typed(text); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	for path, want := range map[string]string{"/run/irisops.sock": "bin/irisops ctl", "/srv/x y.sock": "bin/irisops ctl --socket '/srv/x y.sock'"} {
		if got := ctlOf(path); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	as(t, "/home/a b/irisops") // would need quotes
	if got := typed("irisops run"); got != "bin/irisops run" {
		t.Error(got)
	}
}

// TestHintsAreTyped: also those of errors that other packages made.
func TestHintsAreTyped(t *testing.T) {
	as(t, "./irisops")
	dir := t.TempDir()
	_, err := lab.Open(dir)
	var out bytes.Buffer
	if code := report(err, &out); code != exitRefused || !strings.Contains(out.String(), "Bring one up with: ./irisops lab up --dir "+dir) {
		t.Errorf("code %d, %s", code, out.String())
	}
}

// TestFlagsBehindTheWords: what is added to the end of a line that was typed
// before means the same as in front of it.
func TestFlagsBehindTheWords(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]ctlCommand{
		"postmortem --save out":              {Words: []string{"postmortem"}, Save: filepath.Join(here, "out")},
		"stats --json --save /o":             {Words: []string{"stats"}, JSON: true, Save: "/o"},
		"restart edge1 --socket /s --yes":    {Words: []string{"restart", "edge1"}, Socket: "/s", Yes: true},
		"note --save it to disk":             {Words: []string{"note", "--save", "it", "to", "disk"}},
		"diagnose --since last --config /c ": {Words: []string{"diagnose", "--since", "last"}, Config: "/c"},
		"logs edge1 --all":                   {Words: []string{"logs", "edge1", "--all"}}, // the console's own
	} {
		c := ctlCommand{Words: strings.Fields(line)}
		if err := c.takeFlags(); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if diff := cmp.Diff(want, c); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
	for _, line := range []string{"stats --save", "status --config /c --socket /s"} {
		c := ctlCommand{Words: strings.Fields(line)}
		if err := c.takeFlags(); actions.CodeOf(err) != "usage" {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestUsualSockets are looked at one after the other, and all named where none is
// there.
func TestUsualSockets(t *testing.T) {
	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "unit.sock"), filepath.Join(dir, "plain.sock"), filepath.Join(dir, "data.sock")}
	_, err := firstSocket(paths)
	if actions.CodeOf(err) != "usage" || !strings.Contains(err.Error(), "None listens on "+strings.Join(paths, ", ")) {
		t.Error(err)
	}
	for _, path := range []string{paths[2], paths[0]} { // the first that is there is meant
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := firstSocket(paths); got != path || err != nil {
			t.Errorf("%s, %v", got, err)
		}
	}
	unit, err := os.ReadFile("../../docs/systemd/irisops.service")
	if err != nil {
		t.Fatal(err)
	}
	if usualSockets[0] != "/run/irisops/irisops.sock" || !strings.Contains(string(unit), "RuntimeDirectory=irisops\n") {
		t.Errorf("the unit's socket is not looked at first: %v", usualSockets)
	}
}

// TestSocketOfAClosedConfig: who may use the socket may not be who reads the config.
func TestSocketOfAClosedConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "irisops.yaml")
	_, err := ctlCommand{Config: file}.socket()
	if want := file + ": there is no such file. Without --config, irisops ctl looks"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestNextAfterOneLook: what the one-shot diagnosis offers, a shell takes.
func TestNextAfterOneLook(t *testing.T) {
	var out bytes.Buffer
	next := []actions.Next{{Words: "start edge1"}, {Words: "diagnose node edge2"}, {Words: "diagnose full --since last"}}
	diagnoseCommand{Config: "/c.yaml", Cluster: "main"}.sayNext(&out, next, true)
	want := `
  irisops ctl --config /c.yaml start edge1 --cluster main
  irisops diagnose --config /c.yaml --cluster main node edge2
  irisops ctl --config /c.yaml diagnose full --since last --cluster main

  irisops ctl speaks to an irisops that runs: irisops run --config /c.yaml
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for words, mode := range map[string]string{"": "full", "quick": "quick", "node edge1": "node"} {
		if args, err := (diagnoseCommand{Words: strings.Fields(words)}).args(); err != nil || args["mode"] != mode {
			t.Errorf("%s: %v, %v", words, args, err)
		}
	}
	if _, err := (diagnoseCommand{Words: []string{"quick", "edge1"}}).args(); actions.CodeOf(err) != "usage" {
		t.Error(err)
	}
}
