// Package drill is the failover drill of the runbook: "kill random node, verify
// recovery < 5 min". It checks that the cluster is in its steady state, chooses a
// victim by chance, strikes it, and stops the time until clients are served
// again; whatever happens, the cluster is put back in order at the end.
//
// What a drill does to a node it does to the node's one process, found by its
// exact name and folder: never to a machine, and so never to the host of irisops
// itself. A drill is kept as one Record, which is documented in docs/drills.md.
package drill

import (
	"fmt"
	"slices"
	"time"
)

// Mode says who recovers the victim.
type Mode string

const (
	Auto    Mode = "auto"    // irisops does
	Observe Mode = "observe" // people do; irisops watches, and pages as usual
)

// Fault is what is done to the victim.
type Fault string

const (
	Kill  Fault = "kill"  // kill -9
	Pause Fault = "pause" // SIGSTOP: it hangs
	Block Fault = "block" // of an edge: its port refuses clients, the node runs on
	// Partition: a core and the edges attached to it are cut off from the others, and
	// both sides run on.
	Partition Fault = "partition"
)

// Verdict of a drill.
type Verdict string

const (
	Planned Verdict = "planned" // it has not begun
	Running Verdict = "running"
	Passed  Verdict = "passed" // clients were served again within the limit
	TooSlow Verdict = "too slow"
	Failed  Verdict = "failed" // the victim could not be struck, or never recovered
	Aborted Verdict = "aborted"
	Skipped Verdict = "skipped" // the steady state was not given: nothing was done
	// Interrupted: irisops ended in the middle of it. Its next life has put the
	// cluster in order, or says that it could not.
	Interrupted Verdict = "interrupted"
)

// Record is a drill as it is kept. Fields are only ever added.
type Record struct {
	Schema  int       `json:"schema"` // 1
	ID      string    `json:"id"`     // "drill-20260303T100000Z-edge1"
	Cluster string    `json:"cluster"`
	By      string    `json:"by"`
	Mode    Mode      `json:"mode"`
	Fault   Fault     `json:"fault"`
	Victim  string    `json:"victim"`
	Seed    uint64    `json:"seed"`
	Draw    []Chance  `json:"draw"`           // what the seed chose from
	Side    []string  `json:"side,omitempty"` // of a partition: the nodes that were cut off, the victim too
	At      time.Time `json:"at"`             // when it was announced for
	Limit   Seconds   `json:"limit_s"`

	Hypothesis []Check    `json:"hypothesis"` // the steady state, as it was found right before
	Method     []string   `json:"method"`
	Rollbacks  []Rollback `json:"rollbacks"`
	Stages     []Stage    `json:"stages"`
	Victims    Probes     `json:"probes_victim"`  // on the victim, or through it
	Others     Probes     `json:"probes_outside"` // on the edges outside of it
	Journal    []Line     `json:"journal"`

	Struck   time.Time `json:"struck,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Recovery Seconds   `json:"recovery_s"` // from the strike until clients were served; 0: never
	Verdict  Verdict   `json:"verdict"`
	Why      string    `json:"why,omitempty"`
	Incident string    `json:"incident,omitempty"` // its own, marked DRILL: notes in its thread are the lessons
	Never    []string  `json:"never_drilled,omitempty"`
}

// Seconds are a duration in JSON.
type Seconds float64

// Of is a duration in seconds, to the millisecond.
func Of(d time.Duration) Seconds { return Seconds(float64(d.Milliseconds()) / 1000) }

// Duration is the other way round.
func (s Seconds) Duration() time.Duration { return time.Duration(float64(s) * float64(time.Second)) }

// Check is one part of the steady state.
type Check struct {
	Name string `json:"name"`
	Held bool   `json:"held"`
	Seen string `json:"seen"`
}

// Rollback is something done to put the cluster back in order.
type Rollback struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Seen string `json:"seen"`
}

// Stage is when something was seen, after the strike.
type Stage struct {
	Name  string  `json:"name"`
	After Seconds `json:"after_s"`
}

// Probes are messages sent as clients send them.
type Probes struct {
	Sent      int `json:"sent"`
	Delivered int `json:"delivered"`
	Late      int `json:"late"` // of the delivered, those that took longer than the SLO
	Lost      int `json:"lost"`
}

func (p Probes) String() string {
	return fmt.Sprintf("%d sent, %d delivered (%d late), %d lost", p.Sent, p.Delivered, p.Late, p.Lost)
}

// Line of the journal.
type Line struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// IDOf names a drill.
func IDOf(at time.Time, victim string) string {
	return "drill-" + at.UTC().Format("20060102T150405Z") + "-" + victim
}

// The stages, in their order.
const (
	StageDetected = "detected"
	StageUp       = "node up"
	StageTables   = "tables and views"
	StageLogin    = "login"
	StageMessage  = "message round trip"
)

// stages in their order.
var stages = []string{StageDetected, StageUp, StageTables, StageLogin, StageMessage}

func (r *Record) stage(name string) (Stage, bool) {
	for _, s := range r.Stages {
		if s.Name == name {
			return s, true
		}
	}
	return Stage{}, false
}

// everythingServes is the last rollback: whether the cluster is in order again.
const everythingServes = "everything serves"

// settleSplit is the rollback without which data are not merged, whatever serves.
const settleSplit = "settle the split"

// disorder is what the rollbacks could not put in order; "" if they could.
func (r Record) disorder() string {
	for _, b := range slices.Backward(r.Rollbacks) {
		if !b.OK && (b.What == everythingServes || b.What == settleSplit) {
			return b.Seen
		}
	}
	return ""
}

// concluded says whether the drill came to its end, with the cluster looked at.
func (r Record) concluded() bool {
	return !r.Ended.IsZero() && (r.Struck.IsZero() || len(r.Rollbacks) > 0 && r.Rollbacks[len(r.Rollbacks)-1].What == everythingServes)
}

func (r *Record) note(at time.Time, format string, args ...any) {
	r.Journal = append(r.Journal, Line{at, fmt.Sprintf(format, args...)})
}
