package slack

import (
	"context"
	"fmt"

	"github.com/slack-go/slack"

	"irisops/bot"
	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

// tellNews says in the channel itself that an incident has changed its state:
// who reads only the channel sees the thread's outcome all the same. It is kept
// before the incident's own message, whose State says that it was told.
func (r *Room) tellNews(ctx context.Context, p bot.Post) error {
	head, ok, err := r.Outbox.PostOf(p.Key)
	if err != nil {
		return err
	}
	if !ok || head.State == "" || head.State == p.State || p.News == "" {
		return nil
	}
	return r.keep(ctx, outbox.Post{
		Key: fmt.Sprintf("news/%s/%s/%d", p.Incident, p.State, p.Since.Unix()), Incident: p.Incident, Beside: true, Channel: head.Channel,
		Message: message.Message{Level: p.Message.Level, Title: p.News},
	}, false)
}

// pin pins the message of an incident that presses, or takes that back. Where
// Slack will not, the message stands there all the same.
func (r *Room) pin(ctx context.Context, p outbox.Post, j job) sent {
	item := slack.NewRefToMessage(p.Channel, p.TS)
	how := r.api.AddPinContext
	if !p.Pin {
		how = r.api.RemovePinContext
	}
	err := how(ctx, p.Channel, item)
	switch v, _ := judge(err); {
	case err == nil, codeOf(err) == "already_pinned", codeOf(err) == "no_pin":
	case v == limited, v == unsure && codeOf(err) == "":
		return r.failed(p, j, err)
	default:
		r.alarms.raise("The message of an incident could not be pinned in Slack", err)
	}
	var now outbox.Post
	if err := r.amend(ctx, p.Key, func(q *outbox.Post) bool { q.Pinned = p.Pin; now = *q; return true }); err != nil {
		return sent{failed: true, wait: backoff(j.attempts)}
	}
	return sent{post: now}
}
