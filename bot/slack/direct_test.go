package slack_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"irisops/bot"
	"irisops/bot/escalation"
	"irisops/bot/message"
	"irisops/bot/oncall"
	"irisops/bot/pager"
	"irisops/bot/slack/outbox"
	"irisops/bot/slack/slacktest"
	"irisops/store"
)

// directly has people paged in Slack as the config has it: by direct message, and
// where that is refused, in the conversation.
func directly() map[string][]string {
	contacts := map[string][]string{}
	for _, p := range policy().People {
		contacts[p.ID] = []string{pager.DirectMessage, oncall.Conversation}
	}
	return contacts
}

// A page stands in the thread, in the on-call channel and before the person alone;
// its buttons work there for that person only, and what is settled anywhere is
// settled everywhere.
func TestDirectMessage(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall, contacts: directly(),
		steps: []escalation.PolicyStep{{Role: "primary"}, {After: 4 * time.Second, Role: "sre"}, {After: time.Hour, Role: "owner"}}})
	s.Say(second, ops, `/iris declare P0 "no clients can connect"`)
	parent := s.ExpectPost(ops, "INC-1 P0 open")
	s.ExpectInThread(parent, "PAGE", "operator (primary)")
	copied := s.ExpectPost(onCall, "<@U01>", "PAGE", "INC-1 P0")
	dm := s.ExpectPost(s.Direct(operator), "PAGE", "operator (primary): INC-1 P0: no clients can connect", "[Acknowledge]", "[I Can't, Next]")
	if strings.Contains(s.Shown(dm), "<@") {
		t.Errorf("a direct message mentions somebody: %s", s.Shown(dm))
	}
	s.ExpectInThread(parent, "all 3 nodes answer")

	s.ExpectInThread(parent, "second (sre)")
	s.ExpectPost(onCall, "<@U03>", "second (sre)")
	later := s.ExpectPost(s.Direct(second), "PAGE", "second (sre)", "INC-1 P0 not recovered")
	for _, m := range []*slacktest.Message{copied, dm} { // the second page takes no button from the first
		if got := s.Buttons(m); !slices.Equal(got, []string{"Acknowledge", "I Can't, Next"}) {
			t.Errorf("the page in %s has %q", m.Channel, got)
		}
	}

	picture(t, s, "slack-page", dm, copied)

	s.Click(second, dm, "Acknowledge") // which Slack does not let happen
	s.ExpectEphemeral(second, "I work in <#C0OPS>")
	if inc, err := l.db.Incident(1); err != nil || inc.AckedBy != "" {
		t.Fatalf("acknowledged by %q, %v", inc.AckedBy, err)
	}
	s.Say(operator, s.Direct(operator), "/iris status")
	s.ExpectEphemeral(operator, "I work in <#C0OPS>")
	s.Mention(operator, s.Direct(operator), nil, "status") // it is not heard there
	s.ExpectEphemeral(operator, "I work in <#C0OPS>")

	s.Click(operator, dm, "Acknowledge")
	s.ExpectInThread(parent, "INC-1 acknowledged by operator")
	s.ExpectPost(ops, "INC-1 P0 acknowledged by operator")
	s.ExpectEdited(parent, "INC-1 P0 acknowledged")
	for _, m := range []*slacktest.Message{copied, dm, later} {
		s.ExpectEdited(m, "INC-1 P0 acknowledged by operator")
		if left := s.Buttons(m); len(left) != 0 {
			t.Errorf("the page in %s still has %q", m.Channel, left)
		}
	}
	s.Mention(owner, ops, parent, "why-paged @operator")
	s.ExpectInThread(parent, "operator was paged 1 times for INC-1", "Slack direct message")
	s.NothingElse()
}

// Acknowledged in another system, by a mail's link, or by anybody's words, the
// direct message is settled as well. Who cannot take it says so there.
func TestDirectMessageIsSettledElsewhere(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall, contacts: directly()})
	s.Say(owner, ops, `/iris declare P0 "no clients can connect"`)
	parent := s.ExpectPost(ops, "INC-1 P0 open")
	s.ExpectInThread(parent, "PAGE", "operator (primary)")
	s.ExpectPost(onCall, "<@U01>")
	first := s.ExpectPost(s.Direct(operator), "operator (primary)")
	s.ExpectInThread(parent, "all 3 nodes answer")

	s.Click(operator, first, "I Can't, Next")
	s.ExpectInThread(parent, "operator cannot take INC-1: sre (second) is called now")
	s.ExpectInThread(parent, "PAGE", "second (sre)")
	s.ExpectPost(onCall, "<@U03>")
	next := s.ExpectPost(s.Direct(second), "PAGE", "second (sre)", "[Acknowledge]")
	pages, err := l.db.PagesOf("INC-1")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(pages, func(p pager.Page) bool { return p.Person == "second" })
	if err := l.bot.AcknowledgedThere(t.Context(), "pagerduty", "event-1", pages[i].Reference(), "second"); err != nil {
		t.Fatal(err)
	}
	for _, m := range []*slacktest.Message{first, next} {
		s.ExpectEdited(m, "INC-1 P0 acknowledged by second")
		if left := s.Buttons(m); len(left) != 0 {
			t.Errorf("the page in %s still has %q", m.Channel, left)
		}
	}
	s.ExpectInThread(parent, "INC-1 acknowledged by second")
	s.ExpectPost(ops, "INC-1 P0 acknowledged by second")
	s.ExpectEdited(parent, "INC-1 P0 acknowledged")
	s.NothingElse()
}

// What somebody may not is refused where they pressed it, and a late press asks
// again there.
func TestDirectMessageAnswersThere(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall, contacts: directly()})
	s.Say(owner, ops, "/iris page @guest look at edge1")
	s.ExpectPost(ops, "Paging guest by Slack direct message, then by conversation.")
	s.ExpectPost(ops, "PAGE", "guest (direct)")
	s.ExpectPost(onCall, "<@U04>")
	s.ExpectPost(s.Direct(guest), "PAGE", "look at edge1")
	s.ExpectPost(ops, "Paged guest by Slack direct message.")

	s.Say(owner, ops, `/iris declare P1 "slow"`)
	parent := s.ExpectPost(ops, "INC-1 P1 open")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.Mention(owner, ops, parent, "page @guest and at this")
	s.ExpectInThread(parent, "Paging guest")
	s.ExpectInThread(parent, "PAGE", "guest (direct)")
	s.ExpectPost(onCall, "<@U04>", "and at this")
	dm := s.ExpectPost(s.Direct(guest), "PAGE", "and at this", "[Acknowledge]")
	s.Click(guest, dm, "Acknowledge")
	s.ExpectInThread(dm, "Refused", "needs responder")

	s.Mention(owner, ops, parent, "page @second and you")
	s.ExpectInThread(parent, "Paging second")
	s.ExpectInThread(parent, "PAGE", "second (direct)")
	s.ExpectPost(onCall, "<@U03>", "and you")
	dm = s.ExpectPost(s.Direct(second), "PAGE", "and you", "[Acknowledge]")
	s.Late(5 * time.Minute)
	s.Click(second, dm, "Acknowledge")
	asked := s.ExpectInThread(dm, "was said 5 minutes ago", "[Do It Now]")
	s.Late(0)
	s.Click(second, asked, "Do It Now")
	s.ExpectInThread(parent, "INC-1 acknowledged by second")
	s.ExpectEdited(dm, "INC-1 P1 acknowledged by second")
	s.ExpectEdited(parent, "INC-1 P1 acknowledged")
	s.ExpectPost(ops, "INC-1 P1 acknowledged by second")
	s.ExpectEdited(asked, "pressed by second")
	s.NothingElse()
}

// A direct message that Slack refuses holds up nothing else: the person is called
// in the on-call channel, and the incident says what to do.
func TestRefusedDirectMessage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refuse func(*slacktest.Slack)
		says   string
	}{
		"scope":        {func(s *slacktest.Slack) { s.Revoke("im:write") }, "the app lacks the scope im:write (missing_scope). Paste `irisops manifest`"},
		"disabled":     {func(s *slacktest.Slack) { s.NoDirect(operator, "user_disabled") }, "Slack lets the app write to no user U01 (user_disabled). Correct slack: of operator"},
		"a bot":        {func(s *slacktest.Slack) { s.NoDirect(operator, "cannot_dm_bot") }, "(cannot_dm_bot)"},
		"messages tab": {func(s *slacktest.Slack) { s.Fail("conversations.open", 1, "messages_tab_disabled") }, "the app's Messages Tab is off"},
		"channel":      {func(s *slacktest.Slack) { s.NoDirect(operator, "channel_not_found") }, "Slack refuses direct messages to operator (channel_not_found). Ask who"},
		"permission":   {func(s *slacktest.Slack) { s.NoDirect(operator, "no_permission") }, "Slack refuses direct messages to operator (no_permission)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := slacktest.New(t, ops, onCall)
			l := live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall, contacts: directly()})
			c.refuse(s)
			s.Say(second, ops, `/iris declare P0 "no clients can connect"`)
			parent := s.ExpectPost(ops, "INC-1 P0 open")
			s.ExpectInThread(parent, "PAGE", "operator (primary)")
			copied := s.ExpectPost(onCall, "<@U01>", "PAGE", "[Acknowledge]")
			s.ExpectPost(onCall, "Warning", "operator was NOT reached by Slack direct message", c.says, "Trying in the conversation instead")
			s.ExpectInThread(parent, "operator was NOT reached by Slack direct message", c.says)
			s.ExpectInThread(parent, "all 3 nodes answer")
			s.Click(operator, copied, "Acknowledge")
			s.ExpectInThread(parent, "INC-1 acknowledged by operator")
			s.ExpectEdited(parent, "INC-1 P0 acknowledged")
			s.ExpectEdited(copied, "INC-1 P0 acknowledged by operator")
			s.ExpectPost(ops, "INC-1 P0 acknowledged by operator")
			s.NothingElse()
			states := map[string]pager.State{}
			pages, err := l.db.PagesOf("INC-1")
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range pages {
				states[p.Channel] = p.State
			}
			if states[pager.DirectMessage] != pager.Failed || states[oncall.Conversation] != pager.Delivered || len(states) != 2 {
				t.Errorf("%v", states)
			}
			l.alarms.mu.Lock()
			defer l.alarms.mu.Unlock()
			if len(l.alarms.all) > 0 {
				t.Errorf("told besides: %q", l.alarms.all)
			}
		})
	}
}

// Who has no Slack account is called in the conversation.
func TestNoDirectMessageWithoutAnAccount(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	people := policy()
	people.People[0].Slack = ""
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), policy: &people})
	err := l.room.PublishDirect(t.Context(), bot.Post{Key: "page/x", OnCall: true, Person: "operator"})
	if verdict, _ := pager.Judge(err); verdict != pager.Refused || !strings.Contains(err.Error(), "operator has no Slack account") {
		t.Errorf("%v", err)
	}
	s.ExpectPost(ops, "(no title)")
	if n := s.Calls("conversations.open"); n > 0 {
		t.Errorf("conversations.open was called %d times", n)
	}
}

// Many pages at once are few direct messages, in which each is named.
func TestDirectMessagesOfAStorm(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	s.Patience(time.Minute)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall, contacts: directly()})
	s.Refuse("fatal_error") // an answer after which nothing is sure
	const many = 8
	for i := range many {
		if out := l.bot.Handle(t.Context(), delivery("operator", `declare P0 "trouble `+string(rune('a'+i))+`"`)); out.Wait() != bot.ExitDone {
			t.Fatal("not declared")
		}
	}
	s.Refuse("")
	var texts []string
	s.Await("direct messages that name each incident", func() bool {
		texts = nil
		for _, m := range s.Messages(s.Direct(operator)) {
			texts = append(texts, m.Text())
		}
		all := strings.Join(texts, "\n")
		for i := range many {
			if !strings.Contains(all, "trouble "+string(rune('a'+i))) {
				return false
			}
		}
		return true
	})
	if len(texts) >= many || !strings.Contains(strings.Join(texts, "\n"), "pages at once, for INC-") {
		t.Errorf("%d direct messages:\n%s", len(texts), strings.Join(texts, "\n---\n"))
	}
	var together *slacktest.Message
	for _, m := range s.Messages(s.Direct(operator)) {
		if strings.Contains(m.Text(), "pages at once") {
			together = m
		}
	}
	s.Click(operator, together, "Show Status")
	s.ExpectPost(ops, "8 incidents open", "Asked by <@U01>")
}

// Killed between the moment when Slack took a direct message and that when it is
// recorded, irisops finds it again by its mark, marks the page as what it may be,
// and its buttons work.
func TestKilledBehindADirectMessage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := slacktest.New(t, ops, onCall)
	s.Patience(40 * time.Second)
	stop := lives(t, dir, s.API(), behindDirect)
	s.Say(operator, ops, `/iris declare P0 "no clients can connect"`)
	dm := s.ExpectPost(s.Direct(operator), "PAGE", "operator (primary)")
	s.ExpectEdited(dm, "[possible duplicate]")
	s.Click(operator, dm, "Acknowledge")
	s.ExpectEdited(dm, "INC-1 P0 acknowledged by operator")
	s.Settle()
	if n := stop(); n != 2 {
		t.Errorf("there were %d lives", n)
	}
	if all := s.Messages(s.Direct(operator)); len(all) != 1 {
		t.Errorf("%d direct messages", len(all))
	}
}

// behindDirect, for crashAt, is where a direct message is about to be recorded.
const behindDirect = -1

// killer dies instead of recording where a direct message stands.
type killer struct{ *store.DB }

func (k killer) NotePost(ctx context.Context, key string, change func(*outbox.Post) bool) error {
	if strings.HasPrefix(key, "direct/") {
		p, _, err := k.PostOf(key)
		if err != nil {
			return err
		}
		if before := p.TS; change(&p) && before == "" && p.TS != "" {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	return k.DB.NotePost(ctx, key, change)
}

// An answer that is lost on the way makes no second direct message.
func TestLostAnswersToADirectMessage(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall})
	s.LoseAnswer("conversations.open", 1)
	s.Patience(20 * time.Second)
	page := func(name string) {
		t.Helper()
		err := l.room.PublishDirect(t.Context(), bot.Post{Key: "page/" + name, OnCall: true, Person: "operator", Message: message.Message{Level: message.Page, Title: name}})
		if err != nil {
			t.Error(err)
		}
		s.ExpectPost(s.Direct(operator), name)
		s.ExpectPost(onCall, name)
		s.ExpectPost(ops, name)
	}
	page("first")
	s.LoseAnswer("chat.postMessage", 3) // of the direct message, and of the others
	page("second")
	s.NothingElse()
	if n := s.Calls("conversations.open"); n != 2 {
		t.Errorf("conversations.open was called %d times", n)
	}
}

// What is too long is shown below, for the person alone.
func TestDirectMessageShowsMore(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall})
	long := bot.Post{Key: "page/long", OnCall: true, Person: "operator", Message: message.Message{Level: message.Page, Title: "long",
		Blocks: []message.Block{{Text: strings.Repeat("trouble upon trouble\n", 900)}}}}
	if err := l.room.PublishDirect(t.Context(), long); err != nil {
		t.Fatal(err)
	}
	s.ExpectPost(onCall, "long")
	s.ExpectPost(ops, "long")
	dm := s.ExpectPost(s.Direct(operator), "long", "[Show More]")
	s.Click(operator, dm, "Show More")
	s.ExpectEdited(dm, "all of it is shown below")
	s.Await("the file", func() bool {
		all := s.Messages(s.Direct(operator))
		last := all[len(all)-1]
		return len(all) == 2 && last.Thread == dm.TS && strings.Contains(s.FileIn(last), "trouble upon trouble")
	})
}
