package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"irisops/actions"
)

// Smoke is a cluster's own smoke test, as the config names it: a program with
// fixed arguments that runs in the folder of one node, on that node's host.
type Smoke struct {
	Node   string // short name
	Run    []string
	Within time.Duration
}

// smokeStep tries an edge as two users do: a message online, and one to a user
// who is away.
func (c *Cluster) smokeStep(n Node) actions.Step {
	a, b := n.probes()
	return actions.Step{
		Name:     "smoke test of " + n.Short,
		Describe: fmt.Sprintf("%s sends %s a message while it is away, which arrives at its login, and one while both are there", a, b),
		Perform:  func(ctx context.Context) (string, error) { return c.smoke(ctx, n, a, b) },
		Timeout:  2*c.opt.Settle + 10*time.Second,
	}
}

func (c *Cluster) smoke(ctx context.Context, n Node, a, b string) (string, error) {
	var seen []string
	for _, t := range []struct {
		what string
		try  func(ctx context.Context) (string, error)
	}{
		{"offline message", func(ctx context.Context) (string, error) {
			took, err := c.edge.Offline(ctx, n.Addr(), a, b)
			return "offline message delivered at login after " + spoken(took), err
		}},
		{"online message", func(ctx context.Context) (string, error) {
			login, took, err := c.edge.RoundTrip(ctx, n.Addr(), a, b)
			return fmt.Sprintf("login %s, online message delivered in %s", spoken(login), spoken(took)), err
		}},
	} {
		settling, cancel := context.WithTimeout(ctx, c.opt.Settle)
		evidence, err := until(settling, func(ctx context.Context) (bool, string, error) {
			evidence, err := t.try(ctx)
			switch actions.CodeOf(err) {
			case actions.CodeAuthFailed:
				return true, "the edge answers, but does not let the probe in (AUTH_FAILED): messages are not verified", nil
			case actions.CodeRateLimited:
				return true, "the edge answers, but slows the probe down (RATE_LIMITED): messages are not verified", nil
			}
			if err != nil {
				return false, c.mask.err(err), nil
			}
			return true, evidence, nil
		})
		cancel()
		if err != nil {
			return strings.Join(seen, "; "), c.failure(err, fmt.Sprintf("Look with `diagnose node %s` and `logs %s`.", n.Short, n.Short),
				"No %s on %s within %s: %s", t.what, n.Short, spoken(c.opt.Settle), evidence)
		}
		seen = append(seen, evidence)
		if strings.Contains(evidence, "not verified") {
			break // the same refusal would answer the next one, at the edge's cost
		}
	}
	return strings.Join(seen, "; "), nil
}
