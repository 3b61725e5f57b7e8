package slack_test

import (
	"sync/atomic"
	"testing"

	"irisops/bot/slack/slacktest"
	"irisops/store"
)

// What can be answered at once costs two commits: what was said with its answer,
// and where that stands. What cannot costs more. Either is done once.
func TestAnsweredAtOnceInOneCommit(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	var commits atomic.Int64
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), options: store.Options{Failpoint: func(name string) {
		if name == "commit/after" {
			commits.Add(1)
		}
	}}})
	quiet := func() {
		t.Helper()
		s.Await("all is kept", func() bool {
			left, err := l.db.Unanswered()
			pending, err2 := l.db.PendingPosts()
			return err == nil && err2 == nil && len(left)+len(pending) == 0
		})
		s.Settle()
	}
	s.Say(operator, ops, "/iris status") // what was missed before is read by now
	s.ExpectPost(ops, "No incident is open")
	quiet()
	for _, c := range []struct {
		say, answer string
		cost        int64
	}{{"/iris whoami", "You are operator", 2}, {"/iris help restart", "restart", 2}, {"/iris status", "No incident is open", 4}} {
		before := commits.Load()
		said := s.Say(operator, ops, c.say)
		s.ExpectPost(ops, c.answer)
		said.Again()
		quiet()
		if cost := commits.Load() - before; cost > c.cost || c.cost == 2 && cost != 2 {
			t.Errorf("%s took %d commits", c.say, cost)
		}
	}
	s.NothingElse()
}
