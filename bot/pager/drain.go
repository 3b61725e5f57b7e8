package pager

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"
)

// Outbox is where pages are kept until they are delivered or given up.
type Outbox interface {
	// DuePages are the queued pages that may be sent at now, in the order in
	// which they are to be sent, at most limit.
	DuePages(now time.Time, limit int) ([]Page, error)
	// Begin records that the pages are being sent as one, before they are, all or
	// none of them, and returns them so.
	Begin(ctx context.Context, pages []Page) ([]Page, error)
	// Settle records what became of them, which is the same for all: Delivered,
	// Failed, or Queued again. After an error some may be recorded.
	Settle(ctx context.Context, pages []Page) error
}

const (
	tick       = time.Second      // the longest that the drain sleeps
	fetch      = 1000             // pages taken from the outbox at a time
	alarmEvery = time.Minute      // between two alarms
	timeout    = 15 * time.Second // for one send
	grace      = 2 * time.Second  // for a sender to notice that its time is over
	finish     = 3 * time.Second  // for a send under way when the drain is stopped
	attempts   = 6                // with the waits between them about half a minute
	persistent = 60               // about an hour: of the pages to everyone, after which nothing is left to try
	parallel   = 8                // sends at a time by one channel
)

// Drain delivers the pages of an outbox. Each is recorded as being sent before
// it is, so that after a crash none is lost and what may have arrived can be
// marked. The pages for one person by one channel are sent one after the other,
// in order; one that waits for another attempt does not hold back the next.
// Channels do not wait for each other, so that one that is down does not stop
// the rest. Where many wait for one person they are sent as one, which names
// each.
//
// A page that could not be sent is tried again where that can help, after 1, 2,
// 4 ... seconds; after 6 attempts, or at once where the far end will never take
// it, or asks to wait for long where the person has another channel, it has Failed
// and Undeliverable is called. A page to everyone, after which there is nothing
// left to try, is tried for about an hour.
//
// Set the fields before Run, and do not copy it.
type Drain struct {
	Outbox  Outbox
	Senders []Sender
	// Undeliverable is told of each page that is given up, or of those that were
	// sent as one; and, while it is still Queued, of one to everyone that others
	// would have been given up. It has to be loud.
	Undeliverable func(Page)
	// Alarm is told when the outbox cannot be read or written, at most once a
	// minute. May be nil.
	Alarm func(error)
	Log   *slog.Logger // nil: nothing is logged

	now func() time.Time // nil: time.Now

	once   sync.Once
	kicked chan struct{}

	mu      sync.Mutex
	alarmed time.Time // when Alarm was last called
}

// Kick has the drain look into the outbox at once. It never blocks.
func (d *Drain) Kick() {
	select {
	case d.kicks() <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run delivers pages until ctx ends. Sends under way then have a few seconds to
// end; one that does not is left as being sent, and is sent again, marked, when
// irisops is back.
func (d *Drain) Run(ctx context.Context) {
	k := newDesk(d)
	clock := time.NewTicker(tick)
	defer clock.Stop()
	look := true // into the outbox
	for ctx.Err() == nil {
		if look {
			k.refill()
		}
		k.takeUp(ctx)
		k.dispatch(ctx)
		select {
		case <-ctx.Done():
		case <-clock.C:
			look = true
		case <-d.kicks():
			look = true
		case o := <-k.done:
			k.finished(o)
			look = k.thirsty()
		}
	}
	k.close()
}

// deliver makes one attempt and records what came of it. Many pages are sent as
// one.
func (d *Drain) deliver(ctx context.Context, taken []Page) outcome {
	durable := context.WithoutCancel(ctx)
	pages := asOne(taken)
	begun, err := d.begin(durable, pages)
	if err != nil {
		d.trouble(fmt.Errorf("a page is not sent, because that it is being sent cannot be recorded: %w", err))
		return outcome{notBegun: true}
	}
	pages = begun
	sent := together(pages)
	verdict, wait, err := d.send(ctx, sent)
	if verdict == left {
		return outcome{pages: pages, left: true}
	}
	now := d.clock()
	sent, again := judged(sent, verdict, wait, err, now)
	for i := range pages {
		pages[i] = withVerdict(pages[i], sent, verdict)
	}
	if sent.State == Queued && lastResort(sent) && sent.Attempts == attempts { // not yet given up, and to be known now
		d.giveUp(sent)
	}
	if sent.State == Failed {
		d.log().Error("a page could not be delivered", "page", sent.Key(), "pages", len(pages), "attempts", sent.Attempts, "err", sent.LastError)
		d.giveUp(sent)
	}
	return outcome{pages: pages, wait: again, unsettled: !d.settle(durable, pages)}
}

// asOne are the pages as they are while they are being sent: known to the far
// end by the first one's reference.
func asOne(taken []Page) []Page {
	pages := slices.Clone(taken)
	first := &pages[0]
	ref := first.Ref
	if first.Update == NoUpdate { // in other company than before it is another thing
		first.Ref, first.Group = "", nil
		if ref = first.Reference(); len(pages) > 1 {
			ref = fmt.Sprintf("%s+%d", ref, len(pages))
			for _, p := range pages {
				first.Group = append(first.Group, p.Key())
			}
		}
	}
	for i := range pages {
		pages[i].State, pages[i].Ref = Sending, ref
		pages[i].Attempts++
		if i > 0 {
			pages[i].Group = nil
		}
	}
	return pages
}

// withVerdict is one of the pages that were sent as one, after the attempt.
func withVerdict(p, sent Page, verdict Verdict) Page {
	p.State, p.Sent, p.LastError, p.NotBefore = sent.State, sent.Sent, sent.LastError, sent.NotBefore
	p.PossibleDuplicate = p.PossibleDuplicate || verdict == Uncertain
	return p
}

// judged is the page after an attempt, and how long it waits for the next one.
func judged(p Page, verdict Verdict, wait time.Duration, err error, now time.Time) (Page, time.Duration) {
	p.NotBefore = time.Time{}
	if verdict == Arrived {
		p.State, p.Sent, p.LastError = Delivered, now, ""
		return p, 0
	}
	p.LastError = inShort(err)
	p.PossibleDuplicate = p.PossibleDuplicate || verdict == Uncertain
	most := maxWait
	if p.Update != NoUpdate {
		most = maxWaitUpdate
	}
	next := len(p.Next) > 0 && wait > maxWaitNext
	if verdict == Refused || next || p.Attempts >= patience(p) {
		p.State = Failed
		return p, 0
	}
	wait = max(backoff(p.Attempts), min(wait, most))
	p.State, p.NotBefore = Queued, now.Add(wait)
	return p, wait
}

// patience is how often a page is tried: where nothing follows it, until what is
// wrong with the network may be mended.
func patience(p Page) int {
	if lastResort(p) {
		return persistent
	}
	return attempts
}

func lastResort(p Page) bool { return p.Wide && len(p.Next) == 0 && p.Update == NoUpdate }

func (d *Drain) due(limit int) (due []Page, err error) {
	defer d.caught(&err)
	return d.Outbox.DuePages(d.clock(), limit)
}

func (d *Drain) begin(ctx context.Context, pages []Page) (begun []Page, err error) {
	defer d.caught(&err)
	return d.Outbox.Begin(ctx, pages)
}

// settle records what became of pages and says whether it could.
func (d *Drain) settle(ctx context.Context, pages []Page) bool {
	var err error
	func() {
		defer d.caught(&err)
		err = d.Outbox.Settle(ctx, pages)
	}()
	if err != nil {
		d.trouble(fmt.Errorf("what became of a page cannot be recorded; it is tried again: %w", err))
	}
	return err == nil
}

// caught turns a panic of someone else's into an error.
func (d *Drain) caught(err *error) {
	if p := recover(); p != nil {
		d.log().Error("panic while paging", "panic", p, "stack", string(debug.Stack()))
		*err = fmt.Errorf("panic: %v", p)
	}
}

func (d *Drain) giveUp(p Page) {
	if d.Undeliverable == nil {
		return
	}
	var ignored error // it is logged
	defer d.caught(&ignored)
	d.Undeliverable(p)
}

func (d *Drain) trouble(err error) {
	d.mu.Lock()
	now := time.Now()
	due := d.alarmed.IsZero() || now.Sub(d.alarmed) >= alarmEvery
	if due {
		d.alarmed = now
	}
	d.mu.Unlock()
	if !due {
		return
	}
	d.log().Error("paging is in trouble", "err", err)
	if d.Alarm != nil {
		var ignored error // it is logged
		defer d.caught(&ignored)
		d.Alarm(err)
	}
}

func (d *Drain) kicks() chan struct{} {
	d.once.Do(func() { d.kicked = make(chan struct{}, 1) })
	return d.kicked
}

func (d *Drain) clock() time.Time {
	if d.now == nil {
		return time.Now().UTC().Round(0)
	}
	return d.now().UTC().Round(0)
}

func (d *Drain) log() *slog.Logger {
	if d.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return d.Log
}
