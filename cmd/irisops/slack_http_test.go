package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"irisops/bot/slack/slacktest"
)

// TestInSlackByHTTP is `irisops run` as it is installed for slack: {mode: http}:
// Slack verifies the address that it listens on, people speak by command, mention
// and button, and whoever is not Slack is refused.
func TestInSlackByHTTP(t *testing.T) {
	site, s := newSite(t), slacktest.New(t, "C0OPS")
	t.Setenv(botToken, slacktest.BotToken)
	t.Setenv(signingSecret, slacktest.SigningSecret)
	text, err := os.ReadFile(site.config)
	if err != nil {
		t.Fatal(err)
	}
	site.write("irisops.yaml", strings.Replace(string(text), "{id: operator, ", "{id: operator, slack: U01, ", 1)+"slack: {mode: http, channel: C0OPS}\n")
	url := runsWith(t, runCommand{Config: site.config, slackAPI: s.API()})
	s.PostTo(url)

	post := func(path, body string, header http.Header) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(answer)
	}
	now := time.Now()
	sign := func(body string, at time.Time, secret string) http.Header {
		return slacktest.Sign([]byte(body), at, secret)
	}
	const secret = slacktest.SigningSecret
	challenge := `{"type":"url_verification","challenge":"3eZbrw1aB","token":"x"}`
	command := "command=%2Firis&text=whoami&channel_id=C0OPS&user_id=U01&team_id=T0TEAM&trigger_id=1.2"
	press := "payload=%7B%22type%22%3A%22block_actions%22%7D"
	for _, c := range []struct {
		what, path, body string
		header           http.Header
		status           int
		answer           string
	}{
		{"the address is verified", "/slack/events", challenge, sign(challenge, now, secret), 200, "3eZbrw1aB"},
		{"the address is verified by somebody else", "/slack/events", challenge, sign(challenge, now, "another"), 401, ""},
		{"a command that nobody signed", "/slack/commands", command, http.Header{}, 401, ""},
		{"a command with another secret", "/slack/commands", command, sign(command, now, "another"), 401, ""},
		{"a command that was changed on the way", "/slack/commands", command, sign(command+"x", now, secret), 401, ""},
		{"an old command", "/slack/commands", command, sign(command, now.Add(-6*time.Minute), secret), 401, ""},
		{"a command", "/slack/commands", command, sign(command, now, secret), 200, ""},
		{"the same request again", "/slack/commands", command, sign(command, now, secret), 401, ""},
		{"an old press", "/slack/interactions", press, sign(press, now.Add(-6*time.Minute), secret), 401, ""},
		{"a press with another secret", "/slack/interactions", press, sign(press, now, "another"), 401, ""},
	} {
		if status, answer := post(c.path, c.body, c.header); status != c.status || c.answer != "" && answer != c.answer {
			t.Errorf("%s: %d %q", c.what, status, answer)
		}
	}
	s.ExpectPost("C0OPS", "You are operator") // once

	s.Say("U01", "C0OPS", `/iris declare P1 "slow"`).Again()
	head := s.ExpectPost("C0OPS", "INC-1 P1 open: slow", "[Acknowledge]")
	s.ExpectInThread(head, "core") // the cluster of this test does not run
	s.Click("U01", head, "Acknowledge")
	s.ExpectInThread(head, "INC-1 acknowledged by operator")
	s.ExpectEdited(head, "INC-1 P1 acknowledged")
	s.ExpectPost("C0OPS", "INC-1 P1 acknowledged by operator")
	s.Mention("U01", "C0OPS", head, "note it is the switch").Again()
	s.ExpectInThread(head, "Noted in the timeline of INC-1")
	s.Say("U99", "C0OPS", "/iris halt")
	s.ExpectEphemeral("U99", "Refused", "U99")
	s.NothingElse()

	// The same listener answers what is not Slack's.
	resp, err := http.Get(url + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("/healthz: %d", resp.StatusCode)
	}
}

// runsWith starts the command, and says where it answers web requests. It is
// stopped in order when the test ends.
func runsWith(t *testing.T, c runCommand) (url string) {
	t.Helper()
	said := &lockedBuffer{}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, streams{os.Stdin, said, said}) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil || t.Failed() {
			t.Error(fmt.Errorf("it ended with %w", err), said)
		}
	})
	at := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`)
	for deadline := time.After(20 * time.Second); url == ""; url = at.FindString(said.String()) {
		select {
		case err := <-done:
			done <- err
			t.Fatalf("it ended: %v, %s", err, said)
		case <-deadline:
			t.Fatalf("it says no address: %s", said)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return url
}
