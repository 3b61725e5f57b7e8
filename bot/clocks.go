package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/oncall"
	"irisops/bot/pager"
)

// makeClocks prepares the loops that keep deadlines: escalation steps, pages to
// be sent, and requests that expire.
func (b *Bot) makeClocks() {
	b.engine = &runbook.Engine{
		Journal:  journal{b},
		Listener: func(r runbook.Run) { b.publishRun(context.WithoutCancel(b.ctx), r) },
		Halted:   b.haltReason,
		Log:      b.log,

		Cancelled: b.cancels.of,
	}
	b.loop = &escalation.Loop{
		Incidents: b.Store,
		Pages: func(inc incident.Incident, calls []incident.Call, now time.Time) []pager.Page {
			return b.roster().Pages(inc.ID(), calls, now)
		},
		Fired: b.fired,
		Alarm: func(err error) { b.alarm("Escalation needs attention", err) },
		Log:   b.log,
	}
	b.drain = &pager.Drain{
		Outbox:        outbox{b},
		Senders:       append([]pager.Sender{conversation{b}, direct{b}}, b.Senders...),
		Undeliverable: b.undeliverable,
		Alarm:         func(err error) { b.alarm("Pages wait and cannot be read or recorded", err) },
		Log:           b.log,
	}
}

// startPaging starts the clocks that call people.
func (b *Bot) startPaging() {
	b.background("escalation", b.loop.Run)
	b.background("pager", b.drain.Run)
}

// startClocks starts the other ones.
func (b *Bot) startClocks() {
	b.background("expiry", b.expireRequests)
	b.background("auditor", b.audit)
	b.background("alerts", b.recoverAlerted)
	b.background("maintenance", b.endMaintenance)
	b.background("schedules", b.calendar.Run)
	for _, w := range b.watchers {
		b.background("watch of "+w.Cluster, w.Run)
	}
}

// kick wakes the loops after a commit that may have armed or queued something.
func (b *Bot) kick() {
	b.loop.Kick()
	b.drain.Kick()
}

func (b *Bot) haltReason() (string, bool) {
	h, err := b.Store.Halted()
	if err != nil {
		return "it cannot be read whether actions are halted", true
	}
	if h == nil {
		return "", false
	}
	return fmt.Sprintf("halted by %s: %s", h.By, firstOf(h.Reason, "no reason given")), true
}

// fired shows what the clocks have done.
func (b *Bot) fired(inc incident.Incident, calls []incident.Call, lines []incident.Entry) {
	b.publishParent(b.ctx, inc)
	for _, e := range lines {
		switch {
		case e.Kind == incident.KindReminder:
			b.remind(inc, e)
		case e.Kind == incident.KindUnanswered && len(calls) == 0: // else somebody is paged for it
			b.unanswered(inc, e)
		}
	}
	b.drain.Kick()
}

func (b *Bot) remind(inc incident.Incident, e incident.Entry) {
	who := ""
	if inc.AckedBy != "" {
		who = " " + inc.AckedBy + " has it."
	}
	b.publish(b.ctx, Post{Key: fmt.Sprintf("reminder/%s/%d", inc.ID(), e.Seq), Incident: inc.ID(), Message: message.Message{
		Level: message.Warn, Title: fmt.Sprintf("%s %s: %s. What is going on?", inc.ID(), inc.Priority, e.Text),
		Blocks:  []message.Block{{Text: fmt.Sprintf("It is %s.%s `note TEXT` tells the others, and ends this reminder for %s.", inc.State, who, spoken(inc.RemindEvery))}},
		Buttons: []message.Button{{Label: "Verify", Words: "verify --incident " + inc.ID()}, {Label: "Recovered", Words: "recovered --incident " + inc.ID()}}}})
}

func (b *Bot) unanswered(inc incident.Incident, e incident.Entry) {
	b.publish(b.ctx, Post{Key: fmt.Sprintf("unanswered/%s/%d", inc.ID(), e.Seq), Incident: inc.ID(), Message: message.Message{
		Level: message.Warn, Title: fmt.Sprintf("%s %s: %s: %s", inc.ID(), inc.Priority, e.Text, inc.Title),
		Blocks:  []message.Block{{Text: "Next page: " + b.nextPage(inc, nowUTC()) + "."}},
		Buttons: []message.Button{{Label: "Acknowledge", Words: "ack --incident " + inc.ID(), Style: message.Primary}}}})
}

// Alarm shows trouble of a part that people have to see: in the log, and in
// every room that still works.
func (b *Bot) Alarm(what string, err error) { b.alarm(what, err) }

// alarm is for trouble of the bot's own that people must see.
func (b *Bot) alarm(what string, err error) {
	b.log.Error(what, "err", err)
	b.publish(b.ctx, Post{Key: fmt.Sprintf("alarm/%s/%d", what, time.Now().Unix()), OnCall: true, Message: message.Message{
		Level: message.Critical, Title: what + ".", Blocks: []message.Block{{Text: sentence(err.Error())}}}})
}

// conversation is the Sender that calls people where they talk.
type conversation struct{ *Bot }

// Channel implements pager.Sender.
func (conversation) Channel() string { return "conversation" }

// Send implements pager.Sender: a loud line in the incident's thread and in the
// on-call channel.
func (s conversation) Send(ctx context.Context, p pager.Page) error {
	if err := ctx.Err(); err != nil {
		return pager.Retry(err)
	}
	var failed []error
	for _, r := range s.rooms() { // one that is down keeps it from none of the others
		if err := r.Publish(ctx, pagePost(p)); err != nil {
			failed = append(failed, fmt.Errorf("a room did not take the page: %w", err))
		}
	}
	if len(failed) > 0 {
		return pager.Retry(errors.Join(failed...))
	}
	return nil
}

// pagePost is a page as it is shown where people talk.
func pagePost(p pager.Page) Post {
	title, rest, _ := strings.Cut(p.Words(), "\n")
	m := message.Message{Level: message.Page, Buttons: pageButtons(p), Title: fmt.Sprintf("%s (%s): %s", firstOf(p.Person, "everybody"), p.Role, title)}
	if rest != "" {
		m.Blocks = []message.Block{{Text: rest}}
	}
	return Post{Key: pageKey(p), Incident: p.Incident, OnCall: true, Person: p.Person, Message: m}
}

// pageButtons are what the person called can do at once.
func pageButtons(p pager.Page) []message.Button {
	if request, ok := strings.CutSuffix(p.Step, approvalStep); ok {
		return []message.Button{
			{Label: "Approve", Words: "approve " + request, Style: message.Danger, Confirm: "Approve exactly what " + request + " shows?"},
			{Label: "Deny", Words: "deny " + request},
		}
	}
	switch {
	case len(p.Group) > 0: // for many incidents, none in particular
		return []message.Button{{Label: "Show Status", Words: "status", Style: message.Primary}}
	case p.Incident == "":
		return nil
	case strings.HasPrefix(p.Step, handoffStep):
		return []message.Button{
			{Label: "Accept", Words: "accept --incident " + p.Incident, Style: message.Primary},
			{Label: "I Can't", Words: "decline --incident " + p.Incident},
		}
	}
	return []message.Button{
		{Label: "Acknowledge", Words: "ack --incident " + p.Incident, Style: message.Primary},
		{Label: "I Can't, Next", Words: "decline --incident " + p.Incident},
	}
}

// pageKey is the same for a page and for one that follows it into the
// conversation because the direct message failed: it stands there already.
func pageKey(p pager.Page) string {
	if len(p.Group) > 0 {
		return "page/together/" + p.Ref
	}
	if p.Channel == pager.DirectMessage {
		p.Channel = oncall.Conversation
	}
	return "page/" + p.Key()
}

// expireRequests drops requests that nobody settled in time.
func (b *Bot) expireRequests(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			runs, err := b.Store.Runs(runbook.Waiting)
			if err != nil {
				b.log.Error("the waiting requests could not be read", "err", err)
				continue
			}
			for _, r := range runs {
				b.expire(ctx, r)
			}
		}
	}
}

func (b *Bot) expire(ctx context.Context, r runbook.Run) {
	settled, expired := r.Approval.Expire(nowUTC())
	if !expired {
		return
	}
	r.Approval, r.State, r.Ended = settled, runbook.Dropped, settled.At
	r, err := b.commitRun(ctx, r, []incident.Noted{incident.Noted{By: incident.Bot, Kind: incident.KindDecided, Text: r.ID() + " expired, nobody settled it: " + r.Title}}, "")
	if errors.Is(err, change.ErrConflict) {
		return // settled in this very moment
	}
	if err != nil {
		b.log.Error("an expired request could not be dropped", "run", r.ID(), "err", err)
		return
	}
	b.publishRun(ctx, r)
}
