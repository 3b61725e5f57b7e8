package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// unit is a copy of the systemd unit that docs/ offers, with the drop-in or
// without, whose programs exist.
func unit(t *testing.T, local bool) (path string) {
	t.Helper()
	const docs = "../../docs/systemd"
	path = filepath.Join(t.TempDir(), "irisops.service")
	text, err := os.ReadFile(docs + "/irisops.service")
	if err != nil {
		t.Fatal(err)
	}
	whole := strings.Replace(string(text), "/usr/local/bin/irisops", "/bin/true", 1)
	if local {
		dropIn, err := os.ReadFile(docs + "/irisops.service.d/local-nodes.conf")
		if err != nil {
			t.Fatal(err)
		}
		_, settings, _ := strings.Cut(string(dropIn), "[Service]\n")
		whole = strings.Replace(whole, "\n[Install]", settings+"\n[Install]", 1)
	}
	if err := os.WriteFile(path, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func analyze(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("systemd-analyze", args...).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestUnit has systemd itself read the unit, and rate its sandbox.
func TestUnit(t *testing.T) {
	for _, local := range []bool{false, true} {
		if out := analyze(t, "verify", "--man=no", unit(t, local)); strings.Contains(out, "irisops.service") {
			t.Errorf("systemd complains (local nodes: %v):\n%s", local, out)
		}
	}
	// The scale goes from 0 to 10.0; below 2.5 is "OK", near its best.
	analyze(t, "security", "--offline=true", "--threshold=25", unit(t, false))
}

// TestLocalNodesInheritNoSandbox: whatever the unit has under "Sandbox", the
// drop-in for nodes on the same machine takes back.
func TestLocalNodesInheritNoSandbox(t *testing.T) {
	text, err := os.ReadFile("../../docs/systemd/irisops.service")
	if err != nil {
		t.Fatal(err)
	}
	_, sandbox, ok := strings.Cut(string(text), "# Sandbox\n")
	if !ok {
		t.Fatal("the unit has no sandbox")
	}
	dropIn, err := os.ReadFile("../../docs/systemd/irisops.service.d/local-nodes.conf")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(sandbox) {
		key, _, setting := strings.Cut(line, "=")
		if !setting || key == "WantedBy" || key == "AmbientCapabilities" { // none is given, and none taken back
			continue
		}
		if !strings.Contains(string(dropIn), "\n"+key+"=") {
			t.Errorf("the drop-in does not take back %s, which a node would inherit", key)
		}
	}
	for _, key := range []string{"OOMScoreAdjust", "LimitNOFILE"} { // inherited too, beside the sandbox
		if strings.Contains(string(text), "\n"+key+"=") && !strings.Contains(string(dropIn), "\n"+key+"=") {
			t.Errorf("the drop-in does not take back %s, which a node would inherit", key)
		}
	}
	if !strings.Contains(string(dropIn), "\nOOMPolicy=continue\n") {
		t.Error("a node that runs out of memory would have systemd stop irisops")
	}
	if !strings.Contains(string(text), "\nKillMode=process\n") {
		t.Error("stopping the unit would end the nodes that irisops started")
	}
}
