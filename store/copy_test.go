package store

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"irisops/actions"
	"irisops/bot/change"
	"irisops/bot/incident"
)

func declareIn(t *testing.T, db *DB, title string) {
	t.Helper()
	_, _, err := db.Declare(t.Context(), "", func(n uint64) change.Change {
		inc, eff := incident.New(n, incident.Declaration{Cluster: "main", Priority: incident.P3, Title: title, By: "operator"}, t0)
		return change.Change{Incident: &inc, Entries: eff.Entries}
	})
	must(t, err)
}

func copyOf(t *testing.T, db *DB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "backup.db")
	var b bytes.Buffer
	told := int64(-1)
	must(t, db.Copy(func(size int64) error { told = size; return nil }, &b))
	if told != int64(b.Len()) {
		t.Errorf("%d bytes were announced and %d came", told, b.Len())
	}
	must(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path
}

// TestCopyWhileInUse copies again and again while others write: each copy is
// whole, and has what was committed before it began.
func TestCopyWhileInUse(t *testing.T) {
	db := value(Open(filepath.Join(t.TempDir(), "irisops.db"), Options{noSync: true}))(t)
	defer db.Close()
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				declareIn(t, db, "in between")
			}
		}
	})
	for range 8 {
		before := len(value(db.OpenIncidents())(t))
		path := copyOf(t, db)
		if schema := value(Check(path))(t); schema != uint64(len(migrations)) {
			t.Errorf("the copy has schema %d", schema)
		}
		again := value(Open(path, Options{}))(t)
		if after := len(value(again.OpenIncidents())(t)); after < before {
			t.Errorf("the copy has %d incidents, and %d were there before", after, before)
		}
		must(t, again.Close())
	}
	close(stop)
	writing.Wait()
}

func TestCopyToAFullDisk(t *testing.T) {
	db := memory(t)
	full := errors.New("no room")
	if err := db.Copy(func(int64) error { return full }, io.Discard); !errors.Is(err, full) {
		t.Errorf("it ends with %v", err)
	}
	declareIn(t, db, "and goes on")
}

func TestRestore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "irisops.db")
	db := value(Open(path, Options{}))(t)
	declareIn(t, db, "first")
	backup := copyOf(t, db)
	declareIn(t, db, "second")

	if _, err := Restore(path, backup, t0); actions.CodeOf(err) != CodeLocked {
		t.Errorf("while it is in use: %v", err)
	}
	must(t, db.Close())
	if _, err := Restore(path, path, t0); err == nil || !strings.Contains(err.Error(), "itself") {
		t.Errorf("from itself: %v", err)
	}
	broken := filepath.Join(t.TempDir(), "broken.db")
	text := value(os.ReadFile(backup))(t)
	must(t, os.WriteFile(broken, text[:len(text)/2], 0o600))
	if _, err := Restore(path, broken, t0); err == nil {
		t.Error("half a backup was restored")
	}
	kept := value(Restore(path, backup, t0))(t)
	for file, want := range map[string]int{path: 1, kept: 2} {
		db := value(Open(file, Options{}))(t)
		if got := len(value(db.OpenIncidents())(t)); got != want {
			t.Errorf("%s has %d incidents, want %d", filepath.Base(file), got, want)
		}
		must(t, db.Close())
		if info := value(os.Stat(file))(t); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", filepath.Base(file), info.Mode().Perm())
		}
	}
	fresh := filepath.Join(t.TempDir(), "new", "irisops.db")
	if kept := value(Restore(fresh, backup, t0))(t); kept != "" {
		t.Errorf("where nothing stood it kept %q", kept)
	}
	db = value(Open(fresh, Options{}))(t)
	must(t, db.Close())
}

// TestRestoreKeepsTheOwner: root restores what another account uses.
func TestRestoreKeepsTheOwner(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "irisops.db")
	db := value(Open(path, Options{}))(t)
	backup := copyOf(t, db)
	must(t, db.Close())
	want := os.Geteuid() // only root can give files away
	if want == 0 {
		want = 65534
		must(t, os.Chown(path, want, want))
	}
	value(Restore(path, backup, t0))(t)
	if owner := value(os.Stat(path))(t).Sys().(*syscall.Stat_t).Uid; int(owner) != want {
		t.Errorf("the restored database belongs to %d, the one before to %d", owner, want)
	}
	must(t, os.Remove(path))
	if want == 65534 {
		must(t, os.Chown(dir, want, want))
	}
	value(Restore(path, backup, t0))(t)
	if owner := value(os.Stat(path))(t).Sys().(*syscall.Stat_t).Uid; int(owner) != want {
		t.Errorf("where none stood, it belongs to %d, the folder to %d", owner, want)
	}
}
