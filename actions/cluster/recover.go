package cluster

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"irisops/actions"
)

// opRecover ends and starts what does not serve, and leaves the rest alone.
const opRecover operation = "recover"

// whole is the word that means the whole cluster: its runbook's seven steps.
const whole = "cluster"

func (c *Cluster) recoverAction() actions.Action {
	return actions.Action{
		Name:    "recover",
		Summary: "Have what the diagnosis finds dead or hung serve again, step by step, each verified",
		Example: "recover " + c.anyNode(EdgeRole),
		Long: `Diagnoses, and plans what mends it: a dead node is started, one that hangs or does not serve is ended by its exact process first, and one that serves is left as it is. Where nothing is to mend it says so and does nothing.

recover NODE: the log is renamed, the node started and waited for (an edge: its port; a core: its tables), edges and cores are connected and seen from both sides, and a probe logs in. A core's tables, copies and sizes are compared with the last healthy diagnosis.

recover cluster: the seven steps of docs/runbooks/failover.md, "Complete Cluster Failure", in their order:
1. What does not serve is ended: each node by its exact process. The runbook's make stop; killall -9 beam.smp ends other people's Erlang too.
2. The data of all cores are looked at (folder, size, newest write) before anything starts. Missing or empty data stop the plan (see help start).
3. The cores start: together, or the one that stopped last first. Each is waited for until Mnesia has loaded its tables, instead of sleep 10.
4. Mnesia is verified: every table that the last healthy diagnosis knew, with its copies, on every core, and none emptied.
5. The edges start, each until its port accepts connections.
6. Every edge is connected with every core, seen from both sides. There is no make mesh in IRIS.
7. Smoke test on every edge: two probes exchange a message online, and one that was sent to an absent probe arrives at its login. The cluster's own smoke test runs too, if the config has one.

It can be stopped between any two steps (halt) and taken up again after a crash of irisops; what is done already is recognised. It can lose service only where it ends what may still serve somebody; that needs a second person.
A split-brain is not mended so: recover split-brain.`,
		Params: []actions.Param{
			{Name: "target", Kind: actions.Target, Example: c.anyNode(EdgeRole), Doc: fmt.Sprintf("a node (%s), a role (core, edge), or cluster", c.choices())},
			noArchive, c.firstParam(), c.newParam()},
		Plan: c.planRecover,
	}
}

// recoverOrder is the order as asked for. The whole cluster is all of its nodes,
// and the runbook's steps.
func (c *Cluster) recoverOrder(args actions.Args) (order, error) {
	if strings.EqualFold(args["target"], whole) {
		with := maps.Clone(args)
		with["target"] = "all"
		o, err := c.order(opRecover, with)
		o.target, o.whole = whole, true
		return o, err
	}
	o, err := c.order(opRecover, args)
	o.whole = strings.EqualFold(args["target"], "all")
	return o, err
}

func (c *Cluster) planRecover(ctx context.Context, req actions.Request) (actions.Plan, error) {
	o, err := c.recoverOrder(req.Args)
	if err != nil {
		return actions.Plan{}, err
	}
	p := actions.Plan{Title: "Recover " + o.target}
	for _, n := range o.nodes {
		p.Targets = append(p.Targets, n.Key())
	}
	if req.Agreed != 0 {
		p.Class, p.Why = req.Agreed, "agreed to before the interruption"
		p.Steps = c.recoverSteps(o, p.Class)
		return p, nil
	}
	if o.sick, err = c.pick(o, c.diagnosed(ctx)); err != nil {
		return actions.Plan{}, err
	}
	lives := c.survey(ctx, c.Nodes)
	mend := o
	mend.op, mend.nodes = opRestart, o.sick
	if err := c.refuse(mend, lives); err != nil {
		return actions.Plan{}, err
	}
	p.Title = fmt.Sprintf("Recover %s: %s", o.target, how(o.sick, lives))
	p.Class, p.Why = effect(opRestart, c.Spec, o.sick, lives)
	var j judgement
	if len(o.cores()) > 0 {
		if j, err = c.judgeCores(ctx, o, lives, true); err != nil {
			return actions.Plan{}, err
		}
		if j.harm != "" && p.Class < actions.Harm {
			p.Class, p.Why = actions.Harm, j.harm
		}
	}
	if p.Preview, err = c.preview(ctx, mend, lives, j); err != nil {
		return actions.Plan{}, err
	}
	for _, n := range o.nodes {
		if !contains(o.sick, n) {
			p.Preview = append(p.Preview, fmt.Sprintf("%s serves: left as it is", n.Short))
		}
	}
	if s := c.Smoke; o.whole && s != nil {
		p.Preview = append(p.Preview, fmt.Sprintf("smoke test on %s: in %s: %s", s.Node, c.smokeNode().Dir, c.mask.line(strings.Join(s.Run, " "))))
	}
	p.Steps = c.recoverSteps(o, p.Class)
	return p, nil
}

func contains(nodes []Node, n Node) bool {
	return slices.ContainsFunc(nodes, func(m Node) bool { return m.Short == n.Short })
}

// how says what is done to the sick nodes: "start core, restart edge1".
func how(sick []Node, lives map[string]life) string {
	var start, restart []string
	for _, n := range sick {
		if lives[n.Short].dead() {
			start = append(start, n.Short)
		} else {
			restart = append(restart, n.Short)
		}
	}
	var words []string
	if len(start) > 0 {
		words = append(words, "start "+listed(start))
	}
	if len(restart) > 0 {
		words = append(words, "restart "+listed(restart))
	}
	return strings.Join(words, ", ")
}

// diagnosed is a quick diagnosis of all nodes, and whether the cores' Mnesia is
// split.
func (c *Cluster) diagnosed(ctx context.Context) []Finding {
	return c.examine(ctx, c.opt.Diagnose, tasks(c.Nodes, slices.Concat(quickChecks, []check{checkViews})))
}

// refuseSplit is an error while the cores' Mnesia is split: a core that is started
// again loads the tables of the other side in place of its own.
func (c *Cluster) refuseSplit(ctx context.Context) error {
	for _, f := range c.examine(ctx, c.opt.Diagnose, tasks(c.ByRole(CoreRole), []check{checkViews})) {
		if f.Code == codeSplit {
			return splitRefusal(f)
		}
	}
	return nil
}

func splitRefusal(f Finding) error {
	return &actions.Error{Code: codeSplit, Text: fmt.Sprintf("Mnesia is split: %s: %s. A restart would decide by chance whose writes are lost. Nothing was done.", f.Node, f.Evidence),
		Hint: "Say `recover split-brain`."}
}

// pick are the nodes of the order that a start or a restart mends, as the
// diagnosis says; what speaks against it is an error.
func (c *Cluster) pick(o order, found []Finding) ([]Node, error) {
	var sick []Node
	var others []string
	for _, n := range o.nodes {
		about := about(n, found)
		if f := about.of(checkViews); f.Code == codeSplit {
			return nil, splitRefusal(f)
		}
		switch k := judge(n, about); {
		case k.next == "start "+n.Short, k.next == "restart "+n.Short, k.kind == taken:
			sick = append(sick, n)
		case k.kind < unclear:
			others = append(others, k.text)
		}
	}
	switch {
	case len(sick) > 0:
		return sick, nil
	case len(others) > 0:
		return nil, &actions.Error{Code: "not-mended", Text: fmt.Sprintf("No start or restart mends this: %s. Nothing was done.", strings.Join(others, "; ")), Hint: "Say `diagnose`: it says what does."}
	}
	return nil, &actions.Error{Code: "running", Text: fmt.Sprintf("%s %s: there is nothing to recover.", listed(shorts(o.nodes)), verb(len(o.nodes), "serves", "serve")),
		Hint: fmt.Sprintf("`diagnose full` looks deeper; `%s` restarts all the same.", "restart "+strings.Replace(o.target, whole, "all", 1))}
}

// recoverSteps are the same for the same order, whatever is alive, as those of
// a restart are.
func (c *Cluster) recoverSteps(o order, class actions.Class) []actions.Step {
	var steps []actions.Step
	cores, edges := o.cores(), o.edges()
	for _, n := range slices.Concat(edges, cores) {
		steps = append(steps, c.endStep(n, class))
	}
	if len(cores) > 0 {
		steps = append(steps, c.dataStep(o, class))
	}
	if o.archive {
		for _, n := range o.nodes {
			steps = append(steps, c.archiveStep(o, n))
		}
	}
	for _, group := range o.groups() {
		steps = append(steps, c.startStep(group))
		for _, n := range group {
			steps = append(steps, c.orApart(group, n, c.waitStep(n, c.guarded(o, group)...)))
		}
	}
	if len(cores) > 0 {
		steps = append(steps, c.tablesStep(cores))
	}
	for _, n := range edges {
		steps = append(steps, c.startStep([]Node{n}))
	}
	for _, n := range edges {
		steps = append(steps, c.waitStep(n))
	}
	meshed := edges
	if len(cores) > 0 {
		meshed = c.ByRole(EdgeRole)
	}
	if len(meshed) > 0 {
		steps = append(steps, c.meshStep(meshed))
	}
	tested := edges
	if len(edges) == 0 {
		tested = c.ByRole(EdgeRole) // through them the core is used
	}
	for _, n := range tested {
		if o.whole {
			steps = append(steps, c.smokeStep(n))
		} else {
			steps = append(steps, c.loginStep(n))
		}
	}
	if o.whole && c.Smoke != nil {
		steps = append(steps, c.externalStep(*c.Smoke))
	}
	return steps
}

// endStep ends a node that does not serve: the runbook's "Stop everything",
// without what still serves somebody.
func (c *Cluster) endStep(n Node, class actions.Class) actions.Step {
	stop := c.stopStep(n, class)
	return actions.Step{
		Name:     "end what is left of " + n.Short,
		Describe: fmt.Sprintf("nothing if %s serves or does not run; else %s", n.Short, stop.Describe),
		Perform: func(ctx context.Context) (string, error) {
			if c.serves(ctx, n) {
				return "serves: left as it is", nil
			}
			return c.stop(ctx, n, class)
		},
		Check: func(ctx context.Context) (string, error) {
			if _, runs, err := c.process(ctx, n); err == nil && runs && c.serves(ctx, n) {
				return "serves", nil
			}
			return c.seeGone(ctx, n)
		},
		Timeout: stop.Timeout + 2*c.opt.Diagnose,
	}
}

// serves says whether the diagnosis would neither start nor restart the node.
func (c *Cluster) serves(ctx context.Context, n Node) bool {
	k := judge(n, about(n, c.examine(ctx, c.opt.Diagnose, tasks([]Node{n}, quickChecks))))
	return k.answers && k.kind >= unclear
}

// smokeNode is the node in whose folder the cluster's own smoke test runs.
func (c *Cluster) smokeNode() Node {
	n, err := c.one(c.Smoke.Node)
	if err != nil {
		return Node{}
	}
	return n
}

// externalStep runs the cluster's own smoke test.
func (c *Cluster) externalStep(s Smoke) actions.Step {
	n := c.smokeNode()
	line := c.mask.line(strings.Join(s.Run, " "))
	return actions.Step{
		Name:     "run " + filepath.Base(s.Run[len(s.Run)-1]),
		Describe: fmt.Sprintf("%s in %s, at most %s", line, n.Dir, spoken(s.Within)),
		Perform: func(ctx context.Context) (string, error) {
			begin := time.Now()
			ctx, cancel := context.WithTimeout(ctx, s.Within)
			defer cancel()
			lines, err := c.host.Run(ctx, n, s.Run)
			if err != nil {
				return c.tail(lines), c.failure(err, "Run it by hand; the cluster serves as far as the steps before have verified.", "The smoke test failed: %s", c.mask.err(err))
			}
			return strings.TrimSuffix(fmt.Sprintf("passed in %s: %s", spoken(time.Since(begin)), c.tail(lines)), ": "), nil
		},
		Timeout: s.Within + 15*time.Second,
	}
}

// tail is the end of what a program printed.
func (c *Cluster) tail(lines []string) string {
	var kept []string
	for _, l := range lines {
		if l = strings.TrimSpace(c.mask.log(l, false)); l != "" {
			kept = append(kept, cut(l, 200))
		}
	}
	return strings.Join(kept[max(0, len(kept)-3):], " | ")
}
