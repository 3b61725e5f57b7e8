package bot

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/drill"
	"irisops/actions/runbook"
	"irisops/bot/change"
)

// splitBrain is the action that settles what a partition leaves.
const splitBrain = "recover split-brain"

// ofDrill is the parameter by which a settlement names the drill that it belongs
// to.
const ofDrill = "drill"

// before is how much earlier than the strike a message may have been stored and
// still counts as stored apart: rather twice than not at all.
const before = 5 * time.Second

// Settle implements drill.Desk. It is a run as any other: its intent is on record
// before each step, it locks every node, and if irisops ends in the middle of it a
// person decides. Who agreed to the drill has agreed to it.
func (d *drillDesk) Settle(ctx context.Context, r drill.Record) (string, error) {
	all, err := d.Store.Runs(runbook.Running, runbook.Uncertain)
	if err != nil {
		return "", err
	}
	for _, run := range all {
		switch {
		case run.Cluster != d.cluster.Name || run.Action == drill.Name:
		case run.State == runbook.Running:
			return "", &actions.Error{Code: "busy", Text: fmt.Sprintf("%s is under way: %s.", run.ID(), run.Title), Hint: "It is waited for."}
		case run.Args[ofDrill] == r.ID:
			return "", &actions.Error{Code: "interrupted", Text: fmt.Sprintf("irisops ended in the middle of %s, which settles it, and a person decides.", run.ID()),
				Hint: fmt.Sprintf("`approve %s` lets it go on where it ended.", run.ID())}
		}
	}
	if why, halted := d.haltReason(); halted {
		return "", &actions.Error{Code: "halted", Text: fmt.Sprintf("Actions are halted (%s), and nobody gives up data meanwhile.", why),
			Hint: fmt.Sprintf("`resume-actions` lifts it; then `%s --loser %s`, which a second person approves.", splitBrain, r.Victim)}
	}
	action, ok := d.cluster.action(splitBrain)
	if !ok {
		return "", actions.Errorf("no-action", "%s has no `%s`.", d.cluster.Name, splitBrain)
	}
	agreed, err := d.agreement(r)
	if err != nil {
		return "", err
	}
	now := nowUTC()
	req := actions.Request{By: agreed.By, Incident: r.Incident, Now: now,
		Args: actions.Args{"loser": r.Victim, "since": r.Struck.Add(-before).Truncate(time.Second).Format(time.RFC3339), ofDrill: r.ID}}
	plan, err := action.Plan(ctx, req)
	if actions.CodeOf(err) == "not-split" {
		stamp, err := d.unmerged(r)
		if err != nil || stamp == "" {
			return "Mnesia runs on all cores together", err
		}
		// One that did not come to its end: all cores run together, and what was kept is
		// not merged.
		req.Args = actions.Args{"merge": stamp, ofDrill: r.ID}
		if plan, err = action.Plan(ctx, req); err != nil {
			return "", err
		}
		plan.Class = actions.Harm // agreed to as that
	} else if err != nil {
		return "", err
	} else if plan.Bound["losers"] != r.Victim || plan.Class > agreed.Class {
		return "", &actions.Error{Code: "not-covered", Text: fmt.Sprintf("%s. What was agreed to with %s is that %s gives up its data, and nobody else.", plan.Title, agreed.ID(), r.Victim),
			Hint: fmt.Sprintf("`%s` shows what speaks for each side; a second person approves.", splitBrain)}
	}
	maps.Copy(req.Args, plan.Bound)
	run := runbook.Run{
		Action: splitBrain, Args: req.Args, Cluster: d.cluster.Name, Incident: r.Incident, By: agreed.By, Asked: now,
		Title: "DRILL: " + plan.Title, Class: plan.Class, Why: plan.Why, Targets: plan.Targets, Preview: plan.Preview,
		State: runbook.Waiting, Steps: runbook.Records(plan),
		Approval: approval.New(needs(plan.Class), agreed.By, runbook.Digest(d.cluster.Name, splitBrain, req.Args, plan), now),
	}
	run, err = d.Store.Request(ctx, func(number uint64) change.Change {
		run.Number = number
		return change.Change{Run: &run, Audit: d.runTrail(runbook.Run{}, run, now)}
	})
	if err != nil {
		return "", err
	}
	run.Approval.Verdict, run.Approval.By, run.Approval.At = approval.Approved, agreed.Approval.By, now
	run.Approval.Reason = "agreed to with the drill, " + agreed.ID()
	return d.carryOutSettlement(ctx, run, plan)
}

// unmerged names what the drill's settlements have kept and not merged; "" for
// nothing.
func (d *drillDesk) unmerged(r drill.Record) (string, error) {
	const newest = 50
	runs, err := d.Store.LastRuns(newest) // the newest first
	if err != nil {
		return "", err
	}
	for _, run := range runs {
		if run.Action != splitBrain || run.Args[ofDrill] != r.ID || run.State == runbook.Waiting {
			continue
		}
		kept := slices.ContainsFunc(run.Steps, func(s runbook.StepRecord) bool {
			return strings.HasPrefix(s.Name, "keep what only") && s.State == runbook.StepDone
		})
		switch {
		case run.State == runbook.Done:
			return "", nil
		case kept:
			return run.Args["stamp"], nil
		case run.Args["merge"] != "":
			return run.Args["merge"], nil
		}
	}
	return "", nil
}

// agreement is the run of the drill, if a second person agreed to it and to who
// gives up its data.
func (d *drillDesk) agreement(r drill.Record) (runbook.Run, error) {
	runs, err := d.Store.Runs(runbook.Running)
	if err != nil {
		return runbook.Run{}, err
	}
	i := slices.IndexFunc(runs, func(run runbook.Run) bool {
		return run.Action == drill.Name && run.Cluster == d.cluster.Name && drillOf(run) == r.ID
	})
	if i < 0 || runs[i].Approval.Verdict != approval.Approved || runs[i].Approval.Needs != approval.SecondPerson || runs[i].Args["loser"] != r.Victim {
		return runbook.Run{}, &actions.Error{Code: "not-covered", Text: fmt.Sprintf("Nobody has agreed that %s gives up its data.", r.Victim),
			Hint: fmt.Sprintf("`%s --loser %s` asks for it; a second person approves.", splitBrain, r.Victim)}
	}
	return runs[i], nil
}

// carryOutSettlement outlives the patience of the drill: what it has begun it ends.
func (d *drillDesk) carryOutSettlement(ctx context.Context, run runbook.Run, plan actions.Plan) (string, error) {
	type end struct {
		run runbook.Run
		err error
	}
	over := make(chan end, 1)
	d.background(run.ID(), func(ctx context.Context) {
		ended, err := d.engine.Execute(ctx, run, plan)
		if actions.CodeOf(err) == runbook.CodeNotWritten {
			d.background("writing down "+run.ID(), func(ctx context.Context) { d.writeDown(ctx, run.Number) })
		}
		over <- end{ended, err}
	})
	select {
	case e := <-over:
		switch {
		case e.err != nil:
			return "", e.err
		case e.run.State != runbook.Done:
			return "", &actions.Error{Code: "not-settled", Text: fmt.Sprintf("%s %s: %s.", run.ID(), e.run.State, strings.TrimSuffix(e.run.Outcome, ".")), Hint: "`status` shows it."}
		}
		return fmt.Sprintf("%s: %s (%s)", run.ID(), strings.TrimPrefix(run.Title, "DRILL: "), e.run.Outcome), nil
	case <-ctx.Done():
		return "", &actions.Error{Code: "under-way", Text: run.ID() + " is still under way.", Hint: "`status` shows it."}
	}
}
