package runbook_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"irisops/actions"
	"irisops/actions/runbook"
)

// obedient waits until its context ends.
func obedient(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }

func TestAStepThatHeedsItsTimeLimitFails(t *testing.T) {
	for _, tt := range []struct {
		limit, want time.Duration
	}{{0, time.Minute}, {90 * time.Second, 90 * time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			p := plan(actions.Step{Name: "start edge1", Perform: obedient, Timeout: tt.limit})
			start := time.Now()
			run, err := (&runbook.Engine{Journal: &journal{}}).Execute(t.Context(), agreedTo(t, p), p)
			if err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took != tt.want {
				t.Errorf("took %s, want %s", took, tt.want)
			}
			wantStates(t, run, "failed: failed")
			if want := "not done within " + tt.want.String() + ": context deadline exceeded"; run.Steps[0].Evidence != want {
				t.Errorf("evidence %q, want %q", run.Steps[0].Evidence, want)
			}
		})
	}
}

func TestTheLimitHoldsForPerformAndCheckTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context) (string, error) {
			select {
			case <-time.After(40 * time.Second):
				return "there", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		p := plan(actions.Step{Name: "start edge1", Perform: slow, Check: slow})
		start := time.Now()
		run, err := (&runbook.Engine{Journal: &journal{}}).Execute(t.Context(), agreedTo(t, p), p)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != time.Minute {
			t.Errorf("took %s, want one minute", took)
		}
		wantStates(t, run, "failed: failed")
		if !strings.HasPrefix(run.Steps[0].Evidence, "there; not verified: not done within 1m0s") {
			t.Errorf("evidence %q", run.Steps[0].Evidence)
		}
	})
}

func TestASilentStepCountsAsHung(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		letGo := make(chan struct{})
		var performed atomic.Int32
		p := plan(actions.Step{
			Name: "start edge1", Timeout: 20 * time.Second,
			Perform: func(context.Context) (string, error) { // pays no heed to its context
				performed.Add(1)
				<-letGo
				return "", nil
			},
			Check: func(context.Context) (string, error) { return "", errors.New("not registered") },
		}, actions.Step{Name: "start edge2", Perform: func(context.Context) (string, error) {
			return "", errors.New("must not be reached")
		}})
		j := &journal{}
		e := &runbook.Engine{Journal: j, Grace: 3 * time.Second}
		start := time.Now()
		run, err := e.Execute(t.Context(), agreedTo(t, p), p)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 23*time.Second {
			t.Errorf("given up after %s, want 23s", took)
		}
		wantStates(t, run, "unknown: unknown pending")
		wantStates(t, j.last(t), "unknown: unknown pending")
		if want := "fell silent: no answer within 23s; it may still be at work"; run.Steps[0].Evidence != want {
			t.Errorf("evidence %q, want %q", run.Steps[0].Evidence, want)
		}

		// While it may still be at work, nobody performs it again.
		_, err = e.Resume(t.Context(), run, p)
		wantCode(t, err, runbook.CodeBusy)
		if n := performed.Load(); n != 1 {
			t.Errorf("performed %d times", n)
		}

		close(letGo)
		synctest.Wait()
		p.Steps[1].Perform = func(context.Context) (string, error) { return "", nil }
		p.Steps[0].Check = nil
		run, err = e.Resume(t.Context(), run, p)
		if err != nil {
			t.Fatal(err)
		}
		wantStates(t, run, "done: done done")
		if n := performed.Load(); n != 2 {
			t.Errorf("performed %d times after a person decided to go on", n)
		}
	})
}

func TestShutdown(t *testing.T) {
	after := func(d time.Duration) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			select {
			case <-time.After(d):
				return "there", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
	}
	for _, tt := range []struct {
		name    string
		perform func(context.Context) (string, error)
		took    time.Duration // from the start; the shutdown begins after 5 s
		states  string        // in the journal
		found   string        // at the next start
		outcome string
	}{
		{"the step ends in time", after(12 * time.Second), 12 * time.Second,
			"running: done pending", "unknown: done pending", "irisops ended between two steps; none was under way"},
		{"the step fails by itself in time", func(ctx context.Context) (string, error) {
			<-time.After(12 * time.Second)
			return "", errors.New("exit status 2")
		}, 12 * time.Second, "failed: failed skipped", "failed: failed skipped",
			"failed at step 1 of 2 (start edge1): exit status 2"},
		{"the step is cut off", after(time.Hour), 15 * time.Second,
			"running: started pending", "unknown: unknown pending",
			"irisops ended during step 1 of 2 (start edge1); whether it took effect is not known"},
		{"the step is done in spite of being cut off", func(context.Context) (string, error) {
			<-time.After(17 * time.Second)
			return "there", nil
		}, 17 * time.Second, "running: done pending", "unknown: done pending", "irisops ended between two steps; none was under way"},
		{"the step pays no heed", func(ctx context.Context) (string, error) {
			<-time.After(50 * time.Second)
			return "", nil
		}, 20 * time.Second, "running: started pending", "unknown: unknown pending",
			"irisops ended during step 1 of 2 (start edge1); whether it took effect is not known"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				second := 0
				p := plan(actions.Step{Name: "start edge1", Perform: tt.perform, Timeout: 2 * time.Hour},
					actions.Step{Name: "start edge2", Perform: func(context.Context) (string, error) { second++; return "", nil }})
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				j := &journal{}
				start := time.Now()
				run, err := (&runbook.Engine{Journal: j}).Execute(ctx, agreedTo(t, p), p)
				if took := time.Since(start); took != tt.took {
					t.Errorf("the shutdown waited until %s, want %s", took, tt.took)
				}
				if run.State == runbook.Running {
					wantCode(t, err, runbook.CodeStopping)
				} else if err != nil {
					t.Errorf("unexpected error %v", err)
				}
				wantStates(t, j.last(t), tt.states)
				found, changed := runbook.Interrupted(j.last(t), time.Now())
				wantStates(t, found, tt.found)
				if changed != (tt.states != tt.found) || found.Outcome != tt.outcome {
					t.Errorf("changed %v, outcome %q, want %q", changed, found.Outcome, tt.outcome)
				}
				if second != 0 {
					t.Error("a step started during the shutdown")
				}
				<-time.After(time.Minute) // for the heedless one to end
			})
		})
	}
}

func TestNothingStartsOnceStopping(t *testing.T) {
	var performed []string
	p := plan(ok("start edge1", &performed))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	j := &journal{}
	run, err := (&runbook.Engine{Journal: j}).Execute(ctx, agreedTo(t, p), p)
	wantCode(t, err, runbook.CodeStopping)
	wantStates(t, run, "waiting: pending")
	if len(performed)+len(j.saved) != 0 {
		t.Errorf("performed %v, saved %d times", performed, len(j.saved))
	}
}
