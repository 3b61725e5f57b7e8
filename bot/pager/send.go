package pager

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"
)

// left is the verdict on a send that was cut off because the drain is stopped.
const left Verdict = "left"

var (
	errTimeout = fmt.Errorf("no answer within %s", timeout)
	errSilent  = Unsure(fmt.Errorf("no answer within %s, and the sender pays no heed", timeout))
	errNothing = Unsure(errors.New("the sender ended without an answer"))
)

// send sends the page, in a goroutine of its own so that neither a panic nor a
// silence of the sender can take the drain along.
func (d *Drain) send(ctx context.Context, p Page) (Verdict, time.Duration, error) {
	sender := d.sender(p.Channel)
	if sender == nil {
		return Refused, 0, fmt.Errorf("there is no channel %q", p.Channel)
	}
	// The end of ctx must not cut a send off at once.
	sendCtx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), timeout, errTimeout)
	defer cancel()
	answers := make(chan error, 1)
	go func() {
		err := errNothing
		defer func() {
			if p := recover(); p != nil {
				d.log().Error("panic in a sender", "panic", p, "stack", string(debug.Stack()))
				err = Unsure(errors.New("the sender broke"))
			}
			answers <- err
		}()
		err = sender.Send(sendCtx, p)
	}()

	silent := time.NewTimer(timeout + grace)
	defer silent.Stop()
	stopping := ctx.Done()
	var over <-chan time.Time // the next thing to do about a send that outlives ctx
	cut := false
	for {
		select {
		case err := <-answers:
			verdict, wait := Judge(err)
			if cause := context.Cause(sendCtx); err != nil && cause != nil {
				err = fmt.Errorf("%w: %w", cause, err)
			}
			if cut && verdict == Uncertain {
				verdict = left
			}
			return verdict, wait, err
		case <-silent.C:
			return Uncertain, 0, errSilent
		case <-stopping:
			stopping, over = nil, time.After(finish)
		case <-over:
			if cut {
				return left, 0, nil
			}
			cut, over = true, time.After(grace)
			cancel()
		}
	}
}

func (d *Drain) sender(channel string) Sender {
	for _, s := range d.Senders {
		if s.Channel() == channel {
			return s
		}
	}
	return nil
}

const (
	// maxWait bounds how long a far end can have us wait: somebody is to be called.
	maxWait = time.Minute
	// maxWaitNext is the same where the person has another channel: it is tried at
	// once instead of waiting longer.
	maxWaitNext = 30 * time.Second
	// maxWaitUpdate is the same for word about earlier pages, which calls nobody.
	maxWaitUpdate = 5 * time.Minute
)

// backoff is how long to wait after so many attempts: 1 s, 2, 4 ... up to a
// minute, each a fifth more or less, so that many do not come back together.
func backoff(attempts int) time.Duration {
	wait := min(time.Second<<min(attempts-1, 6), time.Minute)
	return time.Duration(float64(wait) * (0.8 + 0.4*rand.Float64()))
}

// inShort is an error fit to be kept and shown.
func inShort(err error) string {
	s := strings.ToValidUTF8(strings.TrimSpace(err.Error()), "\uFFFD")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + " ..."
	}
	return s
}
