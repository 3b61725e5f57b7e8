package cluster

import (
	"context"
	"fmt"
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

	// cost is what the check takes of the node. Empty: cheap.
	cost cost

	// One of run, deep and outside is set. It fills in Result, Evidence, Next and Code. It
	// keeps to ctx; if it does not, it is left behind and its silence counts.
	// Deep checks ask the node itself, once it has answered; outside ones its host.
	run     func(ctx context.Context, c *Cluster, n Node) Finding
	deep    func(ctx context.Context, v *visit) Finding
	outside func(ctx context.Context, v *visit) Finding

	// join, if set, compares what the check found at all nodes, by the findings'
	// facts, and may change them.
	join func(c *Cluster, findings []*Finding)
}

// cost of a check to the node that it asks.
type cost string

const (
	cheap   cost = ""        // a few calls with small answers
	sampled cost = "sampled" // the same, twice or more, Options.Sample apart
	walk    cost = "walk"    // looks at many processes or keys, up to a bound, at low priority
)

// lateness is how long after the deadline an answer is still taken: a check that
// keeps to its context uses it to say what it was waiting for.
const lateness = 100 * time.Millisecond

// examine makes the checks of all nodes at once. Whatever hangs, it answers
// within the deadline and lateness.
func (c *Cluster) examine(ctx context.Context, within time.Duration, round []task) []Finding {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	type answer struct {
		slot    int
		finding Finding
	}
	total := 0
	for _, t := range round {
		total += len(t.checks)
	}
	findings := make([]Finding, 0, total)
	answers := make(chan answer, total)
	waiting := 0
	for _, t := range round {
		n, v := t.node, c.visit(t.node)
		for _, k := range t.checks {
			slot := len(findings)
			if k.role != "" && k.role != n.Role {
				findings = append(findings, Finding{Check: k.name, Node: n.Short, Result: actions.NotApplicable, Evidence: k.why})
				continue
			}
			findings = append(findings, Finding{Check: k.name, Node: n.Short, Result: k.silence, Code: actions.CodeHung,
				Evidence: fmt.Sprintf("no answer within %s", spoken(within))})
			waiting++
			go func() {
				switch {
				case k.deep != nil:
					answers <- answer{slot, v.look(ctx, k)}
				case k.outside != nil:
					answers <- answer{slot, k.outside(ctx, v)}
				default:
					answers <- answer{slot, k.run(ctx, c, n)}
				}
			}()
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
	join(c, round, findings)
	return findings
}

// join lets the checks that compare nodes do so.
func join(c *Cluster, round []task, findings []Finding) {
	done := map[string]bool{}
	for _, t := range round {
		for _, k := range t.checks {
			if k.join == nil || done[k.name] {
				continue
			}
			done[k.name] = true
			var of []*Finding
			for i := range findings {
				if findings[i].Check == k.name {
					of = append(of, &findings[i])
				}
			}
			k.join(c, of)
		}
	}
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
