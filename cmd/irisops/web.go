package main

import (
	"context"
	"fmt"
	"log/slog"

	"irisops/actions"
	"irisops/bot/web"
	"irisops/cmd/irisops/config"
	"irisops/store"
)

// listen takes the address for web requests, as long as nothing else is open
// that would have to be closed again. An address that the config does not ask
// for may be taken by another irisops: then this one does without, and says so.
func (a *app) listen(cfg config.Config, db *store.DB, log *slog.Logger) error {
	address, needed := cfg.Listens()
	if address == "" {
		return nil
	}
	server, err := web.New(web.Options{Address: address, External: cfg.ExternalURL, Ready: ready(db), Log: log})
	switch {
	case err != nil && !needed && actions.CodeOf(err) == web.CodeTaken:
		log.Warn("no web requests are answered", "err", err)
		return nil
	case err != nil:
		return err
	}
	a.web = server
	a.onStop("the address for web requests", server.Stop)
	return nil
}

// ready: what must survive can be read.
func ready(db *store.DB) func(context.Context) error {
	return func(context.Context) error {
		if _, _, err := db.NextDue(); err != nil {
			return fmt.Errorf("the database cannot be read: %w", err)
		}
		return nil
	}
}
