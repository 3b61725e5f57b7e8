package slack

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/bot/command"
	"irisops/bot/message"
	"irisops/bot/slack/outbox"
	"irisops/bot/slack/slacktest"
)

var update = flag.Bool("update", false, "write the golden files as they are rendered now")

// messages of each kind, as the bot makes them.
var samples = map[string]outbox.Post{
	"incident": {Key: "incident/INC-7", Message: message.Message{Level: message.Critical, Title: "INC-7 P0 open: no clients can connect",
		Blocks: []message.Block{{Fields: []message.Field{{Name: "Declared", Value: "10:42:00 by operator"}, {Name: "Owner", Value: "nobody yet"}}}},
		Buttons: []message.Button{{Label: "Acknowledge", Words: "ack --incident INC-7", Style: message.Primary},
			{Label: "Diagnose", Words: "diagnose --incident INC-7"}}}},
	"page": {Key: "oncall/page/x", Calls: "U01", OnCall: true, Message: message.Message{Level: message.Page, Title: "operator (primary): INC-7 P0: no clients can connect",
		Buttons: []message.Button{{Label: "Acknowledge", Words: "ack --incident INC-7", Style: message.Primary}}}},
	"page-settled": {Key: "oncall/page/x", Calls: outbox.Everybody, OnCall: true, Record: "INC-7 P0 acknowledged: no clients can connect",
		Message: message.Message{Level: message.Page, Title: "everybody (sre): INC-7 P0"}},
	"approval": {Key: "run/REQ-3", Asker: "U01", Message: message.Message{Level: message.Warn, Title: "REQ-3 needs a second person: Stop core",
		Blocks: []message.Block{{Text: "Asked by operator. An approver other than operator approves with `approve REQ-3` before 10:52:00."},
			{Checklist: &message.Checklist{Items: []message.Item{{State: message.Pending, Text: "stop core", Note: "init:stop by rpc, then by exact pid"}}}},
			{Code: &message.Code{Text: "make start_core CONFIG=config/prod"}}},
		Buttons: []message.Button{{Label: "Approve", Words: "approve REQ-3", Style: message.Danger, Confirm: "Stop core. core is the last live core"},
			{Label: "Deny", Words: "deny REQ-3"}}}},
	"progress": {Key: "run/REQ-3", Message: message.Message{Title: "REQ-3 running: Restart edge1", Blocks: []message.Block{
		{Checklist: &message.Checklist{Items: []message.Item{{State: message.Done, Text: "stop edge1", Note: "pid 4711 is gone, 3 s"},
			{State: message.Running, Text: "start edge1"}, {State: message.Pending, Text: "mesh"}, {State: message.Failed, Text: "x", Note: "exit 2"},
			{State: message.Uncertain, Text: "y"}, {State: message.Skipped, Text: "z"}}}}}}},
	"refusal": {Key: "reply/x", User: "U04", Message: message.Message{Level: message.Refused, Title: "`approve` needs approver; you are guest with viewer.",
		Blocks: []message.Block{{Text: "`whoami` says what you can do here."}}}},
	"diagnosis": {Key: "diagnosis/x", Message: message.Message{Level: message.Critical, Title: "edge1 is down", Blocks: []message.Block{
		{Table: &message.Table{Header: []string{"Level", "Node", "What"}, Rows: [][]string{{"critical", "edge1", "no process & port <8085> refuses"}, {"ok", "core", "up"}}}},
		{Fold: &message.Fold{Title: "Its log", Blocks: []message.Block{{Code: &message.Code{Text: strings.Repeat("=ERROR REPORT==== <0.1.0> @channel\n", 60)}}}}}}}},
}

func TestGolden(t *testing.T) {
	for name, p := range samples {
		said := render(p)
		got, err := json.MarshalIndent(said, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", string(got)+"\n")
		if code, problems := slacktest.CheckJSON(said.Text, said.Blocks); code != "" {
			t.Errorf("%s: %s: %q", name, code, problems)
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// nasty text is long, hostile, or both.
func nasty() *rapid.Generator[string] {
	parts := rapid.SampledFrom([]string{"a", "word ", "&", "<", ">", "&amp;", "<!channel>", "<@U1>", "@here", "@Everyone", "@", "channel", "\n", "\r\n", "\t", "\x00", "\x1b[31m",
		"\u202e", "\u200b", "```", "`", "*", "é", "漢", "👩‍👩‍👧", "\xff", "<https://x|y>", strings.Repeat("x", 500), strings.Repeat("<&>", 700), strings.Repeat("line\n", 300)})
	return rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(parts, 0, 12).Draw(t, "parts"), "") })
}

func anyBlock(depth int) *rapid.Generator[message.Block] {
	return rapid.Custom(func(t *rapid.T) message.Block {
		text := func(name string) string { return nasty().Draw(t, name) }
		switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
		case kind == 0:
			return message.Block{Text: text("text")}
		case kind == 1:
			return message.Block{Fields: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) message.Field {
				return message.Field{Name: nasty().Draw(t, "name"), Value: nasty().Draw(t, "value")}
			}), 1, 13).Draw(t, "fields")}
		case kind == 2:
			return message.Block{Table: &message.Table{Header: []string{text("header"), "b"}, Rows: rapid.SliceOfN(rapid.SliceOfN(nasty(), 2, 2), 0, 30).Draw(t, "rows")}}
		case kind == 3:
			return message.Block{Code: &message.Code{Text: text("code")}}
		case kind == 4 && depth > 0:
			return message.Block{Fold: &message.Fold{Title: text("title"), Blocks: rapid.SliceOfN(anyBlock(depth-1), 0, 3).Draw(t, "folded")}}
		default:
			return message.Block{Checklist: &message.Checklist{Items: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) message.Item {
				return message.Item{State: message.Done, Text: nasty().Draw(t, "text"), Note: nasty().Draw(t, "note")}
			}), 0, 40).Draw(t, "items")}}
		}
	})
}

// Whatever a message holds, Slack takes it, and its buttons are all there.
func TestLimitsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := outbox.Post{Key: "x", Message: message.Message{Level: message.Critical, Title: nasty().Draw(t, "title"),
			Blocks: rapid.SliceOfN(anyBlock(1), 0, 60).Draw(t, "blocks")}}
		p.Calls = rapid.SampledFrom([]string{"", "U01", outbox.Everybody}).Draw(t, "calls")
		p.Asker = rapid.SampledFrom([]string{"", "U01"}).Draw(t, "asker")
		p.Record = nasty().Draw(t, "record")
		want := 0
		for i := range rapid.IntRange(0, 30).Draw(t, "buttons") {
			p.Message.Buttons = append(p.Message.Buttons, message.Button{Label: "L" + nasty().Draw(t, "label"), Words: fmt.Sprint("say ", i),
				Style: rapid.SampledFrom([]message.Style{message.Plain, message.Primary, message.Danger}).Draw(t, "style"), Confirm: nasty().Draw(t, "confirm")})
			want++
		}
		said := render(p)
		if code, problems := slacktest.CheckJSON(said.Text, said.Blocks); code != "" {
			t.Fatalf("%s: %q", code, problems)
		}
		body, err := json.Marshal(said.Blocks)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(body), `"action_id":"say`); got != want {
			t.Fatalf("%d of %d buttons", got, want)
		}
	})
}

func TestWordsThatFitIntoNoButton(t *testing.T) {
	said := render(outbox.Post{Message: message.Message{Title: "x", Buttons: []message.Button{{Label: "Long", Words: "note " + strings.Repeat("x", 3000)}, {Label: "", Words: "x"}}}})
	if code, problems := slacktest.CheckJSON(said.Text, said.Blocks); code != "" || len(said.Blocks) != 2 {
		t.Errorf("%s %q %d", code, problems, len(said.Blocks))
	}
}

func TestAddresses(t *testing.T) {
	for _, a := range []address{
		{channel: "C1", user: "U1", kind: bySlash, what: "1.2.abc/d"},
		{channel: "C1", thread: "1.2", user: "U1", kind: byClick, what: "3.4/5.6/say0"},
	} {
		if got, ok := addressOf(a.id()); !ok || got != a {
			t.Errorf("%+v became %+v", a, got)
		}
	}
	if _, ok := addressOf("socket/unix:0/1"); ok {
		t.Error("a terminal is taken for Slack")
	}
}

func TestManifest(t *testing.T) {
	table, err := command.New([]command.Spec{{Words: "status", Class: actions.See, Summary: "x", Group: "Look", Example: "status"}, {Words: "help", Class: actions.See, Summary: "x", Group: "Help", Example: "help"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, url := range map[string]string{"manifest.yaml": "", "manifest-http.yaml": "https://irisops.example.org"} {
		got, err := Manifest(table, url)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, string(got))
	}
}

func TestJudge(t *testing.T) {
	for code, want := range verdicts {
		if v, _ := judge(apiError(code)); v != want {
			t.Errorf("%s is %v", code, v)
		}
	}
	if v, _ := judge(apiError("fatal_error")); v != unsure {
		t.Error("an unknown code is not unsure")
	}
	for _, code := range []string{"missing_scope", "not_in_channel", "is_archived", "token_revoked"} {
		if err := explained(apiError(code)); !strings.Contains(err.Error(), code+":") {
			t.Errorf("%s is not explained: %v", code, err)
		}
	}
}

func apiError(code string) error { return slack.SlackErrorResponse{Err: code} }
