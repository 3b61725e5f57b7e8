package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"irisops/actions/cluster"
	"irisops/actions/drill"
	"irisops/actions/lab"
	"irisops/cmd/irisops/config"
)

// drillOf is how the cluster is drilled.
func drillOf(cfg config.Config, c *cluster.Cluster) *drill.Options {
	o := &drill.Options{Cluster: c.Name, Nodes: c.Nodes, Field: c, Mode: drill.Mode(cfg.Drill.Mode),
		AllowLastCore: cfg.Drill.AllowLastCore, Notice: cfg.Drill.Notice, Limit: cfg.Drill.Limit, Late: cfg.Checks.Login.Warn}
	for _, configured := range cfg.Clusters {
		if configured.Name == c.Name {
			o.OptedIn = configured.OptedIn()
		}
	}
	if l := labOf(c.Nodes); l != nil {
		o.Parter = parter{l}
	}
	return o
}

// labOf is the lab that the nodes are of; nil if they are not all of one.
func labOf(nodes []cluster.Node) *lab.Lab {
	if len(nodes) == 0 || nodes[0].Host != "local" {
		return nil
	}
	l, err := lab.Open(nodes[0].Dir)
	if err != nil {
		return nil
	}
	for _, n := range nodes {
		if same, err := l.Node(n.Short); err != nil || same.Name != n.Name || n.Host != "local" || n.EPMDPort != l.EPMDPort() {
			return nil
		}
	}
	return l
}

// parter parts the nodes of a lab: of nothing else it is known how to join it
// again, whatever happens.
type parter struct{ lab *lab.Lab }

// Part implements drill.Parter.
func (p parter) Part(ctx context.Context, core string) (side []string, seen string, err error) {
	victim, err := p.lab.Node(core)
	if err != nil {
		return nil, "", err
	}
	var others []string
	for _, n := range p.lab.Nodes() {
		if n.Role == lab.Core && n != victim {
			others = append(others, n.Short)
		}
	}
	views, err := p.lab.Partition(ctx, []string{victim.Short}, others)
	if err != nil {
		return nil, "", err
	}
	var said []string
	for _, v := range views {
		if v.Node == victim || v.Role == lab.Edge && slices.Contains(v.Sees, victim.Short) {
			side = append(side, v.Short)
		}
		said = append(said, v.String())
	}
	if victim.Short != core && len(side) > 0 { // the config calls the first of several cores core1
		side[slices.Index(side, victim.Short)] = core
	}
	return side, strings.Join(said, "; "), nil
}

// Heal implements drill.Parter.
func (p parter) Heal(ctx context.Context) (string, error) {
	views, err := p.lab.Heal(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("all %d nodes of the lab see each other", len(views)), nil
}
