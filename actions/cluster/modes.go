package cluster

import (
	"slices"
	"strings"

	"irisops/actions"
)

// What `diagnose` can be asked for.
const (
	modeQuick    = "quick"
	modeFull     = "full"
	modeNode     = "node"
	modeMnesia   = "mnesia"
	modeMessages = "messages"
	modeHost     = "host"
	modeNetwork  = "network"
)

var modes = []string{modeQuick, modeFull, modeNode, modeMnesia, modeMessages, modeHost, modeNetwork}

// quickChecks are the runbook's P0 list, made at once instead of one after
// another. Every diagnosis begins with them: a dead node explains the rest.
var quickChecks = []check{checkEPMD, checkProcess, checkPort, checkPing, checkApplication, checkLog}

// fullChecks are all there are.
var fullChecks = slices.Concat(quickChecks, []check{
	checkHost, checkLogin, checkSupervisor, checkConnected, checkClock,
	checkMemory, checkBinaries, checkProcesses, checkLimits, checkRunQueue, checkUtilization, checkMailboxes,
	checkMnesia, checkViews, checkCopies, checkSizes, checkTransactions, checkOverload, checkGuard,
	checkBatcher, checkFlow, checkBreaker, checkUnacked, checkPresence, checkMail,
})

var checksOf = map[string][]check{
	modeQuick: quickChecks,
	modeFull:  fullChecks,
	modeNode:  fullChecks,
	modeMnesia: slices.Concat(quickChecks, []check{checkConnected, checkMnesia, checkViews, checkCopies, checkSizes,
		checkTransactions, checkOverload, checkGuard, checkBatcher, checkMailboxes}),
	modeMessages: slices.Concat(quickChecks, []check{checkLogin, checkConnected, checkBatcher, checkFlow,
		checkBreaker, checkUnacked, checkPresence, checkMail, checkMailboxes}),
	modeHost:    slices.Concat(quickChecks, []check{checkHost, checkMemory, checkRunQueue, checkUtilization, checkClock}),
	modeNetwork: slices.Concat(quickChecks, []check{checkLogin, checkConnected, checkViews, checkClock, checkBreaker, checkPresence}),
}

// task is what is asked of one node.
type task struct {
	node   Node
	checks []check
}

func tasks(nodes []Node, checks []check) []task {
	all := make([]task, len(nodes))
	for i, n := range nodes {
		all[i] = task{n, checks}
	}
	return all
}

// round is which nodes a diagnosis is of, and what it asks of which.
func (c *Cluster) round(mode, name string) ([]Node, []task, error) {
	checks := checksOf[mode]
	switch mode {
	case modeMnesia:
		if cores := c.ByRole(CoreRole); len(cores) > 0 {
			return cores, tasks(cores, checks), nil
		}
		return nil, nil, actions.Errorf(actions.CodeNoSuchNode, "%s has no core, and only cores run Mnesia.", c.Name)
	case modeQuick:
		all := tasks(c.Nodes, checks)
		c.watchSplit(all)
		return c.Nodes, all, nil
	case modeNode:
		n, err := c.one(name)
		if err != nil {
			return nil, nil, err
		}
		// The others are asked only what this one is compared with.
		compared := slices.DeleteFunc(slices.Clone(checks), func(k check) bool { return k.join == nil })
		all := tasks(c.Nodes, compared)
		for i := range all {
			if all[i].node.Short == n.Short {
				all[i].checks = checks
			}
		}
		return []Node{n}, all, nil
	}
	return c.Nodes, tasks(c.Nodes, checks), nil
}

// telling leaves out what is not about the nodes, and what a narrow diagnosis
// could not ask a silent node: its silence is told by the ping. A full one keeps
// every check.
func telling(mode string, nodes []Node, findings []Finding) []Finding {
	quick := func(name string) bool {
		return slices.ContainsFunc(quickChecks, func(k check) bool { return k.name == name })
	}
	return slices.DeleteFunc(findings, func(f Finding) bool {
		if !slices.ContainsFunc(nodes, func(n Node) bool { return n.Short == f.Node }) {
			return true
		}
		return mode != modeFull && f.follows && !quick(f.Check)
	})
}

// asks lists what checks ask, for help.
func asks(checks []check) string {
	var lines []string
	for _, k := range checks {
		line := "- " + k.name + ": " + k.asks
		if k.cost != cheap {
			line += " (" + string(k.cost) + ")"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}
