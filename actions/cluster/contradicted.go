package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// The newest files are not always the newest data: a core that was started by
// hand, and loaded older tables by force, wrote last. Its Mnesia knows better: it
// waits for the core that it has not seen stop. IRIS gives it 30 s for that.

// waitsFor is the core that does not run and for whose tables this one waits; ""
// if there is none, or that cannot be seen.
func (c *Cluster) waitsFor(ctx context.Context, n Node, guarded []Node) string {
	if len(guarded) == 0 {
		return ""
	}
	brief, cancel := c.brief(ctx)
	defer cancel()
	if waiting, err := c.waits(brief, n); err != nil || !waiting {
		return ""
	}
	reply, err := c.erlang.Call(brief, n.Name, "mnesia", "system_info", term.Atom("db_nodes"))
	if err != nil {
		return ""
	}
	members, err := atoms(reply)
	if err != nil {
		return ""
	}
	for _, o := range guarded {
		if _, runs, err := c.process(brief, o); err != nil || runs || !slices.Contains(members, o.Name) {
			continue
		}
		if saw, err := c.sawGo(brief, n, o); err == nil && !saw {
			return o.Short
		}
	}
	return ""
}

// endAgain ends a core that irisops has started and that serves nobody yet. It
// has loaded nothing, so that it has nothing to lose, and init:stop would wait
// for IRIS's own start.
func (c *Cluster) endAgain(ctx context.Context, n Node, other string) error {
	text := fmt.Sprintf("Mnesia on %s waits for the tables of %s, which it has not seen stop: %s wrote last, whatever the files say", n.Short, other, other)
	p, runs, err := c.process(ctx, n)
	if err == nil && runs {
		err = c.host.Signal(ctx, p, Kill)
	}
	if err == nil && runs {
		ending, cancel := context.WithTimeout(ctx, c.opt.Kill)
		defer cancel()
		err = c.host.WaitExit(ending, p)
	}
	if err != nil {
		return &actions.Error{Code: "core-order", Err: err,
			Text: fmt.Sprintf("%s. It could not be ended again (%s): 30 s after its start it loads its own, older tables.", text, c.mask.err(err)),
			Hint: fmt.Sprintf("End it at once (`stop %s`), or start %s within that time.", n.Short, other)}
	}
	return &actions.Error{Code: "core-order", Text: text + fmt.Sprintf(". %s was ended again (SIGKILL to pid %d) before it loaded its own, older tables; it had served nobody.", n.Short, p.PID),
		Hint: fmt.Sprintf("Start them together: `start %s`. If %s was once started without %s and took writes, choose whose data are the right ones: `start %s --first %s`, or --first %s.",
			c.roleWord(CoreRole), n.Short, other, c.roleWord(CoreRole), other, n.Short)}
}

// orApart has the wait for a core that starts together with others say whether
// they had run apart before they stopped. While none runs that cannot be seen, and
// Mnesia then takes the tables of whichever is first; it only logs it.
func (c *Cluster) orApart(group []Node, n Node, wait actions.Step) actions.Step {
	if len(group) < 2 {
		return wait
	}
	perform := wait.Perform
	wait.Perform = func(ctx context.Context) (string, error) {
		evidence, err := perform(ctx)
		if err != nil {
			return evidence, err
		}
		lines, err := c.host.LogTail(ctx, n, logLines) // the start has begun it anew
		switch {
		case err != nil:
			return evidence + "; whether they had run apart cannot be seen: " + c.mask.err(err), nil
		case slices.ContainsFunc(lines, func(l string) bool {
			return strings.Contains(l, "inconsistent_database") && strings.Contains(l, "_partitioned_network")
		}):
			return evidence + fmt.Sprintf("; WARNING: Mnesia says that %s had run apart (inconsistent_database). All have the tables of one of them now; what only the others had written is gone from them. See what the last backup has: `backup list`", listed(shorts(group))), nil
		}
		return evidence, nil
	}
	return wait
}
