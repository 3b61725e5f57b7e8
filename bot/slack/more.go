package slack

import (
	"context"
	"strings"

	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

// What is too long for a message, or folded, is shown when somebody asks for it:
// below, for everyone, once. A short text is a message, a long one a file.

const (
	actionMore   = "show_more"
	actionFolded = "show_evidence"
	keyShown     = "shown/"
)

// maxShown is what is shown as a message; more becomes a file.
const maxShown = 2 * maxSection

// showMore keeps what has to be shown below a message, for a press of one of our
// own buttons.
func (l *Listener) showMore(ctx context.Context, p *parcel) error {
	r := l.room
	ts := p.pressed
	post, ok, err := r.postAt(p.channel, ts)
	if err != nil {
		return err
	}
	if !ok {
		l.tellAlone(p, "That message is too old to show more of it.", "Ask for it again.")
		return nil
	}
	all := p.action == actionMore
	if all && post.More || !all && post.Folded {
		return nil // settled already
	}
	want := outbox.Post{Key: keyShown + p.action + "/" + post.Hash + "/" + post.Key, Incident: post.Incident, Channel: p.channel, To: post.To, Thread: p.replies()}
	title, text, name := "Evidence: "+post.Message.Title, folded(post.Message), "evidence"
	if all {
		title, text, name = "All of: "+post.Message.Title, whole(post.Message), "answer"
	}
	if post.Incident != "" {
		name += "-" + post.Incident
	}
	want.Message = message.Message{Title: title, Blocks: []message.Block{{Code: &message.Code{Text: text}}}}
	if length(escaped(text)) > maxShown {
		want.Upload = true
		want.Message.Blocks = []message.Block{{File: &message.File{Name: name + ".txt", MediaType: "text/plain; charset=utf-8", Bytes: []byte(plain(text))}}}
	}
	if err := r.keep(ctx, want, false); err != nil {
		return err
	}
	if all {
		post.More = true
	} else {
		post.Folded = true
	}
	return r.keep(ctx, post, false)
}

// whole is all of a message in plain lines.
func whole(m message.Message) string {
	parts := []string{levels[m.Level] + m.Title}
	for _, b := range m.Blocks {
		parts = append(parts, wholeBlock(b))
	}
	return strings.Join(parts, "\n\n")
}

func wholeBlock(b message.Block) string {
	if b.Fold == nil {
		return flat(b)
	}
	parts := []string{b.Fold.Title}
	for _, inner := range b.Fold.Blocks {
		parts = append(parts, strings.Trim(wholeBlock(inner), "\n"))
	}
	return strings.Join(parts, "\n")
}

// folded is what a message folds away.
func folded(m message.Message) string {
	var parts []string
	for _, b := range m.Blocks {
		if b.Fold != nil {
			parts = append(parts, wholeBlock(b))
		}
	}
	return strings.Join(parts, "\n\n")
}
