package cluster

import (
	"context"
	"strings"

	"irisops/actions"
)

// checkEPMD is the runbook's `epmd -names`, asked over its own protocol.
var checkEPMD = check{
	name: "epmd", asks: "does epmd on its host know the node's name?", silence: actions.Unknown,
	run: func(ctx context.Context, c *Cluster, n Node) Finding {
		_, host, _ := strings.Cut(n.Name, "@")
		names, err := c.host.EPMDNames(ctx, n)
		switch code := actions.CodeOf(err); {
		case code == actions.CodeNoEPMD:
			return found(actions.Critical, "no epmd listens on port %d of %s", n.EPMDPort, host).code(code).
				byHand("on " + host + ", as the user that runs IRIS: epmd -daemon. Running nodes register again by themselves within seconds")
		case code == actions.CodeNoHost:
			return found(actions.Critical, "the host name %s does not resolve", host).code(code)
		case err != nil:
			return c.unseen(err, "epmd on "+host)
		}
		port, ok := names[n.Alive()]
		if !ok {
			return found(actions.Critical, "%s is not registered (epmd on port %d of %s)", n.Alive(), n.EPMDPort, host).code(actions.CodeNotRegistered)
		}
		return found(actions.OK, "%s is registered, distribution port %d", n.Alive(), port)
	},
}
