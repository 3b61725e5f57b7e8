package cluster

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"irisops/actions"
)

// Figure prints a line of make bench: the median of the rounds against its bound.
func Figure(b *testing.B, name, unit string, bound float64, atLeast bool, rounds ...float64) {
	b.Helper()
	slices.Sort(rounds)
	median := rounds[len(rounds)/2]
	verdict, sign := "held", "<="
	if atLeast {
		sign = ">="
	}
	if atLeast && median < bound || !atLeast && median > bound {
		verdict = "missed"
	}
	// The testing package may have begun a line.
	fmt.Printf("\nfigure\t%s\t%.4g %s\t%s %g %s\t%s\n", name, median, unit, sign, bound, unit, verdict)
}

// Fifty nodes of which five hang: the deadline and a little, whatever they do, and
// no more memory than the answers take. The nodes are programs in this process, so
// what they take counts too.
func BenchmarkFiftyNodesOfWhichFiveHang(b *testing.B) {
	w := many(50, 5)
	opt := Options{SlowPing: time.Minute, SlowLogin: time.Minute, BadLogin: time.Hour}
	c := simulated(b, w, opt)
	var over, peak []float64
	for b.Loop() {
		for range 3 {
			runtime.GC()
			var before runtime.MemStats
			runtime.ReadMemStats(&before)
			most := watchHeap(b.Context())
			begin := time.Now()
			r, err := c.lookDiagnose(b.Context(), actions.Request{Args: actions.Args{"mode": modeFull}})
			took := time.Since(begin)
			if err != nil {
				b.Fatal(err)
			}
			partial(b, w, r)
			over = append(over, float64((took-c.opt.Full).Microseconds())/1000)
			peak = append(peak, float64(most()-min(most(), int64(before.HeapAlloc)))/(1<<20))
		}
	}
	Figure(b, "full diagnosis of 50 nodes of which 5 hang, beyond its deadline of 6 s", "ms", 200, false, over...)
	Figure(b, "memory taken meanwhile, at most", "MB", 64, false, peak...)
}

// watchHeap says how large the heap was at most since then.
func watchHeap(ctx context.Context) (most func() int64) {
	ctx, cancel := context.WithCancel(ctx)
	var seen atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			seen.Store(max(seen.Load(), int64(m.HeapAlloc)))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() int64 {
		cancel()
		<-done
		return seen.Load()
	}
}
