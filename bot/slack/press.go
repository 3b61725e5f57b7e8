package slack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

// A button that changes something works once: whoever is first, and it is taken
// away for everybody. What belongs to an incident, a request or a page has a
// state of its own, which says what its buttons are.

// presses are the buttons that are being carried out, by message and words.
type presses struct {
	mu sync.Mutex
	by map[string]pressing
}

type pressing struct {
	user string
	over chan struct{}
}

// pressPatience is how long a press waits for another one of the same button,
// which may yet be refused.
const pressPatience = time.Second

// take says who was first, and is still at it.
func (p *presses) take(key, user string) (first string, ok bool) {
	patience := time.NewTimer(pressPatience)
	defer patience.Stop()
	for {
		p.mu.Lock()
		other, taken := p.by[key]
		if !taken {
			if p.by == nil {
				p.by = map[string]pressing{}
			}
			p.by[key] = pressing{user, make(chan struct{})}
			p.mu.Unlock()
			return user, true
		}
		p.mu.Unlock()
		select {
		case <-other.over:
		case <-patience.C:
			return other.user, false
		}
	}
}

func (p *presses) end(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.by[key].over)
	delete(p.by, key)
}

// hasState says whether somebody else says what a message's buttons are.
func hasState(p outbox.Post) bool {
	return p.Parent || strings.HasPrefix(strings.TrimPrefix(p.Key, keyOnCall), keyRun) || isPage(p.Key)
}

// press takes a button in hand. ok is false if it works no more; the person who
// pressed it was told.
func (l *Listener) press(ctx context.Context, p *parcel) (ok bool) {
	if p.kind != byClick || !l.bot.Changes(p.text) {
		return true
	}
	post, known, err := l.room.postAt(p.channel, p.pressed)
	if err != nil {
		l.room.Log.Error("it could not be read which message a button is on", "err", err)
	}
	if !known || hasState(post) || l.clicks.add(p.arrival.id()) {
		return true // the same click again is known to the inbox
	}
	key := p.channel + " " + p.pressed + " " + p.text
	if first, ok := l.presses.take(key, p.user); !ok {
		l.tellAlone(p, "This is just being done for "+l.room.nameOf(first)+".", "")
		return false
	}
	if now, ok, err := l.room.Outbox.PostAt(p.channel, p.pressed); err == nil && ok {
		post = now
	}
	if !slices.ContainsFunc(post.Message.Buttons, func(b message.Button) bool { return b.Words == p.text }) {
		l.presses.end(key)
		l.tellAlone(p, "This was pressed already.", post.Record)
		return false
	}
	p.button = key
	return true
}

// pressed settles a button that did what it says, or lets the next one press it.
func (l *Listener) pressed(p *parcel, out *bot.Outcome) {
	if p.button == "" {
		return
	}
	defer l.presses.end(p.button)
	if out == nil || out.Code() != bot.ExitDone {
		return
	}
	post, known, err := l.room.postAt(p.channel, p.arrival.pressed)
	if err != nil || !known {
		return
	}
	i := slices.IndexFunc(post.Message.Buttons, func(b message.Button) bool { return b.Words == p.text })
	if i < 0 {
		return
	}
	label := post.Message.Buttons[i].Label
	post.Message.Buttons = slices.Delete(slices.Clone(post.Message.Buttons), i, i+1)
	record := fmt.Sprintf("%s: pressed by %s.", label, l.room.nameOf(p.user))
	post.Record = strings.TrimSpace(post.Record + " " + record)
	if err := l.room.keep(context.Background(), post, false); err != nil {
		l.room.Log.Error("a button could not be taken away", "key", post.Key, "err", err)
	}
}

// nameOf is a user as people here call them.
func (r *Room) nameOf(user string) string {
	if person, ok := r.People.Identify("slack:" + user); ok {
		return person.ID
	}
	return "the Slack user " + user
}

// tellAlone tells one person something in a line, and does nothing else.
func (l *Listener) tellAlone(p *parcel, title, more string) {
	m := message.Message{Level: message.Refused, Title: title}
	if more != "" {
		m.Blocks = []message.Block{{Text: more}}
	}
	p.after = append(p.after, func() {
		l.room.whisper(context.Background(), outbox.Post{Channel: p.channel, Thread: p.thread, User: p.user, Message: m})
	})
}

// identified is the person behind a Slack user, if they may see anything here.
func (l *Listener) identified(ctx context.Context, user string) (access.Person, bool) {
	caller := "slack:" + user
	who, known := l.room.People.Identify(caller, l.room.Groups(ctx, caller)...)
	return who, known && who.Has(access.Viewer)
}
