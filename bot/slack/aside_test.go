package slack_test

import (
	"slices"
	"strings"
	"testing"

	"irisops/bot/slack/slacktest"
)

// What is said aside counts only if the config has it so.
func TestAsides(t *testing.T) {
	t.Parallel()
	for _, on := range []bool{true, false} {
		s := slacktest.New(t, ops)
		l := live(t, setting{api: s.API(), clusters: newWorld().served(), asides: on})
		s.Say(operator, ops, "/iris declare P1 slow")
		parent := s.ExpectPost(ops, "INC-1 P1 open")
		s.ExpectInThread(parent, "all 3 nodes answer")
		written := s.Write(second, ops, parent, "the switch &lt;rack 4&gt; was rebooted --force")
		s.Share(written, "rack4.jpg", "image/jpeg", 210_000)
		s.Write(guest, ops, parent, "who may only look")
		s.Write(operator, ops, nil, "lunch?")
		s.React(operator, written, "memo").Again()
		s.React(operator, written, "tada")
		s.React(second, parent, "eyes").Again()
		if on {
			s.ExpectInThread(parent, "Noted in the timeline of INC-1")
			s.ExpectInThread(parent, "INC-1 acknowledged by second")
			s.ExpectPost(ops, "INC-1 P1 acknowledged by second")
			s.ExpectEdited(parent, "acknowledged")
		}
		s.NothingElse()
		entries, err := l.db.Timeline(1)
		if err != nil {
			t.Fatal(err)
		}
		var notes []string
		for _, e := range entries {
			if e.Kind == "note" {
				notes = append(notes, e.By+": "+e.Text)
				for _, a := range e.Attachments {
					notes = append(notes, a.Name+" "+a.MediaType+" "+a.Link)
				}
			}
		}
		slices.Sort(notes) // what two people do at once comes in any order
		want := "operator: second wrote: the switch <rack 4> was rebooted --force" +
			"|rack4.jpg image/jpeg https://example.slack.com/files/" + second + "/F0SHARED/rack4.jpg|second: the switch <rack 4> was rebooted --force"
		if !on {
			want = ""
		}
		if got := strings.Join(notes, "|"); got != want {
			t.Errorf("on %t: %s", on, got)
		}
	}
}
