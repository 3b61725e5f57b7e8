package bot_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/escalation"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/store"
)

// nowhere is a room that shows nothing.
type nowhere struct{}

// Publish implements bot.Room.
func (nowhere) Publish(context.Context, bot.Post) error { return nil }

// BenchmarkCommand is what a command takes from its arrival to its answer: kept,
// carried out, answered, with all that has to be on the disk by then. The cluster
// is a fake, and ten incidents are open.
func BenchmarkCommand(b *testing.B) {
	db, err := store.Open(filepath.Join(b.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	cluster := newFakeCluster()
	talk, err := bot.New(bot.Options{
		Store: db, Rooms: []bot.Room{nowhere{}}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		OnCall: oncall.Roster{Roles: map[string]string{"primary": "operator", "sre": "second"}},
		Policies: map[incident.Priority]escalation.Policy{incident.P2: {Respond: time.Hour,
			Steps: []escalation.PolicyStep{{After: 2 * time.Hour, Role: "primary"}, {After: 3 * time.Hour, Role: "sre"}}}},
		Clusters: []bot.Cluster{{Name: "main", Actions: cluster.actions(), Summary: cluster.summary}},
	})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := talk.Stop(context.Background()); err != nil {
			b.Error(err)
		}
	}()
	said := 0
	hear := func(text string) *bot.Outcome {
		said++
		return talk.Handle(context.Background(), inbox.Delivery{ID: fmt.Sprint("said/", said), Via: "terminal", Caller: "demo:operator", Text: text, Received: time.Now().UTC()})
	}
	done := func(b *testing.B, text string) {
		if code := hear(text).Code(); code != bot.ExitDone {
			b.Fatalf("%s ends with %d", text, code)
		}
	}
	for n := range 10 {
		hear(fmt.Sprintf("declare P2 \"outage %d\"", n)).Wait()
	}
	for _, text := range []string{"whoami", "help", "status", "incidents", "timeline --incident INC-1", "escalation --incident INC-1", "ack --incident INC-2", "note --incident INC-3 \"looking\"", "audit"} {
		b.Run(name(text), func(b *testing.B) {
			b.ReportAllocs()
			done(b, text)
			for b.Loop() {
				hear(text)
			}
		})
	}
	b.Run("declare", func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; b.Loop(); n++ {
			out := hear(fmt.Sprintf("declare P2 \"another %d\"", n))
			b.StopTimer()
			out.Wait() // its first diagnosis
			all, err := db.LastIncidents(1)
			if err != nil || len(all) != 1 {
				b.Fatal(err)
			}
			hear("resolve --incident " + all[0].ID() + " \"measured\"").Wait()
			b.StartTimer()
		}
	})
}

// name is the first word of a command.
func name(text string) string {
	var word string
	fmt.Sscan(text, &word)
	return word
}

// BenchmarkDay replays the events of a day in a process of its own; see TestDay.
func BenchmarkDay(b *testing.B) {
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "day.json")
		cmd := exec.Command(os.Args[0], "-test.run", "^TestDay$", "-test.count", "1")
		cmd.Env = append(os.Environ(), dayResult+"="+path)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		var d day
		if err := json.Unmarshal(text, &d); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(d.Early.Heap, "MB-heap-noon")
		b.ReportMetric(d.Late.Heap, "MB-heap")
		b.ReportMetric(d.Late.Process, "MB-process")
		b.ReportMetric(float64(d.Late.Goroutines-d.Early.Goroutines), "goroutines-more")
		b.ReportMetric(d.Growth, "bytes/incident")
		b.ReportMetric(float64(d.Rounds), "watch-rounds")
		b.ReportMetric((cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), "cpu-s/day")
		b.ReportMetric(0, "ns/op")
	}
}
