package runbook_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions"
	"irisops/actions/runbook"
)

// interrupted is a run of p that was found at the start of irisops with its
// steps in these states, and the journal that holds it.
func interrupted(t testing.TB, p actions.Plan, steps ...runbook.StepState) (runbook.Run, *journal) {
	t.Helper()
	run := agreedTo(t, p)
	run.State = runbook.Running
	for i, s := range steps {
		run.Steps[i].State = s
		if s != runbook.StepPending {
			run.Steps[i].Started = time.Now()
		}
	}
	run, changed := runbook.Interrupted(run, time.Now())
	if !changed {
		t.Fatal("a running run was not changed")
	}
	j := &journal{}
	run, err := j.Save(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	return run, j
}

const (
	pending = runbook.StepPending
	started = runbook.StepStarted
	done    = runbook.StepDone
)

func TestInterrupted(t *testing.T) {
	var none []string
	p := plan(ok("a", &none), ok("b", &none), ok("c", &none))
	for _, tt := range []struct {
		steps           []runbook.StepState
		states, outcome string
	}{
		{[]runbook.StepState{pending, pending, pending}, "unknown: pending pending pending", "irisops ended between two steps; none was under way"},
		{[]runbook.StepState{done, started, pending}, "unknown: done unknown pending", "irisops ended during step 2 of 3 (b); whether it took effect is not known"},
		{[]runbook.StepState{done, done, runbook.StepUnknown}, "unknown: done done unknown", "irisops ended during step 3 of 3 (c); whether it took effect is not known"},
	} {
		before := agreedTo(t, p)
		before.State = runbook.Running
		for i, s := range tt.steps {
			before.Steps[i].State = s
		}
		was := states(before)
		after, changed := runbook.Interrupted(before, time.Now())
		wantStates(t, after, tt.states)
		if !changed || after.Outcome != tt.outcome {
			t.Errorf("changed %v, outcome %q, want %q", changed, after.Outcome, tt.outcome)
		}
		if states(before) != was {
			t.Errorf("Interrupted wrote into the run it was given: %s", states(before))
		}
	}
	for _, s := range []runbook.State{runbook.Waiting, runbook.Dropped, runbook.Uncertain, runbook.Done, runbook.Failed, runbook.Cancelled} {
		run := runbook.Run{State: s, Steps: []runbook.StepRecord{{State: runbook.StepStarted}}}
		if after, changed := runbook.Interrupted(run, time.Now()); changed || !cmp.Equal(run, after) {
			t.Errorf("a run that is %s was changed to %s", s, states(after))
		}
	}
}

func TestGiveUp(t *testing.T) {
	var none []string
	p := plan(ok("a", &none), ok("b", &none), ok("c", &none))
	run, _ := interrupted(t, p, done, started, pending)
	now := time.Now()
	given, err := runbook.GiveUp(run, "operator", "restarted by hand", now)
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, given, "cancelled: done unknown skipped")
	wantStates(t, run, "unknown: done unknown pending")
	if given.Outcome != "given up by operator: restarted by hand" || !given.Ended.Equal(now) || given.State.Locks() {
		t.Errorf("given up: %+v", given)
	}
	_, err = runbook.GiveUp(given, "operator", "", now)
	wantCode(t, err, runbook.CodeNotAgreed)
}

func TestResume(t *testing.T) {
	for _, tt := range []struct {
		name      string
		steps     []runbook.StepState
		check     func(context.Context) (string, error) // of the second step
		states    string
		evidence  string // of the second step
		performed []string
	}{
		{"its effect is there", []runbook.StepState{done, started, pending},
			func(context.Context) (string, error) { return "pid 4711", nil },
			"done: done done done", "found done; pid 4711", []string{"c"}},
		{"its effect is not there and it cannot be performed", []runbook.StepState{done, started, pending},
			func(context.Context) (string, error) { return "", errors.New("not registered") },
			"failed: done failed skipped", "b performed; not verified: not registered", []string{"b"}},
		{"its effect cannot be seen", []runbook.StepState{done, started, pending}, nil,
			"done: done done done", "b performed", []string{"b", "c"}},
		{"the check panics", []runbook.StepState{done, started, pending},
			func(context.Context) (string, error) { panic("nil map") },
			"unknown: done unknown pending", "panic: nil map", nil},
		{"none was under way", []runbook.StepState{done, pending, pending},
			func(context.Context) (string, error) { return "pid 4711", nil },
			"done: done done done", "b performed; pid 4711", []string{"b", "c"}},
		{"all were done", []runbook.StepState{done, done, done}, nil, "done: done done done", "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var performed []string
			p := plan(ok("a", &performed), ok("b", &performed), ok("c", &performed))
			p.Steps[1].Check = tt.check
			run, j := interrupted(t, p, tt.steps...)
			run, err := (&runbook.Engine{Journal: j}).Resume(t.Context(), run, p)
			if err != nil {
				t.Fatal(err)
			}
			wantStates(t, run, tt.states)
			wantStates(t, j.last(t), tt.states)
			if run.Steps[1].Evidence != tt.evidence {
				t.Errorf("evidence %q, want %q", run.Steps[1].Evidence, tt.evidence)
			}
			if diff := cmp.Diff(tt.performed, performed); diff != "" {
				t.Errorf("performed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestResumeTakesOnlyWhatIsLeftOfTheAgreedPlan(t *testing.T) {
	var performed []string
	a, b, c := ok("a", &performed), ok("b", &performed), ok("c", &performed)
	whole := plan(a, b, c)
	changed := func(change func(*actions.Plan)) actions.Plan {
		p := plan(a, b, c)
		change(&p)
		return p
	}
	for _, tt := range []struct {
		name string
		plan actions.Plan
		code string
	}{
		{"the same", whole, ""},
		{"what is left", plan(b, c), ""},
		{"of a lower class now", changed(func(p *actions.Plan) { p.Class = actions.Tell }), ""},
		{"of a higher class now", changed(func(p *actions.Plan) { p.Class = actions.Harm }), runbook.CodePlanChanged},
		{"without the unknown step", plan(c), runbook.CodePlanChanged},
		{"without the last", plan(a, b), runbook.CodePlanChanged},
		{"with one more", plan(a, b, c, c), runbook.CodePlanChanged},
		{"in another order", plan(a, c, b), runbook.CodePlanChanged},
		{"for other targets", changed(func(p *actions.Plan) { p.Targets = []string{"main/edge2"} }), runbook.CodePlanChanged},
		{"a step that means something else", changed(func(p *actions.Plan) { p.Steps[2].Describe = "kill -9" }), runbook.CodePlanChanged},
		{"nothing", plan(), runbook.CodeBadPlan},
	} {
		t.Run(tt.name, func(t *testing.T) {
			performed = nil
			run, j := interrupted(t, whole, done, started, pending)
			got, err := (&runbook.Engine{Journal: j}).Resume(t.Context(), run, tt.plan)
			wantCode(t, err, tt.code)
			if tt.code == "" {
				wantStates(t, got, "done: done done done")
				return
			}
			if diff := cmp.Diff(run, got); diff != "" || len(performed) != 0 || len(j.saved) != 1 {
				t.Errorf("performed %v, saved %d times; a refused run was changed:\n%s", performed, len(j.saved), diff)
			}
		})
	}
}

func TestResumeIsRefused(t *testing.T) {
	var performed []string
	p := plan(ok("a", &performed), ok("b", &performed))
	for _, s := range []runbook.State{runbook.Waiting, runbook.Dropped, runbook.Done, runbook.Failed, runbook.Cancelled} {
		run, j := interrupted(t, p, started, pending)
		run.State = s
		_, err := (&runbook.Engine{Journal: j}).Resume(t.Context(), run, p)
		wantCode(t, err, runbook.CodeNotAgreed)
	}
	run, j := interrupted(t, p, started, pending)
	_, err := (&runbook.Engine{Journal: j, Halted: func() (string, bool) { return "wait", true }}).Resume(t.Context(), run, p)
	wantCode(t, err, runbook.CodeHalted)

	j.fail = func(int) error { return errDisk }
	got, err := (&runbook.Engine{Journal: j}).Resume(t.Context(), run, p)
	if !errors.Is(err, errDisk) {
		t.Errorf("error %v", err)
	}
	wantStates(t, got, "unknown: unknown pending")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = (&runbook.Engine{Journal: j}).Resume(ctx, run, p)
	wantCode(t, err, runbook.CodeStopping)
	if len(performed) != 0 {
		t.Errorf("performed %v", performed)
	}
}

func TestHaltDuringResume(t *testing.T) {
	halted := false
	var performed []string
	p := plan(ok("a", &performed), ok("b", &performed))
	e := &runbook.Engine{Halted: func() (string, bool) { return "wait", halted }}

	// While the unknown step is being looked at: it stays unknown.
	p.Steps[0].Check = func(context.Context) (string, error) { halted = true; return "", errors.New("not there") }
	run, j := interrupted(t, p, started, pending)
	e.Journal = j
	run, err := e.Resume(t.Context(), run, p)
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, run, "unknown: unknown pending")
	if len(performed) != 0 {
		t.Errorf("performed %v", performed)
	}

	// Its effect is there: the next step does not start.
	halted = false
	p.Steps[0].Check = func(context.Context) (string, error) { halted = true; return "", nil }
	run, err = e.Resume(t.Context(), run, p)
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, run, "cancelled: done skipped")
}

func TestACheckThatFallsSilentLeavesTheRunUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var performed []string
		p := plan(ok("a", &performed))
		letGo := make(chan struct{})
		p.Steps[0].Check = func(context.Context) (string, error) { <-letGo; return "", nil }
		run, j := interrupted(t, p, started)
		run, err := (&runbook.Engine{Journal: j}).Resume(t.Context(), run, p)
		if err != nil {
			t.Fatal(err)
		}
		wantStates(t, run, "unknown: unknown")
		if len(performed) != 0 {
			t.Errorf("performed %v", performed)
		}
		close(letGo)
	})
}

func TestEvidence(t *testing.T) {
	var performed []string
	look := func(check func(context.Context) (string, error), steps ...runbook.StepState) runbook.Sighting {
		t.Helper()
		p := plan(ok("a", &performed), ok("b", &performed))
		p.Steps[1].Check = check
		run, j := interrupted(t, p, steps...)
		s, err := (&runbook.Engine{Journal: j}).Evidence(t.Context(), run, p)
		if err != nil {
			t.Fatal(err)
		}
		if len(j.saved) != 1 || len(performed) != 0 {
			t.Errorf("a look saved %d times and performed %v", len(j.saved)-1, performed)
		}
		s.Step.Started, s.Step.Ended = time.Time{}, time.Time{}
		return s
	}
	b := runbook.StepRecord{Name: "b", Describe: "does b", State: runbook.StepUnknown}
	for _, tt := range []struct{ got, want runbook.Sighting }{
		{look(func(context.Context) (string, error) { return "pid 4711", nil }, done, started),
			runbook.Sighting{Step: b, Checked: true, There: true, Evidence: "pid 4711"}},
		{look(func(context.Context) (string, error) { return "", errors.New("not registered") }, done, started),
			runbook.Sighting{Step: b, Checked: true, Evidence: "not registered"}},
		{look(func(context.Context) (string, error) { panic("oops") }, done, started),
			runbook.Sighting{Step: b, Evidence: "panic: oops"}},
		{look(nil, done, started), runbook.Sighting{Step: b, Evidence: "whether this step took effect cannot be seen"}},
		{look(nil, done, pending), runbook.Sighting{Evidence: "no step was under way"}},
	} {
		if diff := cmp.Diff(tt.want, tt.got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
