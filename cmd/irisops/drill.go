package main

import (
	"irisops/actions/cluster"
	"irisops/actions/drill"
	"irisops/cmd/irisops/config"
)

// drillOf is how the cluster is drilled.
func drillOf(cfg config.Config, c *cluster.Cluster) *drill.Options {
	o := &drill.Options{Cluster: c.Name, Nodes: c.Nodes, Field: c, Mode: drill.Mode(cfg.Drill.Mode),
		AllowLastCore: cfg.Drill.AllowLastCore, Notice: cfg.Drill.Notice, Limit: cfg.Drill.Limit}
	for _, configured := range cfg.Clusters {
		if configured.Name == c.Name {
			o.OptedIn = configured.OptedIn()
		}
	}
	return o
}
