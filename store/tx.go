package store

import (
	"bytes"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// tx is one bbolt transaction. It seals what it writes and checks what it reads.
// What it hands out is valid until the transaction ends.
type tx struct {
	bolt   *bbolt.Tx
	opened map[bucket]*bbolt.Bucket
	writes int // rows written or deleted so far
}

// grows are the buckets whose new rows come after all others, or nearly so, and
// stay: there bbolt may fill its pages. Elsewhere it splits a full page into two
// halves, so that there is room for what comes in between; here that room would
// stay empty, and a start would read it for ever.
var grows = map[bucket]bool{bResolved: true, bTimeline: true, bSettled: true, bRuns: true, bTrail: true}

func newTx(bt *bbolt.Tx) *tx { return &tx{bolt: bt, opened: map[bucket]*bbolt.Bucket{}} }

func (t *tx) in(b bucket) (*bbolt.Bucket, error) {
	if at := t.opened[b]; at != nil {
		return at, nil
	}
	at := t.bolt.Bucket([]byte(b.top))
	if at != nil && b.name != "" {
		at = at.Bucket([]byte(b.name))
	}
	if at == nil {
		return nil, fmt.Errorf("the bucket %s is missing", b)
	}
	if grows[b] {
		at.FillPercent = 0.95
	}
	t.opened[b] = at
	return at, nil
}

// get is the body under key; nil if there is none, never nil if there is one.
func (t *tx) get(b bucket, key []byte) ([]byte, error) {
	at, err := t.in(b)
	if err != nil {
		return nil, err
	}
	value := at.Get(key)
	if value == nil {
		return nil, nil
	}
	return unseal(b.String(), key, value)
}

func (t *tx) has(b bucket, key []byte) (bool, error) {
	body, err := t.get(b, key)
	return body != nil, err
}

func (t *tx) put(b bucket, key, body []byte) error {
	at, err := t.in(b)
	if err != nil {
		return err
	}
	t.writes++
	return at.Put(key, seal(b.String(), key, body))
}

func (t *tx) del(b bucket, key []byte) error {
	at, err := t.in(b)
	if err != nil {
		return err
	}
	t.writes++
	return at.Delete(key)
}

// errStop ends a walk early.
var errStop = errors.New("stop")

// walk visits the rows whose keys begin with prefix, in order.
func (t *tx) walk(b bucket, prefix []byte, visit func(key, body []byte) error) error {
	return t.walkRows(b, prefix, prefix, visit)
}

// walkFrom visits the rows from that key on, in order.
func (t *tx) walkFrom(b bucket, from []byte, visit func(key, body []byte) error) error {
	return t.walkRows(b, from, nil, visit)
}

func (t *tx) walkRows(b bucket, from, prefix []byte, visit func(key, body []byte) error) error {
	at, err := t.in(b)
	if err != nil {
		return err
	}
	c := at.Cursor()
	for key, value := c.Seek(from); key != nil && bytes.HasPrefix(key, prefix); key, value = c.Next() {
		body, err := unseal(b.String(), key, value)
		if err != nil {
			return err
		}
		switch err := visit(key, body); {
		case errors.Is(err, errStop):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// walkBack visits all rows from the last to the first.
func (t *tx) walkBack(b bucket, visit func(key, body []byte) error) error {
	at, err := t.in(b)
	if err != nil {
		return err
	}
	c := at.Cursor()
	for key, value := c.Last(); key != nil; key, value = c.Prev() {
		body, err := unseal(b.String(), key, value)
		if err != nil {
			return err
		}
		switch err := visit(key, body); {
		case errors.Is(err, errStop):
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

// lastNumber is the highest number among the keys of the buckets. Nothing is
// ever deleted from them, so that the one after it was never used.
func (t *tx) lastNumber(buckets ...bucket) (uint64, error) {
	var last uint64
	for _, b := range buckets {
		err := t.walkBack(b, func(key, _ []byte) error {
			last = max(last, number(key))
			return errStop
		})
		if err != nil {
			return 0, err
		}
	}
	return last, nil
}
