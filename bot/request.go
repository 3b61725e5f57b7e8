package bot

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/drill"
	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/pager"
)

// acting works out what an action would do, and asks for agreement: the
// requester's own where it only changes the cluster, a second person's where it
// can lose data or service. With --dry-run it shows the plan and stops.
func acting(action string) handler {
	return func(c *call) error {
		cluster, inc, err := c.scope()
		if err != nil {
			return err
		}
		a, ok := cluster.action(action)
		if !ok {
			return &actions.Error{Code: "no-action", Text: fmt.Sprintf("%s has no %s.", cluster.Name, action)}
		}
		req := c.request(inc)
		plan, err := a.Plan(c.ctx, req)
		if err != nil {
			return err
		}
		if plan.Answer != nil {
			c.replyIn(req.Incident, c.withCluster(withIncident(ResultMessage(*plan.Answer), req.Incident), cluster))
			return nil
		}
		maps.Copy(req.Args, plan.Bound)
		run := runbook.Run{
			Action: action, Args: req.Args, Cluster: cluster.Name, Incident: req.Incident, By: c.who.ID, Asked: c.now,
			Title: plan.Title, Class: plan.Class, Why: plan.Why, Targets: plan.Targets, Preview: plan.Preview,
			State: runbook.Waiting, Steps: runbook.Records(plan),
			Approval: approval.New(needs(plan.Class), c.who.ID, runbook.Digest(cluster.Name, action, req.Args, plan), c.now),
		}
		run.Approval.Until = plan.Until
		if c.args["dry-run"] != "" {
			m := dryRun(run)
			m.Buttons = c.forReal()
			c.replyIn(req.Incident, m)
			return nil
		}
		if err := c.notHalted(); err != nil {
			return err
		}
		if run, err = c.ask(run, inc); err != nil {
			return err
		}
		if c.d.Yes && run.Approval.Needs == approval.Confirmation {
			c.starters.set(run.Number, starter{delivery: c.d.ID, marked: true}) // asking has carried it out
			return c.settleAndRun(run)
		}
		c.postRun(run)
		c.kick()
		return nil
	}
}

func needs(class actions.Class) approval.Needs {
	if class >= actions.Harm {
		return approval.SecondPerson
	}
	return approval.Confirmation
}

func dryRun(run runbook.Run) message.Message {
	m := message.Message{Title: "Dry run, nothing was done: " + run.Title}
	who := "You would confirm it yourself."
	if run.Approval.Needs == approval.SecondPerson {
		who = "A second person would have to approve it."
	}
	m.Blocks = append(m.Blocks, message.Block{Text: fmt.Sprintf("Class %s: %s %s", run.Class, sentence(run.Why), who)})
	m.Blocks = append(m.Blocks, planBlocks(run)...)
	return m
}

// ask keeps the request. Where it needs a second person and a P0 or P1 is open,
// the next eligible approver is paged in the same transaction.
func (c *call) ask(run runbook.Run, inc *incident.Incident) (runbook.Run, error) {
	if inc == nil {
		return c.Store.Request(c.ctx, func(number uint64) change.Change {
			run.Number = number
			return change.Change{Run: &run, Delivery: c.d.ID, Audit: c.runTrail(runbook.Run{}, run, c.now)}
		})
	}
	for range attempts {
		fresh, err := c.Store.Incident(inc.Number)
		if err != nil {
			return run, err
		}
		made, err := c.Store.Request(c.ctx, func(number uint64) change.Change {
			r := run
			r.Number = number
			next, eff, err := incident.Apply(fresh, incident.Noted{By: c.who.ID, Kind: incident.KindRequested,
				Text: fmt.Sprintf("%s asked for: %s", r.ID(), r.Title)}, c.now)
			if err != nil {
				panic(err) // a note is never refused
			}
			return change.Change{Run: &r, Incident: &next, Entries: eff.Entries, Pages: c.callApprover(r, next), Delivery: c.d.ID, Audit: c.runTrail(runbook.Run{}, r, c.now)}
		})
		if errors.Is(err, change.ErrConflict) {
			continue
		}
		return made, err
	}
	return run, change.ErrConflict
}

// callApprover pages somebody who may approve, when time presses.
func (c *call) callApprover(r runbook.Run, inc incident.Incident) []pager.Page {
	if r.Approval.Needs != approval.SecondPerson || !c.pressing(r.Cluster) {
		return nil
	}
	approvers := c.Access.Approvers(r.By)
	if len(approvers) == 0 {
		return nil
	}
	return c.roster().Direct(pager.Page{
		Incident: inc.ID(), Step: r.ID() + approvalStep, Role: "approver", Person: approvers[0].ID, Queued: c.now, Due: c.now,
		Text: fmt.Sprintf("%s waits for your approval until %s: %s (asked by %s). `approve %s` or `deny %s`",
			r.ID(), c.clock(r.Approval.ExpiresAt(), c.now), r.Title, r.By, r.ID(), r.ID()),
	})
}

// pressing says whether a P0 or P1 is open on the cluster.
func (c *call) pressing(cluster string) bool {
	open, err := c.Store.OpenIncidents()
	if err != nil {
		c.log.Error("the open incidents could not be read", "err", err)
		return true // rather one page too many
	}
	return slices.ContainsFunc(open, func(i incident.Incident) bool {
		return i.Cluster == cluster && (i.Priority == incident.P0 || i.Priority == incident.P1)
	})
}

// approvalStep marks the page that asks for an approval: "REQ-3/approval".
const approvalStep = "/approval"

func runKey(r runbook.Run) string { return "run/" + r.ID() }

func (b *Bot) publishRun(ctx context.Context, r runbook.Run) {
	b.publish(ctx, Post{Key: runKey(r), Incident: r.Incident, Cluster: r.Cluster, Answers: b.starters.of(r.Number), Message: b.runMessage(r, nowUTC())})
}

// postRun shows the run as the answer to this delivery.
func (c *call) postRun(r runbook.Run) {
	c.post(Post{Key: runKey(r), Incident: r.Incident, Cluster: r.Cluster, Message: c.runMessage(r, nowUTC())})
}

func confirm(c *call) error {
	run, err := c.runMeant(func(r runbook.Run) bool {
		return r.State == runbook.Uncertain || r.Approval.Needs == approval.Confirmation
	})
	if err != nil {
		return err
	}
	if run.State == runbook.Uncertain {
		return c.goOn(run)
	}
	if run.Approval.Needs == approval.SecondPerson {
		return &actions.Error{Code: "second-person", Text: fmt.Sprintf("%s can lose data or service, so confirming is not enough: a second person approves it.", run.ID()),
			Hint: c.whoApproves(run)}
	}
	return c.settleAndRun(run)
}

func approve(c *call) error {
	run, err := c.runMeant(func(r runbook.Run) bool { return r.Approval.Needs == approval.SecondPerson })
	if err != nil {
		return err
	}
	if run.State == runbook.Uncertain {
		return c.goOn(run)
	}
	return c.settleAndRun(run)
}

func (c *call) whoApproves(run runbook.Run) string {
	var who []string
	for _, p := range c.Access.Approvers(run.By) {
		who = append(who, p.ID)
	}
	glass := ""
	if c.voter().MayBreak(run.By) {
		glass = fmt.Sprintf(" Is nobody there? `break-glass %s REASON` pages everybody on call.", run.ID())
	}
	if len(who) > 0 {
		return fmt.Sprintf("`approve %s` by one of: %s.", run.ID(), strings.Join(who, ", ")) + glass
	}
	return "Nobody but " + run.By + " has the approver role: see `people` in the config." + glass
}

// settleAndRun takes the agreement, if what would run is still what was shown,
// and runs it.
func (c *call) settleAndRun(run runbook.Run) error {
	return c.settleBy(run, func(r approval.Request, digest string) (approval.Request, error) {
		return r.Agree(c.voter(), digest, nowUTC())
	})
}

func (c *call) settleBy(run runbook.Run, agree func(r approval.Request, digest string) (approval.Request, error)) error {
	if run.State != runbook.Waiting {
		return &actions.Error{Code: "settled", Text: fmt.Sprintf("%s is settled already: %s.", run.ID(), run.State)}
	}
	if err := c.notHalted(); err != nil {
		return err
	}
	plan, err := c.planOf(run)
	if err != nil {
		return err
	}
	digest := runbook.Digest(run.Cluster, run.Action, run.Args, plan)
	settled, err := agree(run.Approval, digest)
	if err != nil {
		return c.notSettled(run, err, plan)
	}
	// The agreement and the start are one commit of the engine's: there is no
	// moment in which a crash leaves an agreed run that nobody runs.
	run.Approval = settled
	c.execute(run, plan, c.engine.Execute)
	return nil
}

// goOn takes up an interrupted run: the step that was under way is looked at
// first, and done again only if its effect is not there.
func (c *call) goOn(run runbook.Run) error {
	if err := c.notHalted(); err != nil {
		return err
	}
	voter := c.voter()
	switch {
	case run.Approval.Needs == approval.SecondPerson && (voter.Person == run.By || !voter.Approver):
		return &actions.Error{Code: "second-person", Text: fmt.Sprintf("%s can lose data or service, so a second person lets it go on.", run.ID()), Hint: c.whoApproves(run)}
	case voter.Person != run.By && !voter.Approver:
		return &actions.Error{Code: "not-allowed", Text: fmt.Sprintf("%s goes on by %s or an approver only.", run.ID(), run.By), Hint: "`whoami` says what you can do here."}
	}
	return c.takeUp(run)
}

func (c *call) takeUp(run runbook.Run) error {
	c.stopLooking(run.Number)
	plan, err := c.planOf(run)
	if err != nil {
		return err
	}
	c.execute(run, plan, c.engine.Resume)
	return nil
}

// execute runs the steps in the background; the live checklist is the run's
// own post, and answers this delivery. It returns once the beginning is durable:
// a delivery that counts as answered before would be lost with a crash in between.
func (c *call) execute(run runbook.Run, plan actions.Plan, how func(context.Context, runbook.Run, actions.Plan) (runbook.Run, error)) {
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	if !c.starters.set(run.Number, starter{delivery: c.d.ID, begun: begin}) {
		begin()
	}
	defer func() { <-begun }()
	start := c.later
	if run.Action == drill.Name {
		start = c.apart // it takes as long as people take, and they have to be able to speak
	}
	start(run.ID(), func(ctx context.Context) error {
		defer begin()
		defer c.starters.clear(run.Number, c.d.ID)
		defer c.cancels.clear(run.Number)
		ended, err := how(ctx, run, plan)
		if err != nil {
			c.log.Error("a run ended badly", "run", run.ID(), "err", err)
			if actions.CodeOf(err) == runbook.CodeNotWritten {
				c.background("writing down "+run.ID(), func(ctx context.Context) { c.writeDown(ctx, run.Number) })
			}
			m := refusal(err)
			if !strings.HasPrefix(m.Title, run.ID()) {
				m.Title = fmt.Sprintf("%s: %s", run.ID(), m.Title)
			}
			c.post(Post{Key: "reply/" + c.d.ID, Incident: run.Incident, Message: m})
			return err
		}
		if ended.State != runbook.Done {
			return fmt.Errorf("%s %s", ended.ID(), ended.State)
		}
		return nil
	})
}

func deny(c *call) error {
	run, err := c.runMeant(func(runbook.Run) bool { return true })
	if err != nil {
		return err
	}
	switch run.State {
	case runbook.Uncertain:
		return c.giveUp(run)
	case runbook.Running:
		return c.callOff(run)
	}
	settled, err := run.Approval.Deny(c.voter(), c.args["reason"], nowUTC())
	if err != nil {
		return c.notSettled(run, err, actions.Plan{})
	}
	run.Approval, run.State, run.Ended = settled, runbook.Dropped, settled.At
	text := run.ID() + " denied: " + run.Title
	if settled.Reason != "" {
		text += " (" + settled.Reason + ")"
	}
	if run, err = c.commitRun(c.ctx, run, []incident.Noted{incident.Noted{By: c.who.ID, Kind: incident.KindDecided, Text: text}}, c.d.ID); err != nil {
		return err
	}
	c.postRun(run)
	return nil
}

func (c *call) giveUp(run runbook.Run) error {
	if v := c.voter(); v.Person != run.By && !v.Approver {
		return c.notSettled(run, approval.ErrNotApprover, actions.Plan{})
	}
	c.stopLooking(run.Number)
	run, err := runbook.GiveUp(run, c.who.ID, c.args["reason"], nowUTC())
	if err != nil {
		return err
	}
	run, err = c.commitRun(c.ctx, run, []incident.Noted{incident.Noted{By: c.who.ID, Kind: incident.KindDecided, Text: run.ID() + " given up after the interruption: " + run.Title}}, c.d.ID)
	if err != nil {
		return err
	}
	c.postRun(run)
	return nil
}

// notSettled says why a vote does not count, and who could. plan is what would
// run now.
func (c *call) notSettled(run runbook.Run, err error, plan actions.Plan) error {
	e := &actions.Error{Code: "not-settled", Text: fmt.Sprintf("%s: %s.", run.ID(), err), Err: err}
	switch {
	case errors.Is(err, approval.ErrNotGlass):
		e.Hint = fmt.Sprintf("%s may, and an owner.", run.By)
	case errors.Is(err, approval.ErrNoGlass):
		e.Hint = fmt.Sprintf("%s confirms it with `confirm %s`.", run.By, run.ID())
	case errors.Is(err, approval.ErrNoReason):
		e.Hint = fmt.Sprintf("Say why: `break-glass %s nobody else answers, and the core eats its memory`.", run.ID())
	case errors.Is(err, approval.ErrSelf), errors.Is(err, approval.ErrNotApprover):
		e.Hint = c.whoApproves(run)
	case errors.Is(err, approval.ErrNotRequester):
		e.Hint = fmt.Sprintf("%s confirms it, or you ask for the same yourself.", run.By)
	case errors.Is(err, approval.ErrChanged):
		e.Text += " " + runbook.Differs(run, plan)
		e.Hint = "Look again with `diagnose`, and ask once more."
	case errors.Is(err, approval.ErrExpired):
		e.Hint = "Ask once more; the plan is worked out afresh."
		c.expire(c.ctx, run)
	}
	return e
}

func (c *call) voter() approval.Voter { return c.Access.Voter(c.who) }

// planOf works the plan out afresh, against the cluster as it is now.
func (b *Bot) planOf(run runbook.Run) (actions.Plan, error) {
	cluster, err := b.clusterNamed(run.Cluster)
	if err != nil {
		return actions.Plan{}, err
	}
	action, ok := cluster.action(run.Action)
	if !ok || action.Plan == nil {
		return actions.Plan{}, &actions.Error{Code: "no-action", Text: fmt.Sprintf("This irisops has no action %q any more.", run.Action), Hint: "`deny " + run.ID() + "` ends the request."}
	}
	req := actions.Request{Args: maps.Clone(run.Args), Incident: run.Incident, By: run.By, Now: nowUTC()}
	if run.State == runbook.Uncertain {
		req.Agreed = run.Class // half of it has happened: plan the same steps whatever is alive
	}
	return action.Plan(b.ctx, req)
}

// runMeant is the run named in the words, else the only one that fits.
func (c *call) runMeant(fits func(runbook.Run) bool) (runbook.Run, error) {
	if id := c.args["id"]; id != "" {
		number, err := numberOf(id)
		if err != nil {
			return runbook.Run{}, err
		}
		run, err := c.Store.Run(number)
		return run, notFound(err, runbook.ID(number))
	}
	open, err := c.Store.Runs(runbook.Waiting, runbook.Uncertain)
	if err != nil {
		return runbook.Run{}, err
	}
	var found []runbook.Run
	var ids []string
	for _, r := range open {
		if fits(r) {
			found = append(found, r)
			ids = append(ids, fmt.Sprintf("%s (%s)", r.ID(), r.Title))
		}
	}
	switch len(found) {
	case 0:
		return runbook.Run{}, &actions.Error{Code: "nothing-waits", Text: "No request waits for that.", Hint: "`status` lists what waits."}
	case 1:
		return found[0], nil
	}
	return runbook.Run{}, &actions.Error{Code: actions.CodeAmbiguous, Text: "More than one request waits: " + strings.Join(ids, ", ") + ".",
		Hint: fmt.Sprintf("Say which: `%s %s`.", c.spec.Words, found[0].ID())}
}

// halt stops everything queued or automatic; the running step finishes.
func halt(c *call) error {
	h := change.Halt{By: c.who.ID, At: c.now, Reason: c.args["reason"]}
	if err := c.Store.SetHalt(c.ctx, &h); err != nil {
		return fmt.Errorf("the halt could not be recorded: %w", err)
	}
	text := "halted every action"
	if h.Reason != "" {
		text += ": " + h.Reason
	}
	c.noteOpen(incident.Noted{By: c.who.ID, Kind: incident.KindHalt, Text: text})
	c.reply(message.Message{Level: message.Warn, Title: "Halted. A step that is running finishes; no other starts.",
		Blocks:  []message.Block{{Text: "Looking, declaring and paging go on. Anyone with a role lifts it with `resume-actions`."}},
		Buttons: []message.Button{{Label: "Resume Actions", Words: "resume-actions"}}})
	return nil
}

func resumeActions(c *call) error {
	h, err := c.Store.Halted()
	if err != nil {
		return err
	}
	if h == nil {
		c.reply(message.Message{Title: "Nothing was halted."})
		return nil
	}
	if err := c.Store.SetHalt(c.ctx, nil); err != nil {
		return fmt.Errorf("the halt could not be lifted: %w", err)
	}
	c.noteOpen(incident.Noted{By: c.who.ID, Kind: incident.KindHalt, Text: "actions resumed; halted by " + h.By})
	c.reply(message.Message{Level: message.OK, Title: fmt.Sprintf("Actions may start again. They were halted by %s for %s.", h.By, spoken(c.now.Sub(h.At)))})
	return nil
}

// noteOpen tells every open incident.
func (c *call) noteOpen(n incident.Noted) {
	open, err := c.Store.OpenIncidents()
	if err != nil {
		c.log.Error("the open incidents could not be told", "err", err)
		return
	}
	for _, inc := range open {
		c.note(c.ctx, inc.Number, n)
	}
}

func (c *call) notHalted() error {
	h, err := c.Store.Halted()
	if err != nil {
		return err
	}
	if h != nil {
		return offer(&actions.Error{Code: "halted", Text: fmt.Sprintf("Actions are halted by %s since %s: %s.", h.By, c.clock(h.At, c.now), firstOf(h.Reason, "no reason given")),
			Hint: "`resume-actions` lifts it. `--dry-run` still shows what would run."},
			message.Button{Label: "Resume Actions", Words: "resume-actions"})
	}
	return nil
}
