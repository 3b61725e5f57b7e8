package slacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

type answer map[string]any

func no(code string) answer { return answer{"ok": false, "error": code} }

// methods are those that bot/slack may call.
var methods = map[string]func(*Slack, *http.Request) answer{
	"auth.test": func(*Slack, *http.Request) answer {
		return answer{"ok": true, "url": "https://example.slack.com/", "team": "Example", "team_id": teamID, "user": "iris", "user_id": BotUser, "bot_id": botID}
	},
	"apps.connections.open": (*Slack).open,
	"chat.postMessage":      (*Slack).postMessage,
	"chat.update":           (*Slack).update,
	"chat.postEphemeral":    (*Slack).postEphemeral,
	"conversations.history": (*Slack).history,
	"conversations.replies": (*Slack).replies,
	"conversations.info":    (*Slack).info,
	"conversations.open":    (*Slack).conversationsOpen,
	"usergroups.users.list": (*Slack).members,

	"files.getUploadURLExternal":   (*Slack).filesGetUploadURL,
	"files.completeUploadExternal": (*Slack).filesComplete,
	"views.open":                   (*Slack).viewsOpen,
	"views.update":                 (*Slack).viewsUpdate,
	"views.publish":                (*Slack).viewsPublish,
	"pins.add":                     func(s *Slack, r *http.Request) answer { return s.pin(r, true) },
	"pins.remove":                  func(s *Slack, r *http.Request) answer { return s.pin(r, false) },
}

func (s *Slack) serveAPI(w http.ResponseWriter, r *http.Request) {
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	do := methods[method]
	if do == nil {
		s.wrong("a call of %s, which it does not know", method)
		write(w, no("unknown_method"))
		return
	}
	if err := parse(r); err != nil {
		write(w, no("invalid_form_data"))
		return
	}
	s.mu.Lock()
	s.calls[method]++
	var f fault
	if queue := s.faults[method]; len(queue) > 0 {
		f, s.faults[method] = queue[0], queue[1:]
	}
	refusal := s.refusal
	s.mu.Unlock()
	s.heads(method, w)
	wait := s.tooFast(method, r)
	switch {
	case wait > 0 && f.status == 0:
		w.Header().Set("Retry-After", retryAfter(wait))
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case f.status != 0:
		for name, value := range f.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(f.status)
		return
	case f.code != "":
		write(w, no(f.code))
		return
	case refusal != "":
		write(w, no(refusal))
		return
	}
	if code := s.authorized(method, r); code != "" {
		if !s.tolerant {
			s.wrong("%s with a wrong token: %s", method, code)
		}
		write(w, no(code))
		return
	}
	if lacking := s.lacks(method, r.Form.Get("channel")); lacking != nil {
		write(w, lacking)
		return
	}
	a := do(s, r)
	if f.hangup {
		if h, ok := w.(http.Hijacker); ok {
			if c, _, err := h.Hijack(); err == nil {
				c.Close()
			}
		}
		return
	}
	write(w, a)
}

// parse reads the arguments, which come as a form or as JSON.
func parse(r *http.Request) error {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return r.ParseForm()
	}
	var args map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&args); err != nil && !errors.Is(err, io.EOF) { // nothing is no arguments
		return err
	}
	r.Form = url.Values{}
	for name, raw := range args {
		value := string(raw)
		var text string
		if json.Unmarshal(raw, &text) == nil {
			value = text
		}
		r.Form.Set(name, value)
	}
	return nil
}

func write(w http.ResponseWriter, a answer) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_ = json.NewEncoder(w).Encode(a) // a client that has gone is its own affair
}

func (s *Slack) authorized(method string, r *http.Request) string {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		token = r.Form.Get("token")
	}
	want := BotToken
	if method == "apps.connections.open" {
		want = AppToken
	}
	switch token {
	case want:
		return ""
	case "":
		return "not_authed"
	case AppToken, BotToken:
		return "not_allowed_token_type"
	}
	return "invalid_auth"
}

// content reads and checks text and blocks. A content that Slack would refuse
// fails the test.
func (s *Slack) content(r *http.Request) (text string, blocks []any, bad answer) {
	text = r.Form.Get("text")
	if raw := r.Form.Get("blocks"); raw != "" {
		if err := json.Unmarshal([]byte(raw), &blocks); err != nil {
			s.wrong("blocks that are no JSON: %v", err)
			return "", nil, no("invalid_blocks_format")
		}
	}
	if text == "" {
		s.wrong("a message without text: nothing for notifications and screen readers")
		return "", nil, no("no_text")
	}
	if code, problems := Check(text, blocks); code != "" {
		s.wrong("%s: %s", code, strings.Join(problems, "; "))
		return "", nil, answer{"ok": false, "error": code, "response_metadata": answer{"messages": problems}}
	}
	return text, blocks, nil
}

// writable says why the bot cannot write in a channel.
func (s *Slack) writable(id string) string {
	c := s.channels[id]
	switch {
	case c == nil:
		return "channel_not_found"
	case !c.members[BotUser]:
		return "not_in_channel"
	case c.archived:
		return "is_archived"
	}
	return s.refusedDirect(id)
}

func (s *Slack) postMessage(r *http.Request) answer {
	text, blocks, bad := s.content(r)
	if bad != nil {
		return bad
	}
	var metadata any
	if raw := r.Form.Get("metadata"); raw != "" {
		if err := json.Unmarshal([]byte(raw), &metadata); err != nil {
			return no("invalid_metadata_format")
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, thread := r.Form.Get("channel"), r.Form.Get("thread_ts")
	if strings.HasPrefix(id, "U") { // Slack takes it, and chat.update and conversations.history do not
		s.t.Errorf("slacktest: a message to the user %s instead of the direct message with them", id)
	}
	if code := s.writable(id); code != "" {
		return no(code)
	}
	if thread != "" {
		head := s.message(id, thread)
		if head == nil || head.Thread != "" {
			return no("thread_not_found")
		}
	}
	m := &Message{Channel: id, TS: s.next(), Thread: thread, User: BotUser, Bot: true, text: text, blocks: blocks, metadata: metadata,
		broadcast: r.Form.Get("reply_broadcast") == "true"}
	m.states, m.arrived = []string{shown(text, blocks)}, time.Now()
	s.channels[id].messages = append(s.channels[id].messages, m)
	s.echo(m)
	s.touch()
	return answer{"ok": true, "channel": id, "ts": m.TS, "message": m.json(true)}
}

func (s *Slack) update(r *http.Request) answer {
	text, blocks, bad := s.content(r)
	if bad != nil {
		return bad
	}
	if !r.Form.Has("blocks") {
		s.wrong("chat.update without blocks keeps the old ones")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, ts := r.Form.Get("channel"), r.Form.Get("ts")
	if code := s.writable(id); code != "" {
		return no(code)
	}
	m := s.message(id, ts)
	switch {
	case m == nil:
		return no("message_not_found")
	case !m.Bot:
		return no("cant_update_message")
	}
	if since := time.Since(m.edited); since < editEvery-100*time.Millisecond {
		s.t.Errorf("slacktest: %s was edited again after %s: %s", ts, since.Round(time.Millisecond), text)
	}
	m.text, m.blocks, m.edited, m.edits = text, blocks, time.Now(), m.edits+1
	m.states = append(m.states, shown(text, blocks))
	if raw := r.Form.Get("metadata"); raw != "" {
		var metadata any
		if json.Unmarshal([]byte(raw), &metadata) == nil {
			m.metadata = metadata
		}
	}
	s.touch()
	return answer{"ok": true, "channel": id, "ts": ts, "text": text, "message": m.json(true)}
}

func (s *Slack) postEphemeral(r *http.Request) answer {
	text, blocks, bad := s.content(r)
	if bad != nil {
		return bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Form.Get("channel")
	if code := s.writable(id); code != "" {
		return no(code)
	}
	if c := s.channels[id]; c.direct != "" && c.direct != r.Form.Get("user") {
		return no("user_not_in_channel")
	}
	s.ephemerals = append(s.ephemerals, &Ephemeral{Channel: id, Thread: r.Form.Get("thread_ts"), User: r.Form.Get("user"), Text: text, Blocks: blocks})
	s.touch()
	return answer{"ok": true, "message_ts": s.next()}
}

// json is the message as the Web API and payloads show it.
func (m *Message) json(metadata bool) answer {
	a := answer{"type": "message", "user": m.User, "text": m.text, "ts": m.TS, "team": teamID}
	if m.Bot {
		a["bot_id"], a["app_id"], a["blocks"] = botID, appID, m.blocks
	}
	if m.Thread != "" {
		a["thread_ts"] = m.Thread
	}
	if m.replies > 0 {
		a["reply_count"], a["latest_reply"], a["thread_ts"] = m.replies, m.latest, m.TS
	}
	if len(m.files) > 0 {
		var files []any
		for _, f := range m.files {
			files = append(files, answer{"id": f.ID, "name": f.Name, "title": f.Title, "size": len(f.Bytes)})
		}
		a["files"] = files
	}
	if metadata && m.metadata != nil {
		a["metadata"] = m.metadata
	}
	if len(m.shared) > 0 {
		a["files"] = m.shared
	}
	return a
}

func (s *Slack) history(r *http.Request) answer {
	return s.read(r, func(m *Message) bool { return m.Thread == "" || m.broadcast })
}

func (s *Slack) replies(r *http.Request) answer {
	ts := r.Form.Get("ts")
	return s.read(r, func(m *Message) bool { return m.TS == ts || m.Thread == ts })
}

// read pages through a channel, newest first, two at a time whatever is asked
// for: Slack may give fewer than asked for.
func (s *Slack) read(r *http.Request, in func(*Message) bool) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Form.Get("channel")
	if code := s.writable(id); code != "" {
		return no(code)
	}
	oldest, _ := strconv.ParseFloat(r.Form.Get("oldest"), 64)
	skip, _ := strconv.Atoi(r.Form.Get("cursor"))
	all := s.channels[id].messages
	messages := []any{}
	seen := 0
	for i := len(all) - 1; i >= 0; i-- {
		ts, _ := strconv.ParseFloat(all[i].TS, 64)
		if !in(all[i]) || ts < oldest {
			continue
		}
		if seen++; seen <= skip {
			continue
		}
		if len(messages) == 20 {
			return answer{"ok": true, "messages": messages, "has_more": true, "response_metadata": answer{"next_cursor": fmt.Sprint(skip + 20)}}
		}
		messages = append(messages, all[i].json(flag(r, "include_all_metadata")))
	}
	return answer{"ok": true, "messages": messages, "has_more": false}
}

func flag(r *http.Request, name string) bool {
	v := r.Form.Get(name)
	return v == "1" || v == "true"
}

func (s *Slack) members(r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	users, ok := s.groups[r.Form.Get("usergroup")]
	if !ok {
		return no("no_such_subteam")
	}
	return answer{"ok": true, "users": users}
}
