package slack_test

import (
	"strings"
	"testing"

	"irisops/bot/slack/slacktest"
)

// Home shows what waits for each person, follows what happens, and its buttons
// work, for whoever may press them.
func TestHome(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	c := newWorld()
	live(t, setting{api: s.API(), clusters: c.served()})
	s.OpenHome(operator)
	home := s.ExpectHome(operator, "Nothing waits for you", "No incident is open", "all 3 nodes answer", "On call", "primary", "[Declare an Incident]")
	s.OpenHome(stranger)
	s.ExpectHome(stranger, "U99")

	s.ClickHome(home, "Status")
	s.ExpectPost(ops, "No incident is open", "Asked by <@U01>")
	s.ClickHome(home, "Declare an Incident")
	form := s.ExpectForm(operator, "Declare", "Priority")
	s.Submit(form, map[string]string{"priority": "P0", "title": "no clients"})
	parent := s.ExpectPost(ops, "INC-1 P0 open: no clients")
	s.ExpectInThread(parent, "PAGE")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.ExpectHome(operator, "1 thing is waiting for you", "INC-1 P0 is not acknowledged: no clients", "[Acknowledge]", "Next page")
	s.OpenHome(second)
	theirs := s.ExpectHome(second, "INC-1 P0 is not acknowledged")
	s.OpenHome(guest)
	guests := s.ExpectHome(guest, "Nothing waits for you", "INC-1 P0 open")
	if strings.Contains(s.HomeShown(guests), "[Acknowledge]") {
		t.Error("a guest is offered what they may not do")
	}
	s.ClickHome(theirs, "Acknowledge").Again()
	s.ExpectInThread(parent, "INC-1 acknowledged by second")
	s.ExpectPost(ops, "INC-1 P0 acknowledged by second")
	s.ExpectEdited(parent, "acknowledged")
	s.ExpectHome(operator, "Nothing waits for you", "INC-1 P0 acknowledged")

	s.Mention(operator, ops, parent, "stop core")
	run := s.ExpectInThread(parent, "REQ-1 needs a second person")
	s.ExpectInThread(parent, "REQ-1 waits for your approval")
	theirs = s.ExpectHome(second, "1 thing is waiting for you", "REQ-1 needs a second person: Stop core", "Asked by operator", "[Approve]", "[Deny]")
	stale := s.CopyHome(theirs)
	s.ClickHome(theirs, "Deny")
	s.ExpectEdited(run, "REQ-1 denied")
	s.ExpectHome(second, "Nothing waits for you")
	s.ClickHomeAndConfirm(stale, "Approve", "Stop core") // an old screen
	s.ExpectHome(second, "Refused", "REQ-1 is settled already")
	s.NothingElse()
}
