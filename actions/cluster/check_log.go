package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"irisops/actions"
)

// How much of a log the diagnosis reads, and shows.
const (
	logLines     = 5_000
	excerptLines = 12
)

// checkLog is the runbook's `tail -100 core.log`, which on a core is all noise,
// with the noise folded and the errors pulled out.
var checkLog = check{
	name: "log", asks: "are there new errors or crashes in the node's log?", silence: actions.Unknown,
	run: func(ctx context.Context, c *Cluster, n Node) Finding {
		lines, err := c.host.LogTail(ctx, n, logLines)
		switch {
		case silent(err):
			return c.unseen(err, n.Log)
		case err != nil:
			return found(actions.NotAvailable, "%s", c.mask.err(err)).code(actions.CodeOf(err))
		}
		tail := readLog(lines, logLines, c.opt.Zone, c.mask)
		_, folded := tail.text()
		var notes []string
		if folded > 0 {
			notes = append(notes, fmt.Sprintf("%s of OS_MON noise folded", plural(folded, "line")))
		}
		recent := tail.since(time.Now().Add(-c.opt.LogWindow)).bad()
		all := tail.bad()
		f := Finding{Result: actions.OK}
		switch {
		case len(recent) > 0:
			f = Finding{Result: actions.Warn}.next("logs " + n.Short)
			f.brief = fmt.Sprintf("%s: %s in the last %s", n.Log, plural(len(recent), "error"), spoken(c.opt.LogWindow))
			notes = append([]string{fmt.Sprintf("%s, the last: %s", f.brief, recent[len(recent)-1].gist())}, notes...)
		case len(all) > 0:
			notes = append([]string{fmt.Sprintf("%s: no error in the last %s, %d before", n.Log, spoken(c.opt.LogWindow), len(all))}, notes...)
		default:
			notes = append([]string{n.Log + ": no error in its last lines"}, notes...)
		}
		f.Evidence = strings.Join(notes, "; ")
		f.excerpt = excerpt(tail, all)
		return f
	},
}

// excerpt is what to read first: the last error, and the last thing the node said.
func excerpt(tail, bad logTail) []string {
	var lines []string
	if len(bad) > 0 {
		lines = append(lines, bad[len(bad)-1].lines...)
	}
	if last, ok := tail.last(); ok && !last.bad() {
		lines = append(lines, last.lines...)
	}
	if len(lines) > excerptLines {
		left := len(lines) - excerptLines
		lines = append(lines[:excerptLines:excerptLines], fmt.Sprintf("... %s more", plural(left, "line")))
	}
	return lines
}
