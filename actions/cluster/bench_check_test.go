package cluster

import (
	"context"
	"testing"
	"time"

	"irisops/actions"
)

// BenchmarkCheck is what each check of a healthy node takes of irisops itself: the
// node is made of memory and answers at once. A check that looks twice waits for
// a millisecond here, and for Options.Sample in life.
func BenchmarkCheck(b *testing.B) {
	w, c := build(Options{Sample: time.Millisecond}, core("core"), edge("edge1", 8085))
	for _, f := range w.nodes {
		f.latency, f.loginTook = 0, 0
		for _, other := range w.nodes {
			if other != f {
				f.peers[other.Name] = true
			}
		}
	}
	for _, k := range fullChecks {
		node := w.get("edge1").Node
		if k.role == CoreRole {
			node = w.get("core").Node
		}
		b.Run(k.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				found := c.examine(context.Background(), time.Minute, []task{{node: node, checks: []check{k}}})
				if len(found) != 1 || found[0].Result == actions.NotApplicable || found[0].Code == actions.CodeHung {
					b.Fatalf("%+v", found)
				}
			}
		})
	}
}
