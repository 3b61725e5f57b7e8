package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"irisops/actions"
)

// stopStep stops one node by its exact process. class is what was agreed to:
// between the agreement and this moment other nodes may have died.
func (c *Cluster) stopStep(n Node, class actions.Class) actions.Step {
	return actions.Step{
		Name:     "stop " + n.Short,
		Describe: fmt.Sprintf("init:stop() on %s; if its process stays, SIGTERM, then SIGKILL to exactly that pid", n.Name),
		Perform:  func(ctx context.Context) (string, error) { return c.stop(ctx, n, class) },
		Check:    func(ctx context.Context) (string, error) { return c.seeGone(ctx, n) },
		Timeout:  2*(c.opt.Survey+c.opt.Call+c.opt.Graceful+c.opt.Term+c.opt.Kill) + 10*time.Second, // another stop may come first
	}
}

func (c *Cluster) seeGone(ctx context.Context, n Node) (string, error) {
	p, runs, err := c.process(ctx, n)
	switch {
	case err != nil:
		return "", err
	case runs:
		return "", actions.Errorf("running", "%s runs: pid %d.", n.Short, p.PID)
	}
	return "no process left", nil
}

// stop ends the node's process. Stops of one cluster take turns, from the look
// at what else is alive until the process is gone: two that run together would
// both count on the node that the other one takes away.
func (c *Cluster) stop(ctx context.Context, n Node, class actions.Class) (string, error) {
	select {
	case c.stopping <- struct{}{}:
		defer func() { <-c.stopping }()
	case <-ctx.Done():
		return "", actions.Errorf("busy", "%s was not stopped: another node was being stopped all the time.", n.Short)
	}
	p, runs, err := c.process(ctx, n)
	if err != nil {
		return "", err
	}
	if !runs {
		return "was not running", nil
	}
	if class < actions.Harm {
		if now, why := effect(opStop, c.Spec, []Node{n}, c.survey(ctx, c.Nodes)); now > class {
			return "", &actions.Error{Code: "changed", Text: fmt.Sprintf("%s was not stopped: %s by now, and that was not agreed to.", n.Short, why),
				Hint: "Look with `diagnose`, and ask once more."}
		}
	}
	begin := time.Now()
	ended := func(how []string) string {
		return fmt.Sprintf("pid %d ended in %s (%s)", p.PID, spoken(time.Since(begin)), strings.Join(how, ", "))
	}
	var tried []string
	for _, w := range c.ways(n, p) {
		err := w.do(ctx)
		switch {
		case actions.CodeOf(err) == actions.CodeGone:
			return ended(append(tried, "gone by itself")), nil
		case err != nil:
			tried = append(tried, fmt.Sprintf("%s failed: %s", w.name, strings.TrimSuffix(c.mask.err(err), ".")))
			continue
		}
		waiting, cancel := context.WithTimeout(ctx, w.bound)
		err = c.host.WaitExit(waiting, p)
		over := waiting.Err() != nil
		cancel()
		switch {
		case err == nil:
			return ended(append(tried, w.name)), nil
		case !over:
			return "", err // not the time was up: the looking failed
		}
		tried = append(tried, fmt.Sprintf("%s: still there after %s", w.name, spoken(w.bound)))
		if ctx.Err() != nil {
			break
		}
	}
	return "", &actions.Error{Code: actions.CodeHung, Text: fmt.Sprintf("%s did not end: pid %d (%s).", n.Short, p.PID, strings.Join(tried, "; ")),
		Hint: fmt.Sprintf("Look at it by hand: ps -o pid,stat,wchan,args -p %d. A process in state D waits for the disk.", p.PID), Err: ctx.Err()}
}

// way is one way to end a process.
type way struct {
	name  string
	do    func(ctx context.Context) error
	bound time.Duration // how long to wait for the end
}

// ways are the gentlest first. A process that SIGSTOP holds can do nothing for
// itself: neither rpc nor SIGTERM would reach it.
func (c *Cluster) ways(n Node, p Process) []way {
	signal := func(s Signal, bound time.Duration) way {
		return way{"SIG" + string(s), func(ctx context.Context) error { return c.host.Signal(ctx, p, s) }, bound}
	}
	kill := signal(Kill, c.opt.Kill)
	if p.State == "stopped" {
		return []way{kill}
	}
	rpc := func(ctx context.Context) error {
		ctx, cancel := c.brief(ctx)
		defer cancel()
		_, err := c.erlang.Call(ctx, n.Name, "init", "stop")
		if err != nil && unreachable(err) {
			return c.failure(err, "", "it %s", c.silence(n, err))
		}
		return err
	}
	return []way{{"init:stop", rpc, c.opt.Graceful}, signal(Terminate, c.opt.Term), kill}
}
