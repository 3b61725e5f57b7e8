package store

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"irisops/bot/inbox"
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
	Beside   bool            `json:"beside,omitempty"`
	State    string          `json:"state,omitempty"`
	Upload   bool            `json:"upload,omitempty"`
	More     bool            `json:"more,omitempty"`
	Folded   bool            `json:"folded,omitempty"`
	Pin      bool            `json:"pin,omitempty"`
	Pinned   bool            `json:"pinned,omitempty"`
	To       string          `json:"to,omitempty"`
}

func recordSlack(p outbox.Post) slackRecord {
	p.Message.Data = nil // not shown, and of any shape
	return slackRecord{
		record: record{recordVersion},
		Key:    p.Key, Incident: p.Incident, Parent: p.Parent, Channel: p.Channel, Thread: p.Thread, User: p.User,
		Asker: p.Asker, Calls: p.Calls, OnCall: p.OnCall, Created: utc(p.Created), Message: p.Message,
		Hash: p.Hash, Shown: p.Shown, TS: p.TS, Record: p.Record, Failed: p.Failed,
		Beside: p.Beside, State: p.State, Upload: p.Upload, More: p.More, Folded: p.Folded, Pin: p.Pin, Pinned: p.Pinned, To: p.To,
	}
}

func (r slackRecord) post() outbox.Post {
	return outbox.Post{
		Key: r.Key, Incident: r.Incident, Parent: r.Parent, Channel: r.Channel, Thread: r.Thread, User: r.User,
		Asker: r.Asker, Calls: r.Calls, OnCall: r.OnCall, Created: r.Created, Message: r.Message,
		Hash: r.Hash, Shown: r.Shown, TS: r.TS, Record: r.Record, Failed: r.Failed,
		Beside: r.Beside, State: r.State, Upload: r.Upload, More: r.More, Folded: r.Folded, Pin: r.Pin, Pinned: r.Pinned, To: r.To,
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
	return db.amendPost(ctx, 0, key, change)
}

// NotePost is AmendPost for what nobody waits for, and what can be found out again
// after a crash: it shares a commit with what is kept next, if that comes soon.
func (db *DB) NotePost(ctx context.Context, key string, change func(*outbox.Post) bool) error {
	return db.amendPost(ctx, company, key, change)
}

func (db *DB) amendPost(ctx context.Context, wait time.Duration, key string, change func(*outbox.Post) bool) error {
	if err := checkKey("key of a post", key); err != nil {
		return err
	}
	return db.updateWithin(ctx, wait, "What is said in Slack", func(t *tx) error {
		old, known, err := t.slackPost([]byte(key))
		if err != nil {
			return err
		}
		next := old
		next.Key = key
		if !amending(change, &next) {
			return nil
		}
		next.Key = key
		if known {
			if err := t.dropSlackRows(old); err != nil {
				return err
			}
		}
		return t.putSlackPost(next)
	})
}

// putSlackPost writes a post and its index rows, once those of its earlier state
// are gone.
func (t *tx) putSlackPost(p outbox.Post) error {
	if err := t.put(bSlackPosts, []byte(p.Key), encode(recordSlack(p))); err != nil {
		return err
	}
	if p.Pending() {
		if err := t.put(bSlackPending, pendingKey(p), nil); err != nil {
			return err
		}
	}
	if p.TS == "" {
		return nil
	}
	return t.put(bSlackShown, shownKey(p.Channel, p.TS), []byte(p.Key))
}

// ReceiveAnswered records a delivery that is answered already, together with the
// posts that answer it, which nobody has seen yet. fresh is false if its id is
// known already; then nothing is recorded. Once it returns without an error both
// are durable: the delivery may be acknowledged and the posts sent.
func (db *DB) ReceiveAnswered(ctx context.Context, d inbox.Delivery, posts []outbox.Post) (fresh bool, err error) {
	if err := checkKey("delivery id", d.ID); err != nil {
		return false, err
	}
	if d.Answered.IsZero() {
		return false, invalid("an answer has to have a time")
	}
	for _, p := range posts {
		if err := checkKey("key of a post", p.Key); err != nil {
			return false, err
		}
	}
	d.CarriedOut = time.Time{}
	err = db.update(ctx, "What was said", func(t *tx) error {
		var err error
		if fresh, err = t.addDelivery(d); err != nil || !fresh {
			return err
		}
		if err := t.put(bAnswered, answeredKey(d), nil); err != nil {
			return err
		}
		for _, p := range posts {
			old, known, err := t.slackPost([]byte(p.Key))
			if err == nil && known { // of a delivery that was forgotten since
				err = t.dropSlackRows(old)
			}
			if err != nil {
				return err
			}
			if err := t.putSlackPost(p); err != nil {
				return err
			}
		}
		return nil
	})
	return fresh && err == nil, err
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

// PrunePosts forgets what was said in Slack and is over: posts of incidents that
// were resolved before that time, of requests that ended, and what belongs to
// neither and is older. What waits to be shown is kept. It says how many.
func (db *DB) PrunePosts(ctx context.Context, before time.Time) (int, error) {
	total := 0
	var from []byte
	for {
		var seen int
		var removed []outbox.Post
		var last []byte
		err := db.update(ctx, "What was pruned", func(t *tx) error {
			seen, removed = 0, nil
			err := t.walkFrom(bSlackPosts, from, func(key, body []byte) error {
				if seen == pruneBatch {
					return errStop
				}
				seen++
				last = bytes.Clone(key)
				var rec slackRecord
				if err := decode(bSlackPosts, body, &rec); err != nil {
					return err
				}
				p := rec.post()
				over, err := t.slackOver(p, before)
				if err == nil && over {
					removed = append(removed, p)
				}
				return err
			})
			if err != nil {
				return err
			}
			for _, p := range removed {
				if err := t.dropSlackRows(p); err != nil {
					return err
				}
				if err := t.del(bSlackPosts, []byte(p.Key)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return total, err
		}
		total += len(removed)
		if seen < pruneBatch {
			return total, nil
		}
		from = append(last, 0)
	}
}

// slackOver says whether nobody will need to know any more where a post stands.
func (t *tx) slackOver(p outbox.Post, before time.Time) (bool, error) {
	if p.Pending() || !p.Created.Before(before) {
		return false, nil
	}
	if number, ok := numberIn(p.Incident, "INC-"); ok {
		body, err := t.get(bOpen, numberKey(number))
		if err != nil || body != nil {
			return false, err
		}
		if body, err = t.get(bResolved, numberKey(number)); err != nil || body == nil {
			return err == nil, err
		}
		var rec incidentRecord
		if err := decode(bResolved, body, &rec); err != nil {
			return false, err
		}
		return rec.ResolvedAt.Before(before), nil
	}
	if number, ok := numberIn(p.Key, "run/REQ-"); ok {
		body, err := t.get(bRuns, numberKey(number))
		if err != nil || body == nil {
			return err == nil, err
		}
		var rec runRecord
		if err := decode(bRuns, body, &rec); err != nil {
			return false, err
		}
		return !rec.Ended.IsZero() && rec.Ended.Before(before), nil
	}
	return true, nil
}

func numberIn(id, prefix string) (uint64, bool) {
	digits, ok := strings.CutPrefix(id, prefix)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return n, err == nil
}
