package slack

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"irisops/bot/slack/outbox"
)

// The pace that Slack asks for: about a message a second in a channel, with
// short bursts, and an edit of one message every 3 seconds.
// https://docs.slack.dev/apis/web-api/rate-limits
const (
	pace      = time.Second
	burst     = 5
	reserve   = 2 // of the burst, for what is new; edits wait instead
	editEvery = 3 * time.Second
	headWait  = 3 * time.Second // for the head of a thread that nobody has published yet
	longest   = 30 * time.Second
	farewell  = 2 * time.Second // for what is pending when the room stops
)

// lane is how urgent a message is. A lower one passes a higher one wherever both
// wait. Acknowledgements of what arrives go another way and wait for none.
type lane int

const (
	lanePage     lane = iota // pages, trouble, and the head of a thread, which others wait for
	laneDecision             // what a person has to decide on, and private answers
	laneAnswer
	laneProgress // edits
)

func laneOf(p outbox.Post) lane {
	switch {
	case p.TS != "":
		return laneProgress
	case p.OnCall, p.Parent:
		return lanePage
	case len(p.Message.Buttons) > 0, p.User != "":
		return laneDecision
	}
	return laneAnswer
}

// desk is what waits to be sent, by key. The content is read from the outbox
// when it is sent, so that only the newest state is.
type desk struct {
	mu       sync.Mutex
	items    map[string]*item
	channels map[string]*channel
	edited   map[string]time.Time // when a message was edited, as long as that matters
	held     time.Time            // nothing is sent before
	watchers map[string]chan struct{}
	closing  time.Time // when close was called
	wake     chan struct{}
	seq      int
}

type item struct {
	post     outbox.Post // as it was kept last; its message may be older than the outbox's
	seq      int
	doubt    bool // it may stand in Slack already: look before it is posted
	attempts int  // that failed, in a row
	since    time.Time
	after    time.Time // not before
	sending  bool
	again    bool // kept anew while it was being sent
}

type channel struct {
	busy   bool
	tokens float64
	filled time.Time
	after  time.Time // not before: Slack said so
	edits  time.Time // nor an edit before
}

// job is one attempt: an item as it was when it was taken in hand.
type job struct {
	it       *item
	key      string
	thread   string // ts of the head of its thread; "" is none
	doubt    bool
	attempts int
}

func newDesk() *desk {
	return &desk{items: map[string]*item{}, channels: map[string]*channel{},
		edited: map[string]time.Time{}, watchers: map[string]chan struct{}{}, wake: make(chan struct{}, 1)}
}

func (k *desk) kick() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// add takes up a post that is not shown as it should be. doubt says that an
// earlier life may have sent it.
func (k *desk) add(p outbox.Post, doubt bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	it := k.items[p.Key]
	if it == nil {
		k.seq++
		it = &item{seq: k.seq, since: time.Now()}
		k.items[p.Key] = it
		it.doubt = doubt && p.TS == ""
	}
	it.post, it.again = p, it.sending
	k.kick()
}

// close has run end soon.
func (k *desk) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closing = time.Now()
	k.kick()
}

// watch returns a channel that is closed when the post with that key has been
// sent or given up, or something has come of an attempt.
func (k *desk) watch(key string) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.watchers[key]
	if c == nil {
		c = make(chan struct{})
		k.watchers[key] = c
	}
	return c
}

func (k *desk) channel(id string) *channel {
	c := k.channels[id]
	if c == nil {
		c = &channel{tokens: burst, filled: time.Now()}
		k.channels[id] = c
	}
	return c
}

// fill adds the tokens of the time that has passed.
func (c *channel) fill(now time.Time) {
	c.tokens = min(burst, c.tokens+float64(now.Sub(c.filled))/float64(pace))
	c.filled = now
}

// run sends what is pending until ctx ends or the desk is closed.
func (r *Room) run(ctx context.Context) {
	results := make(chan sent)
	away := 0
	send := func(j job) {
		away++
		go func() { results <- r.deliver(ctx, j) }()
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, over := r.desk.dispatch(time.Now(), r.headOf, send)
		if over && away == 0 {
			return
		}
		if over {
			wait = time.Second // for what is under way; nothing new begins
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			for ; away > 0; away-- {
				r.desk.settle(<-results)
			}
			return
		case <-r.desk.wake:
		case <-timer.C:
		case s := <-results:
			away--
			r.desk.settle(s)
		}
	}
}

// head says where a post's thread begins: ready is false while it is not known
// and may still come.
type head func(p outbox.Post) (ts string, ready bool)

// dispatch sends the most urgent post of each channel that is free, and says
// when to look again.
func (k *desk) dispatch(now time.Time, head head, send func(job)) (wait time.Duration, over bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	wait = time.Second
	later := func(at time.Time) { wait = min(wait, max(at.Sub(now), time.Millisecond)) }
	if !k.closing.IsZero() {
		if len(k.items) == 0 || now.Sub(k.closing) >= farewell {
			return 0, true
		}
		later(k.closing.Add(farewell))
	}
	if now.Before(k.held) {
		later(k.held)
		return wait, false
	}
	waiting := make([]*item, 0, len(k.items))
	for _, it := range k.items {
		waiting = append(waiting, it)
	}
	slices.SortFunc(waiting, func(a, b *item) int {
		return cmp.Or(cmp.Compare(laneOf(a.post), laneOf(b.post)), cmp.Compare(a.seq, b.seq))
	})
	for key, at := range k.edited {
		if now.Sub(at) >= editEvery {
			delete(k.edited, key)
		}
	}
	for _, it := range waiting {
		if it.sending {
			continue
		}
		c := k.channel(it.post.Channel)
		c.fill(now)
		need := 1.0
		if laneOf(it.post) == laneProgress {
			need += reserve
			if at, edited := k.edited[it.post.Key]; edited {
				later(at.Add(editEvery))
				continue
			}
			if now.Before(c.edits) {
				later(c.edits)
				continue
			}
		}
		switch {
		case c.busy:
			continue
		case now.Before(c.after):
			later(c.after)
			continue
		case now.Before(it.after):
			later(it.after)
			continue
		case c.tokens < need:
			later(now.Add(time.Duration((need - c.tokens) * float64(pace))))
			continue
		}
		thread, ready := head(it.post)
		if !ready { // the head itself, and what stands elsewhere, does not wait for it
			later(now.Add(headWait / 10))
			continue
		}
		c.tokens--
		c.busy, it.sending, it.again = true, true, false
		send(job{it: it, key: it.post.Key, thread: thread, doubt: it.doubt, attempts: it.attempts})
	}
	return wait, false
}

// sent is what became of one attempt.
type sent struct {
	it      *item
	post    outbox.Post   // as it is now; not set after a failure
	edited  bool          // a message was edited
	failed  bool          // it has to be tried again
	doubt   bool          // and may stand in Slack all the same
	wait    time.Duration // until then
	channel time.Duration // nothing to this channel for so long
	edits   time.Duration // no edit in it for so long
	all     time.Duration // nothing at all for so long
}

// settle puts an attempt's result in order.
func (k *desk) settle(s sent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, it := time.Now(), s.it
	key := it.post.Key
	c := k.channel(it.post.Channel)
	c.busy, it.sending = false, false
	c.after, c.edits, k.held = last(c.after, now, s.channel), last(c.edits, now, s.edits), last(k.held, now, s.all)
	if s.edited {
		k.edited[key] = now
	}
	switch {
	case s.failed:
		it.attempts++
		it.doubt = it.doubt || s.doubt
		it.after = now.Add(s.wait)
	case it.again: // kept anew meanwhile; this attempt may not have seen it
		it.attempts, it.doubt, it.post.TS = 0, false, s.post.TS
	case s.post.Pending():
		it.attempts, it.doubt, it.post = 0, false, s.post
	default:
		delete(k.items, key)
	}
	if w := k.watchers[key]; w != nil {
		close(w)
		delete(k.watchers, key)
	}
}

func last(at, now time.Time, wait time.Duration) time.Time {
	if wait > 0 && now.Add(wait).After(at) {
		return now.Add(wait)
	}
	return at
}
