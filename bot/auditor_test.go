package bot_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/store"
)

// forgetful is a store that has lost its timers, as a bug or a damaged index
// would: the incidents are there, and nobody is woken for them.
type forgetful struct {
	*store.DB
	mu     sync.Mutex
	lost   bool
	stuck  bool // and does not let anything be repaired
	repair int
}

func (f *forgetful) forget(lost, stuck bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lost, f.stuck = lost, stuck
}

func (f *forgetful) forgot() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

func (f *forgetful) Due(now time.Time, limit int) ([]incident.Incident, error) {
	if f.forgot() {
		return nil, nil
	}
	return f.DB.Due(now, limit)
}

func (f *forgetful) NextDue() (time.Time, bool, error) {
	if f.forgot() {
		return time.Time{}, false, nil
	}
	return f.DB.NextDue()
}

func (f *forgetful) Rearm(ctx context.Context) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stuck {
		return 0, errors.New("no space left on device")
	}
	f.repair++
	f.lost = false
	return 1, nil
}

// Promise 6: the auditor lets the heartbeat go out only while every open incident
// has its next deadline armed and none is overdue. It is tested by breaking it.
func TestPromise6TheAuditorStopsTheHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db, err := store.Open(t.TempDir()+"/irisops.db", store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := &forgetful{DB: db}
		var mu sync.Mutex
		var beats []time.Time
		beatsIn := func(d time.Duration) int {
			mu.Lock()
			before := len(beats)
			mu.Unlock()
			<-time.After(d)
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return len(beats) - before
		}
		room, cluster := &posts{}, newFakeCluster()
		b, err := bot.New(bot.Options{
			Store: f, Rooms: []bot.Room{room}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
			OnCall:   oncall.Roster{Roles: map[string]string{"primary": "operator", "sre": "second", "owner": "owner"}},
			Policies: map[incident.Priority]escalation.Policy{incident.P0: {Steps: []escalation.PolicyStep{{After: 15 * time.Minute, Role: "sre"}, {After: 45 * time.Minute, Role: "owner"}}}},
			Clusters: []bot.Cluster{{Name: "main", Actions: cluster.actions(), Summary: cluster.summary}},
			Heartbeat: bot.Heartbeat{Every: time.Minute, Beat: func(context.Context) error {
				mu.Lock()
				defer mu.Unlock()
				beats = append(beats, time.Now())
				return nil
			}},
		})
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
		say(b, `operator: declare P0 "no clients can connect"`, "d1")
		if n := beatsIn(10 * time.Minute); n < 9 || n > 11 {
			t.Errorf("%d heartbeats in 10 minutes", n)
		}
		titles := func() string { return strings.Join(room.titles(), "\n") }
		if strings.Contains(titles(), "deadlines") || b.Oversight().Looked.IsZero() {
			t.Errorf("with nothing wrong: %+v\n%s", b.Oversight(), titles())
		}

		f.forget(true, true) // the step at 15 minutes will not fire, and cannot be repaired
		beatsIn(6 * time.Minute)
		if n := beatsIn(9 * time.Minute); n != 0 {
			t.Errorf("%d heartbeats while a step is overdue", n)
		}
		contains(t, "the conversation", titles(), "irisops found that deadlines are not kept", "operator (audit:operator): irisops found that deadlines are not kept: INC-1: step P0/15m is overdue")
		if n := strings.Count(titles(), "operator (audit:operator)"); n != 1 {
			t.Errorf("paged %d times within 10 minutes", n)
		}
		if n := strings.Count(titles(), "irisops found that deadlines are not kept.\n"); n != 1 {
			t.Errorf("told %d times within 10 minutes", n)
		}
		if o := b.Oversight(); o.Trouble == "" || !o.HeldTill.After(time.Now()) {
			t.Errorf("%+v", o)
		}
		say(b, "operator: page status", "d2")

		f.forget(true, false) // now it can
		<-time.After(time.Minute)
		synctest.Wait()
		if f.repair != 1 {
			t.Errorf("repaired %d times", f.repair)
		}
		contains(t, "the conversation", titles(), "second (sre): INC-1 P0 not recovered after 15 minutes", "late by")
		if n := beatsIn(8 * time.Minute); n != 0 {
			t.Errorf("%d heartbeats soon after the trouble: nobody outside would notice", n)
		}
		if n := beatsIn(10 * time.Minute); n < 6 {
			t.Errorf("%d heartbeats in 10 minutes after the end of the trouble", n)
		}
	})
}
