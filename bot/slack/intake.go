package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"irisops/bot"
	"irisops/bot/inbox"
	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

// envelope is what Slack brought, by whichever transport.
type envelope struct {
	typ     string // "slash_commands", "events_api", "interactive"
	id      string
	payload json.RawMessage
	answers bool // its acknowledgement may show something to the person
}

// parcel is one envelope on its way: arrived in its turn, then kept, then
// acknowledged with its answer, then carried out.
type parcel struct {
	envelope
	arrival
	ours bool // a person said it to the bot
	at   time.Time
	turn *turn

	files    []inbox.File // of the message that is pointed at
	delivery inbox.Delivery
	told     []bot.Post // its answer, if that was kept with it
	answer   any        // in the acknowledgement
	fate     fate
	button   string   // the button that it has in hand
	after    []func() // what else is to be done, once it is acknowledged
}

// fate says what became of a parcel.
type fate int

const (
	nothing  fate = iota // it only has to be acknowledged
	fresh                // kept, and to be carried out
	answered             // kept together with its answer
	known                // it was kept before
	unkept               // it could not be kept, and must not be acknowledged
)

// arrive reads an envelope and lines it up. It is quick, and called in the order
// in which envelopes come. Every parcel has to be ended.
func (l *Listener) arrive(e envelope) *parcel {
	p := &parcel{envelope: e, at: time.Now().UTC()}
	l.watch.hear(p.at)
	defer func() {
		if v := recover(); v != nil {
			l.room.Log.Error("panic while something from Slack was read", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	a, ours, err := read(e.typ, e.id, e.payload)
	if err != nil {
		l.room.Log.Error("something unreadable came from Slack", "type", e.typ, "err", err)
		return p
	}
	p.arrival, p.ours = a, ours
	if a.own {
		l.watch.echo()
	}
	if ours {
		p.turn = l.turns.take(turnKeys(a)...)
	}
	return p
}

func turnKeys(a arrival) []string {
	if firstWord(a.text) == "halt" {
		return nil // it waits for nobody
	}
	keys := []string{"user " + a.user}
	if thread := a.replies(); thread != "" {
		keys = append(keys, "thread "+a.channel+" "+thread)
	}
	return keys
}

func firstWord(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	return strings.ToLower(word)
}

func (p *parcel) end() {
	if p.turn != nil {
		p.turn.end()
	}
}

// keep makes what came durable.
func (l *Listener) keep(ctx context.Context, p *parcel) {
	defer func() {
		if v := recover(); v != nil {
			l.room.Log.Error("panic while something from Slack was taken", "panic", v, "stack", string(debug.Stack()))
			p.fate = unkept
		}
	}()
	if !p.ours {
		return
	}
	if !l.room.ownTeam(p.team) {
		l.room.Log.Warn("somebody of another workspace spoke; they are not heard", "team", p.team, "user", p.user)
		p.answer = l.foreign(p)
		return
	}
	if p.opens {
		l.room.homes.open(p.user, p.at)
		return
	}
	if p.kind == byHome {
		l.room.homes.pressed(p.user)
		p.channel = l.room.Channel // where its answer is read by everybody
	}
	if aside(p.kind) {
		l.overhear(ctx, p)
		return
	}
	own, err := l.onOwnPage(p)
	if err != nil {
		l.room.Log.Error("it could not be read whose message a button is on; Slack delivers again", "err", err)
		p.fate = unkept
		return
	}
	if !own && !l.room.converses(p.channel) {
		p.answer = l.elsewhere(ctx, p)
		return
	}
	l.room.desk.reopen(p.channel)
	switch p.action {
	case actionMore, actionFolded:
		l.ownButton(ctx, p)
		return
	}
	if p.kind == byForm {
		if !l.fill(p) {
			return
		}
	} else if f, ok := l.form(ctx, p); ok {
		p.after = append(p.after, func() { l.ask(p, f) })
		return
	}
	if !l.press(ctx, p) {
		return
	}
	l.receive(ctx, p)
	if p.fate != fresh && p.button != "" {
		l.presses.end(p.button)
	}
}

// ownButton is a press of one of our own buttons. What is shown below is for
// everybody in the channel, so whoever may see anything may have it shown.
func (l *Listener) ownButton(ctx context.Context, p *parcel) {
	if _, ok := l.identified(ctx, p.user); !ok {
		l.tellAlone(p, l.room.People.Unknown("slack:"+p.user).Error(), "")
		return
	}
	if err := l.showMore(ctx, p); err != nil {
		l.room.Log.Error("more of a message could not be shown", "err", err)
		p.fate = unkept
	}
}

// receive gives it to the bot to keep.
func (l *Listener) receive(ctx context.Context, p *parcel) {
	a := p.arrival
	p.delivery = inbox.Delivery{ID: a.id(), Via: "slack", Caller: "slack:" + a.user, Text: a.text,
		Incident: l.incidentOf(a), Cluster: l.room.clusterIn(a.channel), Received: p.at}
	if len(p.files) > 0 {
		p.delivery.Pinned = &inbox.Pinned{Files: p.files}
	}
	// What came late is as old as when it was said, so that it asks again.
	if at, ok := l.room.said(a.ts); ok && time.Since(at) > bot.StaleAfter {
		p.delivery.Received = at
	}
	// The end of the connection must not undo it.
	ctx = context.WithoutCancel(ctx)
	isFresh, atOnce, err := l.glance(ctx, p)
	if !atOnce {
		isFresh, err = l.bot.Receive(ctx, p.delivery)
	}
	l.room.Log.Debug("heard in Slack", "delivery", p.delivery.ID, "fresh", isFresh, "err", err)
	switch {
	case err != nil:
		p.fate = unkept
		if !l.seen.add(p.delivery.ID) {
			l.room.whisper(ctx, outbox.Post{Channel: a.channel, Thread: a.thread, User: a.user, Message: message.Message{
				Level: message.Refused, Title: "Nothing was done so far, because it could not be recorded.",
				Blocks: []message.Block{{Text: err.Error()}}}})
		}
	case isFresh && atOnce:
		p.fate = answered
	case isFresh:
		p.fate = fresh
	default:
		p.fate = known
	}
}

func (l *Listener) incidentOf(a arrival) string {
	if a.incident != "" {
		return a.incident
	}
	return l.incidentAt(a)
}

// incidentAt is the incident whose thread, or page, it was said at.
func (l *Listener) incidentAt(a arrival) string {
	ts := a.thread
	if a.kind == byClick && ts == "" {
		ts = a.replies()
	}
	if ts == "" {
		return ""
	}
	p, _, err := l.room.postAt(a.channel, ts)
	if err != nil {
		l.room.Log.Error("it could not be read which incident a thread is about", "err", err)
	}
	return p.Incident
}

// foreign tells somebody of another workspace that they are not heard, where
// that can be told to them alone.
func (l *Listener) foreign(p *parcel) any {
	if !p.answers {
		return nil
	}
	return map[string]string{"response_type": "ephemeral", "text": "I listen to people of my own workspace only. Ask one of them to say it."}
}

// elsewhere tells someone in another channel where the conversation is, and them
// only. A slash command can be answered in its acknowledgement, even where the
// bot is no member.
func (l *Listener) elsewhere(ctx context.Context, p *parcel) any {
	text := fmt.Sprintf("I work in <#%s>. Please say it there: everyone who has to know reads along.", l.room.Channel)
	if p.answers {
		return map[string]string{"response_type": "ephemeral", "text": text}
	}
	a := p.arrival
	if l.seen.add(a.id()) {
		return nil
	}
	channel, thread := a.channel, a.thread
	if _, known, err := l.room.Outbox.PostAt(a.channel, p.pressed); known && err == nil && isDirect(a.channel) { // and it is for somebody else, where they are not
		channel, thread = l.room.Channel, ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	l.work.Add(1)
	go func() {
		defer l.work.Done()
		defer cancel()
		options := []slack.MsgOption{slack.MsgOptionText(text, false)}
		if thread != "" {
			options = append(options, slack.MsgOptionTS(thread))
		}
		if _, err := l.room.api.PostEphemeralContext(ctx, channel, a.user, options...); err != nil {
			l.room.Log.Warn("a person in another channel could not be answered", "channel", channel, "err", err)
		}
	}()
	return nil
}

// carryOut has done what was kept, in its turn. It ends with the work, not with
// the connection.
func (l *Listener) carryOut(p *parcel) {
	defer func() {
		if v := recover(); v != nil {
			l.room.Log.Error("panic in what was said in Slack", "text", p.delivery.Text, "panic", v, "stack", string(debug.Stack()))
		}
	}()
	for _, f := range p.after {
		f()
	}
	if p.fate == answered {
		l.bot.Tell(context.Background(), p.told, l.room)
	}
	if p.turn != nil { // else it was missed, and is before all the others
		if len(p.turn.keys) > 0 {
			l.watch.pass(p.channel)
		}
		p.turn.wait(context.Background()) // though there is nothing to do: what comes next waits for this one only
	}
	if p.fate != fresh {
		return
	}
	var out *bot.Outcome
	defer func() { l.pressed(p, out) }()
	out = l.bot.CarryOut(context.Background(), p.delivery)
}

// recent remembers the last few ids.
type recent struct {
	mu  sync.Mutex
	ids map[string]bool
	in  []string
}

const mostRecent = 1000

// add says whether the id was there already.
func (r *recent) add(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ids[id] {
		return true
	}
	if r.ids == nil {
		r.ids = map[string]bool{}
	}
	if len(r.in) == mostRecent {
		delete(r.ids, r.in[0])
		r.in = r.in[1:]
	}
	r.ids[id], r.in = true, append(r.in, id)
	return false
}
