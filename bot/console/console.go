// Package console is the conversation without Slack: in a terminal, and over a
// local socket for irisops ctl. It works when Slack is not configured, and when
// Slack is down.
package console

import (
	"context"

	"irisops/bot"
	"irisops/bot/inbox"
)

// Conversation is the bot, as the console needs it.
type Conversation interface {
	Handle(ctx context.Context, d inbox.Delivery) *bot.Outcome
	Join(bot.Room)
	Leave(bot.Room)
}
