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
		Long: `Has each edge ping each core (net_adm:ping on the edge), and then asks both for their nodes() until each sees the other and the connection holds: where some third node is not reached by all, Erlang undoes it within a second. It stops nothing.

The runbook (docs/runbooks/failover.md, "Complete Cluster Failure") says make mesh. IRIS has no such target and never had one. Its other way, erl -sname check -eval "net_adm:ping(...)", connects a throw-away node instead of the edge, and ends with 0 even where the ping fails.`,
		Plan: c.planMesh,
	}
}

func (c *Cluster) planMesh(ctx context.Context, req actions.Request) (actions.Plan, error) {
	p := actions.Plan{Title: "Mesh: connect edges and cores", Class: actions.Do, Why: "it connects and stops nothing"}
	edges := c.ByRole(EdgeRole)
	if len(edges) == 0 || len(c.ByRole(CoreRole)) == 0 {
		return actions.Plan{}, actions.Errorf("nothing-to-do", "%s has no edges and cores that could be connected.", c.Name)
	}
	for _, n := range c.Nodes {
		p.Targets = append(p.Targets, n.Key())
	}
	p.Steps = []actions.Step{c.meshStep(edges)}
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
	p.Preview = append(p.Preview, p.Steps[0].Describe)
	return p, nil
}

// pair is an edge and a core that should see each other.
type pair struct{ edge, core Node }

func (c *Cluster) pairs(edges []Node) []pair {
	var pairs []pair
	for _, e := range edges {
		for _, k := range c.ByRole(CoreRole) {
			pairs = append(pairs, pair{e, k})
		}
	}
	return pairs
}

// meshStep connects edges with every live core. An edge that does not run is
// nothing to connect.
func (c *Cluster) meshStep(edges []Node) actions.Step {
	who := listed(shorts(edges))
	return actions.Step{
		Name: "mesh " + who,
		Describe: fmt.Sprintf("net_adm:ping on %s for %s; nodes() asked on both sides, and again %s later", who,
			listed(shorts(c.ByRole(CoreRole))), spoken(c.opt.Steady)),
		Perform: func(ctx context.Context) (string, error) { return c.mesh(ctx, edges, c.join) },
		Check: func(ctx context.Context) (string, error) {
			_, err := c.mesh(ctx, edges, c.joined)
			return "", err
		},
		Timeout: 2*(c.opt.Settle+c.opt.Survey) + 10*time.Second,
	}
}

// mesh has what is done to each pair done to all of them at once. Nodes that do
// not run or do not answer are left out, but an edge that runs needs a core.
func (c *Cluster) mesh(ctx context.Context, edges []Node, each func(context.Context, pair) error) (string, error) {
	if len(c.ByRole(CoreRole)) == 0 {
		return "", actions.Errorf("no-core", "%s has no core to connect to.", c.Name)
	}
	lives := c.survey(ctx, append(c.ByRole(CoreRole), edges...))
	ctx, cancel := context.WithTimeout(ctx, c.opt.Settle)
	defer cancel()
	pairs := c.pairs(edges)
	seen := make([]string, len(pairs))
	errs := make([]error, len(pairs))
	cores := map[string]int{} // edge: how many cores answer
	var wg sync.WaitGroup
	for i, p := range pairs {
		edge, core := lives[p.edge.Short], lives[p.core.Short]
		switch {
		case edge.dead():
			seen[i] = p.edge.Short + " does not run: nothing to connect"
			cores[p.edge.Short]++
		case core.silence != nil:
			seen[i] = fmt.Sprintf("%s %s: left out", p.core.Short, c.silence(p.core, core.silence))
		default:
			seen[i] = fmt.Sprintf("%s and %s see each other", p.edge.Short, p.core.Short)
			cores[p.edge.Short]++
			wg.Go(func() { errs[i] = each(ctx, p) })
		}
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return "", err
		}
	}
	for _, e := range edges {
		if cores[e.Short] == 0 {
			return "", &actions.Error{Code: "no-core", Text: fmt.Sprintf("%s has no core to connect to: %s.", e.Short, strings.Join(slices.Compact(slices.Sorted(slices.Values(seen))), "; ")),
				Hint: "Start the core (`start core`); that connects the edges too."}
		}
	}
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(seen))), "; "), nil
}

// join connects a pair until the connection holds. Erlang's global can undo it
// within a second where some third node is not reached by all.
func (c *Cluster) join(ctx context.Context, p pair) error {
	var since time.Time // since when they see each other
	seen, err := until(ctx, func(ctx context.Context) (bool, string, error) {
		trouble, err := c.apart(ctx, p)
		if err != nil {
			return false, "", err
		}
		if trouble == "" {
			if since.IsZero() {
				since = time.Now()
			}
			return time.Since(since) >= c.opt.Steady, "the connection does not hold", nil
		}
		since = time.Time{}
		if _, err := c.erlang.Call(ctx, p.edge.Name, "net_adm", "ping", term.Atom(p.core.Name)); err != nil {
			return false, fmt.Sprintf("%s could not be asked to connect: %s", p.edge.Short, c.mask.err(err)), nil
		}
		return false, trouble, nil
	})
	if err != nil && actions.CodeOf(err) == "" {
		return c.failure(err, "", "%s and %s are not connected: %s.", p.edge.Short, p.core.Short, seen)
	}
	return err
}

// joined says whether a pair is connected.
func (c *Cluster) joined(ctx context.Context, p pair) error {
	trouble, err := c.apart(ctx, p)
	if err == nil && trouble != "" {
		err = actions.Errorf("not-connected", "%s and %s are not connected: %s.", p.edge.Short, p.core.Short, trouble)
	}
	return err
}

// apart says in what way a pair is not connected; "" if both see each other.
func (c *Cluster) apart(ctx context.Context, p pair) (string, error) {
	for _, side := range [][2]Node{{p.edge, p.core}, {p.core, p.edge}} {
		brief, cancel := c.brief(ctx)
		reply, err := c.erlang.Call(brief, side[0].Name, "erlang", "nodes")
		cancel()
		if err != nil {
			return fmt.Sprintf("%s %s", side[0].Short, c.silence(side[0], err)), nil
		}
		nodes, err := atoms(reply)
		if err != nil {
			return "", err
		}
		if !slices.Contains(nodes, side[1].Name) {
			return fmt.Sprintf("%s does not see %s", side[0].Short, side[1].Short), nil
		}
	}
	return "", nil
}
