package store

import (
	"testing"
	"time"

	"irisops/actions/drill"
	"irisops/bot/schedule"

	"github.com/google/go-cmp/cmp"
)

func TestSchedulesAreKept(t *testing.T) {
	db := memory(t)
	set := func(name string, change func(*schedule.State)) {
		t.Helper()
		must(t, db.AmendSchedule(t.Context(), name, func(s *schedule.State) bool {
			if s.Name != name {
				t.Errorf("it is called %q", s.Name)
			}
			change(s)
			return true
		}))
	}
	set("drill", func(s *schedule.State) { s.Spec, s.Next = "0 10 * * TUE UTC week 1", t0 })
	set("backup", func(s *schedule.State) { s.Next = t0.Add(time.Hour) })
	set("drill", func(s *schedule.State) {
		s.Paused = &schedule.Pause{By: "owner", At: t0, Reason: "new edges"}
		s.Last = &schedule.Outcome{Due: t0, At: t0.Add(time.Second), Result: schedule.Skipped, Text: "INC-1 is open"}
	})
	must(t, db.AmendSchedule(t.Context(), "backup", func(s *schedule.State) bool { s.Next = time.Time{}; return false }))
	want := []schedule.State{
		{Name: "backup", Next: t0.Add(time.Hour)},
		{Name: "drill", Spec: "0 10 * * TUE UTC week 1", Next: t0, Paused: &schedule.Pause{By: "owner", At: t0, Reason: "new edges"},
			Last: &schedule.Outcome{Due: t0, At: t0.Add(time.Second), Result: schedule.Skipped, Text: "INC-1 is open"}},
	}
	if diff := cmp.Diff(want, value(db.Schedules())(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := db.AmendSchedule(t.Context(), "", func(*schedule.State) bool { return true }); err == nil {
		t.Error("one without a name is kept")
	}
}

func TestDrillsAreKept(t *testing.T) {
	db := memory(t)
	r := func(day int, cluster string) drill.Record {
		at := t0.AddDate(0, 0, day)
		return drill.Record{Schema: 1, ID: drill.IDOf(at, "edge1"), Cluster: cluster, Victim: "edge1", At: at, Verdict: drill.Running,
			Stages: []drill.Stage{{Name: drill.StageDetected, After: 0.25}}, Others: drill.Probes{Sent: 3, Delivered: 3}}
	}
	late, early, other := r(30, "main"), r(1, "main"), r(2, "second")
	for _, one := range []drill.Record{late, other, early} {
		must(t, db.KeepDrill(t.Context(), one))
	}
	late.Verdict, late.Recovery = drill.Passed, 4.5
	must(t, db.KeepDrill(t.Context(), late))
	if diff := cmp.Diff([]drill.Record{early, late}, value(db.Drills("main"))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
