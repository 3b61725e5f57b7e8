package bot

import (
	"context"
	"runtime/debug"

	"irisops/actions"
	"irisops/bot/inbox"
)

// atOnce are the words that are answered from memory and a few rows: nothing is
// asked of a cluster or of Slack, and nothing is left behind but the answer.
var atOnce = map[string]bool{
	"help": true, "whoami": true, "access explain": true,
	"oncall": true, "oncall next": true, "oncall schedule": true,
	"schedule list": true, "escalation": true, "watch status": true,
}

// Glance answers a delivery that can be answered at once, before it is kept, so
// that whoever brought it can keep both in one commit: it then counts as answered,
// and is not given to CarryOut. kept is the delivery as it may be kept. ok is
// false for all that takes the long way, by Receive and CarryOut: words that do
// something or look further, callers that are not known by name, and whatever is
// refused.
func (b *Bot) Glance(ctx context.Context, d inbox.Delivery) (kept inbox.Delivery, answers []Post, ok bool) {
	defer func() {
		if p := recover(); p != nil {
			b.log.Error("panic in a glance", "text", d.Text, "panic", p, "stack", string(debug.Stack()))
			ok = false
		}
	}()
	d = b.unsecret(d)
	parsed, err := b.table.Parse(d.Text, b.people())
	if err != nil || !atOnce[parsed.Spec.Words] || parsed.Spec.Class != actions.See {
		return d, nil, false
	}
	who, known := b.Access.Identify(d.Caller)
	if !known || !b.Access.May(who, parsed.Spec.Words, actions.See).Allowed {
		return d, nil, false
	}
	c := &call{Bot: b, ctx: ctx, out: &Outcome{}, d: d, who: who, spec: parsed.Spec, args: parsed.Args, now: nowUTC()}
	c.aside = func(p Post) { answers = append(answers, p) }
	if err := b.handlers[parsed.Spec.Words](c); err != nil || c.out.Code() != ExitDone {
		return d, nil, false
	}
	for _, p := range answers {
		if p.Private || p.Own {
			return d, nil, false
		}
	}
	return d, answers, len(answers) > 0
}

// Tell shows the other rooms what one of them has kept with its delivery.
func (b *Bot) Tell(ctx context.Context, answers []Post, but Room) {
	for _, p := range answers {
		b.publishBut(ctx, p, but)
	}
}
