package runbook

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
)

// Records are a plan's steps as a run keeps them before any has started.
func Records(plan actions.Plan) []StepRecord {
	records := make([]StepRecord, len(plan.Steps))
	for i, s := range plan.Steps {
		records[i] = StepRecord{Name: s.Name, Describe: s.Describe, State: StepPending}
	}
	return records
}

// Interrupted turns a run that is found Running when irisops starts, now, into
// an Uncertain one: nothing carries it out, and what a started step did is not
// known. It says whether the run was changed and so has to be saved.
func Interrupted(run Run, now time.Time) (Run, bool) {
	if run.State != Running {
		return run, false
	}
	run = run.copied()
	run.State = Uncertain
	run.Outcome = "irisops ended between two steps; none was under way"
	for i, s := range run.Steps {
		if s.State == StepStarted {
			run.Steps[i].State, run.Steps[i].Ended = StepUnknown, now
		}
		if run.Steps[i].State == StepUnknown {
			run.Outcome = fmt.Sprintf("irisops ended during %s; whether it took effect is not known", run.place(i))
		}
	}
	return run, true
}

// GiveUp ends an Uncertain run because a person says so; its targets are free
// then. What its unknown step did stays unknown.
func GiveUp(run Run, by, reason string, now time.Time) (Run, error) {
	if run.State != Uncertain {
		return run, actions.Errorf(CodeNotAgreed, "%s is %s: only a run that was interrupted can be given up.", run.ID(), run.State)
	}
	run = run.copied()
	run.skipFrom(0)
	run.State, run.Ended = Cancelled, now
	run.Outcome = tidy("given up by " + by)
	if reason = strings.TrimSpace(reason); reason != "" {
		run.Outcome = tidy("given up by " + by + ": " + reason)
	}
	return run, nil
}

// The moves of a run that the engine makes. Each returns a new run.

// begun: step i is about to be performed.
func (r Run) begun(i int, now time.Time) Run {
	r = r.copied()
	s := &r.Steps[i]
	s.State, s.Started, s.Ended, s.Evidence = StepStarted, now, time.Time{}, ""
	return r
}

// ended: step i has ended. The run ends with it unless another step follows.
func (r Run) ended(i int, out outcome, now time.Time) Run {
	r = r.copied()
	s := &r.Steps[i]
	s.State, s.Ended, s.Evidence = out.state, now, tidy(out.evidence)
	switch out.state {
	case StepFailed:
		r.skipFrom(i + 1)
		r.State, r.Ended, r.Outcome = Failed, now, fmt.Sprintf("failed at %s: %s", r.place(i), firstLine(s.Evidence))
	case StepUnknown:
		r.State, r.Outcome = Uncertain, fmt.Sprintf("%s ended unknown: %s", r.place(i), firstLine(s.Evidence))
	case StepDone:
		if r.next() == len(r.Steps) {
			r.State, r.Ended, r.Outcome = Done, now, allDone(len(r.Steps))
		}
	}
	return r
}

func allDone(steps int) string {
	if steps == 1 {
		return "the one step is done"
	}
	return fmt.Sprintf("all %d steps done", steps)
}

// stopped: the run ends as state before step i starts. If that step was left
// unknown before, it still is, and the run stays Uncertain.
func (r Run) stopped(i int, state State, what, reason string, now time.Time) Run {
	r = r.copied()
	r.Outcome = fmt.Sprintf("%s before %s", what, r.place(i))
	if reason != "" {
		r.Outcome = tidy(r.Outcome + ": " + reason)
	}
	if r.Steps[i].State == StepUnknown {
		r.State = Uncertain
		return r
	}
	r.skipFrom(i)
	r.State, r.Ended = state, now
	return r
}

// unwritten: the journal could not be told how step i ended.
func (r Run) unwritten(i int, err error) Run {
	r = r.copied()
	if s := &r.Steps[i]; s.State == StepDone || s.State == StepFailed {
		s.Evidence = tidy(fmt.Sprintf("seen as %s, but not written down: %s", s.State, s.Evidence))
		s.State = StepUnknown
	}
	r.Outcome = tidy(fmt.Sprintf("at %s the journal failed: %v", r.place(i), err))
	r.State, r.Ended = Uncertain, time.Time{}
	return r
}

// skipFrom marks what will not run any more.
func (r *Run) skipFrom(i int) {
	for ; i < len(r.Steps); i++ {
		if r.Steps[i].State == StepPending {
			r.Steps[i].State = StepSkipped
		}
	}
}

// next is the first step that is not done; len(Steps) if all are.
func (r Run) next() int {
	if i := slices.IndexFunc(r.Steps, func(s StepRecord) bool { return s.State != StepDone }); i >= 0 {
		return i
	}
	return len(r.Steps)
}

// place names step i: `step 2 of 3 (start edge1)`.
func (r Run) place(i int) string {
	return fmt.Sprintf("step %d of %d (%s)", i+1, len(r.Steps), r.Steps[i].Name)
}

func (r Run) copied() Run {
	r.Steps = slices.Clone(r.Steps)
	return r
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
