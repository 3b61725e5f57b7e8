package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"irisops/actions"
)

// probes are the two reserved users of an edge. IRIS keeps a row for every user
// that ever logged in, and a login takes the user's stored messages with it: so
// the names are fixed, and nobody's.
func (n Node) probes() (a, b string) {
	short := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return r
		}
		return '-' // a colon would begin a token
	}, n.Short)
	return "irisops-probe-" + short + "-a", "irisops-probe-" + short + "-b"
}

// loginStep logs a probe in, as the runbook's last step of a restart.
func (c *Cluster) loginStep(n Node) actions.Step {
	user, _ := n.probes()
	return actions.Step{
		Name:     "log in to " + n.Short,
		Describe: fmt.Sprintf("login of %s on %s", user, n.Addr()),
		Perform:  func(ctx context.Context) (string, error) { return c.logIn(ctx, n, user) },
		Timeout:  c.opt.Settle + 10*time.Second,
	}
}

func (c *Cluster) logIn(ctx context.Context, n Node, user string) (string, error) {
	settling, cancel := context.WithTimeout(ctx, c.opt.Settle)
	defer cancel()
	seen, err := until(settling, func(ctx context.Context) (bool, string, error) {
		took, err := c.edge.Login(ctx, n.Addr(), user)
		switch actions.CodeOf(err) {
		case actions.CodeAuthFailed:
			return true, "the edge answers, but does not let the probe in (AUTH_FAILED): a login is not verified", nil
		case actions.CodeRateLimited:
			return true, "the edge answers, but slows the probe down (RATE_LIMITED): a login is not verified", nil
		}
		if err != nil {
			return false, c.mask.err(err), nil
		}
		if other := c.foreign(ctx, n); other != "" {
			return false, other, nil
		}
		return true, "login in " + spoken(took), nil
	})
	if err != nil {
		return "", c.failure(err, fmt.Sprintf("Look with `diagnose node %s` and `logs %s`.", n.Short, n.Short),
			"No login on %s within %s: %s", n.Short, spoken(c.opt.Settle), seen)
	}
	return seen, nil
}
