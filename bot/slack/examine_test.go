package slack_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"irisops/bot/slack"
	"irisops/bot/slack/slacktest"
)

// The manifest asks for exactly the scopes that the fake Slack grants, and the
// bot's whole conversation runs with no other.
func TestScopesOfTheManifest(t *testing.T) {
	var asked []string
	for _, s := range slack.Scopes {
		asked = append(asked, s.Name)
	}
	if want := slacktest.Granted(); !slices.Equal(asked, want) {
		t.Errorf("%q, not %q", asked, want)
	}
}

// Each thing that can be wrong with an app is found, and the way out is said.
func TestExamine(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		break_ func(s *slacktest.Slack, o *slack.Options)
		bad    string // what; "" is nothing
		parts  []string
	}{
		"well":          {func(*slacktest.Slack, *slack.Options) {}, "", nil},
		"token":         {func(s *slacktest.Slack, _ *slack.Options) { s.Refuse("token_revoked") }, "bot token", []string{"token_revoked", "SLACK_BOT_TOKEN"}},
		"another team":  {func(_ *slacktest.Slack, o *slack.Options) { o.Team = "T0OTHER" }, "bot token", []string{"T0TEAM", "T0OTHER"}},
		"scope":         {func(s *slacktest.Slack, _ *slack.Options) { s.Revoke("pins:write", "files:write") }, "scopes", []string{"pins:write (pin", "files:write", "Reinstall"}},
		"direct scope":  {func(s *slacktest.Slack, _ *slack.Options) { s.Revoke("im:write") }, "scopes", []string{"Missing: im:write (call people by direct message)", "Reinstall"}},
		"disabled":      {func(s *slacktest.Slack, _ *slack.Options) { s.NoDirect(operator, "user_disabled") }, "direct messages to operator", []string{"no user U01 (user_disabled).", "Correct slack: of operator in the config."}},
		"not a member":  {func(s *slacktest.Slack, o *slack.Options) { s.AddChannel("C0NEW"); o.OnCallChannel = "C0NEW" }, "channel C0NEW", []string{"no member", "/invite @iris"}},
		"no channel":    {func(_ *slacktest.Slack, o *slack.Options) { o.OnCallChannel = "C0GONE" }, "channel C0GONE", []string{"no such channel"}},
		"archived":      {func(s *slacktest.Slack, _ *slack.Options) { s.Archive(ops) }, "channel " + ops, []string{"archived"}},
		"clock":         {func(s *slacktest.Slack, _ *slack.Options) { s.Skew(3 * time.Minute) }, "clock", []string{"differ by", "timedatectl"}},
		"app token":     {func(_ *slacktest.Slack, o *slack.Options) { o.AppToken = "xapp-another" }, "Socket Mode", []string{"invalid_auth", "SLACK_APP_TOKEN"}},
		"app scope":     {func(s *slacktest.Slack, _ *slack.Options) { s.Revoke("connections:write") }, "Socket Mode", []string{"missing_scope", "connections:write"}},
		"not reachable": {func(_ *slacktest.Slack, o *slack.Options) { o.API = "http://127.0.0.1:1/api/" }, "bot token", []string{"refused", "HTTPS_PROXY"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := slacktest.New(t, ops)
			s.Tolerate()
			o := slack.Options{BotToken: slacktest.BotToken, AppToken: slacktest.AppToken, API: s.API(), Channel: ops, People: policy()}
			c.break_(s, &o)
			found, err := slack.Examine(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			var bad []slack.Finding
			for _, f := range found {
				if !f.Good {
					bad = append(bad, f)
				}
			}
			switch {
			case c.bad == "" && (len(bad) > 0 || len(found) < 6):
				t.Errorf("%+v", found)
			case c.bad == "":
			case len(bad) != 1 || bad[0].What != c.bad:
				t.Fatalf("%+v", bad)
			default:
				for _, part := range c.parts {
					if !strings.Contains(bad[0].Seen+" "+bad[0].Way, part) {
						t.Errorf("%+v lacks %q", bad[0], part)
					}
				}
			}
			if n := s.Calls("chat.postMessage"); n > 0 {
				t.Error("it has posted")
			}
		})
	}
}
