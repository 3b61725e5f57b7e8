package metrics

import (
	"errors"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
)

var at = time.Unix(1_800_000_000, 0)

// night is a record, made up for the figures.
type night struct{ err error }

func (n night) OpenIncidents() ([]incident.Incident, error) {
	return []incident.Incident{
		{Priority: incident.P0, State: incident.Open, Title: "a secret title", DeclaredBy: "operator"},
		{Priority: incident.P1, State: incident.Open, Drill: true},
		{Priority: incident.P0, State: incident.Open}, {Priority: incident.P2, State: incident.Acknowledged},
	}, n.err
}
func (night) NextDue() (time.Time, bool, error)     { return at.Add(-7 * time.Second), true, nil }
func (night) PendingPages() (int, time.Time, error) { return 3, at.Add(-90 * time.Second), nil }
func (night) Runs(...runbook.State) ([]runbook.Run, error) {
	return []runbook.Run{{State: runbook.Waiting}, {State: runbook.Uncertain}, {State: runbook.Waiting}}, nil
}
func (night) Halted() (*change.Halt, error) { return &change.Halt{By: "operator"}, nil }

func options(n night) Options {
	return Options{Record: n, Version: "v1", Now: func() time.Time { return at },
		Nodes: func() []Nodes {
			return []Nodes{{Cluster: "main", Expected: 3, Connected: 2, Seen: at,
				Probes: []Probe{{Edge: "edge1", What: "login", Buckets: map[float64]uint64{0.25: 1, 0.5: 3}, Count: 4, Failed: 2, Seconds: 1.5}}}}
		}}
}

func TestFigures(t *testing.T) {
	want := `
# HELP iris_connected_nodes Expected nodes of the cluster that answered when the watch looked last.
# TYPE iris_connected_nodes gauge
iris_connected_nodes{cluster="main"} 2
# HELP iris_expected_nodes Nodes of the cluster that the config expects.
# TYPE iris_expected_nodes gauge
iris_expected_nodes{cluster="main"} 3
# HELP irisops_actions_halted 1 while a person has halted all actions.
# TYPE irisops_actions_halted gauge
irisops_actions_halted 1
# HELP irisops_build_info Always 1; the label is the version.
# TYPE irisops_build_info gauge
irisops_build_info{version="v1"} 1
# HELP irisops_database_readable 1 if the record can be read. If it is 0, the figures that come from it are missing.
# TYPE irisops_database_readable gauge
irisops_database_readable 1
# HELP irisops_escalation_overdue_seconds For how long an escalation step has been due and has not fired. Above 5 the clocks do not run.
# TYPE irisops_escalation_overdue_seconds gauge
irisops_escalation_overdue_seconds 7
# HELP irisops_next_escalation_timestamp_seconds When the next escalation step is due. Missing if none is armed.
# TYPE irisops_next_escalation_timestamp_seconds gauge
irisops_next_escalation_timestamp_seconds 1.799999993e+09
# HELP irisops_oldest_pending_page_age_seconds For how long the oldest pending page has waited; 0 if none is.
# TYPE irisops_oldest_pending_page_age_seconds gauge
irisops_oldest_pending_page_age_seconds 90
# HELP irisops_open_incidents Incidents that are not resolved, without drills.
# TYPE irisops_open_incidents gauge
irisops_open_incidents{priority="P0",state="open"} 2
irisops_open_incidents{priority="P1",state="open"} 0
irisops_open_incidents{priority="P2",state="acknowledged"} 1
irisops_open_incidents{priority="P2",state="open"} 0
irisops_open_incidents{priority="P3",state="open"} 0
# HELP irisops_pending_pages Pages that wait or are under way.
# TYPE irisops_pending_pages gauge
irisops_pending_pages 3
# HELP irisops_probe_duration_seconds How long the probes of the watch took that succeeded, since irisops started.
# TYPE irisops_probe_duration_seconds histogram
irisops_probe_duration_seconds_bucket{cluster="main",node="edge1",probe="login",le="0.25"} 1
irisops_probe_duration_seconds_bucket{cluster="main",node="edge1",probe="login",le="0.5"} 3
irisops_probe_duration_seconds_bucket{cluster="main",node="edge1",probe="login",le="+Inf"} 4
irisops_probe_duration_seconds_sum{cluster="main",node="edge1",probe="login"} 1.5
irisops_probe_duration_seconds_count{cluster="main",node="edge1",probe="login"} 4
# HELP irisops_probe_failures_total Probes of the watch that failed, since irisops started.
# TYPE irisops_probe_failures_total counter
irisops_probe_failures_total{cluster="main",node="edge1",probe="login"} 2
# HELP irisops_requests Requests for actions that wait, run, or were interrupted.
# TYPE irisops_requests gauge
irisops_requests{state="running"} 0
irisops_requests{state="unknown"} 1
irisops_requests{state="waiting"} 2
# HELP irisops_watch_last_look_timestamp_seconds When the watch looked at the cluster last.
# TYPE irisops_watch_last_look_timestamp_seconds gauge
irisops_watch_last_look_timestamp_seconds{cluster="main"} 1.8e+09
`
	if err := testutil.CollectAndCompare(&collector{options(night{})}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestARecordThatCannotBeRead(t *testing.T) {
	o := options(night{errors.New("the disk is gone")})
	o.Nodes = nil
	want := `
# HELP irisops_build_info Always 1; the label is the version.
# TYPE irisops_build_info gauge
irisops_build_info{version="v1"} 1
# HELP irisops_database_readable 1 if the record can be read. If it is 0, the figures that come from it are missing.
# TYPE irisops_database_readable gauge
irisops_database_readable 0
`
	o.Log = slog.New(slog.DiscardHandler)
	if err := testutil.CollectAndCompare(&collector{o}, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestNamesAreGood(t *testing.T) {
	registry := prometheus.NewRegistry()
	Register(registry, options(night{}))
	problems, err := testutil.GatherAndLint(registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestNothingPrivateIsExported(t *testing.T) {
	w := httptest.NewRecorder()
	Handler(options(night{})).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "go_goroutines") || !strings.Contains(w.Body.String(), "iris_connected_nodes") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, private := range []string{"a secret title", "operator"} {
		if strings.Contains(w.Body.String(), private) {
			t.Errorf("it tells %q", private)
		}
	}
}
