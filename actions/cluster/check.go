package cluster

import (
	"context"
	"fmt"
	"slices"
	"time"

	"irisops/actions"
)

// check asks one thing of one node. Each stands in a file of its own, and the
// lists of them in diagnose.go.
type check struct {
	name string // "ping"
	asks string // what it asks, for help: "does the node let us in and answer?"

	// role is where it makes sense; elsewhere it is "not applicable", and why
	// says so. Empty: everywhere.
	role Role
	why  string

	// silence is what it means that the check does not answer in time.
	silence actions.Level

	// run fills in Result, Evidence, Next and Code. It keeps to ctx; if it does
	// not, it is left behind and its silence counts.
	run func(ctx context.Context, c *Cluster, n Node) Finding
}

// lateness is how long after the deadline an answer is still taken: a check that
// keeps to its context uses it to say what it was waiting for.
const lateness = 100 * time.Millisecond

// examine makes the checks of all nodes at once. Whatever hangs, it answers
// within the deadline and lateness.
func (c *Cluster) examine(ctx context.Context, within time.Duration, nodes []Node, checks []check) []Finding {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	type answer struct {
		slot    int
		finding Finding
	}
	findings := make([]Finding, 0, len(nodes)*len(checks))
	answers := make(chan answer, cap(findings))
	waiting := 0
	for _, n := range nodes {
		for _, k := range checks {
			slot := len(findings)
			if k.role != "" && k.role != n.Role {
				findings = append(findings, Finding{Check: k.name, Node: n.Short, Result: actions.NotApplicable, Evidence: k.why})
				continue
			}
			findings = append(findings, Finding{Check: k.name, Node: n.Short, Result: k.silence, Code: actions.CodeHung,
				Evidence: fmt.Sprintf("no answer within %s", spoken(within))})
			waiting++
			go func() { answers <- answer{slot, k.run(ctx, c, n)} }()
		}
	}
	done, late := ctx.Done(), (<-chan time.Time)(nil)
	for waiting > 0 {
		select {
		case a := <-answers:
			a.finding.Check, a.finding.Node = findings[a.slot].Check, findings[a.slot].Node
			findings[a.slot] = a.finding
			waiting--
		case <-done:
			done, late = nil, time.After(lateness)
		case <-late:
			waiting = 0
		}
	}
	return slices.Clone(findings)
}

// found is a finding in the making.
func found(level actions.Level, format string, args ...any) Finding {
	return Finding{Result: level, Evidence: fmt.Sprintf(format, args...)}
}

func (f Finding) code(code string) Finding { f.Code = code; return f }

// next is what to type.
func (f Finding) next(words string) Finding { f.Next, f.typed = words, true; return f }

// byHand is what to do where no command of irisops helps.
func (f Finding) byHand(text string) Finding { f.Next = text; return f }

// words are what to type, or "".
func (f Finding) words() string {
	if !f.typed {
		return ""
	}
	return f.Next
}

// unseen is the finding of a check that could not be made at all.
func (c *Cluster) unseen(err error, what string) Finding {
	switch code := actions.CodeOf(err); {
	case silent(err):
		return found(actions.Unknown, "%s: no answer in time", what).code(actions.CodeHung)
	case code == actions.CodeNotHere, code == actions.CodeUndef:
		return found(actions.NotAvailable, "%s", c.mask.err(err)).code(code)
	default:
		return found(actions.Unknown, "%s: %s", what, c.mask.err(err)).code(code)
	}
}
