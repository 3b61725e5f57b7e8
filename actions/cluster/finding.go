package cluster

import (
	"cmp"
	"slices"
	"time"

	"irisops/actions"
)

// Finding is what one check found at one node.
type Finding struct {
	Check    string        `json:"check"`
	Node     string        `json:"node"` // short name
	Result   actions.Level `json:"result"`
	Evidence string        `json:"evidence"`
	Next     string        `json:"next"`           // words to type, or what to do by hand; may be empty
	Code     string        `json:"code,omitempty"` // what kind of trouble, for the verdict
	Mark     string        `json:"mark,omitempty"` // stays the same as long as nothing happens: a process, a release

	follows bool     // it was not asked, because the node does not answer; the ping tells why
	typed   bool     // Next is words to type
	pid     int      // of the node's process, where the check saw it
	brief   string   // the evidence for the verdict, where all of it is too much; ""
	excerpt []string // lines of a log worth reading, masked
	fact    any      // what a joining check or a rule compares; its type is the check's own
}

// short is the evidence as the verdict tells it.
func (f Finding) short() string { return cmp.Or(f.brief, f.Evidence) }

// Kinds of trouble that a check tells by Finding.Code, beside the codes of
// package actions.
const (
	codeNoProcess = "no-process" // verified: there is none
	codeStopped   = "stopped"    // SIGSTOP
	codeNoApp     = "no-application"
	codeNoPort    = "no-port"

	codeSplit    = "split-brain"
	codeParted   = "parted"    // not connected to a node that it should be connected to
	codeRanApart = "ran-apart" // its log says that it was split; whether it still is, the views say
	codeMemory   = "memory"
	codeOverload = "mnesia-overload"
	codeMailbox  = "mailbox"
	codeStuck    = "stuck-user"
	codePresence = "presence"
	codeUnacked  = "unacknowledged"
	codeClock    = "clock"
	codeLogin    = "no-login"
)

// Diagnosis is a diagnosis for machines: the Data of its Result.
type Diagnosis struct {
	Cluster  string        `json:"cluster"`
	Mode     string        `json:"mode"` // quick, full, node, ...
	At       time.Time     `json:"at"`
	Verdict  string        `json:"verdict"`
	State    actions.Level `json:"state"` // ok, warn, unknown or critical
	Findings []Finding     `json:"findings"`
	Since    *Since        `json:"since,omitempty"` // what changed, where that was asked
}

// ExitCode is how a command line ends that made this diagnosis: 2 if anything is
// critical, else 3 if a check of an expected node could not be made, else 1 if
// anything warns, else 0.
func ExitCode(d Diagnosis) int {
	switch worst(d.Findings) {
	case actions.Critical:
		return 2
	case actions.Unknown:
		return 3
	case actions.Warn:
		return 1
	}
	return 0
}

// worst is the state that the findings add up to. "Not available" and "not
// applicable" are no trouble, and no proof of health either: the verdict counts
// them.
func worst(findings []Finding) actions.Level {
	for _, level := range []actions.Level{actions.Critical, actions.Unknown, actions.Warn} {
		if slices.ContainsFunc(findings, func(f Finding) bool { return f.Result == level }) {
			return level
		}
	}
	return actions.OK
}
