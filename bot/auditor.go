package bot

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"irisops/bot/change"
	"irisops/bot/message"
	"irisops/bot/pager"
)

const (
	// auditEvery is how often the auditor looks.
	auditEvery = 15 * time.Second
	// auditPatience is how long what it finds may last: the loops may be about to
	// see to it, after the machine was asleep, say.
	auditPatience = 5 * time.Second
	// auditHold is how long the heartbeat stays away after a trouble, at least:
	// whoever listens for it has to notice, also where the trouble was mended.
	auditHold = 10 * time.Minute
	// auditPages is the least time between two pages about a trouble that lasts.
	auditPages = 10 * time.Minute
	// beatTimeout is for one heartbeat.
	beatTimeout = 10 * time.Second
)

// Heartbeat tells somebody outside that irisops watches.
type Heartbeat struct {
	Every time.Duration
	Beat  func(ctx context.Context) error // nil: nobody listens
}

// Oversight is what the auditor knows.
type Oversight struct {
	Looked   time.Time // when it last found all deadlines armed and none overdue; zero: never
	Trouble  string    // what it found last, "" if nothing since
	Found    time.Time
	Beat     time.Time // when the last heartbeat was taken; zero: none
	Missed   string    // why the last one was not; "" is not
	HeldTill time.Time // no heartbeat before
}

// auditor looks whether every open incident has its next deadline armed and none
// is overdue, and every page somebody who sends it. Only then does it let the
// heartbeat go out. What it finds wrong it repairs, pages everyone on call about,
// and stops the heartbeat for.
type auditor struct {
	mu    sync.Mutex
	seen  Oversight
	paged time.Time
}

// Oversight is what the auditor knows now.
func (b *Bot) Oversight() Oversight {
	b.auditor.mu.Lock()
	defer b.auditor.mu.Unlock()
	return b.auditor.seen
}

func (b *Bot) oversee(change func(*Oversight)) {
	b.auditor.mu.Lock()
	defer b.auditor.mu.Unlock()
	change(&b.auditor.seen)
}

// audit looks again and again until ctx ends.
func (b *Bot) audit(ctx context.Context) {
	tick := time.NewTicker(auditEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.auditOnce(ctx)
		}
	}
}

func (b *Bot) auditOnce(ctx context.Context) {
	wrong := b.wrongNow()
	if len(wrong) > 0 { // the loops may just be at it
		b.kick()
		select {
		case <-ctx.Done():
			return
		case <-time.After(auditPatience):
		}
		wrong = b.wrongNow()
	}
	if len(wrong) > 0 {
		b.setRight(ctx, wrong)
		return
	}
	b.oversee(func(o *Oversight) { o.Looked = nowUTC() })
	b.beat(ctx)
}

func (b *Bot) wrongNow() []string {
	wrong, err := b.Store.Audit(nowUTC())
	if err != nil {
		wrong = append(wrong, fmt.Sprintf("Whether every deadline is armed cannot be read: %v.", err))
	}
	return wrong
}

// setRight repairs what can be, and is loud about it.
func (b *Bot) setRight(ctx context.Context, wrong []string) {
	now := nowUTC()
	found := strings.Join(wrong[:min(len(wrong), 5)], " ")
	if more := len(wrong) - 5; more > 0 {
		found += fmt.Sprintf(" And %d more.", more)
	}
	b.oversee(func(o *Oversight) {
		o.Trouble, o.Found, o.HeldTill = found, now, now.Add(max(auditHold, 3*b.Heartbeat.Every))
	})
	repaired, err := b.Store.Rearm(ctx)
	what := fmt.Sprintf("%s repaired; they fire now, marked late.", plural(repaired, "deadline"))
	switch {
	case err != nil:
		what = fmt.Sprintf("It could NOT be repaired: %v.", err)
	case repaired == 0:
		what = "There was nothing to repair: the deadlines are armed, and are not kept."
	}
	b.kick()
	b.auditor.mu.Lock()
	again := b.auditor.paged.IsZero() || now.Sub(b.auditor.paged).Abs() >= auditPages // Abs: the clock may have been set back
	if again {
		b.auditor.paged = now
	}
	b.auditor.mu.Unlock()
	if again || repaired > 0 { // while it lasts, the channel is for those who mend it
		b.alarm("irisops found that deadlines are not kept", fmt.Errorf("%s %s The heartbeat is stopped", found, what))
	}
	if !again {
		b.log.Error("deadlines are still not kept", "found", found, "repaired", repaired, "err", err)
		return
	}
	text := fmt.Sprintf("irisops found that deadlines are not kept: %s\n%s Look with `status` and `page status`; the log says more.", found, what)
	r := b.roster()
	people := r.Everyone(now)
	if len(people) == 0 {
		people = []string{""}
	}
	var pages []pager.Page
	for _, person := range people {
		pages = append(pages, r.Direct(pager.Page{Step: fmt.Sprintf("audit/%d", now.Unix()), Role: "audit:" + person, Person: person, Text: text, Queued: now, Due: now, Wide: true})...)
	}
	if err := b.Store.Commit(context.WithoutCancel(ctx), change.Change{Pages: pages}); err != nil {
		b.log.Error("nobody could be paged about deadlines that are not kept", "err", err)
		return
	}
	b.drain.Kick()
}

// beat lets the heartbeat go out, if it is time and nothing holds it.
func (b *Bot) beat(ctx context.Context) {
	if b.Heartbeat.Beat == nil {
		return
	}
	now, o := nowUTC(), b.Oversight()
	// Half a look early rather than half a look late.
	if now.Before(o.HeldTill) || !o.Beat.IsZero() && now.Sub(o.Beat).Abs() < b.Heartbeat.Every-auditEvery/2 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, beatTimeout)
	defer cancel()
	err := b.Heartbeat.Beat(ctx)
	b.oversee(func(o *Oversight) {
		if err != nil {
			o.Missed = err.Error()
			return
		}
		o.Beat, o.Missed = nowUTC(), ""
	})
	if err != nil {
		b.log.Error("the heartbeat was not taken", "err", err)
	}
}

// watchFields say whether paging itself is watched over.
func (b *Bot) watchFields() []message.Field {
	o, now := b.Oversight(), nowUTC()
	looked := "not yet: the first look comes within a minute"
	if !o.Looked.IsZero() {
		looked = "all armed and none overdue, at " + b.clock(o.Looked, now)
	}
	if o.Trouble != "" && o.Found.After(o.Looked) {
		looked = fmt.Sprintf("NOT kept, at %s: %s", b.clock(o.Found, now), o.Trouble)
	}
	fields := []message.Field{{Name: "Deadlines", Value: looked}}
	beat := "nobody outside listens: add heartbeat: to the config"
	switch {
	case b.Heartbeat.Beat == nil:
	case now.Before(o.HeldTill):
		beat = fmt.Sprintf("STOPPED until %s at least, because a deadline was not kept at %s", b.clock(o.HeldTill, now), b.clock(o.Found, now))
	case o.Missed != "":
		beat = "not taken: " + o.Missed
	case o.Beat.IsZero():
		beat = "not yet"
	default:
		beat = "taken at " + b.clock(o.Beat, now)
	}
	return append(fields, message.Field{Name: "Heartbeat", Value: beat})
}
