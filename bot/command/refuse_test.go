package command

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"irisops/actions"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file under testdata.
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

// TestRefusals keeps what is said about lines that mean nothing, word for word.
func TestRefusals(t *testing.T) {
	lines := []string{
		"", "   \u200b\t ", "\x1b[A", "irisops", "/iris",
		"note \xff\xfe", "note " + strings.Repeat("x", 9_990), strings.Repeat("x", 10_001),
		"restrt edge1", "restrat core --dry-run", "resatrt", "reset edge1", "reboot", "kill edge1", "stpo-paging enough", "stoppaging enough", "resume",
		"staus", "diag full", "dignose", "diagnosenode edge1", "acknowledge", "fixed", "yes", "yes REQ-3", "who", "hello",
		"xyzzy", "deploy the thing", "edge1", "edge1 restart", "please restart edge1", "can you restart edge1?", "P0 no clients can connect",
		"--dry-run restart edge1",
		"messages", "messages shwo alice", "messages frobnicate", "access", "maintenance", "maintenance off",
		"restart", "restart --dry-run", "declare P4 slow", "declare sev1 slow", "declare PO slow", "maintenance on 0s x", "declare 2 edges down",
		"diagnose edge1", "diagnose netwrk", "diagnose everything", "diagnose --since yesterday",
		"restart edge 1", "restart edge1 edge2", "restart edge1;ls", "restart $(reboot)", `restart "edge1`, "restart '", "restart ''", "restart " + strings.Repeat("e", 300),
		"whoami please", "ack INC-7", "ack 7", "restart edge1?", "halt?",
		"restart edge1 --dryrn", "restart edge1 --force", "status --verbose", "restart edge1 --dry-run=no", "restart edge1 --dry-run --dry-run",
		"timeline --incident", "timeline --incident REQ-3", "timeline --incident seven", "timeline --incident 0", "note the disk --incident", "note", `note ""`, "note --incident 3",
		"logs edge1 -n many", "logs edge1 -n 0", "logs edge1 -n --grep x", "logs edge1 --since 15", "logs edge1 --since 1000d", "logs",
		"maintenance on 2x replacing disks", "maintenance on 2h",
		"approve INC-3", "approve", "approve three", "merge REQ-3", "deny ABC-3",
		"handoff", "handoff onwer", "handoff bob", "handoff <@U99>", "handoff @",
		"presence alice bob", "restart edge1 mesh", "recovered users say so", "recovered --force",
	}
	table := sample(t)
	var out strings.Builder
	for _, line := range lines {
		parsed, err := table.Parse(line, crew{})
		var e *actions.Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%q) = %v, %v; want an *actions.Error", line, parsed, err)
			continue
		}
		if parsed.Spec != nil || parsed.Args != nil {
			t.Errorf("Parse(%q) gives a command beside its error", line)
		}
		shown := fmt.Sprintf("%q", line)
		if shown == `"`+line+`"` {
			shown = line
		}
		if len(shown) > 80 {
			shown = shown[:40] + fmt.Sprintf("... (%d bytes)", len(line))
		}
		fmt.Fprintf(&out, "> %s\n[%s] %s\n%s\n\n", shown, e.Code, e.Text, e.Hint)
	}
	golden(t, "refusals.txt", out.String())
}
