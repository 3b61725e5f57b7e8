package slack_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang"
	"irisops/actions/erlang/epmd"
	"irisops/actions/host"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
	"irisops/bot"
	"irisops/bot/escalation"
	"irisops/bot/slack/slacktest"
)

// The whole P0 loop on a lab of real nodes: an edge is killed, and everything
// from declare to resolve is said and pressed in Slack.
func TestWholeLoopOnTheLab(t *testing.T) {
	t.Parallel()
	l := labtest.ForTest(t, lab.Options{})
	spec := cluster.Spec{Name: "lab"}
	for _, n := range l.Nodes() {
		spec.Nodes = append(spec.Nodes, cluster.Node{Cluster: "lab", Short: n.Short, Name: n.Name, Role: cluster.Role(n.Role), Host: "local",
			Dir: l.Dir(), Target: n.Target, Log: n.Short + ".log", Port: n.Port, EPMDPort: l.EPMDPort()})
	}
	link, err := erlang.New(erlang.Options{Cookie: lab.Cookie, EPMDPort: l.EPMDPort()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	const patience = 5 * time.Second // two busy processors serve a whole test run
	c := cluster.New(spec, link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{Secrets: []string{lab.Cookie},
		Diagnose: patience, Survey: patience, Summary: patience, Verify: 4 * patience, SlowPing: patience, SlowLogin: patience, BadLogin: 2 * patience})

	s := slacktest.New(t, ops, onCall)
	s.Patience(time.Minute)
	live(t, setting{dir: filepath.Join(t.TempDir(), "data"), api: s.API(), onCall: onCall,
		clusters: []bot.Cluster{{Name: c.Name, Actions: c.Actions(), Summary: c.Summary}},
		steps:    []escalation.PolicyStep{{Role: "primary"}, {After: 5 * time.Second, Role: "sre"}, {After: time.Hour, Role: "owner"}}})

	if err := l.Kill(context.Background(), "edge1"); err != nil {
		t.Fatal(err)
	}
	s.Say(operator, ops, `/iris declare P0 "no clients can connect"`)
	parent := s.ExpectPost(ops, "INC-1 P0 open: no clients can connect")
	page := s.ExpectPost(onCall, "<@U01>", "PAGE", "INC-1 P0")
	s.ExpectInThread(parent, "PAGE", "operator (primary)")
	diagnosis := s.ExpectInThread(parent, "edge1", "[Start edge1]")
	s.Click(operator, page, "Acknowledge")
	s.ExpectInThread(parent, "INC-1 acknowledged by operator")
	s.ExpectEdited(page, "INC-1 P0 acknowledged")
	s.ExpectPost(ops, "INC-1 P0 acknowledged by operator")
	s.ExpectPost(onCall, "<@U03>", "second (sre)")
	s.ExpectInThread(parent, "second (sre)")

	s.Mention(operator, ops, parent, "recovered")
	s.ExpectInThread(parent, "Refused", "INC-1 is not recovered", "edge1")

	s.Mention(operator, ops, parent, "restart edge1")
	run := s.ExpectInThread(parent, "REQ-1", "[Confirm]")
	s.Click(operator, run, "Confirm")
	s.ExpectEdited(run, "REQ-1 done", "Confirmed by operator", "✓")

	s.Mention(operator, ops, parent, "stop core")
	dangerous := s.ExpectInThread(parent, "REQ-2 needs a second person", "[Approve]")
	asked := s.ExpectPost(onCall, "<@U03>", "REQ-2 waits for your approval", "[Approve]")
	s.ExpectInThread(parent, "REQ-2 waits for your approval")
	picture(t, s, "slack-thread", parent, diagnosis, run, dangerous)
	s.OpenHome(second)
	home := s.ExpectHome(second, "REQ-2 needs a second person", "[Approve]", "[Deny]")
	picture(t, s, "slack-home", home)
	s.ClickAndConfirm(operator, dangerous, "Approve", "core")
	s.ExpectEphemeral(operator, "Refused", "requester cannot approve")
	s.Click(second, asked, "Deny")
	s.ExpectEdited(dangerous, "REQ-2 denied", "Nothing was run", "Denied by second at")
	s.ExpectEdited(asked, "REQ-2 denied")
	if left := append(s.Buttons(dangerous), s.Buttons(asked)...); len(left) != 0 {
		t.Errorf("what is settled still has %q", left)
	}

	s.Mention(operator, ops, parent, "recovered")
	s.ExpectInThread(parent, "INC-1 recovered after", "verified")
	s.ExpectEdited(parent, "INC-1 P0 recovered")
	s.ExpectPost(ops, "INC-1 P0 recovered after")
	s.Click(operator, parent, "Resolve")
	s.ExpectInThread(parent, "INC-1 resolved by operator")
	s.ExpectEdited(parent, "INC-1 P0 resolved")
	s.ExpectPost(ops, "INC-1 P0 resolved by operator")
	s.NothingElse()
}
