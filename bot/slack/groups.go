package slack

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// groups remembers who is in the user groups that carry a role.
type groups struct {
	mu    sync.Mutex
	known map[string]members // by group
}

type members struct {
	users []string
	asked time.Time
	tried time.Time
}

// Groups are the user groups with a role that the caller, "slack:U01", is in,
// for bot.Options. Slack is asked at most every few minutes; while it gives no
// answer the last one holds a little longer, and then nobody is in the group.
func (r *Room) Groups(ctx context.Context, caller string) []string {
	user, ok := strings.CutPrefix(caller, "slack:")
	if !ok || len(r.People.Groups) == 0 {
		return nil
	}
	if _, known := r.People.Identify(caller); known {
		return nil // an entry under people; groups add nothing
	}
	r.groups.mu.Lock()
	defer r.groups.mu.Unlock()
	var in []string
	for _, group := range r.People.Groups {
		if slices.Contains(r.membersOf(ctx, group), user) {
			in = append(in, group)
		}
	}
	return in
}

func (r *Room) membersOf(ctx context.Context, group string) []string {
	now := time.Now()
	m := r.groups.known[group]
	if now.Sub(m.asked) < groupsFor || now.Sub(m.tried) < pace {
		return m.users
	}
	m.tried = now
	users, err := r.api.GetUserGroupMembersContext(ctx, group)
	switch {
	case err == nil:
		m.users, m.asked = users, now
	case now.Sub(m.asked) >= groupsStale:
		r.Log.Error("the members of a user group are not known, so nobody counts as one", "group", group, "err", err)
		m.users = nil
	default:
		r.Log.Warn("the members of a user group could not be read; the last known ones hold for now", "group", group, "err", err)
	}
	if r.groups.known == nil {
		r.groups.known = map[string]members{}
	}
	r.groups.known[group] = m
	return m.users
}
