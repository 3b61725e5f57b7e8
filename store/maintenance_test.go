package store

import (
	"testing"
	"time"

	"irisops/bot/change"

	"github.com/google/go-cmp/cmp"
)

func TestMaintenance(t *testing.T) {
	db := memory(t)
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	work := func(cluster, reason string, at time.Time) change.Maintenance {
		return change.Maintenance{Cluster: cluster, By: "operator", At: at, Until: at.Add(time.Hour), Reason: reason}
	}
	stands := func(want ...change.Maintenance) {
		t.Helper()
		got, err := db.Maintenance()
		must(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("stands (-want +got):\n%s", diff)
		}
	}
	stands()
	second, first := work("second", "disks", at), work("main", "switches", at)
	must(t, db.BeginMaintenance(t.Context(), second))
	must(t, db.BeginMaintenance(t.Context(), first))
	stands(first, second)
	again := work("main", "switches again", at.Add(time.Minute))
	must(t, db.BeginMaintenance(t.Context(), again))
	stands(again, second)
	must(t, db.EndMaintenance(t.Context(), "main", first.At)) // an old end
	stands(again, second)
	must(t, db.EndMaintenance(t.Context(), "main", again.At))
	must(t, db.EndMaintenance(t.Context(), "second", second.At))
	stands()
	if err := db.BeginMaintenance(t.Context(), change.Maintenance{Cluster: "main", At: at, Until: at}); err == nil {
		t.Error("one without a length was recorded")
	}
}

func TestMaintenanceStands(t *testing.T) {
	at := time.Date(2026, 3, 1, 2, 0, 0, 0, time.UTC)
	m := change.Maintenance{At: at, Until: at.Add(time.Hour)}
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {59 * time.Minute, true}, {time.Hour, false}, {-time.Hour, true}, {-61 * time.Minute, false}} {
		if got := m.Stands(at.Add(c.after)); got != c.want {
			t.Errorf("after %s: %v", c.after, got)
		}
	}
}
