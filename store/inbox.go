package store

import (
	"context"
	"time"
	"unicode/utf8"

	"irisops/bot/inbox"
)

type deliveryRecord struct {
	record
	ID         string    `json:"id"`
	Via        string    `json:"via"`
	Caller     string    `json:"caller"`
	Text       string    `json:"text"`
	Raw        []byte    `json:"raw,omitempty"` // the text byte for byte, where it is no UTF-8
	Incident   string    `json:"incident,omitempty"`
	Cluster    string    `json:"cluster,omitempty"`
	Yes        bool      `json:"yes,omitempty"`
	Received   time.Time `json:"received,omitzero"`
	CarriedOut time.Time `json:"carried_out,omitzero"`
	Answered   time.Time `json:"answered,omitzero"`

	Pinned *pinnedRecord `json:"pinned,omitempty"`
}

type pinnedRecord struct {
	By    string             `json:"by"`
	At    time.Time          `json:"at,omitzero"`
	Text  string             `json:"text"`
	Link  string             `json:"link,omitempty"`
	Files []attachmentRecord `json:"files,omitempty"`
}

func recordDelivery(d inbox.Delivery) deliveryRecord {
	r := deliveryRecord{
		record: record{recordVersion},
		ID:     d.ID, Via: d.Via, Caller: d.Caller, Text: d.Text, Incident: d.Incident, Cluster: d.Cluster,
		Yes: d.Yes, Received: utc(d.Received), CarriedOut: utc(d.CarriedOut), Answered: utc(d.Answered),
	}
	if !utf8.ValidString(d.Text) {
		r.Raw = []byte(d.Text)
	}
	if p := d.Pinned; p != nil {
		r.Pinned = &pinnedRecord{By: p.By, At: utc(p.At), Text: p.Text, Link: p.Link}
		for _, f := range p.Files {
			r.Pinned.Files = append(r.Pinned.Files, attachmentRecord(f))
		}
	}
	return r
}

func (r deliveryRecord) delivery() inbox.Delivery {
	d := inbox.Delivery{
		ID: r.ID, Via: r.Via, Caller: r.Caller, Text: r.Text, Incident: r.Incident, Cluster: r.Cluster,
		Yes: r.Yes, Received: r.Received, CarriedOut: r.CarriedOut, Answered: r.Answered,
	}
	if r.Raw != nil {
		d.Text = string(r.Raw)
	}
	if p := r.Pinned; p != nil {
		d.Pinned = &inbox.Pinned{By: p.By, At: p.At, Text: p.Text, Link: p.Link}
		for _, f := range p.Files {
			d.Pinned.Files = append(d.Pinned.Files, inbox.File(f))
		}
	}
	return d
}

func unansweredKey(d inbox.Delivery) []byte { return join(timeKey(d.Received), []byte(d.ID)) }
func answeredKey(d inbox.Delivery) []byte   { return join(timeKey(d.Answered), []byte(d.ID)) }

func (t *tx) delivery(id string) (d inbox.Delivery, ok bool, err error) {
	body, err := t.get(bDeliveries, []byte(id))
	if err != nil || body == nil {
		return d, false, err
	}
	var rec deliveryRecord
	err = decode(bDeliveries, body, &rec)
	d = rec.delivery()
	d.ID = id
	return d, err == nil, err
}

// markCarriedOut marks a delivery in the transaction that does what it asked
// for, so that this is done once, whatever dies when.
func (t *tx) markCarriedOut(id string) error {
	d, ok, err := t.delivery(id)
	switch {
	case err != nil:
		return err
	case !ok:
		return invalid("the delivery %s was never received", id)
	case !d.CarriedOut.IsZero():
		return carriedOut()
	}
	d.CarriedOut = time.Now()
	return t.put(bDeliveries, []byte(id), encode(recordDelivery(d)))
}

// Received says whether a delivery with that id is known.
func (db *DB) Received(id string) (known bool, err error) {
	err = db.view(func(t *tx) (err error) {
		known, err = t.has(bDeliveries, []byte(id))
		return err
	})
	return known, err
}

// Receive records a delivery, not yet answered. fresh is false if its id is known
// already; then nothing is recorded. Once it returns without an error, the
// delivery is durable and may be acknowledged.
func (db *DB) Receive(ctx context.Context, d inbox.Delivery) (fresh bool, err error) {
	if err := checkKey("delivery id", d.ID); err != nil {
		return false, err
	}
	d.CarriedOut, d.Answered = time.Time{}, time.Time{}
	err = db.update(ctx, "What was said", func(t *tx) error {
		var err error
		if fresh, err = t.addDelivery(d); err != nil || !fresh {
			return err
		}
		return t.put(bUnanswered, unansweredKey(d), nil)
	})
	return fresh && err == nil, err
}

// addDelivery records a delivery whose id is not known yet.
func (t *tx) addDelivery(d inbox.Delivery) (fresh bool, err error) {
	known, err := t.has(bDeliveries, []byte(d.ID))
	if err != nil || known {
		return false, err
	}
	return true, t.put(bDeliveries, []byte(d.ID), encode(recordDelivery(d)))
}

// Answer records that the delivery was carried out and answered. A second answer
// changes nothing. An unknown id is change.ErrNotFound.
func (db *DB) Answer(ctx context.Context, id string, at time.Time) error {
	if at.IsZero() {
		return invalid("an answer has to have a time")
	}
	return db.update(ctx, "That it was answered", func(t *tx) error {
		d, ok, err := t.delivery(id)
		switch {
		case err != nil:
			return err
		case !ok:
			return notFound("delivery " + id)
		case !d.Answered.IsZero():
			return nil
		}
		d.Answered = at
		if err := t.put(bDeliveries, []byte(id), encode(recordDelivery(d))); err != nil {
			return err
		}
		if err := t.del(bUnanswered, unansweredKey(d)); err != nil {
			return err
		}
		return t.put(bAnswered, answeredKey(d), nil)
	})
}

// Unanswered are the deliveries that are not answered, as they came in.
func (db *DB) Unanswered() ([]inbox.Delivery, error) {
	var list []inbox.Delivery
	err := db.view(func(t *tx) error {
		return t.walk(bUnanswered, nil, func(key, _ []byte) error {
			d, ok, err := t.delivery(string(key[8:]))
			if err == nil && ok {
				list = append(list, d)
			}
			return err
		})
	})
	return list, err
}

// pruneBatch bounds one transaction of Prune, so that nobody waits behind it.
const pruneBatch = 500

// Prune forgets deliveries that were answered before that time, and says how
// many. A delivery that comes again after that counts as fresh.
func (db *DB) Prune(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for {
		removed := 0
		err := db.update(ctx, "What was pruned", func(t *tx) error {
			removed = 0
			var keys [][]byte
			err := t.walk(bAnswered, nil, func(key, _ []byte) error {
				if !keyTime(key).Before(before) || len(keys) == pruneBatch {
					return errStop
				}
				keys = append(keys, join(key))
				return nil
			})
			if err != nil {
				return err
			}
			for _, key := range keys {
				if err := t.del(bDeliveries, key[8:]); err != nil {
					return err
				}
				if err := t.del(bAnswered, key); err != nil {
					return err
				}
				removed++
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		if total += removed; removed < pruneBatch {
			return total, nil
		}
	}
}
