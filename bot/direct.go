package bot

import (
	"context"
	"errors"
	"fmt"

	"irisops/bot/oncall"
	"irisops/bot/pager"
)

// DirectRoom is a room that can speak to one person alone, too.
type DirectRoom interface {
	Room
	// PublishDirect is Publish of a page that the person whom it calls sees alone
	// besides. It returns once it stands there. An error of pager.Final says that it
	// never will, and what a person has to do about that.
	PublishDirect(ctx context.Context, p Post) error
}

// direct is the Sender that calls one person alone, where people talk. The page
// stands in the conversation as well, so that the others see it.
type direct struct{ *Bot }

// Channel implements pager.Sender.
func (direct) Channel() string { return pager.DirectMessage }

// Send implements pager.Sender.
func (s direct) Send(ctx context.Context, p pager.Page) error {
	if err := ctx.Err(); err != nil {
		return pager.Retry(err)
	}
	post := pagePost(p)
	able := false
	var err error
	for _, r := range s.rooms() {
		if d, ok := r.(DirectRoom); ok {
			able, err = true, d.PublishDirect(ctx, post)
			continue
		}
		if err := r.Publish(ctx, post); err != nil {
			s.log.Error("a room did not take a post", "key", post.Key, "err", err)
		}
	}
	verdict, _ := pager.Judge(err)
	switch {
	case !able:
		return pager.Final(errors.New("irisops is not in Slack"))
	case err == nil || verdict == pager.Refused:
		return err
	}
	return pager.Retry(fmt.Errorf("a room did not take the page: %w", err))
}

// afterDirect says whether what follows the page is the same in the conversation,
// where its direct message failed.
func afterDirect(p pager.Page) bool {
	return p.Channel == pager.DirectMessage && len(p.Next) > 0 && p.Next[0] == oncall.Conversation
}
