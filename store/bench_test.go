package store

import (
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"
)

// report gives the median of the rounds of a benchmark.
func report(b *testing.B, unit string, rounds []float64) {
	b.Helper()
	slices.Sort(rounds)
	b.ReportMetric(rounds[len(rounds)/2], unit)
	b.ReportMetric(0, "ns/op") // of all rounds: nobody wants to know
}

const rounds = 5

// declareMany declares n incidents, callers at a time, and says how long it took.
func declareMany(b *testing.B, db *DB, n, callers int, build func(uint64) change.Change) time.Duration {
	b.Helper()
	var group sync.WaitGroup
	start := time.Now()
	for c := range callers {
		group.Go(func() {
			for i := c; i < n; i += callers {
				if _, _, err := db.Declare(b.Context(), "", build); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	return time.Since(start)
}

// Every declaration is durable, with its armed timer, before it returns.
func BenchmarkDurableTimers(b *testing.B) {
	for b.Loop() {
		var rates []float64
		for range rounds {
			const n = 5000
			db := open(b, "", Options{})
			took := declareMany(b, db, n, 256, declaring("no clients can connect", t0))
			rates = append(rates, n/took.Seconds())
			must(b, db.Close())
		}
		report(b, "timers/s", rates)
	}
}

// 6,000 steps are due at once: from the moment to all pages durable in the outbox.
func BenchmarkStepsDueAtOnce(b *testing.B) {
	const n = 6000
	for b.Loop() {
		var seconds []float64
		for range rounds {
			db := open(b, "", Options{})
			declareMany(b, db, n, 256, declaring("no clients can connect", t0))
			now := t0.Add(15 * time.Minute)
			start := time.Now()
			for {
				due := value(db.Due(now, 1000))(b)
				if len(due) == 0 {
					break
				}
				changes := make([]change.Change, 0, len(due))
				for _, inc := range due {
					next, eff, err := incident.Apply(inc, incident.StepsDue{}, now)
					must(b, err)
					changes = append(changes, changed(next, eff, now))
				}
				must(b, db.Commit(b.Context(), changes...))
			}
			seconds = append(seconds, time.Since(start).Seconds())
			if got := len(value(db.DuePages(now, 0))(b)); got != 2*n {
				b.Fatalf("%d pages in the outbox", got)
			}
			must(b, db.Close())
		}
		report(b, "s/6000-steps", seconds)
	}
}

// From the start of a process that was killed to all timers armed and all pages
// that were under way queued again.
func BenchmarkReopenWith10000Pending(b *testing.B) {
	const n = 10_000
	db := open(b, "", Options{})
	declareMany(b, db, n, 256, declaring("no clients can connect", t0))
	var sending []pager.Page
	for _, p := range value(db.DuePages(t0, 500))(b) {
		p.State, p.Attempts = pager.Sending, 1
		sending = append(sending, p)
	}
	must(b, db.Commit(b.Context(), change.Change{Pages: sending}))
	left, err := os.ReadFile(db.Path()) // as kill -9 leaves it
	must(b, err)
	for b.Loop() {
		var seconds []float64
		for range rounds {
			path := filepath.Join(b.TempDir(), "irisops.db")
			must(b, os.WriteFile(path, left, 0o600))
			start := time.Now()
			db := open(b, path, Options{})
			if got := value(db.RecoverPages(b.Context()))(b); got != len(sending) {
				b.Fatalf("%d pages recovered", got)
			}
			if _, ok, err := db.NextDue(); !ok || err != nil {
				b.Fatal("nothing is armed", err)
			}
			seconds = append(seconds, time.Since(start).Seconds())
			if wrong := value(db.Audit(t0))(b); len(wrong) > 0 || len(rowsOf(b, db, bDue)) != n {
				b.Fatalf("not all are armed: %v", wrong)
			}
			must(b, db.Close())
		}
		report(b, "s/reopen", seconds)
	}
}

// What one change alone costs beyond the two flushes to disk that it takes
// (bbolt: pages, then the header).
func BenchmarkLoneCommit(b *testing.B) {
	for b.Loop() {
		db := open(b, "", Options{})
		probe, err := os.Create(filepath.Join(b.TempDir(), "probe"))
		must(b, err)
		defer probe.Close()
		block := make([]byte, 16<<10)
		var beyond []float64
		for n := range 301 {
			start := time.Now()
			for i := range 2 {
				block[0] = byte(n)
				_, err := probe.WriteAt(block, int64(i)*int64(len(block)))
				must(b, err)
				must(b, syscall.Fdatasync(int(probe.Fd())))
			}
			bare := time.Since(start)
			start = time.Now()
			declare(b, db, "no clients can connect", t0)
			beyond = append(beyond, (time.Since(start)-bare).Seconds()*1000)
		}
		must(b, db.Close())
		report(b, "ms-beyond-flushes", beyond)
	}
}

// BenchmarkEvent is what each kind of event of an incident costs until it is
// durable, alone: nobody shares its flush to the disk.
func BenchmarkEvent(b *testing.B) {
	b.Run("declared", func(b *testing.B) {
		b.ReportAllocs()
		db := open(b, "", Options{})
		for b.Loop() {
			declare(b, db, "no clients can connect", t0)
		}
	})
	b.Run("noted", func(b *testing.B) {
		b.ReportAllocs()
		db := open(b, "", Options{})
		inc := declare(b, db, "no clients can connect", t0)
		for b.Loop() {
			inc = apply(b, db, inc, incident.Noted{By: "operator", Kind: incident.KindNote, Text: "restarting edge1"}, t0)
		}
	})
	b.Run("step due, with its page", func(b *testing.B) {
		b.ReportAllocs()
		db := open(b, "", Options{})
		for b.Loop() {
			b.StopTimer()
			inc := declare(b, db, "no clients can connect", t0)
			b.StartTimer()
			apply(b, db, inc, incident.StepsDue{}, t0.Add(15*time.Minute))
		}
	})
	b.Run("resolved", func(b *testing.B) {
		b.ReportAllocs()
		db := open(b, "", Options{})
		for b.Loop() {
			b.StopTimer()
			inc := declare(b, db, "no clients can connect", t0)
			b.StartTimer()
			apply(b, db, inc, incident.DeclaredResolved{By: "operator", Reason: "it was a drill"}, t0)
		}
	})
}
