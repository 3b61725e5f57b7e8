// Package metrics is what Prometheus reads: how irisops itself does, and what it
// sees of IRIS. Names have their unit at the end. No label has a secret, a
// person, a user or a text that somebody typed; nodes and clusters come from the
// config.
//
// Everything is read when it is asked for; nothing is counted beside the record but
// the probes, so that a restart changes no figure but theirs and those of the
// process.
package metrics

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
)

// Record is what the figures are read from.
type Record interface {
	OpenIncidents() ([]incident.Incident, error)
	NextDue() (time.Time, bool, error)
	// PendingPages says how many pages wait or are under way, and since when the
	// oldest has waited.
	PendingPages() (n int, oldest time.Time, err error)
	Runs(states ...runbook.State) ([]runbook.Run, error)
	Halted() (*change.Halt, error)
}

// Nodes is what the watch saw of a cluster last.
type Nodes struct {
	Cluster   string
	Expected  int
	Connected int // expected nodes that answered
	Seen      time.Time
	Probes    []Probe
}

// Probe is how long a kind of probe took on an edge, since irisops started.
type Probe struct {
	Edge, What string
	Buckets    map[float64]uint64 // seconds: those that took at most so long
	Count      uint64
	Failed     uint64 // in no bucket
	Seconds    float64
}

// Options are what the figures are made of. Record is needed.
type Options struct {
	Record Record
	Nodes  func() []Nodes // nil, or nothing in it: not watched
	// Audited is when every deadline was found armed and none overdue, and when a
	// heartbeat was taken last; zero is never. Nil: nobody looks.
	Audited func() (looked, beat time.Time)
	Version string
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger
}

// Handler answers GET /metrics.
func Handler(o Options) http.Handler {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	registry := prometheus.NewRegistry()
	Register(registry, o)
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelError)})
}

// Register adds the figures to a registry.
func Register(r prometheus.Registerer, o Options) { r.MustRegister(&collector{o}) }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	expected  = desc("iris_expected_nodes", "Nodes of the cluster that the config expects.", "cluster")
	connected = desc("iris_connected_nodes", "Expected nodes of the cluster that answered when the watch looked last.", "cluster")
	seen      = desc("irisops_watch_last_look_timestamp_seconds", "When the watch looked at the cluster last.", "cluster")

	probed  = desc("irisops_probe_duration_seconds", "How long the probes of the watch took that succeeded, since irisops started.", "cluster", "node", "probe")
	failing = desc("irisops_probe_failures_total", "Probes of the watch that failed, since irisops started.", "cluster", "node", "probe")

	audited = desc("irisops_audit_passed_timestamp_seconds", "When every deadline was last found armed and none overdue. Missing if never.")
	beaten  = desc("irisops_heartbeat_timestamp_seconds", "When a heartbeat was last taken by whoever watches from outside. Missing if never.")

	readable = desc("irisops_database_readable", "1 if the record can be read. If it is 0, the figures that come from it are missing.")
	open     = desc("irisops_open_incidents", "Incidents that are not resolved, without drills.", "priority", "state")
	nextDue  = desc("irisops_next_escalation_timestamp_seconds", "When the next escalation step is due. Missing if none is armed.")
	overdue  = desc("irisops_escalation_overdue_seconds", "For how long an escalation step has been due and has not fired. Above 5 the clocks do not run.")
	pending  = desc("irisops_pending_pages", "Pages that wait or are under way.")
	oldest   = desc("irisops_oldest_pending_page_age_seconds", "For how long the oldest pending page has waited; 0 if none is.")
	requests = desc("irisops_requests", "Requests for actions that wait, run, or were interrupted.", "state")
	halted   = desc("irisops_actions_halted", "1 while a person has halted all actions.")
	build    = desc("irisops_build_info", "Always 1; the label is the version.", "version")
)

type collector struct{ o Options }

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{expected, connected, seen, probed, failing, audited, beaten, readable, open, nextDue, overdue, pending, oldest, requests, halted, build} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := c.o.Now()
	gauge(build, 1, c.o.Version)
	if c.o.Audited != nil {
		looked, beat := c.o.Audited()
		if !looked.IsZero() {
			gauge(audited, float64(looked.Unix()))
		}
		if !beat.IsZero() {
			gauge(beaten, float64(beat.Unix()))
		}
	}
	if c.o.Nodes != nil {
		for _, n := range c.o.Nodes() {
			gauge(expected, float64(n.Expected), n.Cluster)
			gauge(connected, float64(n.Connected), n.Cluster)
			gauge(seen, float64(n.Seen.Unix()), n.Cluster)
			for _, p := range n.Probes {
				out <- prometheus.MustNewConstHistogram(probed, p.Count, p.Seconds, p.Buckets, n.Cluster, p.Edge, p.What)
				out <- prometheus.MustNewConstMetric(failing, prometheus.CounterValue, float64(p.Failed), n.Cluster, p.Edge, p.What)
			}
		}
	}
	if err := c.record(now, gauge); err != nil {
		c.o.Log.Error("the figures cannot be read", "err", err)
		gauge(readable, 0)
		return
	}
	gauge(readable, 1)
}

// record gives the figures that come from the record, all or none.
func (c *collector) record(now time.Time, gauge func(*prometheus.Desc, float64, ...string)) error {
	incidents, err := c.o.Record.OpenIncidents()
	if err != nil {
		return err
	}
	due, armed, err := c.o.Record.NextDue()
	if err != nil {
		return err
	}
	waiting, since, err := c.o.Record.PendingPages()
	if err != nil {
		return err
	}
	runs, err := c.o.Record.Runs(runbook.Waiting, runbook.Running, runbook.Uncertain)
	if err != nil {
		return err
	}
	halt, err := c.o.Record.Halted()
	if err != nil {
		return err
	}

	type kind struct{ priority, state string }
	kinds := map[kind]int{}
	for _, p := range incident.Priorities {
		kinds[kind{string(p), string(incident.Open)}] = 0
	}
	for _, i := range incidents {
		if i.Drill {
			continue // practice is no trouble
		}
		kinds[kind{string(i.Priority), string(i.State)}]++
	}
	for k, n := range kinds {
		gauge(open, float64(n), k.priority, k.state)
	}
	late := 0.0
	if armed {
		gauge(nextDue, float64(due.Unix()))
		late = max(0, now.Sub(due).Seconds())
	}
	gauge(overdue, late)
	age := 0.0
	if waiting > 0 {
		age = max(0, now.Sub(since).Seconds())
	}
	gauge(pending, float64(waiting))
	gauge(oldest, age)
	states := map[runbook.State]int{runbook.Waiting: 0, runbook.Running: 0, runbook.Uncertain: 0}
	for _, r := range runs {
		states[r.State]++
	}
	for state, n := range states {
		gauge(requests, float64(n), string(state))
	}
	stopped := 0.0
	if halt != nil {
		stopped = 1
	}
	gauge(halted, stopped)
	return nil
}
