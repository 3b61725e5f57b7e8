package config

import (
	"maps"
	"regexp"
	"slices"
)

// ReactionWords are what a reaction under a message of an incident can say.
var ReactionWords = []string{"ack", "note"}

var (
	teamShape  = regexp.MustCompile(`^[TE][A-Z0-9]{1,20}$`)
	emojiShape = regexp.MustCompile(`^[a-z0-9_+'-]{1,100}$`)
)

func (k *checker) checkSlack() {
	s := k.c.Slack
	if s == nil {
		return
	}
	if !k.given("slack.mode") {
		s.Mode = "socket"
	}
	if k.usable("slack.mode") && s.Mode != "socket" && s.Mode != "http" {
		k.fault("slack.mode", "mode: %s is not known. %s", quote(s.Mode), didYouMean(s.Mode, []string{"socket", "http"}))
	}
	k.required("slack.channel", "slack has no channel: the id of the channel where the conversation is. For example channel: C0OPS")
	k.checkChannel("slack.channel", s.Channel)
	if !k.given("slack.oncall_channel") {
		s.OnCallChannel = s.Channel
	}
	k.checkChannel("slack.oncall_channel", s.OnCallChannel)
	if k.usable("slack.team") && !teamShape.MatchString(s.Team) {
		k.fault("slack.team", "team: %s is not a workspace's id. It begins with T and stands in the address of Slack in a browser: app.slack.com/client/T...", quote(s.Team))
	}
	k.checkSlackChannels(s)
	for _, emoji := range slices.Sorted(maps.Keys(s.Reactions)) {
		path, does := join("slack.reactions", emoji), s.Reactions[emoji]
		switch {
		case !k.usable(path):
		case !emojiShape.MatchString(emoji):
			k.fault(path, "reactions: %s is not the name of an emoji. Write it without colons, like eyes or memo.", quote(emoji))
		case !slices.Contains(ReactionWords, does):
			k.fault(path, "reactions: %s does %s, which no reaction can do. %s", emoji, quote(does), didYouMean(does, ReactionWords))
		}
	}
}

// checkSlackChannels looks at the channels that talk of one cluster.
func (k *checker) checkSlackChannels(s *Slack) {
	var names []string
	for _, c := range k.c.Clusters {
		names = append(names, c.Name)
	}
	for _, id := range slices.Sorted(maps.Keys(s.Channels)) {
		path := join("slack.channels", id)
		if !k.usable(path) {
			continue
		}
		k.checkChannel(path, id)
		if !slices.Contains(names, s.Channels[id]) {
			k.fault(path, "channels: %s talks of the cluster %s, which does not stand under clusters. %s", plain(id), quote(s.Channels[id]), didYouMean(s.Channels[id], names))
		}
	}
}

func (k *checker) checkChannel(path, id string) {
	if k.usable(path) && !channelShape.MatchString(id) {
		k.fault(path, "%s: %s is not a channel's id. It begins with C or G and stands at the end of the channel's link, not its #name.", last(path), quote(id))
	}
}
