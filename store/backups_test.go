package store

import (
	"testing"
	"time"

	"irisops/actions/backup"

	"github.com/google/go-cmp/cmp"
)

// What is known of backups is kept whole, by cluster, the oldest first, and
// outlives the process.
func TestBackups(t *testing.T) {
	db := memory(t)
	if all := value(db.Backups("main"))(t); len(all) != 0 {
		t.Fatalf("a new database has %v", all)
	}
	made := func(cluster string, at time.Time) backup.Backup {
		return backup.Backup{ID: backup.NewID("core", at), Cluster: cluster, Node: "core", Path: "/var/backups/x.bak", By: "operator", At: at, Bytes: 1 << 40,
			Sum: "00ff", Records: map[string]int64{"offline_msg": 12}, Verified: at.Add(time.Second)}
	}
	second, first := made("main", t0.Add(time.Hour)), made("main", t0)
	for _, b := range []backup.Backup{second, first, made("main2", t0)} {
		must(t, db.KeepBackup(t.Context(), b))
	}
	first.Damage, first.Removed = "cut short", t0.Add(2*time.Hour)
	must(t, db.KeepBackup(t.Context(), first))
	want := []backup.Backup{first, second}
	if diff := cmp.Diff(want, value(db.Backups("main"))(t)); diff != "" {
		t.Errorf("(-) kept, (+) read:\n%s", diff)
	}
	path := db.Path()
	must(t, db.Close())
	if diff := cmp.Diff(want, value(open(t, path, Options{}).Backups("main"))(t)); diff != "" {
		t.Errorf("(-) kept, (+) read after a restart:\n%s", diff)
	}
}
