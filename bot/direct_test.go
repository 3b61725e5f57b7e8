package bot_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot"
	"irisops/bot/oncall"
	"irisops/bot/pager"
)

// alone is a room that can speak to one person alone, or is kept from it.
type alone struct {
	*posts
	fails error // of direct messages
	away  error // of everything
	sent  []string
}

func (r *alone) Publish(ctx context.Context, p bot.Post) error {
	if r.away != nil && p.OnCall {
		return r.away
	}
	return r.posts.Publish(ctx, p)
}

func (r *alone) PublishDirect(ctx context.Context, p bot.Post) error {
	if err := r.Publish(ctx, p); err != nil || r.fails != nil {
		return errors.Join(err, r.fails)
	}
	r.sent = append(r.sent, p.Person+": "+p.Message.Title)
	return nil
}

func newDirect(t *testing.T) (*paging, *alone) {
	room := &alone{posts: &posts{}}
	slack := []string{pager.DirectMessage, oncall.Conversation}
	return newPagingIn(t, room, room.posts, map[string][]string{"operator": append(slack, "mail"), "second": slack, "owner": {"mail"}}), room
}

// A direct message is a page like the others: what will happen, what happened and
// why are told by its name, and it stands in the conversation once.
func TestDirectMessagesAreToldByTheirName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, room := newDirect(t)
		defer p.stop()
		p.expect("conversation page/INC-1/P0/0m/primary/conversation")
		p.say(`second: declare P0 "no clients can connect"`)
		if len(room.sent) != 1 || !strings.HasPrefix(room.sent[0], "operator: operator (primary): INC-1 P0: no clients") {
			t.Errorf("direct messages: %q", room.sent)
		}
		contains(t, "the timeline", p.timeline(), "paged operator (primary) by Slack direct message")
		for _, words := range []string{"escalation", "why-paged", "page status", "oncall"} {
			p.say("second: " + words)
		}
		p.say("second: page @operator please look")
		p.expect("conversation "+lastKey(p, "page//page/"), "conversation "+lastKey(p, "/the page"))
		said := everything(p.room)
		contains(t, "the conversation", said, "Slack direct message, else conversation", "Slack direct message, then conversation, then mail",
			"Paging operator by Slack direct message, then by conversation, then by mail.", "Paged operator by Slack direct message.")
		if strings.Contains(said, "Paged operator (primary)") {
			t.Errorf("it is said twice that operator was paged:\n%s", said)
		}
	})
}

// everything that was said, as data.
func everything(p *posts) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	body, err := json.Marshal(p.all)
	if err != nil {
		return err.Error()
	}
	return string(body)
}

// lastKey is the key of the last post that has that in it.
func lastKey(p *paging, part string) (last string) {
	for _, key := range p.room.keys() {
		if strings.Contains(key, part) {
			last = key
		}
	}
	return last
}

// A direct message that is refused is told once, with what to do, and the person
// is called in the conversation, where the page stands already.
func TestRefusedDirectMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, room := newDirect(t)
		defer p.stop()
		room.fails = pager.Final(errors.New("the app lacks the scope im:write"))
		const shown = "conversation page/INC-1/P0/0m/primary/conversation"
		p.expect(shown, shown) // the same again: nothing new is to be seen
		p.say(`second: declare P0 "no clients can connect"`)
		contains(t, "the timeline", p.timeline(), "could NOT page operator (primary) by Slack direct message: the app lacks the scope im:write; trying in the conversation instead",
			"paged operator (primary) in the conversation")
		if n := strings.Count(strings.Join(p.room.titles(), "\n"), "operator was NOT reached by Slack direct message: the app lacks the scope im:write"); n != 1 {
			t.Errorf("it is told %d times:\n%s", n, strings.Join(p.room.titles(), "\n"))
		}
		if len(p.mail.pages()) > 0 {
			t.Error("a mail was sent, although the conversation took the page")
		}
		p.say("second: why-not-paged")
		contains(t, "the conversation", everything(p.room), "operator by Slack direct message", "it could not be delivered: the app lacks the scope im:write")
	})
}

// While Slack is away, the mail does not wait for Slack's attempts twice.
func TestSlackAwayHoldsUpNoMailTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, room := newDirect(t)
		defer p.stop()
		p.expect("mail P0/0m operator")
		room.away = errors.New("slack is away")
		p.say(`second: declare P0 "no clients can connect"`)
		<-time.After(50 * time.Second) // six attempts: 1 + 2 + 4 + 8 + 16 s, each a fifth more or less, and one more
		synctest.Wait()
		room.away = nil
		pages, err := p.db.PagesOf("INC-1")
		if err != nil || len(pages) != 3 {
			t.Fatalf("%+v, %v", pages, err)
		}
		for _, page := range pages {
			want := pager.Failed
			if page.Channel == "mail" {
				want = pager.Delivered
			}
			if page.State != want || want == pager.Failed && page.Attempts != 6 {
				t.Errorf("%s is %s after %d attempts", page.Key(), page.State, page.Attempts)
			}
		}
	})
}
