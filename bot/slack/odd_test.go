package slack_test

import (
	"testing"
	"time"

	"irisops/bot"
	"irisops/bot/escalation"
	"irisops/bot/message"
	"irisops/bot/slack/slacktest"
)

// A restart repeats nothing: what is open is edited where it stands.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	set := setting{dir: t.TempDir(), api: s.API(), clusters: newWorld().served(), onCall: onCall}
	l, err := begin(set)
	if err != nil {
		t.Fatal(err)
	}
	s.Say(operator, ops, `/iris declare P0 "no clients"`)
	parent := s.ExpectPost(ops, "INC-1 P0 open")
	s.ExpectPost(onCall, "PAGE")
	s.ExpectInThread(parent, "PAGE")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.Mention(operator, ops, parent, "restart edge1")
	run := s.ExpectInThread(parent, "REQ-1 ready")
	s.NothingElse()
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	live(t, set)
	s.NothingElse()
	s.Click(operator, run, "Confirm")
	s.ExpectEdited(run, "REQ-1 done")
	s.NothingElse()
}

// Without an on-call channel of its own a page is shown in the thread and to the
// whole channel.
func TestOneChannel(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	live(t, setting{api: s.API(), clusters: newWorld().served(), steps: []escalation.PolicyStep{{Role: "primary"}, {Role: "nobody"}}})
	s.Say(operator, ops, `/iris declare P0 "no clients"`)
	parent := s.ExpectPost(ops, "INC-1 P0 open")
	page := s.ExpectInThread(parent, "<@U01>", "PAGE", "(primary)")
	if !page.Broadcast() {
		t.Error("the page is hidden in the thread")
	}
	for _, user := range []string{operator, owner, second} {
		s.ExpectInThread(parent, "<@"+user+">", "(nobody:")
	}
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.NothingElse()
}

func TestLateCommandsAskAgain(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.Say(operator, ops, "/iris declare P1 slow")
	parent := s.ExpectPost(ops, "INC-1 P1 open")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.Late(5 * time.Minute)
	s.Mention(operator, ops, parent, "resolve too late")
	s.ExpectEphemeral(operator, "Is `resolve too late", "was said 5 minutes ago", "[Do It Now]")
	s.Click(operator, parent, "Acknowledge")
	late := s.ExpectEphemeral(operator, "was said 5 minutes ago", "[Do It Now]")
	s.Late(0)
	s.ClickEphemeral(operator, late, "Do It Now")
	s.ExpectInThread(parent, "INC-1 acknowledged by operator")
	s.ExpectPost(ops, "INC-1 P1 acknowledged")
	s.ExpectEdited(parent, "acknowledged")
	s.Late(5 * time.Minute)
	s.Mention(operator, ops, parent, "whoami") // changes nothing
	s.ExpectInThread(parent, "operator")
	s.NothingElse()
}

// What is no command of a person is acknowledged, and nothing else; what the
// library cannot read is read all the same.
func TestOddEnvelopes(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	live(t, setting{api: s.API(), clusters: newWorld().served()})
	event := func(e map[string]any) map[string]any {
		return map[string]any{"type": "event_callback", "event_id": "Ev9", "event": e, "authorizations": []any{map[string]any{"user_id": slacktest.BotUser}}}
	}
	s.Deliver("events_api", event(map[string]any{"type": "app_mention", "bot_id": "B9", "user": "U9", "text": "<@U0IRIS> status", "ts": "1.1", "channel": ops}))
	s.Deliver("events_api", event(map[string]any{"type": "app_mention", "user": slacktest.BotUser, "text": "<@U0IRIS> status", "ts": "1.1", "channel": ops}))
	s.Deliver("events_api", event(map[string]any{"type": "reaction_added", "user": "U01"}))
	s.Deliver("interactive", map[string]any{"type": "view_closed", "user": map[string]any{"id": "U01"}})
	s.Deliver("interactive", map[string]any{"type": "block_actions", "user": map[string]any{"id": operator}, "channel": map[string]any{"id": ops},
		"container": map[string]any{"message_ts": "1.1", "channel_id": ops, "thread_ts": ""},
		"message":   map[string]any{"blocks": []any{map[string]any{"type": "section", "text": 7}}}, // a block that no one knows
		"actions":   []any{map[string]any{"type": "overflow", "action_id": "x"}}})
	s.Deliver("slash_commands", map[string]any{"channel_id": ops, "user_id": operator, "text": "whoami", "trigger_id": "1.x", "is_enterprise_install": "false"})
	s.ExpectPost(ops, "operator")
	s.Mention(operator, ops, nil, "")
	s.ExpectInThread(s.Written(ops), "What you can ask of me")
	s.Mention(operator, ops, nil, "status please")
	s.ExpectEphemeral(operator, "Refused")
	s.NothingElse()
}

// A message that Slack refuses for its looks is shown as text.
func TestPlainText(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.Fail("chat.postMessage", 1, "invalid_blocks")
	publish := func(title string) {
		t.Helper()
		if err := l.room.Publish(t.Context(), bot.Post{Key: "alarm/x", Message: message.Message{Title: title}}); err != nil {
			t.Fatal(err)
		}
	}
	publish("one")
	m := s.ExpectPost(ops, "one")
	if s.HasBlocks(m) {
		t.Error("it has blocks")
	}
	s.Fail("chat.update", 1, "msg_blocks_too_long")
	publish("two")
	s.ExpectEdited(m, "two")
	if err := l.room.Publish(t.Context(), bot.Post{Key: "run/REQ-8", Replay: true, Message: message.Message{Title: "over"}}); err != nil {
		t.Fatal(err) // it is over, and was never shown here
	}
	s.Fail("chat.update", 2, "invalid_blocks")
	publish("three")
	l.alarms.wait(t, "could not be shown in Slack: alarm/x")
	publish("four")
	s.ExpectEdited(m, "four")
	s.Fail("chat.postMessage", 1, "not_in_channel")
	if err := l.room.Publish(t.Context(), bot.Post{Key: "alarm/y", Message: message.Message{Title: "y"}}); err != nil {
		t.Fatal(err)
	}
	l.alarms.wait(t, "Slack refuses messages in the channel "+ops)
	s.Patience(30 * time.Second)
	s.ExpectPost(ops, "y")
	s.NothingElse()
}
