package cluster

import (
	"context"

	"irisops/actions"
)

// checkPort is the runbook's `lsof -i :8085`. An accepted connection proves
// little: the kernel accepts for a hung node, and another program may hold the
// port.
var checkPort = check{
	name: "port", asks: "does something accept connections on the client port?", silence: actions.Unknown,
	role: EdgeRole, why: "clients connect to edges only",
	run: func(ctx context.Context, c *Cluster, n Node) Finding {
		open, err := c.host.PortOpen(ctx, n)
		switch {
		case err != nil:
			return c.unseen(err, "port "+n.Addr())
		case !open:
			return found(actions.Critical, "nothing accepts connections on %s", n.Addr()).code(codeNoPort)
		}
		return found(actions.OK, "%s accepts connections", n.Addr())
	},
}
