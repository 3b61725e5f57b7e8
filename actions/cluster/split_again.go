package cluster

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"irisops/actions"
)

// planUndo puts all cores back into the list that edges choose from, and has them
// choose for themselves whose tables to load, after a run that ended before it
// stopped any.
func (c *Cluster) planUndo(ctx context.Context, req actions.Request) (actions.Plan, error) {
	cores := c.ByRole(CoreRole)
	p := actions.Plan{Title: "Let the edges choose all cores again: " + listed(shorts(cores)), Class: actions.Do, Why: "it changes no data and stops nothing"}
	for _, n := range c.Nodes {
		p.Targets = append(p.Targets, n.Key())
	}
	for _, n := range cores {
		p.Steps = append(p.Steps, c.masterStep(n, nil), c.enrollStep(n))
		p.Preview = append(p.Preview, p.Steps[len(p.Steps)-2].Describe, p.Steps[len(p.Steps)-1].Describe)
	}
	if req.Agreed != 0 {
		return p, nil
	}
	if _, err := c.sides(ctx); err != nil {
		return actions.Plan{}, err
	}
	return p, nil
}

func (c *Cluster) enrollStep(n Node) actions.Step {
	return actions.Step{
		Name:     "let edges choose " + n.Short,
		Describe: "pg:join(iris_core_nodes) for the registry of " + n.Name,
		Perform: func(ctx context.Context) (string, error) {
			there, err := c.listed(ctx, n, enroll)
			if err != nil {
				return "", err
			}
			if !there {
				return "this IRIS has no such list", nil
			}
			return "it stands in their list", nil
		},
		Timeout: 2 * c.opt.Call,
	}
}

var stampText = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}Z$`)

// planMerge merges what an earlier run has kept, where it could not do so itself.
func (c *Cluster) planMerge(ctx context.Context, req actions.Request) (actions.Plan, error) {
	stamp := strings.ToUpper(req.Args["merge"])
	if !stampText.MatchString(stamp) {
		return actions.Plan{}, &actions.Error{Code: "bad-value", Text: fmt.Sprintf("%q is not the name of a run.", cut(stamp, 40)), Hint: c.keptRuns()}
	}
	name := deltaName(c.Name, stamp)
	m, missing, err := c.delta(name)
	if missing {
		return actions.Plan{}, &actions.Error{Code: "no-delta", Err: err, Text: fmt.Sprintf("Nothing was kept by the name %s.", stamp), Hint: c.keptRuns()}
	}
	if err != nil {
		return actions.Plan{}, err
	}
	cores := c.ByRole(CoreRole)
	p := actions.Plan{
		Title: fmt.Sprintf("Merge what %s had: %s, %s", listed(m.Losers), plural64(m.Messages, "stored message"), plural64(m.Tokens, "revoked token")),
		Class: actions.Do, Why: "it adds records and removes none",
		Steps: []actions.Step{c.convergeStep()},
	}
	for _, short := range m.Losers {
		nodes, err := c.Select(short)
		if err != nil {
			return actions.Plan{}, err
		}
		p.Steps = append(p.Steps, c.masterStep(nodes[0], nil))
	}
	p.Steps = append(p.Steps, c.mergeStep(cores[0], name))
	for _, n := range c.Nodes {
		p.Targets = append(p.Targets, n.Key())
	}
	for _, s := range p.Steps {
		p.Preview = append(p.Preview, s.Describe)
	}
	if req.Agreed != 0 {
		return p, nil
	}
	sides, err := c.sides(ctx)
	if err == nil && len(sides) > 1 {
		err = &actions.Error{Code: codeSplit, Text: fmt.Sprintf("%s and %s still run apart: what would be merged on one side would be missing on the other. Nothing was done.", sides[0], sides[1]), Hint: "Say `recover split-brain`."}
	}
	return p, err
}

// keptRuns is a hint: what there is to merge.
func (c *Cluster) keptRuns() string {
	names, err := c.opt.Exports.Names()
	if err != nil {
		return "What is kept cannot be listed: " + err.Error()
	}
	var stamps []string
	for _, n := range names {
		if stamp, ok := strings.CutSuffix(n, ".manifest"); ok {
			if stamp, ok = strings.CutPrefix(stamp, deltaName(c.Name, "")); ok {
				stamps = append(stamps, stamp)
			}
		}
	}
	if len(stamps) == 0 {
		return "Nothing is kept of any split."
	}
	slices.Sort(stamps)
	return "Kept are: " + listed(stamps) + "."
}
