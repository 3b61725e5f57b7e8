package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"irisops/bot/change"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/store"
)

// BenchmarkKilled kills the whole process with 10,000 open incidents, each with
// its clocks. At its next start it is armed again when it pages for a step that
// came due while it was dead; some time later it has shown all that is open, and
// takes commands. What it takes of memory is the most seen: at the start, after
// all were asked for, and for a while.
func BenchmarkKilled(b *testing.B) {
	const n = 10_000
	dir := b.TempDir()
	config, socket := benchConfig(b, dir)
	path := filepath.Join(dir, "data", "irisops.db")
	openMany(b, path, n)
	var armed, took, memories []float64
	rounds := 0
	for b.Loop() {
		for range 5 {
			p := begin(b, config, socket)
			p.Process.Kill()
			p.Wait()
			rounds++
			missed := fmt.Sprintf("missed-%d", rounds)
			openMissed(b, path, missed)
			ear := &ear{wanted: missed, begun: time.Now()}
			p = beginHearing(b, config, socket, ear)
			took = append(took, p.took.Seconds())
			binary, _ := benched()
			if out, err := exec.Command(binary, "ctl", "--socket", socket, "incidents", "--open").CombinedOutput(); err != nil {
				b.Logf("%v: %.500s", err, out) // a caller that nobody knows may be refused: it was read all the same
			}
			most := 0.0
			for range 15 {
				most = max(most, memory(b, p.Process.Pid))
				<-time.After(200 * time.Millisecond)
			}
			memories = append(memories, most)
			p.end(b)
			armed = append(armed, ear.paged(b))
			allArmed(b, path, n+rounds)
		}
	}
	metric(b, "s/armed-again", armed)
	metric(b, "s/commands-again", took)
	metric(b, "MB-most", memories)
}

// ear hears when a late page for an incident of that title is shown.
type ear struct {
	wanted string
	begun  time.Time

	mu    sync.Mutex
	after time.Duration
}

// Write implements io.Writer.
func (e *ear) Write(text []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.after == 0 && bytes.Contains(text, []byte("PAGE")) && bytes.Contains(text, []byte(e.wanted)) {
		e.after = time.Since(e.begun)
	}
	return len(text), nil
}

// paged is after how many seconds it was heard.
func (e *ear) paged(b *testing.B) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.after == 0 {
		b.Fatalf("nobody was paged for %s", e.wanted)
	}
	return e.after.Seconds()
}

// openMissed leaves an incident whose step has come due and was not fired.
func openMissed(b *testing.B, path, title string) {
	db, err := store.Open(path, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	then := time.Now().Add(-time.Minute)
	policy := escalation.Policy{Steps: []escalation.PolicyStep{{After: time.Second, Role: "primary"}}}
	_, _, err = db.Declare(b.Context(), "", func(number uint64) change.Change {
		inc, eff := incident.New(number, incident.Declaration{Cluster: "main", Title: title, Priority: incident.P0,
			By: "operator", Clocks: escalation.Clocks(incident.P0, policy, then)}, then)
		return change.Change{Incident: &inc, Entries: eff.Entries}
	})
	if err != nil {
		b.Fatal(err)
	}
}

// allArmed wants all incidents there, and the auditor to find no fault.
func allArmed(b *testing.B, path string, n int) {
	db, err := store.Open(path, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	open, err := db.OpenIncidents()
	if err != nil || len(open) != n {
		b.Fatalf("%d are open: %v", len(open), err)
	}
	if wrong, err := db.Audit(time.Now()); err != nil || len(wrong) > 0 {
		b.Fatal(wrong, err)
	}
}

// openMany leaves a database with that many open incidents, diagnosed and with
// steps and reminders ahead.
func openMany(b *testing.B, path string, n int) {
	db, err := store.Open(path, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	policy := escalation.Policy{Respond: time.Hour, Remind: time.Hour, Steps: []escalation.PolicyStep{{After: 2 * time.Hour, Role: "primary"}, {After: 3 * time.Hour, Role: "sre"}, {After: 4 * time.Hour, Role: "owner"}}}
	var all sync.WaitGroup
	for c := range 200 {
		all.Go(func() {
			for i := c; i < n; i += 200 {
				_, _, err := db.Declare(context.Background(), fmt.Sprint("cause ", i), func(number uint64) change.Change {
					inc, eff := incident.New(number, incident.Declaration{Cluster: "main", Title: fmt.Sprintf("clients of edge%d cannot connect", i), Priority: incident.P0,
						By: "operator", Clocks: escalation.Clocks(incident.P0, policy, now)}, now)
					inc, more, err := incident.Apply(inc, incident.Noted{By: incident.Bot, Kind: incident.KindDiagnosed, Text: "diagnosed: edge1 is down"}, now)
					if err != nil {
						panic(err)
					}
					return change.Change{Incident: &inc, Entries: append(eff.Entries, more.Entries...)}
				})
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}
