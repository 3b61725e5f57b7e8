package store

import (
	"context"
	"encoding/json"
	"fmt"

	"irisops/bot/audit"
)

var bTrail = bucket{"audit", "entries"}

// createTrail makes the bucket of the audit's entries.
func createTrail(t *tx) error {
	top, err := t.bolt.CreateBucket([]byte(bTrail.top))
	if err != nil {
		return err
	}
	_, err = top.CreateBucket([]byte(bTrail.name))
	return err
}

// An entry is kept as it is hashed; its version stands beside it.
type trailRecord struct {
	record
	Entry audit.Entry `json:"entry"`
}

func readTrail(body []byte) (audit.Entry, error) {
	var rec trailRecord
	err := decode(bTrail, body, &rec)
	return rec.Entry, err
}

// lastEntry is the newest entry; zero if there is none.
func (t *tx) lastEntry() (e audit.Entry, err error) {
	walkErr := t.walkBack(bTrail, func(_, body []byte) error {
		if e, err = readTrail(body); err != nil {
			return err
		}
		return errStop
	})
	return e, walkErr
}

// appendTrail appends entries. There is nothing that changes or deletes one.
func (t *tx) appendTrail(entries []audit.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	last, err := t.lastEntry()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.At.IsZero() || e.Kind == "" {
			return invalid("an entry of the audit has to have a time and a kind")
		}
		// Text that is not UTF-8 would come back as other text, and break the chain.
		b, err := json.Marshal(e)
		if err != nil {
			return err
		}
		var same audit.Entry
		if err := json.Unmarshal(b, &same); err != nil {
			return err
		}
		last = same.After(last)
		if err := t.put(bTrail, numberKey(last.Number), encode(trailRecord{record{recordVersion}, last})); err != nil {
			return err
		}
	}
	return nil
}

// Record appends entries to the audit, in their order.
func (db *DB) Record(ctx context.Context, entries ...audit.Entry) error {
	return db.update(ctx, "The entry of the audit", func(t *tx) error { return t.appendTrail(entries) })
}

// Trail visits the entries of the audit from the given number on, in order,
// until visit returns an error.
func (db *DB) Trail(from uint64, visit func(audit.Entry) error) error {
	return db.view(func(t *tx) error {
		at, err := t.in(bTrail)
		if err != nil {
			return err
		}
		c := at.Cursor()
		for key, value := c.Seek(numberKey(from)); key != nil; key, value = c.Next() {
			body, err := unseal(bTrail.String(), key, value)
			if err != nil {
				return err
			}
			e, err := readTrail(body)
			if err != nil {
				return err
			}
			if e.Number != number(key) {
				return fmt.Errorf("entry %d of the audit stands at %d", e.Number, number(key))
			}
			if err := visit(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// LastEntry is the newest entry of the audit; false if there is none.
func (db *DB) LastEntry() (e audit.Entry, ok bool, err error) {
	err = db.view(func(t *tx) error {
		e, err = t.lastEntry()
		return err
	})
	return e, e.Number > 0, err
}
