package store

import (
	"cmp"
	"context"
	"slices"
	"time"

	"irisops/bot/change"
)

type maintenanceRecord struct {
	record
	Clusters []clusterMaintenance `json:"clusters"`
}

type clusterMaintenance struct {
	Cluster string    `json:"cluster"`
	By      string    `json:"by"`
	At      time.Time `json:"at,omitzero"`
	Until   time.Time `json:"until,omitzero"`
	Reason  string    `json:"reason"`
}

var keyMaintenance = []byte("maintenance")

func (t *tx) maintenance() (rec maintenanceRecord, err error) {
	rec.record = record{recordVersion}
	body, err := t.get(bMeta, keyMaintenance)
	if err != nil || body == nil {
		return rec, err
	}
	return rec, decode(bMeta, body, &rec)
}

// BeginMaintenance records work on a cluster, in the place of what stood there
// for the same one.
func (db *DB) BeginMaintenance(ctx context.Context, m change.Maintenance) error {
	if m.Cluster == "" || !m.Until.After(m.At) {
		return invalid("maintenance needs a cluster and an end after its beginning")
	}
	return db.update(ctx, "The maintenance", func(t *tx) error {
		rec, err := t.maintenance()
		if err != nil {
			return err
		}
		rec.without(m.Cluster)
		rec.Clusters = append(rec.Clusters, clusterMaintenance{m.Cluster, m.By, utc(m.At), utc(m.Until), m.Reason})
		slices.SortFunc(rec.Clusters, func(a, b clusterMaintenance) int { return cmp.Compare(a.Cluster, b.Cluster) })
		return t.put(bMeta, keyMaintenance, encode(rec))
	})
}

// EndMaintenance forgets the work on a cluster. What began at another time than
// begun is left: it is another one, that was begun meanwhile.
func (db *DB) EndMaintenance(ctx context.Context, cluster string, begun time.Time) error {
	return db.update(ctx, "The end of the maintenance", func(t *tx) error {
		rec, err := t.maintenance()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(rec.Clusters, func(m clusterMaintenance) bool { return m.Cluster == cluster && m.At.Equal(utc(begun)) }) {
			return nil
		}
		rec.without(cluster)
		if len(rec.Clusters) == 0 {
			return t.del(bMeta, keyMaintenance)
		}
		return t.put(bMeta, keyMaintenance, encode(rec))
	})
}

func (r *maintenanceRecord) without(cluster string) {
	r.Clusters = slices.DeleteFunc(r.Clusters, func(m clusterMaintenance) bool { return m.Cluster == cluster })
}

// Maintenance is what was begun and not ended, by cluster. Whether its time is
// over is for the caller to see.
func (db *DB) Maintenance() ([]change.Maintenance, error) {
	var list []change.Maintenance
	err := db.view(func(t *tx) error {
		rec, err := t.maintenance()
		for _, m := range rec.Clusters {
			list = append(list, change.Maintenance{Cluster: m.Cluster, By: m.By, At: m.At, Until: m.Until, Reason: m.Reason})
		}
		return err
	})
	return list, err
}
