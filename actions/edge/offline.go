package edge

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"irisops/actions"
)

// storeTime is how long a stored message may take until a login finds it: IRIS
// writes it into Mnesia within half a second.
const storeTime = 700 * time.Millisecond

// listenTime is how long a login is listened to for the stored message.
const listenTime = 300 * time.Millisecond

// Offline implements cluster.Edge. Each attempt sends a message of its own: one
// that was sent while the edge still took the receiver for present is lost, and
// says nothing of those that follow. The time is from sending the one that
// arrives.
func (p *Prober) Offline(ctx context.Context, addr, from, to string) (time.Duration, error) {
	if from == to {
		return 0, actions.Errorf(CodeBadUser, "A message from %q to itself shows nothing.", from)
	}
	ctx, done, err := p.begin(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer done()
	sent := map[string]time.Time{}
	for {
		message := fmt.Sprintf("irisops offline probe %s %s", time.Now().UTC().Format(time.RFC3339Nano), rand.Text())
		if err := p.leave(ctx, addr, from, to, message); err != nil {
			return 0, err
		}
		sent[message] = time.Now()
		pause := time.NewTimer(storeTime)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return 0, &actions.Error{Code: actions.CodeHung, Err: ctx.Err(),
				Text: fmt.Sprintf("The edge at %s lets users in, but no message that was sent to %s while it was away arrived at its login in time.", addr, to),
				Hint: "Look at the edge's log, and whether it reaches a core: cores keep such messages."}
		}
		at, err := p.collect(ctx, addr, to, sent)
		if err != nil {
			return 0, err
		}
		if !at.IsZero() {
			return time.Since(at), nil
		}
	}
}

// leave sends a message to somebody who is not there.
func (p *Prober) leave(ctx context.Context, addr, from, to, message string) error {
	c, _, err := p.login(ctx, addr, from)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := attend(ctx, c, settleTime); err != nil {
		return err
	}
	return c.Send(ctx, to, []byte(message))
}

// collect logs in and takes what was kept, and says when the newest of ours
// among it was sent; zero if none of them was there.
func (p *Prober) collect(ctx context.Context, addr, user string, sent map[string]time.Time) (time.Time, error) {
	c, _, err := p.login(ctx, addr, user)
	if err != nil {
		return time.Time{}, err
	}
	defer c.Close()
	var newest time.Time
	for {
		f, err := readWithin(ctx, c, listenTime)
		switch {
		case err != nil && quiet(err):
			return newest, nil
		case err != nil:
			return newest, c.fault(ctx, err, "")
		case f.kind == delivery:
			if at, ours := sent[string(f.body)]; ours && at.After(newest) {
				newest = at
			}
			if err := c.Ack(ctx, Delivery{ID: f.id, Body: f.body}); err != nil {
				return newest, err
			}
		case f.kind != notice:
			return newest, c.refusal(f, "")
		}
	}
}
