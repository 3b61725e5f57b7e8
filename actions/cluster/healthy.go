package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"irisops/actions"
)

// Keeper keeps the last healthy diagnosis of each cluster, so that a later one
// can say what changed, and a plan can see what there was.
type Keeper interface {
	// KeepHealthy replaces the kept one of the same cluster and mode, durably.
	KeepHealthy(ctx context.Context, h Healthy) error
	// LastHealthy are those that are kept of the cluster, at most one of each
	// mode, the newest first.
	LastHealthy(cluster string) ([]Healthy, error)
}

// Healthy is a diagnosis of a whole cluster, quick or full, that found no
// trouble, with the tables of its cores as they were then. The cores agreed with
// each other, and every table could be written wherever it has a copy.
type Healthy struct {
	Cluster  string        `json:"cluster"`
	Mode     string        `json:"mode"`
	At       time.Time     `json:"at"`
	Verdict  string        `json:"verdict"`
	Findings []Finding     `json:"findings"`
	Cores    []MnesiaState `json:"cores"`
}

// Core is what the tables of one core were, by its short name.
func (h Healthy) Core(short string) (MnesiaState, bool) {
	for _, m := range h.Cores {
		if m.Node == short {
			return m, true
		}
	}
	return MnesiaState{}, false
}

// LastHealthy is the newest healthy diagnosis that is kept of the cluster. It is
// false if none is, or if nothing keeps them here.
func (c *Cluster) LastHealthy() (Healthy, bool, error) {
	kept, err := c.lastHealthy()
	if err != nil || len(kept) == 0 {
		return Healthy{}, false, err
	}
	return kept[0], true, nil
}

func (c *Cluster) lastHealthy() ([]Healthy, error) {
	if c.opt.Keeper == nil {
		return nil, nil
	}
	return c.opt.Keeper.LastHealthy(c.Name)
}

// keep keeps the diagnosis if it is one of the whole cluster and healthy. It
// returns why it did not, where a person should know; "" if there is nothing to
// say.
func (c *Cluster) keep(ctx context.Context, d Diagnosis, cores []MnesiaState) string {
	whole := d.Mode == modeQuick || d.Mode == modeFull
	if c.opt.Keeper == nil || !whole || d.State != actions.OK {
		return ""
	}
	if why := unsound(cores); why != "" {
		return "Not kept as healthy: " + why + ". Say `diagnose full`."
	}
	h := Healthy{Cluster: d.Cluster, Mode: d.Mode, At: d.At, Verdict: d.Verdict, Findings: d.Findings, Cores: cores}
	if err := c.opt.Keeper.KeepHealthy(ctx, h); err != nil {
		return "It could not be kept as the last healthy diagnosis: " + c.mask.err(err)
	}
	return ""
}

// unsound says why the tables of the cores are not those of a healthy cluster,
// which a quick diagnosis does not ask; "" if they are.
func unsound(cores []MnesiaState) string {
	for _, m := range cores {
		switch {
		case m.Error != "":
			return fmt.Sprintf("the tables of %s could not be read (it %s)", m.Node, m.Error)
		case m.State != "yes":
			return fmt.Sprintf("Mnesia does not run on %s (%s)", m.Node, m.State)
		case !slices.Equal(m.Running, cores[0].Running):
			return fmt.Sprintf("Mnesia runs with %s on %s, and with %s on %s", listed(cores[0].Running), cores[0].Node, listed(m.Running), m.Node)
		}
		for _, t := range m.Tables {
			for _, n := range t.Copies {
				if !slices.Contains(t.Write, n) {
					return fmt.Sprintf("%s, as %s sees it, cannot be written on %s", t.Name, m.Node, n)
				}
			}
		}
	}
	return ""
}

// readCores reads the tables of the cores among the nodes that answer.
func (c *Cluster) readCores(ctx context.Context, within time.Duration, conditions []condition) []MnesiaState {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var cores []Node
	for _, k := range conditions {
		if k.node.Role == CoreRole && k.answers {
			cores = append(cores, k.node)
		}
	}
	return each(cores, func(n Node) MnesiaState { return c.mnesiaState(ctx, n) })
}
