package store

import (
	"context"
	"time"

	"irisops/bot/intake"
	"irisops/bot/oncall"
)

var (
	bOverrides = bucket{"oncall", "overrides"}
	bAlerts    = bucket{"oncall", "alerts"}
)

// createOnCall makes the buckets of who is on call, and of what calls them.
func createOnCall(t *tx) error {
	top, err := t.bolt.CreateBucket([]byte(bOverrides.top))
	if err != nil {
		return err
	}
	for _, b := range []bucket{bOverrides, bAlerts} {
		if _, err := top.CreateBucket([]byte(b.name)); err != nil {
			return err
		}
	}
	return nil
}

type overrideRecord struct {
	record
	Number    uint64    `json:"number"`
	Role      string    `json:"role"`
	Person    string    `json:"person"`
	From      time.Time `json:"from,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	By        string    `json:"by"`
	At        time.Time `json:"at,omitzero"`
	Cancelled string    `json:"cancelled,omitempty"`
}

// PutOverride records an override as carried out by that delivery ("" is none). A
// new one has the number 0 and is given one; a known one is replaced.
func (db *DB) PutOverride(ctx context.Context, o oncall.Override, delivery string) (oncall.Override, error) {
	given := o
	err := db.update(ctx, "The override", func(t *tx) error {
		o = given
		if o.Number == 0 {
			last, err := t.lastNumber(bOverrides)
			if err != nil {
				return err
			}
			o.Number = last + 1
		}
		if delivery != "" {
			if err := t.markCarriedOut(delivery); err != nil {
				return err
			}
		}
		return t.put(bOverrides, numberKey(o.Number), encode(overrideRecord{
			record: record{recordVersion}, Number: o.Number, Role: o.Role, Person: o.Person,
			From: utc(o.From), Until: utc(o.Until), By: o.By, At: utc(o.At), Cancelled: o.Cancelled,
		}))
	})
	return o, err
}

// Overrides are those that end after that time, in the order in which they were
// made.
func (db *DB) Overrides(endAfter time.Time) ([]oncall.Override, error) {
	var list []oncall.Override
	err := db.view(func(t *tx) error {
		return t.walk(bOverrides, nil, func(_, body []byte) error {
			var rec overrideRecord
			if err := decode(bOverrides, body, &rec); err != nil {
				return err
			}
			if rec.Until.After(endAfter) {
				list = append(list, oncall.Override{Number: rec.Number, Role: rec.Role, Person: rec.Person,
					From: rec.From, Until: rec.Until, By: rec.By, At: rec.At, Cancelled: rec.Cancelled})
			}
			return nil
		})
	})
	return list, err
}

type alertRecord struct {
	record
	Key      string    `json:"key"`
	Incident string    `json:"incident"`
	Cluster  string    `json:"cluster"`
	Title    string    `json:"title"`
	Priority string    `json:"priority"`
	Started  time.Time `json:"started,omitzero"`
	Seen     time.Time `json:"seen,omitzero"`
}

// applyAlert keeps an alert that is firing, and forgets one that is over.
func (t *tx) applyAlert(a intake.Alert) error {
	if err := checkKey("alert key", a.Key); err != nil {
		return err
	}
	if a.Over {
		return t.del(bAlerts, []byte(a.Key))
	}
	return t.put(bAlerts, []byte(a.Key), encode(alertRecord{
		record: record{recordVersion}, Key: a.Key, Incident: a.Incident, Cluster: a.Cluster, Title: a.Title, Priority: a.Priority,
		Started: utc(a.Started), Seen: utc(a.Seen),
	}))
}

// Alerts are all that are firing, by key.
func (db *DB) Alerts() ([]intake.Alert, error) {
	var list []intake.Alert
	err := db.view(func(t *tx) error {
		return t.walk(bAlerts, nil, func(_, body []byte) error {
			var rec alertRecord
			if err := decode(bAlerts, body, &rec); err != nil {
				return err
			}
			list = append(list, intake.Alert{Key: rec.Key, Incident: rec.Incident, Cluster: rec.Cluster, Title: rec.Title,
				Priority: rec.Priority, Started: rec.Started, Seen: rec.Seen})
			return nil
		})
	})
	return list, err
}
