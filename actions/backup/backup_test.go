package backup_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"irisops/actions/backup"
)

func draw(t *rapid.T) []backup.Backup {
	var all []backup.Backup
	for i := range rapid.IntRange(0, 12).Draw(t, "backups") {
		b := backup.Backup{ID: backup.NewID("core", time.Unix(int64(i), 0)), Cluster: rapid.SampledFrom([]string{"main", "main", "lab"}).Draw(t, "cluster"),
			At: time.Unix(rapid.Int64Range(0, 20).Draw(t, "at"), 0)}
		switch rapid.SampledFrom([]string{"good", "good", "never", "damaged", "removed"}).Draw(t, "state") {
		case "good":
			b.Verified = b.At
		case "damaged":
			b.Verified, b.Damage = b.At, "cut short"
		case "removed":
			b.Verified, b.Removed = b.At, b.At
		}
		all = append(all, b)
	}
	return all
}

// Whatever there is and however much is kept: the newest good backup stays, so
// many good ones stay as there are to be kept, and nothing newer goes before
// something older.
func TestWhatIsSurplus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all, keep := draw(t), rapid.IntRange(0, 6).Draw(t, "keep")
		gone := map[string]bool{}
		var last time.Time
		for _, b := range backup.Surplus(all, "main", keep) {
			if b.Cluster != "main" || !b.Removed.IsZero() || gone[b.ID] || b.At.Before(last) {
				t.Fatalf("surplus is %+v", b)
			}
			gone[b.ID], last = true, b.At
		}
		newest, found := backup.Newest(all, "main")
		good, left := 0, 0
		for _, b := range all {
			if b.Cluster == "main" && b.Good() {
				good++
				if !gone[b.ID] {
					left++
				}
				if b.At.After(newest.At) {
					t.Fatalf("%s is newer than the newest", b.ID)
				}
			}
			for _, other := range all {
				if gone[b.ID] && other.Cluster == "main" && other.Removed.IsZero() && !gone[other.ID] && other.At.Before(b.At) {
					t.Fatalf("%s goes and the older %s stays", b.ID, other.ID)
				}
			}
		}
		if found != (good > 0) || gone[newest.ID] || left != min(good, max(keep, 1)) {
			t.Fatalf("%d good, %d kept of %d to keep; the newest: %v", good, left, keep, newest.ID)
		}
	})
}

func TestIDs(t *testing.T) {
	if id := backup.NewID("core", time.Date(2026, 3, 1, 4, 15, 0, 0, time.FixedZone("CET", 3600))); id != "B-20260301T031500-core" || !backup.IDs.MatchString(id) {
		t.Error(id)
	}
	for _, id := range []string{"", "B-", "B-20260301T031500-", "B-20260301T031500-../x", "b-20260301T031500-core", "B-20260301T031500-core\n"} {
		if backup.IDs.MatchString(id) {
			t.Errorf("%q is taken for an id", id)
		}
	}
}
