package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"irisops/actions/runbook"
	"irisops/cmd/irisops/config"
)

// quietPoll is how often a reload looks whether the actions under way have ended.
const quietPoll = 200 * time.Millisecond

// reload exchanges the running irisops for one with the config as it stands now.
// What is open lives in the database, so that clocks and pages go on; no action
// is torn: it waits for those under way. A config with a fault changes nothing,
// and neither does one that irisops cannot start with.
func (c runCommand) reload(ctx context.Context, s streams, log *slog.Logger, old *app, was config.Config) (*app, config.Config, error) {
	kept := func(why string, details any) (*app, config.Config, error) {
		fmt.Fprintf(s.err, "irisops: the config was not reloaded, the one from before stays: %s\n%v\n", why, details)
		return old, was, nil
	}
	cfg, err := c.load()
	if err != nil {
		return kept("it has faults.", err)
	}
	if cfg.Data != was.Data {
		return kept("data: cannot change while irisops runs.", "To move the database, stop irisops first.")
	}
	for _, w := range cfg.Warnings() {
		fmt.Fprintln(s.err, "irisops:", w)
	}
	if err := old.quiet(ctx); err != nil {
		return kept("irisops is stopping.", err)
	}
	if err := stopApp(ctx, old); err != nil {
		log.Warn("something did not end well before the reload", "err", err)
	}
	a, err := c.startApp(ctx, s, log, cfg)
	if err == nil {
		fmt.Fprintf(s.out, "The config %s was reloaded.\n", c.Config)
		return a, cfg, nil
	}
	fmt.Fprintf(s.err, "irisops: it cannot start with the new config, so the one from before is taken again: %v\n", err)
	a, err = c.startApp(ctx, s, log, was)
	return a, was, err
}

// quiet waits until no action is under way.
func (a *app) quiet(ctx context.Context) error {
	tick := time.NewTicker(quietPoll)
	defer tick.Stop()
	for {
		runs, err := a.db.Runs(runbook.Running)
		if err == nil && len(runs) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func stopApp(ctx context.Context, a *app) error {
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	return a.Stop(stop)
}
