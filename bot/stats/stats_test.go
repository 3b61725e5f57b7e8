package stats

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/bot/incident"
)

func took(p incident.Priority, declared time.Time, ack, recover time.Duration) incident.Incident {
	inc := incident.Incident{Priority: p, DeclaredAt: declared, State: incident.Resolved, ResolvedAt: declared.Add(time.Hour)}
	if ack >= 0 {
		inc.AnsweredAt = declared.Add(ack)
	}
	if recover >= 0 {
		inc.RecoveredAt = declared.Add(recover)
	}
	return inc
}

func TestCompute(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	minutes := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	may := time.Date(2026, 5, 10, 12, 0, 0, 0, time.UTC)
	june := time.Date(2026, 5, 31, 23, 30, 0, 0, time.UTC) // June already in Paris
	drill, merged := took(incident.P0, may, minutes(1), minutes(1)), took(incident.P0, may, minutes(1), minutes(1))
	drill.Drill, merged.MergedInto = true, 7
	open := incident.Incident{Priority: incident.P1, DeclaredAt: june, State: incident.Open, Unanswered: june.Add(minutes(15))}
	again := took(incident.P1, june, minutes(4), minutes(90))
	again.Reopenings = 1
	back := took(incident.P2, june, minutes(-3), minutes(-1)) // -1 is "never" only for this helper's arguments
	back.AnsweredAt, back.RecoveredAt = june.Add(-minutes(3)), june.Add(-minutes(1))
	got := Compute([]incident.Incident{
		took(incident.P0, may, minutes(2), minutes(10)), took(incident.P0, may, minutes(8), minutes(40)), took(incident.P0, may, minutes(4), -1),
		took(incident.P0, may, -1, -1), drill, merged, open, again, back,
	}, paris)
	month := func(m time.Month) time.Time { return time.Date(2026, m, 1, 0, 0, 0, 0, paris) }
	want := []Row{
		{Month: month(6), Priority: incident.P1, Count: 2, Open: 1, Unanswered: 1, Reopened: 1, Acknowledge: Span{1, minutes(4), minutes(4)}, Recover: Span{1, minutes(90), minutes(90)}},
		{Month: month(6), Priority: incident.P2, Count: 1, Acknowledge: Span{1, 0, 0}, Recover: Span{1, 0, 0}},
		{Month: month(5), Priority: incident.P0, Count: 4, Unanswered: 1, Acknowledge: Span{3, minutes(4), minutes(8)}, Recover: Span{2, minutes(25), minutes(40)}},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if rows := Compute([]incident.Incident{drill, merged}, time.UTC); len(rows) > 0 {
		t.Errorf("%+v", rows)
	}
}

// Nothing is lost or counted twice, and no median is longer than the longest.
func TestComputeCountsEachOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []incident.Incident
		counted := 0
		for range rapid.IntRange(0, 30).Draw(t, "incidents") {
			inc := took(rapid.SampledFrom(incident.Priorities).Draw(t, "priority"), time.Unix(rapid.Int64Range(1_700_000_000, 1_790_000_000).Draw(t, "declared"), 0),
				time.Duration(rapid.IntRange(-1, 3600).Draw(t, "ack"))*time.Second, time.Duration(rapid.IntRange(-1, 3600).Draw(t, "recover"))*time.Second)
			inc.Drill = rapid.IntRange(0, 4).Draw(t, "drill") == 0
			if !inc.Drill {
				counted++
			}
			list = append(list, inc)
		}
		sum := 0
		for _, r := range Compute(list, time.UTC) {
			sum += r.Count
			for _, s := range []Span{r.Acknowledge, r.Recover} {
				if s.Count > r.Count || s.Median > s.Longest || s.Median < 0 {
					t.Fatalf("%+v", r)
				}
			}
		}
		if sum != counted {
			t.Fatalf("%d of %d", sum, counted)
		}
	})
}
