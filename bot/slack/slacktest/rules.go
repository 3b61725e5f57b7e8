package slacktest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// scopes are what each method needs (https://docs.slack.dev/reference/methods);
// a method that reads a channel takes either of two.
var scopes = map[string][]string{
	"chat.postMessage": {"chat:write"}, "chat.update": {"chat:write"}, "chat.postEphemeral": {"chat:write"},
	"conversations.history": {"channels:history", "groups:history"}, "conversations.replies": {"channels:history", "groups:history"},
	"conversations.info":    {"channels:read", "groups:read"},
	"conversations.open":    {"im:write", "mpim:write"},
	"usergroups.users.list": {"usergroups:read"},
	"pins.add":              {"pins:write"}, "pins.remove": {"pins:write"},
	"files.getUploadURLExternal": {"files:write"}, "files.completeUploadExternal": {"files:write"},
	"apps.connections.open": {"connections:write"},
}

// Granted are the scopes that the app has, unless a test takes one away.
func Granted() []string {
	return []string{"app_mentions:read", "channels:history", "channels:read", "chat:write", "commands", "files:write", "groups:history", "groups:read",
		"im:history", "im:write", "pins:write", "reactions:read", "usergroups:read"}
}

// Revoke takes scopes away from the app.
func (s *Slack) Revoke(names ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = append(s.revoked, names...)
}

// granted are the scopes of the token that a method is called with. The caller
// holds mu.
func (s *Slack) granted(method string) []string {
	all := Granted()
	if method == "apps.connections.open" {
		all = []string{"connections:write"}
	}
	return slices.DeleteFunc(all, func(name string) bool { return slices.Contains(s.revoked, name) })
}

// directScopes are those that methods need in a direct message.
var directScopes = map[string][]string{"conversations.history": {"im:history"}, "conversations.replies": {"im:history"}, "conversations.info": {"im:read"}}

// lacks is the answer to a call without its scope, or nil.
func (s *Slack) lacks(method, channel string) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	needed, granted := scopes[method], s.granted(method)
	if d := directScopes[method]; d != nil && s.isDirect(channel) {
		needed = d
	}
	if len(needed) == 0 || slices.ContainsFunc(needed, func(name string) bool { return slices.Contains(granted, name) }) {
		return nil
	}
	return answer{"ok": false, "error": "missing_scope", "needed": needed[0], "provided": strings.Join(granted, ",")}
}

// allowance is how often something may be called: so many at once, and then one
// in every. https://docs.slack.dev/apis/web-api/rate-limits has a message a
// second for a channel, with short bursts, and for other methods so many a minute
// "with some bursts"; what is given beyond that is our guess.
type allowance struct {
	burst float64
	every time.Duration
}

var (
	inChannel = allowance{8, time.Second}
	tier2     = allowance{20, 3 * time.Second}
	tier3     = allowance{40, 1200 * time.Millisecond}
	tier4     = allowance{80, 600 * time.Millisecond}
)

var allowances = map[string]allowance{
	"chat.update": tier3, "chat.postEphemeral": tier4, "conversations.history": tier3, "conversations.replies": tier3, "conversations.info": tier3, "conversations.open": tier3,
	"usergroups.users.list": tier2, "pins.add": tier2, "pins.remove": tier2, "views.open": tier4, "views.update": tier4, "views.publish": tier4,
	"files.getUploadURLExternal": tier4, "files.completeUploadExternal": tier4, "auth.test": tier4,
}

type spent struct {
	tokens float64
	at     time.Time
}

// Generous lifts the limits on how often methods may be called.
func (s *Slack) Generous() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generous = true
}

// Limited says how often a call came too fast.
func (s *Slack) Limited() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limited
}

// tooFast says how long to wait, if a call comes too fast.
func (s *Slack) tooFast(method string, r *http.Request) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, a, counted := method, allowances[method], allowances[method] != allowance{}
	if method == "chat.postMessage" {
		key, a, counted = method+" "+r.Form.Get("channel"), inChannel, true
	}
	if !counted || s.generous {
		return 0
	}
	if s.spent == nil {
		s.spent = map[string]spent{}
	}
	now := time.Now()
	sp, ok := s.spent[key]
	if !ok {
		sp = spent{a.burst, now}
	}
	sp.tokens = min(a.burst, sp.tokens+float64(now.Sub(sp.at))/float64(a.every))
	sp.at = now
	if sp.tokens < 1 {
		s.limited++
		wait = time.Duration((1 - sp.tokens) * float64(a.every))
	} else {
		sp.tokens--
	}
	s.spent[key] = sp
	return wait
}

// Archive ends a channel.
func (s *Slack) Archive(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels[id].archived = true
}

// info: https://docs.slack.dev/reference/methods/conversations.info
func (s *Slack) info(r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.channels[r.Form.Get("channel")]
	if c == nil {
		return no("channel_not_found")
	}
	return answer{"ok": true, "channel": answer{"id": c.id, "name": strings.ToLower(c.id), "is_channel": true, "is_member": c.members[BotUser], "is_archived": c.archived}}
}

// Skew sets Slack's clock, as its answers tell it.
func (s *Slack) Skew(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.skew = by
}

// heads writes what stands before every answer of the Web API.
func (s *Slack) heads(method string, w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.Header().Set("X-OAuth-Scopes", strings.Join(s.granted(method), ","))
	w.Header().Set("Date", time.Now().Add(s.skew).UTC().Format(http.TimeFormat))
}

func retryAfter(wait time.Duration) string { return fmt.Sprint(int(wait/time.Second) + 1) }

// Tolerate lets calls with a wrong token pass as what they are: refused, and no
// defect of the bot's.
func (s *Slack) Tolerate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tolerant = true
}
