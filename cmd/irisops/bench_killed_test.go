package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"irisops/bot/change"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/store"
)

// BenchmarkManyOpenIncidents measures what the whole process takes of memory
// with 10,000 open incidents, each with its clocks: after the start, which shows
// them all once more, after `status` was asked for, and again a while later.
func BenchmarkManyOpenIncidents(b *testing.B) {
	const n = 10_000
	dir := b.TempDir()
	binary := filepath.Join(dir, "irisops")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	config, socket := benchConfig(b, dir)
	openMany(b, filepath.Join(dir, "data", "irisops.db"), n)
	var memories []float64
	for range 3 {
		cmd := exec.Command(binary, "run", "--config", config)
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		untilAnswers(b, socket)
		if out, err := exec.Command(binary, "ctl", "--socket", socket, "incidents", "--open").CombinedOutput(); err != nil {
			b.Logf("%v: %.500s", err, out) // a caller that nobody knows may be refused: it was read all the same
		}
		most := 0.0
		for range 15 {
			most = max(most, memory(b, cmd.Process.Pid))
			<-time.After(200 * time.Millisecond)
		}
		memories = append(memories, most)
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	figure(fmt.Sprintf("memory with %d open incidents, most seen, median of 3", n), median(memories), "MB", 60)
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
