// Package change is what the store commits in one transaction: an incident with
// its new timeline entries and pages, a run, or both together. It is pure.
package change

import (
	"errors"
	"fmt"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/audit"
	"irisops/bot/incident"
	"irisops/bot/intake"
	"irisops/bot/pager"
)

// Change is one transaction. Every aggregate in it carries the version that it
// was read at; if the store holds another, nothing of the change is committed.
type Change struct {
	Incident *incident.Incident
	Entries  []incident.Entry // of that incident
	Pages    []pager.Page     // new ones, or new states of known ones, by key
	Run      *runbook.Run
	Alerts   []intake.Alert // firing ones, as they are now; those that are over are forgotten
	Delivery string         // the delivery that this carries out: marked so, once
	Audit    []audit.Entry
}

// Why a change is not committed.
var (
	// ErrConflict: an aggregate has moved on since it was read. Read again.
	ErrConflict = errors.New("it has changed meanwhile")
	// ErrCarriedOut: the delivery was carried out before.
	ErrCarriedOut = errors.New("this was carried out already")
	// ErrNotFound: there is no such incident or run.
	ErrNotFound = errors.New("not found")
)

// ErrBusy says that another run holds a target.
type ErrBusy struct {
	Target string // "main/edge1"
	Run    uint64
}

func (e *ErrBusy) Error() string {
	return fmt.Sprintf("%s is being worked on by REQ-%d", e.Target, e.Run)
}

// Halt stops every queued and automatic action until a person lifts it.
type Halt struct {
	By     string
	At     time.Time
	Reason string
}

// Maintenance is announced work on a cluster: watch and drills are silent until
// it ends. Clocks of incidents go on.
type Maintenance struct {
	Cluster string
	By      string
	At      time.Time
	Until   time.Time
	Reason  string
}

// Stands says whether it is not over yet. One that was begun more than its whole
// length in the future is: the clock was set back, and nobody would know when it
// ends.
func (m Maintenance) Stands(now time.Time) bool {
	return now.Before(m.Until) && m.At.Sub(now) <= m.Until.Sub(m.At)
}
