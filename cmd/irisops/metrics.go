package main

import (
	"log/slog"
	"time"

	"irisops/bot/watch"
	"irisops/bot/web/metrics"
	"irisops/store"
)

// showMetrics joins the figures for Prometheus to the listener.
func (a *app) showMetrics(db *store.DB, log *slog.Logger) {
	if a.web != nil {
		a.web.Handle("GET /metrics", metrics.Handler(metrics.Options{Record: db, Nodes: a.watched, Audited: a.audited, Version: version, Log: log}))
	}
}

// watched is what the watch saw of every cluster last.
func (a *app) watched() []metrics.Nodes {
	var all []metrics.Nodes
	for _, s := range a.bot.Watched() {
		if !s.At.IsZero() {
			n := metrics.Nodes{Cluster: s.Cluster, Expected: s.Expected, Connected: s.Connected, Seen: s.At}
			for _, h := range s.Probes {
				p := metrics.Probe{Edge: h.Edge, What: h.What, Count: h.Count, Failed: h.Failed, Seconds: h.Sum.Seconds(), Buckets: map[float64]uint64{}}
				for i, b := range h.Buckets {
					p.Buckets[watch.Bounds[i].Seconds()] = b
				}
				n.Probes = append(n.Probes, p)
			}
			all = append(all, n)
		}
	}
	return all
}

// audited is when the auditor was last content, and the last heartbeat.
func (a *app) audited() (looked, beat time.Time) {
	o := a.bot.Oversight()
	return o.Looked, o.Beat
}
