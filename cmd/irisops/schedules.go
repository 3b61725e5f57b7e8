package main

import (
	"context"
	"log/slog"

	"irisops/bot"
	"irisops/bot/schedule"
	"irisops/cmd/irisops/config"
	"irisops/store"
)

// schedules are what the config wants done by the calendar, an entry for each
// cluster where it is about one. What this irisops has no words for is left out.
func (a *app) schedules(cfg config.Config, clusters []bot.Cluster, db *store.DB, log *slog.Logger) ([]bot.Scheduled, error) {
	if err := tidy(context.Background(), db, log); err != nil {
		log.Error("the database could not be tidied", "err", err)
	}
	table, err := bot.TableOf(clusters[0].Actions)
	if err != nil {
		return nil, err
	}
	var all []bot.Scheduled
	for _, u := range schedule.Usuals() {
		when := cfg.Schedules.Of(u.Name)
		if when.Off() {
			continue
		}
		e := bot.Scheduled{Entry: u.Entry}
		if e.When, err = schedule.Parse(when.Cron, when.Week, cfg.Zone()); err != nil {
			return nil, err
		}
		if u.Name == schedule.Tidy {
			e.Words, e.Chore = "", func(ctx context.Context) error { return tidy(ctx, db, log) }
		} else if _, known := table.Lookup(u.Words); !known {
			continue
		}
		if !u.EachCluster || len(clusters) == 1 {
			all = append(all, e)
			continue
		}
		for _, c := range clusters {
			one := e
			one.Name, one.Cluster = e.Name+"-"+c.Name, c.Name
			all = append(all, one)
		}
	}
	return all, nil
}
