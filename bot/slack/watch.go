package slack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
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

// watch knows when something came last.
type watch struct {
	mu     sync.Mutex
	heard  time.Time // something came; zero: nothing in this life
	looked time.Time // or the channels were read
	due    bool      // it has connected, and has to read them
	echoes bool      // the bot hears what it says itself
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

// connect has the channels read: something may have been missed.
func (w *watch) connect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.due = true
	select {
	case w.wake() <- struct{}{}:
	default:
	}
}

// task is what has to be done now.
type task int

const (
	rest    task = iota
	catchup      // read what was missed while there was no connection
	probe        // see whether anything was missed although there is one
	replace      // it is deaf
)

func (w *watch) next(now, spoke time.Time, silence time.Duration) (t task, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	since = now.Add(-lookBack)
	if from := w.heard.Add(-margin); from.After(since) {
		since = from
	}
	switch {
	case w.due:
		w.due, w.looked = false, now
		return catchup, since
	case w.echoes && spoke.After(w.heard) && now.Sub(spoke) > echoWait:
		w.echoes = false // until it is heard again
		return replace, since
	case now.Sub(w.heard) > silence && now.Sub(w.looked) > silence:
		w.looked = now
		return probe, since
	}
	return rest, since
}

// watchSilence ends with errDeaf if the connection is of no use.
func (l *Listener) watchSilence(ctx context.Context) error {
	l.watch.mu.Lock()
	wake := l.watch.wake()
	l.watch.mu.Unlock()
	quiet := l.room.Silence
	tick := time.NewTicker(min(quiet/4, 5*time.Second))
	defer tick.Stop()
	for {
		switch t, since := l.watch.next(time.Now(), l.room.spokeLast(), quiet); t {
		case catchup:
			l.catchUp(ctx, since)
		case probe:
			if missed := l.catchUp(ctx, since); missed > 0 {
				return fmt.Errorf("%w: %d mentions were missed", errDeaf, missed)
			}
		case replace:
			return fmt.Errorf("%w: not even what irisops says itself", errDeaf)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-wake:
		}
	}
}

// catchUp takes up what was said to the bot since, and did not come. It says how
// much that was.
func (l *Listener) catchUp(ctx context.Context, since time.Time) (missed int) {
	defer func() {
		if p := recover(); p != nil {
			l.room.Log.Error("panic while what was missed was read", "panic", p)
		}
	}()
	self := l.room.me(ctx)
	if self.user == "" {
		return 0 // Slack is away: it connects again later
	}
	var all []arrival
	for _, channel := range l.room.conversations() {
		said, err := l.room.saidSince(ctx, channel, self.user, since)
		if err != nil {
			l.room.Log.Warn("what was said meanwhile could not be read", "channel", channel, "err", explained(err))
		}
		all = append(all, said...)
	}
	slices.SortFunc(all, func(a, b arrival) int { return cmp.Compare(a.ts, b.ts) })
	for _, a := range all {
		if ctx.Err() != nil {
			return missed
		}
		p := &parcel{arrival: a, ours: true, at: time.Now().UTC(), turn: l.turns.take(turnKeys(a)...)}
		if at, ok := l.room.said(a.ts); ok {
			p.at = at
		}
		l.receive(ctx, p)
		if p.fate != fresh {
			p.end()
			continue
		}
		missed++
		l.room.Log.Warn("a mention in Slack was missed, and is taken up now", "delivery", p.delivery.ID)
		l.work.Add(1)
		go func() {
			defer l.work.Done()
			defer p.end()
			l.carryOut(p)
		}()
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
