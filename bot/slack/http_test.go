package slack_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"irisops/bot/slack/slacktest"
)

// The same conversation over signed requests.
func TestByHTTP(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	s.AddChannel("C0FOREIGN")
	c := newWorld()
	c.set("edge1", "down")
	l := live(t, setting{api: s.API(), clusters: c.served(), http: true})
	s.PostTo(l.web.URL)
	s.Say(operator, ops, `/iris declare P1 "slow"`).Again()
	parent := s.ExpectPost(ops, "INC-1 P1 open: slow")
	diagnosis := s.ExpectInThread(parent, "edge1 down", "[Restart edge1]")
	s.Click(operator, diagnosis, "Restart edge1").Again()
	s.ExpectInThread(parent, "REQ-1 ready: Restart edge1")
	s.ExpectEdited(diagnosis, "pressed by operator")
	s.Mention(operator, ops, parent, "note once").Again()
	s.ExpectInThread(parent, "Noted")
	s.Say(guest, ops, "/iris declare P0 x")
	s.ExpectEphemeral(guest, "Refused")
	s.Say(operator, "C0FOREIGN", "/iris status")
	s.ExpectEphemeral(operator, "I work in <#C0OPS>")
	s.Say(operator, ops, "/iris declare")
	form := s.ExpectForm(operator, "Declare")
	s.Submit(form, map[string]string{"priority": "P2", "title": " "})
	s.ExpectErrorAt(form, "title", "needed")
	s.Submit(form, map[string]string{"priority": "P2", "title": "also"})
	other := s.ExpectPost(ops, "INC-2 P2 open: also")
	s.ExpectInThread(other, "Also open")
	s.ExpectInThread(other, "edge1 down")
	s.NothingElse()
}

// What is not Slack's, is old, comes again or is too large is refused.
func TestRequestsThatAreRefused(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), http: true})
	post := func(path string, body string, header http.Header) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, l.web.URL+path, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(answer)
	}
	now := time.Now()
	const secret = slacktest.SigningSecret
	command := "channel_id=" + ops + "&user_id=" + operator + "&text=whoami&trigger_id=1.2&team_id=T0TEAM"
	challenge := `{"type":"url_verification","challenge":"3eZbrw1aB","token":"x"}`
	signed := func(body string) http.Header { return slacktest.Sign([]byte(body), now, secret) }
	forged := signed(command)
	forged.Set("X-Slack-Signature", strings.Replace(forged.Get("X-Slack-Signature"), "v0=", "v0=00", 1)[:67])
	for _, c := range []struct {
		what, path, body string
		header           http.Header
		status           int
		answer           string
	}{
		{"the address is verified", "/slack/events", challenge, signed(challenge), 200, "3eZbrw1aB"},
		{"no signature", "/slack/commands", command, http.Header{}, 401, ""},
		{"another signature", "/slack/commands", command, forged, 401, ""},
		{"another secret", "/slack/commands", command, slacktest.Sign([]byte(command), now, "another"), 401, ""},
		{"another body", "/slack/commands", command + "&text=halt", signed(command), 401, ""},
		{"too old", "/slack/commands", command, slacktest.Sign([]byte(command), now.Add(-6*time.Minute), secret), 401, ""},
		{"from the future", "/slack/commands", command, slacktest.Sign([]byte(command), now.Add(6*time.Minute), secret), 401, ""},
		{"good", "/slack/commands", command, signed(command), 200, ""},
		{"the same again", "/slack/commands", command, signed(command), 401, ""},
		{"the same, signed anew", "/slack/commands", command, slacktest.Sign([]byte(command), now.Add(-time.Second), secret), 200, ""},
		{"too large", "/slack/commands", strings.Repeat("x", 2<<20), http.Header{}, 413, ""},
		{"no event", "/slack/events", "{", signed("{"), 400, ""},
		{"no interaction", "/slack/interactions", "payload=%7B", signed("payload=%7B"), 400, ""},
		{"the certificate is checked", "/slack/commands", "ssl_check=1", signed("ssl_check=1"), 200, ""},
		{"elsewhere", "/slack/elsewhere", "x", signed("x"), 404, ""},
	} {
		status, answer := post(c.path, c.body, c.header)
		if status != c.status || c.answer != "" && answer != c.answer {
			t.Errorf("%s: %d %q", c.what, status, answer)
		}
	}
	s.ExpectPost(ops, "operator")
	s.NothingElse()
}
