package slack

import (
	"strings"

	"github.com/goccy/go-yaml"

	"irisops/bot/command"
)

// The shape of an app manifest, as far as it is used:
// https://docs.slack.dev/reference/app-manifest
type manifest struct {
	Display  manifestDisplay  `yaml:"display_information"`
	Features manifestFeatures `yaml:"features"`
	OAuth    manifestOAuth    `yaml:"oauth_config"`
	Settings manifestSettings `yaml:"settings"`
}

type manifestDisplay struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
}

type manifestFeatures struct {
	Home     manifestHome    `yaml:"app_home"`
	Bot      manifestBot     `yaml:"bot_user"`
	Commands []manifestSlash `yaml:"slash_commands"`
}

type manifestHome struct {
	Home     bool `yaml:"home_tab_enabled"`
	Messages bool `yaml:"messages_tab_enabled"`
	ReadOnly bool `yaml:"messages_tab_read_only_enabled"`
}

type manifestBot struct {
	Name   string `yaml:"display_name"`
	Online bool   `yaml:"always_online"`
}

type manifestSlash struct {
	Command     string `yaml:"command"`
	URL         string `yaml:"url,omitempty"` // without Socket Mode
	Description string `yaml:"description"`
	Hint        string `yaml:"usage_hint"`
	Escape      bool   `yaml:"should_escape"` // users and channels by their ids
}

type manifestOAuth struct {
	Scopes struct {
		Bot []string `yaml:"bot"`
	} `yaml:"scopes"`
}

type manifestSettings struct {
	Events struct {
		URL string   `yaml:"request_url,omitempty"`
		Bot []string `yaml:"bot_events"`
	} `yaml:"event_subscriptions"`
	Interactivity struct {
		Enabled bool   `yaml:"is_enabled"`
		URL     string `yaml:"request_url,omitempty"`
	} `yaml:"interactivity"`
	OrgDeploy bool `yaml:"org_deploy_enabled"`
	Socket    bool `yaml:"socket_mode_enabled"`
	Rotation  bool `yaml:"token_rotation_enabled"`
}

// Scopes are those that this package uses, each with what for. The app token has
// connections:write besides, which no manifest can ask for.
var Scopes = []struct{ Name, For string }{
	{"app_mentions:read", "hear @iris"},
	{"channels:history", "read what was missed in an outage, find out after a crash whether a message was sent, hear the threads of incidents"},
	{"channels:read", "see whether it is in the channels of the config, for `irisops doctor`"},
	{"chat:write", "speak"},
	{"commands", "/iris"},
	{"files:write", "show long answers and post-mortems as files"},
	{"groups:history", "the same as channels:history, in private channels"},
	{"groups:read", "the same as channels:read, in private channels"},
	{"im:history", "find out after a crash whether a direct message was sent"},
	{"im:write", "call people by direct message"},
	{"pins:write", "pin the message of an open P0 or P1"},
	{"reactions:read", "see an emoji that acknowledges or notes, where the config has it so"},
	{"usergroups:read", "who is in the user groups under `groups` in the config"},
}

// botEvents are what the app subscribes to.
var botEvents = []string{"app_home_opened", "app_mention", "message.channels", "message.groups", "reaction_added"}

// Limits of a slash command in a manifest, in characters.
const (
	maxHint        = 1_000
	maxDescription = 2_000
)

// Manifest is the app manifest, in YAML, for exactly what works: the commands
// are those of the table. url is where Slack's requests go; "" is Socket Mode.
func Manifest(table *command.Table, url string) ([]byte, error) {
	var words []string
	for _, s := range table.Specs() {
		words = append(words, s.Words)
	}
	m := manifest{
		Display: manifestDisplay{Name: "irisops", Description: "Stands beside the people who run IRIS."},
		Features: manifestFeatures{
			Home: manifestHome{Home: true, Messages: true, ReadOnly: true},
			Bot:  manifestBot{Name: "iris", Online: true},
			Commands: []manifestSlash{{Command: "/iris", Escape: true,
				Description: short("Diagnose, act on and recover IRIS, together. /iris help says more.", maxDescription),
				Hint:        short(strings.Join(words, " | "), maxHint)}},
		},
	}
	for _, s := range Scopes {
		m.OAuth.Scopes.Bot = append(m.OAuth.Scopes.Bot, s.Name)
	}
	m.Settings.Events.Bot = botEvents
	m.Settings.Interactivity.Enabled = true
	m.Settings.Socket = url == ""
	if url != "" {
		m.Features.Commands[0].URL = url + "/slack/commands"
		m.Settings.Events.URL = url + "/slack/events"
		m.Settings.Interactivity.URL = url + "/slack/interactions"
	}
	return yaml.MarshalWithOptions(m, yaml.IndentSequence(true))
}
