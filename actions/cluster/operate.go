package cluster

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strings"

	"irisops/actions"
)

// order is one start, stop or restart, as asked for.
type order struct {
	op      operation
	target  string
	nodes   []Node   // cores first, each role in config order
	archive bool     // rename logs out of the way of a start
	first   string   // the core that a person has chosen to start first; may be ""
	fresh   []string // cores that a person says are new, and so have no data
	whole   bool     // recover: the whole cluster, with the runbook's steps
	sick    []Node   // recover, while it is planned: the nodes that will be started
}

func (o order) cores() []Node { return Spec{Nodes: o.nodes}.ByRole(CoreRole) }
func (o order) edges() []Node { return Spec{Nodes: o.nodes}.ByRole(EdgeRole) }

// words repeat the order with another verb or target.
func (o order) words(op operation, target string) string {
	words := string(op) + " " + target
	if !o.archive && op.starts() {
		words += " --no-archive"
	}
	return words
}

// with repeats the order with a flag more.
func (o order) with(flag string) string {
	words := o.words(o.op, o.target)
	if o.first != "" {
		words += " --first " + o.first
	}
	for _, f := range o.fresh {
		words += " --new " + f
	}
	return words + " " + flag
}

func (c *Cluster) operate(op operation) func(context.Context, actions.Request) (actions.Plan, error) {
	return func(ctx context.Context, req actions.Request) (actions.Plan, error) {
		return c.plan(ctx, op, req)
	}
}

func (c *Cluster) plan(ctx context.Context, op operation, req actions.Request) (actions.Plan, error) {
	o, err := c.order(op, req.Args)
	if err != nil {
		return actions.Plan{}, err
	}
	p := actions.Plan{Title: o.title()}
	for _, n := range o.nodes {
		p.Targets = append(p.Targets, n.Key())
	}
	if req.Agreed != 0 {
		p.Class, p.Why = req.Agreed, "agreed to before the interruption"
	} else {
		lives := c.survey(ctx, c.Nodes)
		if err := c.refuse(o, lives); err != nil {
			return actions.Plan{}, err
		}
		if o.op == opRestart && len(o.cores()) > 0 {
			if err := c.refuseSplit(ctx); err != nil {
				return actions.Plan{}, err
			}
		}
		p.Class, p.Why = effect(op, c.Spec, o.nodes, lives)
		var j judgement
		if o.op.starts() && len(o.cores()) > 0 {
			if j, err = c.judgeCores(ctx, o, lives, true); err != nil {
				return actions.Plan{}, err
			}
			if j.harm != "" && p.Class < actions.Harm {
				p.Class, p.Why = actions.Harm, j.harm
			}
		}
		if p.Preview, err = c.preview(ctx, o, lives, j); err != nil {
			return actions.Plan{}, err
		}
	}
	p.Steps = c.steps(o, p.Class)
	return p, nil
}

func (c *Cluster) order(op operation, args actions.Args) (order, error) {
	target := args["target"]
	if target == "" {
		return order{}, &actions.Error{Code: "missing", Text: fmt.Sprintf("%s what?", label(string(op))),
			Hint: fmt.Sprintf("For example: %s %s. Nodes: %s; or core, edge, all.", op, c.anyNode(EdgeRole), c.choices())}
	}
	nodes, err := c.Select(target)
	if err != nil {
		return order{}, err
	}
	if len(nodes) == 0 {
		return order{}, &actions.Error{Code: actions.CodeNoSuchNode, Text: fmt.Sprintf("%s has no %s.", c.Name, target), Hint: "Say one of: " + c.choices() + "."}
	}
	spec := Spec{Nodes: nodes}
	o := order{op: op, target: target, archive: args["no-archive"] != "true",
		nodes: append(spec.ByRole(CoreRole), spec.ByRole(EdgeRole)...)}
	return c.choose(o, args)
}

// choose adds what a person says of the cores: which is first, and which are new.
func (c *Cluster) choose(o order, args actions.Args) (order, error) {
	if name := args["first"]; name != "" {
		n, err := c.one(name)
		if err != nil {
			return o, err
		}
		if n.Role != CoreRole {
			return o, &actions.Error{Code: "usage", Text: fmt.Sprintf("--first names a core, and %s is an edge.", n.Short), Hint: "Only cores keep data."}
		}
		o.first = n.Short
	}
	if name := args["new"]; name != "" {
		nodes, err := c.Select(name)
		if err != nil {
			return o, err
		}
		for _, n := range o.cores() {
			if slices.ContainsFunc(nodes, func(f Node) bool { return f.Short == n.Short }) {
				o.fresh = append(o.fresh, n.Short)
			}
		}
		if len(o.fresh) == 0 {
			return o, &actions.Error{Code: "usage", Text: fmt.Sprintf("--new %s names no core that would start.", name), Hint: "It names cores of this order that have no data yet."}
		}
	}
	return o, nil
}

// groups are the cores in the order in which they start: the one that a person
// chose before the rest, those with data together, and new ones one by one,
// because a new core makes a database of its own unless it finds another up.
func (o order) groups() [][]Node {
	var groups [][]Node
	var rest, fresh []Node
	for _, n := range o.cores() {
		switch {
		case n.Short == o.first:
			groups = append(groups, []Node{n})
		case slices.Contains(o.fresh, n.Short):
			fresh = append(fresh, n)
		default:
			rest = append(rest, n)
		}
	}
	if len(rest) > 0 {
		groups = append(groups, rest)
	}
	for _, n := range fresh {
		groups = append(groups, []Node{n})
	}
	return groups
}

// acts says whether the plan starts the node anew, as far as is known when it is
// made.
func (o order) acts(n Node) bool { return o.op != opRecover || contains(o.sick, n) }

// title is the verb and the exact scope: "Restart edge1", "Stop all: core, edge1".
func (o order) title() string {
	who := strings.Join(shorts(o.nodes), ", ")
	if len(o.nodes) > 1 {
		return fmt.Sprintf("%s %s: %s", label(string(o.op)), strings.ToLower(o.target), who)
	}
	return label(string(o.op)) + " " + who
}

// refuse says what speaks against the order, before anything happens.
func (c *Cluster) refuse(o order, lives map[string]life) error {
	var running, dead []string
	for _, n := range o.nodes {
		l := lives[n.Short]
		switch {
		case l.unseen != nil:
			code := actions.CodeOf(l.unseen)
			if silent(l.unseen) {
				code = actions.CodeHung
			}
			return &actions.Error{Code: code, Err: l.unseen, Hint: hint(l.unseen),
				Text: fmt.Sprintf("Whether %s runs cannot be seen, so nothing was done: %s", n.Short, c.mask.err(l.unseen))}
		case l.elsewhere():
			return &actions.Error{Code: "elsewhere", Text: fmt.Sprintf("%s %s. Nothing was done.", n.Short, c.state(n, l)),
				Hint: fmt.Sprintf("Check dir and name of %s in the config, and what runs on %s.", n.Short, hostOf(n))}
		case l.dead():
			dead = append(dead, n.Short)
			if o.op.starts() && l.portOpen {
				return &actions.Error{Code: "port-taken",
					Text: fmt.Sprintf("%s does not run, but something else listens on its port %s, so that it could not start. Nothing was done.", n.Short, n.Addr()),
					Hint: fmt.Sprintf("Find it with: ss -ltnp 'sport = :%d' (an edge of IRIS also takes the port above its own, for WebSockets).", n.Port)}
			}
		default:
			running = append(running, n.Short)
		}
	}
	switch {
	case o.op == opStart && len(dead) == 0:
		var states []string
		for _, n := range o.nodes {
			states = append(states, n.Short+" "+c.state(n, lives[n.Short]))
		}
		return &actions.Error{Code: "running", Text: listed(states) + " already: there is nothing to start.",
			Hint: fmt.Sprintf("Say `%s` to stop and start again.", o.words(opRestart, o.target))}
	case o.op == opStop && len(running) == 0:
		return &actions.Error{Code: "not-running", Text: fmt.Sprintf("%s %s not run: there is nothing to stop.", listed(dead), verb(len(dead), "does", "do")),
			Hint: fmt.Sprintf("Say `%s` to start.", o.words(opStart, o.target))}
	}
	return nil
}

func hint(err error) string {
	if e, ok := asError(err); ok {
		return e.Hint
	}
	return ""
}

// steps are the same for the same order, whatever is alive: what is done already
// when a step comes to it passes with that as its evidence. So an interrupted
// run can be planned again and its steps recognised.
//
// Edges stop first, cores start first and all together: IRIS waits 30 s for
// tables of other cores and then loads what it has, so that a core started alone
// can undo the writes of a later one.
func (c *Cluster) steps(o order, class actions.Class) []actions.Step {
	var steps []actions.Step
	cores, edges := o.cores(), o.edges()
	if o.op.stops() {
		for _, n := range append(append([]Node(nil), edges...), cores...) {
			steps = append(steps, c.stopStep(n, class))
		}
	}
	if !o.op.starts() {
		return steps
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
	for _, n := range edges {
		steps = append(steps, c.startStep([]Node{n}))
	}
	for _, n := range edges {
		steps = append(steps, c.waitStep(n))
	}
	meshed := edges
	if len(cores) > 0 {
		meshed = c.ByRole(EdgeRole) // a new core is new to every edge
	}
	if len(meshed) > 0 {
		steps = append(steps, c.meshStep(meshed))
	}
	for _, n := range edges {
		steps = append(steps, c.loginStep(n))
	}
	return steps
}

// guarded are the cores whose data a group must not undo: those that the order
// does not start, unless a person has chosen.
func (c *Cluster) guarded(o order, group []Node) []Node {
	if o.first != "" || slices.ContainsFunc(group, func(n Node) bool { return slices.Contains(o.fresh, n.Short) }) {
		return nil
	}
	return slices.DeleteFunc(c.ByRole(CoreRole), func(n Node) bool { return contains(o.cores(), n) })
}

// command is the line that starts the node, as the Makefile would be called by
// hand, with secrets masked.
func (c *Cluster) command(n Node) string {
	words := []string{"make", n.Target}
	keys := make([]string, 0, len(n.MakeVars))
	for k := range n.MakeVars {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range keys {
		words = append(words, k+"="+n.MakeVars[k])
	}
	return c.mask.line(strings.Join(words, " "))
}
