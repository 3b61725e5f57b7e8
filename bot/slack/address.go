package slack

import "strings"

// address is where a delivery came from, and so where its answer goes. It is
// written out in the delivery's id: "slack/C0OPS/-/U01/say/<trigger>".
type address struct {
	channel string
	thread  string // ts of the head of the thread that it was said in; "" in the channel itself
	user    string
	kind    string // said how
	what    string // what makes it this one: the same when Slack delivers it again
}

const (
	bySlash   = "say"
	byMention = "mention" // what: ts of the message; an edited message is the same one
	byClick   = "click"   // what: ts of the message, of the click, and which button
	byForm    = "form"    // what: id of the view
	byEmoji   = "emoji"   // what: ts of the message, and which emoji
	byHome    = "home"    // what: id of the view, ts of the click, and which button
	byReply   = "reply"   // what: ts of the message; nobody spoke to the bot
)

const scheme = "slack/"

func (a address) id() string {
	thread := a.thread
	if thread == "" {
		thread = "-"
	}
	return scheme + strings.Join([]string{a.channel, thread, a.user, a.kind, a.what}, "/")
}

func addressOf(delivery string) (address, bool) {
	rest, ok := strings.CutPrefix(delivery, scheme)
	parts := strings.SplitN(rest, "/", 5)
	if !ok || len(parts) != 5 {
		return address{}, false
	}
	a := address{channel: parts[0], thread: parts[1], user: parts[2], kind: parts[3], what: parts[4]}
	if a.thread == "-" {
		a.thread = ""
	}
	return a, true
}

// replies is the thread where an answer belongs: the one it was said in, or
// under the message that was written or pressed; "" for a slash command, which
// leaves no message.
func (a address) replies() string {
	if a.thread != "" || a.kind == bySlash || a.kind == byForm || a.kind == byHome {
		return a.thread
	}
	ts, _, _ := strings.Cut(a.what, "/")
	return ts
}
