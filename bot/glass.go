package bot

import (
	"fmt"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/runbook"
	"irisops/bot/command"
	"irisops/bot/pager"
)

// glassStep marks the pages that tell of a broken glass: "REQ-3/break-glass".
const glassStep = "/break-glass"

var glassWords = []word{
	{command.Spec{Words: "break-glass", Class: actions.Tell, Group: agrees, Summary: "let a dangerous request run without a second person, because there is none",
		Long: "For one person alone at night. It lets exactly what the request shows run, as an approval would, and takes a reason. Everybody on call is paged, and it stands in the timeline, the post-mortem and the audit. " +
			"An operator may for what they asked for themselves; an owner for anyone; and an account of this machine that is no person, root included, over the socket.",
		Example: "break-glass REQ-3 nobody else answers, and the core eats its memory",
		Params: []actions.Param{{Name: "id", Kind: actions.ID, Doc: "a request", Example: "REQ-3"},
			{Name: "reason", Kind: actions.Text, Doc: "why it cannot wait for a second person", Example: "nobody else answers, and the core eats its memory"}}}, breakGlass},
}

func breakGlass(c *call) error {
	run, err := c.runMeant(func(runbook.Run) bool { return true })
	if err != nil {
		return err
	}
	if run.State == runbook.Uncertain {
		return c.goOnAlone(run)
	}
	defer c.kick() // the pages
	return c.settleBy(run, func(r approval.Request, digest string) (approval.Request, error) {
		return r.BreakGlass(c.voter(), digest, c.args["reason"], nowUTC())
	})
}

// goOnAlone takes up an interrupted run that a second person would have to let go
// on.
func (c *call) goOnAlone(run runbook.Run) error {
	if err := c.notHalted(); err != nil {
		return err
	}
	switch {
	case run.Approval.Needs != approval.SecondPerson:
		return c.notSettled(run, approval.ErrNoGlass, actions.Plan{})
	case !c.voter().MayBreak(run.By):
		return c.notSettled(run, approval.ErrNotGlass, actions.Plan{})
	}
	if !run.Approval.Glass {
		run.Approval.Glass, run.Approval.Reason = true, c.args["reason"]
		run.Approval.By, run.Approval.At = c.who.ID, nowUTC()
		before, err := c.Store.Run(run.Number)
		if err != nil {
			return err
		}
		if run, err = c.commitRun(c.ctx, run, progress(before, run), ""); err != nil {
			return err
		}
		c.kick()
	}
	return c.takeUp(run)
}

// glassPages call everybody on call, in the transaction that lets the request
// run.
func (b *Bot) glassPages(r runbook.Run, now time.Time) []pager.Page {
	text := fmt.Sprintf("%s broke the glass alone: %s (%s) runs without a second person. Reason: %s", r.Approval.By, r.ID(), r.Title, r.Approval.Reason)
	page := pager.Page{Incident: r.Incident, Step: r.ID() + glassStep, Queued: now, Due: now, Text: text}
	everyone := b.roster().Everyone(now)
	if len(everyone) == 0 {
		page.Role, page.Text = "everybody", text+"\nNobody is on call at all: whoever reads this, look."
		return b.roster().Direct(page)
	}
	var pages []pager.Page
	for _, person := range everyone {
		page.Role, page.Person = "everybody:"+person, person
		pages = append(pages, b.roster().Direct(page)...)
	}
	return pages
}
