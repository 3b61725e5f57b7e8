package bot

import (
	"context"
	"fmt"
	"time"

	"irisops/actions"
	"irisops/actions/drill"
	"irisops/actions/runbook"
	"irisops/bot/incident"
)

// interruptedDrills takes up the drills in whose middle irisops ended. One that
// had not struck is over. Of one that had, only its rollback is left, which is
// part of what was agreed to with it: it is carried out, and nothing is struck
// again. Where that cannot begin, on-call is called.
func (b *Bot) interruptedDrills(ctx context.Context) error {
	runs, err := b.Store.Runs(runbook.Uncertain)
	if err != nil {
		return err
	}
	open, err := b.Store.OpenIncidents()
	if err != nil {
		return err
	}
	incidents := map[string]string{} // of drills, by their causes
	for _, inc := range open {
		if inc.Drill {
			incidents[inc.Cause] = inc.ID()
		}
	}
	for name, d := range b.drills {
		past, err := d.Past()
		if err != nil {
			return err
		}
		left := map[string]runbook.Run{} // by the drill's id
		for _, run := range runs {
			if run.Action == drill.Name && run.Cluster == name {
				left[drillOf(run)] = run
			}
		}
		for _, r := range past {
			run, has := left[r.ID]
			delete(left, r.ID)
			// Its incident may have been declared just before its record would have named
			// it, and may outlive it for as long.
			own, open := incidents[causeOfDrill(r)]
			if r.Incident == "" {
				r.Incident = own
			}
			if open && !r.Ended.IsZero() {
				d.End(ctx, r)
			}
			switch {
			case !r.Ended.IsZero() && !has:
			case r.Struck.IsZero():
				if r.Ended.IsZero() {
					r.Verdict, r.Why, r.Ended = drill.Interrupted, drill.EndedMidway, nowUTC()
					d.End(ctx, r)
				}
				if has {
					if err := d.dropRun(ctx, run); err != nil {
						return err
					}
				}
			case has:
				d.afterwards(r, run)
			default:
				d.leftAlone(ctx, r, "")
			}
		}
		for _, run := range left { // it ended before its drill was on record
			if err := d.dropRun(ctx, run); err != nil {
				return err
			}
		}
	}
	return nil
}

// drillOf is the id of the drill that the run makes.
func drillOf(run runbook.Run) string {
	at, err := time.Parse(time.RFC3339, run.Args["at"])
	if err != nil {
		return ""
	}
	return drill.IDOf(at, run.Args["node"])
}

// dropRun ends the run of a drill that has struck nothing.
func (d *drillDesk) dropRun(ctx context.Context, run runbook.Run) error {
	over, err := runbook.GiveUp(run, incident.Bot, "the drill had not struck when irisops ended, and nothing was done", nowUTC())
	if err != nil {
		return err
	}
	_, err = d.commitRun(ctx, over, progress(run, over), "")
	return err
}

// afterwards puts back in order what an earlier life has struck. What the victim
// explains is no real trouble until then.
func (d *drillDesk) afterwards(r drill.Record, run runbook.Run) {
	if r.Ended.IsZero() {
		d.mu.Lock()
		d.under = &r
		d.mu.Unlock()
	}
	d.background("the rollback of "+r.ID, func(ctx context.Context) {
		d.stopLooking(run.Number)
		plan, err := d.planOf(run)
		if err == nil {
			_, err = d.engine.Resume(ctx, run, plan)
		}
		switch {
		case err == nil, ctx.Err() != nil:
		case actions.CodeOf(err) == runbook.CodeNotWritten:
			d.background("writing down "+run.ID(), func(ctx context.Context) { d.writeDown(ctx, run.Number) })
		case actions.CodeOf(err) == runbook.CodeBusy: // a person was faster
		case r.Ended.IsZero():
			d.log.Error("what a drill has struck could not be put back in order", "drill", r.ID, "err", err)
			d.leftAlone(ctx, r, fmt.Sprintf("; %v `confirm %s` by an approver puts it back in order and strikes nothing", err, run.ID()))
		}
	})
}

// leftAlone ends a drill whose rollback irisops cannot carry out by itself.
func (d *drillDesk) leftAlone(ctx context.Context, r drill.Record, wayOut string) {
	r.Verdict, r.Why, r.Ended = drill.Interrupted, drill.EndedMidway, nowUTC()
	what := r.Victim + ", which may still be down"
	if r.Fault == drill.Partition {
		what = r.Victim + ", which may still be cut off, or diverge"
	}
	d.Alarm(ctx, r, fmt.Sprintf("irisops ended in the middle of the drill of %s%s", what, wayOut))
	d.End(ctx, r)
}
