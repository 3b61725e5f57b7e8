package bot_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/oncall"
	"irisops/store"
)

// The daily report warns of a night without anybody before it comes.
func TestTheDailyReportFindsGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(t.TempDir()+"/irisops.db", store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		room, cluster := &posts{}, newFakeCluster()
		b, err := bot.New(bot.Options{Store: db, Rooms: []bot.Room{room}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
			OnCall: oncall.Roster{Roles: map[string]string{"owner": "owner"}, Shifts: map[string][]oncall.Shift{
				"sre": {{People: []string{"second"}, Days: []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}}}}},
			Clusters: []bot.Cluster{{Name: "main", Actions: cluster.actions(), Summary: cluster.summary}}})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := errors.Join(b.Stop(context.Background()), db.Close()); err != nil {
				t.Error(err)
			}
		}()
		say(b, "operator: report health", "d1")
		synctest.Wait()
		var said strings.Builder
		for _, p := range room.all {
			said.WriteString(p.Message.Title + "\n")
			for _, block := range p.Message.Blocks {
				said.WriteString(block.Text + "\n")
			}
		}
		contains(t, "the report", said.String(), "in who is on call", "Nobody is on call as sre from Sat 1 Jan 00:00 until Mon 3 Jan 00:00")
	})
}
