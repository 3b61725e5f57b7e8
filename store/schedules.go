package store

import (
	"context"
	"time"

	"irisops/bot/schedule"
)

var (
	bSchedules = bucket{"practice", "schedules"}
	bDrills    = bucket{"practice", "drills"}
)

// createPractice makes the buckets of schedules and drills.
func createPractice(t *tx) error {
	top, err := t.bolt.CreateBucket([]byte(bSchedules.top))
	if err != nil {
		return err
	}
	for _, b := range []bucket{bSchedules, bDrills} {
		if _, err := top.CreateBucket([]byte(b.name)); err != nil {
			return err
		}
	}
	return nil
}

type scheduleRecord struct {
	record
	Name   string         `json:"name"`
	Spec   string         `json:"spec"`
	Next   time.Time      `json:"next,omitzero"`
	Paused *pauseRecord   `json:"paused,omitempty"`
	Last   *outcomeRecord `json:"last,omitempty"`
}

type pauseRecord struct {
	By     string    `json:"by"`
	At     time.Time `json:"at,omitzero"`
	Reason string    `json:"reason,omitempty"`
}

type outcomeRecord struct {
	Due    time.Time `json:"due,omitzero"`
	At     time.Time `json:"at,omitzero"`
	Result string    `json:"result"`
	Text   string    `json:"text,omitempty"`
}

func recordSchedule(s schedule.State) scheduleRecord {
	r := scheduleRecord{record: record{recordVersion}, Name: s.Name, Spec: s.Spec, Next: utc(s.Next)}
	if p := s.Paused; p != nil {
		r.Paused = &pauseRecord{p.By, utc(p.At), p.Reason}
	}
	if o := s.Last; o != nil {
		r.Last = &outcomeRecord{utc(o.Due), utc(o.At), string(o.Result), o.Text}
	}
	return r
}

func (r scheduleRecord) state() schedule.State {
	s := schedule.State{Name: r.Name, Spec: r.Spec, Next: r.Next}
	if p := r.Paused; p != nil {
		s.Paused = &schedule.Pause{By: p.By, At: p.At, Reason: p.Reason}
	}
	if o := r.Last; o != nil {
		s.Last = &schedule.Outcome{Due: o.Due, At: o.At, Result: schedule.Result(o.Result), Text: o.Text}
	}
	return s
}

// Schedules are what is kept of every entry that there ever was, by name.
func (db *DB) Schedules() ([]schedule.State, error) {
	var list []schedule.State
	err := db.view(func(t *tx) error {
		return t.walk(bSchedules, nil, func(_, body []byte) error {
			var rec scheduleRecord
			if err := decode(bSchedules, body, &rec); err != nil {
				return err
			}
			list = append(list, rec.state())
			return nil
		})
	})
	return list, err
}

// AmendSchedule has change applied to the state of that name, one with nothing
// but its Name if there is none yet. Once it returns without an error it is
// durable. change may run more than once, must not call the store, and returns
// false to leave everything as it is.
func (db *DB) AmendSchedule(ctx context.Context, name string, change func(*schedule.State) bool) error {
	if err := checkKey("name of a schedule", name); err != nil {
		return err
	}
	return db.update(ctx, "The schedule "+name, func(t *tx) error {
		body, err := t.get(bSchedules, []byte(name))
		if err != nil {
			return err
		}
		var rec scheduleRecord
		if body != nil {
			if err := decode(bSchedules, body, &rec); err != nil {
				return err
			}
		}
		next := rec.state()
		next.Name = name
		if !amending(change, &next) {
			return nil
		}
		next.Name = name
		return t.put(bSchedules, []byte(name), encode(recordSchedule(next)))
	})
}

// amending calls the caller's function inside of a transaction.
func amending[T any](change func(*T) bool, value *T) bool {
	defer func() {
		if r := recover(); r != nil {
			panic(foreign(r))
		}
	}()
	return change(value)
}
