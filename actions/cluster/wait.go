package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// waitStep waits until a node serves: it answers, its application runs, and a
// core has loaded its tables while an edge has opened its port. The runbook
// sleeps 10 seconds instead.
//
// guarded are cores that do not start with it, and whose later writes it would
// undo: if its Mnesia waits for one of them, it is ended again before IRIS loads
// its older tables by force.
func (c *Cluster) waitStep(n Node, guarded ...Node) actions.Step {
	what := "its client port accepts connections"
	if n.Role == CoreRole {
		what = "Mnesia has loaded its tables"
	}
	if len(guarded) > 0 {
		what += "; ended again if it waits for those of " + listed(shorts(guarded))
	}
	var so far
	return actions.Step{
		Name:     "wait for " + n.Short,
		Describe: fmt.Sprintf("until %s answers, %s runs and %s", n.Name, n.application(), what),
		Perform:  func(ctx context.Context) (string, error) { return c.await(ctx, n, guarded, so.set) },
		Seen:     so.get,
		Check: func(ctx context.Context) (string, error) {
			ctx, cancel := c.brief(ctx)
			defer cancel()
			took, err := c.erlang.Ping(ctx, n.Name)
			if err != nil {
				return "", c.failure(err, "", "%s %s.", n.Short, c.silence(n, err))
			}
			// After a crash in the middle of it, an answer alone is no end of the wait.
			ready, seen, err := c.ready(ctx, n)
			if err != nil {
				return "", err
			}
			if !ready {
				return "", actions.Errorf(actions.CodeHung, "%s answers, but does not serve: %s.", n.Short, seen)
			}
			return "answers in " + spoken(took), nil
		},
		Timeout: c.opt.Ready + c.opt.Call + 10*time.Second,
	}
}

func (c *Cluster) await(ctx context.Context, n Node, guarded []Node, see func(string)) (string, error) {
	begin := time.Now()
	var idle time.Time // since when nothing starts on the node, though its application does not run
	waiting, cancel := context.WithTimeout(ctx, c.opt.Ready)
	defer cancel()
	evidence, err := until(waiting, func(ctx context.Context) (bool, string, error) {
		_, runs, err := c.process(ctx, n)
		if ctx.Err() != nil {
			return false, "", nil
		}
		if err == nil && !runs {
			return false, "", &actions.Error{Code: codeNoProcess, Hint: fmt.Sprintf("Look with `logs %s`.", n.Short),
				Text: fmt.Sprintf("The process of %s ended while it was waited for.%s", n.Short, c.dying(ctx, n))}
		}
		if other := c.waitsFor(ctx, n, guarded); other != "" {
			return false, "", c.endAgain(ctx, n, other)
		}
		done, seen, err := c.ready(ctx, n)
		see(seen)
		if actions.CodeOf(err) != codeNoApp {
			idle = time.Time{}
			return done, seen, err
		}
		if idle.IsZero() || c.starting(ctx, n) {
			idle = time.Now()
		}
		if time.Since(idle) > c.opt.Idle {
			return false, "", &actions.Error{Code: codeNoApp, Hint: fmt.Sprintf("Look with `logs %s`.", n.Short),
				Text: fmt.Sprintf("%s answers, but %s does not run on it, and nothing has been starting there for %s.%s", n.Short, n.application(), spoken(c.opt.Idle), c.dying(ctx, n))}
		}
		return false, seen, nil
	})
	switch {
	case err == nil:
		return fmt.Sprintf("after %s: %s", spoken(time.Since(begin)), evidence), nil
	case waiting.Err() != nil && actions.CodeOf(err) == "":
		return "", c.failure(err, fmt.Sprintf("Look with `diagnose node %s` and `logs %s`.", n.Short, n.Short),
			"%s does not serve after %s: %s.%s", n.Short, spoken(c.opt.Ready), evidence, c.dying(context.WithoutCancel(ctx), n))
	}
	return evidence, err
}

// starting says whether an application is on its way up. A node on which none is,
// and IRIS does not run, has failed to start it: the VM itself stays. Asked of
// application:info/0, whose list has {starting, Apps}.
func (c *Cluster) starting(ctx context.Context, n Node) bool {
	ctx, cancel := c.brief(ctx)
	defer cancel()
	info, err := c.erlang.Call(ctx, n.Name, "application", "info")
	if err != nil {
		return true // not known
	}
	apps, ok := term.Get(info, term.Atom("starting"))
	if !ok {
		return true
	}
	list, ok := term.AsList(apps)
	return !ok || len(list) > 0
}

// ready says whether the node serves, and what is seen of it. An error codeNoApp is no
// failure yet: the application may be about to start.
func (c *Cluster) ready(ctx context.Context, n Node) (bool, string, error) {
	ctx, cancel := c.brief(ctx)
	defer cancel()
	running, err := c.applications(ctx, n)
	if err != nil {
		if actions.CodeOf(err) == actions.CodeTLS {
			return false, "", c.failure(err, "Compare tls in the config with how the node is started.", "%s %s", n.Short, c.silence(n, err))
		}
		if actions.CodeOf(err) == actions.CodeWrongCookie {
			return false, "", c.failure(err, "Compare cookie_file in the config with the cookie in the Makefile.", "%s %s.", n.Short, c.silence(n, err))
		}
		return false, "it " + c.silence(n, err), nil
	}
	if !slices.Contains(running, n.application()) {
		return false, n.application() + " does not run on it yet", actions.Errorf(codeNoApp, "%s does not run.", n.application())
	}
	if n.Role == EdgeRole {
		open, err := c.host.PortOpen(ctx, n)
		switch {
		case err != nil:
			return false, "its port cannot be seen: " + c.mask.err(err), nil
		case !open:
			return false, "nothing listens on " + n.Addr() + " yet", nil
		}
		return true, fmt.Sprintf("%s runs, %s accepts connections", n.application(), n.Addr()), nil
	}
	return c.tables(ctx, n)
}

// slice is how long one wait for tables lasts on the node, so that what is still
// missing is seen along the way.
const slice = time.Second

// tables says whether a core has loaded its tables.
func (c *Cluster) tables(ctx context.Context, n Node) (bool, string, error) {
	reply, err := c.erlang.Call(ctx, n.Name, "mnesia", "system_info", term.Atom("tables"))
	if err != nil {
		return false, "Mnesia cannot be asked: " + c.mask.err(err), nil
	}
	names, err := atoms(reply)
	if err != nil {
		return false, "", err
	}
	names = slices.DeleteFunc(names, func(t string) bool { return t == "schema" })
	if len(names) == 0 {
		return false, "Mnesia has no tables yet but its schema", nil
	}
	reply, err = c.erlang.Call(ctx, n.Name, "mnesia", "wait_for_tables", atomList(names), slice.Milliseconds())
	if err != nil {
		return false, "Mnesia cannot be asked: " + c.mask.err(err), nil
	}
	if reply == term.Atom("ok") {
		return true, fmt.Sprintf("%s runs, %s loaded: %s", n.application(), plural(len(names), "table"), strings.Join(names, ", ")), nil
	}
	answer, ok := reply.(term.Tuple)
	if !ok || len(answer) != 2 || answer[0] != term.Atom("timeout") {
		return false, "", unexpected(reply)
	}
	missing, err := atoms(answer[1])
	if err != nil {
		return false, "", err
	}
	if slices.Equal(missing, []string{"presence"}) && c.alone(ctx, n) {
		return true, fmt.Sprintf("%s runs, %s of %d loaded: presence, which is in memory only, waits for the cores that do not run", n.application(), plural(len(names)-1, "table"), len(names)), nil
	}
	return false, fmt.Sprintf("Mnesia still loads %s of %d", plural(len(missing), "table"), len(names)) + ": " + strings.Join(missing, ", "), nil
}

// alone says whether a core's Mnesia runs with no other. IRIS then loads its
// tables on disc by force after 30 s, but never presence, which would be empty.
func (c *Cluster) alone(ctx context.Context, n Node) bool {
	reply, err := c.erlang.Call(ctx, n.Name, "mnesia", "system_info", term.Atom("running_db_nodes"))
	if err != nil {
		return false
	}
	running, err := atoms(reply)
	return err == nil && slices.Equal(running, []string{n.Name})
}
