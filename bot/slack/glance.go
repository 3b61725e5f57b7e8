package slack

import (
	"context"
	"time"

	"irisops/bot/slack/outbox"
)

// A commit waits for the disk twice, and people wait for commits: what was said
// is kept before it is acknowledged, what answers it before it is sent. Where the
// answer is at hand, both are kept in one.

// glance keeps what was said together with its answer, and has that sent once it is
// acknowledged. done is
// false if it has to be carried out first, in its turn.
func (l *Listener) glance(ctx context.Context, p *parcel) (fresh, done bool, err error) {
	if p.turn == nil || p.kind == byHome || !p.turn.free() || !l.watch.open(p.channel) {
		return false, false, nil
	}
	d, answers, ok := l.bot.Glance(ctx, p.delivery)
	if !ok {
		return false, false, nil
	}
	d.Answered = time.Now().UTC()
	var posts []outbox.Post
	for _, a := range answers {
		a.Message.Data = nil
		for _, place := range l.room.places(a) {
			for _, post := range withFiles(place) {
				post.Hash, post.Created = hashOf(post), d.Answered
				posts = append(posts, post)
			}
		}
	}
	fresh, err = l.room.Outbox.ReceiveAnswered(ctx, d, posts)
	if err != nil || !fresh {
		return fresh, true, err
	}
	p.told = answers
	p.after = append(p.after, func() { // the acknowledgement first
		for _, post := range posts {
			l.room.Log.Debug("to be said in Slack", "key", post.Key, "hash", post.Hash)
			l.room.desk.add(post, false)
		}
	})
	return true, true, nil
}
