package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
	"irisops/bot/slack/slacktest"
	"irisops/cmd/irisops/config"
)

// TestInSlack starts the binary's own wiring on a real lab, in a Slack of the
// test's, and has a person mend a node there.
func TestInSlack(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	s := slacktest.New(t, "C0OPS", "C0ONCALL")
	t.Setenv("SLACK_BOT_TOKEN", slacktest.BotToken)
	t.Setenv("SLACK_APP_TOKEN", slacktest.AppToken)
	text, err := os.ReadFile(l.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("{id: operator, "), []byte("{id: operator, slack: U01, "), 1)
	text = append(text, "slack: {mode: socket, channel: C0OPS, oncall_channel: C0ONCALL}\n"...)
	if err := os.WriteFile(l.ConfigFile(), text, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(l.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(cfg, overrides{slackAPI: s.API()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	if err := l.Kill(t.Context(), "edge1"); err != nil {
		t.Fatal(err)
	}
	s.Say("U01", "C0OPS", `/iris declare P0 "no clients can connect"`)
	head := s.ExpectPost("C0OPS", "INC-1 P0 open")
	s.ExpectPost("C0ONCALL", "<@U01>", "INC-1 P0")
	s.ExpectPost(s.Direct("U01"), "operator (primary): INC-1 P0", "[Acknowledge]")
	s.ExpectInThread(head, "operator (primary)")
	s.ExpectInThread(head, "edge1 down")
	s.Mention("U01", "C0OPS", head, "restart edge1")
	run := s.ExpectInThread(head, "REQ-1 ready", "[Confirm]")
	s.Click("U01", run, "Confirm")
	s.ExpectEdited(run, "REQ-1 done")
	s.Mention("U01", "C0OPS", head, "recovered")
	s.ExpectInThread(head, "INC-1 recovered after")
	s.ExpectEdited(head, "INC-1 P0 recovered")
	s.ExpectPost("C0OPS", "INC-1 P0 recovered after")
	s.NothingElse()
}

func TestManifest(t *testing.T) {
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"manifest"}, streams{os.Stdin, &out, &errs}); code != 0 {
		t.Fatal(code, errs.String())
	}
	for _, part := range []string{"command: /iris", "socket_mode_enabled: true", "declare | ack", "app_mentions:read"} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("missing %q in:\n%s", part, out.String())
		}
	}
}

// The doctor says what is well, and what to do where it is not.
func TestDoctor(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	s := slacktest.New(t, "C0OPS")
	t.Setenv("SLACK_BOT_TOKEN", slacktest.BotToken)
	t.Setenv("SLACK_APP_TOKEN", slacktest.AppToken)
	text, err := os.ReadFile(l.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("{id: operator, "), []byte("{id: operator, slack: U01, "), 1)
	if err := os.WriteFile(l.ConfigFile(), append(text, "slack: {channel: C0OPS}\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	doctor := func() string {
		var out, errs bytes.Buffer
		err := doctorCommand{Config: l.ConfigFile(), slackAPI: s.API()}.Run(t.Context(), streams{os.Stdin, &out, &errs})
		return fmt.Sprint(out.String(), err)
	}
	got := doctor()
	for _, part := range []string{"✓ config", "✓ Slack: bot token", "✓ Slack: scopes", "✓ Slack: channel C0OPS", "✓ Slack: direct messages", "✓ Slack: clock", "✓ Slack: Socket Mode", "✓ cluster lab", "✓ pages: Slack"} {
		if !strings.Contains(got, part) {
			t.Errorf("missing %q", part)
		}
	}
	s.Revoke("pins:write", "im:write")
	if err := l.Kill(t.Context(), "edge1"); err != nil {
		t.Fatal(err)
	}
	got = doctor()
	for _, part := range []string{"✗ Slack: scopes", "im:write (call people by direct message)", "→ Add them", "✗ pages: Slack", "✗ cluster lab", "edge1", "→ irisops diagnose", "to mend.", "exit 1"} {
		if !strings.Contains(got, part) {
			t.Errorf("missing %q in:\n%s", part, got)
		}
	}
	t.Setenv("SLACK_BOT_TOKEN", "")
	t.Setenv("SLACK_APP_TOKEN", "")
	got = doctor()
	for _, part := range []string{"✗ Slack  ", "no token is in the environment", "→ docs/slack.md says where", "✗ pages  ", "→ Give irisops its Slack tokens"} {
		if !strings.Contains(got, part) {
			t.Errorf("without tokens, missing %q in:\n%s", part, got)
		}
	}
}
