package runbook

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"
	"time"

	"irisops/actions"
)

// outcome is how a step ended.
type outcome struct {
	state    StepState // StepDone, StepFailed or StepUnknown
	evidence string
	left     bool // irisops is being stopped and the step did not end in time: nothing is known
}

func done(evidence string) outcome    { return outcome{state: StepDone, evidence: evidence} }
func failed(evidence string) outcome  { return outcome{state: StepFailed, evidence: evidence} }
func unknown(evidence string) outcome { return outcome{state: StepUnknown, evidence: evidence} }

// perform performs the step and looks whether it took effect.
func perform(ctx context.Context, step actions.Step) outcome {
	evidence, err := step.Perform(ctx)
	if err != nil {
		return failed(join(evidence, reason(ctx, err)))
	}
	if step.Check == nil {
		return done(evidence)
	}
	seen, err := step.Check(ctx)
	if err != nil {
		return failed(join(evidence, "not verified: "+join(seen, reason(ctx, err))))
	}
	return done(join(evidence, seen))
}

// check looks whether the step took effect, and changes nothing.
func check(ctx context.Context, step actions.Step) outcome {
	seen, err := step.Check(ctx)
	if err != nil {
		return failed(join(seen, reason(ctx, err)))
	}
	return done(seen)
}

// reason is an error in words, with the time limit where that is the cause.
func reason(ctx context.Context, err error) string {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Sprintf("%v: %v", cause, err)
	}
	return err.Error()
}

// watch runs f in a goroutine of its own, so that neither a panic nor a silence
// in it can take the engine along. limit bounds it, 0 means one minute.
// Every second tell is called; it may be nil.
func (e *Engine) watch(ctx context.Context, run Run, limit time.Duration, tell func(), f func(ctx context.Context) outcome) outcome {
	if limit <= 0 {
		limit = stepTimeout
	}
	wait, end := e.Grace, e.Finish
	if wait <= 0 {
		wait = grace
	}
	if end <= 0 {
		end = finish
	}

	// The end of ctx must not tear the step from its work at once.
	stepCtx, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	stepCtx, cancel := context.WithTimeoutCause(stepCtx, limit, fmt.Errorf("not done within %s", limit))
	defer cancel()

	answers := make(chan outcome, 1)
	e.keep(run.Number)
	go func() {
		out := unknown("the step ended without an answer")
		defer func() {
			if p := recover(); p != nil {
				e.log().Error("panic in a step", "run", run.ID(), "panic", p, "stack", string(debug.Stack()))
				out = unknown(fmt.Sprintf("panic: %v", p))
			}
			e.release(run.Number)
			answers <- out
		}()
		out = f(stepCtx)
	}()

	silent := time.NewTimer(limit + wait)
	defer silent.Stop()
	var seconds <-chan time.Time
	if tell != nil {
		tick := time.NewTicker(tellEvery)
		defer tick.Stop()
		seconds = tick.C
	}
	stopping := ctx.Done()
	var over <-chan time.Time // the next thing to do about a step that outlives ctx
	cut := false
	for {
		select {
		case out := <-answers:
			out.left = cut && out.state != StepDone
			return out
		case <-seconds:
			tell()
		case <-silent.C:
			return unknown(fmt.Sprintf("fell silent: no answer within %s; it may still be at work", limit+wait))
		case <-stopping:
			stopping, over = nil, time.After(end)
		case <-over:
			if cut {
				return outcome{left: true}
			}
			cut = true
			stop(context.Canceled)
			over = time.After(wait)
		}
	}
}

// tellEvery is how often those who watch are told what a step has seen so far.
const tellEvery = time.Second

// soFar tells the listener what step i has seen, whenever that has changed. It is
// not written down: after a crash it would say nothing.
func (e *Engine) soFar(run Run, i int, step actions.Step) func() {
	if step.Seen == nil {
		return nil
	}
	told := ""
	return func() {
		if seen := tidy(step.Seen()); seen != told {
			told = seen
			run := run.copied()
			run.Steps[i].Evidence = seen
			e.tell(run)
		}
	}
}

// maxEvidence bounds what is kept of a step's evidence, in bytes.
const maxEvidence = 2000

// tidy makes evidence fit to be kept: bounded, valid UTF-8.
func tidy(s string) string {
	s = strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxEvidence {
		s = strings.ToValidUTF8(s[:maxEvidence], "") + " ... (cut)"
	}
	return s
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
