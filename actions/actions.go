// Package actions says what an action is: something operators can have irisops
// look at or do to a cluster. It holds types only. What the actions are stands
// in the packages below it (cluster, drill); how a plan is carried out stands in
// runbook; who has to agree stands in approval.
//
// An Action either looks (Look is set: it changes nothing and answers with a
// Result) or acts (Plan is set: it looks first, and answers with the steps it
// would take, so that a dry run is free and the class of risk is computed from
// what is alive now, not from the verb).
package actions

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Class says how much a command can do, and so who has to agree to it.
type Class int

const (
	See  Class = iota + 1 // changes nothing
	Tell                  // changes the incident only
	Do                    // changes the cluster; the requester confirms what will run
	Harm                  // can lose data or service; a second person approves
)

var classNames = map[Class]string{See: "see", Tell: "tell", Do: "do", Harm: "harm"}

func (c Class) String() string {
	if s, ok := classNames[c]; ok {
		return s
	}
	return fmt.Sprintf("class %d", int(c))
}

// Kind is the type of a parameter: what the parser accepts for it, and the
// canonical form in which its value is kept.
type Kind string

const (
	Word     Kind = "word"     // one word: letters, digits and _ . : @ -
	Text     Kind = "text"     // the rest of the line, or a quoted string; at most 3,000 characters
	Target   Kind = "target"   // a node's short or full name, a role (core, edge), or all; canonical: as typed, lower case
	Node     Kind = "node"     // one node's short or full name
	Person   Kind = "person"   // <@U01>, @operator or operator; canonical: the id under people
	Choice   Kind = "choice"   // one of Choices, in any case; canonical: as in Choices
	ID       Kind = "id"       // INC-7, REQ-3, or the bare number
	Duration Kind = "duration" // 90s, 15m, 2h, 1d; canonical: as time.Duration prints it
	Count    Kind = "count"    // a whole number, 1 or more
	Bool     Kind = "bool"     // flags only: present or not; canonical: "true"
)

// Param is one parameter of an action or a command. Positional parameters come
// in order; flags are named with two dashes and come anywhere.
type Param struct {
	Name     string // "target", "priority"; for a flag without its dashes: "dry-run"
	Kind     Kind
	Doc      string // a short phrase for help
	Example  string // a value that works
	Choices  []string
	Flag     bool
	Optional bool // flags are always optional

	// Own: with this flag of a Look the answer is for the eyes of the caller alone.
	// It goes over their own connection, and to nobody else; who asked is recorded
	// before it is looked up.
	Own bool
}

// Args are the parsed parameters by name, each in its kind's canonical form. A
// parameter that was not given is absent.
type Args map[string]string

// Request is one person asking for an action.
type Request struct {
	Args     Args
	Incident string // "INC-7", or "" outside any incident
	By       string // a person's id
	Now      time.Time

	// Agreed is set only when an interrupted run is planned again: the class
	// that was agreed to. The plan then has the same targets and steps as before,
	// whatever has been done or has changed since, is not refused because of it,
	// and none of its steps does what is above this class by now.
	Agreed Class
}

// Action is one thing operators can have looked at or done. Exactly one of Look
// and Plan is set.
type Action struct {
	Name    string // the words people type: "restart", "diagnose"
	Summary string // one line for help
	Long    string // more, for the action's own help: what the runbook says, and where IRIS differs
	Example string // a whole command that works
	Params  []Param
	Look    func(ctx context.Context, req Request) (Result, error)
	Plan    func(ctx context.Context, req Request) (Plan, error)
}

// Plan is what an action would do, worked out against the cluster as it is now.
type Plan struct {
	Title   string   // "Restart edge1": verb and exact scope
	Class   Class    // Do or Harm, by effect
	Why     string   // why that class: "edge1 is one of two live edges"
	Targets []string // what it locks while it runs: "main/edge1"
	Preview []string // exactly what will run, line by line, warnings first
	Steps   []Step

	// Until is when a request for it expires that nobody has settled; zero: as
	// every request.
	Until time.Time

	// Answer, if set, stands in the place of a plan: what a person has to know
	// before there can be one. It changes nothing.
	Answer *Result

	// Bound is what working the plan out has settled beside what was typed, such
	// as the name of an export or how much was there. It is kept with the request
	// and agreed to, and stands in Request.Args whenever the plan is worked out
	// again: there the action finds its export again, or sees that what was agreed
	// to is not there any more. Nobody can type it.
	Bound Args
}

// Step is one step of a plan.
type Step struct {
	Name     string // short, for the checklist: "start edge1"
	Describe string // what it does, for the dry run: "make start_edge1 in /srv/iris"

	// Perform does it. Its evidence is one line of what was seen ("pid 4711").
	// It must not report success that it did not verify.
	Perform func(ctx context.Context) (evidence string, err error)

	// Check looks whether the step's effect is there, changing nothing. It is
	// asked after Perform, and after a crash in the middle of Perform, where its
	// evidence is shown to a person. Nil where the effect cannot be seen.
	Check func(ctx context.Context) (evidence string, err error)

	// Seen is what Perform has seen so far, in one line, for those who watch. It is
	// asked while Perform runs, from elsewhere. Nil where there is nothing to tell.
	Seen func() string

	// Timeout bounds Perform and Check together; 0 means one minute.
	Timeout time.Duration
}

// Level says how good or bad a result or a finding is. Unknown is not green.
type Level string

const (
	OK            Level = "ok"
	Advice        Level = "advice"
	Warn          Level = "warn"
	Critical      Level = "critical"
	Unknown       Level = "unknown"        // it could not be found out in time
	NotAvailable  Level = "not available"  // this IRIS has no such function
	NotApplicable Level = "not applicable" // it makes no sense there: Mnesia on an edge
)

// Result is an answer as data.
type Result struct {
	Level    Level
	Headline string // the outcome in one line
	Sections []Section
	Next     []Next
	Data     any // the same for machines, encodable as JSON; may be nil
}

// Section is a titled part of a result: rows of columns, or lines of text.
type Section struct {
	Title  string
	Header []string
	Rows   [][]string
	Lines  []string
	Code   bool // Lines are machine output, shown as such
	Folded bool // healthy or long: shown folded where the channel can
}

// Next is a command worth typing now.
type Next struct {
	Label string // "Restart Edge 1", for a button
	Words string // "restart edge1"
}

// Error is a refusal or failure with a code for machines, a sentence for people
// and, where there is one, the way out.
type Error struct {
	Code string // "no-such-node", "busy", "refused", "node-hung", ...
	Text string // a sentence
	Hint string // what to type or do instead; may be empty
	Err  error  // the cause; may be nil
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Text
	}
	return e.Text + " " + e.Hint
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf is an *Error without a hint. A %w in the format is its cause.
func Errorf(code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Text: err.Error(), Err: err}
}

// Codes of the failures that callers tell apart. The adapter that meets the
// failure classifies it once, as an *Error with one of these codes.
const (
	CodeNoHost        = "no-such-host"       // the node's host name does not resolve
	CodeNoEPMD        = "no-epmd"            // nothing listens on the epmd port
	CodeNotRegistered = "not-registered"     // epmd does not know the node's name
	CodeRefused       = "refused"            // the port refuses connections
	CodeWrongCookie   = "wrong-cookie"       // the node turned the cookie down
	CodeTLS           = "tls"                // the node and irisops do not agree about TLS
	CodeHung          = "hung"               // connected or listed, but silent until the deadline
	CodeBadRPC        = "badrpc"             // the remote function failed
	CodeUndef         = "undef"              // the remote function does not exist
	CodeTooLarge      = "reply-too-large"    // the reply passed the bound
	CodeLost          = "connection-lost"    // the connection broke during the call: whether it ran is not known
	CodeAuthFailed    = "auth-failed"        // edge up, probe not allowed
	CodeRateLimited   = "rate-limited"       // edge up, probe slowed down
	CodeNoTarget      = "no-make-target"     // the Makefile has no such target
	CodeDiskFull      = "disk-full"          // no space left
	CodeNotHere       = "host-not-reachable" // the node lives on a host that irisops cannot run commands on
	CodeGone          = "process-gone"       // the process ended, or its pid belongs to another one by now
	CodeNoSuchNode    = "no-such-node"
	CodeAmbiguous     = "ambiguous"
)

// CodeOf is the code of the first *Error in err's chain, or "".
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}
