package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
)

func (c *Cluster) diagnose() actions.Action {
	return actions.Action{
		Name:    "diagnose",
		Summary: "What is wrong, in one line, with the evidence and what to do next",
		Example: "diagnose",
		Long: fmt.Sprintf(`Asks all nodes at once and says in its first line what is wrong.

diagnose, or diagnose quick: the runbook's P0 list (docs/runbooks/incident-response.md, "Immediate Actions"), and with several cores whether their Mnesias see each other; within %s:
%s
diagnose full: all checks, within %s; those that look twice take %s or so. diagnose node NAME: the same of one node, with its busiest processes. diagnose mnesia, messages, host, network: the part of it that concerns them.
%s
(sampled: asked twice; walk: looks at many processes or keys, up to a bound, at low priority.)
--plot adds memory by kind and the sizes of the tables as bars.

Where this differs from the runbook's commands:
- The runbook's tail -100 core.log shows only noise: IRIS asks os_mon, which it does not start, and logs a warning twice a second. The noise is folded here and counted.
- erl -sname check -eval "net_adm:ping(...)" prints nothing and ends with 0 even for a dead node, and joins the cluster as a node that IRIS then reports as lost. Here the node itself is asked, over a hidden link that IRIS does not see.
- An open port proves little: the kernel accepts connections for a hung node. A login is tried by diagnose full and by verify.
- mnesia:dirty_all_keys answers with every key of a huge table, and mnesia:info prints into core.log: neither is called. mnesia:system_info(transaction_failures) only counts, and is compared here with itself.
- After a network fault nodes() is full again while Mnesia stays split: the views of all cores are compared.
--since last says what is different from the last healthy diagnosis: results, restarted nodes, tables. Inside an incident it is said without being asked. Every healthy diagnosis of the whole cluster, quick or full, is kept for that with the tables as they are then; it is not if the cores' tables turn out to be in disorder, and then it says so.
A node that does not answer is critical, whatever the cause. "unknown", "not available" and "not applicable" are never counted as healthy.
It changes nothing; diagnose full leaves the trace that verify leaves.`, spoken(c.opt.Diagnose), asks(quickChecks), spoken(c.opt.Full), spoken(c.opt.Sample), asks(fullChecks[len(quickChecks):])),
		Params: []actions.Param{
			{Name: "mode", Kind: actions.Choice, Choices: modes, Optional: true, Doc: "how much is asked", Example: modeQuick},
			{Name: "node", Kind: actions.Node, Optional: true, Doc: "the node, after the word node", Example: c.anyNode(EdgeRole)},
			{Name: "since", Kind: actions.Choice, Choices: []string{sinceLast}, Flag: true, Doc: "what changed since the last healthy diagnosis", Example: sinceLast},
			{Name: "plot", Kind: actions.Bool, Flag: true, Doc: "add memory by kind and table sizes as bars"},
		},
		Look: c.lookDiagnose,
	}
}

func (c *Cluster) lookDiagnose(ctx context.Context, req actions.Request) (actions.Result, error) {
	if len(c.Nodes) == 0 {
		return actions.Result{}, actions.Errorf(actions.CodeNoSuchNode, "%s has no nodes in the config: there is nothing to diagnose.", c.Name)
	}
	mode, name := cmp.Or(req.Args["mode"], modeQuick), req.Args["node"]
	switch {
	case !slices.Contains(modes, mode):
		return actions.Result{}, &actions.Error{Code: "usage", Text: fmt.Sprintf("There is no diagnosis %q.", mode), Hint: "Say one of: " + strings.Join(modes, ", ") + "."}
	case mode == modeNode && name == "":
		return actions.Result{}, &actions.Error{Code: "missing", Text: "Which node?", Hint: fmt.Sprintf("For example: diagnose node %s.", c.anyNode(EdgeRole))}
	case mode != modeNode && name != "":
		return actions.Result{}, &actions.Error{Code: "usage", Text: fmt.Sprintf("A %s diagnosis is of all nodes.", mode), Hint: fmt.Sprintf("For one: diagnose node %s.", name)}
	}
	if since := req.Args["since"]; since != "" && since != sinceLast {
		return actions.Result{}, &actions.Error{Code: "usage", Text: fmt.Sprintf("There is no diagnosis %q to compare with.", since), Hint: "For example: diagnose --since last."}
	}
	nodes, round, err := c.round(mode, name)
	if err != nil {
		return actions.Result{}, err
	}
	within := c.opt.Full
	if mode == modeQuick {
		within = c.opt.Diagnose
	}
	begun := time.Now()
	findings := telling(mode, nodes, c.examine(ctx, within, round))
	r, conditions := c.conclude(nodes, findings)
	d := r.Data.(Diagnosis)
	d.Mode, d.At = mode, begun.UTC()
	compare := req.Args["since"] == sinceLast || req.Incident != "" && c.opt.Keeper != nil
	r.Sections = insert(r.Sections, c.remember(ctx, compare, within-time.Since(begun), conditions, &d))
	r.Data = d
	if mode == modeFull || mode == modeNode {
		r.Sections = append(r.Sections, busiestOf(findings, mode == modeFull)...)
	}
	if req.Args["plot"] == "true" {
		// Silent nodes have cost their time already.
		answering := slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return !judge(n, about(n, findings)).answers })
		r.Sections = append(r.Sections, c.plot(ctx, answering)...)
	}
	return r, nil
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

// conclude makes the answer of the findings about nodes, and says what they add
// up to for each.
func (c *Cluster) conclude(nodes []Node, findings []Finding) (actions.Result, []condition) {
	cutOff(findings)
	conditions := make([]condition, len(nodes))
	for i, n := range nodes {
		conditions[i] = judge(n, about(n, findings))
		for j := range findings {
			if f := &findings[j]; f.Node == n.Short && f.Next == "" && f.Result == actions.Critical {
				f.Next = conditions[i].next
			}
		}
		offer(conditions[i], findings, len(nodes) == 1)
	}
	causes := c.explain(conditions, findings)
	line := verdict(conditions, causes, findings, len(nodes) == len(c.Nodes))
	if users := c.affected(conditions, findings); users != "" {
		line += "; " + users
	}
	d := Diagnosis{Cluster: c.Name, Verdict: line, State: worst(findings), Findings: findings}
	r := actions.Result{Level: d.State, Headline: line, Data: d}

	for _, level := range []actions.Level{actions.Critical, actions.Unknown, actions.Warn, actions.Advice} {
		r.Sections = appendTable(r.Sections, level, false, findings)
	}
	if len(causes) > 0 {
		r.Sections = append(r.Sections, likely(causes))
	}
	r.Sections = append(r.Sections, excerpts(conditions, findings)...)
	for _, level := range []actions.Level{actions.Unknown, actions.OK, actions.NotAvailable, actions.NotApplicable} {
		r.Sections = appendTable(r.Sections, level, true, findings)
	}
	if cites := cited(conditions, causes, len(nodes) == len(c.Nodes)); len(cites) > 0 {
		r.Sections = append(r.Sections, actions.Section{Title: "In the runbooks", Lines: cites})
	}
	r.Next = c.nextOf(conditions, causes, findings)
	return r, conditions
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
func cited(conditions []condition, causes []cause, whole bool) []string {
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
	cite := func(s section) {
		if line := s.String(); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	switch {
	case cores+edges == 0:
	case whole && cores == allCores && edges == allEdges:
		cite(outage)
		cite(clusterFailure)
	default:
		if cores > 0 {
			cite(coreFailure)
		}
		if edges > 0 {
			cite(edgeFailure)
		}
	}
	for _, k := range causes {
		cite(k.cite)
	}
	return lines
}

// offer gives every finding about the node that is worth a look, and has no words
// of its own, something to look with: the node from closer by, or its log where
// that was done or the node does not answer.
func offer(k condition, findings []Finding, close bool) {
	words := "diagnose node " + k.node.Short
	switch {
	case k.kind == noEPMD: // it runs, and may serve
		words = "verify"
	case close || !k.answers:
		words = "logs " + k.node.Short
	}
	for i, f := range findings {
		switch {
		case f.Node != k.node.Short || f.Next != "" || f.follows:
		case f.Result == actions.Critical, f.Result == actions.Warn, f.Result == actions.Unknown:
			findings[i] = f.next(words)
		}
	}
}

// mostNext is how many commands an answer offers; the rest stand beside the
// findings.
const mostNext = 12

// nextOf are the commands worth typing: first those that mend, then those that
// look closer, by the severity of what they look at.
func (c *Cluster) nextOf(conditions []condition, causes []cause, findings []Finding) []actions.Next {
	var next []actions.Next
	covered := map[string]bool{} // by a command for several nodes
	cover := func(nodes []Node) {
		for _, n := range nodes {
			covered["start "+n.Short], covered["restart "+n.Short], covered["logs "+n.Short] = true, true, true
		}
	}
	add := func(words string) {
		if words == "" || covered[words] || slices.ContainsFunc(next, func(n actions.Next) bool { return n.Words == words }) {
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
	mend := func(of func(kind) bool) { // cores first: edges need them
		for _, r := range []Role{CoreRole, EdgeRole} {
			if all(c.ByRole(r)) {
				add("start " + c.roleWord(r))
				cover(c.ByRole(r))
				continue
			}
			for _, k := range conditions {
				if k.node.Role == r && of(k.kind) {
					add(k.next)
				}
			}
		}
	}
	dead := func(k kind) bool { return k < unclear }
	if all(c.Nodes) {
		add("recover " + whole)
		cover(c.Nodes)
	} else {
		mend(dead)
	}
	for _, k := range causes {
		add(k.next)
	}
	if !all(c.Nodes) {
		mend(func(k kind) bool { return !dead(k) })
	}
	for _, level := range []actions.Level{actions.Critical, actions.Unknown, actions.Warn, actions.Advice} {
		for _, f := range findings {
			if f.Result == level && !f.follows {
				add(f.words())
			}
		}
	}
	if len(next) == 0 {
		add("verify")
	}
	return next[:min(len(next), mostNext)]
}

// label is the words as a button has them: "Restart edge1".
func label(words string) string { return strings.ToUpper(words[:1]) + words[1:] }
