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
	return j.commitRun(ctx, r, progress(before, r), j.starters.unmarked(r.Number))
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
	begun    func() // called when the first commit is durable; may be nil
}

// set says whether it is the first starter of the run.
func (s *starters) set(run uint64, by starter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[uint64]starter{}
	}
	if _, taken := s.by[run]; taken { // a second one is refused by the engine
		return false
	}
	s.by[run] = by
	return true
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
		if st.begun != nil {
			st.begun()
		}
	}
}

func (s *starters) of(run uint64) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[run].delivery
}

// progress is what the timeline tells of the change from one save to the next.
func progress(before, after runbook.Run) []incident.Noted {
	var told []incident.Noted
	tell := func(by string, kind incident.Kind, text, evidence string) {
		if evidence != "" {
			text += " (" + evidence + ")"
		}
		told = append(told, incident.Noted{By: by, Kind: kind, Text: text})
	}
	switch {
	case after.Approval.Glass && !before.Approval.Glass:
		tell(after.Approval.By, incident.KindGlass, fmt.Sprintf("%s let run by one person alone: %s. Reason: %s", after.ID(), after.Title, after.Approval.Reason), "")
	case after.Approval.Verdict != before.Approval.Verdict:
		tell(after.Approval.By, incident.KindDecided, decided(after), "")
	}
	if before.State == runbook.Uncertain && after.State == runbook.Running {
		tell(incident.Bot, incident.KindDecided, after.ID()+" goes on from where it was interrupted: "+after.Title, "")
	}
	for i, s := range after.Steps {
		if i < len(before.Steps) && before.Steps[i].State == s.State {
			continue
		}
		switch s.State {
		case runbook.StepDone, runbook.StepFailed, runbook.StepUnknown:
			tell(incident.Bot, incident.KindStep, fmt.Sprintf("%s step %s: %s", after.ID(), s.State, s.Name), s.Evidence)
		}
	}
	if after.State != before.State && after.State != runbook.Running {
		tell(incident.Bot, incident.KindAction, fmt.Sprintf("%s %s: %s", after.ID(), after.State, after.Title), after.Outcome)
	}
	return told
}

// commitRun commits a run, with lines in the timeline of its incident if it has
// one.
func (b *Bot) commitRun(ctx context.Context, r runbook.Run, lines []incident.Noted, delivery string) (runbook.Run, error) {
	for range attempts {
		before, err := b.Store.Run(r.Number)
		if err != nil {
			return r, err
		}
		ch := change.Change{Run: &r, Delivery: delivery, Audit: b.runTrail(before, r, nowUTC())}
		if r.Approval.Glass && !before.Approval.Glass {
			ch.Pages = b.glassPages(r, nowUTC())
		}
		if r.Incident != "" && len(lines) > 0 {
			number, err := numberOf(r.Incident)
			if err != nil {
				return r, err
			}
			inc, err := b.Store.Incident(number)
			if err != nil {
				return r, err
			}
			for _, line := range lines {
				next, eff, err := incident.Apply(inc, line, nowUTC())
				if err != nil {
					return r, err
				}
				inc, ch.Entries = next, append(ch.Entries, eff.Entries...)
			}
			ch.Incident = &inc
		}
		err = b.Store.Commit(ctx, ch)
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
