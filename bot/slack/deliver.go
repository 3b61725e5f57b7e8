package slack

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/slack-go/slack"

	"irisops/bot/slack/outbox"
)

// keepsOrder is how many attempts of a message hold up what follows it; a message
// that Slack chokes on is then passed.
const keepsOrder = 4

// privateFor is how long a private answer is of use.
const privateFor = 10 * time.Minute

// headOf says where a post's thread begins. Where nobody has published the head
// of its incident, it goes to the channel after a while.
func (r *Room) headOf(p outbox.Post) (ts string, ready bool) {
	defer func() {
		if v := recover(); v != nil {
			r.Log.Error("panic while the head of a thread was looked for", "key", p.Key, "panic", v, "stack", string(debug.Stack()))
			ts, ready = "", false
		}
	}()
	if p.TS != "" || p.Thread != "" || p.Incident == "" || p.Parent || p.User != "" || isCopy(p) || p.Beside {
		return p.Thread, true
	}
	h, ok, err := r.Outbox.PostOf(keyParent + p.Incident)
	switch {
	case err != nil:
		r.Log.Error("the head of a thread could not be read", "incident", p.Incident, "err", err)
		return "", false
	case ok && h.TS != "" && h.Channel == p.Channel:
		return h.TS, true
	case ok && h.Channel == p.Channel && h.Failed == "":
		return "", false
	case ok:
		return "", true
	}
	return "", time.Since(p.Created) >= headWait
}

// deliver makes one attempt to have Slack show a post as it should be.
func (r *Room) deliver(ctx context.Context, j job) (s sent) {
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error("panic while sending to Slack", "key", j.key, "panic", p, "stack", string(debug.Stack()))
			s = sent{failed: true, doubt: true, wait: backoff(j.attempts)}
		}
		s.it, s.way = j.it, j.way
	}()
	p, ok, err := j.post, true, error(nil)
	if !j.first {
		p, ok, err = r.Outbox.PostOf(j.key)
	}
	if err != nil {
		r.Log.Error("a message for Slack could not be read", "key", j.key, "err", err)
		return sent{failed: true, wait: backoff(j.attempts)}
	}
	if !ok || !p.Pending() {
		return sent{post: p}
	}
	if p.User != "" {
		return r.deliverPrivate(ctx, p, j)
	}
	if methodOf(p) != j.way.method {
		return sent{post: p} // it stands there by now: that goes another way, at its own pace
	}
	if p.Upload {
		return r.upload(ctx, p, j)
	}
	if p.TS != "" && p.Shown == p.Hash {
		return r.pin(ctx, p, j)
	}
	if p.TS != "" {
		return r.edit(ctx, p, j)
	}
	if p.To != "" && !isDirect(p.Channel) {
		if p, err = r.openDirect(ctx, p); err != nil {
			return r.failed(p, j, err)
		}
	}
	if j.doubt {
		found, err := r.find(ctx, p, j.thread)
		if v := judgeOf(p, err); err != nil && !errors.Is(err, errTooMuch) && (v == unsure || v == limited) {
			return r.failed(p, j, err)
		}
		if err != nil {
			r.Log.Warn("it cannot be found out whether a message was sent already; it is sent", "key", p.Key, "err", err)
		}
		if found.ts != "" {
			return r.shown(ctx, p, j, found.ts, found.hash)
		}
	}
	ts, err := r.post(ctx, p, j.thread)
	if err != nil {
		return r.failed(p, j, err)
	}
	return r.shown(ctx, p, j, ts, p.Hash)
}

// post sends a new message. What Slack refuses for its looks is sent once more
// as mere text.
func (r *Room) post(ctx context.Context, p outbox.Post, thread string) (ts string, err error) {
	said := render(p)
	options := []slack.MsgOption{slack.MsgOptionText(said.Text, false), slack.MsgOptionBlocks(said.Blocks...)}
	common := []slack.MsgOption{marked(p), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}
	if thread != "" {
		common = append(common, slack.MsgOptionTS(thread))
		if p.Calls != "" { // there is no other channel where it could be heard
			common = append(common, slack.MsgOptionBroadcast())
		}
	}
	_, ts, err = r.api.PostMessageContext(ctx, p.Channel, append(options, common...)...)
	switch v, _ := judge(err); {
	case err != nil && v == unfit:
		r.Log.Error("Slack refused how a message looks; it is sent as text", "key", p.Key, "err", err)
		_, ts, err = r.api.PostMessageContext(ctx, p.Channel, append(common, slack.MsgOptionText(said.Text, false))...)
	case err != nil && v == absent && thread != "":
		r.Log.Warn("the thread of a message is gone; it is shown in the channel", "key", p.Key, "err", err)
		return r.post(ctx, p, "")
	}
	return ts, err
}

func (r *Room) edit(ctx context.Context, p outbox.Post, j job) sent {
	said := render(p)
	_, _, _, err := r.api.UpdateMessageContext(ctx, p.Channel, p.TS,
		slack.MsgOptionText(said.Text, false), slack.MsgOptionBlocks(said.Blocks...), marked(p))
	switch v, _ := judge(err); {
	case err != nil && v == unfit:
		r.Log.Error("Slack refused how a message looks; it is sent as text", "key", p.Key, "err", err)
		_, _, _, err = r.api.UpdateMessageContext(ctx, p.Channel, p.TS, slack.MsgOptionText(said.Text, false), slack.MsgOptionBlocks(), marked(p))
	case err != nil && v == absent:
		r.Log.Warn("a message was taken away in Slack; it is posted anew", "key", p.Key, "err", err)
		err := r.amend(ctx, p.Key, func(q *outbox.Post) bool { q.TS, q.Shown = "", ""; return true })
		if err != nil {
			return sent{failed: true, wait: backoff(j.attempts)}
		}
		p.TS, p.Shown = "", ""
		return sent{post: p}
	}
	if err != nil {
		return r.failed(p, j, err)
	}
	s := r.shown(ctx, p, j, p.TS, p.Hash)
	s.edited = true
	return s
}

// shown records what Slack shows now.
func (r *Room) shown(ctx context.Context, p outbox.Post, j job, ts, hash string) sent {
	r.alarms.answered(p.Channel)
	if p.To == "" { // of direct messages it hears nothing
		r.speak()
	}
	r.Log.Debug("said in Slack", "key", p.Key, "hash", hash, "ts", ts)
	var now outbox.Post
	err := r.Outbox.NotePost(context.WithoutCancel(ctx), p.Key, func(q *outbox.Post) bool {
		q.TS, q.Shown, q.Thread = ts, hash, j.thread
		now = *q
		return true
	})
	if err != nil {
		r.Log.Error("what Slack shows could not be recorded; it is looked for later", "key", p.Key, "err", err)
		return sent{failed: true, doubt: true, wait: backoff(j.attempts)}
	}
	return sent{post: now}
}

// postAt is the post that stands at a place. People see a message a moment before
// it is recorded where it stands, and may be as quick as that.
func (r *Room) postAt(channel, ts string) (p outbox.Post, ok bool, err error) {
	for began := time.Now(); ; {
		changed, away := r.desk.underWay(channel)
		p, ok, err := r.Outbox.PostAt(channel, ts)
		if ok || err != nil || !away || time.Since(began) > time.Second {
			return p, ok, err
		}
		moment := time.NewTimer(20 * time.Millisecond)
		select {
		case <-changed:
		case <-moment.C:
		}
		moment.Stop()
	}
}

// amend changes a post even while the room stops.
func (r *Room) amend(ctx context.Context, key string, change func(*outbox.Post) bool) error {
	return r.Outbox.AmendPost(context.WithoutCancel(ctx), key, change)
}

func (r *Room) deliverPrivate(ctx context.Context, p outbox.Post, j job) sent {
	if !j.told && time.Since(p.Created) < privateFor {
		if err := r.ephemeral(ctx, p); err != nil {
			if v, _ := judge(err); v != useless && v != unfit && v != absent {
				return r.failed(p, j, err)
			}
			r.Log.Warn("a person could not be answered privately", "user", p.User, "err", err)
		} else {
			r.alarms.answered(p.Channel)
		}
	}
	if err := r.Outbox.ForgetPost(context.WithoutCancel(ctx), p.Key); err != nil {
		r.Log.Error("a private answer could not be forgotten; should irisops end now, it comes twice", "key", p.Key, "err", err)
		return sent{failed: true, told: true, wait: backoff(j.attempts)}
	}
	return sent{}
}

// failed decides what to do about an attempt that failed.
func (r *Room) failed(p outbox.Post, j job, err error) sent {
	r.Log.Warn("Slack did not take a message", "key", p.Key, "attempt", j.attempts+1, "err", err)
	_, wait := judge(err)
	v := judgeOf(p, err)
	s := sent{failed: true, wait: max(wait, backoff(j.attempts))}
	switch v {
	case limited:
		if wait == 0 {
			wait = s.wait
		}
		s.wait, s.here = wait, wait
		if _, counted := inAll[j.way.method]; counted {
			s.all = wait
		}
	case refused:
		r.alarms.raise(whatRefused, err)
		s.refused, s.wait = true, 0
	case closed:
		r.alarms.raise(whatClosed(p.Channel), err)
		s.closed, s.wait = true, 0
	case unwelcome: // the pager says so, and calls them another way
		why, way := r.whyNotDirect(p.To, err)
		p.Failed = why + ". " + way
		if err := r.amend(context.Background(), p.Key, func(q *outbox.Post) bool { q.Failed = p.Failed; return true }); err != nil {
			return s
		}
		return sent{post: p}
	case unfit, absent, useless:
		why := fmt.Sprintf("Slack does not take it: %v", err)
		if err := r.amend(context.Background(), p.Key, func(q *outbox.Post) bool { q.Failed = why; return true }); err != nil {
			return s
		}
		r.alarms.raise("A message could not be shown in Slack: "+p.Key, err)
		p.Failed = why
		return sent{post: p}
	default:
		r.alarms.unanswered(err)
		if p.TS != "" { // it may have been edited
			s.wait = max(s.wait, editEvery)
		}
		s.doubt = true
		if codeOf(err) == "" { // no answer: Slack itself is away. An answer is about this message only
			if j.attempts < keepsOrder {
				s.here = s.wait // and what follows does not pass it
			}
		}
	}
	return s
}

// What the bot posts carries its key, so that it can be found again after a
// crash in the middle of posting: https://docs.slack.dev/messaging/message-metadata
const metadataType = "irisops_post"

func marked(p outbox.Post) slack.MsgOption {
	return slack.MsgOptionMetadata(slack.SlackMetadata{EventType: metadataType, EventPayload: map[string]any{"key": p.Key, "hash": p.Hash}})
}

type sighting struct{ ts, hash string }

// most pages of history that are read to find one message.
const mostPages = 10

// errTooMuch: it cannot be found in bounded time, and is sent.
var errTooMuch = errors.New("too much was said since to look for it")

// find looks whether an earlier attempt has posted p after all.
func (r *Room) find(ctx context.Context, p outbox.Post, thread string) (sighting, error) {
	oldest := slackTime(p.Created.Add(-time.Minute))
	self := r.me(ctx)
	cursor := ""
	for range mostPages {
		messages, next, err := r.history(ctx, p.Channel, thread, oldest, cursor)
		if err != nil {
			return sighting{}, err
		}
		for _, m := range messages {
			if m.Metadata.EventType != metadataType || m.Metadata.EventPayload["key"] != p.Key || self.bot != "" && m.BotID != self.bot {
				continue
			}
			hash, _ := m.Metadata.EventPayload["hash"].(string)
			return sighting{m.Timestamp, hash}, nil
		}
		if next == "" {
			return sighting{}, nil
		}
		cursor = next
	}
	return sighting{}, errTooMuch
}

func (r *Room) history(ctx context.Context, channel, thread, oldest, cursor string) ([]slack.Message, string, error) {
	const limit = 200
	if thread != "" {
		messages, _, next, err := r.api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
			ChannelID: channel, Timestamp: thread, Oldest: oldest, Cursor: cursor, Limit: limit, IncludeAllMetadata: true})
		return messages, next, err
	}
	page, err := r.api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
		ChannelID: channel, Oldest: oldest, Cursor: cursor, Limit: limit, IncludeAllMetadata: true})
	if err != nil {
		return nil, "", err
	}
	return page.Messages, page.ResponseMetaData.NextCursor, nil
}
