package pager

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"
)

// desk is what the one goroutine of Drain.Run has in hand. Attempts run in
// goroutines of their own, one for each lane at most, and report to done.
type desk struct {
	*Drain
	held  map[string]bool // keys of the pages in hand: none is taken up twice
	lanes map[lane]*line  // those with pages to send
	busy  map[string]int  // channel: attempts under way
	later []waiting
	done  chan outcome
	away  int  // goroutines that will report to done
	more  bool // the outbox held more than was taken

	opened int // lanes so far
}

// lane is one person by one channel: pages in it go one after the other.
type lane struct{ target, channel string }

type line struct {
	seq     int // lanes are served in the order in which they were opened
	pages   []Page
	sending bool
	pause   time.Time // nothing is sent before
}

// waiting are pages to take up again at a time by the clock that only counts, so
// that setting the other one neither delays nor hastens it.
type waiting struct {
	pages []Page
	at    time.Time
}

// outcome is what became of one attempt. Pages that were sent as one share it.
type outcome struct {
	taken     []Page        // as they were taken in hand
	pages     []Page        // as they are to be recorded
	wait      time.Duration // until the next attempt, if they are Queued
	notBegun  bool          // the outbox did not record the beginning: not sent
	left      bool          // the drain was stopped in the middle of it
	unsettled bool          // the outbox did not record the end
	again     bool          // this was another try to record the end, and no more
}

func newDesk(d *Drain) *desk {
	return &desk{Drain: d, held: map[string]bool{}, lanes: map[lane]*line{}, busy: map[string]int{}, done: make(chan outcome)}
}

func laneOf(p Page) lane {
	if p.Person == "" {
		return lane{"role " + p.Role, p.Channel}
	}
	return lane{"person " + p.Person, p.Channel}
}

// refill takes from the outbox what is due and not in hand.
func (k *desk) refill() {
	limit := len(k.held) + fetch // those in hand may stand first in the outbox
	due, err := k.due(limit)
	if err != nil {
		k.trouble(err)
	}
	k.more = len(due) == limit
	for _, p := range due {
		if !k.held[p.Key()] {
			k.held[p.Key()] = true
			k.enqueue(p)
		}
	}
}

// thirsty says that the outbox held more than was taken, and that this is sent.
func (k *desk) thirsty() bool { return k.more && len(k.lanes) == 0 }

func (k *desk) enqueue(p Page) {
	at := laneOf(p)
	if k.lanes[at] == nil {
		k.opened++
		k.lanes[at] = &line{seq: k.opened}
	}
	k.lanes[at].pages = append(k.lanes[at].pages, p)
}

// takeUp takes up what has waited long enough: pages to send again, and ends to
// record.
func (k *desk) takeUp(ctx context.Context) {
	now, rest := time.Now(), k.later[:0]
	for _, w := range k.later {
		switch {
		case now.Before(w.at):
			rest = append(rest, w)
		case w.pages[0].State == Queued:
			for _, p := range w.pages {
				k.enqueue(p)
			}
		default:
			k.start(func() outcome {
				return outcome{taken: w.pages, pages: w.pages, again: true, unsettled: !k.settle(context.WithoutCancel(ctx), w.pages)}
			})
		}
	}
	k.later = rest
}

// dispatch starts an attempt in each lane that is free, as far as its channel
// takes more.
func (k *desk) dispatch(ctx context.Context) {
	inOrder := slices.SortedFunc(maps.Keys(k.lanes), func(a, b lane) int { return cmp.Compare(k.lanes[a].seq, k.lanes[b].seq) })
	for _, at := range inOrder {
		l := k.lanes[at]
		if l.sending || k.busy[at.channel] >= parallel || time.Now().Before(l.pause) {
			continue
		}
		taken := l.take()
		l.sending = true
		k.busy[at.channel]++
		k.start(func() outcome {
			o := k.deliver(ctx, taken)
			o.taken = taken
			return o
		})
	}
}

// take takes what is sent next: the first, or, where many wait, all that can be
// told as one. Word about earlier pages is for the far end's books, and goes
// alone.
func (l *line) take() []Page {
	var many []Page
	if l.pages[0].Update == NoUpdate {
		for _, p := range l.pages {
			if p.Update == NoUpdate {
				many = append(many, p)
			}
		}
	}
	if len(many) < groupFrom {
		first := l.pages[:1:1]
		l.pages = l.pages[1:]
		return first
	}
	l.pages = slices.DeleteFunc(l.pages, func(p Page) bool { return p.Update == NoUpdate })
	return many
}

func (k *desk) start(attempt func() outcome) {
	k.away++
	go func() { k.done <- attempt() }()
}

// finished puts an attempt's outcome in order.
func (k *desk) finished(o outcome) {
	k.away--
	if !o.again {
		at := laneOf(o.taken[0])
		l := k.lanes[at]
		l.sending = false
		k.busy[at.channel]--
		if o.notBegun { // it stays the first of its lane
			l.pages, l.pause = append(slices.Clone(o.taken), l.pages...), time.Now().Add(tick)
		}
		if len(l.pages) == 0 {
			delete(k.lanes, at)
		}
	}
	switch {
	case o.notBegun, o.left:
	case o.pages[0].State == Queued: // recorded or not, they are in hand
		k.later = append(k.later, waiting{o.pages, time.Now().Add(o.wait)})
	case o.unsettled:
		k.later = append(k.later, waiting{o.pages, time.Now().Add(tick)})
	default:
		for _, p := range o.taken {
			delete(k.held, p.Key())
		}
	}
}

// close waits for what is under way, and tries once more to record what could
// not be.
func (k *desk) close() {
	for k.away > 0 {
		k.finished(<-k.done)
	}
	for _, w := range k.later {
		if w.pages[0].State != Queued {
			k.settle(context.Background(), w.pages)
		}
	}
}
