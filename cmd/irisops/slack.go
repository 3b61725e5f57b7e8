package main

import (
	"maps"
	"os"
	"slices"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/slack"
	"irisops/cmd/irisops/config"
	"irisops/store"
)

// slackRoom joins Slack to the conversation, where the config has a channel and
// the environment the tokens. A channel without tokens is allowed: the clocks,
// the pages and the socket run without Slack, and run says so.
func (a *app) slackRoom(cfg config.Config, o overrides, people access.Policy, db *store.DB, options *bot.Options) error {
	if o.demo || !inSlack(cfg) {
		return nil
	}
	if cfg.Slack.Mode != "socket" {
		return &actions.Error{Code: "not-available", Text: "slack: mode " + cfg.Slack.Mode + " is not available in this irisops.", Hint: "Set mode: socket. Nothing has to be reachable from outside for it."}
	}
	for _, name := range []string{"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"} {
		if os.Getenv(name) == "" {
			return &actions.Error{Code: "slack-tokens", Text: name + " is not set, and Slack needs both tokens.", Hint: "docs/slack.md says where they come from. Without either, irisops runs without Slack."}
		}
	}
	var places []slack.Place
	for _, id := range slices.Sorted(maps.Keys(cfg.Slack.Channels)) {
		places = append(places, slack.Place{Channel: id, Cluster: cfg.Slack.Channels[id]})
	}
	room, err := slack.NewRoom(slack.Options{
		BotToken: os.Getenv("SLACK_BOT_TOKEN"), AppToken: os.Getenv("SLACK_APP_TOKEN"),
		Team: cfg.Slack.Team, Channel: cfg.Slack.Channel, OnCallChannel: cfg.Slack.OnCallChannel, Places: places,
		People: people, Outbox: db, Log: options.Log, API: o.slackAPI,
		Alarm: func(what string, err error) { a.bot.Alarm(what, err) },
	})
	if err != nil {
		return &actions.Error{Code: "slack-tokens", Text: err.Error() + ".", Hint: "Both tokens come from the app's page at Slack; the README says how to install it.", Err: err}
	}
	a.slack = room
	options.Rooms = append(options.Rooms, room)
	options.Groups = room.Groups
	return nil
}

// inSlack says whether Slack is configured and has a token.
func inSlack(cfg config.Config) bool {
	return cfg.Slack != nil && (os.Getenv("SLACK_BOT_TOKEN") != "" || os.Getenv("SLACK_APP_TOKEN") != "")
}

type manifestCommand struct{}

// Run prints the app manifest for Slack, from the command table.
func (manifestCommand) Run(s streams) error {
	table, err := bot.TableOf(cluster.New(cluster.Spec{}, nil, nil, nil, cluster.Options{}).Actions())
	if err != nil {
		return err
	}
	manifest, err := slack.Manifest(table)
	if err != nil {
		return err
	}
	_, err = s.out.Write(manifest)
	return err
}
