package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"irisops/actions/drill"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
	"irisops/actions/runbook"
	"irisops/bot/inbox"
	"irisops/cmd/irisops/config"
)

// TestDrillBySchedule has the calendar ask for a drill on a real lab, with the
// binary's own wiring: a victim is drawn, a second person agrees, it dies by kill
// -9, is recovered, and the report says how long that took.
func TestDrillBySchedule(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{})
	text, err := os.ReadFile(l.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	before := pids(t, l)
	text = bytes.Replace(text, []byte("drill: {notice: 10s}"), []byte("drill: {notice: 2s, limit: 2m}"), 1)
	text = append(text, "schedules: {drill: {cron: \"@every 5s\"}, backup: {cron: \"@every 3s\"}}\nwatch: {mode: declare, every: 1s}\n"...)
	if err := os.WriteFile(l.ConfigFile(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(l.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(cfg, overrides{demo: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	say := func(id, who, text string) int {
		return a.bot.Handle(t.Context(), inbox.Delivery{ID: id, Caller: "demo:" + who, Text: text}).Wait()
	}
	var asked runbook.Run
	tries := 0
	awaited(t, "the schedule asks for a drill", func() bool {
		runs, err := a.db.Runs(runbook.Waiting)
		for _, r := range runs { // a backup may wait for a moment too
			if r.Action == drill.Name {
				asked = r
			}
		}
		return err == nil && asked.Number != 0
	})
	if asked.By != "schedule:drill" || asked.Action != drill.Name || !strings.HasPrefix(asked.Title, "DRILL: kill edge") {
		t.Fatalf("%+v", asked)
	}
	if code := say("pause", "owner", "schedule pause drill one is enough"); code != 0 {
		t.Errorf("pause: %d", code)
	}
	if code := say("approve", "second", "approve "+asked.ID()); code != 0 {
		t.Fatalf("approve: %d", code)
	}
	awaited(t, "the drill ends", func() bool { r, err := a.db.Run(asked.Number); return err == nil && !r.Ended.IsZero() })
	run, err := a.db.Run(asked.Number)
	if err != nil {
		t.Fatal(err)
	}
	past, err := a.db.Drills(cfg.Clusters[0].Name)
	if err != nil || len(past) != 1 {
		t.Fatalf("%d drills, %v", len(past), err)
	}
	r := past[0]
	if run.State != runbook.Done || r.Verdict != drill.Passed || r.Victim != run.Args["node"] || len(r.Draw) != 2 || len(r.Stages) != 5 || r.Others.Lost != 0 || r.Victims.Lost == 0 {
		t.Errorf("%s %s\n%+v", run.State, run.Outcome, r)
	}
	if logs := files(t, l, r.Victim+".log.*Z"); len(logs) != 1 {
		t.Errorf("the log of %s, which its start truncates, is archived as %q", r.Victim, logs)
	}
	after := pids(t, l)
	for node, pid := range before {
		if (after[node] == pid) == (node == r.Victim) {
			t.Errorf("%s was pid %d and is %d; the victim is %s", node, pid, after[node], r.Victim)
		}
	}
	incidents, err := a.db.LastIncidents(10)
	if err != nil || len(incidents) != 1 || !incidents[0].Drill || !incidents[0].Over() {
		t.Errorf("%+v, %v", incidents, err)
	}
	if code := say("report", "operator", "drill report"); code != 0 {
		t.Errorf("report: %d", code)
	}
	// And what a person asks for: a node that hangs, a port that refuses clients,
	// and one that is aborted, after which the same process serves again.
	person := func(words string, meanwhile func(drill.Record)) drill.Record {
		t.Helper()
		awaited(t, "a person asks for another", func() bool { // the diagnosis may have to turn green first
			tries++
			return say(fmt.Sprint("ask/", tries), "operator", "drill run --node edge1 "+words) == 0
		})
		waiting, err := a.db.Runs(runbook.Waiting)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range waiting {
			if r.Action == drill.Name && r.By == "operator" {
				asked = r
			}
		}
		if code := say(fmt.Sprint("approve/", tries), "second", "approve "+asked.ID()); code != 0 {
			t.Fatalf("approve: %d", code)
		}
		newest := func() drill.Record {
			past, err := a.db.Drills(cfg.Clusters[0].Name)
			if err != nil {
				t.Fatal(err)
			}
			return past[len(past)-1]
		}
		if meanwhile != nil {
			awaited(t, "the drill strikes", func() bool { r := newest(); return r.At.Format(time.RFC3339) == asked.Args["at"] && !r.Struck.IsZero() })
			meanwhile(newest())
		}
		awaited(t, "the drill "+words+" ends", func() bool { r, err := a.db.Run(asked.Number); return err == nil && !r.Ended.IsZero() })
		return newest()
	}
	if r := person("--fault pause", nil); r.Fault != drill.Pause || r.Verdict != drill.Passed {
		t.Errorf("%+v", r)
	}
	if r := person("--fault block", nil); r.Fault != drill.Block || r.Verdict != drill.Passed || r.Victims.Lost == 0 || r.Others.Lost != 0 {
		t.Errorf("%+v", r)
	}
	before = pids(t, l)
	r2 := person("--fault block --mode observe", func(drill.Record) {
		if code := say("abort", "second", "drill abort enough seen"); code != 0 {
			t.Errorf("abort: %d", code)
		}
	})
	if r2.Verdict != drill.Aborted || len(r2.Rollbacks) != 2 || r2.Rollbacks[0].What != "unblock the port of edge1" || !r2.Rollbacks[0].OK || !r2.Rollbacks[1].OK {
		t.Errorf("%s: %+v", r2.Headline(), r2.Rollbacks)
	}
	if after := pids(t, l); after["edge1"] != before["edge1"] {
		t.Errorf("edge1 was pid %d and is %d", before["edge1"], after["edge1"])
	}
	incidents, err = a.db.LastIncidents(10)
	if err != nil || len(incidents) != 4 {
		t.Errorf("%d incidents, %v", len(incidents), err)
	}
	for _, inc := range incidents {
		if !inc.Drill {
			t.Errorf("a real incident: %s", inc.Title)
		}
	}
	var stages []string
	for _, s := range r.Stages {
		stages = append(stages, fmt.Sprintf("%s %.1f s", s.Name, float64(s.After)))
	}
	fmt.Printf("a drill of %s on the lab: %s\nthrough it %s; outside of it %s\n", r.Victim, strings.Join(stages, ", "), r.Victims, r.Others)
}

func awaited(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(2 * time.Minute); ; {
		if done() {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it does not happen: %s", what)
		}
	}
}
