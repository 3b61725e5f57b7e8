package watch

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/bot/incident"
)

// Causes that are not of one node or one check.
const (
	causeOutage    = "outage"
	causePartition = "partition"
	causeMesh      = "mesh"
	causeLatency   = "latency"
	causeOffline   = "offline messages"
	causeDelivery  = "delivery"
	causeBlind     = "blind"
)

// Symptoms are what is wrong in the last of the rounds, which are those of the
// window, the oldest first. Each cause stands there once, the gravest first.
func Symptoms(rounds []Round, rules Rules) []Symptom {
	if len(rounds) == 0 {
		return nil
	}
	w := &look{rounds: rounds, last: rounds[len(rounds)-1], rules: rules.withDefaults()}
	w.nodes()
	w.outage()
	w.clients()
	w.findings()
	slices.SortStableFunc(w.found, func(a, b Symptom) int { return strings.Compare(string(a.Priority), string(b.Priority)) })
	return w.found
}

// look is the work on one round.
type look struct {
	rounds []Round
	last   Round
	rules  Rules
	found  []Symptom

	gone    []string // nodes that do not serve; what else is said of them follows from it
	edges   int
	refused int // edges that do
	out     bool
}

func (w *look) add(s Symptom) { w.found = append(w.found, s) }

// nodes finds those that are gone, and those that only irisops cannot see into.
func (w *look) nodes() {
	var blind []string
	why := ""
	for _, s := range w.last.Nodes {
		edge := s.Role == cluster.EdgeRole
		if edge {
			w.edges++
		}
		served := edge && !s.Untried && s.Login > 0
		locked := s.Code == actions.CodeWrongCookie || s.Code == actions.CodeTLS || s.Code == actions.CodeNoEPMD
		switch {
		case edge && !s.Untried && !served:
			w.refused++
			w.gone = append(w.gone, s.Node)
			w.add(goneSymptom(s))
		case s.Answers:
		case served, locked && s.Process != cluster.Gone && s.Process != cluster.Halted:
			blind = append(blind, s.Node)
			why = first(why, s.Why, s.Node+" does not answer irisops")
		default:
			w.gone = append(w.gone, s.Node)
			w.add(goneSymptom(s))
		}
	}
	if len(blind) > 0 {
		w.add(Symptom{Cause: causeBlind, Priority: incident.P2, Nodes: blind,
			Title: "irisops cannot see into " + listed(blind) + ", which may well serve clients", Seen: why})
	}
}

func goneSymptom(s cluster.Sight) Symptom {
	title := s.Node + " is gone"
	seen := first(s.Why, s.Trouble, s.Node+" does not answer")
	if s.Answers {
		title = s.Node + " lets no client in"
		seen = first(s.Trouble, seen)
	}
	return Symptom{Cause: "node/" + s.Node, Priority: incident.P1, Title: title, Seen: seen, Nodes: []string{s.Node}}
}

// outage is when nobody can connect, or nobody is connected any more. It explains
// every node that is gone.
func (w *look) outage() {
	seen := ""
	switch {
	case w.edges > 0 && w.refused == w.edges:
		seen = w.whyRefused()
	default:
		had, ok := w.mostUsers()
		if !ok || had < w.rules.Connections || w.last.Users == nil || *w.last.Users > 0 {
			return
		}
		seen = fmt.Sprintf("no user is connected any more; there were %d within %s", had, spoken(w.rules.Window))
	}
	w.out = true
	w.found = slices.DeleteFunc(w.found, func(s Symptom) bool { return strings.HasPrefix(s.Cause, "node/") })
	w.add(Symptom{Cause: causeOutage, Priority: incident.P0, Title: "no clients can connect", Seen: seen})
}

// whyRefused is that no edge lets a client in, and which nodes do not answer: a
// core that hangs takes every login with it.
func (w *look) whyRefused() string {
	var silent []string
	for _, s := range w.last.Nodes {
		if !s.Answers {
			silent = append(silent, first(s.Why, s.Node+" does not answer"))
		}
	}
	switch {
	case len(silent) == len(w.last.Nodes):
		return "no node answers, and no edge lets a client in"
	case len(silent) > 0:
		return "no edge lets a client in; " + strings.Join(silent[:min(len(silent), 3)], "; ")
	}
	return "no edge lets a client in, though all nodes answer"
}

func (w *look) mostUsers() (most int64, known bool) {
	for _, r := range w.rounds {
		if r.Users != nil {
			most, known = max(most, *r.Users), true
		}
	}
	return most, known
}

// clients is what they notice: slowness, messages that do not come, or that wait.
func (w *look) clients() {
	if slow := w.slowest(); slow > w.rules.Latency {
		if l := latencyOf(w.rounds); l.P99 > w.rules.Latency {
			w.add(Symptom{Cause: causeLatency, Priority: incident.P1, Title: fmt.Sprintf("logins and messages are slow: p99 over %s", spoken(w.rules.Latency)),
				Seen: fmt.Sprintf("p99 %s, p50 %s over %s; slowest now %s", spoken(l.P99), spoken(l.P50), spoken(w.rules.Window), spoken(slow))})
		}
	}
	var lost []string
	trouble := ""
	for _, s := range w.last.Nodes {
		if s.Role == cluster.EdgeRole && !s.Untried && s.Login > 0 && s.Delivery == 0 {
			lost = append(lost, s.Node)
			trouble = first(trouble, s.Trouble)
		}
	}
	if len(lost) > 0 {
		w.add(Symptom{Cause: causeDelivery, Priority: incident.P2, Title: "messages are not delivered on " + listed(lost), Seen: first(trouble, "the probe's message did not come"), Nodes: lost})
	}
	w.mail()
}

// slowest is the slowest probe of this round: one slow probe alone stays in the
// window for long, and is no trouble any more.
func (w *look) slowest() time.Duration {
	if all := w.last.samples(); len(all) > 0 {
		return slices.Max(all)
	}
	return 0
}

// mail is growth that does not drain: what came within the window is still
// there.
func (w *look) mail() {
	stuck := w.worst(func(f cluster.Finding) bool { return f.Code == "stuck-user" })
	least, most := int64(-1), int64(0)
	for _, r := range w.rounds {
		if r.Waiting == nil {
			continue
		}
		if least < 0 || *r.Waiting < least {
			least = *r.Waiting
		}
		most = max(most, *r.Waiting)
	}
	now := w.last.Waiting
	grown := now != nil && least >= 0 && *now-least >= w.rules.Growth && *now*10 >= most*9
	switch {
	case grown:
		seen := fmt.Sprintf("%d wait, %d more than within the last %s", *now, *now-least, spoken(w.rules.Window))
		if stuck != nil {
			seen += "; " + stuck.Evidence
		}
		w.add(Symptom{Cause: causeOffline, Priority: incident.P2, Title: "offline messages grow and do not drain", Seen: seen})
	case stuck != nil:
		w.add(Symptom{Cause: causeOffline, Priority: incident.P2, Title: "offline messages are stuck for one user", Seen: stuck.Evidence})
	}
}

// worst is the gravest finding of that kind about a node that is there.
func (w *look) worst(of func(cluster.Finding) bool) *cluster.Finding {
	var found *cluster.Finding
	for _, f := range w.last.Findings {
		if !w.counts(f) || !of(f) {
			continue
		}
		if found == nil || f.Result == actions.Critical && found.Result != actions.Critical {
			found = &f
		}
	}
	return found
}

// counts says whether a finding is trouble of its own.
func (w *look) counts(f cluster.Finding) bool {
	return (f.Result == actions.Warn || f.Result == actions.Critical) && !f.Follows() && !slices.Contains(w.gone, f.Node)
}

// told are the checks whose findings the nodes and clients tell already.
var told = []string{"epmd", "process", "port", "ping", "application", "presence"}

// families are checks that find one cause in several ways.
var families = map[string]string{
	"memory": "memory", "binaries": "memory",
	"mnesia": "mnesia", "tables": "mnesia", "views": "mnesia",
	"mnesia overload": "mnesia overload", "batcher": "mnesia overload", "flow controller": "mnesia overload",
}

// findings are what is left: the split, the mesh, and any check that warns (P3)
// or is critical (P2), a symptom for each family of checks.
func (w *look) findings() {
	if f := w.worst(cluster.Finding.Split); f != nil {
		w.add(Symptom{Cause: causePartition, Priority: incident.P1, Title: "the cores are split: their databases diverge", Seen: f.Node + ": " + f.Evidence})
	}
	w.mesh()
	var order []string
	worst := map[string]cluster.Finding{}
	nodes := map[string][]string{}
	for _, f := range w.last.Findings {
		if !w.counts(f) || f.Split() || f.Apart() || f.Code == "stuck-user" || slices.Contains(told, f.Check) {
			continue
		}
		family := first(families[f.Check], f.Check)
		if f.Check == "host" {
			family = "host " + first(f.Code, "trouble")
		}
		if _, known := worst[family]; !known {
			order = append(order, family)
		}
		if old, known := worst[family]; !known || f.Result == actions.Critical && old.Result != actions.Critical {
			worst[family] = f
		}
		if !slices.Contains(nodes[family], f.Node) {
			nodes[family] = append(nodes[family], f.Node)
		}
	}
	for _, family := range order {
		f := worst[family]
		priority, word := incident.P3, "warning"
		if f.Result == actions.Critical {
			priority, word = incident.P2, "critical"
		}
		what := f.Check
		if f.Check == "host" && f.Code == actions.CodeDiskFull {
			what = "disk space"
		}
		w.add(Symptom{Cause: "check/" + family, Priority: priority, Nodes: nodes[family],
			Title: fmt.Sprintf("%s on %s: %s", what, listed(nodes[family]), word), Seen: f.Node + ": " + f.Evidence})
	}
}

// mesh is nodes that are all there, and not connected. While one is gone, the
// others miss it and that is no trouble of its own.
func (w *look) mesh() {
	if len(w.gone) > 0 || slices.ContainsFunc(w.found, func(s Symptom) bool { return s.Cause == causePartition || s.Cause == causeBlind }) {
		return
	}
	var apart []string
	seen := ""
	for _, f := range w.last.Findings {
		if f.Apart() {
			apart = append(apart, f.Node)
			seen = first(seen, f.Node+" is "+f.Evidence)
		}
	}
	if len(apart) > 0 {
		w.add(Symptom{Cause: causeMesh, Priority: incident.P1, Nodes: apart, Title: listed(apart) + " lost the connection to the core", Seen: seen})
	}
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func listed(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

func spoken(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return strings.Replace(fmt.Sprintf("%.1f s", d.Seconds()), ".0 s", " s", 1)
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Minutes())
}
