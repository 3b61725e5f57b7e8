package bot_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/schedule"
	"irisops/store"
)

// onCalendar is a bot that restarts edge2 every night at 03:00, and tells the on-call a
// minute later, on the first of two clusters.
func onCalendar(t *testing.T, db *store.DB) (*bot.Bot, *posts, *fakeCluster) {
	t.Helper()
	entry := func(name, cron, words, of string) bot.Scheduled {
		when, err := schedule.Parse(cron, 0, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		return bot.Scheduled{Cluster: of, Entry: schedule.Entry{Name: name, What: name, Words: words, When: when, Late: time.Hour, Hold: schedule.Hold{Incident: true}}}
	}
	cluster, room := newFakeCluster(), &posts{}
	b, err := bot.New(bot.Options{Store: db, Rooms: []bot.Room{room}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		Clusters:  []bot.Cluster{{Name: "main", Actions: cluster.actions(), Summary: cluster.summary}, {Name: "other", Actions: cluster.actions(), Summary: cluster.summary}},
		Schedules: []bot.Scheduled{entry("renew", "0 3 * * *", "restart edge2", "main"), entry("hand-over", "1 3 * * *", "report oncall", "")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b, room, cluster
}

// irisops is killed when a run was handed over and had done nothing yet. If that was
// just now the run is made, and else it is said that it was not.
func TestARunThatWasHandedOverIsMade(t *testing.T) {
	for name, c := range map[string]struct {
		ago  time.Duration
		want schedule.Result
	}{
		"just now":    {time.Second, schedule.Done},
		"an hour ago": {time.Hour, schedule.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			due := time.Now().UTC().Add(-c.ago).Truncate(time.Second)
			err = db.AmendSchedule(t.Context(), "renew", func(s *schedule.State) bool {
				s.Spec, s.Next = "0 3 * * * UTC", time.Now().Add(time.Hour)
				s.Last = &schedule.Outcome{Due: due, At: due, Result: schedule.Started}
				return true
			})
			if err != nil {
				t.Fatal(err)
			}
			id := schedule.ID("renew", due)
			if _, err := db.Receive(t.Context(), inbox.Delivery{ID: id, Via: "schedule", Caller: "schedule:renew", Text: "restart edge2", Cluster: "main", Yes: true, Received: due}); err != nil {
				t.Fatal(err)
			}
			b, _, _ := onCalendar(t, db)
			defer b.Stop(context.Background())
			eventually(t, "it is known how the run ended", func() bool {
				states, err := db.Schedules()
				for _, s := range states {
					if s.Name == "renew" {
						return err == nil && s.Last.Result == c.want
					}
				}
				return false
			})
			if _, err := db.Run(1); (err == nil) != (c.want == schedule.Done) {
				t.Errorf("the run: %v", err)
			}
		})
	}
}

// An entry that is about no one cluster is held by an incident on any.
func TestWhatHoldsAnEntryOfNoCluster(t *testing.T) {
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, room, _ := onCalendar(t, db)
	defer b.Stop(context.Background())
	typed(b, "1", "operator", "declare P2 slow --cluster other")
	if open, err := db.OpenIncidents(); err != nil || len(open) != 1 || open[0].Cluster != "other" || open[0].State != incident.Open {
		t.Fatalf("%+v, %v", open, err)
	}
	typed(b, "2", "owner", "schedule run hand-over")
	if m := room.reply("2"); !strings.Contains(m.Title, "INC-1 P2 is open") {
		t.Errorf("with an incident on the other cluster: %+v", m)
	}
	typed(b, "3", "owner", "schedule run renew")
	if m := room.reply("3"); !strings.Contains(m.Title, "runs now") {
		t.Errorf("on the cluster without one: %+v", m)
	}
}
