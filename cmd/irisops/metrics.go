package main

import (
	"log/slog"
	"time"

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
			all = append(all, metrics.Nodes{Cluster: s.Cluster, Expected: s.Expected, Connected: s.Connected, Seen: s.At})
		}
	}
	return all
}

// audited is when the auditor was last content, and the last heartbeat.
func (a *app) audited() (looked, beat time.Time) {
	o := a.bot.Oversight()
	return o.Looked, o.Beat
}
