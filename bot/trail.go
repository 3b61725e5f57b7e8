package bot

import (
	"fmt"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/runbook"
	"irisops/bot/audit"
	"irisops/bot/command"
	"irisops/bot/inbox"
	"irisops/bot/incident"
)

// Here the audit is written: for every command that changes something an entry
// before it does and one when it has, or one that it was not let through; and for
// every request what was asked for, agreed to, begun and ended, each in the
// transaction that makes it so. Nothing else writes to it.

// Mask hides secrets in what people typed. Nil hides nothing.
type Mask func(string) string

func (b *Bot) mask(s string) string {
	if b.Mask == nil {
		return s
	}
	return b.Mask(s)
}

// unsecret is the delivery without the secrets that somebody typed: they are not
// kept and not repeated.
func (b *Bot) unsecret(d inbox.Delivery) inbox.Delivery {
	d.Text = b.mask(d.Text)
	if d.Pinned != nil {
		pinned := *d.Pinned
		pinned.Text = b.mask(pinned.Text)
		d.Pinned = &pinned
	}
	return d
}

// audited says whether the audit tells of a command: if it changes anything. A
// dry run does not.
func audited(s *command.Spec, args actions.Args) bool {
	return accessClass(s) != actions.See && args["dry-run"] == ""
}

// entry is one about the delivery.
func (c *call) entry(kind audit.Kind, text string) audit.Entry {
	e := audit.Entry{At: nowUTC(), Kind: kind, By: c.who.ID, Caller: c.d.Caller, Via: c.d.Via, Delivery: c.d.ID,
		Command: c.spec.Words, Class: c.spec.Class.String(), Cluster: firstOf(c.args["cluster"], c.d.Cluster), Incident: firstOf(c.args["incident"], c.d.Incident), Text: c.mask(text)}
	if c.spec.Class == command.ByEffect {
		e.Class = "by effect"
	}
	if len(c.args) > 0 {
		e.Args = c.masked(c.args)
	}
	return e
}

func (b *Bot) masked(args map[string]string) map[string]string {
	masked := map[string]string{}
	for name, value := range args {
		masked[name] = b.mask(value)
	}
	return masked
}

// intend records that the command is about to be carried out.
func (c *call) intend() error {
	if !audited(c.spec, c.args) {
		return nil
	}
	if err := c.Store.Record(c.ctx, c.entry(audit.Intent, "")); err != nil {
		return fmt.Errorf("nothing was done, because it could not be recorded: %w", err)
	}
	c.intended = true
	return nil
}

// refuse records that a command was not let through.
func (c *call) refuse(err error) error {
	if c.spec != nil && audited(c.spec, c.args) {
		c.record(c.entry(audit.Refused, err.Error()))
	}
	return err
}

// concluded records how a command ended that was about to be carried out. What
// it started goes on under the request's own entries.
func (c *call) concluded(err error) {
	if !c.intended {
		return
	}
	text := "carried out"
	switch {
	case err != nil:
		text = "refused: " + err.Error()
	case c.out.Code() != ExitDone:
		text = "answered with a refusal"
	}
	c.record(c.entry(audit.Outcome, text))
}

// record appends an entry about what has happened already, so that a failure can
// only be logged.
func (c *call) record(e audit.Entry) {
	if err := c.Store.Record(c.ctx, e); err != nil {
		c.log.Error("an entry of the audit is missing", "kind", e.Kind, "by", e.By, "command", e.Command, "text", e.Text, "err", err)
	}
}

// runTrail is what the audit tells of the change from one state of a request to
// the next. A request that is new comes after the zero Run.
func (b *Bot) runTrail(before, after runbook.Run, now time.Time) []audit.Entry {
	var trail []audit.Entry
	tell := func(kind audit.Kind, by, text string) {
		trail = append(trail, audit.Entry{At: now, Kind: kind, By: by, Command: after.Action, Args: b.masked(after.Args), Class: after.Class.String(),
			Cluster: after.Cluster, Incident: after.Incident, Request: after.ID(), Digest: after.Approval.Digest, Text: b.mask(text)})
	}
	if before.Number == 0 {
		text := fmt.Sprintf("%s; on %s", after.Title, strings.Join(after.Targets, ", "))
		if after.Why != "" {
			text += "; " + after.Why
		}
		tell(audit.Request, after.By, text)
	}
	if a := after.Approval; a.Verdict != before.Approval.Verdict && a.Verdict != approval.Waiting {
		kind, by, text := audit.Decided, a.By, string(a.Verdict)
		if a.Glass {
			kind, text = audit.Glass, "let run by one person alone"
		}
		if a.Verdict == approval.Approved && a.Needs == approval.Confirmation {
			text = "confirmed"
		}
		if a.Reason != "" {
			text += ": " + a.Reason
		}
		if by == "" {
			by = incident.Bot
		}
		tell(kind, by, text)
	}
	if a := after.Approval; a.Glass && !before.Approval.Glass && a.Verdict == before.Approval.Verdict {
		tell(audit.Glass, a.By, a.Reason)
	}
	switch {
	case before.State == after.State:
	case after.State == runbook.Running && before.State == runbook.Uncertain:
		tell(audit.Begun, incident.Bot, "goes on from where it was interrupted")
	case after.State == runbook.Running:
		tell(audit.Begun, incident.Bot, plural(len(after.Steps), "step"))
	case after.State == runbook.Waiting, after.State == runbook.Dropped:
	default:
		text := string(after.State)
		if after.Outcome != "" {
			text += ": " + after.Outcome
		}
		tell(audit.Ended, incident.Bot, text)
	}
	return trail
}
