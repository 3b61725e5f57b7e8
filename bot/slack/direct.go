package slack

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"irisops/bot"
	"irisops/bot/pager"
	"irisops/bot/slack/outbox"
)

// A page is shown to the person whom it calls in a direct message, besides its
// incident's thread and the on-call channel. Slack knows a direct message by an
// id of its own ("D0123"), which chat.update wants and conversations.open tells:
// https://docs.slack.dev/reference/methods/conversations.open

const keyDirect = "direct/" // the copy of a page in a direct message

// PublishDirect implements bot.DirectRoom.
func (r *Room) PublishDirect(ctx context.Context, p bot.Post) error {
	user := r.calls(p)
	if user == outbox.Everybody { // nobody in particular: that is what the channel is for
		return r.publish(ctx, p, "")
	}
	if user != "" {
		return r.publish(ctx, p, user)
	}
	if err := r.publish(ctx, p, ""); err != nil {
		return err
	}
	return pager.Final(fmt.Errorf("%s has no Slack account in the config (slack: under people)", p.Person))
}

// directTo is the copy of a post in a direct message.
func (r *Room) directTo(p outbox.Post, user string) outbox.Post {
	p.Key, p.To, p.Channel, p.Thread, p.Calls = keyDirect+p.Key, user, user, "", ""
	if channel, ok := r.directs.Load(user); ok {
		p.Channel = channel.(string)
	}
	return p
}

// isDirect says whether that is the id of a direct message.
func isDirect(channel string) bool { return strings.HasPrefix(channel, "D") }

// directWith is the id of the direct message with a user: always the same one.
func (r *Room) directWith(ctx context.Context, user string) (string, error) {
	channel, _, _, err := r.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{user}})
	if err != nil {
		return "", err
	}
	if channel == nil || !isDirect(channel.ID) {
		return "", fmt.Errorf("conversations.open does not say which direct message is that with %s", user)
	}
	r.directs.Store(user, channel.ID)
	return channel.ID, nil
}

// openDirect finds out where a direct message goes.
func (r *Room) openDirect(ctx context.Context, p outbox.Post) (outbox.Post, error) {
	id, err := r.directWith(ctx, p.To)
	if err != nil {
		return p, err
	}
	p.Channel = id
	return p, r.amend(ctx, p.Key, func(q *outbox.Post) bool { q.Channel = id; return q.TS == "" })
}

// notDirect are the answers by which Slack refuses a direct message to somebody.
// Some of them would, of another message, be about the bot or about a channel as
// a whole.
var notDirect = map[string]bool{
	"missing_scope": true, "no_permission": true, "access_denied": true,
	"user_not_found": true, "users_not_found": true, "user_not_visible": true, "user_disabled": true, "cannot_dm_bot": true,
	"invalid_user_combination": true, "not_enough_users": true, "users_list_not_supplied": true, "method_not_supported_for_channel_type": true,
	"channel_not_found": true, "not_in_channel": true, "is_archived": true, "is_inactive": true,
	"restricted_action": true, "restricted_action_read_only_channel": true, "restricted_action_thread_only_channel": true, "messages_tab_disabled": true,
}

// judgeOf says what an error means for a post.
func judgeOf(p outbox.Post, err error) verdict {
	if p.To != "" && notDirect[codeOf(err)] {
		return unwelcome
	}
	v, _ := judge(err)
	return v
}

// whyNotDirect is what people read of a direct message that Slack refuses, and
// what they have to do.
func (r *Room) whyNotDirect(user string, err error) (why, way string) {
	const anew = "Paste `irisops manifest` under App Manifest on the app's page"
	code := codeOf(err)
	switch code {
	case "missing_scope":
		scope := "im:write"
		var answer slack.SlackErrorResponse
		if errors.As(err, &answer) && answer.Needed != "" && !strings.Contains(answer.Needed, scope) { // it names all that would do
			scope = answer.Needed
		}
		return fmt.Sprintf("the app lacks the scope %s (missing_scope)", scope), anew + ", and install it again"
	case "messages_tab_disabled":
		return "the app's Messages Tab is off (messages_tab_disabled)", anew
	case "user_not_found", "users_not_found", "user_not_visible", "user_disabled", "cannot_dm_bot", "invalid_user_combination":
		return fmt.Sprintf("Slack lets the app write to no user %s (%s)", user, code), fmt.Sprintf("Correct slack: of %s in the config", r.nameOf(user))
	}
	return fmt.Sprintf("Slack refuses direct messages to %s (%s)", r.nameOf(user), code), "Ask who administers the workspace"
}

// onOwnPage says whether somebody pressed a button of a direct message that the
// bot wrote to them.
func (l *Listener) onOwnPage(p *parcel) (bool, error) {
	if p.kind != byClick || !isDirect(p.channel) {
		return false, nil
	}
	post, known, err := l.room.postAt(p.channel, p.pressed)
	return known && post.To == p.user, err
}
