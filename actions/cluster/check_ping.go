package cluster

import (
	"context"

	"irisops/actions"
)

// checkPing is erlang:node/0 over the hidden link. The silence of an expected
// node is critical, whatever its cause.
var checkPing = check{
	name: "ping", asks: "does the node let irisops in and answer?", silence: actions.Critical,
	run: func(ctx context.Context, c *Cluster, n Node) Finding {
		took, err := c.erlang.Ping(ctx, n.Name)
		if err != nil {
			f := found(actions.Critical, "%s", c.silence(n, err)).code(actions.CodeOf(err))
			if silent(err) {
				f.Code = actions.CodeHung
			}
			if f.Code == actions.CodeWrongCookie {
				return f.byHand("compare cookie_file in irisops's config with the cookie that the node was started with; the node itself may be well")
			}
			if f.Code == actions.CodeTLS {
				return f.byHand("compare tls in irisops's config with how the node was started; the node itself may be well")
			}
			return f
		}
		if took > c.opt.SlowPing {
			return found(actions.Warn, "answers, but slowly: %s (more than %s)", spoken(took), spoken(c.opt.SlowPing))
		}
		return found(actions.OK, "answers in %s", spoken(took))
	},
}
