package slack

import (
	"encoding/json"
	"regexp"
	"strings"
)

// arrival is one thing that a person typed or pressed, as Slack tells it. Only
// the few fields that are used are read, so that a part of a message that the
// library does not know cannot make it unreadable.
type arrival struct {
	address
	text string
	ts   string // when it was said; "" is not known
	team string // where it was said; "" is not known
	own  bool   // the bot said it itself

	opens bool // they have opened their Home

	action  string // which of our own buttons was pressed
	pressed string // ts of the message that it is on
	trigger string // lets a form be opened, for 3 s

	filled   map[string]string // of a form: what was filled in
	incident string            // and which incident it is about
}

// slashPayload: https://docs.slack.dev/interactivity/implementing-slash-commands
type slashPayload struct {
	Team    string `json:"team_id"`
	Channel string `json:"channel_id"`
	User    string `json:"user_id"`
	Text    string `json:"text"`
	Trigger string `json:"trigger_id"`
}

// eventPayload: https://docs.slack.dev/reference/events/app_mention
type eventPayload struct {
	Team           string `json:"team_id"`
	Authorizations []struct {
		User string `json:"user_id"`
	} `json:"authorizations"`
	Event struct {
		Type    string `json:"type"`
		Subtype string `json:"subtype"`
		User    string `json:"user"`
		Team    string `json:"user_team"`
		Bot     string `json:"bot_id"`
		Text    string `json:"text"`
		TS      string `json:"ts"`
		Thread  string `json:"thread_ts"`
		Channel string `json:"channel"`
		EventTS string `json:"event_ts"`
		Tab     string `json:"tab"`
		Emoji   string `json:"reaction"`
		Item    struct {
			Type    string `json:"type"`
			Channel string `json:"channel"`
			TS      string `json:"ts"`
		} `json:"item"`
	} `json:"event"`
}

// clickPayload: https://docs.slack.dev/reference/interaction-payloads/block_actions-payload
type clickPayload struct {
	Type    string `json:"type"`
	Trigger string `json:"trigger_id"`
	User    struct {
		ID   string `json:"id"`
		Team string `json:"team_id"`
	} `json:"user"`
	Channel struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		Type    string `json:"type"`
		View    string `json:"view_id"`
		TS      string `json:"message_ts"`
		Channel string `json:"channel_id"`
		Thread  string `json:"thread_ts"`
	} `json:"container"`
	Message struct {
		Thread string `json:"thread_ts"`
	} `json:"message"`
	Actions []struct {
		Type   string `json:"type"`
		ID     string `json:"action_id"`
		Value  string `json:"value"`
		Action string `json:"action_ts"`
	} `json:"actions"`
}

// read makes an arrival of an envelope's payload. false: it is nothing that a
// person said to the bot.
func read(kind, envelope string, payload json.RawMessage) (a arrival, ok bool, err error) {
	switch kind {
	case "slash_commands":
		a, ok, err = readSlash(envelope, payload)
	case "events_api":
		a, ok, err = readMention(payload)
	case "interactive":
		a, ok, err = readClick(payload)
	}
	if a.text == "" && a.kind != byReply {
		a.text = "help"
	}
	return a, ok, err
}

func readSlash(envelope string, payload json.RawMessage) (a arrival, ok bool, err error) {
	var p slashPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return a, false, err
	}
	trigger := p.Trigger
	if p.Trigger == "" {
		p.Trigger = envelope
	}
	a = arrival{address: address{channel: p.Channel, user: p.User, kind: bySlash, what: p.Trigger}, text: strings.TrimSpace(p.Text), team: p.Team, trigger: trigger}
	return a, p.Channel != "" && p.User != "", nil
}

func readMention(payload json.RawMessage) (a arrival, ok bool, err error) {
	var p eventPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return a, false, err
	}
	e := p.Event
	self := ""
	if len(p.Authorizations) > 0 {
		self = p.Authorizations[0].User
	}
	team := e.Team
	if team == "" {
		team = p.Team
	}
	switch {
	case e.Type == "message" && e.User == self && self != "":
		return arrival{own: true}, false, nil
	case e.Type == "message" && (e.Subtype == "" || e.Subtype == "thread_broadcast") && e.Bot == "" && e.User != "" && e.Thread != "" && e.Thread != e.TS &&
		(self == "" || !strings.Contains(e.Text, "<@"+self)): // what mentions the bot comes as an app_mention too
		return arrival{address: address{channel: e.Channel, thread: e.Thread, user: e.User, kind: byReply, what: e.TS}, text: e.Text, ts: e.TS, team: team}, true, nil
	case e.Type == "app_home_opened" && e.User != "":
		return arrival{address: address{user: e.User, kind: byHome}, opens: true}, e.Tab != "messages", nil
	case e.Type == "reaction_added" && e.Item.Type == "message" && e.User != "" && e.User != self:
		return arrival{address: address{channel: e.Item.Channel, user: e.User, kind: byEmoji, what: e.Item.TS + "/" + e.Emoji},
			text: e.Emoji, ts: e.EventTS, team: team, pressed: e.Item.TS}, e.Item.Channel != "" && e.Item.TS != "", nil
	}
	if e.Type != "app_mention" || e.User == "" || e.User == self || e.Bot != "" || e.Channel == "" || e.TS == "" {
		return a, false, nil // a bot that answers bots never ends
	}
	thread := e.Thread
	if thread == e.TS {
		thread = ""
	}
	a = arrival{address: address{channel: e.Channel, thread: thread, user: e.User, kind: byMention, what: e.TS},
		text: withoutMention(e.Text, self), ts: e.TS, team: team}
	return a, true, nil
}

func readClick(payload json.RawMessage) (a arrival, ok bool, err error) {
	var p clickPayload
	if err := json.Unmarshal(payload, &p); err != nil {
		return a, false, err
	}
	if p.Type == "view_submission" {
		return readSubmit(payload)
	}
	if p.Type != "block_actions" || len(p.Actions) == 0 || p.User.ID == "" {
		return a, false, nil
	}
	b := p.Actions[0]
	if b.Type != "button" || b.Value == "" {
		return a, false, nil
	}
	if p.Container.Type == "view" {
		what := strings.Join([]string{p.Container.View, b.Action, b.ID}, "/")
		return arrival{address: address{user: p.User.ID, kind: byHome, what: what}, text: b.Value, ts: b.Action, team: p.User.Team, trigger: p.Trigger}, true, nil
	}
	channel, thread := p.Container.Channel, p.Container.Thread
	if channel == "" {
		channel = p.Channel.ID
	}
	if thread == "" {
		thread = p.Message.Thread
	}
	if thread == p.Container.TS {
		thread = ""
	}
	what := strings.Join([]string{p.Container.TS, b.Action, b.ID}, "/")
	a = arrival{address: address{channel: channel, thread: thread, user: p.User.ID, kind: byClick, what: what},
		text: b.Value, ts: b.Action, team: p.User.Team, action: b.ID, pressed: p.Container.TS, trigger: p.Trigger}
	return a, channel != "", nil
}

var anyMention = regexp.MustCompile(`^\s*<@[A-Z0-9]+(\|[^>]*)?>[:,]?`)

// withoutMention takes the bot's own name out of what was said to it: wherever
// it stands, or at the beginning if it is not known.
func withoutMention(text, self string) string {
	if self == "" {
		return strings.TrimSpace(anyMention.ReplaceAllString(text, ""))
	}
	own := regexp.MustCompile(`<@` + regexp.QuoteMeta(self) + `(\|[^>]*)?>[:,]?`)
	return strings.TrimSpace(own.ReplaceAllString(text, " "))
}
