package cluster

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// memory is erlang:memory(), in bytes by kind.
type memory map[string]int64

func (v *visit) memory(ctx context.Context) (memory, error) {
	t, err := v.ask(ctx, "erlang", "memory")
	if err != nil {
		return nil, err
	}
	list, ok := term.AsList(t)
	if !ok {
		return nil, unexpected(t)
	}
	m := memory{}
	for _, e := range list {
		pair, ok := e.(term.Tuple)
		if !ok || len(pair) != 2 {
			return nil, unexpected(t)
		}
		kind, ok1 := pair[0].(term.Atom)
		n, ok2 := term.AsInt(pair[1])
		if !ok1 || !ok2 {
			return nil, unexpected(t)
		}
		m[string(kind)] = n
	}
	if m["total"] <= 0 {
		return nil, unexpected(t)
	}
	return m, nil
}

var checkMemory = check{
	name: "memory", asks: "how much of its host's memory does the node take?", silence: actions.Unknown,
	deep: func(ctx context.Context, v *visit) Finding {
		m, err := v.memory(ctx)
		if err != nil {
			return v.failed(err, "memory")
		}
		total := m["total"]
		level := v.c.opt.Bounds.NodeMemory.of(float64(total))
		evidence := fmt.Sprintf("%s (processes %s, binaries %s, tables %s)", size(uint64(total)),
			size(uint64(m["processes"])), size(uint64(m["binary"])), size(uint64(m["ets"])))
		if host, ok := v.hostMemory(ctx); ok {
			of := percent(total, host)
			level = worse(level, v.c.opt.Bounds.Memory.of(of))
			evidence = fmt.Sprintf("%s of its host's %s", share(of), size(uint64(host))) + ": " + evidence
		}
		f := found(level, "%s", evidence)
		f.fact = m
		if level != actions.OK {
			f.Code = codeMemory
			return f.next("diagnose node " + v.n.Short)
		}
		return f
	},
}

var checkBinaries = check{
	name: "binaries", asks: "how much of the node's memory is held as binaries?", silence: actions.Unknown,
	deep: func(ctx context.Context, v *visit) Finding {
		m, err := v.memory(ctx)
		if err != nil {
			return v.failed(err, "memory")
		}
		of := percent(m["binary"], m["total"])
		f := found(actions.OK, "binaries are %s of the node's memory: %s of %s", share(of), size(uint64(m["binary"])), size(uint64(m["total"])))
		if float64(m["binary"]) >= v.c.opt.Bounds.BinaryFloor {
			f.Result = v.c.opt.Bounds.Binaries.of(of)
		}
		if f.Result != actions.OK {
			f.Code = codeMemory
			return f.next("diagnose node " + v.n.Short)
		}
		return f
	},
}

var checkProcesses = check{
	name: "processes", asks: "how close is the node to its limit of Erlang processes?", silence: actions.Unknown,
	deep: func(ctx context.Context, v *visit) Finding {
		return v.limits(ctx, v.c.opt.Bounds.Processes, "process")
	},
}

var checkLimits = check{
	name: "limits", asks: "how close is it to its limits of atoms, ETS tables and ports?", silence: actions.Unknown,
	deep: func(ctx context.Context, v *visit) Finding {
		return v.limits(ctx, v.c.opt.Bounds.Limits, "atom", "ets", "port")
	},
}

// limits compares system_info(X_count) with system_info(X_limit).
func (v *visit) limits(ctx context.Context, b Bound, kinds ...string) Finding {
	f := found(actions.OK, "")
	var words []string
	for _, kind := range kinds {
		count, err := v.number(ctx, "erlang", "system_info", term.Atom(kind+"_count"))
		if err != nil {
			return v.failed(err, kind+" count")
		}
		limit, err := v.number(ctx, "erlang", "system_info", term.Atom(kind+"_limit"))
		if err != nil {
			return v.failed(err, kind+" limit")
		}
		of := percent(count, limit)
		f.Result = worse(f.Result, b.of(of))
		words = append(words, fmt.Sprintf("%s %s of %s (%s)", kind, grouped(count), grouped(limit), share(of)))
	}
	f.Evidence = strings.Join(words, ", ")
	return f
}

var checkRunQueue = check{
	name: "run queue", asks: "do processes wait for a scheduler?", silence: actions.Unknown, cost: sampled,
	deep: func(ctx context.Context, v *visit) Finding {
		online, err := v.number(ctx, "erlang", "system_info", term.Atom("schedulers_online"))
		if err != nil || online < 1 {
			return v.failed(err, "schedulers")
		}
		least := int64(math.MaxInt64)
		var seen []string
		for i := range 3 {
			if i > 0 && !pause(ctx, v.c.opt.Sample/2) {
				return v.failed(ctx.Err(), "run queue")
			}
			n, err := v.numberAgain(ctx, "erlang", "statistics", term.Atom("total_run_queue_lengths"))
			if err != nil {
				return v.failed(err, "run queue")
			}
			least = min(least, n)
			seen = append(seen, fmt.Sprint(n))
		}
		// The least of three: a queue that empties in between is no queue.
		return found(v.c.opt.Bounds.RunQueue.of(float64(least)/float64(online)), "%s processes waited for %s", strings.Join(seen, ", "), plural(int(online), "scheduler"))
	},
}

var checkUtilization = check{
	name: "schedulers", asks: "how busy are the schedulers?", silence: actions.Unknown, cost: sampled,
	deep: func(ctx context.Context, v *visit) Finding {
		t, err := v.c.eval(ctx, v.n.Name, utilization, binding{"Millis", v.c.opt.Sample.Milliseconds()})
		if err != nil {
			return v.failed(err, "scheduler utilization")
		}
		busy, ok := term.AsFloat(t)
		if !ok || math.IsNaN(busy) {
			return v.failed(unexpected(t), "scheduler utilization")
		}
		return found(v.c.opt.Bounds.Utilization.of(100*busy), "schedulers %s busy for %s", share(100*busy), spoken(v.c.opt.Sample))
	},
}

// sortedKinds are the kinds of memory, largest first, without the sums.
func (m memory) sortedKinds() []string {
	var kinds []string
	for k := range m {
		if k != "total" && k != "system" && k != "processes_used" && k != "atom_used" {
			kinds = append(kinds, k)
		}
	}
	slices.SortFunc(kinds, func(a, b string) int {
		if m[a] != m[b] {
			return int(min(1, max(-1, m[b]-m[a])))
		}
		return strings.Compare(a, b)
	})
	return kinds
}
