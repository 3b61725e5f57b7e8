package store

import (
	"bytes"
	"context"
	"time"

	"irisops/bot/incident"
	"irisops/bot/watch"
)

var bWatched = bucket{"watch", "events"}

// createWatched makes the bucket of what watch did, or would have done.
func createWatched(t *tx) error {
	top, err := t.bolt.CreateBucket([]byte(bWatched.top))
	if err != nil {
		return err
	}
	_, err = top.CreateBucket([]byte(bWatched.name))
	return err
}

type watchedRecord struct {
	record
	At       time.Time `json:"at,omitzero"`
	Cluster  string    `json:"cluster"`
	Cause    string    `json:"cause"`
	Priority string    `json:"priority"`
	Title    string    `json:"title,omitempty"`
	Seen     string    `json:"seen,omitempty"`
	Nodes    []string  `json:"nodes,omitempty"`
	Became   string    `json:"became"`
}

func (r watchedRecord) event() watch.Event {
	return watch.Event{At: r.At, Cluster: r.Cluster, Became: r.Became,
		Symptom: watch.Symptom{Cause: r.Cause, Priority: incident.Priority(r.Priority), Title: r.Title, Seen: r.Seen, Nodes: r.Nodes}}
}

// watchedPrefix is unique because no name of a cluster has a space in it.
func watchedPrefix(cluster string) []byte { return []byte(cluster + " ") }

// KeepWatched appends what watch did on the cluster, or would have done. Of each
// cluster the newest watch.MostEvents are kept.
func (db *DB) KeepWatched(ctx context.Context, cluster string, events []watch.Event) error {
	if err := checkKey("cluster", cluster); err != nil {
		return err
	}
	return db.update(ctx, "What watch saw", func(t *tx) error {
		prefix := watchedPrefix(cluster)
		var keys [][]byte
		if err := t.walk(bWatched, prefix, func(key, _ []byte) error {
			keys = append(keys, bytes.Clone(key))
			return nil
		}); err != nil {
			return err
		}
		next := uint64(1)
		if len(keys) > 0 {
			next = number(keys[len(keys)-1][len(prefix):]) + 1
		}
		for _, e := range events {
			key := join(prefix, numberKey(next))
			next++
			s := e.Symptom
			err := t.put(bWatched, key, encode(watchedRecord{record{recordVersion}, utc(e.At), cluster, s.Cause, string(s.Priority), s.Title, s.Seen, s.Nodes, e.Became}))
			if err != nil {
				return err
			}
			keys = append(keys, key)
		}
		for ; len(keys) > watch.MostEvents; keys = keys[1:] {
			if err := t.del(bWatched, keys[0]); err != nil {
				return err
			}
		}
		return nil
	})
}

// Watched is what was kept of the cluster, the oldest first.
func (db *DB) Watched(cluster string) ([]watch.Event, error) {
	var events []watch.Event
	err := db.view(func(t *tx) error {
		return t.walk(bWatched, watchedPrefix(cluster), func(_, body []byte) error {
			var rec watchedRecord
			if err := decode(bWatched, body, &rec); err != nil {
				return err
			}
			events = append(events, rec.event())
			return nil
		})
	})
	return events, err
}
