package slacktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The names of fields that Slack's public samples have (slackapi/java-slack-sdk,
// json-logs/samples): for each kind of payload and each object in it. What the
// fake delivers may lack some, and must not make any up.
var sampled = map[string]map[string]string{
	"slash_commands": {
		"": "api_app_id channel_id channel_name command enterprise_id enterprise_name is_enterprise_install response_url team_domain team_id text token trigger_id user_id user_name",
	},
	"app_mention": {
		"":      wrapped,
		"event": "app_id blocks bot_id channel client_msg_id edited event_ts source_team subtype team text thread_ts ts type user user_team username",
	},
	"message": {
		"":      wrapped,
		"event": "attachments blocks bot_id bot_profile channel channel_type client_msg_id edited event_ts metadata parent_user_id team text thread_ts ts type user app_id files",
	},
	"reaction_added": {
		"":           wrapped + " context_enterprise_id context_team_id",
		"event":      "event_ts item item_user reaction type user",
		"event.item": "channel ts type",
	},
	"app_home_opened": {
		"":      wrapped,
		"event": "channel event_ts tab type user view",
	},
	"block_actions": {
		"":          interacted + " actions channel container message response_url state",
		"team":      "domain enterprise_id enterprise_name id",
		"user":      "id name team_id username",
		"channel":   "id name",
		"container": "app_unfurl_url attachment_id channel_id is_app_unfurl is_ephemeral message_ts text thread_ts type view_id",
		"message":   "app_id attachments blocks bot_id bot_profile channel client_msg_id edited files latest_reply metadata parent_user_id reply_count subtype team text thread_ts ts type user username",
		"actions":   "action_id action_ts block_id confirm placeholder selected_option style text type url value",
	},
	"view_submission": {
		"":     interacted + " is_cleared response_urls", // the last from the documentation
		"team": "domain enterprise_id enterprise_name id",
		"user": "id name team_id username",
		"view": "app_id app_installed_team_id blocks bot_id callback_id clear_on_close close external_id hash id notify_on_close previous_view_id private_metadata root_view_id state submit submit_disabled team_id title type",
	},
}

const (
	wrapped    = "api_app_id authed_teams authed_users authorizations enterprise_id event event_context event_id event_time is_ext_shared_channel team_id token type"
	interacted = "api_app_id bot_access_token enterprise function_data interactivity is_enterprise_install team token trigger_id type user view"
)

// madeUp are the fields of a payload that no sample has.
func madeUp(kind string, payload map[string]any) (all []string) {
	for path, names := range sampled[kind] {
		at := any(payload)
		for _, step := range strings.Split(path, ".") {
			if step == "" {
				continue
			}
			if at = at.(map[string]any)[step]; at == nil {
				break
			}
			if list, ok := at.([]any); ok && len(list) > 0 {
				at = list[0]
			}
		}
		object, ok := at.(map[string]any)
		if !ok {
			all = append(all, path+" is missing")
		}
		for name := range object {
			if !slices.Contains(strings.Fields(names), name) {
				all = append(all, strings.TrimPrefix(path+"."+name, "."))
			}
		}
	}
	return all
}

// What is delivered has the fields of public samples, and no others.
func TestFramesAgainstPublicSamples(t *testing.T) {
	var mu sync.Mutex
	got := map[string]map[string]any{}
	bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		kind, payload := "slash_commands", map[string]any{}
		form, _ := url.ParseQuery(string(body))
		switch r.URL.Path {
		case "/slack/commands":
			for name := range form {
				payload[name] = form.Get(name)
			}
		case "/slack/interactions":
			err = json.Unmarshal([]byte(form.Get("payload")), &payload)
			kind = fmt.Sprint(payload["type"])
		default:
			err = json.Unmarshal(body, &payload)
			event, _ := payload["event"].(map[string]any)
			kind = fmt.Sprint(event["type"])
		}
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		got[kind] = payload
	}))
	defer bot.Close()
	s := New(t, "C1")
	s.PostTo(bot.URL)
	call := func(method string, args url.Values) (view string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.API()+method, strings.NewReader(args.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", "Bearer "+BotToken)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var answer struct {
			OK    bool
			Error string
			View  struct{ ID string }
		}
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || !answer.OK {
			t.Fatalf("%s: %v %s", method, err, answer.Error)
		}
		return answer.View.ID
	}
	said := s.Say("U1", "C1", "/iris declare")
	call("chat.postMessage", url.Values{"channel": {"C1"}, "text": {"ready"}, "blocks": {
		`[{"type":"section","text":{"type":"mrkdwn","text":"ready"}},{"type":"actions","block_id":"b","elements":[{"type":"button","action_id":"a","value":"x","text":{"type":"plain_text","text":"Go"}}]}]`}})
	posted := s.ExpectPost("C1", "ready")
	s.Mention("U1", "C1", posted, "whoami")
	s.Click("U1", posted, "Go")
	s.React("U1", posted, "eyes")
	s.OpenHome("U1")
	loading := call("views.open", url.Values{"trigger_id": {said.Trigger()}, "view": {
		`{"type":"modal","callback_id":"c","title":{"type":"plain_text","text":"Declare"},"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"One moment"}}]}`}})
	call("views.update", url.Values{"view_id": {loading}, "view": {
		`{"type":"modal","callback_id":"c","title":{"type":"plain_text","text":"Declare"},"submit":{"type":"plain_text","text":"Declare"},"blocks":[{"type":"input","block_id":"title","label":{"type":"plain_text","text":"Title"},"element":{"type":"plain_text_input","action_id":"value"}}]}`}})
	s.Submit(s.ExpectForm("U1", "Title"), map[string]string{"title": "slow"})
	s.Await("all kinds", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(got) == len(sampled)
	})
	mu.Lock()
	defer mu.Unlock()
	for kind, payload := range got {
		if extra := madeUp(kind, payload); len(extra) > 0 {
			t.Errorf("%s: no sample has %q", kind, extra)
		}
	}
	if extra := madeUp("reaction_added", map[string]any{"event": map[string]any{"emoji": "eyes"}}); !slices.Contains(extra, "event.emoji") {
		t.Errorf("a field that was made up is not found: %q", extra)
	}
}
