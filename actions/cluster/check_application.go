package cluster

import (
	"context"
	"fmt"
	"slices"

	"irisops/actions"
)

// application is the OTP application that makes a node of that role an IRIS node.
func (n Node) application() string {
	if n.Role == CoreRole {
		return "iris_core"
	}
	return "iris_edge"
}

// checkApplication tells a node that serves from a VM that only runs: `erl`
// stays up when its application fails to start.
var checkApplication = check{
	name: "application", asks: "does iris_core or iris_edge run on the node?", silence: actions.Unknown,
	run: func(ctx context.Context, c *Cluster, n Node) Finding {
		running, err := c.applications(ctx, n)
		switch {
		case err != nil && unreachable(err):
			f := found(actions.Unknown, "cannot be asked: the node %s", c.silence(n, err)).code(actions.CodeOf(err))
			f.follows = true
			return f
		case err != nil:
			return c.unseen(err, "applications")
		case !slices.Contains(running, n.application()):
			return found(actions.Critical, "%s does not run (running: %s)", n.application(), listed(running)).code(codeNoApp)
		}
		return found(actions.OK, "%s runs", n.application())
	},
}

// applications are those that run on the node. Its own time-out is 2 s, as the
// list of checks has it.
func (c *Cluster) applications(ctx context.Context, n Node) ([]string, error) {
	reply, err := c.erlang.Call(ctx, n.Name, "application", "which_applications", int64(2000))
	if err != nil {
		return nil, err
	}
	return applications(reply)
}

// foreign says that what lets probes in on the edge's address is not that edge:
// the node answers, and the edge's application does not run on it. "" if it does,
// or if the node itself cannot be asked: then the login is all there is.
func (c *Cluster) foreign(ctx context.Context, n Node) string {
	running, err := c.applications(ctx, n)
	if err != nil || slices.Contains(running, n.application()) {
		return ""
	}
	return fmt.Sprintf("a login passes on %s, but %s does not run on %s: another program has its port", n.Addr(), n.application(), n.Short)
}

// unreachable says whether the node could not be asked, rather than that what it
// was asked failed.
func unreachable(err error) bool {
	switch actions.CodeOf(err) {
	case actions.CodeBadRPC, actions.CodeUndef, actions.CodeTooLarge:
		return false
	}
	return true
}
