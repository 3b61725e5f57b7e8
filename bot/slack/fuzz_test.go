package slack

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"irisops/bot/message"
	"irisops/bot/slack/outbox"
	"irisops/bot/slack/slacktest"
)

// FuzzInbound: whatever comes is read or left, and never breaks anything; what is
// read finds its way back from its id alone.
func FuzzInbound(f *testing.F) {
	for kind, payloads := range map[string][]string{
		"slash_commands": {`{"channel_id":"C1","user_id":"U1","text":"status","trigger_id":"1.2","team_id":"T1"}`, `{"channel_id":7}`, `null`},
		"events_api": {
			`{"team_id":"T1","authorizations":[{"user_id":"U0"}],"event":{"type":"app_mention","user":"U1","text":"<@U0> ack","ts":"1.2","thread_ts":"1.1","channel":"C1"}}`,
			`{"event":{"type":"message","user":"U1","text":"x","ts":"1.2","thread_ts":"1.1","channel":"C1"}}`,
			`{"event":{"type":"reaction_added","user":"U1","reaction":"eyes","item":{"type":"message","channel":"C1","ts":"1.1"},"event_ts":"1.3"}}`,
			`{"event":{"type":"app_home_opened","user":"U1","tab":"home"}}`, `{"event":[]}`, `{`,
		},
		"interactive": {
			`{"type":"block_actions","user":{"id":"U1"},"container":{"channel_id":"C1","message_ts":"1.1"},"actions":[{"type":"button","action_id":"say0","value":"ack","action_ts":"1.2"}]}`,
			`{"type":"block_actions","user":{"id":"U1"},"container":{"type":"view","view_id":"V1"},"actions":[{"type":"button","action_id":"say0","value":"ack","action_ts":"1.2"}]}`,
			`{"type":"view_submission","user":{"id":"U1"},"view":{"id":"V1","callback_id":"form","private_metadata":"{\"words\":\"declare\",\"channel\":\"C1\"}","state":{"values":{"title":{"value":{"value":"x"}}}}}}`,
			`{"type":"shortcut"}`,
		},
		"hello": {`{}`},
	} {
		for _, payload := range payloads {
			f.Add(kind, payload)
		}
	}
	f.Fuzz(func(t *testing.T, kind, payload string) {
		a, ok, err := read(kind, "envelope", json.RawMessage(payload))
		if !ok || err != nil {
			return
		}
		if a.user == "" {
			t.Fatal("nobody said it")
		}
		if strings.ContainsAny(a.channel+a.thread+a.user, "/") || a.thread == "-" {
			return // Slack's ids have none
		}
		if back, ok := addressOf(a.id()); !ok || back != a.address {
			t.Fatalf("%+v became %+v", a.address, back)
		}
		turnKeys(a)
		_ = a.replies()
	})
}

// FuzzRender: any text in, valid Block Kit within Slack's limits out, with every
// button, in a message and on a Home.
func FuzzRender(f *testing.F) {
	f.Add("no clients", "<!channel> & @here", "a\tb\x00\x1b[31m", "Restart Edge 1", uint8(3))
	f.Add(strings.Repeat("<&>", 900), strings.Repeat("line\n", 900), strings.Repeat("x", 12_000), "", uint8(255))
	f.Add("\u202e```", "*_~`", "👩‍👩‍👧\xff", "@channel", uint8(60))
	f.Add("", "", "", "x", uint8(0))
	f.Fuzz(func(t *testing.T, title, text, code, label string, many uint8) {
		m := message.Message{Level: message.Critical, Title: title}
		for range int(many)%12 + 1 {
			m.Blocks = append(m.Blocks, message.Block{Text: text}, message.Block{Code: &message.Code{Text: code}},
				message.Block{Fields: []message.Field{{Name: title, Value: code}, {Name: text, Value: text}}},
				message.Block{Table: &message.Table{Header: []string{title, text}, Rows: [][]string{{code, text}, {text, title}}}},
				message.Block{Fold: &message.Fold{Title: label, Blocks: []message.Block{{Text: code}}}},
				message.Block{Checklist: &message.Checklist{Items: []message.Item{{State: message.Running, Text: text, Note: code}}}})
		}
		m.Buttons = []message.Button{{Label: label, Words: "status", Style: message.Danger, Confirm: text}, {Label: "Ack", Words: "ack", Style: message.Primary}}
		for _, p := range []outbox.Post{{Key: "x", Message: m}, {Key: "x", User: "U1", Message: m}, {Key: "x", Message: m, Record: text, Asker: "U1", Calls: outbox.Everybody, More: true, Folded: true}} {
			said := render(p)
			if code, problems := slacktest.CheckJSON(said.Text, said.Blocks); code != "" {
				t.Fatalf("%s: %q", code, problems)
			}
			body, err := json.Marshal(said)
			if err != nil || !utf8.Valid(body) {
				t.Fatal(err)
			}
			if !strings.Contains(string(body), `"value":"ack"`) {
				t.Fatal("a button is gone")
			}
		}
		body, err := json.Marshal(renderHome([]message.Message{m, {Title: title}, m, {Level: message.OK, Title: label, Buttons: m.Buttons}}))
		if err != nil {
			t.Fatal(err)
		}
		var view map[string]any
		if err := json.Unmarshal(body, &view); err != nil {
			t.Fatal(err)
		}
		if problems := slacktest.CheckView(view); len(problems) > 0 {
			t.Fatalf("%q", problems)
		}
	})
}
