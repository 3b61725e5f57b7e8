package store

import (
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"irisops/bot/pager"
)

// Whatever is broken in the indexes, Audit finds it and Rearm mends it.
func TestRearm(t *testing.T) {
	db := memory(t)
	first(t, db)
	for _, b := range []bucket{bDue, bOutbox, bSending} {
		rows := rowsOf(t, db, b)
		if len(rows) == 0 {
			t.Fatalf("%s is empty", b)
		}
		for what, breaks := range map[string]func(x *tx) error{
			"a row is gone":     func(x *tx) error { return x.del(b, []byte(rows[0])) },
			"there is one more": func(x *tx) error { return x.put(b, []byte(rows[0]+"\x00"), nil) },
		} {
			must(t, db.bolt.Update(func(bt *bbolt.Tx) error { return breaks(newTx(bt)) }))
			if wrong := value(db.Audit(t0))(t); len(wrong) == 0 {
				t.Errorf("%s, %s: the auditor sees nothing", b, what)
			}
			if n := value(db.Rearm(t.Context()))(t); n != 1 {
				t.Errorf("%s, %s: %d repaired", b, what, n)
			}
			audited(t, db, t0)
		}
	}
	if n := value(db.Rearm(t.Context()))(t); n != 0 {
		t.Errorf("%d repaired of nothing", n)
	}
	if due := value(db.Due(t0.Add(time.Hour), 0))(t); len(due) != 1 {
		t.Errorf("%d due", len(due))
	}
	if pages := value(db.DuePages(t0.Add(time.Hour), 0))(t); len(pages) == 0 || pages[0].State != pager.Queued {
		t.Errorf("%+v", pages)
	}
}
