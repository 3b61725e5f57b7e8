package cluster

import (
	"fmt"
	"slices"
	"strings"

	"irisops/actions"
)

// condition is what the findings about one node add up to.
type condition struct {
	node    Node
	kind    kind
	answers bool   // the node itself answers irisops
	text    string // the node's part of the verdict, where it has one of its own
	next    string // the words that mend it; "" where no command does
}

// kind of condition, the worst causes first: the verdict names them in this order.
type kind int

const (
	noEPMD      kind = iota // runs, but cannot be found
	wrongCookie             // runs, but lets nobody in
	wrongTLS                // likewise
	down                    // verified: no process
	taken                   // the same, and it could not start: its port is held
	hung                    // a process that does not answer
	mute                    // does not answer, and why is not clear
	broken                  // the VM answers, but does not serve
	unclear                 // answers, but not everything could be asked
	shaky                   // serves, with warnings
	told                    // has trouble that a cause of several nodes tells
	healthy
)

// ofNode are the findings about one node, in the order of the checks.
type ofNode []Finding

func about(n Node, findings []Finding) ofNode {
	var of ofNode
	for _, f := range findings {
		if f.Node == n.Short {
			of = append(of, f)
		}
	}
	return of
}

// of is the finding of one check; zero if it was not made.
func (fs ofNode) of(k check) Finding {
	for _, f := range fs {
		if f.Check == k.name {
			return f
		}
	}
	return Finding{}
}

// judge says what is wrong with a node. It is told by the first cause that
// explains the rest: a stopped process explains its silence, a missing one
// explains the closed port.
func judge(n Node, fs ofNode) condition {
	ping, process := fs.of(checkPing), fs.of(checkProcess)
	c := condition{node: n, answers: ping.Result == actions.OK || ping.Result == actions.Warn}
	is := func(k kind, next, format string, args ...any) condition {
		c.kind, c.text = k, n.Short+" "+fmt.Sprintf(format, args...)
		if next != "" {
			c.next = next + " " + n.Short
		}
		return c
	}
	runs := process.pid != 0
	switch {
	case process.Code == codeStopped:
		return is(hung, "restart", "hung: pid %d is stopped (SIGSTOP) and does not answer", process.pid)
	case fs.of(checkEPMD).Code == actions.CodeNoEPMD && (runs || c.answers):
		return is(noEPMD, "", "runs but cannot be found")
	case c.answers:
		return judgeServing(c, fs)
	case process.Code == codeNoProcess && (ping.Code == actions.CodeHung || shutOut(ping.Code)):
		return is(mute, "", "does not run in %s, but a node of its name %s", n.Dir, ping.Evidence)
	case process.Code == codeNoProcess && fs.of(checkPort).Result == actions.OK:
		return is(taken, "", "down, and another program holds its port %d", n.Port)
	case process.Code == codeNoProcess:
		return is(down, "start", "down")
	case ping.Code == actions.CodeWrongCookie:
		return is(wrongCookie, "", "turns irisops away")
	case ping.Code == actions.CodeTLS:
		return is(wrongTLS, "", "turns irisops away")
	case ping.Code == actions.CodeHung && runs:
		return is(hung, "restart", "hung: pid %d runs but does not answer", process.pid)
	case ping.Code == actions.CodeNotRegistered && runs:
		return is(mute, "restart", "runs (pid %d) but epmd does not know it, so that nobody finds it", process.pid)
	case ping.Code == actions.CodeRefused && runs:
		return is(mute, "restart", "runs (pid %d) but %s", process.pid, ping.Evidence)
	}
	return is(mute, "", "%s", ping.Evidence)
}

// judgeServing judges a node that answers.
func judgeServing(c condition, fs ofNode) condition {
	n := c.node
	of := map[actions.Level][]Finding{}
	for _, f := range fs {
		of[f.Result] = append(of[f.Result], f)
	}
	is := func(k kind, next, format string, args ...any) condition {
		c.kind, c.next, c.text = k, next, fmt.Sprintf(format, args...)
		return c
	}
	bad, unknown, warns := of[actions.Critical], of[actions.Unknown], of[actions.Warn]
	switch {
	case fs.of(checkApplication).Code == codeNoApp:
		return is(broken, "restart "+n.Short, "%s answers, but %s does not run on it", n.Short, n.application())
	case fs.of(checkPort).Code == codeNoPort:
		return is(broken, "restart "+n.Short, "%s answers, but nothing listens on its client port %d", n.Short, n.Port)
	case len(bad) > 0:
		return is(broken, bad[0].words(), "%s answers, but %s", n.Short, bad[0].short())
	case len(unknown) > 0:
		return is(unclear, "", "%s answers, but not everything could be asked: %s", n.Short, unknown[0].Evidence)
	case len(warns) > 0:
		return is(shaky, warns[0].words(), "%s: %s", n.Short, warns[0].short())
	}
	c.kind = healthy
	return c
}

// verdict is all of it in one line. whole says that these are all the nodes of
// the cluster.
func verdict(conditions []condition, causes []cause, findings []Finding, whole bool) string {
	of := map[kind][]condition{}
	for _, c := range conditions {
		of[c.kind] = append(of[c.kind], c)
	}
	total := len(conditions)
	if len(of[healthy]) == total {
		return allHealthy(conditions, findings)
	}
	tell := func(first bool) (texts []string) {
		for _, k := range causes {
			if k.text != "" && k.first == first {
				texts = append(texts, k.text)
			}
		}
		return texts
	}
	if whole && total > 1 && len(of[down]) == total {
		return strings.Join(append(tell(true), "whole cluster down: no node answers"), "; ")
	}
	everybody := func(k kind) bool { return total > 1 && len(of[k]) == total }

	parts := tell(true)
	for _, host := range hosts(of[noEPMD]) {
		who := "nodes run"
		if !everybody(noEPMD) || len(hosts(of[noEPMD])) > 1 {
			there := on(host, of[noEPMD])
			who = strings.Join(there, ", ") + " " + verb(len(there), "runs", "run")
		}
		parts = append(parts, fmt.Sprintf("epmd is gone on %s: %s but cannot be found", host, who))
	}
	for _, k := range []kind{wrongCookie, wrongTLS} {
		cs := of[k]
		if len(cs) == 0 {
			continue
		}
		why, who := "wrong cookie", fmt.Sprintf("all %d nodes turn", total)
		if k == wrongTLS {
			why = "no agreement about TLS"
		}
		if !everybody(k) {
			who = strings.Join(names(cs), ", ") + " " + verb(len(cs), "turns", "turn")
		}
		parts = append(parts, fmt.Sprintf("%s: %s irisops away", why, who))
	}
	if cs := of[down]; len(cs) > 0 {
		parts = append(parts, strings.Join(names(cs), ", ")+" down")
	}
	for k := taken; k < shaky; k++ {
		if k == broken {
			parts = append(parts, tell(false)...)
		}
		for _, c := range of[k] {
			parts = append(parts, c.text)
		}
	}
	if cs := of[shaky]; len(cs) > 0 && len(parts) == 0 && total > 1 {
		parts = append(parts, fmt.Sprintf("all %d nodes answer, with %s", total, plural(len(cs), "warning")))
	}
	for _, c := range of[shaky] {
		parts = append(parts, c.text)
	}
	if cs := of[healthy]; len(cs) > 3 {
		parts = append(parts, fmt.Sprintf("the other %d healthy", len(cs)))
	} else if len(cs) > 0 {
		parts = append(parts, strings.Join(names(cs), ", ")+" healthy")
	}
	line := strings.Join(parts, "; ")
	silence := !slices.ContainsFunc(conditions, func(c condition) bool { return c.answers })
	if whole && total > 1 && silence && !everybody(noEPMD) && !everybody(wrongCookie) && !everybody(wrongTLS) {
		return "no node answers: " + line
	}
	return line
}

func allHealthy(conditions []condition, findings []Finding) string {
	line := fmt.Sprintf("all %d nodes healthy", len(conditions))
	if len(conditions) == 1 {
		line = conditions[0].node.Short + " healthy"
	}
	unseen := 0
	for _, f := range findings {
		if f.Result == actions.NotAvailable {
			unseen++
		}
	}
	if unseen > 0 {
		line += fmt.Sprintf(", as far as can be seen: %s not available", plural(unseen, "check"))
	}
	return line
}

func names(cs []condition) []string {
	words := make([]string, len(cs))
	for i, c := range cs {
		words[i] = c.node.Short
	}
	return words
}

func hostOf(n Node) string {
	_, host, _ := strings.Cut(n.Name, "@")
	return host
}

// hosts are those of the nodes, each once, in their order.
func hosts(cs []condition) []string {
	var found []string
	for _, c := range cs {
		if h := hostOf(c.node); !slices.Contains(found, h) {
			found = append(found, h)
		}
	}
	return found
}

func on(host string, cs []condition) []string {
	var found []string
	for _, c := range cs {
		if hostOf(c.node) == host {
			found = append(found, c.node.Short)
		}
	}
	return found
}

func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
