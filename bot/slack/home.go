package slack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/slack-go/slack"

	"irisops/bot/message"
	"irisops/bot/slack/outbox"
)

// Home is the page that each person has with the bot. It is made anew when
// something was said, and every minute, for those who have opened it lately; only
// what is different is sent. A page that is lost is made again: nothing of it is
// kept.

const (
	homeFor   = 8 * time.Hour   // after somebody opened it, it is kept up to date
	homeEvery = 5 * time.Second // and not more often
	homeAnew  = time.Minute     // also when nothing was said: clusters change by themselves
	mostHomes = 100
	maxHome   = 100    // blocks
	maxInHome = 60_000 // characters, ours
)

type homes struct {
	mu   sync.Mutex
	of   map[string]*homeOf
	wake chan struct{}
}

type homeOf struct {
	opened time.Time
	hash   string
	notice *message.Message // what was refused, until the next change
}

func newHomes() *homes { return &homes{of: map[string]*homeOf{}, wake: make(chan struct{}, 1)} }

// open begins to keep somebody's page.
func (h *homes) open(user string, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for u, other := range h.of {
		if now.Sub(other.opened) > homeFor || len(h.of) >= mostHomes && u != user {
			delete(h.of, u)
		}
	}
	if h.of[user] == nil {
		h.of[user] = &homeOf{}
	}
	h.of[user].opened, h.of[user].hash, h.of[user].notice = now, "", nil
	h.kick()
}

func (h *homes) kick() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// changed has the pages made anew.
func (h *homes) changed() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.of) > 0 {
		h.kick()
	}
}

// pressed takes the notice away: they are at it again.
func (h *homes) pressed(user string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if of := h.of[user]; of != nil {
		of.notice = nil
	}
}

// tell shows somebody a notice on their page. false: they have none.
func (h *homes) tell(user string, m message.Message) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of[user] == nil {
		return false
	}
	h.of[user].notice = &m
	h.kick()
	return true
}

func (h *homes) users() map[string]homeOf {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := map[string]homeOf{}
	for user, of := range h.of {
		all[user] = *of
	}
	return all
}

func (h *homes) shown(user, hash string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if of := h.of[user]; of != nil {
		of.hash = hash
	}
}

// keepHomes keeps everybody's page up to date until ctx ends. Whoever has just
// opened theirs does not wait.
func (l *Listener) keepHomes(ctx context.Context) {
	h := l.room.homes
	var due time.Time // nobody else's before
	dirty := false
	for {
		now := time.Now()
		all := dirty && !now.Before(due)
		wait := homeEvery
		for user, of := range h.users() {
			if all || of.hash == "" {
				wait = max(wait, l.publishHome(ctx, user, of))
			}
		}
		if all {
			dirty, due = false, now.Add(wait)
		}
		rest := homeAnew
		if dirty {
			rest = max(due.Sub(now), time.Millisecond)
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-h.wake:
		case <-timer.C:
		}
		timer.Stop()
		dirty = true
	}
}

// publishHome sends a page if it is another one than before, and says how long
// Slack wants to be left alone.
func (l *Listener) publishHome(ctx context.Context, user string, of homeOf) (wait time.Duration) {
	defer func() {
		if p := recover(); p != nil {
			l.room.Log.Error("panic while a Home was made", "panic", p)
		}
	}()
	sections := l.bot.Home(ctx, "slack:"+user)
	if of.notice != nil {
		sections = append([]message.Message{*of.notice}, sections...)
	}
	view := renderHome(sections)
	body, err := json.Marshal(view)
	if err != nil {
		l.room.Log.Error("a Home could not be written", "err", err)
		return 0
	}
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:12])
	if hash == of.hash {
		return 0
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err = l.room.api.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: user, View: view})
	if err == nil {
		l.room.homes.shown(user, hash)
		return 0
	}
	v, wait := judge(err)
	if v == refused {
		l.room.alarms.raise("Home cannot be shown in Slack", err)
	}
	l.room.Log.Warn("a Home could not be shown", "user", user, "err", err)
	return max(wait, pace)
}

// renderHome sets the sections below each other, as far as a view holds them.
func renderHome(sections []message.Message) slack.HomeTabViewRequest {
	r := &renderer{left: maxInHome, private: true, most: maxHome - 1}
	primary := false // one in all
	for i, m := range sections {
		before := len(r.out)
		if i > 0 && heads(m) {
			r.put(slack.NewDividerBlock())
		}
		r.section("*" + headline(m) + "*")
		r.blocks(m.Blocks)
		rows, _ := buttonRows(outbox.Post{Message: m}, fmt.Sprintf("home%d_", i), &primary)
		for _, row := range rows {
			if !r.put(row) {
				r.out = r.out[:before]
				break
			}
		}
	}
	if r.lost > 0 {
		r.most++
		r.context("_Not all fits here:_ `/iris status` _shows the rest._")
	}
	return slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: r.out}}
}

// heads says whether a section begins something new rather than going on.
func heads(m message.Message) bool {
	return m.Level == message.Info || m.Level == message.OK && len(m.Blocks) == 0
}
