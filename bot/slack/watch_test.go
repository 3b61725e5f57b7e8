package slack_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"irisops/bot"
	"irisops/bot/message"
	"irisops/bot/slack/outbox"
	"irisops/bot/slack/slacktest"
	"irisops/store"
)

// What was said while nothing was delivered is answered after the next connect,
// or marked as stale; what was delivered is not done again.
func TestWhatWasMissed(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	dir := t.TempDir()
	set := setting{dir: dir, api: s.API(), clusters: newWorld().served(), onCall: onCall}
	l, err := begin(set)
	if err != nil {
		t.Fatal(err)
	}
	s.Say(operator, ops, `/iris declare P1 "slow"`)
	parent := s.ExpectPost(ops, "INC-1 P1 open")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.Mention(operator, ops, parent, "note once")
	s.ExpectInThread(parent, "Noted")
	s.NothingElse()
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	asked := s.Missed(guest, ops, nil, "whoami")
	s.Missed(operator, ops, parent, "note while it was down")
	s.Late(5 * time.Minute)
	s.Missed(operator, onCall, nil, "note --incident INC-1 -- said long ago")
	s.Late(2 * time.Hour)
	s.Missed(operator, ops, nil, "whoami") // nobody waits for that any more
	s.Late(0)
	live(t, set)
	s.ExpectInThread(asked, "guest")
	s.ExpectInThread(parent, "Noted in the timeline of INC-1")
	s.ExpectEphemeral(operator, "still wanted?", "was said 5 minutes ago")
	s.NothingElse()
}

// A connection that looks alive and delivers nothing is found, by what is read in
// the channel or by what the bot does not hear of itself, and replaced.
func TestDeafConnection(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	live(t, setting{api: s.API(), clusters: newWorld().served(), silence: time.Second})
	s.Say(operator, ops, "/iris whoami")
	s.ExpectPost(ops, "operator")
	s.Mute()
	asked := s.Missed(guest, ops, nil, "whoami")
	s.ExpectInThread(asked, "guest")
	s.ExpectConnections(2)
	s.Say(operator, ops, "/iris whoami") // by the new one
	s.ExpectPost(ops, "operator")
	s.NothingElse()
}

// broken is an outbox that panics while the head of one incident is looked for.
type broken struct{ *store.DB }

func (b broken) PostOf(key string) (outbox.Post, bool, error) {
	if key == "incident/INC-13" {
		panic("broken")
	}
	return b.DB.PostOf(key)
}

func TestPanicWhileSorting(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), outbox: func(db *store.DB) outboxOf { return broken{db} }})
	publish := func(p bot.Post) {
		t.Helper()
		defer func() { recover() }() // where the caller meets it
		if err := l.room.Publish(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	err := l.db.AmendPost(t.Context(), "note/x", func(p *outbox.Post) bool {
		p.Incident, p.Channel, p.Hash, p.Created, p.Message = "INC-13", ops, "h", time.Now(), message.Message{Title: "never"}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	l.room.Take(t, "note/x")
	publish(bot.Post{Key: "note/y", Message: message.Message{Title: "goes on"}})
	s.ExpectPost(ops, "goes on")
	s.NothingElse()
}

// forgetful is an outbox that cannot forget for a while, as on a full disk.
type forgetful struct {
	*store.DB
	fails *atomic.Int32
}

func (f forgetful) ForgetPost(ctx context.Context, key string) error {
	if f.fails.Add(-1) >= 0 {
		return errors.New("no space left on device")
	}
	return f.DB.ForgetPost(ctx, key)
}

// A private answer is shown once, and forgotten when that can be recorded.
func TestPrivateAnswerThatCannotBeForgotten(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	fails := &atomic.Int32{}
	fails.Store(2)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), outbox: func(db *store.DB) outboxOf { return forgetful{db, fails} }})
	s.Say(stranger, ops, "/iris status")
	s.ExpectEphemeral(stranger, "Refused")
	s.Await("the end of it", func() bool {
		left, err := l.db.PendingPosts()
		return err == nil && len(left) == 0
	})
	s.NothingElse()
	if fails.Load() >= 0 {
		t.Error("nothing failed")
	}
}

// What one person says quickly is carried out in that order, however slow the
// first is.
func TestOrder(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.Say(operator, ops, `/iris declare P1 "slow"`)
	parent := s.ExpectPost(ops, "INC-1 P1 open")
	s.ExpectInThread(parent, "all 3 nodes answer")
	var notes []string
	for _, word := range strings.Fields("a b c d e f g h i j k l m n o p q r s t u v w x y z") {
		s.MentionAndGoOn(operator, ops, parent, "note "+word)
		notes = append(notes, word)
	}
	for range notes {
		s.ExpectInThread(parent, "Noted")
	}
	entries, err := l.db.Timeline(1)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		if e.Kind == "note" {
			got = append(got, e.Text)
		}
	}
	if strings.Join(got, " ") != strings.Join(notes, " ") {
		t.Errorf("the order is %q", got)
	}
	s.NothingElse()
}
