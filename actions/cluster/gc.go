package cluster

import (
	"context"
	"fmt"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// How garbage is collected: a few processes after another, so that the node has
// time for its users between the batches.
const (
	gcBatch = 100
	gcPause = 10 * time.Millisecond
	gcSlow  = 2 * time.Second // one process that takes longer is left to itself
)

func (c *Cluster) gcAction() actions.Action {
	return actions.Action{
		Name:    "gc",
		Summary: "Collect the garbage of a node's processes, one by one, and show its memory before and after",
		Example: "gc " + c.anyNode(EdgeRole),
		Long: fmt.Sprintf(`Asks the node for its processes, and has each collect its garbage: %d of them, then a pause of %s, and so on. Memory is shown before and after. It helps where large binaries stay because processes that do nothing still refer to them; it costs the node some processor time, and stops nothing. It is offered by diagnose where memory is short, and never done by itself.

Runbook: %s, "Memory pressure". Its erl -sname admin -eval "[erlang:garbage_collect(P) || ...]" starts a node of its own, collects the garbage of that one, and ends.`, gcBatch, spoken(gcPause), commonFixes),
		Params: []actions.Param{{Name: "node", Kind: actions.Node, Doc: fmt.Sprintf("a node (%s)", c.choices()), Example: c.anyNode(EdgeRole)}},
		Plan:   c.planGC,
	}
}

func (c *Cluster) planGC(ctx context.Context, req actions.Request) (actions.Plan, error) {
	name := req.Args["node"]
	if name == "" {
		return actions.Plan{}, &actions.Error{Code: "missing", Text: "Which node?", Hint: fmt.Sprintf("For example: gc %s. Nodes: %s.", c.anyNode(EdgeRole), c.choices())}
	}
	n, err := c.one(name)
	if err != nil {
		return actions.Plan{}, err
	}
	p := actions.Plan{Title: "Collect the garbage of " + n.Short, Class: actions.Do, Why: "it costs processor time and stops nothing", Targets: []string{n.Key()}}
	var so far
	p.Steps = []actions.Step{{
		Name:     "collect garbage on " + n.Short,
		Describe: fmt.Sprintf("erlang:garbage_collect(P) on %s for each of its processes, %d at a time", n.Name, gcBatch),
		Perform:  func(ctx context.Context) (string, error) { return c.collect(ctx, n, so.set) },
		Seen:     so.get,
		Timeout:  10 * time.Minute,
	}}
	if req.Agreed != 0 {
		return p, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Survey)
	defer cancel()
	m, err := c.memory(ctx, n)
	if err != nil {
		return actions.Plan{}, c.failure(err, fmt.Sprintf("Say `diagnose node %s`.", n.Short), "%s cannot be asked: it %s.", n.Short, c.silence(n, err))
	}
	count, err := c.erlang.Call(ctx, n.Name, "erlang", "system_info", term.Atom("process_count"))
	if err != nil {
		return actions.Plan{}, c.failure(err, "", "%s cannot be asked: it %s.", n.Short, c.silence(n, err))
	}
	processes, _ := term.AsInt(count)
	p.Preview = []string{fmt.Sprintf("%s: %s processes, memory %s", n.Short, grouped(processes), m), p.Steps[0].Describe}
	return p, nil
}

// nodeMemory is erlang:memory/0, in bytes.
type nodeMemory struct{ total, processes, binary int64 }

func (m nodeMemory) String() string {
	return fmt.Sprintf("%s (processes %s, binaries %s)", size(uint64(m.total)), size(uint64(m.processes)), size(uint64(m.binary)))
}

func (c *Cluster) memory(ctx context.Context, n Node) (nodeMemory, error) {
	reply, err := c.erlang.Call(ctx, n.Name, "erlang", "memory")
	if err != nil {
		return nodeMemory{}, err
	}
	var m nodeMemory
	for _, f := range []struct {
		key  term.Atom
		into *int64
	}{{"total", &m.total}, {"processes", &m.processes}, {"binary", &m.binary}} {
		t, _ := term.Get(reply, f.key)
		value, ok := term.AsInt(t)
		if !ok {
			return m, unexpected(reply)
		}
		*f.into = value
	}
	return m, nil
}

func (c *Cluster) collect(ctx context.Context, n Node, see func(string)) (string, error) {
	before, err := c.memory(ctx, n)
	if err != nil {
		return "", err
	}
	reply, err := c.erlang.Call(ctx, n.Name, "erlang", "processes")
	if err != nil {
		return "", err
	}
	processes, ok := term.AsList(reply)
	if !ok {
		return "", unexpected(reply)
	}
	begin := time.Now()
	collected, gone, slow := 0, 0, 0
	for i, p := range processes {
		if _, ok := p.(term.Pid); !ok {
			return "", unexpected(p)
		}
		if i > 0 && i%gcBatch == 0 && !pause(ctx, gcPause) {
			return "", c.failure(ctx.Err(), "Say it again to go on.", "The time was up after %d of %d processes.", i, len(processes))
		}
		if i%gcBatch == 0 {
			see(fmt.Sprintf("%s of %s processes", grouped(int64(i)), grouped(int64(len(processes)))))
		}
		one, cancel := context.WithTimeout(ctx, gcSlow)
		done, err := c.erlang.Call(one, n.Name, "erlang", "garbage_collect", p)
		cancel()
		switch {
		case err != nil && silent(err) && ctx.Err() == nil:
			slow++
		case err != nil:
			return fmt.Sprintf("%d of %d processes collected", collected, len(processes)), err
		case done == term.Atom("true"):
			collected++
		default:
			gone++ // it has ended meanwhile
		}
	}
	after, err := c.memory(ctx, n)
	if err != nil {
		return fmt.Sprintf("%d processes collected", collected), err
	}
	text := fmt.Sprintf("%s processes collected in %s: memory %s before, %s after", grouped(int64(collected)), spoken(time.Since(begin)), before, after)
	if gone > 0 {
		text += fmt.Sprintf("; %d had ended", gone)
	}
	if slow > 0 {
		text += fmt.Sprintf("; %d did not answer within %s each", slow, spoken(gcSlow))
	}
	return text, nil
}
