// Package watch looks at the clusters all the time and turns the symptoms of the
// runbooks into incidents.
//
// A round is one Observation of a cluster. What it means is worked out by pure
// rules (symptom.go): each symptom has a cause, and of all that is wrong only the
// causes are named, the worst first, so that a dead node is one symptom and not
// twenty. A cause has to show in N of the last M rounds before it counts
// (damp.go), the graver the fewer; it is over when it has not shown for a while.
// One loop a cluster does it (loop.go), with one clock.
//
// What becomes of a cause that counts is the conversation's business, told by
// the interface Desk: an incident, only a line of what would have been done, or
// nothing at all in maintenance.
package watch

import (
	"time"

	"irisops/actions/cluster"
	"irisops/bot/incident"
)

// Mode says what watch does with what it sees.
type Mode string

const (
	Off     Mode = "off"     // nothing is looked at
	Observe Mode = "observe" // nothing is declared; what would have been is told
	Declare Mode = "declare"
)

// Modes in the order of the help.
var Modes = []Mode{Off, Observe, Declare}

// Rules are the thresholds. The zero value means the defaults beside the fields.
type Rules struct {
	Latency     time.Duration // p99 of logins and messages: 500 ms
	Window      time.Duration // over which it is taken, and growth is seen: 5 min
	Connections int64         // a drop to no connected user from at least so many is an outage: 50
	Growth      int64         // offline messages that came within the window and do not drain: 1000
}

func (r Rules) withDefaults() Rules {
	if r.Latency <= 0 {
		r.Latency = 500 * time.Millisecond
	}
	if r.Window <= 0 {
		r.Window = 5 * time.Minute
	}
	if r.Connections <= 0 {
		r.Connections = 50
	}
	if r.Growth <= 0 {
		r.Growth = 1000
	}
	return r
}

// Every is how often a cluster is looked at, unless the config says otherwise.
const Every = 30 * time.Second

// Symptom is something that is wrong, by its cause.
type Symptom struct {
	Cause    string // stays the same while it lasts, whatever is seen of it: "node/edge1"
	Priority incident.Priority
	Title    string   // of the incident
	Seen     string   // the evidence of this round, in one line
	Nodes    []string // what it is about, by short names; none: all
}

// Round is an observation with its time.
type Round struct {
	At time.Time
	cluster.Observation
}
