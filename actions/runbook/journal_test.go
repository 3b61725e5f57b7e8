package runbook_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/runbook"
)

// journal keeps every version of one run, and fails or dies where it is told to.
type journal struct {
	mu    sync.Mutex
	saved []runbook.Run
	fail  func(n int) error // asked with the number of the attempt, from 1
	tries int
}

func (j *journal) Save(ctx context.Context, run runbook.Run) (runbook.Run, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return run, err
	}
	j.tries++
	if j.fail != nil {
		if err := j.fail(j.tries); err != nil {
			return run, err
		}
	}
	if v := uint64(len(j.saved)); run.Version != v {
		return run, fmt.Errorf("version %d was read, the journal holds %d", run.Version, v)
	}
	run.Version++
	j.saved = append(j.saved, run)
	return run, nil
}

// last is the run as a new start of irisops would find it.
func (j *journal) last(t testing.TB) runbook.Run {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.saved) == 0 {
		t.Fatal("nothing was ever saved")
	}
	return j.saved[len(j.saved)-1]
}

var errDisk = errors.New("no space left on device")

// ok is a step that works and notes that it was performed.
func ok(name string, performed *[]string) actions.Step {
	return actions.Step{
		Name: name, Describe: "does " + name,
		Perform: func(context.Context) (string, error) {
			*performed = append(*performed, name)
			return name + " performed", nil
		},
		Check: func(context.Context) (string, error) { return name + " seen", nil },
	}
}

func plan(steps ...actions.Step) actions.Plan {
	return actions.Plan{Title: "Restart edge1", Class: actions.Do, Targets: []string{"main/edge1"}, Steps: steps}
}

// agreedTo is a run of that plan that was asked for and confirmed.
func agreedTo(t interface {
	Helper()
	Fatal(...any)
}, p actions.Plan) runbook.Run {
	t.Helper()
	now := time.Now()
	args := actions.Args{"target": "edge1"}
	digest := runbook.Digest("main", "restart", args, p)
	request, err := approval.New(approval.Confirmation, "operator", digest, now).
		Agree(approval.Voter{Person: "operator"}, digest, now)
	if err != nil {
		t.Fatal(err)
	}
	return runbook.Run{
		Number: 3, Action: "restart", Args: args, Cluster: "main", By: "operator", Asked: now,
		Title: p.Title, Class: p.Class, Targets: p.Targets, Approval: request,
		State: runbook.Waiting, Steps: runbook.Records(p),
	}
}

// states are the run's state and those of its steps, in one line.
func states(r runbook.Run) string {
	s := string(r.State) + ":"
	for _, step := range r.Steps {
		s += " " + string(step.State)
	}
	return s
}

func wantStates(t testing.TB, r runbook.Run, want string) {
	t.Helper()
	if got := states(r); got != want {
		t.Errorf("run is %q, want %q (outcome %q)", got, want, r.Outcome)
	}
}

func wantCode(t testing.TB, err error, want string) {
	t.Helper()
	if got := actions.CodeOf(err); got != want {
		t.Errorf("error %v has code %q, want %q", err, got, want)
	}
}
