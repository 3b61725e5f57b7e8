package bot

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"

	"irisops/actions"
	"irisops/bot/access"
	"irisops/bot/command"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// traceless are the words that answer from the record and leave nothing behind:
// what a page may ask every second.
var traceless = map[string]bool{
	"status": true, "timeline": true, "incidents": true, "stats": true,
	"escalation": true, "why-paged": true, "why-not-paged": true,
	"oncall": true, "oncall next": true, "oncall schedule": true,
	"drill history": true, "schedule list": true, "backup list": true,
	"audit": true, "audit verify": true, "page status": true, "watch status": true,
}

// CodeNoWord is the code of Peek's error for words that are not there, or that
// do more than answer from the record.
const CodeNoWord = "no-such-word"

// Peek answers words that only look, to whoever may look, without a delivery and
// without a trace: for a page that asks again and again. The error is a refusal
// that people can read; its code is CodeNoWord for words that cannot be peeked at.
func (b *Bot) Peek(ctx context.Context, words string) (m message.Message, err error) {
	parsed, err := b.table.Parse(words, b.people())
	if err != nil || !traceless[parsed.Spec.Words] || parsed.Spec.Class != actions.See {
		return m, &actions.Error{Code: CodeNoWord, Text: fmt.Sprintf("`%s` cannot be shown here.", words), Err: err}
	}
	defer func() {
		if p := recover(); p != nil {
			b.log.Error("panic in a look", "words", words, "panic", p, "stack", string(debug.Stack()))
			err = errBroken
		}
	}()
	c := b.onlooker(ctx, parsed)
	c.aside = func(p Post) { m = p.Message }
	return m, b.handlers[parsed.Spec.Words](c)
}

// onlooker is a call of somebody who sees everything and does nothing.
func (b *Bot) onlooker(ctx context.Context, parsed command.Parsed) *call {
	now := nowUTC()
	return &call{Bot: b, ctx: ctx, out: &Outcome{}, now: now, spec: parsed.Spec, args: parsed.Args,
		d: inbox.Delivery{Via: "peek", Received: now}, who: access.Person{ID: incident.Bot, Roles: []access.Role{access.Viewer}}}
}

// Waiting is what waits for a decision: requests, interrupted runs, a halt. It is
// false if nothing does.
func (b *Bot) Waiting() (message.Message, bool) {
	c := b.onlooker(b.ctx, command.Parsed{})
	m := message.Message{Level: message.OK}
	halt, err := b.Store.Halted()
	if err == nil {
		err = c.addRuns(&m)
	}
	switch {
	case err != nil:
		return message.Message{Level: message.Unknown, Title: "What waits cannot be read: " + err.Error()}, true
	case halt != nil:
		m.Level, m.Title = message.Warn, fmt.Sprintf("Actions are halted by %s since %s: %s.", halt.By, b.clock(halt.At, c.now), firstOf(halt.Reason, "no reason given"))
	case len(m.Blocks) > 0:
		m.Level, m.Title = message.Warn, "Requests wait, or run."
	}
	return m, m.Title != ""
}

// Head is the incident's present state at a glance, as it heads its thread, without
// the link to the board.
func (b *Bot) Head(inc incident.Incident) message.Message {
	m := b.parent(inc, nowUTC())
	for i := range m.Blocks {
		m.Blocks[i].Fields = slices.DeleteFunc(m.Blocks[i].Fields, func(f message.Field) bool { return f.Name == boardField })
	}
	return m
}

// lastRuns is how far back Done looks.
const lastRuns = 200

// Done is what was asked for and done in an incident, the newest first.
func (b *Bot) Done(inc incident.Incident) ([]message.Message, error) {
	runs, err := b.Store.LastRuns(lastRuns)
	if err != nil {
		return nil, fmt.Errorf("what was done cannot be read: %w", err)
	}
	var done []message.Message
	for _, r := range runs {
		if r.Incident == inc.ID() {
			m := b.runMessage(r, nowUTC())
			m.Buttons = nil // the board only shows
			done = append(done, m)
		}
	}
	return done, nil
}
