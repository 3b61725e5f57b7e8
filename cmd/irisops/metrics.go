package main

import (
	"log/slog"

	"irisops/bot/web/metrics"
	"irisops/store"
)

// showMetrics joins the figures for Prometheus to the listener.
func (a *app) showMetrics(db *store.DB, log *slog.Logger) {
	if a.web != nil {
		a.web.Handle("GET /metrics", metrics.Handler(metrics.Options{Record: db, Version: version, Log: log}))
	}
}
