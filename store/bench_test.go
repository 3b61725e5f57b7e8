package store

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"
)

// decimals that are worth reading.
func decimals(v float64) int {
	if v >= 100 {
		return 0
	}
	return 3
}

// figure prints the median of the rounds as a line for make bench.
func figure(b *testing.B, name, unit string, bound float64, atLeast bool, rounds []float64) {
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
	fmt.Printf("\nfigure\t%s\t%s %s\t%s %g %s\t%s\n", name, strconv.FormatFloat(median, 'f', decimals(median), 64), unit, sign, bound, unit, verdict)
	b.ReportMetric(median, unit)
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
		figure(b, "durable timers accepted", "timers/s", 2000, true, rates)
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
		figure(b, "6,000 steps due at once, durable in the outbox", "s", 1, false, seconds)
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
		figure(b, "10,000 pending armed again after kill -9", "s", 0.25, false, seconds)
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
		figure(b, "one change alone, beyond two bare flushes", "ms", 1, false, beyond)
	}
}
