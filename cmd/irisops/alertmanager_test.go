package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"irisops/cmd/irisops/config"
)

// unpacked is where `make alertmanager` leaves Debian's package.
const unpacked = "../../build/debian"

// relocated is the program with the place of its templates, which Debian has
// written into it, made relative: it is unpacked and not installed. A path of the
// same length stands there instead.
func relocated(t *testing.T, dir string) (program, root string) {
	t.Helper()
	root, err := filepath.Abs(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "usr/bin/prometheus-alertmanager"))
	if err != nil {
		t.Fatalf("%v: `make alertmanager` unpacks it", err)
	}
	text = bytes.ReplaceAll(text, []byte("/usr/share/prometheus/alertmanager"), []byte("usr//share/prometheus/alertmanager"))
	program = filepath.Join(dir, "alertmanager")
	if err := os.WriteFile(program, text, 0o700); err != nil {
		t.Fatal(err)
	}
	return program, root
}

// startAlertmanager runs the real program with irisops as its one receiver, and
// returns where it listens.
func startAlertmanager(t *testing.T, dir, webhook string) string {
	t.Helper()
	conf := fmt.Sprintf(`route: {receiver: irisops, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}
receivers:
  - name: irisops
    webhook_configs:
      - {url: %q, send_resolved: true, http_config: {authorization: {type: Bearer, credentials_file: %q}}}
`, webhook, filepath.Join(dir, "bearer"))
	if err := os.WriteFile(filepath.Join(dir, "am.yml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	program, root := relocated(t, dir)
	cmd := exec.Command(program, "--config.file", filepath.Join(dir, "am.yml"), "--storage.path", filepath.Join(dir, "am"),
		"--web.listen-address", address, "--cluster.listen-address=", "--log.level=warn")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Dir = root
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("Alertmanager said:\n%s", said.String())
		}
	})
	eventually(t, "Alertmanager is ready", func() bool {
		resp, err := http.Get("http://" + address + "/-/ready")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == 200
	})
	return "http://" + address
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(30 * time.Second); !holds(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("in 30 s it does not come to this: " + what)
		}
	}
}

// A real Alertmanager opens an incident, repeats itself without opening another,
// and says when the alert is over.
func TestRealAlertmanager(t *testing.T) {
	s := newSite(t)
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.write("bearer", "a_planted_cookie") // site looks for it in all output
	s.write("alerts.yaml", string(text)+fmt.Sprintf("alerts: {bearer_from: %s/bearer}\n", s.dir))
	cfg, err := config.Load(s.dir + "/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(cfg, overrides{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { a.Stop(context.Background()) }()
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	am := startAlertmanager(t, s.dir, a.web.URL()+"/alerts")
	tell := func(name string, ends time.Time) {
		t.Helper()
		alert := map[string]any{"labels": map[string]string{"alertname": name, "severity": "critical", "instance": "edge1"},
			"annotations": map[string]string{"summary": "nobody can log in"}, "startsAt": time.Now().Add(-time.Minute).Format(time.RFC3339)}
		if !ends.IsZero() {
			alert["endsAt"] = ends.Format(time.RFC3339Nano)
		}
		body, err := json.Marshal([]any{alert})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(am+"/api/v2/alerts", "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != 200 {
			said, _ := io.ReadAll(resp.Body)
			t.Fatalf("%d %s", resp.StatusCode, said)
		}
	}
	tell("EdgeDown", time.Time{})
	eventually(t, "an incident is open", func() bool {
		open, err := a.db.OpenIncidents()
		return err == nil && len(open) == 1
	})
	inc, err := a.db.Incident(1)
	if err != nil || inc.Priority != "P1" || inc.Title != "EdgeDown: nobody can log in" || inc.Waiting() != true {
		t.Errorf("%+v %v", inc, err)
	}
	tell("EdgeDown", time.Time{})
	tell("EdgeSlow", time.Time{})
	eventually(t, "another alert is another incident", func() bool {
		open, err := a.db.OpenIncidents()
		return err == nil && len(open) == 2
	})
	tell("EdgeDown", time.Now().Add(-time.Second))
	eventually(t, "the timeline says that the alert is over", func() bool {
		entries, err := a.db.Timeline(1)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.Contains(e.Text, "alert is over: EdgeDown") {
				return true
			}
		}
		return false
	})
	if firing, err := a.db.Alerts(); err != nil || len(firing) != 1 || firing[0].Incident != "INC-2" {
		t.Errorf("%+v %v", firing, err)
	}
	if open, err := a.db.OpenIncidents(); err != nil || len(open) != 2 { // its cluster does not run: nothing is verified
		t.Errorf("%d open, %v", len(open), err)
	}
}
