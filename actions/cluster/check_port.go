package cluster

import (
	"context"
	"time"

	"irisops/actions"
)

// checkPort is the runbook's `lsof -i :8085`. An accepted connection proves
// little: the kernel accepts for a hung node, and another program may hold the
// port.
var checkPort = check{
	name: "port", asks: "does something accept connections on the client port?", silence: actions.Unknown,
	role: EdgeRole, why: "clients connect to edges only",
	outside: func(ctx context.Context, v *visit) Finding {
		open, err := v.c.host.PortOpen(ctx, v.n)
		for i := 0; open && err == nil && i < portLooks && v.ended(ctx); i++ {
			if !pause(ctx, portAgain) {
				break
			}
			open, err = v.c.host.PortOpen(ctx, v.n)
		}
		switch {
		case err != nil:
			return v.c.unseen(err, "port "+v.n.Addr())
		case !open:
			return found(actions.Critical, "nothing accepts connections on %s", v.n.Addr()).code(codeNoPort)
		}
		return found(actions.OK, "%s accepts connections", v.n.Addr())
	},
}

// The kernel closes the port of a node that dies a moment after its process is
// seen to have ended. Until then nobody else holds it.
const (
	portLooks = 5
	portAgain = 100 * time.Millisecond
)
