package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"irisops/actions"
)

// Summary is one line on how the cluster does, by a ping of every node and, where
// there are several cores, by whom their Mnesias see run, within Options.Summary.
// It says no more than it saw: nodes that answer are not yet healthy.
func (c *Cluster) Summary(ctx context.Context) (actions.Level, string) {
	round := tasks(c.Nodes, []check{checkPing})
	c.watchSplit(round)
	var answer, slow, mute, split, unseen []string
	answers := map[string]bool{}
	for _, f := range c.examine(ctx, c.opt.Summary, round) {
		switch {
		case f.Check == checkViews.name && f.Code == codeSplit:
			split = append(split, f.Node)
		case f.Check == checkViews.name && f.Result != actions.OK && f.Result != actions.Advice && answers[f.Node]:
			unseen = append(unseen, f.Node+": "+f.Evidence)
		case f.Check == checkViews.name:
		case f.Result == actions.OK:
			answer = append(answer, f.Node)
		case f.Result == actions.Warn:
			slow = append(slow, f.Node+" "+f.Evidence)
		default:
			mute = append(mute, f.Node+" "+f.Evidence)
		}
		if f.Check == checkPing.name {
			answers[f.Node] = f.Result == actions.OK || f.Result == actions.Warn
		}
	}
	level, line := c.reached(answer, slow, mute)
	switch {
	case len(split) > 0:
		return actions.Critical, fmt.Sprintf("split-brain: %s run Mnesia without each other; %s", listed(split), line)
	case len(unseen) > 0:
		if level == actions.OK || level == actions.Warn {
			level = actions.Unknown
		}
		return level, fmt.Sprintf("%s; whether Mnesia is whole is not known: %s", line, strings.Join(unseen, "; "))
	}
	return level, line
}

// watchSplit adds to a round what shows that Mnesia is split: with several cores
// all nodes can answer all the same.
func (c *Cluster) watchSplit(round []task) {
	if len(c.ByRole(CoreRole)) < 2 {
		return
	}
	for i := range round {
		if round[i].node.Role == CoreRole {
			round[i].checks = slices.Concat(round[i].checks, []check{checkViews})
		}
	}
}

// reached is a line on which nodes answer.
func (c *Cluster) reached(answer, slow, mute []string) (actions.Level, string) {
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
