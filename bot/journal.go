package bot

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"irisops/actions/approval"
	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
)

// journal keeps runs for the engine. What ends is told in the incident's
// timeline in the same transaction.
type journal struct{ *Bot }

// Save implements runbook.Journal.
func (j journal) Save(ctx context.Context, r runbook.Run) (runbook.Run, error) {
	before, err := j.Store.Run(r.Number)
	if err != nil {
		return r, err
	}
	line := incident.Noted{By: incident.Bot, Kind: incident.KindStep, Text: progress(before, r)}
	switch {
	case r.Approval.Verdict != before.Approval.Verdict:
		line = incident.Noted{By: r.Approval.By, Kind: incident.KindDecided, Text: decided(r)}
	case before.State == runbook.Uncertain && r.State == runbook.Running:
		line.Kind, line.Text = incident.KindDecided, r.ID()+" goes on from where it was interrupted: "+r.Title
	}
	return j.commitRun(ctx, r, line, j.starters.unmarked(r.Number))
}

func decided(r runbook.Run) string {
	verb := "confirmed"
	if r.Approval.Needs == approval.SecondPerson {
		verb = "approved"
	}
	return fmt.Sprintf("%s %s: %s", r.ID(), verb, r.Title)
}

// starters knows which delivery started each run that is under way: the run's
// first commit carries the delivery out, and its checklist answers it.
type starters struct {
	mu sync.Mutex
	by map[uint64]starter
}

type starter struct {
	delivery string
	marked   bool
}

func (s *starters) set(run uint64, delivery string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uint64]starter{}
	}
	if _, taken := s.by[run]; !taken { // a second one is refused by the engine
		s.by[run] = starter{delivery: delivery}
	}
}

func (s *starters) clear(run uint64, delivery string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by[run].delivery == delivery {
		delete(s.by, run)
	}
}

// unmarked is the delivery that the next commit of the run carries out; "" once
// it has.
func (s *starters) unmarked(run uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st := s.by[run]; !st.marked {
		return st.delivery
	}
	return ""
}

func (s *starters) mark(run uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if st, ok := s.by[run]; ok {
		st.marked = true
		s.by[run] = st
	}
}

func (s *starters) of(run uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[run].delivery
}

// progress is what the timeline tells of the change from one save to the next;
// "" is not worth a line.
func progress(before, after runbook.Run) string {
	if after.State != before.State && !after.State.Locks() {
		text := fmt.Sprintf("%s %s: %s", after.ID(), after.State, after.Title)
		if after.Outcome != "" {
			text += " (" + after.Outcome + ")"
		}
		return text
	}
	for i, s := range after.Steps {
		if i < len(before.Steps) && before.Steps[i].State == s.State {
			continue
		}
		switch s.State {
		case runbook.StepDone, runbook.StepFailed, runbook.StepUnknown:
			text := fmt.Sprintf("%s %s: %s", after.ID(), s.State, s.Name)
			if s.Evidence != "" {
				text += " (" + s.Evidence + ")"
			}
			return text
		}
	}
	return ""
}

// commitRun commits a run, with a line in its incident's timeline if it has an
// incident and the line says something.
func (b *Bot) commitRun(ctx context.Context, r runbook.Run, line incident.Noted, delivery string) (runbook.Run, error) {
	for range attempts {
		ch := change.Change{Run: &r, Delivery: delivery}
		if r.Incident != "" && line.Text != "" {
			number, err := numberOf(r.Incident)
			if err != nil {
				return r, err
			}
			inc, err := b.Store.Incident(number)
			if err != nil {
				return r, err
			}
			next, eff, err := incident.Apply(inc, line, nowUTC())
			if err != nil {
				return r, err
			}
			ch.Incident, ch.Entries = &next, eff.Entries
		}
		err := b.Store.Commit(ctx, ch)
		if errors.Is(err, change.ErrConflict) {
			if now, readErr := b.Store.Run(r.Number); readErr == nil && now.Version != r.Version {
				return r, fmt.Errorf("%s was settled by someone else meanwhile: %w", r.ID(), err)
			}
			continue // it was the incident that moved on
		}
		if err != nil {
			return r, err
		}
		r.Version++
		if delivery != "" {
			b.starters.mark(r.Number)
		}
		return r, nil
	}
	return r, change.ErrConflict
}
