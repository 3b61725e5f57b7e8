package bot

import (
	"context"
	"time"

	"irisops/bot/message"
)

// Room is where people read what the bot says: a terminal, the socket's
// clients, a Slack channel.
type Room interface {
	// Publish shows a post. The same key again replaces the message in place;
	// an equal message again does nothing, so that everything still open can be
	// published once more after a restart. A room that cannot show it now keeps
	// it and shows it later; an error is for the log only.
	Publish(ctx context.Context, p Post) error
}

// Post is one message in its place.
type Post struct {
	Key      string          `json:"key"`                // "incident/7", "run/3", "reply/<delivery>", "page/<page>"
	Incident string          `json:"incident,omitempty"` // whose thread it belongs to; "" is the channel itself
	Cluster  string          `json:"cluster,omitempty"`  // what it is about, where no incident says so
	Parent   bool            `json:"parent,omitempty"`   // this is the incident's own message, the head of its thread
	State    string          `json:"-"`                  // of a Parent: what the incident is now
	Since    time.Time       `json:"-"`                  // and since when
	News     string          `json:"-"`                  // that it became so, in a line for the whole channel; "" is none
	Pin      bool            `json:"-"`                  // it is to be found at once
	Answers  string          `json:"answers,omitempty"`  // the delivery that it answers
	Private  bool            `json:"private,omitempty"`  // for that delivery's caller only
	Replay   bool            `json:"-"`                  // shown once more after a restart although it is over
	OnCall   bool            `json:"on_call,omitempty"`  // a page: also to the on-call channel, mentioning Person
	Person   string          `json:"person,omitempty"`   // who is called
	Message  message.Message `json:"message"`
}

// publish shows a post in every room, also while the bot is stopping: what was
// done has to be told.
func (b *Bot) publish(ctx context.Context, p Post) {
	ctx = context.WithoutCancel(ctx)
	for _, r := range b.rooms() {
		if err := r.Publish(ctx, p); err != nil {
			b.log.Error("a room did not take a post", "key", p.Key, "err", err)
		}
	}
}
