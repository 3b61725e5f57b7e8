package bot_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/inbox"
	"irisops/store"
)

// A run that is under way can be called off by whoever asked for it, and by an
// approver: the step that runs finishes, and no other starts.
func TestARunIsCalledOff(t *testing.T) {
	under, release := make(chan struct{}), make(chan struct{})
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	room, cluster := &posts{}, newFakeCluster()
	walkAction := actions.Action{Name: "walk", Summary: "walks", Example: "walk", Plan: func(context.Context, actions.Request) (actions.Plan, error) {
		done := func(context.Context) (string, error) { return "done", nil }
		return actions.Plan{Title: "Walk", Class: actions.Do, Why: "it walks", Targets: []string{"main/edge2"}, Steps: []actions.Step{
			{Name: "first", Describe: "a step", Perform: func(context.Context) (string, error) { close(under); <-release; return "done", nil }},
			{Name: "second", Describe: "a step", Perform: done}}}, nil
	}}
	b, err := bot.New(bot.Options{Store: db, Rooms: []bot.Room{room}, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		Clusters: []bot.Cluster{{Name: "main", Actions: append(cluster.actions(), walkAction), Summary: cluster.summary}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(b.Stop(context.Background()), db.Close()); err != nil {
			t.Error(err)
		}
	})
	b.Handle(t.Context(), inbox.Delivery{ID: "1", Caller: "demo:operator", Text: "walk"}).Wait()
	walk := b.Handle(t.Context(), inbox.Delivery{ID: "2", Caller: "demo:operator", Text: "confirm REQ-1"})
	<-under
	if code := b.Handle(t.Context(), inbox.Delivery{ID: "3", Caller: "demo:guest", Text: "deny REQ-1"}).Wait(); code != bot.ExitRefused {
		t.Errorf("a guest called it off: %d", code)
	}
	if code := b.Handle(t.Context(), inbox.Delivery{ID: "4", Caller: "demo:second", Text: "deny REQ-1 the owner is on it"}).Wait(); code != bot.ExitDone {
		t.Errorf("code %d: %+v", code, room.reply("4"))
	}
	if m := room.reply("4"); !strings.HasPrefix(m.Title, "REQ-1 stops: the step under way finishes") {
		t.Errorf("%+v", m)
	}
	close(release)
	if code := walk.Wait(); code != bot.ExitRefused {
		t.Errorf("code %d", code)
	}
	r, err := db.Run(1)
	if err != nil || r.State != runbook.Cancelled || r.Steps[0].State != runbook.StepDone || r.Steps[1].State != runbook.StepSkipped ||
		r.Outcome != "stopped before step 2 of 2 (second): called off by second: the owner is on it" {
		t.Errorf("%+v, %v", r, err)
	}
	// It is forgotten with the run.
	if code := b.Handle(t.Context(), inbox.Delivery{ID: "5", Caller: "demo:operator", Text: "restart edge1", Yes: true, Received: time.Now()}).Wait(); code != bot.ExitDone {
		t.Errorf("code %d", code)
	}
}
