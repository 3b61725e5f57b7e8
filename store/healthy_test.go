package store

import (
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func healthy(name, mode string, at time.Time) cluster.Healthy {
	return cluster.Healthy{Cluster: name, Mode: mode, At: at, Verdict: "all 3 nodes healthy",
		Findings: []cluster.Finding{{Check: "process", Node: "core", Result: actions.OK, Evidence: "pid 1", Next: "verify", Code: "x", Mark: "pid 1 from 7"}},
		Cores: []cluster.MnesiaState{{Node: "core", State: "yes", Members: []string{"core"}, Running: []string{"core"}, Folder: "/srv/iris/Mnesia",
			Figures: map[string]int64{"transaction_commits": 3},
			Tables:  []cluster.MnesiaTable{{Name: "offline_msg", Storage: "memory and disc", Records: 12, Bytes: 1 << 40, Copies: []string{"core"}, Write: []string{"core"}}}}}}
}

// The last healthy diagnosis of each cluster and mode is kept whole, replaces the
// one before, and outlives the process.
func TestLastHealthy(t *testing.T) {
	db := memory(t)
	if kept := value(db.LastHealthy("main"))(t); len(kept) != 0 {
		t.Fatalf("a new database has %v", kept)
	}
	must(t, db.KeepHealthy(t.Context(), healthy("main", "quick", t0)))
	must(t, db.KeepHealthy(t.Context(), healthy("main", "full", t0.Add(time.Minute))))
	must(t, db.KeepHealthy(t.Context(), healthy("main2", "full", t0.Add(time.Hour))))
	newest := healthy("main", "quick", t0.Add(2*time.Minute))
	newest.Findings = nil
	must(t, db.KeepHealthy(t.Context(), newest))

	want := []cluster.Healthy{newest, healthy("main", "full", t0.Add(time.Minute))}
	got := value(db.LastHealthy("main"))(t)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(cluster.Finding{})); diff != "" {
		t.Errorf("(-) kept, (+) read:\n%s", diff)
	}
	path := db.Path()
	must(t, db.Close())
	got = value(open(t, path, Options{}).LastHealthy("main"))(t)
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(cluster.Finding{})); diff != "" {
		t.Errorf("(-) kept, (+) read after a restart:\n%s", diff)
	}
	if err := db.KeepHealthy(t.Context(), cluster.Healthy{}); err == nil {
		t.Error("a closed database keeps something")
	}
}
