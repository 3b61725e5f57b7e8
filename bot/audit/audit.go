// Package audit is the record of who did what: entries that are only ever
// appended, each bound to all before it by a hash. Whoever changes, removes or
// inserts an entry afterwards has to change every hash after it, and the newest
// one is posted to the channel every day, where they cannot. It is pure.
package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Kind says what an entry tells.
type Kind string

const (
	Intent  Kind = "intent"  // a command that changes something, before it does
	Outcome Kind = "outcome" // how that command ended
	Refused Kind = "refused" // a command that was not let through
	Request Kind = "request" // what a command asked for: REQ-3, its plan and its digest
	Decided Kind = "decided" // a request was confirmed, approved, denied, or expired
	Glass   Kind = "break-glass"
	Begun   Kind = "begun" // the act is about to begin, or to go on
	Ended   Kind = "ended" // how the act ended
)

// Entry is one of them. Number, Prev and Hash are given by the one who appends
// it; Prev is the hash of the entry before, "" for the first.
type Entry struct {
	Number   uint64            `json:"number"`
	At       time.Time         `json:"at"`
	Kind     Kind              `json:"kind"`
	By       string            `json:"by,omitempty"`     // a person's id, or "irisops"
	Caller   string            `json:"caller,omitempty"` // as the channel names them: "slack:U01"
	Via      string            `json:"via,omitempty"`
	Command  string            `json:"command,omitempty"`
	Args     map[string]string `json:"args,omitempty"`
	Class    string            `json:"class,omitempty"`
	Cluster  string            `json:"cluster,omitempty"`
	Incident string            `json:"incident,omitempty"`
	Request  string            `json:"request,omitempty"` // "REQ-3"
	Digest   string            `json:"digest,omitempty"`  // of the plan
	Delivery string            `json:"delivery,omitempty"`
	Text     string            `json:"text,omitempty"`
	Prev     string            `json:"prev,omitempty"`
	Hash     string            `json:"hash,omitempty"`
}

// After is the entry as the next one after prev; the zero entry is before the
// first.
func (e Entry) After(prev Entry) Entry {
	e.Number, e.Prev = prev.Number+1, prev.Hash
	e.At = e.At.UTC().Round(0)
	e.Hash = e.sum()
	return e
}

// sum is over everything but itself. JSON has the fields in the order above and
// the arguments in theirs, and leaves out what is empty, so that fields can be
// added.
func (e Entry) sum() string {
	e.Hash = ""
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings, numbers and times only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Chain tries entries one after the other, from the first on.
type Chain struct {
	Last  Entry
	Count uint64
}

// Next says what is wrong with the entry that comes next, if anything is.
func (c *Chain) Next(e Entry) error {
	switch {
	case e.Number != c.Last.Number+1:
		return fmt.Errorf("after entry %d comes entry %d", c.Last.Number, e.Number)
	case e.Prev != c.Last.Hash:
		return fmt.Errorf("entry %d does not follow on entry %d: one of them is another one than was written", e.Number, c.Last.Number)
	case e.Hash != e.sum():
		return fmt.Errorf("entry %d is not as it was written", e.Number)
	}
	c.Last, c.Count = e, c.Count+1
	return nil
}
