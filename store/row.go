package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"
	"unicode/utf8"
)

// bucket is where rows of one kind live: a bucket within one of the four top
// buckets, or for meta the top bucket itself.
type bucket struct{ top, name string }

func (b bucket) String() string {
	if b.name == "" {
		return b.top
	}
	return b.top + "/" + b.name
}

var (
	bMeta       = bucket{"meta", ""}
	bOpen       = bucket{"incidents", "open"}
	bResolved   = bucket{"incidents", "resolved"}
	bTimeline   = bucket{"incidents", "timeline"}
	bDue        = bucket{"incidents", "due"}
	bDedup      = bucket{"incidents", "dedup"}
	bPending    = bucket{"pages", "pending"}
	bSettled    = bucket{"pages", "settled"}
	bOutbox     = bucket{"pages", "outbox"}
	bSending    = bucket{"pages", "sending"}
	bRuns       = bucket{"runs", "all"}
	bRunStates  = bucket{"runs", "states"}
	bLocks      = bucket{"runs", "locks"}
	bDeliveries = bucket{"inbox", "all"}
	bUnanswered = bucket{"inbox", "unanswered"}
	bAnswered   = bucket{"inbox", "answered"}
)

// sumSize is the length of the checksum before every value. bbolt has checksums
// for its two header pages only; with this one no damaged row is ever believed,
// index rows included.
const sumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b string, key, body []byte) uint32 {
	sum := crc32.Update(0, castagnoli, []byte(b))
	sum = crc32.Update(sum, castagnoli, []byte{0})
	sum = crc32.Update(sum, castagnoli, key)
	return crc32.Update(sum, castagnoli, body)
}

// seal is the value under which body is kept.
func seal(b string, key, body []byte) []byte {
	value := make([]byte, sumSize, sumSize+len(body))
	binary.BigEndian.PutUint32(value, checksum(b, key, body))
	return append(value, body...)
}

var errChecksum = errors.New("wrong checksum")

// unseal is the body of a value; it shares its memory.
func unseal(b string, key, value []byte) ([]byte, error) {
	if len(value) < sumSize || binary.BigEndian.Uint32(value) != checksum(b, key, value[sumSize:]) {
		return nil, fmt.Errorf("row %x in %s: %w", shortKey(key), b, errChecksum)
	}
	return value[sumSize:], nil
}

func shortKey(key []byte) []byte { return key[:min(len(key), 40)] }

// maxKey bounds what others choose as a key: page keys, delivery ids, targets.
// bbolt takes 32,768 bytes; nobody needs them.
const maxKey = 4096

func checkKey(what, key string) error {
	if key == "" || len(key) > maxKey {
		return invalid("a %s has to have 1 to %d bytes, this one has %d", what, maxKey, len(key))
	}
	if !utf8.ValidString(key) { // JSON would keep another one in the record
		return invalid("a %s has to be UTF-8, this one is not: %q", what, key)
	}
	return nil
}

func numberKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func number(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// timeKey orders all times, also those before 1970; the zero time comes first.
// Times beyond what fits (the years 1678 to 2262) are moved to its ends.
func timeKey(t time.Time) []byte {
	ns := t.UnixNano()
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		ns = math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		ns = math.MaxInt64
	}
	return binary.BigEndian.AppendUint64(nil, uint64(ns)^(1<<63))
}

func keyTime(key []byte) time.Time {
	return time.Unix(0, int64(number(key)^(1<<63))).UTC()
}

func join(parts ...[]byte) []byte {
	var key []byte
	for _, p := range parts {
		key = append(key, p...)
	}
	return key
}

// recordVersion is the version of every kind of record today. It is raised for
// a kind when its fields change their meaning; new fields do not raise it.
const recordVersion = 1

func encode(rec any) []byte {
	body, err := json.Marshal(rec)
	if err != nil {
		panic(fmt.Sprintf("store: %T cannot be encoded: %v", rec, err)) // strings, numbers and times only
	}
	return body
}

// record is embedded in every record.
type record struct {
	V int `json:"v"`
}

func (r record) version() int { return r.V }

func decode(b bucket, body []byte, into interface{ version() int }) error {
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("a record in %s cannot be read: %w", b, err)
	}
	if v := into.version(); v != recordVersion {
		return fmt.Errorf("a record in %s has version %d, known is %d", b, v, recordVersion)
	}
	return nil
}

// utc is how times are kept: no zone and no monotonic clock, so that what was
// written compares equal to what is read.
func utc(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Round(0)
}
