package store

import (
	"bytes"
	"context"
)

// Rearm makes the timers of all open incidents, and the places of all pages that
// are not settled, from their records, which count. It returns how many were
// missing or wrong. It is what is left to do about what Audit finds.
func (db *DB) Rearm(ctx context.Context) (repaired int, err error) {
	err = db.update(ctx, "The repair of the deadlines", func(t *tx) error {
		repaired = 0
		want := map[string]bool{}
		err := t.walk(bOpen, nil, func(_, body []byte) error {
			var rec incidentRecord
			if err := decode(bOpen, body, &rec); err != nil {
				return err
			}
			if row := dueKey(rec.incident()); row != nil {
				want[string(row)] = true
			}
			return nil
		})
		if err != nil {
			return err
		}
		n, err := t.repair(bDue, want)
		if err != nil {
			return err
		}
		repaired += n
		rows := map[bucket]map[string]bool{bOutbox: {}, bSending: {}}
		err = t.walk(bPending, nil, func(_, body []byte) error {
			var rec pageRecord
			if err := decode(bPending, body, &rec); err != nil {
				return err
			}
			if b, row := pageRow(rec.page()); row != nil {
				rows[b][string(row)] = true
			}
			return nil
		})
		for b, want := range rows {
			if err != nil {
				return err
			}
			n, err = t.repair(b, want)
			repaired += n
		}
		return err
	})
	return repaired, err
}

// repair makes the rows of an index those that are wanted.
func (t *tx) repair(b bucket, want map[string]bool) (changed int, err error) {
	var wrong [][]byte
	err = t.walk(b, nil, func(row, _ []byte) error {
		if !want[string(row)] {
			wrong = append(wrong, bytes.Clone(row))
		}
		delete(want, string(row))
		return nil
	})
	if err != nil {
		return 0, err
	}
	for _, row := range wrong {
		if err := t.del(b, row); err != nil {
			return 0, err
		}
	}
	for row := range want {
		if err := t.put(b, []byte(row), nil); err != nil {
			return 0, err
		}
	}
	return len(wrong) + len(want), nil
}
