package cluster

import (
	"context"
	"fmt"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// An edge whose port is blocked runs, answers irisops and keeps its place in the
// cluster, but refuses clients. That needs no right over the machine's network:
// IRIS's own supervisor stops the listener, and starts it again when it is told
// to, or when the node is restarted.
const (
	edgeSup  term.Atom = "iris_edge_sup"
	listener term.Atom = "iris_tcp_listener" // its child that holds the client port
)

// codeNoListener: the node's supervisor has no listener that could be stopped.
const codeNoListener = "no-listener"

// Blocked says whether the edge's listener is stopped. It fails where the node
// has none, and so no port that could be blocked.
func (c *Cluster) Blocked(ctx context.Context, short string) (bool, error) {
	n, err := c.one(short)
	if err != nil {
		return false, err
	}
	if n.Role != EdgeRole {
		return false, actions.Errorf(codeNoListener, "%s is a core: clients connect to edges only.", n.Short)
	}
	t, err := c.erlang.Call(ctx, n.Name, "supervisor", "which_children", edgeSup)
	if err != nil {
		return false, err
	}
	children, ok := term.AsList(t)
	if !ok {
		return false, unexpected(t)
	}
	for _, child := range children {
		parts, ok := child.(term.Tuple)
		if !ok || len(parts) != 4 {
			return false, unexpected(child)
		}
		if parts[0] == term.Term(listener) {
			return parts[1] == term.Term(term.Atom("undefined")), nil
		}
	}
	return false, actions.Errorf(codeNoListener, "%s has no %s under %s: its port cannot be blocked.", n.Short, listener, edgeSup)
}

// Block stops the edge's listener, and sees that the port refuses. The clients
// that are connected lose their connection: IRIS links them to the listener.
func (c *Cluster) Block(ctx context.Context, short string) (string, error) {
	n, err := c.one(short)
	if err != nil {
		return "", err
	}
	switch blocked, err := c.Blocked(ctx, short); {
	case err != nil:
		return "", err
	case blocked:
		return "", actions.Errorf("blocked", "The port of %s is blocked already: there is nothing to strike.", n.Short)
	}
	t, err := c.erlang.Call(ctx, n.Name, "supervisor", "terminate_child", edgeSup, listener)
	switch {
	case err != nil:
		return "", err
	case t != term.Term(term.Atom("ok")):
		return "", actions.Errorf(actions.CodeRefused, "%s did not stop its listener.", n.Short)
	}
	waiting, cancel := context.WithTimeout(ctx, c.opt.Settle)
	defer cancel()
	seen, err := until(waiting, func(ctx context.Context) (bool, string, error) {
		open, err := c.host.PortOpen(ctx, n)
		if err != nil {
			return false, "", err
		}
		return !open, fmt.Sprintf("%s accepts connections: %v", n.Addr(), open), nil
	})
	if err != nil {
		return "", c.failure(err, "", "The listener of %s is stopped, but its port is not seen to refuse: %s.", n.Short, seen)
	}
	return fmt.Sprintf("%s of %s is stopped: %s refuses connections, and the node runs on", listener, n.Name, n.Addr()), nil
}

// Unblock starts the edge's listener again, and sees that a probe logs in.
func (c *Cluster) Unblock(ctx context.Context, short string) (string, error) {
	n, err := c.one(short)
	if err != nil {
		return "", err
	}
	t, err := c.erlang.Call(ctx, n.Name, "supervisor", "restart_child", edgeSup, listener)
	if err != nil {
		return "", err
	}
	if reply, ok := t.(term.Tuple); !ok || len(reply) < 2 || reply[0] != term.Term(term.Atom("ok")) {
		// Somebody else may have started it in the meantime.
		if blocked, err := c.Blocked(ctx, short); err != nil || blocked {
			return "", &actions.Error{Code: actions.CodeRefused, Text: fmt.Sprintf("%s did not start its listener again.", n.Short), Hint: "`restart " + n.Short + "` does."}
		}
	}
	user, _ := n.probes()
	return c.logIn(ctx, n, user)
}
