package bot

import (
	"context"
	"fmt"
	"time"

	"irisops/actions"
	"irisops/actions/runbook"
	"irisops/bot/inbox"
	"irisops/bot/message"
)

// resume takes up what an earlier life left behind. Nothing that changes the
// cluster is done here: interrupted steps wait for a person.
func (b *Bot) resume(ctx context.Context) error {
	again, err := b.Store.RecoverPages(ctx)
	if err != nil {
		return err
	}
	if again > 0 {
		b.log.Warn("pages were being sent when irisops stopped; they are sent again, marked as possible duplicates", "pages", again)
	}
	if err := b.interruptRuns(ctx); err != nil {
		return err
	}
	if err := b.republish(ctx); err != nil {
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
	}
	runs, err := b.Store.Runs(runbook.Waiting, runbook.Uncertain)
	if err != nil {
		return err
	}
	for _, r := range runs {
		b.publishRun(ctx, r)
		if r.State == runbook.Uncertain {
			b.background("evidence of "+r.ID(), func(ctx context.Context) { b.showEvidence(ctx, r) })
		}
	}
	return nil
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
	m := b.runMessage(r, nowUTC())
	m.Blocks = append(m.Blocks, message.Block{Text: fmt.Sprintf("irisops stopped while a step was under way, so nobody knows whether it took effect. What can be seen now: %s", sentence(seen))},
		message.Block{Text: fmt.Sprintf("`confirm %s` looks at that step again, does it only if its effect is missing, and goes on. `deny %s` leaves everything as it is and frees the lock.", r.ID(), r.ID())})
	b.publish(ctx, Post{Key: runKey(r), Incident: r.Incident, Message: m})
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
// was carried out only gets its word. What only looks is run. What changes
// something is run if it is young, and asks to be typed again if it is not.
func (b *Bot) answerUnanswered(ctx context.Context) error {
	left, err := b.Store.Unanswered()
	if err != nil {
		return err
	}
	for _, d := range left {
		if m, settled := b.afterCrash(d); settled {
			b.publish(ctx, Post{Key: "reply/" + d.ID, Incident: d.Incident, Answers: d.ID, Message: m})
			if err := b.Store.Answer(ctx, d.ID, nowUTC()); err != nil {
				return err
			}
			continue
		}
		b.background("delivery "+d.ID, func(ctx context.Context) { b.carryOut(ctx, &Outcome{}, d) })
	}
	return nil
}

func (b *Bot) afterCrash(d inbox.Delivery) (message.Message, bool) {
	if !d.CarriedOut.IsZero() {
		return message.Message{Title: fmt.Sprintf("`%s` was carried out just before irisops was restarted.", d.Text),
			Blocks: []message.Block{{Text: "`status` and `timeline` show what came of it."}}}, true
	}
	if parsed, err := b.table.Parse(d.Text, b.people()); err == nil && parsed.Spec.Class != actions.See && time.Since(d.Received) > StaleAfter {
		return message.Message{Level: message.Refused,
			Title:  fmt.Sprintf("`%s` was not carried out: irisops was down when it came, and that is more than %s ago.", d.Text, spoken(StaleAfter)),
			Blocks: []message.Block{{Text: "Look with `status`, and type it again if it is still wanted."}}}, true
	}
	return message.Message{}, false
}
