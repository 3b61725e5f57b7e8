// Package slack is the conversation in Slack: a Room that shows what the bot
// says, and a Listener that takes what people type and press. It is the only
// package that knows Slack's types and rules: its limits stand in limits.go, its
// pace in desk.go, its errors in errors.go.
//
// What is to be said is kept first and sent later, one message a key: while
// Slack is slow, forbids or is away, nothing is lost and only the newest state
// of each message is sent. What arrives is kept before it is acknowledged, under
// an id that also says where it came from (see address.go), so that an answer
// finds its way after a crash with nothing else remembered.
package slack

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"irisops/bot/access"
	"irisops/bot/inbox"
	"irisops/bot/slack/outbox"
)

// Outbox keeps what is said in Slack. Every write is durable when it returns.
type Outbox interface {
	// AmendPost has change applied to the post with that key; to one that holds
	// only its Key if there is none. change returns false to leave it as it is,
	// and may run more than once.
	AmendPost(ctx context.Context, key string, change func(*outbox.Post) bool) error
	// NotePost is AmendPost that may take a moment, to save a commit: for what can
	// be found out again.
	NotePost(ctx context.Context, key string, change func(*outbox.Post) bool) error
	// ReceiveAnswered keeps a delivery together with the new posts that answer it.
	// fresh is false if it is known; then nothing is kept.
	ReceiveAnswered(ctx context.Context, d inbox.Delivery, posts []outbox.Post) (fresh bool, err error)
	ForgetPost(ctx context.Context, key string) error
	PostOf(key string) (p outbox.Post, ok bool, err error)
	PostAt(channel, ts string) (p outbox.Post, ok bool, err error)
	PostsUnder(prefix string) ([]outbox.Post, error)
	PendingPosts() ([]outbox.Post, error)
}

// Options are what a Room is made of.
type Options struct {
	BotToken string // xoxb-...
	AppToken string // xapp-..., for Socket Mode

	Team          string  // the one workspace that is listened to; "" is the bot's own
	Channel       string  // where the conversation is
	OnCallChannel string  // where pages go as well; "" or Channel: they are shown to the whole Channel
	Places        []Place // channels that talk of one cluster; Channel may be among them

	Reactions   map[string]string // emoji -> "ack" or "note": what they say under a message
	KeepReplies bool              // what people write in the thread of an incident goes to its timeline

	People access.Policy // who is who, and which user groups carry a role
	Outbox Outbox
	// Alarm is told what people have to know and Slack cannot show: that Slack
	// refuses the bot, or is away. It is told once each time that begins.
	Alarm func(what string, err error)
	Log   *slog.Logger
	API   string // of the Web API; "" is Slack's own

	Silence time.Duration // nothing came for so long: see whether anything was missed; 0 is 2 minutes
}

// Place is a channel where one cluster is talked of.
type Place struct{ Channel, Cluster string }

const (
	callTimeout = 10 * time.Second // for one call of the Web API
	groupsFor   = 5 * time.Minute  // a user group's members are believed so long
	groupsStale = 15 * time.Minute // and so long if Slack cannot be asked again
)

// Room shows what the bot says. Make one with NewRoom, Start it, Stop it.
type Room struct {
	Options
	api    *slack.Client
	desk   *desk
	alarms alarms
	groups groups
	homes  *homes

	directs sync.Map // user's id -> id of the direct message, as far as Slack was asked

	mu    sync.Mutex
	self  identity
	skew  time.Duration // Slack's clock is so far ahead of ours
	spoke time.Time     // when the bot said something last

	cancel context.CancelFunc
	done   chan struct{}
}

// identity is who the bot is in Slack.
type identity struct {
	user string // "U0IRIS", as it is mentioned
	bot  string // "B0IRIS", as its messages are signed
	team string // "T0TEAM", where it is installed
}

// NewRoom checks the options. Nothing is sent before Start.
func NewRoom(o Options) (*Room, error) {
	switch {
	case o.Channel == "":
		return nil, errors.New("slack: there is no channel")
	case !strings.HasPrefix(o.BotToken, "xoxb-"):
		return nil, errors.New("slack: the bot token (SLACK_BOT_TOKEN) has to begin with xoxb-")
	case o.AppToken != "" && !strings.HasPrefix(o.AppToken, "xapp-"):
		return nil, errors.New("slack: the app token (SLACK_APP_TOKEN) has to begin with xapp-")
	case o.Outbox == nil:
		return nil, errors.New("slack: there is no outbox")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Alarm == nil {
		o.Alarm = func(string, error) {}
	}
	if o.OnCallChannel == "" {
		o.OnCallChannel = o.Channel
	}
	if o.Silence == 0 {
		o.Silence = silence
	}
	options := []slack.Option{
		slack.OptionAppLevelToken(o.AppToken),
		slack.OptionHTTPClient(&http.Client{Timeout: callTimeout}),
		slack.OptionLog(silent),
	}
	if o.API != "" {
		options = append(options, slack.OptionAPIURL(o.API))
	}
	r := &Room{Options: o, desk: newDesk(), homes: newHomes()}
	r.api = slack.New(o.BotToken, append(options, slack.OptionOnResponseHeaders(r.setClock))...)
	r.alarms.tell = func(what string, err error) {
		o.Log.Error(what, "err", err)
		o.Alarm(what, err)
	}
	return r, nil
}

// silent keeps the library from writing to stderr on its own.
var silent = log.New(io.Discard, "", 0)

// Start sends what is pending from an earlier life, and whatever is published.
func (r *Room) Start() error {
	left, err := r.Outbox.PendingPosts()
	if err != nil {
		return err
	}
	r.desk.opened = time.Now()
	for _, p := range left {
		r.desk.add(p, true)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel, r.done = cancel, make(chan struct{})
	go func() {
		defer close(r.done)
		r.run(ctx)
	}()
	return nil
}

// Stop sends what can be sent within a moment, and ends. The rest is kept for
// the next Start.
func (r *Room) Stop(ctx context.Context) error {
	if r.cancel == nil {
		return nil
	}
	defer r.cancel()
	r.desk.close()
	select {
	case <-r.done:
		return nil
	case <-ctx.Done():
		return errors.Join(errors.New("slack: messages were still being sent"), ctx.Err())
	}
}

// setClock learns how far Slack's clock is from ours, to the second.
func (r *Room) setClock(_ string, header http.Header) {
	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.skew = time.Until(at)
}

// said is when something with that ts was said, by our clock.
func (r *Room) said(ts string) (time.Time, bool) {
	seconds, err := strconv.ParseFloat(ts, 64)
	if err != nil {
		return time.Time{}, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.UnixMilli(int64(seconds * 1000)).Add(-r.skew).UTC(), true
}

// ahead is how far Slack's clock is ahead of ours.
func (r *Room) ahead() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.skew
}

// slackTime is a time as Slack writes it.
func slackTime(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) + ".000000" }

// speak notes that the bot said something that it may hear itself.
func (r *Room) speak() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoke = time.Now()
}

func (r *Room) spokeLast() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.spoke
}

// known is who the bot is in Slack, as far as it was told.
func (r *Room) known() identity {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.self
}

// me is who the bot is in Slack; it asks once it can.
func (r *Room) me(ctx context.Context) identity {
	self := r.known()
	if self.user != "" {
		return self
	}
	who, err := r.api.AuthTestContext(ctx)
	if err != nil {
		return self
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.self = identity{user: who.UserID, bot: who.BotID, team: who.TeamID}
	return r.self
}
