package bot_test

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/pager"
	"irisops/bot/pager/pagertest"
	"irisops/bot/slack"
	"irisops/bot/slack/slacktest"
	"irisops/store"
)

// apart makes pages to several people several pages.
type apart struct{ pager.Sender }

func (a apart) Send(ctx context.Context, p pager.Page) error {
	p.Role += ":" + p.Person
	return a.Sender.Send(ctx, p)
}

// Direct messages in Slack do what every way of paging has to do. What Slack does
// not answer to is kept and found again by its key, so that it never comes twice.
func TestDirectMessagesInSlackConform(t *testing.T) {
	people := access.Policy{People: []access.Person{{ID: "operator", Slack: "U01"}}}
	for i := range 20 { // many at a time
		people.People = append(people.People, access.Person{ID: fmt.Sprintf("person%d", i), Slack: fmt.Sprintf("U1%02d", i)})
	}
	in := func(prepare func(*slacktest.Slack)) func(testing.TB) (pager.Sender, func() []string) {
		return func(t testing.TB) (pager.Sender, func() []string) {
			s := slacktest.New(t, "C0OPS", "C0ONCALL")
			s.Generous()
			prepare(s)
			db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			room, err := slack.NewRoom(slack.Options{BotToken: slacktest.BotToken, API: s.API(), Channel: "C0OPS", OnCallChannel: "C0ONCALL", People: people, Outbox: db})
			if err != nil {
				t.Fatal(err)
			}
			if err := room.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := room.Stop(t.Context()); err != nil && t.Context().Err() == nil {
					t.Error(err)
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			})
			return apart{bot.DirectSender(slog.New(slog.DiscardHandler), room)}, func() []string {
				var texts []string
				for _, p := range people.People {
					for _, m := range s.Messages(s.Direct(p.Slack)) {
						texts = append(texts, m.Text())
					}
				}
				for _, m := range s.Messages("C0ONCALL") { // nobody in particular
					if strings.HasPrefix(m.Text(), "<!channel>") {
						texts = append(texts, m.Text())
					}
				}
				return texts
			}
		}
	}
	pagertest.Test(t, pagertest.Backend{Channel: pager.DirectMessage, Secrets: []string{slacktest.BotToken}, Cases: []pagertest.Case{
		{Name: "Slack takes it", Want: pager.Arrived, Open: in(func(*slacktest.Slack) {})},
		{Name: "the scope is missing", Want: pager.Refused, Open: in(func(s *slacktest.Slack) { s.Revoke("im:write") })},
		{Name: "the user is gone", Want: pager.Refused, Open: in(func(s *slacktest.Slack) { s.NoDirect("U01", "user_disabled") })},
		{Name: "Slack is in trouble", Want: pager.NotArrived, Open: in(func(s *slacktest.Slack) { s.Refuse("fatal_error") })},
		{Name: "Slack refuses the bot", Want: pager.NotArrived, Open: in(func(s *slacktest.Slack) { s.Refuse("token_revoked") })},
	}})
}
