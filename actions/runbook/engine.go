package runbook

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
)

// Journal keeps runs. What Save returns without an error survives a crash.
type Journal interface {
	// Save writes the run and returns it with its new Version. The engine is the
	// only one that saves a run while it carries it out.
	Save(ctx context.Context, run Run) (Run, error)
}

// Listener is told of a run after each change of it that was saved, for a live
// checklist. It is called in the engine's own time, so it has to be quick; the
// run it gets is its own copy.
type Listener func(Run)

// Why the engine does not carry out a run, or stops in the middle of it.
const (
	CodeNotAgreed   = "not-agreed"   // the run is not waiting with an agreement
	CodePlanChanged = "plan-changed" // the plan is not what was agreed to
	CodeBadPlan     = "bad-plan"     // no steps, or a step that does nothing
	CodeBusy        = "busy"         // the run is being carried out already
	CodeHalted      = "halted"
	CodeStopping    = "stopping" // irisops is being stopped
	CodeNotWritten  = "not-written"
)

// How long the engine waits, unless told otherwise.
const (
	stepTimeout = time.Minute
	grace       = 5 * time.Second
	finish      = 10 * time.Second
)

// saveAgain is how long to wait before each further attempt to write down what
// has happened already.
var saveAgain = []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, time.Second, 2 * time.Second}

// Engine carries out runs, each step once. Set the fields before its first use
// and do not copy it. Several runs may be carried out at a time.
type Engine struct {
	Journal  Journal
	Listener Listener                            // nil: nobody watches
	Halted   func() (reason string, halted bool) // asked before each step; nil: never
	Log      *slog.Logger                        // nil: nothing is logged

	// Cancelled says whether somebody has called that run off. It is asked before
	// each step, as Halted is; nil: never.
	Cancelled func(run uint64) (reason string, cancelled bool)

	// Grace is how long a step may stay silent once its time is over and its
	// context cancelled, before it counts as hung. 0 means 5 seconds.
	Grace time.Duration
	// Finish is how long the step under way may go on when the context of
	// Execute or Resume ends, before its own context is cancelled too; after
	// that it has Grace. 0 means 10 seconds.
	Finish time.Duration

	mu   sync.Mutex
	held map[uint64]int // run number: who works on it, abandoned steps counted
}

// Execute carries out an agreed run. It is Running in the journal before
// anything happens, each step is "started" there before its effect, and the run
// is Done only when every step has succeeded and, where it can be checked, was
// found to have taken effect. A failed step ends the run. A step that panics or
// stays silent past its time and Grace leaves the run Uncertain: its effect is
// not known, its targets stay locked and a person decides. The goroutine of a
// silent step cannot be ended; until it lets go, the run cannot be resumed.
//
// When ctx ends, no further step starts. The one under way may finish (see
// Finish); if it cannot, it stays "started" in the journal, for Interrupted to
// find at the next start.
//
// How the run went is in the run. The error tells why it was not begun, or was
// left in the middle: the journal's own error if it would not have the run
// started, else an *actions.Error with one of the codes above. With
// CodeNotWritten the journal is behind what the run says; Resume takes it on
// from either.
func (e *Engine) Execute(ctx context.Context, run Run, plan actions.Plan) (Run, error) {
	if err := agreed(run, plan); err != nil {
		return run, err
	}
	if ctx.Err() != nil {
		return run, errStopping(run)
	}
	if err := e.hold(run); err != nil {
		return run, err
	}
	defer e.release(run.Number)

	begun := run
	begun.State, begun.Started, begun.Steps = Running, now(), Records(plan)
	begun, err := e.save(ctx, begun, nil)
	if err != nil {
		return run, fmt.Errorf("%s was not started: %w", run.ID(), err)
	}
	return e.carryOn(ctx, begun, plan.Steps, 0)
}

// carryOn carries out the steps from the given one on. steps are those of the
// whole run.
func (e *Engine) carryOn(ctx context.Context, run Run, steps []actions.Step, from int) (Run, error) {
	for i := from; i < len(steps); i++ {
		if ctx.Err() != nil {
			return run, errStopping(run)
		}
		if reason, stop := e.stop(run); stop {
			return e.settle(ctx, run.stopped(i, Cancelled, "stopped", reason, now()), i)
		}
		begun, err := e.save(ctx, run.begun(i, now()), saveAgain)
		if err != nil { // no act without its intent on record
			run, _ = e.settle(ctx, run.stopped(i, Failed, "nothing done", "its start could not be written down", now()), i)
			return run, notWritten(run, i, err)
		}
		if reason, stop := e.stop(run); stop { // while that was written down: it has not begun
			run.Version = begun.Version
			return e.settle(ctx, run.stopped(i, Cancelled, "halted", reason, now()), i)
		}
		run = begun
		out := e.watch(ctx, run, steps[i].Timeout, e.soFar(run, i, steps[i]), func(ctx context.Context) outcome { return perform(ctx, steps[i]) })
		if out.left {
			return run, errStopping(run)
		}
		if run, err = e.settle(ctx, run.ended(i, out, now()), i); err != nil || run.State != Running {
			return run, err
		}
	}
	return run, nil
}

// settle writes down how step i ended. If that cannot be done, nobody can rely
// on it after a crash, and so it counts as unknown from now on.
func (e *Engine) settle(ctx context.Context, run Run, i int) (Run, error) {
	saved, err := e.save(ctx, run, saveAgain)
	if err == nil {
		return saved, nil
	}
	e.log().Error("what a run did could not be written down", "run", run.ID(), "state", run.State, "outcome", run.Outcome, "err", err)
	run = run.unwritten(i, err)
	e.tell(run)
	return run, notWritten(run, i, err)
}

// save writes the run down, tries again after each of the pauses, and tells the
// listener. The end of ctx does not keep a fact from being written.
func (e *Engine) save(ctx context.Context, run Run, pauses []time.Duration) (Run, error) {
	for {
		saved, err := e.Journal.Save(context.WithoutCancel(ctx), run.copied())
		if err == nil {
			run.Version = saved.Version
			e.tell(run)
			return run, nil
		}
		if len(pauses) == 0 {
			return run, err
		}
		e.log().Warn("a run could not be saved, trying again", "run", run.ID(), "err", err)
		<-time.After(pauses[0])
		pauses = pauses[1:]
	}
}

func (e *Engine) tell(run Run) {
	if e.Listener == nil {
		return
	}
	defer func() {
		if p := recover(); p != nil {
			e.log().Error("panic in the listener of a run", "run", run.ID(), "panic", p, "stack", string(debug.Stack()))
		}
	}()
	e.Listener(run.copied())
}

// stop says whether no further step of the run may start, and why.
func (e *Engine) stop(run Run) (reason string, stop bool) {
	if e.Halted != nil {
		if reason, stop = e.Halted(); stop {
			return reason, true
		}
	}
	if e.Cancelled != nil {
		return e.Cancelled(run.Number)
	}
	return "", false
}

func (e *Engine) log() *slog.Logger {
	if e.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return e.Log
}

// hold keeps a run from being carried out twice at a time.
func (e *Engine) hold(run Run) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held[run.Number] > 0 {
		return &actions.Error{Code: CodeBusy, Text: run.ID() + " is being carried out, or a step of it that fell silent has not let go.",
			Hint: "If it never lets go, restart irisops: the cluster's nodes live on."}
	}
	e.add(run.Number, 1)
	return nil
}

func (e *Engine) keep(number uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(number, 1)
}

func (e *Engine) release(number uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add(number, -1)
}

func (e *Engine) add(number uint64, n int) {
	if e.held == nil {
		e.held = map[uint64]int{}
	}
	if e.held[number] += n; e.held[number] == 0 {
		delete(e.held, number)
	}
}

// agreed says whether exactly this plan was agreed to and waits to be carried out.
func agreed(run Run, plan actions.Plan) error {
	if run.State != Waiting || run.Approval.Verdict != approval.Approved {
		return actions.Errorf(CodeNotAgreed, "%s is %s, and its request is %s: it cannot be started.", run.ID(), run.State, run.Approval.Verdict)
	}
	if Digest(run.Cluster, run.Action, run.Args, plan) != run.Approval.Digest {
		return &actions.Error{Code: CodePlanChanged, Text: fmt.Sprintf("What %s would do has changed since it was agreed to. Nothing was run.", run.ID()),
			Hint: "Ask for it again and look at the new plan."}
	}
	return performable(plan)
}

func performable(plan actions.Plan) error {
	if len(plan.Steps) == 0 {
		return actions.Errorf(CodeBadPlan, "This plan has no steps: there is nothing to do.")
	}
	if i := slices.IndexFunc(plan.Steps, func(s actions.Step) bool { return s.Perform == nil }); i >= 0 {
		return actions.Errorf(CodeBadPlan, "Step %d of the plan, %q, has nothing that performs it.", i+1, plan.Steps[i].Name)
	}
	return nil
}

func errStopping(run Run) error {
	return &actions.Error{Code: CodeStopping, Text: fmt.Sprintf("irisops is being stopped: %s was left where it stood.", run.ID()), Err: context.Canceled}
}

func notWritten(run Run, i int, err error) error {
	return &actions.Error{Code: CodeNotWritten, Err: err,
		Text: fmt.Sprintf("%s ended at %s, because it could not be written down: %v.", run.ID(), run.place(i), err),
		Hint: "Its targets stay locked. Put the disk right first; then look at the step and decide."}
}

// now is in UTC and without the monotonic reading, as it comes back from a journal.
func now() time.Time { return time.Now().UTC().Round(0) }
