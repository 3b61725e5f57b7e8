package cluster

import (
	"context"
	"sync"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// visit is what one diagnosis does at one node: whether it answers is found out
// once, and what two checks ask is asked once.
type visit struct {
	c *Cluster
	n Node

	mu    sync.Mutex
	asked map[string]*reply
}

// reply is what comes of a question that was asked once.
type reply struct {
	done  chan struct{} // closed when it is there
	value any
	err   error
}

func (c *Cluster) visit(n Node) *visit { return &visit{c: c, n: n, asked: map[string]*reply{}} }

// once asks, or waits for who has asked already.
func (v *visit) once(ctx context.Context, key string, ask func() (any, error)) (any, error) {
	v.mu.Lock()
	r, asked := v.asked[key]
	if !asked {
		r = &reply{done: make(chan struct{})}
		v.asked[key] = r
	}
	v.mu.Unlock()
	if !asked {
		r.value, r.err = ask()
		close(r.done)
	}
	select {
	case <-r.done:
		return r.value, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answers is nil if the node answers. A silent node is asked nothing else, so
// that a hung one holds one connection, not twenty.
func (v *visit) answers(ctx context.Context) error {
	_, err := v.once(ctx, "ping", func() (any, error) { return v.c.erlang.Ping(ctx, v.n.Name) })
	return err
}

// look makes a deep check.
func (v *visit) look(ctx context.Context, k check) Finding {
	if err := v.answers(ctx); err != nil {
		return v.silent(err)
	}
	return k.deep(ctx, v)
}

// silent is the finding of a check whose node does not answer.
func (v *visit) silent(err error) Finding {
	f := found(actions.Unknown, "cannot be asked: the node %s", v.c.silence(v.n, err)).code(actions.CodeOf(err))
	f.follows = true
	return f
}

// failed is the finding of a check whose question failed.
func (v *visit) failed(err error, what string) Finding {
	if unreachable(err) && !silent(err) {
		return v.silent(err)
	}
	return v.c.unseen(err, what)
}

// ask calls a function of the node, once for all checks that ask the same.
// Module, function and atoms are constants of this program or names from the
// config; text of people goes as binaries.
func (v *visit) ask(ctx context.Context, module, function string, args ...term.Term) (term.Term, error) {
	key := module + ":" + function + term.Format(term.List(args), 200)
	return v.once(ctx, key, func() (any, error) { return v.c.erlang.Call(ctx, v.n.Name, module, function, args...) })
}

// again calls a function anew: for what is measured twice.
func (v *visit) again(ctx context.Context, module, function string, args ...term.Term) (term.Term, error) {
	return v.c.erlang.Call(ctx, v.n.Name, module, function, args...)
}

// number asks for an integer.
func (v *visit) number(ctx context.Context, module, function string, args ...term.Term) (int64, error) {
	t, err := v.ask(ctx, module, function, args...)
	if err != nil {
		return 0, err
	}
	n, ok := term.AsInt(t)
	if !ok {
		return 0, unexpected(t)
	}
	return n, nil
}

// numberAgain is number, asked anew.
func (v *visit) numberAgain(ctx context.Context, module, function string, args ...term.Term) (int64, error) {
	t, err := v.again(ctx, module, function, args...)
	if err != nil {
		return 0, err
	}
	n, ok := term.AsInt(t)
	if !ok {
		return 0, unexpected(t)
	}
	return n, nil
}

// runs says whether a process of that registered name is there. A service that
// this IRIS does not start is "not available", not a failure.
func (v *visit) runs(ctx context.Context, name string) (bool, error) {
	t, err := v.ask(ctx, "erlang", "whereis", term.Atom(name))
	if err != nil {
		return false, err
	}
	switch t := t.(type) {
	case term.Pid:
		return true, nil
	case term.Atom:
		if t == "undefined" {
			return false, nil
		}
	}
	return false, unexpected(t)
}

// tail is the end of the node's log, read once.
func (v *visit) tail(ctx context.Context) (logTail, error) {
	lines, err := v.once(ctx, "log", func() (any, error) { return v.c.host.LogTail(ctx, v.n, logLines) })
	if err != nil {
		return nil, err
	}
	return readLog(lines.([]string), logLines, v.c.opt.Zone, v.c.mask), nil
}

// pause waits between two samples. It is false if the time was up before.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// tables are those of the node's Mnesia. It is asked first for which there are,
// because table_info of a missing table is 0, not an error.
func (v *visit) tables(ctx context.Context) ([]string, error) {
	t, err := v.ask(ctx, "mnesia", "system_info", term.Atom("tables"))
	if err != nil {
		return nil, err
	}
	return atoms(t)
}

// mnesiaRuns is Mnesia's own word on whether it runs: "yes", "no", "starting",
// "stopping".
func (v *visit) mnesiaRuns(ctx context.Context) (string, error) {
	t, err := v.ask(ctx, "mnesia", "system_info", term.Atom("is_running"))
	if err != nil {
		return "", err
	}
	a, ok := t.(term.Atom)
	if !ok {
		return "", unexpected(t)
	}
	return string(a), nil
}

// needMnesia is the finding of a check that needs a running Mnesia, where it
// does not run.
func (v *visit) needMnesia(ctx context.Context) (Finding, bool) {
	state, err := v.mnesiaRuns(ctx)
	if err != nil {
		return v.failed(err, "Mnesia"), false
	}
	if state != "yes" {
		f := found(actions.Unknown, "cannot be asked: Mnesia is not running (%s)", state)
		f.follows = true
		return f, false
	}
	return Finding{}, true
}
