package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// checkSupervisor counts the children of IRIS's top supervisor.
var checkSupervisor = check{
	name: "supervisor", asks: "do all children of iris_core or iris_edge_sup run?", silence: actions.Unknown,
	deep: func(ctx context.Context, v *visit) Finding {
		name := "iris_edge_sup"
		if v.n.Role == CoreRole {
			name = "iris_core"
		}
		if there, err := v.runs(ctx, name); err != nil {
			return v.failed(err, name)
		} else if !there {
			return found(actions.Critical, "the supervisor %s does not run", name).code(codeNoApp)
		}
		t, err := v.ask(ctx, "supervisor", "count_children", term.Atom(name))
		if err != nil {
			return v.failed(err, name)
		}
		specs, ok1 := intOf(t, "specs")
		active, ok2 := intOf(t, "active")
		switch {
		case !ok1 || !ok2:
			return v.failed(unexpected(t), name)
		case active < specs:
			return found(actions.Critical, "%s: %d of %d children run", name, active, specs).next("restart " + v.n.Short)
		}
		return found(actions.OK, "%s: all %d children run", name, specs)
	},
}

// intOf is an integer in a map or property list.
func intOf(t term.Term, key term.Atom) (int64, bool) {
	value, _ := term.Get(t, key)
	return term.AsInt(value)
}

func atomOf(t term.Term, key term.Atom) (string, bool) {
	value, _ := term.Get(t, key)
	a, ok := value.(term.Atom)
	return string(a), ok
}

// checkLogin does what a client does, with the edge's two probes.
var checkLogin = check{
	name: "login", asks: "can a client log in and send a message?", silence: actions.Critical,
	role: EdgeRole, why: "clients connect to edges only",
	run: func(ctx context.Context, c *Cluster, n Node) Finding {
		from, to := n.probes()
		login, delivery, err := c.edge.RoundTrip(ctx, n.Addr(), from, to)
		switch code := actions.CodeOf(err); {
		case code == actions.CodeAuthFailed:
			return found(actions.Advice, "up, but does not let the probe in (AUTH_FAILED): login and message are not tested").code(code)
		case code == actions.CodeRateLimited:
			return found(actions.Advice, "up, but slows the probe down (RATE_LIMITED): login and message are not tested").code(code)
		case silent(err):
			return found(actions.Critical, "no login and message in time").code(codeLogin)
		case err != nil:
			return found(actions.Critical, "no login and message: %s", c.mask.err(err)).code(codeLogin)
		}
		level := Bound{c.opt.SlowLogin.Seconds(), c.opt.BadLogin.Seconds()}.of(max(login, delivery).Seconds())
		return found(level, "login %s, message %s", spoken(login), spoken(delivery))
	},
}

// checkGuard is IRIS's own guard against writing on both sides of a split. It
// leaves safe mode on nodes() while Mnesia is still split, so that its "normal"
// proves nothing: the check "views" does.
var checkGuard = check{
	name: "partition guard", asks: "is the partition guard in its normal mode, and told which nodes to expect?", silence: actions.Unknown,
	role: CoreRole, why: "edges run no partition guard",
	deep: func(ctx context.Context, v *visit) Finding {
		t, err := v.ask(ctx, "iris_partition_guard", "get_status")
		if err != nil {
			return v.failed(err, "partition guard")
		}
		mode, ok := atomOf(t, "mode")
		if !ok {
			return v.failed(unexpected(t), "partition guard")
		}
		expected, _ := term.Get(t, term.Atom("expected_nodes"))
		nodes, isList := term.AsList(expected)
		switch {
		case mode == "not_running":
			return found(actions.NotAvailable, "the partition guard does not run on this core")
		case mode != "normal":
			return found(actions.Critical, "the partition guard is in %s: it refuses writes, or was forced not to", mode).code(codeSplit)
		case !isList:
			return v.failed(unexpected(t), "partition guard")
		case len(nodes) == 0:
			return found(actions.Advice, "normal, but it was told no nodes to expect (IRIS's default), so that it guards nothing").
				byHand("set iris_core.expected_cluster_nodes where there is more than one core")
		}
		return found(actions.OK, "normal, expects %d nodes", len(nodes))
	},
}

// checkBatcher looks at what has not come from the write-ahead log to Mnesia yet.
var checkBatcher = check{
	name: "batcher", asks: "do stored messages reach Mnesia, and the second core?", silence: actions.Unknown, cost: sampled,
	role: CoreRole, why: "edges store no messages",
	deep: func(ctx context.Context, v *visit) Finding {
		stats := func() (pending, failures int64, err error) {
			t, err := v.again(ctx, "iris_durable_batcher", "get_stats")
			if err != nil {
				return 0, 0, err
			}
			pending, ok := intOf(t, "total_pending")
			if !ok {
				return 0, 0, unexpected(t)
			}
			failures, _ = intOf(t, "remote_failures")
			return pending, failures, nil
		}
		before, failedBefore, err := stats()
		if err != nil {
			return v.failed(err, "batcher")
		}
		if !pause(ctx, v.c.opt.Sample) {
			return v.failed(ctx.Err(), "batcher")
		}
		after, failedAfter, err := stats()
		if err != nil {
			return v.failed(err, "batcher")
		}
		level := v.c.opt.Bounds.Pending.of(float64(min(before, after)))
		evidence := fmt.Sprintf("%s messages wait for Mnesia", grouped(after))
		if more := failedAfter - failedBefore; more > 0 {
			level = worse(level, actions.Warn)
			evidence += fmt.Sprintf(", %d writes to the second core failed in %s", more, spoken(v.c.opt.Sample))
		}
		f := found(level, "%s", evidence)
		if level != actions.OK {
			f.Code = codeOverload
		}
		return f
	},
}

// checkFlow is IRIS's own view of its load.
var checkFlow = check{
	name: "flow controller", asks: "does IRIS shed load?", silence: actions.Unknown,
	deep: func(ctx context.Context, v *visit) Finding {
		const name = "iris_flow_controller"
		if there, err := v.runs(ctx, name); err != nil {
			return v.failed(err, name)
		} else if !there && v.n.Role == EdgeRole {
			return found(actions.NotApplicable, "IRIS starts %s on cores only", name)
		} else if !there {
			return found(actions.NotAvailable, "%s does not run on this node", name)
		}
		t, err := v.ask(ctx, name, "get_stats")
		if err != nil {
			return v.failed(err, name)
		}
		level, ok := atomOf(t, "level")
		if !ok {
			return v.failed(unexpected(t), name)
		}
		rejected, _ := intOf(t, "rejected")
		cascade, _ := atomOf(t, "cascade_detected")
		switch {
		case cascade == "true":
			return found(actions.Critical, "level %s, and a cascade of failing cores; %s requests rejected", level, grouped(rejected))
		case level != "normal":
			return found(actions.Warn, "level %s; %s requests rejected since the start", level, grouped(rejected))
		}
		return found(actions.OK, "level normal; %s requests rejected since the start", grouped(rejected))
	},
}

// checkBreaker asks an edge which cores it has given up.
var checkBreaker = check{
	name: "circuit breaker", asks: "does the edge still call every core?", silence: actions.Unknown,
	role: EdgeRole, why: "edges call cores, not the other way",
	deep: func(ctx context.Context, v *visit) Finding {
		const name = "iris_circuit_breaker"
		if there, err := v.runs(ctx, name); err != nil {
			return v.failed(err, name)
		} else if !there {
			return found(actions.NotAvailable, "%s does not run on this node", name)
		}
		t, err := v.ask(ctx, name, "get_all_status")
		if err != nil {
			return v.failed(err, name)
		}
		all, ok := t.(term.Map)
		if !ok {
			return v.failed(unexpected(t), name)
		}
		var open, half []string
		for _, p := range all {
			node, ok := p.Key.(term.Atom)
			status, known := atomOf(p.Value, "status")
			switch {
			case !ok || !known:
				return v.failed(unexpected(t), name)
			case status == "open":
				open = append(open, v.c.short(string(node)))
			case status == "half_open":
				half = append(half, v.c.short(string(node)))
			}
		}
		slices.Sort(open)
		slices.Sort(half)
		switch {
		case len(open) > 0:
			return found(actions.Critical, "calls to %s are refused at once, after too many failures (open)", listed(open))
		case len(half) > 0:
			return found(actions.Warn, "calls to %s are tried again after failures (half open)", listed(half))
		}
		return found(actions.OK, "%s, all closed", plural(len(all), "circuit"))
	},
}

// short is the short name of a node of the config, or the name as it is.
func (c *Cluster) short(name string) string {
	for _, n := range c.Nodes {
		if n.Name == name {
			return n.Short
		}
	}
	return name
}

// checkConnected is what the runbook's iris_connected_nodes means, which IRIS
// never sets: which of the expected nodes this one is connected to.
var checkConnected = check{
	name: "connected", asks: "is each core connected to the others, and each edge to a core?", silence: actions.Unknown,
	deep: func(ctx context.Context, v *visit) Finding {
		seen, cores, err := v.connected(ctx)
		if err == nil && cores == 0 && v.n.Role == EdgeRole && pause(ctx, v.c.opt.Sample) {
			// An edge connects when its first client logs in: the login of this
			// diagnosis has done that by now, where there is a core to be reached.
			seen, cores, err = v.connected(ctx)
		}
		if err != nil {
			return v.failed(err, "connected nodes")
		}
		expected := len(v.c.Nodes) - 1
		f := found(actions.OK, "connected to %d of %d expected nodes: %s", len(seen), expected, strings.Join(seen, ", "))
		if len(seen) == 0 {
			f = found(actions.OK, "connected to none of %d expected nodes", expected)
		}
		f.fact, f.Mark = seen, strings.Join(seen, " ")
		others := len(v.c.ByRole(CoreRole))
		switch {
		case v.n.Role == CoreRole && cores < others-1, v.n.Role == EdgeRole && cores == 0 && others > 0:
			f.Result = actions.Advice
			if v.n.Role == EdgeRole && v.c.coreAnswers(ctx) {
				f.Code = codeParted
			}
			return f.next("mesh")
		}
		return f
	},
}

// connected are the expected nodes that this one is connected to, by their short
// names, and how many of them are cores.
func (v *visit) connected(ctx context.Context) (seen []string, cores int, err error) {
	t, err := v.again(ctx, "erlang", "nodes", term.Atom("connected"))
	if err != nil {
		return nil, 0, err
	}
	names, err := atoms(t)
	if err != nil {
		return nil, 0, err
	}
	for _, n := range v.c.Nodes {
		if n.Name != v.n.Name && slices.Contains(names, n.Name) {
			seen = append(seen, n.Short)
			if n.Role == CoreRole {
				cores++
			}
		}
	}
	return seen, cores, nil
}

// coreAnswers says whether a core answers irisops, within Options.Summary.
func (c *Cluster) coreAnswers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Summary)
	defer cancel()
	return slices.Contains(each(c.ByRole(CoreRole), func(n Node) bool {
		_, err := c.erlang.Ping(ctx, n.Name)
		return err == nil
	}), true)
}

// cutOff makes it critical that an edge is connected to no core although clients
// are on it or were just let in, and a core is there: what they write reaches
// nobody on other edges. Without clients it only has not connected yet.
func cutOff(findings []Finding) {
	for i := range findings {
		f := &findings[i]
		if f.Check != checkConnected.name || f.Code != codeParted || f.Result != actions.Advice {
			continue
		}
		of := about(Node{Short: f.Node}, findings)
		p, _ := of.of(checkPresence).fact.(presence)
		if l := of.of(checkLogin).Result; l == actions.OK || l == actions.Warn || p.users > 0 {
			f.Result = actions.Critical
			f.Evidence += ", though clients are let in and a core answers irisops"
		}
	}
}
