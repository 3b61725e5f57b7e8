package bot

import (
	"fmt"
	"strings"
	"time"

	"irisops/bot/incident"
	"irisops/bot/pager"
)

// follower is a Sender whose far end keeps books of its own, and so wants to be
// told what became of a page.
type follower interface{ Follows() bool }

func (b *Bot) follows(channel string) bool {
	for _, s := range b.Senders {
		if s.Channel() == channel {
			f, ok := s.(follower)
			return ok && f.Follows()
		}
	}
	return false
}

// standing is what the incident's far ends should know of it.
func standing(inc incident.Incident) (u pager.Update, text string) {
	switch {
	case inc.MergedInto != 0:
		return pager.Resolved, fmt.Sprintf("%s merged into %s by %s: it is the same trouble, and goes on as that", inc.ID(), incident.ID(inc.MergedInto), inc.ResolvedBy)
	case inc.Over():
		return pager.Resolved, fmt.Sprintf("%s resolved by %s", inc.ID(), inc.ResolvedBy)
	case inc.State == incident.Recovered:
		return pager.Resolved, fmt.Sprintf("%s recovered, says %s", inc.ID(), inc.RecoveredBy)
	case !inc.Waiting() && inc.AckedBy != "":
		return pager.Acknowledged, fmt.Sprintf("%s acknowledged by %s", inc.ID(), inc.AckedBy)
	}
	return pager.NoUpdate, ""
}

// updateNow is word about a page as the incident stands; false if there is none
// for its far end. What was sent as one with others is told nothing: it stands
// for all of them.
func (b *Bot) updateNow(inc incident.Incident, p pager.Page, now time.Time) (pager.Page, bool) {
	u, text := standing(inc)
	if u == pager.NoUpdate || p.Update != pager.NoUpdate || !b.follows(p.Channel) || p.Together() || u == pager.Acknowledged && strings.HasSuffix(p.Step, approvalStep) {
		return pager.Page{}, false
	}
	return p.About(u, text, now), true
}

// updates are word about every page of the incident that was delivered, if what
// is to be known of it has changed.
func (b *Bot) updates(before, after incident.Incident, now time.Time) ([]pager.Page, error) {
	was, _ := standing(before)
	is, _ := standing(after)
	if is == was || is == pager.NoUpdate || len(b.Senders) == 0 {
		return nil, nil
	}
	sent, err := b.Store.PagesOf(after.ID())
	if err != nil {
		return nil, err
	}
	var updates []pager.Page
	for _, p := range sent {
		if u, ok := b.updateNow(after, p, now); ok && p.State == pager.Delivered {
			updates = append(updates, u)
		}
	}
	return updates, nil
}
