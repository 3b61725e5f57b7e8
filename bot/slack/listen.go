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
)

// Conversation is the bot as the Listener needs it.
type Conversation interface {
	Receive(ctx context.Context, d inbox.Delivery) (fresh bool, err error)
	CarryOut(ctx context.Context, d inbox.Delivery) *bot.Outcome
	// Glance answers what can be answered at once, before it is kept; Tell shows
	// such an answer to the rooms but one.
	Glance(ctx context.Context, d inbox.Delivery) (kept inbox.Delivery, answers []bot.Post, ok bool)
	Tell(ctx context.Context, answers []bot.Post, but bot.Room)
	// Form is for words that lack something, from somebody who may say them.
	Form(ctx context.Context, caller, text, incident string) (f bot.Form, ok bool)
	// Fill writes what was filled in as a line, or says what is wrong where.
	Fill(words string, values map[string]string) (line string, faults map[string]string)
	// Home is somebody's page.
	Home(ctx context.Context, caller string) []message.Message
	// Changes says whether words change anything.
	Changes(text string) bool
}

// Listener takes what people type and press. What it takes is durable before it
// is acknowledged, and carried out after.
type Listener struct {
	room   *Room
	bot    Conversation
	cancel context.CancelFunc
	done   chan struct{}
	takers chan struct{} // bounds how many are being kept at a time
	work   sync.WaitGroup
	seen   recent
	turns  turns
	watch  watch

	presses presses
	clicks  recent
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
	l.work.Go(func() { l.keepHomes(ctx) })
	go func() {
		defer close(l.done)
		for failures := 0; ctx.Err() == nil; failures++ {
			began := time.Now()
			err := l.connected(ctx)
			if ctx.Err() != nil {
				return
			}
			if errors.Is(err, errDeaf) {
				l.room.Log.Warn("the connection to Slack is replaced", "err", err)
				failures = 0
				continue
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
// It returns when Slack will not have the bot, if the library breaks, or if
// nothing comes through although it looks alive.
func (l *Listener) connected(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			l.room.Log.Error("panic while Slack was listened to", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %v", p)
		}
	}()
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
	deaf := make(chan error, 1)
	l.work.Add(1)
	go func() {
		defer l.work.Done()
		if err := l.watchSilence(ctx); err != nil {
			deaf <- err
		}
	}()
	for {
		select {
		case e := <-client.Events:
			l.event(ctx, client, e)
		case err := <-deaf:
			return err
		case err := <-ended:
			return err
		}
	}
}

// event must not take long: the library reads nothing meanwhile, not even pings.
func (l *Listener) event(ctx context.Context, client *socketmode.Client, e socketmode.Event) {
	switch e.Type {
	case socketmode.EventTypeConnected:
		l.watch.read(l.room.conversations(), time.Now())
	case socketmode.EventTypeHello:
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
	p := l.arrive(envelope{typ: req.Type, id: req.EnvelopeID, payload: req.Payload, answers: req.AcceptsResponsePayload})
	l.work.Add(1)
	go func() {
		defer l.work.Done()
		defer p.end()
		l.keep(ctx, p)
		if p.fate != unkept {
			if err := client.AckCtx(ctx, req.EnvelopeID, p.answer); err != nil {
				l.room.Log.Warn("an acknowledgement could not be sent; Slack delivers again", "err", err)
			}
		}
		<-l.takers
		l.carryOut(p)
	}()
}
