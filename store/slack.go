package store

import (
	"bytes"
	"context"
	"time"

	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

var (
	bSlackPosts   = bucket{"slack", "posts"}
	bSlackPending = bucket{"slack", "pending"}
	bSlackShown   = bucket{"slack", "shown"}
)

// createSlack makes the buckets of what is said in Slack.
func createSlack(t *tx) error {
	top, err := t.bolt.CreateBucket([]byte(bSlackPosts.top))
	if err != nil {
		return err
	}
	for _, b := range []bucket{bSlackPosts, bSlackPending, bSlackShown} {
		if _, err := top.CreateBucket([]byte(b.name)); err != nil {
			return err
		}
	}
	return nil
}

type slackRecord struct {
	record
	Key      string          `json:"key"`
	Incident string          `json:"incident,omitempty"`
	Parent   bool            `json:"parent,omitempty"`
	Channel  string          `json:"channel,omitempty"`
	Thread   string          `json:"thread,omitempty"`
	User     string          `json:"user,omitempty"`
	Asker    string          `json:"asker,omitempty"`
	Calls    string          `json:"calls,omitempty"`
	OnCall   bool            `json:"on_call,omitempty"`
	Created  time.Time       `json:"created,omitzero"`
	Message  message.Message `json:"message"`
	Hash     string          `json:"hash,omitempty"`
	Shown    string          `json:"shown,omitempty"`
	TS       string          `json:"ts,omitempty"`
	Record   string          `json:"record,omitempty"`
	Failed   string          `json:"failed,omitempty"`
}

func recordSlack(p outbox.Post) slackRecord {
	p.Message.Data = nil // not shown, and of any shape
	return slackRecord{
		record: record{recordVersion},
		Key:    p.Key, Incident: p.Incident, Parent: p.Parent, Channel: p.Channel, Thread: p.Thread, User: p.User,
		Asker: p.Asker, Calls: p.Calls, OnCall: p.OnCall, Created: utc(p.Created), Message: p.Message,
		Hash: p.Hash, Shown: p.Shown, TS: p.TS, Record: p.Record, Failed: p.Failed,
	}
}

func (r slackRecord) post() outbox.Post {
	return outbox.Post{
		Key: r.Key, Incident: r.Incident, Parent: r.Parent, Channel: r.Channel, Thread: r.Thread, User: r.User,
		Asker: r.Asker, Calls: r.Calls, OnCall: r.OnCall, Created: r.Created, Message: r.Message,
		Hash: r.Hash, Shown: r.Shown, TS: r.TS, Record: r.Record, Failed: r.Failed,
	}
}

func pendingKey(p outbox.Post) []byte { return join(timeKey(p.Created), []byte(p.Key)) }

func shownKey(channel, ts string) []byte { return []byte(channel + " " + ts) }

func (t *tx) slackPost(key []byte) (p outbox.Post, ok bool, err error) {
	body, err := t.get(bSlackPosts, key)
	if err != nil || body == nil {
		return p, false, err
	}
	var rec slackRecord
	err = decode(bSlackPosts, body, &rec)
	return rec.post(), err == nil, err
}

// AmendPost has change applied to what is said in Slack under that key, a Post
// with nothing but its Key if there is none yet. Once it returns without an
// error it is durable. change may run more than once; it returns false to leave
// everything as it is.
func (db *DB) AmendPost(ctx context.Context, key string, change func(*outbox.Post) bool) error {
	if err := checkKey("key of a post", key); err != nil {
		return err
	}
	return db.update(ctx, "What is said in Slack", func(t *tx) error {
		old, known, err := t.slackPost([]byte(key))
		if err != nil {
			return err
		}
		next := old
		next.Key = key
		if !changing(change, &next) {
			return nil
		}
		next.Key = key
		if known {
			if err := t.dropSlackRows(old); err != nil {
				return err
			}
		}
		if err := t.put(bSlackPosts, []byte(key), encode(recordSlack(next))); err != nil {
			return err
		}
		if next.Pending() {
			if err := t.put(bSlackPending, pendingKey(next), nil); err != nil {
				return err
			}
		}
		if next.TS == "" {
			return nil
		}
		return t.put(bSlackShown, shownKey(next.Channel, next.TS), []byte(key))
	})
}

// changing calls the caller's function inside of a transaction.
func changing(change func(*outbox.Post) bool, p *outbox.Post) bool {
	defer func() {
		if r := recover(); r != nil {
			panic(foreign(r))
		}
	}()
	return change(p)
}

// dropSlackRows removes the index rows of a post as it was.
func (t *tx) dropSlackRows(p outbox.Post) error {
	if p.Pending() {
		if err := t.del(bSlackPending, pendingKey(p)); err != nil {
			return err
		}
	}
	if p.TS == "" {
		return nil
	}
	return t.del(bSlackShown, shownKey(p.Channel, p.TS))
}

// ForgetPost removes what is known of a message in Slack. An unknown key changes
// nothing.
func (db *DB) ForgetPost(ctx context.Context, key string) error {
	return db.update(ctx, "What is said in Slack", func(t *tx) error {
		p, known, err := t.slackPost([]byte(key))
		if err != nil || !known {
			return err
		}
		if err := t.dropSlackRows(p); err != nil {
			return err
		}
		return t.del(bSlackPosts, []byte(key))
	})
}

// PostOf is what is said in Slack under that key; false if nothing is.
func (db *DB) PostOf(key string) (p outbox.Post, ok bool, err error) {
	err = db.view(func(t *tx) error {
		p, ok, err = t.slackPost([]byte(key))
		return err
	})
	return p, ok, err
}

// PostsUnder are the posts whose keys begin with prefix, by key.
func (db *DB) PostsUnder(prefix string) ([]outbox.Post, error) {
	var posts []outbox.Post
	err := db.view(func(t *tx) error {
		return t.walk(bSlackPosts, []byte(prefix), func(_, body []byte) error {
			var rec slackRecord
			if err := decode(bSlackPosts, body, &rec); err != nil {
				return err
			}
			posts = append(posts, rec.post())
			return nil
		})
	})
	return posts, err
}

// PostAt is the post that Slack shows in that channel with that ts.
func (db *DB) PostAt(channel, ts string) (p outbox.Post, ok bool, err error) {
	err = db.view(func(t *tx) error {
		key, err := t.get(bSlackShown, shownKey(channel, ts))
		if err != nil || key == nil {
			return err
		}
		p, ok, err = t.slackPost(bytes.Clone(key))
		return err
	})
	return p, ok, err
}

// PendingPosts are the posts that Slack does not show as it should, the oldest
// first.
func (db *DB) PendingPosts() ([]outbox.Post, error) {
	var posts []outbox.Post
	err := db.view(func(t *tx) error {
		return t.walk(bSlackPending, nil, func(key, _ []byte) error {
			p, ok, err := t.slackPost(key[8:])
			if err == nil && ok {
				posts = append(posts, p)
			}
			return err
		})
	})
	return posts, err
}
