package erlang

import (
	"slices"
	"testing"
	"time"
)

func median(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}

// One rpc on a connection that is held: the median of a thousand, whatever b.N.
func BenchmarkCall(b *testing.B) {
	n := bootNode(b)
	l := newLink(b, func(o *Options) { o.IdleAfter = time.Hour })
	ctx := within(b, time.Minute)
	if _, err := l.Ping(ctx, n.name); err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		for range 1000 {
			started := time.Now()
			if _, err := l.Call(ctx, n.name, "erlang", "node"); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(started))
		}
	}
	b.ReportMetric(median(took).Seconds()*1000, "ms/call")
	b.ReportMetric(0, "ns/op") // of a thousand calls: nobody wants to know
}

// A call that has to connect first, for comparison: epmd, handshake, rpc.
func BenchmarkConnectAndCall(b *testing.B) {
	n := bootNode(b)
	ctx := within(b, time.Minute)
	var took []time.Duration
	for b.Loop() {
		for range 20 {
			l := newLink(b)
			started := time.Now()
			if _, err := l.Call(ctx, n.name, "erlang", "node"); err != nil {
				b.Fatal(err)
			}
			took = append(took, time.Since(started))
			l.Close()
		}
	}
	b.ReportMetric(median(took).Seconds()*1000, "ms/call")
	b.ReportMetric(0, "ns/op")
}

// Large replies, to be set beside ergo's own reader: a million integers in 0.6 s,
// 8 MB in 1.9 s.
func BenchmarkLargeReply(b *testing.B) {
	n := bootNode(b)
	l := newLink(b, func(o *Options) { o.IdleAfter = time.Hour; o.MaxReply = 16 << 20 })
	ctx := within(b, time.Minute)
	b.Run("million integers", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Call(ctx, n.name, "lists", "seq", 1, 1_000_000); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("8 MB binary", func(b *testing.B) {
		for b.Loop() {
			if _, err := l.Call(ctx, n.name, "binary", "copy", []byte{0}, 8_000_000); err != nil {
				b.Fatal(err)
			}
		}
	})
}
