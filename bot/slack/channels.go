package slack

import (
	"slices"
	"strings"

	"irisops/bot"
	"irisops/bot/slack/outbox"
)

// Several channels may have a conversation each, about a cluster each. The first
// is where everything goes that belongs to none of them.

// conversations are the channels that people may speak in.
func (r *Room) conversations() []string {
	all := []string{r.Channel}
	for _, p := range r.Places {
		if !slices.Contains(all, p.Channel) {
			all = append(all, p.Channel)
		}
	}
	if !slices.Contains(all, r.OnCallChannel) {
		all = append(all, r.OnCallChannel)
	}
	return all
}

// converses says whether people may speak in a channel.
func (r *Room) converses(channel string) bool {
	return slices.Contains(r.conversations(), channel)
}

// ownTeam says whether something was said by somebody of the workspace that the
// bot belongs to. Channels may be shared with others.
func (r *Room) ownTeam(team string) bool {
	own := r.Team
	if own == "" {
		own = r.known().team
	}
	return own == "" || team == "" || team == own
}

// clusterIn is what a channel talks of, if nothing else is said; "" is not said.
func (r *Room) clusterIn(channel string) string {
	for _, p := range r.Places {
		if p.Channel == channel {
			return p.Cluster
		}
	}
	return ""
}

// channelFor is where a post belongs: where its incident's message stands, else
// where it was asked for, else where its cluster is talked of.
func (r *Room) channelFor(p bot.Post, asked string) string {
	if p.Incident != "" {
		h, ok, err := r.Outbox.PostOf(keyParent + p.Incident)
		if err != nil {
			r.Log.Error("it could not be read where an incident is shown", "incident", p.Incident, "err", err)
		}
		if ok && h.Channel != "" {
			return h.Channel
		}
	}
	var about []string
	for _, place := range r.Places {
		if p.Cluster != "" && place.Cluster == p.Cluster {
			about = append(about, place.Channel)
		}
	}
	switch {
	case slices.Contains(about, asked):
		return asked
	case len(about) > 0:
		return about[0]
	}
	return r.Channel
}

// isCopy says whether a post is the copy of another one, in the on-call channel or
// in a direct message.
func isCopy(p outbox.Post) bool {
	return strings.HasPrefix(p.Key, keyOnCall) || p.To != ""
}

// isPage says whether it is the key of a page, or of a copy of one.
func isPage(key string) bool {
	return strings.HasPrefix(strings.TrimPrefix(strings.TrimPrefix(key, keyOnCall), keyDirect), keyPage)
}
