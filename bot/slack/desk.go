package slack

import (
	"cmp"
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"irisops/bot/slack/outbox"
)

const (
	pace      = time.Second
	editEvery = 3 * time.Second // one message: https://docs.slack.dev/reference/methods/chat.update
	headWait  = 3 * time.Second // for the head of a thread that nobody has published yet
	farewell  = 2 * time.Second // for what is pending when the room stops
)

// desk is what waits to be sent, by key. The content is read from the outbox
// when it is sent, so that only the newest state is; but for the first attempt,
// which has just been kept. (If that was overtaken, an edit follows.)
type desk struct {
	mu       sync.Mutex
	items    map[string]*item
	ways     map[way]*traffic
	all      map[method]*traffic
	channels map[string]*hold     // channels that Slack refuses
	held     hold                 // the bot as a whole, while Slack refuses it
	edited   map[string]time.Time // when a message was edited, as long as that matters
	watchers map[string]chan struct{}
	opened   time.Time // when the room was started
	closing  time.Time // when close was called
	wake     chan struct{}
	seq      int

	results chan sent // of the attempts under way
	away    int       // how many there are; run's alone
}

type item struct {
	post     outbox.Post // as it was kept last; its message may be older than the outbox's
	seq      int
	doubt    bool      // it may stand in Slack already: look before it is posted
	attempts int       // that failed, in a row
	after    time.Time // not before
	sending  bool
	again    bool // kept anew while it was being sent
	tried    bool
	told     bool // a private answer that was shown, and is only to be forgotten
}

// way is one method into one channel.
type way struct {
	channel string
	method  method
}

// traffic is what goes one way.
type traffic struct {
	busy   bool
	bucket *bucket
	after  time.Time // not before: Slack said so
}

// hold keeps what is refused from being tried too often: after 20 s, 40 s ... 15
// minutes.
type hold struct {
	until    time.Time
	refusals int // in a row
}

const (
	refusedWait = 20 * time.Second
	refusedMost = 15 * time.Minute
)

func (h *hold) refuse(now time.Time) {
	h.until = now.Add(min(refusedWait<<min(h.refusals, 10), refusedMost))
	h.refusals++
}

// job is one attempt: an item as it was when it was taken in hand.
type job struct {
	it       *item
	way      way
	key      string
	post     outbox.Post // as it was kept, if this is the first attempt
	first    bool
	thread   string // ts of the head of its thread; "" is none
	doubt    bool
	told     bool
	attempts int
}

func newDesk() *desk {
	return &desk{items: map[string]*item{}, ways: map[way]*traffic{}, all: map[method]*traffic{}, channels: map[string]*hold{},
		edited: map[string]time.Time{}, watchers: map[string]chan struct{}{}, wake: make(chan struct{}, 1), results: make(chan sent)}
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
		it = &item{seq: k.seq}
		k.items[p.Key] = it
		it.doubt = doubt && p.TS == ""
	}
	it.post, it.again, it.told = p, it.sending, false
	k.kick()
}

// close has run end soon.
func (k *desk) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closing = time.Now()
	k.kick()
}

// reopen has a channel that was refused tried again at once: somebody speaks
// there.
func (k *desk) reopen(channel string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if h := k.channels[channel]; h != nil {
		delete(k.channels, channel)
		k.kick()
	}
}

// watch returns a channel that is closed when the post with that key has been
// sent or given up, or something has come of an attempt.
func (k *desk) watch(key string) <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.watchLocked(key)
}

func (k *desk) watchLocked(key string) <-chan struct{} {
	c := k.watchers[key]
	if c == nil {
		c = make(chan struct{})
		k.watchers[key] = c
	}
	return c
}

// underWay says whether a message is being sent to a channel; settled is closed
// when something has come of one of them.
func (k *desk) underWay(channel string) (settled <-chan struct{}, away bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, it := range k.items {
		if it.sending && (it.post.Channel == channel || it.post.To != "" && isDirect(channel)) {
			return k.watchLocked(it.post.Key), true
		}
	}
	return nil, false
}

// traffic is what goes that way, and all that goes by that method.
func (k *desk) traffic(w way, now time.Time) (here, all *traffic) {
	if here = k.ways[w]; here == nil {
		here = &traffic{bucket: newBucket(inChannel[w.method], now)}
		k.ways[w] = here
	}
	if all = k.all[w.method]; all == nil {
		all = &traffic{}
		if r, limited := inAll[w.method]; limited {
			all.bucket = newBucket(r, now)
		}
		k.all[w.method] = all
	}
	return here, all
}

// run sends what is pending until ctx ends or the desk is closed. A panic on the
// way is told, and ends only that turn.
func (r *Room) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, over := r.turn(ctx)
		if over && r.desk.away == 0 {
			return
		}
		if over {
			wait = time.Second // for what is under way; nothing new begins
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			for ; r.desk.away > 0; r.desk.away-- {
				r.desk.settle(<-r.desk.results)
			}
			return
		case <-r.desk.wake:
		case <-timer.C:
		case s := <-r.desk.results:
			r.desk.away--
			r.desk.settle(s)
		}
	}
}

// turn is one look at what waits.
func (r *Room) turn(ctx context.Context) (wait time.Duration, over bool) {
	defer func() {
		if p := recover(); p != nil {
			r.Log.Error("panic while messages for Slack were sorted", "panic", p, "stack", string(debug.Stack()))
			r.alarms.raise(whatBroke, fmt.Errorf("panic: %v", p))
			wait, over = pace, false
		}
	}()
	wait, over = r.desk.dispatch(time.Now(), r.headOf, func(j job) {
		r.desk.away++
		go func() { r.desk.results <- r.deliver(ctx, j) }()
	})
	r.alarms.over(whatBroke)
	return wait, over
}

// head says where a post's thread begins: ready is false while it is not known
// and may still come.
type head func(p outbox.Post) (ts string, ready bool)

// dispatch sends the most urgent post of each way that is free, and says when to
// look again.
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
	if now.Before(k.held.until) {
		later(k.held.until)
		return wait, false
	}
	for key, at := range k.edited {
		if now.Sub(at) >= editEvery {
			delete(k.edited, key)
		}
	}
	for _, it := range k.waiting() {
		w := way{it.post.Channel, methodOf(it.post)}
		here, all := k.traffic(w, now)
		if here.busy {
			continue // it looks again when that has ended
		}
		if at := k.notBefore(it, w, here, all, now); at.After(now) {
			later(at)
			continue
		}
		thread, ready := head(it.post)
		if !ready { // the head itself, and what stands elsewhere, does not wait for it
			later(now.Add(headWait / 10))
			continue
		}
		here.bucket.take()
		all.bucket.take()
		first := !it.tried && !it.doubt
		here.busy, it.sending, it.again, it.tried = true, true, false, true
		send(job{it: it, way: w, key: it.post.Key, post: it.post, first: first, thread: thread, doubt: it.doubt, told: it.told, attempts: it.attempts})
	}
	return wait, false
}

// waiting are the items that are not being sent, the most urgent first.
func (k *desk) waiting() []*item {
	waiting := make([]*item, 0, len(k.items))
	for _, it := range k.items {
		if !it.sending {
			waiting = append(waiting, it)
		}
	}
	slices.SortFunc(waiting, func(a, b *item) int {
		return cmp.Or(cmp.Compare(laneOf(a.post), laneOf(b.post)), cmp.Compare(a.seq, b.seq))
	})
	return waiting
}

// notBefore is when an item may be sent.
func (k *desk) notBefore(it *item, w way, here, all *traffic, now time.Time) time.Time {
	at := it.after
	earliest := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	earliest(here.after)
	earliest(all.after)
	earliest(now.Add(here.bucket.wait(now)))
	earliest(now.Add(all.bucket.wait(now)))
	if h := k.channels[w.channel]; h != nil {
		earliest(h.until)
	}
	if w.method == editing {
		if edited, ok := k.edited[it.post.Key]; ok {
			earliest(edited.Add(editEvery))
		} else if it.post.Created.Before(k.opened) { // an earlier life may have edited it just before
			earliest(k.opened.Add(editEvery))
		}
	}
	return at
}

// sent is what became of one attempt.
type sent struct {
	it      *item
	way     way
	post    outbox.Post   // as it is now; not set after a failure
	edited  bool          // a message was edited
	failed  bool          // it has to be tried again
	doubt   bool          // and may stand in Slack all the same
	told    bool          // it was shown; only that is not recorded
	wait    time.Duration // until then
	here    time.Duration // nothing more this way for so long
	all     time.Duration // nothing by this method for so long
	closed  bool          // Slack refuses the channel
	refused bool          // Slack refuses the bot
}

// settle puts an attempt's result in order.
func (k *desk) settle(s sent) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, it := time.Now(), s.it
	key := it.post.Key
	here, all := k.traffic(s.way, now)
	here.busy, it.sending = false, false
	here.after, all.after = last(here.after, now, s.here), last(all.after, now, s.all)
	switch {
	case s.refused:
		k.held.refuse(now)
	case s.closed:
		if k.channels[s.way.channel] == nil {
			k.channels[s.way.channel] = &hold{}
		}
		k.channels[s.way.channel].refuse(now)
	case !s.failed:
		k.held = hold{}
		delete(k.channels, s.way.channel)
	}
	if s.edited {
		k.edited[key] = now
	}
	switch {
	case s.failed:
		it.attempts++
		it.doubt = it.doubt || s.doubt
		it.told = s.told && !it.again
		it.after = now.Add(s.wait)
	case it.again: // kept anew meanwhile; this attempt may not have seen it
		it.attempts, it.doubt = 0, false
		it.post.TS, it.post.Shown = s.post.TS, s.post.Shown
	case s.post.Pending():
		it.attempts, it.doubt, it.post = 0, false, s.post
	default:
		delete(k.items, key)
	}
	k.toldLocked(key)
}

// unwatch ends a watch of what stands already, so that nothing is left of it.
func (k *desk) unwatch(key string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.items[key] == nil {
		k.toldLocked(key)
	}
}

func (k *desk) toldLocked(key string) {
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
