package slack_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"irisops/bot/slack/slacktest"
	"irisops/store"
)

const timedOut = `/iris failed with the error "operation_timeout"`

// An acknowledgement that comes too late is none for Slack: it tells the person
// that nothing happened, and delivers again. What was said is done once all the
// same, and a person who says it again is told what stands.
func TestLateAcknowledgements(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	s.Patience(30 * time.Second)
	live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.LateAcks(1)
	s.Say(operator, ops, `/iris declare P1 "slow"`)
	s.ExpectEphemeral(operator, timedOut)
	parent := s.ExpectPost(ops, "INC-1 P1 open: slow")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.Say(operator, ops, `/iris declare P1 "slow"`) // who believes Slack says it again
	s.ExpectInThread(parent, "INC-1 is open already")
	s.LateAcks(2) // and the one of what is delivered again
	s.Click(operator, parent, "Acknowledge")
	s.ExpectInThread(parent, "INC-1 acknowledged by operator")
	s.ExpectEdited(parent, "INC-1 P1 acknowledged")
	s.ExpectPost(ops, "INC-1 P1 acknowledged by operator")
	s.LateAcks(1)
	s.Mention(operator, ops, parent, "note once")
	s.ExpectInThread(parent, "Noted")
	s.LateAcks(1)
	s.Say(operator, ops, "/iris whoami")
	s.ExpectEphemeral(operator, timedOut)
	s.ExpectPost(ops, "You are operator")
	s.NothingElse()
}

// By HTTP a late command is not delivered again; what was said is done all the
// same, as it was kept.
func TestLateAcknowledgementsByHTTP(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), http: true})
	s.PostTo(l.web.URL)
	s.LateAcks(1)
	s.SayAndGoOn(operator, ops, `/iris declare P1 "slow"`)
	s.ExpectEphemeral(operator, timedOut)
	parent := s.ExpectPost(ops, "INC-1 P1 open: slow")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.LateAcks(1)
	s.Mention(operator, ops, parent, "note once")
	s.ExpectInThread(parent, "Noted")
	s.NothingElse()
}

// The disk stands still while something arrives: it is acknowledged once it is
// kept, too late, and what Slack delivers again meanwhile is not done again.
func TestADiskThatStandsStill(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	s.Patience(30 * time.Second)
	var still atomic.Bool
	goOn := make(chan struct{})
	live(t, setting{api: s.API(), clusters: newWorld().served(), options: store.Options{Failpoint: func(name string) {
		if name == "commit/before" && still.Load() {
			<-goOn
		}
	}}})
	s.Stalled()
	s.Say(operator, ops, "/iris whoami")
	s.ExpectPost(ops, "You are operator")
	s.Settle()
	still.Store(true)
	said := s.SayAndGoOn(operator, ops, `/iris declare P1 "slow"`)
	s.Await("a second delivery", func() bool { return said.Attempts() == 2 })
	for _, m := range s.Messages(ops) {
		if m.Bot && strings.Contains(m.Text(), "INC-1") {
			t.Error("something is shown that is not kept yet")
		}
	}
	still.Store(false)
	close(goOn)
	s.ExpectEphemeral(operator, timedOut)
	parent := s.ExpectPost(ops, "INC-1 P1 open: slow")
	s.ExpectInThread(parent, "all 3 nodes answer")
	s.NothingElse()
}
