package bot

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"irisops/actions"
	"irisops/bot/access"
	"irisops/bot/change"
	"irisops/bot/command"
	"irisops/bot/inbox"
	"irisops/bot/message"
)

// Exit codes of an Outcome, as irisops ctl gives them.
const (
	ExitDone    = 0
	ExitRefused = 1 // refused or failed, with a sentence
	ExitUsage   = 2 // the words were not understood
)

// StaleAfter is how long after it was typed a command that changes something
// still runs without asking again.
const StaleAfter = 2 * time.Minute

// Outcome is what becomes of a delivery. The reply is published when Handle
// returns; work that takes longer goes on, and Wait sees its end.
type Outcome struct {
	mu   sync.Mutex
	code int
	work sync.WaitGroup
}

// Wait waits for the work that the delivery started and returns its exit code.
func (o *Outcome) Wait() int {
	o.work.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.code
}

// Code is the exit code as far as it is known when CarryOut returns: whether the
// words were refused.
func (o *Outcome) Code() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.code
}

func (o *Outcome) fail(code int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.code == ExitDone {
		o.code = code
	}
}

// handler carries out one command. An error is the reply, as a refusal.
type handler func(c *call) error

// call is one delivery being carried out.
type call struct {
	*Bot
	ctx  context.Context
	out  *Outcome
	d    inbox.Delivery
	who  access.Person
	spec *command.Spec
	args actions.Args
	now  time.Time

	intended bool // the audit knows what is about to happen

	aside func(Post) // takes what is said, instead of the rooms; nil: the rooms
}

// Handle takes one delivery: keeps it, carries it out once, and answers it. The
// same delivery again does nothing.
func (b *Bot) Handle(ctx context.Context, d inbox.Delivery) *Outcome {
	if d.Received.IsZero() {
		d.Received = time.Now().UTC()
	}
	fresh, err := b.Receive(ctx, d)
	if err != nil {
		out := &Outcome{}
		out.fail(ExitRefused)
		b.publish(ctx, Post{Key: "reply/" + d.ID, Incident: d.Incident, Answers: d.ID, Private: true,
			Message: refusal(fmt.Errorf("nothing was done, because it could not be recorded: %w", err))})
		return out
	}
	if !fresh {
		return &Outcome{}
	}
	return b.CarryOut(ctx, d)
}

// Receive keeps a delivery, and nothing more: once it returns without an error,
// the delivery is durable and may be acknowledged to whoever brought it. fresh
// is false if it is known already. A fresh one has to be given to CarryOut; if
// the process dies before that, the next Start carries it out.
func (b *Bot) Receive(ctx context.Context, d inbox.Delivery) (fresh bool, err error) {
	if d.Received.IsZero() {
		d.Received = time.Now().UTC()
	}
	d = b.unsecret(d)
	fresh, err = b.Store.Receive(ctx, d)
	if err != nil {
		b.log.Error("a delivery could not be kept", "delivery", d.ID, "err", err)
	}
	return fresh, err
}

// CarryOut carries out a delivery that Receive said is fresh, and answers it.
func (b *Bot) CarryOut(ctx context.Context, d inbox.Delivery) *Outcome {
	out := &Outcome{}
	b.carryOut(ctx, out, d)
	return out
}

func (b *Bot) carryOut(ctx context.Context, out *Outcome, d inbox.Delivery) {
	d = b.unsecret(d)
	c := &call{Bot: b, ctx: ctx, out: out, d: d, now: time.Now().UTC()}
	err := c.attempt()
	if err != nil {
		out.fail(exitCode(err))
		c.post(Post{Key: "reply/" + d.ID, Incident: d.Incident, Private: true, Message: refusal(err)})
	}
	c.concluded(err)
	if err := b.Store.Answer(ctx, d.ID, nowUTC()); err != nil {
		b.log.Error("the answer could not be recorded yet", "delivery", d.ID, "err", err)
		b.background("answer of "+d.ID, func(ctx context.Context) {
			b.untilWritten(ctx, func() error { return b.Store.Answer(ctx, d.ID, nowUTC()) })
		})
	}
}

// untilWritten tries again every second until it is on disk or the bot stops.
func (b *Bot) untilWritten(ctx context.Context, write func() error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if write() == nil {
				return
			}
		}
	}
}

// attempt understands, authorises and runs the words.
func (c *call) attempt() (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("panic in a command", "text", c.d.Text, "panic", p, "stack", string(debug.Stack()))
			err = errBroken
		}
	}()
	var known bool
	c.who, known = c.Access.Identify(c.d.Caller, c.groups()...)
	parsed, err := c.table.Parse(c.d.Text, c.people())
	if err == nil {
		c.spec, c.args = parsed.Spec, parsed.Args
	}
	if !known {
		return c.refuse(c.Access.Unknown(c.d.Caller))
	}
	if err != nil {
		return &usageError{err}
	}
	if d := c.Access.May(c.who, c.spec.Words, accessClass(c.spec)); !d.Allowed {
		return c.refuse(&actions.Error{Code: "not-allowed", Text: d.Why, Hint: "`whoami` says what you can do here."})
	}
	if late := c.now.Sub(c.d.Received); late > StaleAfter && c.spec.Class != actions.See {
		why := fmt.Sprintf("It was said %s ago and reached me only now", spoken(late))
		_ = c.refuse(&actions.Error{Code: "stale", Text: why + ", and I asked whether it is still wanted."}) // recorded; the answer is the question
		c.out.fail(ExitRefused)
		c.post(Post{Key: "reply/" + c.d.ID, Incident: c.d.Incident, Private: true, Message: c.askAgain(c.d, why)})
		return nil
	}
	if err := c.intend(); err != nil {
		return err
	}
	return c.handlers[c.spec.Words](c)
}

// reply answers the delivery, in the thread it came from.
func (c *call) reply(m message.Message) { c.replyIn(c.d.Incident, m) }

// replyIn answers the delivery in the incident's thread.
func (c *call) replyIn(incident string, m message.Message) {
	c.post(Post{Key: "reply/" + c.d.ID, Incident: incident, Message: m})
}

// post publishes p as an answer to the delivery.
func (c *call) post(p Post) {
	p = answering(c.d, p)
	if c.aside != nil {
		c.aside(p)
		return
	}
	c.publish(c.ctx, p)
}

// answering is the post as the answer to the delivery. What irisops said to
// itself by the calendar is answered to everybody.
func answering(d inbox.Delivery, p Post) Post {
	if d.Via == viaSchedule {
		p.Key, p.Private = strings.Replace(p.Key, "reply/schedule/", "schedule/", 1), false
		return p
	}
	p.Answers = d.ID
	return p
}

// later runs long work that the outcome waits for. It ends with the bot, not
// with the caller.
func (c *call) later(what string, f func(ctx context.Context) error) {
	c.out.work.Add(1)
	c.background(what, func(ctx context.Context) {
		defer c.out.work.Done()
		defer func() {
			if p := recover(); p != nil {
				c.log.Error("panic", "in", what, "panic", p, "stack", string(debug.Stack()))
				c.out.fail(ExitRefused)
				c.post(Post{Key: "broken/" + c.d.ID, Incident: c.d.Incident, Message: refusal(errBroken)})
			}
		}()
		if err := f(ctx); err != nil {
			c.out.fail(exitCode(err))
		}
	})
}

// apart runs long work that the outcome does not wait for.
func (c *call) apart(what string, f func(ctx context.Context) error) {
	c.background(what, func(ctx context.Context) {
		if err := f(ctx); err != nil {
			c.log.Warn("work did not end well", "work", what, "err", err)
		}
	})
}

var errBroken = &actions.Error{Code: "internal", Text: "Something in irisops broke while doing that; it is in its log.",
	Hint: "Look with `status` and `timeline` at what was done before you repeat it."}

// groups are the user groups that the caller is in, as far as a room knows.
func (c *call) groups() []string {
	if c.Groups == nil {
		return nil
	}
	return c.Groups(c.ctx, c.d.Caller)
}

// usageError marks words that were not understood.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var usage *usageError
	if errors.As(err, &usage) {
		return ExitUsage
	}
	return ExitRefused
}

// refusal is an error as a person reads it.
func refusal(err error) message.Message {
	var e *actions.Error
	if errors.As(err, &e) {
		m := message.Message{Level: message.Refused, Title: sentence(e.Text), Buttons: offered(err)}
		if e.Hint != "" {
			m.Blocks = []message.Block{{Text: e.Hint}}
		}
		return m
	}
	var busy *change.ErrBusy
	if errors.As(err, &busy) {
		return message.Message{Level: message.Refused, Title: sentence(busy.Error()),
			Blocks: []message.Block{{Text: fmt.Sprintf("Wait for it, or look: `status`. REQ-%d ends the lock when it ends.", busy.Run)}}}
	}
	return message.Message{Level: message.Refused, Title: sentence(err.Error())}
}

// sentence ends with a full stop. It keeps its first letter: that may be a
// node's name.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || strings.ContainsAny(s[len(s)-1:], ".!?:`") {
		return s
	}
	return s + "."
}

// people lets the parser know who there is.
func (b *Bot) people() command.Resolver { return resolver{b.Access} }

type resolver struct{ access.Policy }

// Person implements command.Resolver: an id under people in any case, or a Slack
// user's id.
func (r resolver) Person(name string) (string, bool) {
	for _, p := range r.Policy.People {
		if strings.EqualFold(p.ID, name) || p.Slack != "" && p.Slack == name {
			return p.ID, true
		}
	}
	return "", false
}

// People implements command.Resolver.
func (r resolver) People() []string {
	var ids []string
	for _, p := range r.Policy.People {
		ids = append(ids, p.ID)
	}
	return ids
}
