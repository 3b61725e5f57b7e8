package slack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"irisops/bot"
	"irisops/bot/inbox"
	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

// Conversation is the bot as the Listener needs it.
type Conversation interface {
	Receive(ctx context.Context, d inbox.Delivery) (fresh bool, err error)
	CarryOut(ctx context.Context, d inbox.Delivery) *bot.Outcome
}

// Listener takes what people type and press by Socket Mode. What it takes is
// durable before it is acknowledged, and carried out after.
type Listener struct {
	room   *Room
	bot    Conversation
	cancel context.CancelFunc
	done   chan struct{}
	takers chan struct{} // bounds how many are being kept at a time
	work   sync.WaitGroup
	seen   recent
}

const (
	mostTakers   = 64
	deafPatience = 3 // attempts to connect until it is told
)

// NewListener listens for the conversation to what is said where room shows it.
func NewListener(room *Room, conversation Conversation) *Listener {
	return &Listener{room: room, bot: conversation, takers: make(chan struct{}, mostTakers)}
}

// Start connects, and stays connected until Stop. That Slack refuses is told by
// the room's Alarm; it is tried again all the same.
func (l *Listener) Start() error {
	if l.room.AppToken == "" {
		return errors.New("slack: Socket Mode needs an app token (SLACK_APP_TOKEN)")
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel, l.done = cancel, make(chan struct{})
	go func() {
		defer close(l.done)
		for failures := 0; ctx.Err() == nil; failures++ {
			began := time.Now()
			err := l.connected(ctx)
			if ctx.Err() != nil {
				return
			}
			l.room.alarms.raise(whatDeaf, fmt.Errorf("the connection ended for good: %w", err))
			if time.Since(began) > time.Minute {
				failures = 0
			}
			wait := time.NewTimer(backoff(failures))
			select {
			case <-wait.C:
			case <-ctx.Done():
				wait.Stop()
			}
		}
	}()
	return nil
}

// Stop takes nothing more, and waits for what is being carried out.
func (l *Listener) Stop(ctx context.Context) error {
	if l.cancel == nil {
		return nil
	}
	l.cancel()
	done := make(chan struct{})
	go func() { <-l.done; l.work.Wait(); close(done) }()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("slack: what people said was still being carried out: %w", ctx.Err())
	}
}

// connected runs one life of the library's client, which reconnects by itself.
// It returns when Slack will not have the bot, or if the library breaks.
func (l *Listener) connected(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := socketmode.New(l.room.api, socketmode.OptionLog(silent))
	ended := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				l.room.Log.Error("panic in Socket Mode", "panic", p, "stack", string(debug.Stack()))
				ended <- fmt.Errorf("panic: %v", p)
			}
		}()
		ended <- client.RunContext(ctx)
	}()
	for {
		select {
		case e := <-client.Events:
			l.event(ctx, client, e)
		case err := <-ended:
			return err
		}
	}
}

// event must not take long: the library reads nothing meanwhile, not even pings.
func (l *Listener) event(ctx context.Context, client *socketmode.Client, e socketmode.Event) {
	switch e.Type {
	case socketmode.EventTypeConnected, socketmode.EventTypeHello:
		l.room.alarms.over(whatDeaf)
		l.room.Log.Info("Socket Mode", "state", string(e.Type))
	case socketmode.EventTypeConnectionError:
		failed, ok := e.Data.(*slack.ConnectionErrorEvent)
		if !ok {
			return
		}
		l.room.Log.Warn("Socket Mode cannot connect", "attempt", failed.Attempt, "err", failed.ErrorObj)
		if v, _ := judge(failed.ErrorObj); v == refused || failed.Attempt >= deafPatience {
			l.room.alarms.raise(whatDeaf, failed.ErrorObj)
		}
	case socketmode.EventTypeErrorBadMessage:
		if bad, ok := e.Data.(*socketmode.ErrorBadMessage); ok {
			l.reread(ctx, client, bad)
		}
	case socketmode.EventTypeErrorWriteFailed:
		l.room.Log.Warn("an acknowledgement was not sent; Slack delivers again")
	default:
		if e.Request != nil && e.Request.EnvelopeID != "" {
			l.take(ctx, client, *e.Request)
		}
	}
}

// reread takes an envelope that the library could not read: it may hold a block
// that is newer than the library, and what matters all the same.
func (l *Listener) reread(ctx context.Context, client *socketmode.Client, bad *socketmode.ErrorBadMessage) {
	var req socketmode.Request
	if err := json.Unmarshal(bad.Message, &req); err != nil || req.EnvelopeID == "" {
		l.room.Log.Error("something unreadable came from Slack", "err", bad.Cause)
		return
	}
	l.take(ctx, client, req)
}

// take keeps what came and acknowledges it, in a goroutine of its own.
func (l *Listener) take(ctx context.Context, client *socketmode.Client, req socketmode.Request) {
	select {
	case l.takers <- struct{}{}:
	case <-ctx.Done():
		return
	}
	l.work.Add(1)
	go func() {
		defer l.work.Done()
		d, payload, fresh := l.keep(ctx, req)
		if fresh != unkept {
			if err := client.AckCtx(ctx, req.EnvelopeID, payload); err != nil {
				l.room.Log.Warn("an acknowledgement could not be sent; Slack delivers again", "err", err)
			}
		}
		<-l.takers
		if fresh == isFresh {
			l.carryOut(d)
		}
	}()
}

// freshness says what became of a delivery.
type freshness int

const (
	notOurs freshness = iota // nothing to be carried out
	isFresh
	isKnown
	unkept // it could not be kept, and must not be acknowledged
)

// keep makes what came durable. payload is what the acknowledgement shows to the
// person who typed a slash command, and to nobody else.
func (l *Listener) keep(ctx context.Context, req socketmode.Request) (d inbox.Delivery, payload any, f freshness) {
	defer func() {
		if p := recover(); p != nil {
			l.room.Log.Error("panic while something from Slack was taken", "panic", p, "stack", string(debug.Stack()))
			f = unkept
		}
	}()
	a, ok, err := read(req.Type, req.EnvelopeID, req.Payload)
	if err != nil {
		l.room.Log.Error("something unreadable came from Slack", "type", req.Type, "err", err)
	}
	if err != nil || !ok {
		return d, nil, notOurs
	}
	if a.channel != l.room.Channel && a.channel != l.room.OnCallChannel {
		return d, l.elsewhere(ctx, a, req.AcceptsResponsePayload), notOurs
	}
	d = inbox.Delivery{ID: a.id(), Via: "slack", Caller: "slack:" + a.user, Text: a.text,
		Incident: l.incidentAt(a), Cluster: l.room.Cluster, Received: time.Now().UTC()}
	// What came late is as old as when it was said, so that it asks again.
	if at, ok := l.room.said(a.ts); ok && time.Since(at) > bot.StaleAfter {
		d.Received = at
	}
	// The end of the connection must not undo it.
	fresh, err := l.bot.Receive(context.WithoutCancel(ctx), d)
	l.room.Log.Debug("heard in Slack", "delivery", d.ID, "fresh", fresh, "err", err)
	switch {
	case err != nil:
		if !l.seen.add(d.ID) {
			l.room.whisper(ctx, outbox.Post{Channel: a.channel, Thread: a.thread, User: a.user, Message: message.Message{
				Level: message.Refused, Title: "Nothing was done so far, because it could not be recorded.",
				Blocks: []message.Block{{Text: err.Error()}}}})
		}
		return d, nil, unkept
	case fresh:
		return d, nil, isFresh
	}
	return d, nil, isKnown
}

// incidentAt is the incident whose thread, or page, it was said at.
func (l *Listener) incidentAt(a arrival) string {
	ts := a.thread
	if a.kind == byClick && ts == "" {
		ts = a.replies()
	}
	if ts == "" {
		return ""
	}
	p, _, err := l.room.Outbox.PostAt(a.channel, ts)
	if err != nil {
		l.room.Log.Error("it could not be read which incident a thread is about", "err", err)
	}
	return p.Incident
}

// elsewhere tells someone in another channel where the conversation is, and them
// only. A slash command can be answered in its acknowledgement, even where the
// bot is no member.
func (l *Listener) elsewhere(ctx context.Context, a arrival, inAck bool) any {
	text := fmt.Sprintf("I work in <#%s>. Please say it there: everyone who has to know reads along.", l.room.Channel)
	if inAck {
		return map[string]string{"response_type": "ephemeral", "text": text}
	}
	if l.seen.add(a.id()) {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	l.work.Add(1)
	go func() {
		defer l.work.Done()
		defer cancel()
		options := []slack.MsgOption{slack.MsgOptionText(text, false)}
		if a.thread != "" {
			options = append(options, slack.MsgOptionTS(a.thread))
		}
		if _, err := l.room.api.PostEphemeralContext(ctx, a.channel, a.user, options...); err != nil {
			l.room.Log.Warn("a person in another channel could not be answered", "channel", a.channel, "err", err)
		}
	}()
	return nil
}

// carryOut ends with the work, not with the connection.
func (l *Listener) carryOut(d inbox.Delivery) {
	defer func() {
		if p := recover(); p != nil {
			l.room.Log.Error("panic in what was said in Slack", "text", d.Text, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	l.bot.CarryOut(context.Background(), d)
}

// recent remembers the last few ids.
type recent struct {
	mu  sync.Mutex
	ids map[string]bool
	in  []string
}

const mostRecent = 1000

// add says whether the id was there already.
func (r *recent) add(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids[id] {
		return true
	}
	if r.ids == nil {
		r.ids = map[string]bool{}
	}
	if len(r.in) == mostRecent {
		delete(r.ids, r.in[0])
		r.in = r.in[1:]
	}
	r.ids[id], r.in = true, append(r.in, id)
	return false
}
