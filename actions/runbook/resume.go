package runbook

import (
	"context"
	"fmt"
	"slices"

	"irisops/actions"
)

// Resume takes up an Uncertain run because a person has decided to go on; that
// the person may do so is the caller's to see to. The step that was left
// unknown is checked first: if its effect is there it is done and is not
// performed again, otherwise it is performed again, and then the rest. If the
// check itself falls silent or panics the run stays Uncertain.
//
// plan is worked out anew. It has to consist of exactly the steps that were
// agreed to, or of those that are left of them, for the same targets and of no
// higher class.
//
// Errors are as with Execute.
func (e *Engine) Resume(ctx context.Context, run Run, plan actions.Plan) (Run, error) {
	was := run
	run, _ = Interrupted(run, now()) // a journal that failed is behind
	if run.State != Uncertain {
		return was, actions.Errorf(CodeNotAgreed, "%s is %s: only a run that was interrupted can be taken up again.", run.ID(), run.State)
	}
	steps, err := aligned(run, plan)
	if err != nil {
		return was, err
	}
	if reason, stop := e.stop(run); stop {
		return was, &actions.Error{Code: CodeHalted, Text: fmt.Sprintf("Actions are halted (%s): %s stays as it is.", reason, run.ID()),
			Hint: "`resume-actions` lifts the halt."}
	}
	if ctx.Err() != nil {
		return was, errStopping(run)
	}
	if err := e.hold(run); err != nil {
		return was, err
	}
	defer e.release(run.Number)

	run = run.copied()
	run.State, run.Outcome = Running, ""
	if run, err = e.save(ctx, run, nil); err != nil {
		return was, fmt.Errorf("%s was not taken up again: %w", run.ID(), err)
	}
	i := run.next()
	if i == len(run.Steps) {
		last := i - 1
		return e.settle(ctx, run.ended(last, done(run.Steps[last].Evidence), run.Steps[last].Ended), last)
	}
	if run.Steps[i].State != StepUnknown || steps[i].Check == nil {
		return e.carryOn(ctx, run, steps, i)
	}
	out := e.watch(ctx, run, steps[i].Timeout, nil, func(ctx context.Context) outcome { return check(ctx, steps[i]) })
	switch {
	case out.left:
		return run, errStopping(run)
	case out.state == StepFailed:
		return e.carryOn(ctx, run, steps, i)
	case out.state == StepDone:
		out.evidence = join("found done", out.evidence)
	}
	if run, err = e.settle(ctx, run.ended(i, out, now()), i); err != nil || run.State != Running {
		return run, err
	}
	return e.carryOn(ctx, run, steps, i+1)
}

// Sighting is what a look at an unknown step found.
type Sighting struct {
	Step     StepRecord // zero: none was under way
	Checked  bool       // the look gave an answer
	There    bool       // the step's effect is there
	Evidence string     // what was seen, or why nothing was
}

// Evidence looks at the step of an interrupted run that was left unknown, so
// that a person can decide. It changes nothing. plan is as for Resume.
func (e *Engine) Evidence(ctx context.Context, run Run, plan actions.Plan) (Sighting, error) {
	run, _ = Interrupted(run, now())
	steps, err := aligned(run, plan)
	if err != nil {
		return Sighting{}, err
	}
	i := run.next()
	if i == len(run.Steps) || run.Steps[i].State != StepUnknown {
		return Sighting{Evidence: "no step was under way"}, nil
	}
	s := Sighting{Step: run.Steps[i]}
	if steps[i].Check == nil {
		s.Evidence = "whether this step took effect cannot be seen"
		return s, nil
	}
	out := e.watch(ctx, run, steps[i].Timeout, nil, func(ctx context.Context) outcome { return check(ctx, steps[i]) })
	if out.left {
		return s, errStopping(run)
	}
	s.Checked, s.There, s.Evidence = out.state != StepUnknown, out.state == StepDone, tidy(out.evidence)
	return s, nil
}

// aligned lays the steps of a plan beside those of the run: all of them, or its
// last ones with nothing in the place of those that are done.
func aligned(run Run, plan actions.Plan) ([]actions.Step, error) {
	if err := performable(plan); err != nil {
		return nil, err
	}
	gone := len(run.Steps) - len(plan.Steps)
	same := gone >= 0 && gone <= run.next() && slices.Equal(run.Targets, plan.Targets) && plan.Class <= run.Class &&
		slices.EqualFunc(run.Steps[gone:], plan.Steps, func(r StepRecord, s actions.Step) bool {
			return r.Name == s.Name && r.Describe == s.Describe
		})
	if !same {
		return nil, &actions.Error{Code: CodePlanChanged,
			Text: fmt.Sprintf("What is left of %s is not what was agreed to any more. Nothing was run.", run.ID()),
			Hint: fmt.Sprintf("Give %s up, look at the cluster, and ask anew.", run.ID())}
	}
	return append(make([]actions.Step, gone), plan.Steps...), nil
}
