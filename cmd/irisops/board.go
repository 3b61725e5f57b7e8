package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/drill"
	"irisops/bot"
	"irisops/bot/message"
	"irisops/bot/web/board"
	"irisops/cmd/irisops/config"
	"irisops/store"
)

// showBoard joins the board to the listener, where it is for those only who may
// look.
func (a *app) showBoard(cfg config.Config, clusters []*cluster.Cluster, db *store.DB, log *slog.Logger) error {
	if a.web == nil || !cfg.Served() {
		return nil
	}
	o := board.Options{Conversation: onBoard{a.bot}, Incidents: db, Token: cfg.Board.Token.Reveal(),
		Local: cfg.Local(), Stopping: a.web.Stopping(), Zone: cfg.Zone(), Version: version, Log: log}
	for _, c := range clusters {
		look, err := action(c, "diagnose")
		if err != nil {
			return err
		}
		o.Clusters = append(o.Clusters, board.Cluster{Name: c.Name, Diagnose: func(ctx context.Context) (message.Message, error) {
			result, err := look.Look(ctx, actions.Request{By: board.Caller, Now: time.Now().UTC()})
			if err != nil {
				return message.Message{}, err
			}
			return bot.ResultMessage(result), nil
		}})
	}
	o.Drills = func() ([]drill.Point, error) {
		var all []drill.Record
		for _, c := range clusters {
			past, err := db.Drills(c.Name)
			if err != nil {
				return nil, err
			}
			all = append(all, past...)
		}
		return drill.Points(all), nil
	}
	b, err := board.New(o)
	if err != nil {
		return err
	}
	a.web.Handle("GET /", b.Handler())
	return nil
}

// boardLink is what links to the board begin with: only where the config says how
// people reach it.
func (a *app) boardLink(cfg config.Config) string {
	if a.web == nil || !cfg.Served() {
		return ""
	}
	return cfg.ExternalURL
}

// onBoard is the conversation as the board asks it.
type onBoard struct{ *bot.Bot }

// Peek implements board.Conversation.
func (b onBoard) Peek(ctx context.Context, words string) (message.Message, error) {
	m, err := b.Bot.Peek(ctx, words)
	if actions.CodeOf(err) == bot.CodeNoWord {
		return m, fmt.Errorf("%w: %w", board.ErrNoWord, err)
	}
	return m, err
}
