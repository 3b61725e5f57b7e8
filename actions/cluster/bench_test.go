package cluster

import (
	"context"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"irisops/actions"
)

// Median reports the median of the rounds of a benchmark.
func Median(b *testing.B, unit string, rounds ...float64) {
	b.Helper()
	slices.Sort(rounds)
	b.ReportMetric(rounds[len(rounds)/2], unit)
	b.ReportMetric(0, "ns/op") // of all rounds: nobody wants to know
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
	Median(b, "ms-beyond-deadline", over...)
	Median(b, "MB-most", peak...)
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
