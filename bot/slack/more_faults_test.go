package slack_test

import (
	"testing"

	"irisops/bot/slack/slacktest"
)

// Frames that are broken, or of a kind that nobody knows, and envelopes that pass
// each other, break nothing and lose nothing.
func TestOddFrames(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.Say(operator, ops, "/iris whoami")
	s.ExpectPost(ops, "operator")
	for _, frame := range []string{`{"type":`, `[]`, `null`, `7`, `{"type":"a_new_thing","payload":{"x":1}}`, `{"type":"events_api","payload":"no object"}`, `{}`} {
		s.Raw(frame)
	}
	first := s.Write(guest, ops, nil, "somebody asks")
	s.Swap()
	s.MentionAndGoOn(guest, ops, first, "whoami")
	s.Say(second, ops, "/iris whoami")
	s.ExpectPost(ops, "second")
	s.ExpectInThread(first, "guest")
	s.NothingElse()
}
