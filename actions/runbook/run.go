// Package runbook carries out plans: it writes down that a step starts before
// it starts and how it ended afterwards, shows a live checklist to a listener,
// and after a crash knows which step was under way, so that a person decides
// and nothing runs twice in silence. It has no user interface and no database:
// a Journal keeps the run, a Listener watches it.
package runbook

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
)

// Run is one request for an action and what became of it. It is the aggregate
// that the store keeps; Version counts its commits.
type Run struct {
	Number   uint64
	Version  uint64
	Action   string
	Args     actions.Args
	Cluster  string
	Incident string // "INC-7" or ""
	By       string // who asked
	Asked    time.Time

	Title   string
	Class   actions.Class
	Why     string
	Targets []string
	Preview []string

	Approval approval.Request
	State    State
	Steps    []StepRecord
	Started  time.Time
	Ended    time.Time
	Outcome  string // one line
}

// State is where a run stands.
type State string

const (
	Waiting   State = "waiting"   // for a confirmation or an approval
	Dropped   State = "dropped"   // denied, withdrawn or expired; nothing ran
	Running   State = "running"   // its targets are locked
	Uncertain State = "unknown"   // a step was under way when the bot died; locked until a person decides
	Done      State = "done"      // every step verified
	Failed    State = "failed"    // a step failed; the later ones did not run
	Cancelled State = "cancelled" // halted or given up between steps
)

// Locks says whether the run holds its targets.
func (s State) Locks() bool { return s == Running || s == Uncertain }

// StepRecord is what is known of one step.
type StepRecord struct {
	Name     string
	Describe string
	State    StepState
	Started  time.Time
	Ended    time.Time
	Evidence string // what was seen, or the error
}

// StepState is where a step stands. StepStarted is written before its effect.
type StepState string

const (
	StepPending StepState = "pending"
	StepStarted StepState = "started"
	StepDone    StepState = "done"
	StepFailed  StepState = "failed"
	StepUnknown StepState = "unknown" // found started after a crash
	StepSkipped StepState = "skipped" // not run, because an earlier step ended the run
)

// ID is what people call it: "REQ-3".
func (r Run) ID() string { return ID(r.Number) }

// ID of the run with that number.
func ID(number uint64) string { return fmt.Sprintf("REQ-%d", number) }

// Digest binds an agreement to exactly this: action, parameters, cluster,
// targets, class and steps.
func Digest(cluster, action string, args actions.Args, plan actions.Plan) string {
	steps := make([][2]string, len(plan.Steps))
	for i, s := range plan.Steps {
		steps[i] = [2]string{s.Name, s.Describe}
	}
	if args == nil { // none is none, before and after it was stored
		args = actions.Args{}
	}
	targets := append([]string{}, plan.Targets...)
	b, err := json.Marshal([]any{cluster, action, args, targets, plan.Class, steps})
	if err != nil {
		panic(err) // strings and numbers only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Differs says in a sentence what is not the same in a plan as in what was
// agreed to.
func Differs(run Run, plan actions.Plan) string {
	switch {
	case run.Title != plan.Title:
		return fmt.Sprintf("Then: %s. Now: %s.", run.Title, plan.Title)
	case run.Class != plan.Class:
		return fmt.Sprintf("Then it was class %s. Now it is %s, because %s.", run.Class, plan.Class, plan.Why)
	case !slices.Equal(run.Targets, plan.Targets):
		return fmt.Sprintf("Then it was about %s. Now: %s.", strings.Join(run.Targets, ", "), strings.Join(plan.Targets, ", "))
	}
	for i := range max(len(run.Steps), len(plan.Steps)) {
		was, is := "no such step", "no such step"
		if i < len(run.Steps) {
			was = run.Steps[i].Name + ": " + run.Steps[i].Describe
		}
		if i < len(plan.Steps) {
			is = plan.Steps[i].Name + ": " + plan.Steps[i].Describe
		}
		if was != is {
			return fmt.Sprintf("Step %d was %q and is now %q.", i+1, was, is)
		}
	}
	return "The parameters are others."
}
