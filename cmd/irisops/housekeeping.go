package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"irisops/store"
)

const (
	// keepDeliveries is how long an answered delivery is kept, so that the same
	// one again is known. Slack repeats for minutes; a week is generous.
	keepDeliveries = 7 * 24 * time.Hour
	// keepPosts is how long it is known which message in Slack is which, after
	// what it is about is over. Older messages are not edited any more.
	keepPosts = 30 * 24 * time.Hour
)

// tidy forgets what nobody needs any more. It is a chore of the calendar, and
// done at the start too, for a database that grew while nobody tidied.
func tidy(ctx context.Context, db *store.DB, log *slog.Logger) error {
	deliveries, err := db.Prune(ctx, time.Now().Add(-keepDeliveries))
	posts, postsErr := db.PrunePosts(ctx, time.Now().Add(-keepPosts))
	if deliveries > 0 || posts > 0 {
		log.Info("tidied the database", "answered deliveries", deliveries, "messages in Slack", posts)
	}
	return errors.Join(err, postsErr)
}
