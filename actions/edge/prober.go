package edge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

const (
	// probeTimeout bounds a probe whose context has no deadline of its own.
	probeTimeout = 10 * time.Second

	// settleTime is how long a connection must be silent before the mail that the
	// edge had kept for the user counts as received: it is sent right behind the
	// login's answer.
	settleTime = 30 * time.Millisecond
)

// Prober tries edges as their users do. It is safe for concurrent use: probes of
// one edge take turns, because a second login of the same user would take the
// first one's messages.
type Prober struct {
	tokens map[string]string

	mu      sync.Mutex
	turns   map[string]chan struct{} // by address
	refused map[string]refusedProbe  // by address
}

// refusedProbe is an edge that would not let a probe in. On the real IRIS a
// refused login ends the edge's acceptor with every connection that it had
// accepted, so the same edge is not tried again for a while.
type refusedProbe struct {
	err   error
	until time.Time
}

// noProbeAfterRefusal is how long an edge is left alone after it has refused a
// probe.
const noProbeAfterRefusal = 10 * time.Minute

var _ cluster.Edge = (*Prober)(nil)

// NewProber gives a prober. Tokens are the JWTs of probe users, by user, for a
// cluster whose IRIS demands them; IRIS wants the user's own name as the subject.
// Users without one log in by name alone.
func NewProber(tokens map[string]string) *Prober {
	return &Prober{tokens: tokens, turns: map[string]chan struct{}{}, refused: map[string]refusedProbe{}}
}

// Login implements cluster.Edge. The time is from the first packet to LOGIN_OK.
func (p *Prober) Login(ctx context.Context, addr, user string) (time.Duration, error) {
	ctx, done, err := p.begin(ctx, addr)
	if err != nil {
		return 0, err
	}
	defer done()
	c, took, err := p.login(ctx, addr, user)
	if err != nil {
		return took, err
	}
	defer c.Close()
	return took, attend(ctx, c, settleTime)
}

// RoundTrip implements cluster.Edge. The login time is the longer one of the
// two, from the first packet to LOGIN_OK; the delivery time is from sending the
// message until the receiver has it. After a failure, times above 0 were seen.
func (p *Prober) RoundTrip(ctx context.Context, addr, from, to string) (login, delivery time.Duration, err error) {
	if from == to {
		return 0, 0, actions.Errorf(CodeBadUser, "A message from %q to itself shows nothing.", from)
	}
	ctx, done, err := p.begin(ctx, addr)
	if err != nil {
		return 0, 0, err
	}
	defer done()
	// The receiver first: a message to a user who is not there is stored instead.
	receiver, login, err := p.login(ctx, addr, to)
	if err != nil {
		return login, 0, err
	}
	defer receiver.Close()
	sender, second, err := p.login(ctx, addr, from)
	login = max(login, second)
	if err != nil {
		return login, 0, err
	}
	defer sender.Close()

	if err := attend(ctx, sender, settleTime); err != nil {
		return login, 0, err
	}
	delivery, err = deliver(ctx, sender, receiver, to)
	return login, delivery, err
}

// deliver sends one message and waits for it, while the sender listens for a
// refusal. Everything that is delivered is acknowledged.
func deliver(ctx context.Context, sender, receiver *Conn, to string) (time.Duration, error) {
	message := fmt.Sprintf("irisops probe %s %s", time.Now().UTC().Format(time.RFC3339Nano), rand.Text())
	sent := time.Now()
	if err := sender.Send(ctx, to, []byte(message)); err != nil {
		return 0, err
	}
	both, stop := context.WithCancelCause(ctx)
	var listening sync.WaitGroup
	listening.Go(func() { stop(attend(both, sender, 0)) })
	defer listening.Wait()
	defer stop(nil)
	var took time.Duration
	for {
		d, err := receiver.Receive(both)
		var refusal *actions.Error
		switch {
		case errors.As(context.Cause(both), &refusal):
			return 0, refusal
		case err != nil:
			return 0, undelivered(receiver.addr, err)
		}
		own := string(d.Body) == message
		if own {
			took = time.Since(sent)
		}
		// Older mail too, or it would come again and again.
		if err := receiver.Ack(ctx, d); err != nil {
			return took, err
		}
		if own {
			return took, nil
		}
	}
}

// begin bounds the probe and waits for its turn at that edge.
func (p *Prober) begin(ctx context.Context, addr string) (context.Context, func(), error) {
	cancel := context.CancelFunc(func() {})
	if _, ok := ctx.Deadline(); !ok {
		ctx, cancel = context.WithTimeout(ctx, probeTimeout)
	}
	p.mu.Lock()
	turn, ok := p.turns[addr]
	if !ok {
		turn = make(chan struct{}, 1)
		p.turns[addr] = turn
	}
	p.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return ctx, func() { <-turn; cancel() }, nil
	case <-ctx.Done():
		cancel()
		return nil, nil, fmt.Errorf("waiting for another probe of the edge at %s: %w", addr, ctx.Err())
	}
}

// login dials and logs in, and says how long both took.
func (p *Prober) login(ctx context.Context, addr, user string) (*Conn, time.Duration, error) {
	began := time.Now()
	if err := p.leftAlone(addr, began); err != nil {
		return nil, 0, err
	}
	c, err := Dial(ctx, addr)
	if err != nil {
		return nil, 0, err
	}
	if err := c.Login(ctx, user, p.tokens[user]); err != nil {
		c.Close()
		p.remember(addr, err)
		return nil, 0, err
	}
	return c, time.Since(began), nil
}

// leftAlone is why an edge is not to be probed now; nil if it may be.
func (p *Prober) leftAlone(addr string, now time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.refused[addr]
	if !ok || !now.Before(r.until) {
		return nil
	}
	return &actions.Error{Code: actions.CodeOf(r.err), Err: r.err,
		Text: fmt.Sprintf("The edge at %s refused a probe, so it is left alone until %s UTC: a refused login can cost that edge its clients.", addr, r.until.UTC().Format("15:04:05"))}
}

func (p *Prober) remember(addr string, err error) {
	if code := actions.CodeOf(err); code != actions.CodeAuthFailed && code != actions.CodeRateLimited {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused[addr] = refusedProbe{err, time.Now().Add(noProbeAfterRefusal)}
}

// attend acknowledges what arrives, until the connection has been silent for so
// long (0: for ever) or ctx ends. Only a refusal or a broken connection is an
// error.
func attend(ctx context.Context, c *Conn, silence time.Duration) error {
	for {
		f, err := readWithin(ctx, c, silence)
		switch {
		case err != nil && (quiet(err) || ctx.Err() != nil):
			return nil
		case err != nil:
			return c.fault(ctx, err, "")
		case f.kind == delivery:
			if err := c.Ack(ctx, Delivery{ID: f.id, Body: f.body}); err != nil && ctx.Err() == nil {
				return err
			}
		case f.kind != notice:
			return c.refusal(f, "")
		}
	}
}

func readWithin(ctx context.Context, c *Conn, silence time.Duration) (frame, error) {
	if silence > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, silence)
		defer cancel()
	}
	return c.read(ctx)
}
