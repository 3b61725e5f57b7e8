package slack

import (
	"context"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"irisops/bot/command"
	"irisops/bot/inbox"
)

// What is not said to the bot and counts all the same, if the config has it so:
// an emoji under a message, and what people write in the thread of an incident.
// Each becomes the line that it stands for.

func aside(kind string) bool { return kind == byEmoji || kind == byReply }

// overhear takes what was said aside, or leaves it.
func (l *Listener) overhear(ctx context.Context, p *parcel) {
	if !l.room.converses(p.channel) {
		return
	}
	var line string
	var err error
	switch word := l.room.Reactions[p.text]; {
	case p.kind == byReply && l.room.KeepReplies:
		line = noteLine(l.incidentAt(p.arrival), p.text)
	case p.kind == byEmoji && word == "ack":
		post, _, readErr := l.room.postAt(p.channel, p.pressed)
		if err = readErr; post.Incident != "" {
			line = "ack --incident " + post.Incident
		}
	case p.kind == byEmoji && word == "note":
		line, err = l.pointedAt(ctx, p)
	}
	if err != nil {
		l.room.Log.Warn("what an emoji stands under could not be read; Slack delivers again", "err", err)
		p.fate = unkept
		return
	}
	if line == "" {
		return
	}
	p.text = line
	l.receive(ctx, p)
}

// pointedAt is the line that keeps the message that an emoji stands under.
func (l *Listener) pointedAt(ctx context.Context, p *parcel) (string, error) {
	if post, ok, err := l.room.postAt(p.channel, p.pressed); ok || err != nil {
		return noteLine(post.Incident, post.Message.Title), err
	}
	ctx, cancel := context.WithTimeout(ctx, eventPatience)
	defer cancel()
	messages, _, _, err := l.room.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
		ChannelID: p.channel, Timestamp: p.pressed, Oldest: p.pressed, Latest: p.pressed, Inclusive: true, Limit: 5})
	if v, _ := judge(err); v == absent {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for _, m := range messages {
		if m.Timestamp != p.pressed {
			continue
		}
		for _, f := range m.Files { // they stay in Slack
			p.files = append(p.files, inbox.File{Name: f.Name, MediaType: f.Mimetype, Size: int64(f.Size), Link: f.Permalink})
		}
		incident := l.incidentAt(arrival{address: address{channel: p.channel, thread: m.ThreadTimestamp}})
		return noteLine(incident, fmt.Sprintf("%s wrote: %s", l.room.nameOf(m.User), m.Text)), nil
	}
	return "", nil
}

// noteLine is the line that keeps a text with an incident; "" if there is none.
func noteLine(incident, text string) string {
	text = strings.Join(strings.Fields(plain(text)), " ")
	if incident == "" || text == "" {
		return ""
	}
	if r := []rune(text); len(r) > command.MaxText-1 {
		text = string(r[:command.MaxText-2]) + "…"
	}
	return "note --incident " + incident + " -- " + text
}
