package cluster

import (
	"context"
	"fmt"
	"strings"

	"irisops/actions"
)

// Summary is one line on how the cluster does, by a ping of every node, within
// Options.Summary. It says no more than it saw: nodes that answer are not yet
// healthy.
func (c *Cluster) Summary(ctx context.Context) (actions.Level, string) {
	findings := c.examine(ctx, c.opt.Summary, tasks(c.Nodes, []check{checkPing}))
	var answer, slow, mute []string
	for i, f := range findings {
		switch f.Result {
		case actions.OK:
			answer = append(answer, f.Node)
		case actions.Warn:
			slow = append(slow, f.Node+" "+f.Evidence)
		default:
			mute = append(mute, c.Nodes[i].Short+" "+f.Evidence)
		}
	}
	total := len(c.Nodes)
	switch {
	case total == 0:
		return actions.Unknown, "no nodes are configured"
	case len(mute) == total && total > 1:
		return actions.Critical, fmt.Sprintf("none of %d nodes answers: %s", total, strings.Join(mute, "; "))
	case len(mute) > 0:
		line := strings.Join(append(mute, slow...), "; ")
		if len(answer) > 0 {
			line += "; " + listed(answer) + " " + verb(len(answer), "answers", "answer")
		}
		return actions.Critical, line
	case len(slow) > 0:
		return actions.Warn, fmt.Sprintf("all %d nodes answer, but %s", total, strings.Join(slow, "; "))
	case total == 1:
		return actions.OK, answer[0] + " answers"
	}
	return actions.OK, fmt.Sprintf("all %d nodes answer", total)
}
