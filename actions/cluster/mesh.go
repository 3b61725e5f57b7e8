package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

func (c *Cluster) meshAction() actions.Action {
	return actions.Action{
		Name:    "mesh",
		Summary: "Connect every live edge with every live core, verified on both sides",
		Example: "mesh",
		Long: `Has each edge ping each core (net_adm:ping on the edge), and then asks both for their nodes() until each sees the other. It stops nothing.

The runbook (docs/runbooks/failover.md, "Complete Cluster Failure") says make mesh. IRIS has no such target and never had one. Its other way, erl -sname check -eval "net_adm:ping(...)", connects a throw-away node instead of the edge, and ends with 0 even where the ping fails.`,
		Plan: c.planMesh,
	}
}

func (c *Cluster) planMesh(ctx context.Context, req actions.Request) (actions.Plan, error) {
	p := actions.Plan{Title: "Mesh: connect edges and cores", Class: actions.Do, Why: "it connects and stops nothing"}
	for _, n := range c.Nodes {
		p.Targets = append(p.Targets, n.Key())
	}
	for _, n := range c.ByRole(EdgeRole) {
		p.Steps = append(p.Steps, c.meshStep(n))
	}
	if len(p.Steps) == 0 || len(c.ByRole(CoreRole)) == 0 {
		return actions.Plan{}, actions.Errorf("nothing-to-do", "%s has no edges and cores that could be connected.", c.Name)
	}
	if req.Agreed != 0 {
		return p, nil
	}
	lives := c.survey(ctx, c.Nodes)
	for _, r := range []Role{CoreRole, EdgeRole} {
		if !slices.ContainsFunc(c.ByRole(r), func(n Node) bool { return lives[n.Short].silence == nil }) {
			return actions.Plan{}, &actions.Error{Code: "not-running", Text: fmt.Sprintf("No %s answers: there is nothing to connect.", r),
				Hint: fmt.Sprintf("Say `diagnose`, or `start %s`.", r)}
		}
	}
	for _, n := range c.Nodes {
		if lives[n.Short].silence != nil {
			p.Preview = append(p.Preview, fmt.Sprintf("WARNING: %s %s: it is left out", n.Short, c.state(n, lives[n.Short])))
		}
	}
	for _, s := range p.Steps {
		p.Preview = append(p.Preview, s.Describe)
	}
	return p, nil
}

// meshStep connects one edge with every live core. An edge that does not run is
// nothing to connect.
func (c *Cluster) meshStep(edge Node) actions.Step {
	cores := listed(shorts(c.ByRole(CoreRole)))
	return actions.Step{
		Name:     "mesh " + edge.Short,
		Describe: fmt.Sprintf("net_adm:ping on %s for %s; nodes() asked on both sides", edge.Short, cores),
		Perform: func(ctx context.Context) (string, error) {
			return c.mesh(ctx, edge, func(ctx context.Context, core Node) error {
				_, err := c.erlang.Call(ctx, edge.Name, "net_adm", "ping", term.Atom(core.Name))
				return err
			})
		},
		Check: func(ctx context.Context) (string, error) {
			ctx, cancel := c.brief(ctx)
			defer cancel()
			_, err := c.mesh(ctx, edge, func(context.Context, Node) error { return nil })
			return "", err
		},
		Timeout: 2*c.opt.Settle + 10*time.Second,
	}
}

// mesh has the edge connect to every core that answers, all at once, and waits
// until both sides see each other.
func (c *Cluster) mesh(ctx context.Context, edge Node, connect func(context.Context, Node) error) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Settle)
	defer cancel()
	if _, runs, err := c.process(ctx, edge); err == nil && !runs {
		return edge.Short + " does not run: nothing to connect", nil
	}
	cores := c.ByRole(CoreRole)
	seen := make([]string, len(cores))
	linked := make([]bool, len(cores))
	errs := make([]error, len(cores))
	var wg sync.WaitGroup
	for i, core := range cores {
		wg.Go(func() { linked[i], seen[i], errs[i] = c.link(ctx, edge, core, connect) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return "", err
		}
	}
	if !slices.Contains(linked, true) {
		return "", &actions.Error{Code: "no-core", Text: fmt.Sprintf("%s has no core to connect to: %s.", edge.Short, strings.Join(seen, "; ")),
			Hint: "Start the core (`start core`); that connects the edges too."}
	}
	return strings.Join(seen, "; "), nil
}

// link connects one edge and one core. A core that does not answer is left out.
func (c *Cluster) link(ctx context.Context, edge, core Node, connect func(context.Context, Node) error) (linked bool, seen string, err error) {
	first, cancel := context.WithTimeout(ctx, c.opt.Survey)
	defer cancel()
	if _, err := c.erlang.Ping(first, core.Name); err != nil {
		return false, fmt.Sprintf("%s %s, left out", core.Short, c.silence(core, err)), nil
	}
	seen, err = until(ctx, func(ctx context.Context) (bool, string, error) {
		if err := connect(ctx, core); err != nil {
			return false, fmt.Sprintf("%s could not be asked to connect: %s", edge.Short, c.mask.err(err)), nil
		}
		for _, side := range [][2]Node{{edge, core}, {core, edge}} {
			reply, err := c.erlang.Call(ctx, side[0].Name, "erlang", "nodes")
			if err != nil {
				return false, fmt.Sprintf("%s %s", side[0].Short, c.silence(side[0], err)), nil
			}
			nodes, err := atoms(reply)
			if err != nil {
				return false, "", err
			}
			if !slices.Contains(nodes, side[1].Name) {
				return false, fmt.Sprintf("%s does not see %s", side[0].Short, side[1].Short), nil
			}
		}
		return true, fmt.Sprintf("%s and %s see each other", edge.Short, core.Short), nil
	})
	if err != nil && actions.CodeOf(err) == "" {
		err = c.failure(err, "", "%s and %s are not connected: %s.", edge.Short, core.Short, seen)
	}
	return err == nil, seen, err
}
