package slack_test

import (
	"testing"

	"irisops/bot"
	"irisops/bot/message"
	"irisops/bot/slack/slacktest"
)

// A page that is kept before its incident's head neither holds up the head nor
// the on-call channel.
func TestPageBeforeItsHead(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), onCall: onCall})
	paged := make(chan error, 1)
	go func() {
		paged <- l.room.Publish(t.Context(), bot.Post{Key: "page/INC-9/x", Incident: "INC-9", OnCall: true, Person: "operator",
			Message: message.Message{Level: message.Page, Title: "operator: INC-9"}})
	}()
	s.ExpectPost(onCall, "operator: INC-9")
	if err := l.room.Publish(t.Context(), bot.Post{Key: "incident/INC-9", Incident: "INC-9", Parent: true, Message: message.Message{Title: "INC-9 P0 open"}}); err != nil {
		t.Fatal(err)
	}
	head := s.ExpectPost(ops, "INC-9 P0 open")
	s.ExpectInThread(head, "operator: INC-9")
	if err := <-paged; err != nil {
		t.Error(err)
	}
	s.NothingElse()
}
