package runbook_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/actions/runbook"
)

// died is what the journal panics with once the bot of the model is dead.
type died struct{}

// world is a cluster and a bot that dies at any moment. It watches over the
// engine's promises while they are tested.
type world struct {
	t         *rapid.T
	run       runbook.Run // as the journal holds it
	dead      bool        // nothing more is written in this life
	full      int         // so many attempts to write still fail
	done      []bool      // the journal has said so
	there     []bool      // step's effect is there
	succeeded []bool      // its last Perform reported success
	life      []int       // how often each step was performed since Execute or Resume
	total     []int
	broken    []string // promises that a step found broken, in its own goroutine
}

// Save writes, or fails before or after it has written, or dies before or after.
func (w *world) Save(_ context.Context, run runbook.Run) (runbook.Run, error) {
	if w.dead {
		panic(died{})
	}
	if w.full > 0 {
		w.full--
		return run, errDisk
	}
	how := saves.Draw(w.t, "save")
	if how == "disk full" {
		w.full = rapid.IntRange(0, 8).Draw(w.t, "for so many more")
		how = "error"
	}
	write := how != "error" && how != "die"
	if write {
		if run.Version != w.run.Version {
			return run, errors.New("conflict")
		}
		run.Version++
		w.run = run
		for i, s := range run.Steps {
			w.done[i] = w.done[i] || s.State == runbook.StepDone
		}
	}
	if how == "die" || how == "die after" {
		w.dead = true
		panic(died{})
	}
	if how != "ok" {
		return run, errDisk
	}
	return run, nil
}

// usually is a generator of what happens: most of the time the first.
func usually(first string, others ...string) *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		if rapid.IntRange(0, 9).Draw(t, "dice") < 7 {
			return first
		}
		return rapid.SampledFrom(others).Draw(t, "what else")
	})
}

var (
	saves    = usually("ok", "ok", "ok", "ok", "disk full", "error after", "die", "die after")
	performs = rapid.SliceOfN(usually("ok", "fail", "fail late", "lie", "lie", "panic", "die", "die late"), 5, 5)
	checks   = rapid.SliceOfN(usually("see", "fail", "panic"), 10, 10)
)

func (w *world) step(i int) actions.Step {
	// Drawn beforehand, because a step runs in a goroutine of its own.
	perform := performs.Draw(w.t, "performs")
	check := checks.Draw(w.t, "checks")
	s := actions.Step{
		Name: fmt.Sprintf("step%d", i),
		Perform: func(context.Context) (string, error) {
			if w.run.State != runbook.Running || w.run.Steps[i].State != runbook.StepStarted {
				w.broken = append(w.broken, fmt.Sprintf("step %d is performed, but the journal says %s", i, states(w.run)))
			}
			for k := range i {
				if w.run.Steps[k].State != runbook.StepDone {
					w.broken = append(w.broken, fmt.Sprintf("step %d is performed before step %d: %s", i, k, states(w.run)))
				}
			}
			if w.done[i] {
				w.broken = append(w.broken, fmt.Sprintf("step %d is performed again, though it was done", i))
			}
			how := perform[w.total[i]]
			w.life[i]++
			w.total[i]++
			w.succeeded[i] = how == "ok" || how == "lie"
			w.there[i] = how == "ok" || how == "fail late" || how == "die late"
			switch how {
			case "fail", "fail late":
				return "", errors.New("it failed")
			case "panic":
				panic("it broke")
			case "die", "die late":
				w.dead = true // the engine gets no further than its next word to the journal
			}
			return "performed", nil
		},
	}
	if rapid.Bool().Draw(w.t, "can be checked") {
		s.Check = func(context.Context) (string, error) {
			how := check[0]
			check = check[1:]
			switch {
			case how == "panic":
				panic("it broke")
			case how == "fail":
				return "", errors.New("could not look")
			case !w.there[i]:
				return "", errors.New("not there")
			}
			return "there", nil
		}
	}
	return s
}

// live carries out one life of the bot, which may end in its death.
func (w *world) live(f func() (runbook.Run, error)) (run runbook.Run, err error, death bool) {
	w.dead, w.full, w.life = false, 0, make([]int, len(w.there))
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(died); !ok {
				panic(p)
			}
			death = true
		}
	}()
	run, err = f()
	return run, err, false
}

func (w *world) verify(run runbook.Run, err error, death bool, p actions.Plan) {
	if len(w.broken) > 0 {
		w.t.Fatal(w.broken)
	}
	for i, n := range w.life {
		if n > 1 {
			w.t.Fatalf("step %d was performed %d times in one go", i, n)
		}
	}
	if !death && err == nil && states(run) != states(w.run) {
		w.t.Fatalf("the run says %q, the journal %q, and there is no error", states(run), states(w.run))
	}
	for _, r := range []runbook.Run{run, w.run} {
		if r.State != runbook.Done {
			continue
		}
		for i, s := range r.Steps {
			if s.State != runbook.StepDone || p.Steps[i].Check != nil && !w.there[i] || p.Steps[i].Check == nil && !w.succeeded[i] {
				w.t.Fatalf("done, but step %d is %s, there %v, succeeded %v", i, s.State, w.there[i], w.succeeded[i])
			}
		}
	}
}

// Whatever fails and whenever the bot dies: no step is performed that is not
// written down as started, none twice unless a person said so, and none is
// called done that is not.
func TestPromisesHoldThroughFailuresAndDeaths(t *testing.T) {
	// In the bubble the pauses between attempts to save take no time. There is no
	// deadline in it to ask for, and so rapid gets less than a *testing.T.
	synctest.Test(t, func(t *testing.T) {
		for range 10 { // deaths in the right moment are rare
			rapid.Check(struct{ testing.TB }{t}, liveAndDie)
		}
	})
}

func liveAndDie(t *rapid.T) {
	n := rapid.IntRange(1, 4).Draw(t, "steps")
	w := &world{t: t, there: make([]bool, n), done: make([]bool, n), succeeded: make([]bool, n), total: make([]int, n)}
	var steps []actions.Step
	for i := range n {
		steps = append(steps, w.step(i))
	}
	p := plan(steps...)
	w.run = agreedTo(t, p)

	ctx := context.Background()
	run, err, death := w.live(func() (runbook.Run, error) { return (&runbook.Engine{Journal: w}).Execute(ctx, w.run, p) })
	w.verify(run, err, death, p)
	for i, total := range w.total {
		if total > 1 {
			t.Fatalf("step %d was performed %d times without a person's word", i, total)
		}
	}

	for range rapid.IntRange(0, 4).Draw(t, "lives") {
		was, _ := runbook.Interrupted(w.run, time.Now())
		before := append([]int(nil), w.total...)
		run, err, death = w.live(func() (runbook.Run, error) { return (&runbook.Engine{Journal: w}).Resume(ctx, was, p) })
		w.verify(run, err, death, p)
		for i, s := range was.Steps {
			again := w.total[i] > before[i]
			if again && (was.State != runbook.Uncertain || s.State == runbook.StepDone) {
				t.Fatalf("step %d was performed again, in a run %q", i, states(was))
			}
		}
	}
}
