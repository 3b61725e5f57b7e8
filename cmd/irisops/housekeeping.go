package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/robfig/cron/v3"

	"irisops/store"
)

const (
	// houseHour is when the database is tidied: when people sleep.
	houseHour = "17 4 * * *"
	// keepDeliveries is how long an answered delivery is kept, so that the same
	// one again is known. Slack repeats for minutes; a week is generous.
	keepDeliveries = 7 * 24 * time.Hour
	// keepPosts is how long it is known which message in Slack is which, after
	// what it is about is over. Older messages are not edited any more.
	keepPosts = 30 * 24 * time.Hour
)

// keepHouse tidies the database at the start and every night. A night that was
// missed is made up for by the next start.
func (a *app) keepHouse(db *store.DB, zone *time.Location, log *slog.Logger) error {
	tidy := func() {
		n, err := db.Prune(context.Background(), time.Now().Add(-keepDeliveries))
		if err != nil {
			log.Error("the database could not be tidied", "err", err)
		} else if n > 0 {
			log.Info("forgot old answered deliveries", "count", n)
		}
		if n, err := db.PrunePosts(context.Background(), time.Now().Add(-keepPosts)); err != nil {
			log.Error("the database could not be tidied", "err", err)
		} else if n > 0 {
			log.Info("forgot where old messages stand in Slack", "count", n)
		}
	}
	tidy()
	nightly := cron.New(cron.WithLocation(zone), cron.WithChain(cron.Recover(cron.DefaultLogger)))
	if _, err := nightly.AddFunc(houseHour, tidy); err != nil {
		return err
	}
	nightly.Start()
	a.onStop("the housekeeping", func(ctx context.Context) error {
		select {
		case <-nightly.Stop().Done():
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	return nil
}
