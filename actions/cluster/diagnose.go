package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"irisops/actions"
)

// quickChecks are the runbook's P0 list, made at once instead of one after
// another.
var quickChecks = []check{checkEPMD, checkProcess, checkPort, checkPing, checkApplication, checkLog}

func (c *Cluster) diagnose() actions.Action {
	var asks []string
	for _, k := range quickChecks {
		asks = append(asks, fmt.Sprintf("- %s: %s", k.name, k.asks))
	}
	return actions.Action{
		Name:    "diagnose",
		Summary: "What is wrong, in one line, with the evidence and what to do next",
		Example: "diagnose",
		Long: fmt.Sprintf(`Makes the runbook's P0 list (docs/runbooks/incident-response.md, "Immediate Actions") at all nodes at once, within %s:
%s

Where this differs from the runbook's commands:
- The runbook's tail -100 core.log shows only noise: IRIS asks os_mon, which it does not start, and logs a warning twice a second. The noise is folded here and counted.
- erl -sname check -eval "net_adm:ping(...)" prints nothing and ends with 0 even for a dead node, and joins the cluster as a node that IRIS then reports as lost. Here the node itself is asked, over a hidden link that IRIS does not see.
- An open port proves little: the kernel accepts connections for a hung node. A login is tried by verify.
A node that does not answer is critical, whatever the cause. "unknown", "not available" and "not applicable" are never counted as healthy.
It changes nothing.`, spoken(c.opt.Diagnose), strings.Join(asks, "\n")),
		Params: []actions.Param{
			{Name: "mode", Kind: actions.Choice, Choices: []string{"quick", "node"}, Optional: true, Doc: "quick (the default): all nodes; node: one of them", Example: "quick"},
			{Name: "node", Kind: actions.Node, Optional: true, Doc: "the node, after the word node", Example: c.anyNode(EdgeRole)},
		},
		Look: c.lookDiagnose,
	}
}

func (c *Cluster) lookDiagnose(ctx context.Context, req actions.Request) (actions.Result, error) {
	nodes := c.Nodes
	if len(nodes) == 0 {
		return actions.Result{}, actions.Errorf(actions.CodeNoSuchNode, "%s has no nodes in the config: there is nothing to diagnose.", c.Name)
	}
	mode, name := req.Args["mode"], req.Args["node"]
	switch {
	case mode == "node" && name == "":
		return actions.Result{}, &actions.Error{Code: "missing", Text: "Which node?", Hint: fmt.Sprintf("For example: diagnose node %s.", c.anyNode(EdgeRole))}
	case mode != "node" && name != "":
		return actions.Result{}, &actions.Error{Code: "usage", Text: "A quick diagnosis is of all nodes.", Hint: fmt.Sprintf("For one: diagnose node %s.", name)}
	case mode == "node":
		n, err := c.one(name)
		if err != nil {
			return actions.Result{}, err
		}
		nodes = []Node{n}
	}
	return c.conclude(nodes, c.examine(ctx, c.opt.Diagnose, nodes, quickChecks)), nil
}

// one is the single node of that name.
func (c *Cluster) one(name string) (Node, error) {
	nodes, err := c.Select(name)
	if err != nil {
		return Node{}, err
	}
	if byName := c.byName(strings.ToLower(name)); len(byName) == 1 {
		return byName[0], nil
	}
	if len(nodes) != 1 {
		return Node{}, &actions.Error{Code: actions.CodeAmbiguous,
			Text: fmt.Sprintf("%q means more than one node.", name), Hint: "Say one of: " + c.choices() + "."}
	}
	return nodes[0], nil
}

// anyNode is the short name of a node, of the role if there is one, for examples.
func (c *Cluster) anyNode(r Role) string {
	if nodes := c.ByRole(r); len(nodes) > 0 {
		return nodes[0].Short
	}
	if len(c.Nodes) > 0 {
		return c.Nodes[0].Short
	}
	return "edge1"
}

// conclude makes the answer of the findings about nodes.
func (c *Cluster) conclude(nodes []Node, findings []Finding) actions.Result {
	conditions := make([]condition, len(nodes))
	for i, n := range nodes {
		conditions[i] = judge(n, about(n, findings))
		for j := range findings {
			if f := &findings[j]; f.Node == n.Short && f.Next == "" && f.Result == actions.Critical {
				f.Next = conditions[i].next
			}
		}
	}
	line := verdict(conditions, findings, len(nodes) == len(c.Nodes))
	d := Diagnosis{Cluster: c.Name, Verdict: line, State: worst(findings), Findings: findings}
	r := actions.Result{Level: d.State, Headline: line, Data: d}

	for _, level := range []actions.Level{actions.Critical, actions.Unknown, actions.Warn, actions.Advice} {
		r.Sections = appendTable(r.Sections, level, false, findings)
	}
	r.Sections = append(r.Sections, excerpts(conditions, findings)...)
	for _, level := range []actions.Level{actions.Unknown, actions.OK, actions.NotAvailable, actions.NotApplicable} {
		r.Sections = appendTable(r.Sections, level, true, findings)
	}
	if cites := cited(conditions, len(nodes) == len(c.Nodes)); len(cites) > 0 {
		r.Sections = append(r.Sections, actions.Section{Title: "In the runbooks", Lines: cites})
	}
	r.Next = c.nextOf(conditions)
	return r
}

var titles = map[actions.Level]string{
	actions.Critical: "Critical", actions.Unknown: "Unknown", actions.Warn: "Warnings", actions.Advice: "Advice",
	actions.OK: "Healthy", actions.NotAvailable: "Not available here", actions.NotApplicable: "Not applicable",
}

// appendTable adds the findings of a level, if there are any. What only follows
// from a node's silence is folded, whatever its level.
func appendTable(sections []actions.Section, level actions.Level, folded bool, findings []Finding) []actions.Section {
	s := actions.Section{Title: titles[level], Header: []string{"Node", "Check", "Evidence", "Next"}, Folded: folded}
	if folded && level == actions.Unknown {
		s.Title = "Not asked"
	}
	for _, f := range findings {
		if f.Result == level && (level != actions.Unknown || f.follows == folded) {
			s.Rows = append(s.Rows, []string{f.Node, f.Check, f.Evidence, f.Next})
		}
	}
	if len(s.Rows) == 0 {
		return sections
	}
	return append(sections, s)
}

// excerpts of the logs of nodes that are not well.
func excerpts(conditions []condition, findings []Finding) []actions.Section {
	var sections []actions.Section
	for _, cond := range conditions {
		f := about(cond.node, findings).of(checkLog)
		if cond.kind != healthy && len(f.excerpt) > 0 {
			sections = append(sections, actions.Section{Title: cond.node.Log, Lines: f.excerpt, Code: true})
		}
	}
	return sections
}

// cited are the sections of the runbooks that speak of this.
func cited(conditions []condition, whole bool) []string {
	const (
		failover = "docs/runbooks/failover.md"
		incident = "docs/runbooks/incident-response.md"
	)
	gone := func(r Role) (n, of int) {
		for _, c := range conditions {
			if c.node.Role == r {
				of++
				if c.kind < unclear {
					n++
				}
			}
		}
		return n, of
	}
	cores, allCores := gone(CoreRole)
	edges, allEdges := gone(EdgeRole)
	var lines []string
	cite := func(file, section string) { lines = append(lines, fmt.Sprintf("%s, %q", file, section)) }
	switch {
	case cores+edges == 0:
	case whole && cores == allCores && edges == allEdges:
		cite(incident, "P0: Complete Service Outage")
		cite(failover, "Complete Cluster Failure")
	default:
		if cores > 0 {
			cite(failover, "Single Core Node Failure")
		}
		if edges > 0 {
			cite(failover, "Single Edge Node Failure")
		}
	}
	return lines
}

// nextOf are the commands worth typing, at most four.
func (c *Cluster) nextOf(conditions []condition) []actions.Next {
	var next []actions.Next
	add := func(words string) {
		if words == "" || slices.ContainsFunc(next, func(n actions.Next) bool { return n.Words == words }) {
			return
		}
		next = append(next, actions.Next{Label: label(words), Words: words})
	}
	all := func(nodes []Node) bool {
		return len(nodes) > 1 && !slices.ContainsFunc(nodes, func(n Node) bool {
			return !slices.ContainsFunc(conditions, func(k condition) bool {
				return k.node.Short == n.Short && k.next == "start "+n.Short
			})
		})
	}
	switch {
	case all(c.Nodes):
		add("start all")
	default:
		for _, r := range []Role{CoreRole, EdgeRole} {
			if all(c.ByRole(r)) {
				add("start " + string(r))
				continue
			}
			for _, k := range conditions {
				if k.node.Role == r {
					add(k.next)
				}
			}
		}
	}
	if len(next) == 0 {
		add("verify")
	}
	return next[:min(len(next), 4)]
}

// label is the words as a button has them: "Restart edge1".
func label(words string) string { return strings.ToUpper(words[:1]) + words[1:] }
