package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slack-go/slack"

	"irisops/bot/slack/outbox"
)

// A connection can look alive, answer every ping, and deliver nothing
// (slackapi/hubot-slack#536, slackapi/python-slack-sdk#1701); and what is said
// while there is none is never delivered. So the channels themselves are read:
// after every connect, and when nothing has come for a while. What was said to
// the bot there and is not in the inbox was missed: it is taken up under the id
// that it would have come with, so that it is carried out once whichever way it
// comes. What changes something and is too old asks again, as everything late.

const (
	silence   = 2 * time.Minute  // nothing came for so long: look
	echoWait  = 20 * time.Second // what the bot says comes back to it, where it hears messages
	lookBack  = time.Hour        // what was missed before that is not answered any more
	margin    = time.Minute      // for clocks that differ
	mostHeads = 20               // threads of incidents that are read
)

// errDeaf: the connection is alive and nothing comes through.
var errDeaf = errors.New("the connection is open and nothing comes through it")

// watch knows when something came last, and what has to be read.
type watch struct {
	mu     sync.Mutex
	heard  time.Time                // something came; zero: nothing in this life
	looked time.Time                // or the channels were read
	unread map[string]time.Time     // channels that have to be read, since when
	gates  map[string]chan struct{} // by channel: closed once it is read
	wanted []string                 // channels where something waits for that
	taken  map[string]bool          // channels that are being read
	anew   map[string]bool          // channels that have to be read once more after that
	echoes bool                     // the bot hears what it says itself
	ready  chan struct{}
}

func (w *watch) wake() chan struct{} {
	if w.ready == nil {
		w.ready = make(chan struct{}, 1)
	}
	return w.ready
}

func (w *watch) hear(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = at
}

func (w *watch) echo() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.echoes = true
}

// read has channels read from when something was heard last, but not longer back
// than lookBack. What comes now waits for that.
func (w *watch) read(channels []string, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since := now.Add(-lookBack)
	if from := w.heard.Add(-margin); from.After(since) {
		since = from
	}
	if w.unread == nil {
		w.unread = map[string]time.Time{}
	}
	for _, id := range channels {
		if _, waits := w.unread[id]; !waits { // else it was not read since an earlier time
			w.unread[id] = since
		}
		if w.taken[id] { // that may be past what has been said by now
			if w.anew == nil {
				w.anew = map[string]bool{}
			}
			w.anew[id] = true
		}
		if w.gates == nil {
			w.gates = map[string]chan struct{}{}
		}
		if w.gates[id] == nil {
			w.gates[id] = make(chan struct{})
		}
	}
	w.looked = now
	select {
	case w.wake() <- struct{}{}:
	default:
	}
}

// next is a channel that has to be read.
func (w *watch) next(order []string) (channel string, since time.Time, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range slices.Concat(w.wanted, order) {
		if since, ok := w.unread[id]; ok && !w.taken[id] {
			if w.taken == nil {
				w.taken = map[string]bool{}
			}
			w.taken[id] = true
			delete(w.anew, id)
			return id, since, true
		}
	}
	return "", time.Time{}, false
}

// done notes that a channel was read, or that it could not be. It may have to be
// read again meanwhile.
func (w *watch) done(channel string, read bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.taken, channel)
	if read && !w.anew[channel] {
		delete(w.unread, channel)
		close(w.gates[channel])
		delete(w.gates, channel)
		w.wanted = slices.DeleteFunc(w.wanted, func(id string) bool { return id == channel })
	}
}

// gateWait is how long what comes now waits for what was missed before it.
const gateWait = 10 * time.Second

// pass returns once what was missed in the channel before is carried out.
func (w *watch) pass(channel string) {
	w.mu.Lock()
	gate := w.gates[channel]
	if gate != nil && !slices.Contains(w.wanted, channel) {
		w.wanted = append(w.wanted, channel)
	}
	w.mu.Unlock()
	if gate == nil {
		return
	}
	patience := time.NewTimer(gateWait)
	defer patience.Stop()
	select {
	case <-gate:
	case <-patience.C:
	}
}

// open says whether nothing that was missed in the channel comes before what
// comes now.
func (w *watch) open(channel string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.gates[channel] == nil
}

// deaf says whether not even what the bot says itself comes back.
func (w *watch) deaf(now, spoke time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.echoes || !spoke.After(w.heard) || now.Sub(spoke) <= echoWait {
		return false
	}
	w.echoes = false // until it is heard again
	return true
}

// quiet says whether nothing came for so long that the channels have to be looked
// at.
func (w *watch) quiet(now time.Time, silence time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return now.Sub(w.heard) > silence && now.Sub(w.looked) > silence
}

// watchSilence ends with errDeaf if the connection is of no use.
func (l *Listener) watchSilence(ctx context.Context) error {
	l.watch.mu.Lock()
	wake := l.watch.wake()
	l.watch.mu.Unlock()
	silence := l.room.Silence
	tick := time.NewTicker(min(silence/4, 5*time.Second))
	defer tick.Stop()
	for {
		l.catchUp(ctx)
		now := time.Now()
		if l.watch.deaf(now, l.room.spokeLast()) {
			return fmt.Errorf("%w: not even what irisops says itself", errDeaf)
		}
		if l.watch.quiet(now, silence) {
			l.watch.read(l.room.conversations(), now)
			if missed := l.catchUp(ctx); missed > 0 {
				return fmt.Errorf("%w: %d mentions were missed", errDeaf, missed)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-wake:
		}
	}
}

// readers is how many channels are read at a time.
const readers = 4

// catchUp reads what has to be read, and takes up what was said to the bot and
// did not come. It says how much that was.
func (l *Listener) catchUp(ctx context.Context) int {
	var missed atomic.Int64
	var all sync.WaitGroup
	for range readers {
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					l.room.Log.Error("panic while what was missed was read", "panic", p, "stack", string(debug.Stack()))
				}
			}()
			for {
				channel, since, ok := l.watch.next(l.room.conversations())
				if !ok {
					return
				}
				n, read := l.catchUpIn(ctx, channel, since)
				missed.Add(int64(n))
				l.watch.done(channel, read)
				if !read {
					return // later
				}
			}
		})
	}
	all.Wait()
	return int(missed.Load())
}

// catchUpIn reads one channel. read is false if that has to be tried again.
func (l *Listener) catchUpIn(ctx context.Context, channel string, since time.Time) (missed int, read bool) {
	for {
		self := l.room.me(ctx)
		if self.user == "" {
			return missed, false // Slack is away
		}
		said, err := l.room.saidSince(ctx, channel, self.user, since)
		missed += l.takeUp(ctx, said)
		switch v, wait := judge(err); {
		case ctx.Err() != nil:
			return missed, false
		case err != nil && v == limited:
			l.room.Log.Warn("what was said meanwhile is read slowly, as Slack asks", "channel", channel, "wait", wait)
			if !pause(ctx, max(wait, pace)) {
				return missed, false
			}
			continue
		case err != nil && v == unsure:
			l.room.Log.Warn("what was said meanwhile could not be read; it is tried again", "channel", channel, "err", err)
			return missed, false
		case err != nil:
			l.room.Log.Error("what was said meanwhile cannot be read", "channel", channel, "err", explained(err))
		}
		return missed, true
	}
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, wait time.Duration) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// takeUp carries out what was missed, in its order: what comes now waits for it.
func (l *Listener) takeUp(ctx context.Context, all []arrival) (missed int) {
	slices.SortFunc(all, func(a, b arrival) int { return cmp.Compare(a.ts, b.ts) })
	for _, a := range all {
		if ctx.Err() != nil {
			return missed
		}
		p := &parcel{arrival: a, ours: true, at: time.Now().UTC()}
		if at, ok := l.room.said(a.ts); ok {
			p.at = at
		}
		l.receive(ctx, p)
		if p.fate != fresh {
			continue
		}
		missed++
		l.room.Log.Warn("a mention in Slack was missed, and is taken up now", "delivery", p.delivery.ID)
		l.carryOut(p)
	}
	return missed
}

// saidSince reads the mentions of the bot in a channel and its threads.
func (r *Room) saidSince(ctx context.Context, channel, self string, since time.Time) ([]arrival, error) {
	oldest := slackTime(since.Add(r.ahead()))
	var said []arrival
	heads := r.heads(channel)
	err := r.pages(ctx, channel, "", oldest, func(m slack.Message) {
		if m.ReplyCount > 0 && m.LatestReply > oldest && !slices.Contains(heads, m.Timestamp) {
			heads = append(heads, m.Timestamp)
		}
		if a, ok := mentioned(channel, self, m); ok {
			said = append(said, a)
		}
	})
	if err != nil {
		return said, err
	}
	for _, head := range heads {
		err := r.pages(ctx, channel, head, oldest, func(m slack.Message) {
			if a, ok := mentioned(channel, self, m); ok && m.Timestamp != head {
				said = append(said, a)
			}
		})
		if v, _ := judge(err); err != nil && v != absent { // somebody deleted it
			return said, err
		}
	}
	return said, nil
}

// heads are the threads of the newest incidents in a channel.
func (r *Room) heads(channel string) []string {
	posts, err := r.Outbox.PostsUnder(keyParent)
	if err != nil {
		r.Log.Error("the threads of incidents could not be read", "err", err)
		return nil
	}
	posts = slices.DeleteFunc(posts, func(p outbox.Post) bool {
		return p.TS == "" || p.Channel != channel || time.Since(p.Created) > 7*24*time.Hour
	})
	slices.SortFunc(posts, func(a, b outbox.Post) int { return b.Created.Compare(a.Created) })
	var heads []string
	for _, p := range posts[:min(len(posts), mostHeads)] {
		heads = append(heads, p.TS)
	}
	return heads
}

// pages reads a channel or a thread, as far back as oldest.
func (r *Room) pages(ctx context.Context, channel, thread, oldest string, each func(slack.Message)) error {
	cursor := ""
	for range mostPages {
		messages, next, err := r.history(ctx, channel, thread, oldest, cursor)
		if err != nil {
			return err
		}
		for _, m := range messages {
			each(m)
		}
		if next == "" {
			return nil
		}
		cursor = next
	}
	return nil
}

// mentioned is what a message says to the bot, as its event would have told it.
func mentioned(channel, self string, m slack.Message) (arrival, bool) {
	if m.User == "" || m.User == self || m.BotID != "" || !strings.Contains(m.Text, "<@"+self) {
		return arrival{}, false
	}
	a := arrival{address: address{channel: channel, thread: m.ThreadTimestamp, user: m.User, kind: byMention, what: m.Timestamp}, ts: m.Timestamp}
	if a.thread == m.Timestamp {
		a.thread = ""
	}
	if a.text = withoutMention(m.Text, self); a.text == "" {
		a.text = "help"
	}
	return a, true
}
