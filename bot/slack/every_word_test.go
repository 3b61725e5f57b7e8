package slack_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"irisops/actions"
	"irisops/bot/command"
)

// heard is how often each command succeeded and was refused in transcripts.
type heard map[string]*[2]int

func (h heard) note(words string, refused bool) {
	if h[words] == nil {
		h[words] = &[2]int{}
	}
	if refused {
		h[words][1]++
	} else {
		h[words][0]++
	}
}

// inSlack reads a transcript of a conversation in Slack.
func (h heard) inSlack(table *command.Table, transcript string) {
	for _, step := range steps(transcript) {
		if words, ok := understood(table, step[0]); ok && step[1] != "" {
			h.note(words, strings.Contains(step[1], "✗ Refused"))
		}
	}
}

var speaker = regexp.MustCompile(`^(\w+)  \d\d:\d\d:\d\d`)

// inTerminal reads a transcript of a conversation in a terminal, as the tests of
// package bot have them.
func (h heard) inTerminal(table *command.Table, transcript string) {
	asked := ""
	for _, block := range regexp.MustCompile(`(?m)^\w+  \d\d:\d\d:\d\d`).FindAllStringIndex(transcript, -1) {
		rest := transcript[block[0]:]
		if end := strings.Index(rest, "\n\n"); end >= 0 {
			rest = rest[:end]
		}
		who := speaker.FindStringSubmatch(rest)[1]
		_, text, _ := strings.Cut(rest, "\n")
		if who != "irisops" {
			asked = ""
			if parsed, err := table.Parse(strings.Join(strings.Fields(text), " "), everybody{}); err == nil {
				asked = parsed.Spec.Words
			}
			continue
		}
		if asked != "" {
			h.note(asked, strings.Contains(text, "✗ refused"))
			asked = ""
		}
	}
}

// lacking are the commands without a success or a refusal.
func (h heard) lacking(table *command.Table) (all []string) {
	for _, s := range table.Specs() {
		n := h[s.Words]
		if n == nil {
			n = &[2]int{}
		}
		if n[0] == 0 {
			all = append(all, s.Words+" has no success")
		}
		if n[1] == 0 {
			all = append(all, s.Words+" has no refusal")
		}
	}
	return all
}

// Every command has at least one success and one refusal in a transcript: in
// Slack, or in a terminal where it needs a cluster that only package bot's tests
// have.
func TestEveryWordSucceedsAndIsRefused(t *testing.T) {
	table, h := wholeTable(t), heard{}
	for pattern, read := range map[string]func(*command.Table, string){
		"testdata/conversations/*.txtar": h.inSlack,
		"../testdata/*.txtar":            h.inTerminal,
	} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no transcripts in %s: %v", pattern, err)
		}
		for _, file := range files {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			read(table, part(archive, "transcript"))
		}
	}
	if lacking := h.lacking(table); len(lacking) > 0 {
		t.Errorf("`go test ./bot/slack -run TestConversations -update` writes what it can of:\n%s", strings.Join(lacking, "\n"))
	}
}

// The test above finds what is missing.
func TestMissingTranscriptsAreFound(t *testing.T) {
	table, err := command.New([]command.Spec{
		{Words: "whoami", Class: actions.See, Group: "Look", Summary: "x", Example: "whoami"},
		{Words: "drill run", Class: actions.Do, Group: "Act", Summary: "x", Example: "drill run"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		slack, terminal string
		want            []string
	}{
		{"", "", []string{"whoami has no success", "whoami has no refusal", "drill run has no success", "drill run has no refusal"}},
		{">>> operator: @iris whoami\n  You are operator\n>>> guest: /iris drill run\n  *✗ Refused: no*\n", "",
			[]string{"whoami has no refusal", "drill run has no success"}},
		{">>> operator: @iris whoami\n>>> operator: whoami is it\n  yes", "\noperator  00:00:00\n  drill run\n\nirisops  00:00:00  in the thread of INC-1\n  | ✓ yes\n",
			[]string{"whoami has no success", "whoami has no refusal", "drill run has no refusal"}},
		{">>> stranger: /iris whoami\n  *✗ Refused: no*\n", "guest  00:00:00\n  drill run\n\nirisops  00:00:00\n  ✗ refused: no\n\nirisops  00:00:01\n  ✓ something else\n",
			[]string{"whoami has no success", "drill run has no success"}},
	} {
		h := heard{}
		h.inSlack(table, c.slack)
		h.inTerminal(table, c.terminal)
		if got := h.lacking(table); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(c.want))) {
			t.Errorf("%s: %q, not %q", fmt.Sprintf("%.40q and %.40q", c.slack, c.terminal), got, c.want)
		}
	}
}
