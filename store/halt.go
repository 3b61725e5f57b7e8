package store

import (
	"context"
	"time"

	"irisops/bot/change"
)

type haltRecord struct {
	record
	By     string    `json:"by"`
	At     time.Time `json:"at,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

var keyHalt = []byte("halt")

// SetHalt records the halt, or lifts it with nil.
func (db *DB) SetHalt(ctx context.Context, h *change.Halt) error {
	if h == nil {
		return db.update(ctx, "The end of the halt", func(t *tx) error { return t.del(bMeta, keyHalt) })
	}
	rec := haltRecord{record: record{recordVersion}, By: h.By, At: utc(h.At), Reason: h.Reason}
	return db.update(ctx, "The halt", func(t *tx) error { return t.put(bMeta, keyHalt, encode(rec)) })
}

// Halted is the halt that stands; nil if none does.
func (db *DB) Halted() (*change.Halt, error) {
	var halt *change.Halt
	err := db.view(func(t *tx) error {
		body, err := t.get(bMeta, keyHalt)
		if err != nil || body == nil {
			return err
		}
		var rec haltRecord
		if err := decode(bMeta, body, &rec); err != nil {
			return err
		}
		halt = &change.Halt{By: rec.By, At: rec.At, Reason: rec.Reason}
		return nil
	})
	return halt, err
}
