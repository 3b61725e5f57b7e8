package slacktest

import (
	"net/http"
	"strings"
)

// A direct message between the bot and a user is a conversation of its own, whose
// id begins with D; conversations.open makes it and tells its id.

// direct is the id of the direct message with a user.
func direct(user string) string { return "D" + strings.TrimPrefix(user, "U") }

// Direct is the id of the direct message between the bot and a user.
func (s *Slack) Direct(user string) string { return direct(user) }

// NoDirect has Slack refuse direct messages to a user with that error code, until
// it is called with "".
func (s *Slack) NoDirect(user, code string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.noDirect == nil {
		s.noDirect = map[string]string{}
	}
	s.noDirect[user] = code
}

// conversationsOpen: https://docs.slack.dev/reference/methods/conversations.open
func (s *Slack) conversationsOpen(r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	user := r.Form.Get("users")
	switch {
	case user == "":
		return no("users_list_not_supplied")
	case strings.Contains(user, ","):
		s.t.Errorf("slacktest: a conversation of several was opened: %s", user)
		return no("too_many_users")
	case s.noDirect[user] != "":
		return no(s.noDirect[user])
	case !strings.HasPrefix(user, "U") || user == BotUser:
		return no("user_not_found")
	}
	id := direct(user)
	_, known := s.channels[id]
	if !known {
		s.channels[id] = &channel{id: id, members: map[string]bool{BotUser: true, user: true}, direct: user}
	}
	a := answer{"ok": true, "channel": answer{"id": id}}
	if known {
		a["no_op"], a["already_open"] = true, true
	}
	return a
}

// refusedDirect is why the bot cannot write in a direct message; "" if it can. The
// caller holds mu.
func (s *Slack) refusedDirect(id string) string {
	if c := s.channels[id]; c != nil && c.direct != "" {
		return s.noDirect[c.direct]
	}
	return ""
}

// isDirect says whether a channel is a direct message. The caller holds mu.
func (s *Slack) isDirect(id string) bool {
	c := s.channels[id]
	return c != nil && c.direct != ""
}
