package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/bot/incident"
	"irisops/bot/watch"
)

// What watch did is kept in its order, for each cluster on its own, and no more of
// it than people can read.
func TestWatchedIsKeptAndBounded(t *testing.T) {
	db := memory(t)
	event := func(cluster string, n int) watch.Event {
		return watch.Event{At: t0.Add(time.Duration(n) * time.Minute), Cluster: cluster, Became: "would declare P1",
			Symptom: watch.Symptom{Cause: fmt.Sprintf("node/edge%d", n), Priority: incident.P1, Title: "edge is gone", Seen: "no process", Nodes: []string{fmt.Sprintf("edge%d", n)}}}
	}
	var all []watch.Event
	for n := range watch.MostEvents + 7 {
		all = append(all, event("main", n))
	}
	must(t, db.KeepWatched(t.Context(), "main", all[:3]))
	must(t, db.KeepWatched(t.Context(), "mainland", []watch.Event{event("mainland", 1)}))
	must(t, db.KeepWatched(t.Context(), "main", all[3:]))
	if diff := cmp.Diff(all[7:], value(db.Watched("main"))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]watch.Event{event("mainland", 1)}, value(db.Watched("mainland"))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := value(db.Watched("other"))(t); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	audited(t, db, t0)
}
