package store

import (
	"context"
	"time"

	"irisops/actions/backup"
)

var bBackups = bucket{"backups", "all"}

// createBackups makes the bucket of what backups were made.
func createBackups(t *tx) error {
	top, err := t.bolt.CreateBucket([]byte(bBackups.top))
	if err != nil {
		return err
	}
	_, err = top.CreateBucket([]byte(bBackups.name))
	return err
}

type backupRecord struct {
	record
	ID       string           `json:"id"`
	Cluster  string           `json:"cluster"`
	Node     string           `json:"node"`
	Path     string           `json:"path"`
	By       string           `json:"by"`
	At       time.Time        `json:"at,omitzero"`
	Bytes    int64            `json:"bytes"`
	Sum      string           `json:"md5"`
	Records  map[string]int64 `json:"records,omitempty"`
	Verified time.Time        `json:"verified,omitzero"`
	Damage   string           `json:"damage,omitempty"`
	Removed  time.Time        `json:"removed,omitzero"`
}

// backupKey is unique because no cluster's name has a space in it; the ids of
// backups begin with their time.
func backupKey(cluster, id string) []byte { return []byte(cluster + " " + id) }

// KeepBackup keeps a backup, in place of what was known of it before.
func (db *DB) KeepBackup(ctx context.Context, b backup.Backup) error {
	if err := checkKey("backup", string(backupKey(b.Cluster, b.ID))); err != nil {
		return err
	}
	return db.update(ctx, "What is known of the backup "+b.ID, func(t *tx) error {
		return t.put(bBackups, backupKey(b.Cluster, b.ID), encode(backupRecord{record: record{recordVersion}, ID: b.ID, Cluster: b.Cluster, Node: b.Node, Path: b.Path,
			By: b.By, At: utc(b.At), Bytes: b.Bytes, Sum: b.Sum, Records: b.Records, Verified: utc(b.Verified), Damage: b.Damage, Removed: utc(b.Removed)}))
	})
}

// Backups are those of the cluster, the oldest first, removed ones too.
func (db *DB) Backups(cluster string) ([]backup.Backup, error) {
	var all []backup.Backup
	err := db.view(func(t *tx) error {
		return t.walk(bBackups, backupKey(cluster, ""), func(_, body []byte) error {
			var r backupRecord
			if err := decode(bBackups, body, &r); err != nil {
				return err
			}
			all = append(all, backup.Backup{ID: r.ID, Cluster: r.Cluster, Node: r.Node, Path: r.Path, By: r.By, At: r.At, Bytes: r.Bytes, Sum: r.Sum,
				Records: r.Records, Verified: r.Verified, Damage: r.Damage, Removed: r.Removed})
			return nil
		})
	})
	return all, err
}
