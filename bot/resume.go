package bot

import (
	"context"
	"fmt"
	"slices"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/runbook"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// armAgain sees to what the clocks and the pager go by. Nothing that changes the
// cluster is done here: interrupted steps wait for a person.
func (b *Bot) armAgain(ctx context.Context) error {
	if err := b.readOverrides(); err != nil {
		return err
	}
	again, err := b.Store.RecoverPages(ctx)
	if err != nil {
		return err
	}
	if again > 0 {
		b.log.Warn("pages were being sent when irisops stopped; they are sent again, marked as possible duplicates", "pages", again)
	}
	return b.interruptRuns(ctx)
}

// resume shows what an earlier life left open, and answers what it left
// unanswered.
func (b *Bot) resume(ctx context.Context) error {
	if err := b.republish(ctx); err != nil {
		return err
	}
	if err := b.republishEnded(ctx); err != nil {
		return err
	}
	if err := b.interruptedDrills(ctx); err != nil {
		return err
	}
	return b.answerUnanswered(ctx)
}

// interruptRuns turns runs that were under way into runs that a person decides
// on, with the evidence of what can be seen now.
func (b *Bot) interruptRuns(ctx context.Context) error {
	runs, err := b.Store.Runs(runbook.Running)
	if err != nil {
		return err
	}
	for _, r := range runs {
		interrupted, changed := runbook.Interrupted(r, nowUTC())
		if !changed {
			continue
		}
		if _, err := b.commitRun(ctx, interrupted, progress(r, interrupted), ""); err != nil {
			return err
		}
	}
	return nil
}

// republish shows everything that is open once more. Rooms that show it already
// leave it as it is.
func (b *Bot) republish(ctx context.Context) error {
	open, err := b.Store.OpenIncidents()
	if err != nil {
		return err
	}
	for _, inc := range open {
		b.publishParent(ctx, inc)
		if err := b.diagnoseLate(inc); err != nil {
			return err
		}
	}
	runs, err := b.Store.Runs(runbook.Waiting, runbook.Uncertain)
	if err != nil {
		return err
	}
	for _, r := range runs {
		b.publishRun(ctx, r)
		if r.State == runbook.Uncertain {
			b.lookAt(r)
		}
	}
	return nil
}

// justEnded is how long after its end something is shown once more after a
// restart: its last change may not have reached the rooms.
const justEnded = time.Hour

// republishEnded shows what ended shortly before irisops did. Rooms that keep
// nothing leave it out.
func (b *Bot) republishEnded(ctx context.Context) error {
	const newest = 50
	incidents, err := b.Store.LastIncidents(newest)
	if err != nil {
		return err
	}
	runs, err := b.Store.LastRuns(newest)
	if err != nil {
		return err
	}
	now := nowUTC()
	for _, inc := range incidents {
		if inc.Over() && now.Sub(inc.ResolvedAt) < justEnded {
			p := b.parentPost(inc, now)
			p.Replay = true
			b.publish(ctx, p)
		}
	}
	for _, r := range runs {
		if !r.Ended.IsZero() && now.Sub(r.Ended) < justEnded {
			b.publish(ctx, Post{Key: runKey(r), Incident: r.Incident, Cluster: r.Cluster, Replay: true, Message: b.runMessage(r, now)})
		}
	}
	return nil
}

// writeDown waits until the disk takes writes again, and then marks a run whose
// journal failed as interrupted, so that a person can decide on it.
func (b *Bot) writeDown(ctx context.Context, number uint64) {
	b.untilWritten(ctx, func() error {
		r, err := b.Store.Run(number)
		if err != nil {
			return err
		}
		interrupted, changed := runbook.Interrupted(r, nowUTC())
		if !changed {
			return nil
		}
		saved, err := b.commitRun(ctx, interrupted, progress(r, interrupted), "")
		if err != nil {
			return err
		}
		b.publishRun(ctx, saved)
		b.lookAt(saved)
		return nil
	})
}

// showEvidence looks at the step that was under way and shows a person what
// there is to decide on.
func (b *Bot) showEvidence(ctx context.Context, r runbook.Run) {
	seen := "The plan could not be worked out again"
	if plan, err := b.planOf(r); err != nil {
		seen += ": " + err.Error()
	} else {
		seen = b.sighting(ctx, r, plan)
	}
	by := ""
	if r.Approval.Needs == approval.SecondPerson {
		by = fmt.Sprintf(" by an approver other than %s", r.By)
	}
	m := b.runMessage(r, nowUTC())
	m.Blocks = append(m.Blocks, message.Block{Text: fmt.Sprintf("irisops stopped while a step was under way, so nobody knows whether it took effect. What can be seen now: %s", sentence(seen))},
		message.Block{Text: fmt.Sprintf("`%s`%s looks at that step again, does it only if its effect is missing, and goes on. `deny %s` leaves everything as it is and frees the lock.", goesOn(r), by, r.ID())})
	if ctx.Err() == nil { // nobody has decided meanwhile
		b.publish(ctx, Post{Key: runKey(r), Incident: r.Incident, Message: m})
	}
}

// look is a look at an interrupted step that a decision ends.
type look struct {
	cancel context.CancelFunc
	done   chan struct{}
}

// lookAt gathers evidence in the background, until it is there or somebody
// decides.
func (b *Bot) lookAt(r runbook.Run) {
	ctx, cancel := context.WithCancel(b.ctx)
	l := look{cancel, make(chan struct{})}
	b.looks.Store(r.Number, l)
	b.background("evidence of "+r.ID(), func(context.Context) {
		defer close(l.done)
		defer cancel()
		b.showEvidence(ctx, r)
	})
}

// stopLooking ends the look at a run, because somebody has decided.
func (b *Bot) stopLooking(run uint64) {
	if l, ok := b.looks.LoadAndDelete(run); ok {
		l.(look).cancel()
		<-l.(look).done
	}
}

// diagnoseLate makes the first diagnosis of an incident whose declaration was
// the last thing before the end.
func (b *Bot) diagnoseLate(inc incident.Incident) error {
	entries, err := b.Store.Timeline(inc.Number)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Kind == incident.KindDiagnosed {
			return nil
		}
	}
	cluster, err := b.clusterNamed(inc.Cluster)
	if err != nil {
		return nil // the config has lost it: nothing to ask
	}
	b.background("first diagnosis of "+inc.ID(), func(ctx context.Context) {
		if err := b.firstDiagnosis(ctx, cluster, inc, ""); err != nil {
			b.log.Error("the first diagnosis failed", "incident", inc.ID(), "err", err)
		}
	})
	return nil
}

func (b *Bot) sighting(ctx context.Context, r runbook.Run, plan actions.Plan) string {
	s, err := b.engine.Evidence(ctx, r, plan)
	switch {
	case err != nil:
		return err.Error()
	case s.Step.Name == "":
		return s.Evidence
	case !s.Checked:
		return fmt.Sprintf("nothing certain about %q: %s", s.Step.Name, s.Evidence)
	case s.There:
		return fmt.Sprintf("%q has taken effect: %s", s.Step.Name, s.Evidence)
	}
	return fmt.Sprintf("%q has not taken effect: %s", s.Step.Name, s.Evidence)
}

// answerUnanswered deals with deliveries that were kept but not answered. What
// was carried out only gets its word. Looking and telling are carried out now,
// telling only if it is young, and so is what the calendar wanted and did not
// begin. An agreement of a person's is never taken up again: what it meant may
// have changed, so they are asked for it once more.
func (b *Bot) answerUnanswered(ctx context.Context) error {
	left, err := b.Store.Unanswered()
	if err != nil {
		return err
	}
	var again []inbox.Delivery
	for _, d := range left {
		m, settled := b.afterCrash(d)
		if !settled {
			again = append(again, d)
			continue
		}
		b.publish(ctx, answering(d, Post{Key: "reply/" + d.ID, Incident: d.Incident, Message: m}))
		if err := b.Store.Answer(ctx, d.ID, nowUTC()); err != nil {
			return err
		}
	}
	if len(again) > 0 {
		b.background("what was left unanswered", func(ctx context.Context) {
			for _, d := range again { // in their order
				out := b.CarryOut(ctx, d)
				if d.Via == viaSchedule {
					b.background(d.Caller, func(ctx context.Context) {
						result, text := outcomeOf(d, out)
						b.calendar.Ended(ctx, d.ID, result, text)
					})
				}
			}
		})
	}
	return nil
}

// agreements let something run.
var agreements = []string{"confirm", "approve", "deny", "break-glass", "resume-actions"}

func (b *Bot) afterCrash(d inbox.Delivery) (message.Message, bool) {
	if !d.CarriedOut.IsZero() {
		return message.Message{Title: fmt.Sprintf("`%s` was carried out just before irisops was restarted.", d.Text),
			Blocks: []message.Block{{Text: "`status` and `timeline` show what came of it."}}}, true
	}
	parsed, err := b.table.Parse(d.Text, b.people())
	switch {
	case err != nil || parsed.Spec.Class == actions.See:
		return message.Message{}, false
	case b.mayRunAgain(d):
		return message.Message{}, false
	case d.Yes || slices.Contains(agreements, parsed.Spec.Words):
		return message.Message{Level: message.Refused,
			Title:  fmt.Sprintf("`%s` was not carried out: irisops was stopped just then.", d.Text),
			Blocks: []message.Block{{Text: "Look with `status` what waits, and say it again if it is still wanted."}}}, true
	case time.Since(d.Received) > StaleAfter:
		return b.askAgain(d, fmt.Sprintf("irisops was down when it came, and that is more than %s ago", spoken(StaleAfter))), true
	}
	return message.Message{}, false
}
