package metrics

import (
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// promtool is Prometheus's own, unpacked by make test.
func promtool(t *testing.T, in *os.File, args ...string) {
	t.Helper()
	tool, err := filepath.Abs("../../../build/debian/usr/bin/promtool")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(tool, args...)
	cmd.Stdin = in
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %v: %v\n%s", args, err, out)
	}
}

// TestAlertRules has Prometheus read the rules that docs/ offers, and fire them
// on made-up figures.
func TestAlertRules(t *testing.T) {
	const rules = "../../../docs/alerts.rules.yaml"
	promtool(t, nil, "check", "rules", rules)
	dir := t.TempDir()
	for from, to := range map[string]string{rules: "alerts.rules.yaml", "testdata/alerts.test.yaml": "alerts.test.yaml"} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	promtool(t, nil, "test", "rules", filepath.Join(dir, "alerts.test.yaml"))
}

// TestPrometheusReadsTheFigures has its own checker look at what is exported.
func TestPrometheusReadsTheFigures(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(options(night{})).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	path := filepath.Join(t.TempDir(), "metrics")
	if err := os.WriteFile(path, w.Body.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	promtool(t, in, "check", "metrics")
}
