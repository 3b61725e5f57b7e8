//go:build secondopinion

package slack_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"irisops/bot"
	"irisops/bot/message"
	"irisops/bot/slack"
	"irisops/bot/slack/slacktest"
	"irisops/store"
)

// The Web API as somebody else understands it: what the bot says, against an
// emulator that is not ours (npm emulate, on Node). It keeps what it is sent, and
// the test reads that back as plain JSON. `make second-opinion` runs it.

const emulator = `import {createEmulator} from 'emulate'
const scopes = %s
const e = await createEmulator({service: 'slack', port: %d, seed: {slack: {
  team: {name: 'Example', domain: 'example'}, users: [{name: 'iris'}, {name: 'operator'}], channels: [{name: 'ops'}, {name: 'oncall'}],
  strict_scopes: true, tokens: [{token: '%s', user: 'iris', scopes}]}}})
console.log('ready ' + e.url)
process.stdin.resume()
process.stdin.on('end', async () => { await e.close(); process.exit(0) })
`

type otherSlack struct {
	t     *testing.T
	url   string
	proxy *httptest.Server
}

// withHeader stands before the emulator, which wants the token as a header, where
// Slack takes it in the form as well.
func (o *otherSlack) withHeader() {
	target, err := url.Parse(o.url)
	if err != nil {
		o.t.Fatal(err)
	}
	p := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			if strings.HasPrefix(r.In.URL.Path, "/upload/") { // Slack takes a form as well
				if part, _, err := r.In.FormFile("file"); err == nil {
					body, _ := io.ReadAll(part)
					r.Out.Body, r.Out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
					r.Out.Header.Set("Content-Type", "application/octet-stream")
				}
			}
			if r.Out.Header.Get("Authorization") == "" {
				r.Out.Header.Set("Authorization", "Bearer "+slacktest.BotToken)
			}
		},
		ModifyResponse: func(r *http.Response) error { // its own address, for uploads
			body, err := io.ReadAll(r.Body)
			r.Body.Close()
			body = bytes.ReplaceAll(body, []byte(o.url), []byte(o.proxy.URL))
			r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
			r.Header.Del("Content-Length")
			return err
		},
	}
	o.proxy = httptest.NewServer(p)
	o.t.Cleanup(o.proxy.Close)
}

func startEmulator(t *testing.T) *otherSlack {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	build, err := filepath.Abs("../../build")
	if err != nil {
		t.Fatal(err)
	}
	scopes, _ := json.Marshal(append(slacktest.Granted(), "pins:read")) // which the test itself needs
	script := filepath.Join(build, "second-opinion.mjs")                // beside node_modules, where it finds the package
	if err := os.WriteFile(script, fmt.Appendf(nil, emulator, scopes, port, slacktest.BotToken), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", script)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait(); os.Remove(script) })
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if base, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			o := &otherSlack{t: t, url: base}
			o.withHeader()
			return o
		}
	}
	t.Fatal("the emulator did not start")
	return nil
}

// call asks it something, and fails the test if the answer is not ok.
func (o *otherSlack) call(method string, args ...string) map[string]any {
	o.t.Helper()
	form := url.Values{}
	for i := 0; i < len(args); i += 2 {
		form.Set(args[i], args[i+1])
	}
	r, err := http.NewRequest(http.MethodPost, o.url+"/api/"+method, strings.NewReader(form.Encode()))
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+slacktest.BotToken)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	var answer map[string]any
	if err := json.Unmarshal(body, &answer); err != nil {
		o.t.Fatalf("%s: %s", method, body)
	}
	return answer
}

func (o *otherSlack) list(answer map[string]any, name string) []map[string]any {
	o.t.Helper()
	if answer["ok"] != true {
		o.t.Fatalf("%v", answer)
	}
	var all []map[string]any
	items, _ := answer[name].([]any)
	for _, item := range items {
		m, _ := item.(map[string]any)
		all = append(all, m)
	}
	return all
}

// find waits for a message whose text and blocks have all the parts.
func (o *otherSlack) find(what string, read func() []map[string]any, parts ...string) map[string]any {
	o.t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		for _, m := range read() {
			body, _ := json.Marshal(m)
			all := true
			for _, p := range parts {
				all = all && strings.Contains(string(body), p)
			}
			if all {
				return m
			}
		}
		select {
		case <-tick.C:
		case <-deadline.C:
			o.t.Fatalf("no %s with %q; there is %v", what, parts, read())
		}
	}
}

func TestSecondOpinion(t *testing.T) {
	o := startEmulator(t)
	ids := map[string]string{}
	for _, c := range o.list(o.call("conversations.list"), "channels") {
		ids[c["name"].(string)] = c["id"].(string)
	}
	channel, pages := ids["ops"], ids["oncall"]
	o.call("conversations.join", "channel", channel)
	o.call("conversations.join", "channel", pages)

	found, err := slack.Examine(t.Context(), slack.Options{BotToken: slacktest.BotToken, API: o.proxy.URL + "/api/", Channel: channel, OnCallChannel: pages})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		if !f.Good && f.What != "scopes" { // it does not say which there are
			t.Errorf("%+v", f)
		}
	}
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var troubles []string
	room, err := slack.NewRoom(slack.Options{BotToken: slacktest.BotToken, API: o.proxy.URL + "/api/", Channel: channel, OnCallChannel: pages, People: policy(), Outbox: db,
		Alarm: func(what string, err error) { troubles = append(troubles, fmt.Sprint(what, ": ", err)) }})
	if err != nil {
		t.Fatal(err)
	}
	if err := room.Start(); err != nil {
		t.Fatal(err)
	}
	defer room.Stop(t.Context())
	publish := func(p bot.Post) {
		t.Helper()
		if err := room.Publish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	history := func() []map[string]any {
		return o.list(o.call("conversations.history", "channel", channel, "include_all_metadata", "true"), "messages")
	}
	parent := bot.Post{Key: "incident/INC-1", Incident: "INC-1", Parent: true, State: "open", Pin: true, Message: message.Message{
		Level: message.Critical, Title: "INC-1 P0 open: no <clients> & more", Blocks: []message.Block{{Fields: []message.Field{{Name: "Owner", Value: "nobody", At: time.Now()}}}},
		Buttons: []message.Button{{Label: "Acknowledge", Words: "ack", Style: message.Primary}}}}
	publish(parent)
	head := o.find("parent", history, "INC-1 P0 open", "irisops_post", "incident/INC-1", "Acknowledge", `"blocks"`)
	ts, _ := head["ts"].(string)
	replies := func() []map[string]any {
		return o.list(o.call("conversations.replies", "channel", channel, "ts", ts), "messages")
	}
	publish(bot.Post{Key: "diagnosis/INC-1", Incident: "INC-1", Message: message.Message{Title: "edge1 down", Blocks: []message.Block{
		{Table: &message.Table{Header: []string{"Node"}, Rows: [][]string{{"edge1"}}}}, {Fold: &message.Fold{Title: "log", Blocks: []message.Block{{Code: &message.Code{Text: strings.Repeat("x\n", 900)}}}}},
		{File: &message.File{Name: "postmortem.md", MediaType: "text/markdown", Bytes: []byte("# what happened")}}}}})
	o.find("reply", replies, "edge1 down", "Show Evidence")
	o.find("file", replies, `"files"`, `"name":"postmortem.md"`)
	publish(bot.Post{Key: "page/INC-1/x", Incident: "INC-1", OnCall: true, Person: "operator", Message: message.Message{Level: message.Page, Title: "wake up"}})
	o.find("page", func() []map[string]any {
		return o.list(o.call("conversations.history", "channel", pages), "messages")
	}, "wake up", "\\u003c@U01\\u003e")
	o.find("pin", func() []map[string]any { return o.list(o.call("pins.list", "channel", channel), "items") }, ts)
	parent.State, parent.News, parent.Since, parent.Pin = "resolved", "INC-1 resolved", time.Now(), false
	parent.Message.Title, parent.Message.Buttons = "INC-1 P0 resolved: no <clients> & more", nil
	publish(parent)
	edited := o.find("edit", history, "INC-1 P0 resolved", "edited")
	if edited["ts"] != ts {
		t.Error("it was posted anew instead of edited")
	}
	o.find("news", history, "INC-1 resolved")
	if body, _ := json.Marshal(edited); strings.Contains(string(body), "Acknowledge") {
		t.Error("the old buttons are still there")
	}
	o.find("no pin", func() []map[string]any {
		if len(o.list(o.call("pins.list", "channel", channel), "items")) == 0 {
			return []map[string]any{{}}
		}
		return nil
	})
	if len(troubles) > 0 {
		t.Errorf("%q", troubles)
	}
}
