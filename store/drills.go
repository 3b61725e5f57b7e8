package store

import (
	"context"
	"encoding/json"
	"fmt"

	"irisops/actions/drill"
)

// drillRecord holds a drill as docs/drills.md describes it: people read that
// JSON, so it is kept as they get it.
type drillRecord struct {
	record
	Drill json.RawMessage `json:"drill"`
}

// KeepDrill records a drill, or a new state of a known one.
func (db *DB) KeepDrill(ctx context.Context, r drill.Record) error {
	if err := checkKey("id of a drill", r.ID); err != nil {
		return err
	}
	body, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("the drill %s cannot be encoded: %w", r.ID, err)
	}
	return db.update(ctx, "The drill "+r.ID, func(t *tx) error {
		return t.put(bDrills, []byte(r.ID), encode(drillRecord{record{recordVersion}, body}))
	})
}

// Drills are all drills of the cluster, by their ids and so by their times.
func (db *DB) Drills(cluster string) ([]drill.Record, error) {
	var list []drill.Record
	err := db.view(func(t *tx) error {
		return t.walk(bDrills, nil, func(_, body []byte) error {
			var rec drillRecord
			if err := decode(bDrills, body, &rec); err != nil {
				return err
			}
			var r drill.Record
			if err := json.Unmarshal(rec.Drill, &r); err != nil {
				return fmt.Errorf("a drill cannot be read: %w", err)
			}
			if r.Cluster == cluster {
				list = append(list, r)
			}
			return nil
		})
	})
	return list, err
}
