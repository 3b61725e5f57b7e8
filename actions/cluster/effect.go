package cluster

import (
	"fmt"
	"strings"

	"irisops/actions"
)

// verbs of the actions that start and stop nodes.
type operation string

const (
	opStart   operation = "start"
	opStop    operation = "stop"
	opRestart operation = "restart"
)

func (o operation) stops() bool  { return o != opStart }
func (o operation) starts() bool { return o != opStop }

// effect is the class of an operation by what it does to what is alive, and why.
// Starting stops nothing. Stopping or restarting the last live core, or more
// than half of the live edges, is harm. Nodes that could not be looked at are
// taken for alive where they are stopped, and for dead where they would be the
// ones that remain.
func effect(op operation, spec Spec, targets []Node, lives map[string]life) (actions.Class, string) {
	if !op.stops() {
		return actions.Do, "starting stops nothing"
	}
	hit := map[string]bool{}
	for _, n := range targets {
		l := lives[n.Short]
		hit[n.Short] = l.serves() || l.unseen != nil
	}
	count := func(r Role) (alive, hits []string) {
		for _, n := range spec.ByRole(r) {
			if hit[n.Short] {
				hits = append(hits, n.Short)
			}
			if hit[n.Short] || lives[n.Short].serves() {
				alive = append(alive, n.Short)
			}
		}
		return alive, hits
	}
	cores, hitCores := count(CoreRole)
	edges, hitEdges := count(EdgeRole)
	var harms, notes []string
	switch {
	case len(hitCores) == 0:
	case len(hitCores) == len(cores):
		what := "the last live core"
		if len(cores) > 1 {
			what = fmt.Sprintf("all %d live cores", len(cores))
		}
		harms = append(harms, fmt.Sprintf("%s %s %s: without %s no message is routed or kept",
			strings.Join(hitCores, ", "), verb(len(hitCores), "is", "are"), what, verb(len(hitCores), "it", "them")))
	default:
		notes = append(notes, fmt.Sprintf("%s is one of %d live cores", strings.Join(hitCores, ", "), len(cores)))
	}
	switch {
	case len(hitEdges) == 0:
	case 2*len(hitEdges) > len(edges):
		what := "the only live edge"
		if len(edges) > 1 {
			what = fmt.Sprintf("%d of %d live edges, more than half", len(hitEdges), len(edges))
		}
		harms = append(harms, fmt.Sprintf("%s %s %s: %s users lose their connection",
			strings.Join(hitEdges, ", "), verb(len(hitEdges), "is", "are"), what, verb(len(hitEdges), "its", "their")))
	default:
		notes = append(notes, fmt.Sprintf("%s is one of %d live edges", strings.Join(hitEdges, ", "), len(edges)))
	}
	if len(harms) > 0 {
		return actions.Harm, strings.Join(harms, "; ")
	}
	if len(notes) == 0 {
		return actions.Do, fmt.Sprintf("%s %s nobody now", strings.Join(shorts(targets), ", "), verb(len(targets), "serves", "serve"))
	}
	return actions.Do, strings.Join(notes, "; ")
}
