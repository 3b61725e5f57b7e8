package watch

import (
	"slices"
	"time"

	"irisops/actions/cluster"
)

// Latency is how long probes took, over a window.
type Latency struct {
	Samples  int
	P50, P99 time.Duration
}

// Bounds are the upper bounds of the buckets of a Histogram; what takes longer is
// in none but the count. The runbook's 500 ms is one of them.
var Bounds = []time.Duration{time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second}

// Histogram counts how long a kind of probe took on an edge since irisops started.
type Histogram struct {
	Edge    string
	What    string        // "login" or "message"
	Buckets []uint64      // up to each of the Bounds, those below it too
	Count   uint64        // that succeeded
	Failed  uint64        // that did not; they are in no bucket
	Sum     time.Duration // of those that succeeded
}

func (h *Histogram) add(d time.Duration) {
	if d <= 0 {
		h.Failed++
		return
	}
	if h.Buckets == nil {
		h.Buckets = make([]uint64, len(Bounds))
	}
	h.Count++
	h.Sum += d
	for i, b := range Bounds {
		if d <= b {
			h.Buckets[i]++
		}
	}
}

// count takes the probes of a round in. A message is sent only after a login.
func count(all []Histogram, r Round) []Histogram {
	of := func(edge, what string) *Histogram {
		i := slices.IndexFunc(all, func(h Histogram) bool { return h.Edge == edge && h.What == what })
		if i < 0 {
			i, all = len(all), append(all, Histogram{Edge: edge, What: what})
		}
		return &all[i]
	}
	for _, s := range r.Nodes {
		if s.Role != cluster.EdgeRole || s.Untried {
			continue
		}
		of(s.Node, "login").add(s.Login)
		if s.Login > 0 {
			of(s.Node, "message").add(s.Delivery)
		}
	}
	return all
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
