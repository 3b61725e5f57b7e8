package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"irisops/bot"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/pager"
	"irisops/bot/slack/outbox"
)

// Keys as the bot makes them (see bot.Post).
const (
	keyPage   = "page/"
	keyReply  = "reply/"
	keyParent = "incident/"
	keyRun    = "run/"
	keyOnCall = "oncall/" // ours: the copy of a post in the on-call channel
)

// pageWait is how long a page may take to be seen in Slack until its Publish
// fails, so that the pager tries again and then says loudly that it has not
// arrived. It stays in the outbox all the same.
const pageWait = 5 * time.Second

// Publish implements bot.Room. It returns once the post is durable; for a page,
// once it stands in the on-call channel.
func (r *Room) Publish(ctx context.Context, p bot.Post) error { return r.publish(ctx, p, "") }

// publish shows a post, and besides in a direct message to that user unless it is
// "". For a page it returns once it stands where it calls the person.
func (r *Room) publish(ctx context.Context, p bot.Post, user string) error {
	p.Message.Data = nil
	defer r.homes.changed()
	if at, here := addressOf(p.Answers); here && at.kind == byHome && p.Private && r.homes.tell(at.user, p.Message) {
		return nil
	}
	places := r.places(p)
	if user != "" && len(places) > 0 {
		places = append(places, r.directTo(places[0], user))
	}
	if p.Parent {
		if err := r.tellNews(ctx, p); err != nil {
			return fmt.Errorf("slack: %w", err)
		}
	}
	var wanted []outbox.Post
	for _, place := range places {
		wanted = append(wanted, withFiles(place)...)
	}
	for _, want := range wanted {
		if err := r.keep(ctx, want, p.Replay); err != nil {
			if want.User != "" {
				r.whisper(ctx, want)
			}
			return fmt.Errorf("slack: %w", err)
		}
	}
	if p.Parent || strings.HasPrefix(p.Key, keyRun) {
		r.retire(ctx, p)
	}
	if strings.HasPrefix(p.Key, keyPage) && len(places) > 0 {
		return r.awaitShown(ctx, places[len(places)-1].Key)
	}
	return nil
}

// places are the messages that make up a post.
func (r *Room) places(p bot.Post) []outbox.Post {
	at, here := addressOf(p.Answers)
	want := outbox.Post{Key: p.Key, Incident: p.Incident, Parent: p.Parent, State: p.State, Pin: p.Pin, Channel: r.channelFor(p, at.channel), OnCall: p.OnCall, Message: p.Message}
	if (at.kind == bySlash || at.kind == byForm || at.kind == byHome || isDirect(at.channel)) && (strings.HasPrefix(p.Key, keyReply) || strings.HasPrefix(p.Key, keyRun)) {
		want.Asker = at.user
	}
	switch {
	case at.kind == byReply && strings.HasPrefix(p.Key, keyReply):
		return nil // nobody spoke to the bot
	case p.Private && here && isDirect(at.channel): // where nobody else is
		want.Channel, want.Thread, want.To, want.Incident, want.Asker = at.channel, at.replies(), at.user, "", ""
		return []outbox.Post{want}
	case p.Private && here:
		want.Channel, want.Thread, want.User, want.Incident, want.Asker = at.channel, at.thread, at.user, "", ""
		return []outbox.Post{want}
	case p.Private, !here && p.Incident == "" && strings.HasPrefix(p.Key, keyReply):
		return nil // an answer to somebody at a terminal
	case p.Parent, p.Incident != "":
	case here && !isDirect(at.channel): // else where everybody reads it
		want.Channel, want.Thread = at.channel, at.replies()
	}
	if !p.OnCall {
		return []outbox.Post{want}
	}
	if r.OnCallChannel == want.Channel {
		want.Calls = r.calls(p)
		return []outbox.Post{want}
	}
	copied := want
	copied.Key, copied.Channel, copied.Thread, copied.Calls = keyOnCall+p.Key, r.OnCallChannel, "", r.calls(p)
	return []outbox.Post{want, copied}
}

// calls is whom a page mentions.
func (r *Room) calls(p bot.Post) string {
	if user, ok := strings.CutPrefix(p.Person, "slack:"); ok {
		return user
	}
	if person, ok := r.People.Person(p.Person); ok {
		return person.Slack
	}
	if p.Person == "" && p.Message.Level == message.Page {
		return outbox.Everybody
	}
	return ""
}

// keep makes what is wanted durable. A known post keeps its place. What is over
// is brought up to date where it stands, and not begun any more.
func (r *Room) keep(ctx context.Context, want outbox.Post, over bool) error {
	want.Hash = hashOf(want)
	want.Created = time.Now().UTC()
	var kept outbox.Post
	changed := false
	err := r.Outbox.AmendPost(ctx, want.Key, func(p *outbox.Post) bool {
		changed = (p.Hash != want.Hash || p.Pin != want.Pin) && (p.Hash != "" || !over)
		settled, again := p.Record != "" && want.Record == "", p.Failed != "" && p.TS == "" && want.Record != ""
		if isPage(p.Key) && settled || p.To != "" && again {
			changed = false // its buttons do not come back; and what could not be said is not said when it is over
		}
		if !changed {
			return false
		}
		if p.Hash == "" {
			*p = want
		} else {
			p.Message, p.Hash, p.Record, p.Failed = want.Message, want.Hash, want.Record, ""
			p.State, p.Pin, p.More, p.Folded = want.State, want.Pin, want.More, want.Folded
		}
		kept = *p
		return true
	})
	if err == nil && changed {
		r.Log.Debug("to be said in Slack", "key", want.Key, "hash", want.Hash)
		r.desk.add(kept, false)
	}
	return err
}

// hashOf tells two states of a message apart.
func hashOf(p outbox.Post) string {
	parts := []any{p.Message, p.Record}
	if p.More || p.Folded {
		parts = append(parts, p.More, p.Folded)
	}
	body, err := json.Marshal(parts)
	if err != nil {
		body = fmt.Append(nil, p.Message) // only Data, which is left out, could fail
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:12])
}

// whisper tells one person something that could not even be kept: the disk is
// full, say. It is tried once.
func (r *Room) whisper(ctx context.Context, p outbox.Post) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	if err := r.ephemeral(ctx, p); err != nil {
		r.Log.Error("a person could not be told", "user", p.User, "err", err)
	}
}

// ephemeral shows a message to one person. Slack neither keeps it nor promises
// to show it: nothing important goes this way.
func (r *Room) ephemeral(ctx context.Context, p outbox.Post) error {
	said := render(p)
	options := []slack.MsgOption{slack.MsgOptionText(said.Text, false), slack.MsgOptionBlocks(said.Blocks...)}
	if p.Thread != "" {
		options = append(options, slack.MsgOptionTS(p.Thread))
	}
	_, err := r.api.PostEphemeralContext(ctx, p.Channel, p.User, options...)
	return err
}

// retire takes the buttons from the pages that the state of their incident or
// request has overtaken, and writes down what it is now: the incident's own
// message and the request's say which words still make sense.
func (r *Room) retire(ctx context.Context, p bot.Post) {
	if p.Incident == "" {
		return
	}
	for _, prefix := range []string{keyPage, keyOnCall + keyPage, keyDirect + keyPage} {
		posts, err := r.Outbox.PostsUnder(prefix + p.Incident + "/")
		if err != nil {
			r.Log.Error("the pages of an incident could not be read", "incident", p.Incident, "err", err)
			return
		}
		for _, page := range posts {
			r.retireOne(ctx, p, page)
		}
	}
}

func (r *Room) retireOne(ctx context.Context, owner bot.Post, page outbox.Post) {
	subject := strings.TrimPrefix(strings.TrimPrefix(owner.Key, keyRun), keyParent) // "REQ-3", "INC-7"
	about := func(b message.Button) bool { return slices.Contains(strings.Fields(b.Words), subject) }
	stays := func(b message.Button) bool { return about(b) && offers(owner.Message, b.Words) }
	asks := slices.ContainsFunc(page.Message.Buttons, stays) // who can still take it can as well say that they cannot
	keep := slices.DeleteFunc(slices.Clone(page.Message.Buttons), func(b message.Button) bool {
		return about(b) && !stays(b) && !(asks && strings.HasPrefix(b.Words, "decline "))
	})
	if len(keep) == len(page.Message.Buttons) {
		return
	}
	page.Message.Buttons, page.Record = keep, owner.Message.Title
	if owner.Parent && owner.State != string(incident.Open) {
		page.Record = owner.News // which says by whom
	}
	if err := r.keep(ctx, page, false); err != nil {
		r.Log.Error("the buttons of a page could not be taken away", "key", page.Key, "err", err)
	}
}

func offers(m message.Message, words string) bool {
	return slices.ContainsFunc(m.Buttons, func(b message.Button) bool { return b.Words == words })
}

var errNotShown = errors.New("slack has not taken the page yet; it is kept, and sent as soon as that is possible")

// awaitShown waits until Slack shows the message.
func (r *Room) awaitShown(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, pageWait)
	defer cancel()
	defer r.desk.unwatch(key)
	for {
		changed := r.desk.watch(key)
		p, ok, err := r.Outbox.PostOf(key)
		switch {
		case err != nil:
			return err
		case !ok, p.TS != "", !p.Pending() && p.Failed == "":
			return nil // it stands there; whether an edit of it waits is another matter
		case p.Failed != "" && p.To != "":
			return pager.Final(errors.New(p.Failed))
		case p.Failed != "":
			return errors.New("slack: " + p.Failed)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errNotShown
		}
	}
}
