package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"irisops/actions"
	"irisops/bot/change"
	"irisops/bot/incident"
)

// attempts to commit against others who change the same incident.
const attempts = 50

// amend applies events to an incident and commits them in one transaction,
// together with what fill adds; where someone else was faster it reads again.
// Events that are already true are left out; if all are, the error is
// incident.ErrNothingToDo.
func (b *Bot) amend(ctx context.Context, number uint64, now time.Time, events []incident.Event, fill func(*change.Change) error) (incident.Incident, error) {
	return b.amendBy(ctx, number, now, func(incident.Incident) []incident.Event { return events }, fill)
}

// amendBy is amend with events that depend on the incident as it stands.
func (b *Bot) amendBy(ctx context.Context, number uint64, now time.Time, events func(incident.Incident) []incident.Event, fill func(*change.Change) error) (incident.Incident, error) {
	for range attempts {
		inc, err := b.Store.Incident(number)
		if err != nil {
			return inc, notFound(err, incident.ID(number))
		}
		before := inc
		var ch change.Change
		moved := false
		for _, event := range events(inc) {
			next, eff, err := incident.Apply(inc, event, now)
			if errors.Is(err, incident.ErrNothingToDo) {
				continue
			}
			if err != nil {
				return inc, err
			}
			inc, moved = next, true
			ch.Entries = append(ch.Entries, eff.Entries...)
			ch.Pages = append(ch.Pages, b.roster().Pages(inc.ID(), eff.Pages, now)...)
		}
		if !moved {
			return inc, incident.ErrNothingToDo
		}
		ch.Incident = &inc
		updates, err := b.updates(before, inc, now)
		if err != nil {
			return before, err
		}
		ch.Pages = append(ch.Pages, updates...)
		if fill != nil {
			if err := fill(&ch); err != nil {
				return inc, err
			}
		}
		err = b.Store.Commit(ctx, ch)
		if errors.Is(err, change.ErrConflict) {
			continue
		}
		if err != nil {
			return inc, err
		}
		inc.Version++
		if len(updates) > 0 {
			b.drain.Kick()
		}
		return inc, nil
	}
	return incident.Incident{}, fmt.Errorf("%s changed too often to be amended: %w", incident.ID(number), change.ErrConflict)
}

// note adds a line to an incident's timeline; a failure is logged, because the
// thing it tells of has happened already.
func (b *Bot) note(ctx context.Context, number uint64, n incident.Noted) {
	if _, err := b.amend(ctx, number, time.Now().UTC(), []incident.Event{n}, nil); err != nil {
		b.log.Error("a timeline entry is missing", "incident", incident.ID(number), "text", n.Text, "err", err)
	}
}

func notFound(err error, id string) error {
	if errors.Is(err, change.ErrNotFound) {
		return &actions.Error{Code: "not-found", Text: "There is no " + id + ".", Hint: "`status` lists what is open."}
	}
	return err
}
