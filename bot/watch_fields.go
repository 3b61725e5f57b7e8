package bot

import "irisops/bot/message"

// watchFields say whether paging itself is watched over.
func (b *Bot) watchFields() []message.Field { return nil }
