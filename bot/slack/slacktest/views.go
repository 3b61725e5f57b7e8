package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// triggerLife is how long a trigger opens a form:
// https://docs.slack.dev/interactivity/handling-user-interaction
const triggerLife = 3 * time.Second

// trigger is what a person did that lets a form be opened, once.
type trigger struct {
	user string
	at   time.Time
}

// Form is a modal that a person has before them, or their Home.
type Form struct {
	User   string
	id     string
	hash   int
	view   map[string]any
	states []string
	gone   bool
	errors map[string]any // at its fields, from the last submit
	home   bool
	seen   bool
}

// trigger makes one. The caller holds mu.
func (s *Slack) newTrigger(user string) string {
	id := "trigger." + s.next()
	if s.triggers == nil {
		s.triggers = map[string]trigger{}
	}
	s.triggers[id] = trigger{user, time.Now()}
	return id
}

func (s *Slack) view(r *http.Request) (map[string]any, answer) {
	var view map[string]any
	if err := json.Unmarshal([]byte(r.Form.Get("view")), &view); err != nil {
		s.wrong("a view that is no JSON: %v", err)
		return nil, no("invalid_arguments")
	}
	if problems := CheckView(view); len(problems) > 0 {
		s.wrong("a view that Slack refuses: %s", strings.Join(problems, "; "))
		return nil, answer{"ok": false, "error": "invalid_arguments", "response_metadata": answer{"messages": problems}}
	}
	return view, nil
}

func (s *Slack) viewsOpen(r *http.Request) answer {
	view, bad := s.view(r)
	if bad != nil {
		return bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Form.Get("trigger_id")
	t, ok := s.triggers[id]
	delete(s.triggers, id)
	switch {
	case !ok:
		return no("invalid_trigger_id")
	case time.Since(t.at) > triggerLife || s.slowTriggers:
		return no("expired_trigger_id")
	}
	s.clock++
	f := &Form{User: t.user, id: fmt.Sprintf("V%d", s.clock), hash: 1, view: view}
	f.states = append(f.states, viewShown(view))
	s.forms = append(s.forms, f)
	s.touch()
	return answer{"ok": true, "view": f.json()}
}

func (s *Slack) viewsUpdate(r *http.Request) answer {
	view, bad := s.view(r)
	if bad != nil {
		return bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.forms, func(f *Form) bool { return f.id == r.Form.Get("view_id") && !f.gone })
	if i < 0 {
		return no("not_found")
	}
	f := s.forms[i]
	if hash := r.Form.Get("hash"); hash != "" && hash != fmt.Sprint(f.hash) {
		return no("hash_conflict")
	}
	f.view, f.hash = view, f.hash+1
	f.states = append(f.states, viewShown(view))
	s.touch()
	return answer{"ok": true, "view": f.json()}
}

func (s *Slack) viewsPublish(r *http.Request) answer {
	view, bad := s.view(r)
	if bad != nil {
		return bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if view["type"] != "home" {
		return no("invalid_arguments")
	}
	user := r.Form.Get("user_id")
	i := slices.IndexFunc(s.forms, func(f *Form) bool { return f.home && f.User == user })
	if i < 0 {
		s.clock++
		s.forms = append(s.forms, &Form{User: user, id: fmt.Sprintf("V%d", s.clock), home: true})
		i = len(s.forms) - 1
	}
	f := s.forms[i]
	f.view, f.hash = view, f.hash+1
	f.states = append(f.states, viewShown(view))
	s.touch()
	return answer{"ok": true, "view": f.json()}
}

func (f *Form) json() answer {
	a := answer{"id": f.id, "team_id": teamID, "hash": fmt.Sprint(f.hash), "root_view_id": f.id, "app_id": appID, "bot_id": botID, "state": answer{"values": answer{}}}
	for k, v := range f.view {
		a[k] = v
	}
	return a
}

// SlowTriggers makes every trigger too old to open a form.
func (s *Slack) SlowTriggers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slowTriggers = true
}

// ExpectForm waits for a form before that person, filled with its questions.
func (s *Slack) ExpectForm(user string, parts ...string) *Form {
	s.t.Helper()
	var found *Form
	s.waitFor(fmt.Sprintf("form for %s with %q", user, parts), func() bool {
		for _, f := range s.forms {
			if f.User == user && !f.home && !f.gone && !f.seen && has(viewShown(f.view), parts) && f.view["submit"] != nil {
				found, f.seen = f, true
				return true
			}
		}
		return false
	})
	if !strings.Contains(found.states[0], "One moment") {
		s.t.Errorf("slacktest: the form was not opened with a loading view first: %s", found.states[0])
	}
	return found
}

// ExpectHome waits until the Home of that person says all the parts.
func (s *Slack) ExpectHome(user string, parts ...string) *Form {
	s.t.Helper()
	var found *Form
	s.waitFor(fmt.Sprintf("Home of %s with %q", user, parts), func() bool {
		for _, f := range s.forms {
			if f.home && f.User == user && has(viewShown(f.view), parts) {
				found = f
				return true
			}
		}
		return false
	})
	return found
}

// OpenHome has a person open the bot's Home.
func (s *Slack) OpenHome(user string) {
	s.t.Helper()
	s.mu.Lock()
	// https://docs.slack.dev/reference/events/app_home_opened
	payload := s.eventOf(answer{"type": "app_home_opened", "user": user, "channel": "D" + user, "tab": "home", "event_ts": s.next()})
	s.mu.Unlock()
	s.acked(s.deliver("events_api", false, user, "", payload))
}

// Submit fills in a form, by field, and sends it off. What it holds are the ids
// of the fields' blocks.
func (s *Slack) Submit(f *Form, fields map[string]string) *Delivery {
	s.t.Helper()
	s.mu.Lock()
	values := answer{}
	blocks, _ := f.view["blocks"].([]any)
	for _, b := range blocks {
		block, _ := b.(map[string]any)
		if block["type"] != "input" {
			continue
		}
		id, _ := block["block_id"].(string)
		element, _ := block["element"].(map[string]any)
		value, given := fields[id]
		delete(fields, id)
		if !given && block["optional"] != true {
			s.mu.Unlock()
			s.t.Fatalf("slacktest: Slack sends no form off whose field %q is empty", id)
		}
		values[id] = answer{element["action_id"].(string): stateOf(element, value, given)}
	}
	for id := range fields {
		s.t.Errorf("slacktest: the form has no field %q", id)
	}
	view := f.json()
	view["state"] = answer{"values": values}
	f.errors = nil
	payload := answer{"type": "view_submission", "team": answer{"id": teamID, "domain": "example"}, "api_app_id": appID, "token": "verification",
		"user": answer{"id": f.User, "username": strings.ToLower(f.User), "name": strings.ToLower(f.User), "team_id": teamID},
		"view": view, "trigger_id": s.newTrigger(f.User), "response_urls": []any{}, "is_enterprise_install": false, "enterprise": nil}
	s.mu.Unlock()
	return s.acked(s.send(&Delivery{slack: s, kind: "interactive", accepts: true, payload: payload, user: f.User, form: f, sent: time.Now()}))
}

func stateOf(element map[string]any, value string, given bool) answer {
	a := answer{"type": element["type"]}
	switch element["type"] {
	case "static_select":
		a["selected_option"] = nil
		if given {
			a["selected_option"] = answer{"text": answer{"type": "plain_text", "text": value}, "value": value}
		}
	case "users_select":
		a["selected_user"] = nil
		if given {
			a["selected_user"] = value
		}
	case "checkboxes":
		list := []any{}
		if given {
			list = append(list, answer{"text": answer{"type": "plain_text", "text": value}, "value": value})
		}
		a["selected_options"] = list
	default:
		a["value"] = nil
		if given {
			a["value"] = value
		}
	}
	return a
}

// ExpectErrorAt waits until the form says something at a field.
func (s *Slack) ExpectErrorAt(f *Form, field string, parts ...string) {
	s.t.Helper()
	s.waitFor(fmt.Sprintf("error at %s with %q", field, parts), func() bool {
		text, _ := f.errors[field].(string)
		return text != "" && has(text, parts)
	})
}

// Closed says whether a form was sent off and is gone.
func (s *Slack) Closed(f *Form) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return f.gone
}

// submitted reads what the bot answers to a form. The caller holds mu.
func (f *Form) submitted(response map[string]any) {
	if response["response_action"] == "errors" {
		f.errors, _ = response["errors"].(map[string]any)
		return
	}
	f.gone = true
}

// CheckView says what Slack would refuse about a view:
// https://docs.slack.dev/reference/views
func CheckView(view map[string]any) []string {
	c := &checker{actions: map[string]bool{}, ids: map[string]bool{}, view: true}
	c.say1(view)
	blocks, _ := view["blocks"].([]any)
	if len(blocks) == 0 || len(blocks) > 100 {
		c.say("%d blocks", len(blocks))
	}
	inputs := 0
	for i, b := range blocks {
		c.block(fmt.Sprintf("blocks[%d]", i), b)
		if m, _ := b.(map[string]any); m["type"] == "input" {
			inputs++
		}
	}
	if inputs > 0 && (view["submit"] == nil || view["type"] == "home") {
		c.say("inputs without a submit")
	}
	return c.problems
}

func (c *checker) say1(view map[string]any) {
	if meta, _ := view["private_metadata"].(string); utf8.RuneCountInString(meta) > 3_000 {
		c.say("private_metadata has %d characters", utf8.RuneCountInString(meta))
	}
	if id, _ := view["callback_id"].(string); len(id) > 255 {
		c.say("callback_id is too long")
	}
	switch view["type"] {
	case "modal":
		for _, part := range []string{"title", "submit", "close"} {
			if view[part] != nil || part == "title" {
				c.object(part, view[part], 24, "plain_text")
			}
		}
	case "home":
		for _, part := range []string{"title", "submit", "close"} {
			if view[part] != nil {
				c.say("a home with a %s", part)
			}
		}
	default:
		c.say("a view of the type %v", view["type"])
	}
}

func (c *checker) input(at string, m map[string]any) {
	if id, _ := m["block_id"].(string); id == "" {
		c.say("%s has no block_id: nothing can be said at it", at)
	}
	c.object(at+".label", m["label"], 2_000, "plain_text")
	if m["hint"] != nil {
		c.object(at+".hint", m["hint"], 2_000, "plain_text")
	}
	e, _ := m["element"].(map[string]any)
	if id, _ := e["action_id"].(string); id == "" || len(id) > 255 {
		c.say("%s: action_id %q", at, id)
	}
	if e["placeholder"] != nil {
		c.object(at+".placeholder", e["placeholder"], 150, "plain_text")
	}
	switch e["type"] {
	case "plain_text_input":
		if n, ok := e["max_length"].(float64); ok && (n < 1 || n > 3_000) {
			c.say("%s: max_length %v", at, n)
		}
	case "static_select", "checkboxes":
		limit := 100
		if e["type"] == "checkboxes" {
			limit = 10
		}
		options, _ := e["options"].([]any)
		if len(options) == 0 || len(options) > limit {
			c.say("%s has %d options", at, len(options))
		}
		for i, o := range options {
			option, _ := o.(map[string]any)
			c.object(fmt.Sprintf("%s.options[%d]", at, i), option["text"], 75, "plain_text", "mrkdwn")
			if v, _ := option["value"].(string); v == "" || utf8.RuneCountInString(v) > 150 {
				c.say("%s.options[%d]: its value is empty or too long", at, i)
			}
		}
	case "users_select":
	default:
		c.say("%s is a %v, which nobody asks so far", at, e["type"])
	}
}

// viewShown is all that a person sees of a view, in lines.
func viewShown(view map[string]any) string {
	blocks, _ := view["blocks"].([]any)
	title := ""
	if t, ok := view["title"].(map[string]any); ok {
		title, _ = t["text"].(string)
	}
	return title + "\n" + shown("", blocks)
}

// HomeShown is all that a person sees of their Home now.
func (s *Slack) HomeShown(f *Form) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return viewShown(f.view)
}

// CopyHome is a Home as it is now, for somebody whose screen is old.
func (s *Slack) CopyHome(f *Form) *Form {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := *f
	return &c
}

// ClickHome presses a button on a person's Home that asks nothing.
func (s *Slack) ClickHome(f *Form, label string) *Delivery {
	s.t.Helper()
	return s.pressHome(f, label, "")
}

// ClickHomeAndConfirm presses one and says yes to its question.
func (s *Slack) ClickHomeAndConfirm(f *Form, label, asks string) *Delivery {
	s.t.Helper()
	return s.pressHome(f, label, asks)
}

func (s *Slack) pressHome(f *Form, label, asks string) *Delivery {
	s.t.Helper()
	blocks, _ := f.view["blocks"].([]any)
	b := s.button(&Message{blocks: blocks}, label)
	confirm, _ := b["confirm"].(map[string]any)
	question, _ := confirm["text"].(map[string]any)
	if text, _ := question["text"].(string); (confirm != nil) != (asks != "") || !strings.Contains(text, asks) {
		s.t.Errorf("slacktest: %s asks %q, not %q", label, text, asks)
	}
	s.mu.Lock()
	// https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
	payload := answer{
		"type": "block_actions", "team": answer{"id": teamID, "domain": "example"}, "api_app_id": appID, "token": "verification",
		"user":      answer{"id": f.User, "username": strings.ToLower(f.User), "name": strings.ToLower(f.User), "team_id": teamID},
		"container": answer{"type": "view", "view_id": f.id}, "trigger_id": s.newTrigger(f.User), "view": f.json(), "enterprise": nil, "is_enterprise_install": false,
		"actions": []any{answer{"type": "button", "action_id": b["action_id"], "block_id": b["block_id"], "text": b["text"], "value": b["value"], "action_ts": s.next()}},
	}
	s.mu.Unlock()
	return s.acked(s.deliver("interactive", false, f.User, "", payload))
}
