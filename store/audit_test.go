package store

import (
	"strings"
	"testing"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/incident"
	"irisops/bot/pager"

	"go.etcd.io/bbolt"
)

// tamper changes rows behind the store's back.
func tamper(t testing.TB, db *DB, do func(*tx) error) {
	t.Helper()
	must(t, db.bolt.Update(func(bt *bbolt.Tx) error { return do(newTx(bt)) }))
}

// The auditor is tested by breaking what it watches over.
func TestAuditFindsWhatIsBroken(t *testing.T) {
	due := join(timeKey(t0.Add(15*time.Minute)), numberKey(1))
	sending := page("under way", t0)
	sending.State, sending.Attempts = pager.Sending, 1
	first := page("P0/0m", t0)
	first.Role = "primary"
	_, outbox := pageRow(first)
	for name, c := range map[string]struct {
		harm func(*tx) error
		says string
	}{
		"a timer lost":          {func(t *tx) error { return t.del(bDue, due) }, "INC-1 has no timer for its next step P0/15m"},
		"a timer too many":      {func(t *tx) error { return t.put(bDue, join(timeKey(t0.Add(time.Hour)), numberKey(1)), nil) }, "timer for INC-1"},
		"a timer of nobody":     {func(t *tx) error { return t.put(bDue, join(timeKey(t0.Add(time.Hour)), numberKey(9)), nil) }, "timer for INC-9"},
		"an incident lost":      {func(t *tx) error { return t.del(bOpen, numberKey(1)) }, "timer for INC-1"},
		"an incident misplaced": {resolveInPlace, "INC-1 is resolved, but stands among the open"},
		"a key lost":            {func(t *tx) error { return t.del(bDedup, dedupKey("key")) }, "INC-1 could be declared a second time"},
		"a key too many":        {func(t *tx) error { return t.put(bDedup, dedupKey("other"), numberKey(1)) }, "taken for INC-1"},
		"a page out of sight":   {func(t *tx) error { return t.del(bOutbox, outbox) }, "nobody will send it"},
		"a page lost":           {func(t *tx) error { return t.del(bPending, []byte(first.Key())) }, "not known"},
		"a page stuck":          {func(t *tx) error { return t.del(bSending, []byte(sending.Key())) }, "nobody will send it"},
		"a page in both":        {func(t *tx) error { return t.put(bSending, []byte(first.Key()), nil) }, "but it is queued"},
		"a page misplaced": {func(t *tx) error {
			p := sending
			p.State = pager.Delivered
			return t.put(bPending, []byte(p.Key()), encode(recordPage(p)))
		}, "is delivered, but stands among the pending"},
		"a lock lost":      {func(t *tx) error { return t.del(bLocks, []byte("main/edge1")) }, "REQ-1 works on main/edge1 without holding it"},
		"a lock of nobody": {func(t *tx) error { return t.put(bLocks, []byte("main/core"), numberKey(1)) }, "main/core is held by REQ-1"},
	} {
		t.Run(name, func(t *testing.T) {
			db := memory(t)
			_, _, err := db.Declare(t.Context(), "key", declaring("down", t0))
			must(t, err)
			commitPages(t, db, sending)
			value(to(db, request(t, db, "main/edge1"), runbook.Running))(t)
			audited(t, db, t0)
			tamper(t, db, c.harm)
			said := strings.Join(value(db.Audit(t0))(t), "\n")
			if !strings.Contains(said, c.says) {
				t.Errorf("audit says %q, want %q", said, c.says)
			}
		})
	}
}

func resolveInPlace(t *tx) error {
	rec, err := t.incident(1)
	if err != nil {
		return err
	}
	rec.State = string(incident.Resolved)
	return t.put(bOpen, numberKey(1), encode(rec))
}

func TestAuditKnowsWhatIsOverdue(t *testing.T) {
	db := memory(t)
	inc := declare(t, db, "down", t0)
	at := t0.Add(15 * time.Minute)
	audited(t, db, at.Add(Overdue))
	if said := value(db.Audit(at.Add(Overdue + time.Second)))(t); len(said) != 1 || said[0] != "INC-1: step P0/15m is overdue by 6s and has not fired." {
		t.Errorf("audit says %q", said)
	}
	apply(t, db, inc, incident.StepsDue{}, at.Add(Overdue+time.Second))
	audited(t, db, at.Add(Overdue+time.Second))
}

// A record that cannot be read stops nobody else's clock.
func TestOneUnreadableIncidentDoesNotStopTheOthers(t *testing.T) {
	db := memory(t)
	for range 3 {
		declare(t, db, "down", t0)
	}
	tamper(t, db, func(t *tx) error { return t.put(bOpen, numberKey(2), []byte("{")) })
	tamper(t, db, func(t *tx) error { return t.put(bPending, []byte("INC-2/P0/0m/primary/conversation"), []byte("{")) })
	due, err := db.Due(t0.Add(time.Hour), 0)
	wantCode(t, err, CodeCorrupt)
	if len(due) != 2 || due[0].Number != 1 || due[1].Number != 3 {
		t.Errorf("due: %+v", due)
	}
	pages, err := db.DuePages(t0, 0)
	wantCode(t, err, CodeCorrupt)
	if len(pages) != 2 {
		t.Errorf("pages: %+v", pages)
	}
	_, err = db.Incident(2)
	wantCode(t, err, CodeCorrupt)
	apply(t, db, due[0], incident.StepsDue{}, t0.Add(time.Hour))
}
