package config

import (
	"time"

	"irisops/actions/drill"
)

// Drill is how failover is practised.
type Drill struct {
	Mode          string        `yaml:"mode"` // auto or observe
	Notice        time.Duration `yaml:"notice"`
	Limit         time.Duration `yaml:"limit"`
	AllowLastCore bool          `yaml:"allow_last_core"`
}

var defaultDrill = Drill{Mode: string(drill.Auto), Notice: 15 * time.Minute, Limit: 5 * time.Minute}

// longestLimit is more than the runbook allows for a recovery, by far.
const longestLimit = time.Hour

func (k *checker) checkDrill() {
	r, d := &k.c.Drill, defaultDrill
	if !k.given("drill.mode") {
		r.Mode = d.Mode
	}
	modes := []string{string(drill.Auto), string(drill.Observe)}
	if k.usable("drill.mode") && r.Mode != modes[0] && r.Mode != modes[1] {
		k.fault("drill.mode", "mode: there is no %s. %s", quote(r.Mode), didYouMean(r.Mode, modes))
	}
	if !k.given("drill.notice") {
		r.Notice = d.Notice
	}
	fill(k, "drill.limit", &r.Limit, d.Limit)
	if k.usable("drill.limit") && (r.Limit < 10*time.Second || r.Limit > longestLimit) {
		k.fault("drill.limit", "limit: %s cannot be: a recovery may take 10s to %s.", spoken(r.Limit), spoken(longestLimit))
	}
	if k.usable("drill.notice") && r.Notice > 24*time.Hour {
		k.fault("drill.notice", "notice: %s is too long: at most 24h.", spoken(r.Notice))
	}
}

// OptedIn are the nodes of the cluster that may be victims.
func (c Cluster) OptedIn() []string {
	var nodes []string
	for _, n := range c.Nodes {
		if n.Drill {
			nodes = append(nodes, n.Short)
		}
	}
	return nodes
}
