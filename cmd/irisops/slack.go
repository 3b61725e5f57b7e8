package main

import (
	"fmt"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

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
	if err := slackSecrets(cfg); err != nil {
		return err
	}
	if cfg.Slack.Mode == httpMode && a.web == nil {
		return &actions.Error{Code: "no-listener", Text: "slack: mode http needs an address where Slack's requests come in, and there is none.", Hint: "Set listen: to a free host:port, or mode: socket, for which nothing has to be reachable."}
	}
	so := slackOptions(cfg)
	so.People, so.Outbox, so.Log, so.API = people, db, options.Log, o.slackAPI
	so.Alarm = func(what string, err error) { a.bot.Alarm(what, err) }
	room, err := slack.NewRoom(so)
	if err != nil {
		return &actions.Error{Code: "slack-tokens", Text: err.Error() + ".", Hint: "Both tokens come from the app's page at Slack; the README says how to install it.", Err: err}
	}
	a.slack = room
	options.Rooms = append(options.Rooms, room)
	options.Groups = room.Groups
	return nil
}

// slackOptions are what the config and the environment say of Slack.
func slackOptions(cfg config.Config) slack.Options {
	var places []slack.Place
	for _, id := range slices.Sorted(maps.Keys(cfg.Slack.Channels)) {
		places = append(places, slack.Place{Channel: id, Cluster: cfg.Slack.Channels[id]})
	}
	return slack.Options{
		BotToken: os.Getenv(botToken), AppToken: appTokenOf(cfg),
		Team: cfg.Slack.Team, Channel: cfg.Slack.Channel, OnCallChannel: cfg.Slack.OnCallChannel, Places: places,
		Reactions: cfg.Slack.Reactions, KeepReplies: cfg.Slack.KeepReplies,
	}
}

const (
	httpMode      = "http"
	botToken      = "SLACK_BOT_TOKEN"
	appToken      = "SLACK_APP_TOKEN"
	signingSecret = "SLACK_SIGNING_SECRET"
)

// slackSecrets says which of the secrets that the mode needs is not there.
func slackSecrets(cfg config.Config) error {
	needed := []string{botToken, appToken}
	if cfg.Slack.Mode == httpMode {
		needed = []string{botToken, signingSecret}
	}
	for _, name := range needed {
		if os.Getenv(name) == "" {
			return &actions.Error{Code: "slack-tokens", Text: fmt.Sprintf("%s is not set, and Slack needs %s in mode %s.", name, strings.Join(needed, " and "), cfg.Slack.Mode),
				Hint: "docs/slack.md says where they come from. Without any of them, irisops runs without Slack."}
		}
	}
	return nil
}

// appTokenOf is for Socket Mode alone.
func appTokenOf(cfg config.Config) string {
	if cfg.Slack.Mode == httpMode {
		return ""
	}
	return os.Getenv(appToken)
}

// listenToSlack hears what people say there, by whichever transport.
func (a *app) listenToSlack(cfg config.Config) {
	a.ears = slack.NewListener(a.slack, a.bot)
	if cfg.Slack.Mode == httpMode {
		a.web.Handle("POST /slack/", a.ears.Handler(os.Getenv(signingSecret)))
		a.hear = func() error { a.ears.StartHTTP(); return nil }
		return
	}
	a.hear = a.ears.Start
}

// inSlack says whether Slack is configured and has a token.
func inSlack(cfg config.Config) bool {
	return cfg.Slack != nil && (os.Getenv(botToken) != "" || os.Getenv(appToken) != "")
}

type manifestCommand struct {
	URL string `name:"url" help:"For slack: {mode: http}: the address by which Slack reaches irisops, as external_url in the config. Without it the manifest is for Socket Mode."`
}

// Run prints the app manifest for Slack, from the command table.
func (c manifestCommand) Run(s streams) error {
	table, err := bot.TableOf(cluster.New(cluster.Spec{}, nil, nil, nil, cluster.Options{}).Actions())
	if err != nil {
		return err
	}
	if c.URL != "" {
		if u, err := url.Parse(c.URL); err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return &actions.Error{Code: "usage", Text: fmt.Sprintf("--url: %q is not an address that Slack sends to.", c.URL),
				Hint: "It begins with https:// and has a host that Slack reaches, for example https://irisops.example.org, as external_url in the config."}
		}
	}
	manifest, err := slack.Manifest(table, strings.TrimRight(c.URL, "/"))
	if err != nil {
		return err
	}
	_, err = s.out.Write(manifest)
	return err
}
