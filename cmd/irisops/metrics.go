package main

import (
	"log/slog"

	"irisops/bot/web/metrics"
	"irisops/store"
)

// showMetrics joins the figures for Prometheus to the listener.
func (a *app) showMetrics(db *store.DB, log *slog.Logger) {
	if a.web != nil {
		a.web.Handle("GET /metrics", metrics.Handler(metrics.Options{Record: db, Nodes: a.watched, Version: version, Log: log}))
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
