package slack_test

import (
	"testing"
	"time"

	"irisops/bot/escalation"
	"irisops/bot/slack/slacktest"
)

// The whole P0 loop, by slash command, mention, thread and buttons.
func TestWholeLoop(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops, onCall)
	c := newWorld()
	c.set("edge1", "down")
	live(t, setting{api: s.API(), clusters: c.served(), onCall: onCall,
		steps: []escalation.PolicyStep{{Role: "primary"}, {After: 4 * time.Second, Role: "sre"}, {After: 6 * time.Second, Role: "owner"}}})

	s.Say(operator, ops, `/iris declare P0 "no clients can connect"`)
	parent := s.ExpectPost(ops, "CRITICAL", "INC-1 P0 open: no clients can connect", "[Acknowledge]")
	s.ExpectInThread(parent, "PAGE", "operator (primary): INC-1 P0: no clients can connect")
	page := s.ExpectPost(onCall, "<@U01>", "PAGE", "INC-1 P0", "[Acknowledge]")
	diagnosis := s.ExpectInThread(parent, "CRITICAL", "edge1 down", "[Restart edge1]")

	s.Click(operator, page, "Acknowledge")
	s.ExpectInThread(parent, "INC-1 acknowledged by operator")
	s.ExpectEdited(parent, "INC-1 P0 acknowledged", "operator, since")
	s.ExpectPost(ops, "INC-1 P0 acknowledged by operator: no clients can connect")
	s.ExpectEdited(page, "INC-1 P0 acknowledged")
	if left := s.Buttons(page); len(left) != 0 {
		t.Errorf("the page still has %q", left)
	}

	// Acknowledging stops no clock.
	s.ExpectPost(onCall, "<@U03>", "second (sre)", "4s")
	s.ExpectInThread(parent, "second (sre)")
	s.ExpectPost(onCall, "<@U02>", "owner (owner)")
	s.ExpectInThread(parent, "owner (owner)")

	s.Click(operator, diagnosis, "Restart edge1")
	run := s.ExpectInThread(parent, "REQ-1 ready: Restart edge1", "stop edge1", "[Confirm]", "[Deny]")
	s.Click(second, run, "Confirm")
	s.ExpectEphemeral(second, "Refused", "only the requester confirms this")
	s.Click(operator, run, "Confirm")
	s.ExpectEdited(run, "REQ-1 done", "Confirmed by operator at", "✓ start edge1")
	if left := s.Buttons(run); len(left) != 1 || left[0] != "Verify" {
		t.Errorf("the request still has %q", left)
	}

	s.Mention(second, ops, parent, "note the switch was rebooted &amp; works")
	s.ExpectInThread(parent, "Noted in the timeline of INC-1")
	s.Mention(operator, ops, parent, "verify")
	verified := s.ExpectInThread(parent, "2 of 2 edges let clients in", "[Recovered]")
	s.Click(operator, verified, "Recovered")
	s.ExpectInThread(parent, "INC-1 recovered after", "verified")
	s.ExpectEdited(parent, "INC-1 P0 recovered")
	s.ExpectPost(ops, "INC-1 P0 recovered after")
	s.ExpectPinned(parent, true)
	s.Click(operator, parent, "Resolve")
	s.ExpectInThread(parent, "INC-1 resolved by operator")
	s.ExpectEdited(parent, "INC-1 P0 resolved")
	s.ExpectPost(ops, "INC-1 P0 resolved by operator")
	s.ExpectPinned(parent, false)
	if left := s.Buttons(parent); len(left) != 0 {
		t.Errorf("the incident still has %q", left)
	}
	s.Mention(operator, ops, parent, "timeline")
	s.ExpectInThread(parent, "Timeline of INC-1", "acknowledged", "the switch was rebooted & works", "REQ-1 done", "resolved")
	s.Say(guest, ops, "/iris status")
	s.ExpectPost(ops, "No incident is open", "Asked by <@U04>")
	s.NothingElse()
}
