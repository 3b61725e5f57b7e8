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
	Own      bool            `json:"own,omitempty"`      // for the eyes of that delivery's caller alone: in an OwnRoom of theirs only
	Replay   bool            `json:"-"`                  // shown once more after a restart although it is over
	OnCall   bool            `json:"on_call,omitempty"`  // a page: also to the on-call channel, mentioning Person
	Person   string          `json:"person,omitempty"`   // who is called
	Message  message.Message `json:"message"`
}

// OwnRoom is a room that may be somebody's alone: what is shown there nobody else
// reads, and nothing keeps.
type OwnRoom interface {
	Room
	// Of says whether only the caller of that delivery reads here.
	Of(delivery string) bool
}

// ownRoom is the room that only the delivery's caller reads.
func (b *Bot) ownRoom(delivery string) (OwnRoom, bool) {
	for _, r := range b.rooms() {
		if own, ok := r.(OwnRoom); ok && own.Of(delivery) {
			return own, true
		}
	}
	return nil, false
}

// publish shows a post in every room, also while the bot is stopping: what was
// done has to be told.
func (b *Bot) publish(ctx context.Context, p Post) { b.publishBut(ctx, p, nil) }

// publishBut leaves out one room, which shows the post already; nil is none.
func (b *Bot) publishBut(ctx context.Context, p Post, but Room) {
	ctx = context.WithoutCancel(ctx)
	rooms := b.rooms()
	if p.Own {
		rooms = nil
		if own, ok := b.ownRoom(p.Answers); ok {
			rooms = []Room{own}
		}
	}
	for _, r := range rooms {
		if r == but {
			continue
		}
		if err := r.Publish(ctx, p); err != nil {
			b.log.Error("a room did not take a post", "key", p.Key, "err", err)
		}
	}
}
