package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot/audit"
	"irisops/bot/change"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/pager"
	"irisops/store"
)

// BenchmarkGrowth measures a full start of the whole process with so many
// incidents that are over, and what the database takes for each: how cost grows
// over the years. Deliveries and what Slack shows are not among it: they are
// forgotten after a week and a month.
func BenchmarkGrowth(b *testing.B) {
	dir := b.TempDir()
	config, socket := benchConfig(b, dir)
	path := filepath.Join(dir, "data", "irisops.db")
	begin(b, config, socket).end(b) // makes it, with all that a start leaves in it
	empty, there := sizeOf(b, path), 0
	for _, n := range []int{100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			if there < n { // it is run again for more rounds
				endedMany(b, path, there, n)
				there = n
				begin(b, config, socket).end(b)
			}
			var starts, cpus, memories []float64
			for b.Loop() {
				for range 5 {
					p := begin(b, config, socket)
					starts = append(starts, p.took.Seconds()*1000)
					memories = append(memories, memory(b, p.Process.Pid))
					cpus = append(cpus, p.end(b))
				}
			}
			metric(b, "ms/start", starts)
			metric(b, "cpu-ms/start-and-stop", cpus)
			metric(b, "MB-process", memories)
			size := sizeOf(b, path)
			metric(b, "MB-database", []float64{float64(size) / 1e6})
			metric(b, "bytes/incident", []float64{float64(size-empty) / float64(n)})
		})
	}
}

func sizeOf(b *testing.B, path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return info.Size()
}

// endedMany adds incidents, from the given number on up to another, whose lives
// are over: declared, paged for, diagnosed, acknowledged, mended by a request,
// verified, recovered and resolved, with all that the record keeps of it.
func endedMany(b *testing.B, path string, from, to int) {
	db, err := store.Open(path, store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	const callers = 256
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := from + c; i < to; i += callers {
				if err := endedOne(db, time.Now().Add(-24*time.Hour*365).Add(time.Duration(i)*time.Minute)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
}

func endedOne(db *store.DB, at time.Time) error {
	ctx := context.Background()
	policy := escalation.Policy{Remind: 20 * time.Minute, Steps: []escalation.PolicyStep{{Role: "primary"}, {After: 15 * time.Minute, Role: "sre"}, {After: 30 * time.Minute, Role: "owner"}}}
	paged := func(inc incident.Incident, calls []incident.Call, now time.Time) (pages []pager.Page) {
		for _, c := range calls {
			pages = append(pages, pager.Page{Incident: inc.ID(), Step: c.Step, Role: c.Role, Person: "operator", Channel: "conversation",
				Text: c.Text, Queued: now, Due: c.Due, State: pager.Delivered, Attempts: 1, Sent: now})
		}
		return pages
	}
	said := func(inc incident.Incident, command string, now time.Time) []audit.Entry {
		e := audit.Entry{At: now, Kind: audit.Intent, By: "operator", Caller: "slack:U012ABCDEF", Via: "slack", Command: command,
			Cluster: "main", Incident: inc.ID(), Delivery: "slack/Ev0123456789/" + inc.ID()}
		end := e
		end.Kind, end.Text = audit.Outcome, "done"
		return []audit.Entry{e, end}
	}
	inc, _, err := db.Declare(ctx, "", func(number uint64) change.Change {
		inc, eff := incident.New(number, incident.Declaration{Cluster: "main", Title: "no clients can connect to edge1", Priority: incident.P0, By: "operator", Clocks: escalation.Clocks(incident.P0, policy, at)}, at)
		return change.Change{Incident: &inc, Entries: eff.Entries, Pages: paged(inc, eff.Pages, at), Audit: said(inc, "declare", at)}
	})
	if err != nil {
		return err
	}
	run, err := db.Request(ctx, func(number uint64) change.Change {
		return change.Change{Run: &runbook.Run{Number: number, Action: "restart", Args: actions.Args{"target": "edge1"}, Cluster: "main", Incident: inc.ID(), By: "operator",
			Asked: at, Title: "Restart edge1", Class: actions.Do, Why: "edge1 is one of two edges", Targets: []string{"main/edge1"}, Preview: []string{"make start_edge1"}, State: runbook.Waiting}}
	})
	if err != nil {
		return err
	}
	run.State, run.Started, run.Ended, run.Outcome = runbook.Done, at.Add(2*time.Minute), at.Add(3*time.Minute), "done in 2.5 s"
	last := change.Change{Run: &run}
	events := []incident.Event{
		incident.Noted{By: incident.Bot, Kind: incident.KindDiagnosed, Text: "edge1 down; core, edge2 healthy: no process runs as iris_edge1, nothing accepts connections on 127.0.0.1:8085"},
		incident.Acked{By: "operator"},
		incident.Noted{By: "operator", Kind: incident.KindRequested, Text: run.ID() + " asked for: Restart edge1"},
		incident.Noted{By: "operator", Kind: incident.KindDecided, Text: run.ID() + " confirmed"},
	}
	for _, s := range []string{"stop edge1", "archive log of edge1", "start edge1", "wait for edge1", "mesh edge1", "log in to edge1"} {
		run.Steps = append(run.Steps, runbook.StepRecord{Name: s, State: runbook.StepDone, Started: at.Add(2 * time.Minute), Ended: at.Add(3 * time.Minute), Evidence: "edge1 is pid 28930, iris_edge runs, login in 5.7 ms"})
		events = append(events, incident.Noted{By: incident.Bot, Kind: incident.KindStep, Text: run.ID() + " " + s + ": done, 218 ms"})
	}
	events = append(events, incident.Noted{By: "operator", Kind: incident.KindNote, Text: "edge1 was killed by the kernel: out of memory"},
		incident.Verified{By: "operator", OK: true, Summary: "login and message verified on all 2 edges"},
		incident.DeclaredRecovered{By: "operator"}, incident.DeclaredResolved{By: "operator"})
	for i, event := range events {
		now := at.Add(time.Duration(i*20) * time.Second)
		next, eff, err := incident.Apply(inc, event, now)
		if err != nil {
			return err
		}
		inc = next
		last.Entries = append(last.Entries, eff.Entries...)
		last.Pages = append(last.Pages, paged(inc, eff.Pages, now)...)
	}
	for _, command := range []string{"ack", "restart", "confirm", "note", "recovered", "resolve"} {
		last.Audit = append(last.Audit, said(inc, command, at)...)
	}
	last.Incident = &inc
	return db.Commit(ctx, last)
}
