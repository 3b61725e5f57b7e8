package schedule

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// irisops is killed while a run is under way: how it ended is not known, and that
// is what is said until somebody knows better.
func TestAnInterruptedRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(t, time.UTC, "2026-03-01 03:29")
		e := Entry{Name: "backup", When: spec(t, "30 3 * * *", 0, time.UTC), Late: 6 * time.Hour}
		d, kept := &desk{zone: time.UTC, lost: true}, &memory{}
		l := d.loop(kept, e)
		live(t, l, 2*time.Minute)
		last := func(want Result) {
			t.Helper()
			if s := kept.states["backup"]; s.Last == nil || s.Last.Result != want || s.Last.Due.Format(time.RFC3339) != "2026-03-01T03:30:00Z" {
				t.Fatalf("the last one is %+v, want %s", s.Last, want)
			}
		}
		last(Started)
		l = d.loop(kept, e)
		live(t, l, time.Minute)
		last(Unknown)
		if text := kept.states["backup"].Last.Text; !strings.Contains(text, "restarted") {
			t.Errorf("it says %q", text)
		}
		l.Ended(t.Context(), "schedule/backup/2026-02-28T03:30:00Z", Failed, "")
		last(Unknown)
		l.Ended(t.Context(), "schedule/backup/2026-03-01T03:30:00Z", Done, "")
		last(Done)
		live(t, d.loop(kept, e), time.Minute)
		last(Done)
	})
}

// The clock stood at 2027 for a minute, as a machine's may until it has asked for
// the time. The nightly backup is not put off for a year.
func TestTheClockWasFarAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(t, time.UTC, "2026-03-01 12:00")
		daily := Entry{Name: "backup", When: spec(t, "30 3 * * *", 0, time.UTC), Late: 6 * time.Hour}
		monthly := Entry{Name: "drill", When: spec(t, "0 10 * * TUE", 1, time.UTC), Late: 10 * time.Minute}
		d, kept := &desk{zone: time.UTC}, &memory{}
		l := d.loop(kept, daily, monthly)
		live(t, l, time.Minute)
		l.now = func() time.Time { return time.Now().AddDate(1, 0, 0) }
		live(t, l, time.Minute)
		l.now = nil
		live(t, l, 72*time.Hour)
		want := []string{"Mon 2026-03-02 03:30 backup", "Tue 2026-03-03 03:30 backup", "Tue 2026-03-03 10:00 drill", "Wed 2026-03-04 03:30 backup"}
		if diff := cmp.Diff(want, d.ran); diff != "" {
			t.Errorf("ran (-want +got):\n%s", diff)
		}
	})
}
