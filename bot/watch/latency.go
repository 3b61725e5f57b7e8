package watch

import (
	"slices"
	"time"
)

// Latency is how long probes took, over a window.
type Latency struct {
	Samples  int
	P50, P99 time.Duration
}

// samples are the logins and messages of a round that succeeded.
func (r Round) samples() []time.Duration {
	var all []time.Duration
	for _, s := range r.Nodes {
		for _, d := range []time.Duration{s.Login, s.Delivery} {
			if d > 0 {
				all = append(all, d)
			}
		}
	}
	return all
}

// latencyOf is over all rounds, by nearest rank.
func latencyOf(rounds []Round) Latency {
	var all []time.Duration
	for _, r := range rounds {
		all = append(all, r.samples()...)
	}
	if len(all) == 0 {
		return Latency{}
	}
	slices.Sort(all)
	rank := func(percent int) time.Duration { return all[(len(all)*percent+99)/100-1] }
	return Latency{Samples: len(all), P50: rank(50), P99: rank(99)}
}
