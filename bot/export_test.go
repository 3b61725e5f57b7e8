package bot

import (
	"log/slog"

	"irisops/bot/pager"
)

// DirectSender is the Sender of direct messages, for those rooms.
func DirectSender(log *slog.Logger, rooms ...Room) pager.Sender {
	return direct{&Bot{joined: rooms, log: log}}
}
