package runbook_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/runbook"
)

func TestEveryStepIsWrittenBeforeItStartsAndAfterItEnds(t *testing.T) {
	var performed []string
	j := &journal{}
	var heard []string
	e := &runbook.Engine{Journal: j, Listener: func(r runbook.Run) { heard = append(heard, states(r)) }}
	p := plan(ok("stop edge1", &performed), ok("start edge1", &performed))

	run, err := e.Execute(t.Context(), agreedTo(t, p), p)
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, run, "done: done done")
	want := []string{
		"running: pending pending",
		"running: started pending",
		"running: done pending",
		"running: done started",
		"done: done done",
	}
	if diff := cmp.Diff(want, heard); diff != "" {
		t.Errorf("the listener heard (-want +got):\n%s", diff)
	}
	var written []string
	for _, r := range j.saved {
		written = append(written, states(r))
	}
	if diff := cmp.Diff(want, written); diff != "" {
		t.Errorf("the journal holds (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"stop edge1", "start edge1"}, performed); diff != "" {
		t.Errorf("performed (-want +got):\n%s", diff)
	}
	if got, want := run.Steps[1].Evidence, "start edge1 performed; start edge1 seen"; got != want {
		t.Errorf("evidence %q, want %q", got, want)
	}
	if run.Version != 5 || run.Started.IsZero() || run.Ended.IsZero() || run.Steps[0].Ended.Before(run.Steps[0].Started) {
		t.Errorf("version or times are wrong: %+v", run)
	}
	if diff := cmp.Diff(j.last(t), run); diff != "" {
		t.Errorf("the run returned is not the one in the journal:\n%s", diff)
	}
}

func TestHowAStepEnds(t *testing.T) {
	boom := errors.New("exit status 2\nmake: *** [start_edge1] Error 1")
	fine := func(context.Context) (string, error) { return "pid 4711", nil }
	for _, tt := range []struct {
		name           string
		perform, check func(context.Context) (string, error)
		states         string
		evidence       string
		outcome        string
	}{
		{"performed and seen", fine, func(context.Context) (string, error) { return "registered", nil },
			"done: done done done", "pid 4711; registered", "all 3 steps done"},
		{"performed, cannot be seen", fine, nil, "done: done done done", "pid 4711", "all 3 steps done"},
		{"fails", func(context.Context) (string, error) { return "pid 4711", boom }, fine,
			"failed: done failed skipped", "pid 4711; exit status 2\nmake: *** [start_edge1] Error 1",
			"failed at step 2 of 3 (the step): pid 4711; exit status 2"},
		{"performed, not there", fine, func(context.Context) (string, error) { return "", errors.New("not registered") },
			"failed: done failed skipped", "pid 4711; not verified: not registered",
			"failed at step 2 of 3 (the step): pid 4711; not verified: not registered"},
		{"panics", func(context.Context) (string, error) { panic("index out of range") }, fine,
			"unknown: done unknown pending", "panic: index out of range",
			"step 2 of 3 (the step) ended unknown: panic: index out of range"},
		{"check panics", fine, func(context.Context) (string, error) { panic(boom) },
			"unknown: done unknown pending", "panic: " + boom.Error(),
			"step 2 of 3 (the step) ended unknown: panic: exit status 2"},
		{"ends its goroutine", func(context.Context) (string, error) { runtime.Goexit(); return "", nil }, fine,
			"unknown: done unknown pending", "the step ended without an answer",
			"step 2 of 3 (the step) ended unknown: the step ended without an answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var others []string
			j := &journal{}
			p := plan(ok("before", &others),
				actions.Step{Name: "the step", Perform: tt.perform, Check: tt.check},
				ok("after", &others))
			run, err := (&runbook.Engine{Journal: j}).Execute(t.Context(), agreedTo(t, p), p)
			if err != nil {
				t.Fatal(err)
			}
			wantStates(t, run, tt.states)
			wantStates(t, j.last(t), tt.states)
			if run.Steps[1].Evidence != tt.evidence {
				t.Errorf("evidence %q, want %q", run.Steps[1].Evidence, tt.evidence)
			}
			if run.Outcome != tt.outcome {
				t.Errorf("outcome %q, want %q", run.Outcome, tt.outcome)
			}
			if after := len(others) == 2; after != (run.State == runbook.Done) {
				t.Errorf("the step after it was performed: %v", after)
			}
			if locked := run.State.Locks(); locked != run.Ended.IsZero() {
				t.Errorf("locked %v, but ended at %v", locked, run.Ended)
			}
		})
	}
}

func TestEvidenceIsBoundedAndValid(t *testing.T) {
	p := plan(actions.Step{Name: "talk", Perform: func(context.Context) (string, error) {
		return strings.Repeat("é", 50_000) + "\xff", nil
	}})
	run, err := (&runbook.Engine{Journal: &journal{}}).Execute(t.Context(), agreedTo(t, p), p)
	if err != nil {
		t.Fatal(err)
	}
	got := run.Steps[0].Evidence
	if len(got) > 2100 || !strings.HasSuffix(got, "é ... (cut)") {
		t.Errorf("%d bytes of evidence ending in %q", len(got), got[len(got)-20:])
	}
}

func TestOnlyWhatWasAgreedToRuns(t *testing.T) {
	var performed []string
	p := plan(ok("start edge1", &performed))
	with := func(change func(*runbook.Run)) runbook.Run {
		r := agreedTo(t, p)
		change(&r)
		return r
	}
	other := plan(ok("start edge2", &performed))
	harm := p
	harm.Class = actions.Harm
	for _, tt := range []struct {
		name string
		run  runbook.Run
		plan actions.Plan
		code string
	}{
		{"still waiting for an agreement", with(func(r *runbook.Run) { r.Approval.Verdict = approval.Waiting }), p, runbook.CodeNotAgreed},
		{"denied", with(func(r *runbook.Run) { r.Approval.Verdict = approval.Denied }), p, runbook.CodeNotAgreed},
		{"used already", with(func(r *runbook.Run) { r.State = runbook.Done }), p, runbook.CodeNotAgreed},
		{"running", with(func(r *runbook.Run) { r.State = runbook.Running }), p, runbook.CodeNotAgreed},
		{"interrupted", with(func(r *runbook.Run) { r.State = runbook.Uncertain }), p, runbook.CodeNotAgreed},
		{"other steps", agreedTo(t, p), other, runbook.CodePlanChanged},
		{"higher class", agreedTo(t, p), harm, runbook.CodePlanChanged},
		{"other parameters", with(func(r *runbook.Run) { r.Args = actions.Args{"target": "edge2"} }), p, runbook.CodePlanChanged},
		{"other cluster", with(func(r *runbook.Run) { r.Cluster = "spare" }), p, runbook.CodePlanChanged},
		{"no steps", agreedTo(t, plan()), plan(), runbook.CodeBadPlan},
		{"a step that does nothing", agreedTo(t, plan(actions.Step{Name: "x"})), plan(actions.Step{Name: "x"}), runbook.CodeBadPlan},
	} {
		t.Run(tt.name, func(t *testing.T) {
			j := &journal{}
			got, err := (&runbook.Engine{Journal: j}).Execute(t.Context(), tt.run, tt.plan)
			wantCode(t, err, tt.code)
			if diff := cmp.Diff(tt.run, got); diff != "" {
				t.Errorf("a refused run was changed:\n%s", diff)
			}
			if len(j.saved) != 0 || len(performed) != 0 {
				t.Errorf("saved %d times, performed %v", len(j.saved), performed)
			}
		})
	}
}

func TestARunIsNotCarriedOutTwiceAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		goOn := make(chan struct{})
		p := plan(actions.Step{Name: "wait", Perform: func(context.Context) (string, error) { <-goOn; return "", nil }})
		e := &runbook.Engine{Journal: &journal{}}
		run := agreedTo(t, p)
		ended := make(chan error)
		go func() { _, err := e.Execute(t.Context(), run, p); ended <- err }()
		synctest.Wait()
		_, err := e.Execute(t.Context(), run, p)
		wantCode(t, err, runbook.CodeBusy)
		close(goOn)
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
}

func TestHaltLetsTheRunningStepFinishAndStartsNone(t *testing.T) {
	halted := false
	var performed []string
	first := ok("first", &performed)
	perform := first.Perform
	first.Perform = func(ctx context.Context) (string, error) { halted = true; return perform(ctx) }
	p := plan(first, ok("second", &performed))
	j := &journal{}
	e := &runbook.Engine{Journal: j, Halted: func() (string, bool) { return "wrong cluster", halted }}

	run, err := e.Execute(t.Context(), agreedTo(t, p), p)
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, run, "cancelled: done skipped")
	wantStates(t, j.last(t), "cancelled: done skipped")
	if want := "stopped before step 2 of 2 (second): wrong cluster"; run.Outcome != want {
		t.Errorf("outcome %q, want %q", run.Outcome, want)
	}
	if len(performed) != 1 {
		t.Errorf("performed %v", performed)
	}
}

func TestTheJournalRefusesTheStart(t *testing.T) {
	var performed []string
	p := plan(ok("start edge1", &performed))
	busy := errors.New("main/edge1 is being worked on by REQ-2")
	j := &journal{fail: func(int) error { return busy }}
	before := agreedTo(t, p)
	run, err := (&runbook.Engine{Journal: j}).Execute(t.Context(), before, p)
	if !errors.Is(err, busy) {
		t.Errorf("error %v does not carry the journal's own", err)
	}
	if diff := cmp.Diff(before, run); diff != "" || len(performed) != 0 || j.tries != 1 {
		t.Errorf("performed %v, %d tries, run changed:\n%s", performed, j.tries, diff)
	}
}

// The numbers of the journal's saves for one step: 1 running, 2 started, 3 ended.
func TestNoActWithoutItsIntentOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var performed []string
		p := plan(ok("start edge1", &performed))
		j := &journal{fail: func(n int) error {
			if n >= 2 {
				return errDisk
			}
			return nil
		}}
		var heard []string
		e := &runbook.Engine{Journal: j, Listener: func(r runbook.Run) { heard = append(heard, states(r)) }}
		run, err := e.Execute(t.Context(), agreedTo(t, p), p)
		wantCode(t, err, runbook.CodeNotWritten)
		if !errors.Is(err, errDisk) {
			t.Errorf("the cause is lost: %v", err)
		}
		if len(performed) != 0 {
			t.Errorf("performed %v", performed)
		}
		wantStates(t, run, "unknown: skipped")
		if diff := cmp.Diff([]string{"running: pending", "unknown: skipped"}, heard); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}

		// The disk is well again, and a person goes on from what was returned.
		j.fail = nil
		run, err = e.Resume(t.Context(), run, p)
		if err != nil {
			t.Fatal(err)
		}
		wantStates(t, run, "done: done")
	})
}

func TestAShortFailureOfTheJournalIsOvercome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var performed []string
		p := plan(ok("start edge1", &performed))
		j := &journal{fail: func(n int) error {
			if n == 2 || n == 3 || n == 5 {
				return errDisk
			}
			return nil
		}}
		run, err := (&runbook.Engine{Journal: j}).Execute(t.Context(), agreedTo(t, p), p)
		if err != nil {
			t.Fatal(err)
		}
		wantStates(t, run, "done: done")
		if len(performed) != 1 {
			t.Errorf("performed %v", performed)
		}
	})
}

func TestAnOutcomeThatCannotBeWrittenIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var performed []string
		p := plan(ok("start edge1", &performed), ok("start edge2", &performed))
		j := &journal{fail: func(n int) error {
			if n >= 3 {
				return errDisk
			}
			return nil
		}}
		e := &runbook.Engine{Journal: j}
		run, err := e.Execute(t.Context(), agreedTo(t, p), p)
		wantCode(t, err, runbook.CodeNotWritten)
		wantStates(t, run, "unknown: unknown pending")
		if want := "seen as done, but not written down: start edge1 performed; start edge1 seen"; run.Steps[0].Evidence != want {
			t.Errorf("evidence %q, want %q", run.Steps[0].Evidence, want)
		}
		if j.tries < 6 {
			t.Errorf("only %d attempts to save", j.tries)
		}
		wantStates(t, j.last(t), "running: started pending")

		// From the journal, which is behind, without performing it again.
		j.fail = nil
		run, err = e.Resume(t.Context(), j.last(t), p)
		if err != nil {
			t.Fatal(err)
		}
		wantStates(t, run, "done: done done")
		if diff := cmp.Diff([]string{"start edge1", "start edge2"}, performed); diff != "" {
			t.Errorf("performed (-want +got):\n%s", diff)
		}
	})
}

func TestAPanickingListenerDoesNotEndTheRun(t *testing.T) {
	var performed []string
	p := plan(ok("start edge1", &performed))
	e := &runbook.Engine{Journal: &journal{}, Listener: func(runbook.Run) { panic("terminal gone") }}
	run, err := e.Execute(t.Context(), agreedTo(t, p), p)
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, run, "done: done")
}

func TestAListenerMayKeepWhatItHeard(t *testing.T) {
	var performed []string
	p := plan(ok("a", &performed), ok("b", &performed))
	var heard []runbook.Run
	e := &runbook.Engine{Journal: &journal{}, Listener: func(r runbook.Run) {
		heard = append(heard, r)
		r.Steps[0].Evidence = "scribbled"
	}}
	run, err := e.Execute(t.Context(), agreedTo(t, p), p)
	if err != nil {
		t.Fatal(err)
	}
	wantStates(t, heard[0], "running: pending pending")
	if run.Steps[0].Evidence == "scribbled" {
		t.Error("the listener can write into the run")
	}
}

func TestDigestBindsEverythingThatMatters(t *testing.T) {
	base := actions.Plan{Class: actions.Do, Targets: []string{"main/edge1"}, Steps: []actions.Step{{Name: "a", Describe: "b"}, {Name: "c"}}}
	digest := func(cluster, action string, args actions.Args, change func(*actions.Plan)) string {
		p := base
		p.Steps = append([]actions.Step(nil), base.Steps...)
		if change != nil {
			change(&p)
		}
		return runbook.Digest(cluster, action, args, p)
	}
	args := actions.Args{"target": "edge1", "dry-run": "true"}
	seen := map[string]string{}
	for name, d := range map[string]string{
		"as it is":      digest("main", "restart", args, nil),
		"cluster":       digest("spare", "restart", args, nil),
		"action":        digest("main", "stop", args, nil),
		"argument":      digest("main", "restart", actions.Args{"target": "edge2", "dry-run": "true"}, nil),
		"fewer":         digest("main", "restart", actions.Args{"target": "edge1"}, nil),
		"none":          digest("main", "restart", nil, nil),
		"class":         digest("main", "restart", args, func(p *actions.Plan) { p.Class = actions.Harm }),
		"targets":       digest("main", "restart", args, func(p *actions.Plan) { p.Targets = []string{"main/edge2"} }),
		"no targets":    digest("main", "restart", args, func(p *actions.Plan) { p.Targets = nil }),
		"step name":     digest("main", "restart", args, func(p *actions.Plan) { p.Steps[0].Name = "x" }),
		"step describe": digest("main", "restart", args, func(p *actions.Plan) { p.Steps[0].Describe = "x" }),
		"moved between": digest("main", "restart", args, func(p *actions.Plan) { p.Steps[0] = actions.Step{Name: "ab"} }),
		"order":         digest("main", "restart", args, func(p *actions.Plan) { p.Steps[0], p.Steps[1] = p.Steps[1], p.Steps[0] }),
		"one less":      digest("main", "restart", args, func(p *actions.Plan) { p.Steps = p.Steps[:1] }),
	} {
		if other, twice := seen[d]; twice {
			t.Errorf("%q and %q have the same digest", name, other)
		}
		seen[d] = name
	}
	if digest("main", "restart", args, nil) != digest("main", "restart", actions.Args{"dry-run": "true", "target": "edge1"}, nil) {
		t.Error("the same digests differently")
	}
	// A store may give back nothing for none.
	if digest("main", "x", nil, func(p *actions.Plan) { p.Targets = nil }) != digest("main", "x", actions.Args{}, func(p *actions.Plan) { p.Targets = []string{} }) {
		t.Error("none and empty digest differently")
	}
}
