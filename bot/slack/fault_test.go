package slack_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"irisops/actions"
	"irisops/bot"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/slack"
	"irisops/bot/slack/slacktest"
)

func TestWhoMayNotIsToldPrivately(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall, "C0OTHER")
	s.AddChannel("C0FOREIGN")
	s.Group("S0TEAM", "U07")
	live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall})

	s.Say(stranger, ops, "/iris status")
	s.ExpectEphemeral(stranger, "Refused", "U99", "slack: U99")
	s.Mention(stranger, ops, nil, "declare P0 x")
	s.ExpectEphemeral(stranger, "Refused", "U99")
	s.Say(operator, "C0FOREIGN", "/iris status") // the bot is no member there
	s.ExpectEphemeral(operator, "I work in <#C0OPS>")
	s.Mention(operator, "C0OTHER", nil, "status").Again()
	s.ExpectEphemeral(operator, "I work in <#C0OPS>")
	s.Say(guest, ops, "/iris declare P0 x")
	s.ExpectEphemeral(guest, "Refused", "declare` needs responder")
	s.Say(operator, ops, "/iris declair P0 x")
	s.ExpectEphemeral(operator, "Refused", "declare")
	s.Say("U07", ops, `/iris declare P1 "slow"`) // a member of the group that carries responder
	parent := s.ExpectPost(ops, "INC-1 P1 open: slow", "slack:U07")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.Mention("U07", ops, parent, "restart edge1")
	s.ExpectEphemeral("U07", "Refused", "needs operator")
	s.NothingElse()
	if n := s.Calls("usergroups.users.list"); n != 1 {
		t.Errorf("the group was asked for %d times", n)
	}
}

func TestWhatIsSaidTwiceIsDoneOnce(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.DeliverTwice()
	said := s.Say(operator, ops, `/iris declare P1 "slow"`)
	parent := s.ExpectPost(ops, "INC-1 P1 open")
	s.ExpectInThread(parent, "all 3 nodes answer")
	said.Again()
	s.DeliverTwice()
	s.Click(operator, parent, "Acknowledge").Again()
	s.ExpectInThread(parent, "INC-1 acknowledged by operator")
	s.ExpectEdited(parent, "acknowledged")
	s.ExpectPost(ops, "INC-1", "acknowledged by operator")
	noted := s.Mention(operator, ops, parent, "note once")
	noted.Again()
	s.ExpectInThread(parent, "Noted")
	s.NothingElse()
}

func TestDisconnects(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	live(t, setting{api: s.API(), clusters: newWorld().served()})
	for i, lose := range []func(){func() { s.Disconnect("warning") }, func() { s.Disconnect("refresh_requested") }, s.Cut} {
		lose()
		title := fmt.Sprintf("after %d", i)
		s.Say(operator, ops, `/iris declare P1 "`+title+`"`)
		parent := s.ExpectPost(ops, "P1 open: "+title)
		s.ExpectInThread(parent, "all 3 nodes answer")
		if i > 0 {
			s.ExpectInThread(parent, "Also open")
		}
	}
	s.NothingElse()
}

func TestTooFast(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	s.RateLimit("chat.postMessage", 2, 2*time.Second)
	s.RateLimit("chat.postMessage", 1, 0)
	s.RateLimit("chat.update", 1, time.Second)
	live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall})
	began := time.Now()
	s.Say(operator, ops, `/iris declare P0 "no clients"`)
	page := s.ExpectPost(onCall, "PAGE", "<@U01>")
	parent := s.ExpectPost(ops, "INC-1 P0 open")
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("Retry-After was not honoured: %s", took)
	}
	s.ExpectInThread(parent, "PAGE")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.Click(operator, parent, "Acknowledge")
	s.ExpectInThread(parent, "acknowledged by operator")
	s.ExpectEdited(parent, "acknowledged")
	s.ExpectPost(ops, "INC-1", "acknowledged by operator")
	s.ExpectEdited(page, "acknowledged")
	s.NothingElse()
}

// An answer that is lost on the way leaves it open whether Slack has taken the
// message: it is looked for before it is sent again.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	s.LoseAnswer("chat.postMessage", 2)
	live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.Say(operator, ops, `/iris declare P1 "slow"`)
	parent := s.ExpectPost(ops, "INC-1 P1 open")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.LoseAnswer("chat.update", 1)
	s.Click(operator, parent, "Acknowledge")
	s.ExpectInThread(parent, "acknowledged by operator")
	s.ExpectEdited(parent, "acknowledged")
	s.ExpectPost(ops, "INC-1", "acknowledged by operator")
	s.NothingElse()
}

// A page that Slack does not show is said not to have arrived, and the clocks
// and everything beside Slack go on. When Slack takes the bot again, what was
// kept is shown.
func TestRefusedBot(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall})
	s.Say(operator, ops, "/iris status")
	s.ExpectPost(ops, "No incident is open")
	s.Refuse("token_revoked")
	if out := l.bot.Handle(t.Context(), delivery("operator", `declare P0 "no clients"`)); out.Wait() != bot.ExitDone {
		t.Fatal("nothing is done while Slack refuses the bot")
	}
	l.alarms.wait(t, "Slack refuses the bot")
	if !l.alarms.said("SLACK_BOT_TOKEN") {
		t.Errorf("told %q", l.alarms.all)
	}
	s.Cut() // and now it cannot listen either
	l.alarms.wait(t, "What people say in Slack does not arrive")
	inc, err := l.db.Incident(1)
	if err != nil || inc.State != incident.Open {
		t.Errorf("%v %v", inc.State, err)
	}
	if err := l.room.Publish(t.Context(), bot.Post{Key: "page/INC-1/x", Incident: "INC-1", OnCall: true, Message: message.Message{Title: "x"}}); err == nil {
		t.Error("a page that Slack does not show is said to have arrived")
	}
	s.Refuse("")
	s.Patience(time.Minute)
	s.ExpectPost(onCall, "PAGE", "INC-1 P0")
	parent := s.ExpectPost(ops, "INC-1 P0 open")
	s.ExpectPost(onCall, "x")
	s.ExpectInThread(parent, "PAGE", "INC-1 P0")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.ExpectInThread(parent, "x")
	s.Say(operator, ops, "/iris whoami")
	s.ExpectPost(ops, "operator")
	s.NothingElse()
}

// Text that machines and people wrote calls nobody and breaks nothing.
func TestHostileText(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served()})
	nasty := "<!channel> @here @Channel <@U02> &amp; <https://x|y> *b* `c` ```d``` \x1b[31mred\x07 \u202e" + strings.Repeat("&<>", 4000)
	err := l.room.Publish(t.Context(), bot.Post{Key: "nasty/1", Message: message.Message{Title: nasty, Level: message.Critical,
		Blocks: []message.Block{{Text: nasty}, {Code: &message.Code{Text: nasty}}, {Fields: []message.Field{{Name: nasty, Value: nasty}}},
			{Table: &message.Table{Rows: [][]string{{nasty, nasty}}}}, {Checklist: &message.Checklist{Items: []message.Item{{Text: nasty, Note: nasty}}}}},
		Buttons: []message.Button{{Label: nasty, Words: "status", Style: message.Danger, Confirm: nasty}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.ExpectPost(ops, "CRITICAL")
	s.NothingElse()
}

// A message that somebody took away is posted anew when it changes.
func TestTakenAway(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served()})
	post := func(title string) {
		t.Helper()
		if err := l.room.Publish(t.Context(), bot.Post{Key: "alarm/x", Message: message.Message{Title: title}}); err != nil {
			t.Fatal(err)
		}
	}
	post("one")
	m := s.ExpectPost(ops, "one")
	post("one")
	s.NothingElse()
	s.Forget(m)
	post("two")
	s.ExpectPost(ops, "two")
	s.NothingElse()
}

// Many states of one message become a few edits, the last one the newest.
func TestEditsAreCoalesced(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served()})
	for i := range 100 {
		if err := l.room.Publish(t.Context(), bot.Post{Key: "run/REQ-1", Message: message.Message{Title: fmt.Sprintf("step %d.", i)}}); err != nil {
			t.Fatal(err)
		}
	}
	m := s.ExpectPost(ops, "step")
	s.ExpectEdited(m, "step 99.")
	if n := s.Edits(m); n > 3 {
		t.Errorf("%d edits", n)
	}
}

// What waits is sent in the order of its urgency, and pages first.
func TestPagesPass(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.RateLimit("chat.postMessage", 1, 2*time.Second)
	publish := func(p bot.Post) {
		if err := l.room.Publish(t.Context(), p); err != nil {
			t.Error(err)
		}
	}
	publish(bot.Post{Key: "note/first", Message: message.Message{Title: "first"}})
	for s.Calls("chat.postMessage") == 0 {
		tick := time.NewTimer(time.Millisecond)
		<-tick.C
	}
	for i := range 8 {
		publish(bot.Post{Key: fmt.Sprint("note/", i), Message: message.Message{Title: "a note"}})
	}
	publish(bot.Post{Key: "run/REQ-9", Message: message.Message{Title: "decide", Buttons: []message.Button{{Label: "Approve", Words: "approve REQ-9"}}}})
	publish(bot.Post{Key: "page/INC-9/x", OnCall: true, Person: "owner", Message: message.Message{Level: message.Page, Title: "wake up"}})
	s.ExpectPost(ops, "decide")
	var order []string
	for _, m := range s.Messages(ops) {
		order = append(order, m.Text())
	}
	if len(order) < 2 || !strings.Contains(order[0], "wake up") || order[1] != "decide" {
		t.Errorf("the order was %q", order)
	}
}

func TestNewRoomRefuses(t *testing.T) {
	for want, o := range map[string]slack.Options{
		"no channel": {BotToken: "xoxb-1"},
		"xoxb-":      {Channel: ops, BotToken: "xapp-1"},
		"xapp-":      {Channel: ops, BotToken: "xoxb-1", AppToken: "xoxb-1"},
		"no outbox":  {Channel: ops, BotToken: "xoxb-1", AppToken: "xapp-1"},
	} {
		if _, err := slack.NewRoom(o); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "xoxb-1") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// What panics while it is carried out ends nothing but itself.
func TestPanics(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	clusters := newWorld().served()
	clusters[0].Summary = func(context.Context) (actions.Level, string) { panic("summary") }
	for i, a := range clusters[0].Actions {
		if a.Name == "verify" {
			clusters[0].Actions[i].Look = func(context.Context, actions.Request) (actions.Result, error) { panic("look") }
		}
	}
	live(t, setting{api: s.API(), clusters: clusters})
	for _, words := range []string{"status", "verify"} {
		s.Say(operator, ops, "/iris "+words)
		s.ExpectEphemeral(operator, "Something in irisops broke")
	}
	s.Say(operator, ops, "/iris whoami")
	s.ExpectPost(ops, "operator")
	s.NothingElse()
}
