package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// Name of the action.
const Name = "drill run"

// Params of the action.
func Params() []actions.Param {
	return []actions.Param{
		{Name: "node", Kind: actions.Node, Flag: true, Doc: "the victim; without it one is drawn", Example: "edge1"},
		{Name: "mode", Kind: actions.Choice, Choices: []string{string(Auto), string(Observe)}, Flag: true, Doc: "who recovers it: irisops (auto) or people (observe)", Example: string(Auto)},
		{Name: "fault", Kind: actions.Choice, Choices: []string{string(Kill), string(Pause), string(Block), string(Partition)}, Flag: true, Doc: "kill -9, SIGSTOP, an edge's port that refuses clients, or a core cut off from the others (labs only)", Example: string(Kill)},
		{Name: "seed", Kind: actions.Count, Flag: true, Doc: "of the draw, to repeat one", Example: "7"},
	}
}

// Action is the drill as something that can be asked for.
func (d *Drill) Action() actions.Action {
	return actions.Action{Name: Name, Params: Params(), Plan: d.Plan}
}

// Plan works a drill out. What was drawn, and when it is, is bound to the
// request. It is refused where the steady state is not given.
func (d *Drill) Plan(ctx context.Context, req actions.Request) (actions.Plan, error) {
	if Fault(req.Args["fault"]) == Partition && req.Agreed == 0 {
		if err := d.mayPart(req.By); err != nil {
			return actions.Plan{}, err
		}
	}
	r, err := d.draft(req)
	if err != nil {
		return actions.Plan{}, err
	}
	var settle []string // what giving up data takes
	if req.Agreed == 0 {
		if r.Fault == Partition {
			if settle, err = d.partable(ctx, r); err != nil {
				return actions.Plan{}, err
			}
		}
		if n, _ := d.node(r.Victim); r.Fault == Block && n.Role != cluster.EdgeRole {
			return actions.Plan{}, &actions.Error{Code: "not-blocked", Text: fmt.Sprintf("%s is a core: only an edge has a port for clients.", r.Victim), Hint: "Name an edge, or none: then one is drawn."}
		}
		if r.Fault == Block {
			if _, err := d.Field.Blocked(ctx, r.Victim); err != nil {
				return actions.Plan{}, &actions.Error{Code: "not-blocked", Text: fmt.Sprintf("The port of %s cannot be blocked: %v", r.Victim, err), Hint: "`--fault kill` and `--fault pause` work on every node.", Err: err}
			}
		}
		if bad := failing(d.Steady(ctx, r.Victim, req.Now, false)); len(bad) > 0 {
			return actions.Plan{}, &actions.Error{Code: "not-steady", Text: "There is no drill now: " + strings.Join(bad, "; ") + ".", Hint: "`drill plan` shows all of it."}
		}
	}
	n, _ := d.node(r.Victim)
	p := actions.Plan{
		Title:   fmt.Sprintf("DRILL: %s %s, recovered by %s", r.Fault, r.Victim, recoverer(r.Mode)),
		Class:   actions.Harm,
		Why:     fmt.Sprintf("it takes %s away from its clients on purpose", r.Victim),
		Targets: []string{d.Cluster + "/drill"},
		Bound: map[string]string{"node": r.Victim, "seed": strconv.FormatUint(r.Seed, 10), "at": r.At.Format(time.RFC3339),
			"mode": string(r.Mode), "fault": string(r.Fault), "drawn": strconv.FormatBool(len(r.Draw) > 0)},
		Until: r.At,
	}
	if d.Notice < usualPatience {
		p.Until = time.Time{} // as every request; it begins when it is agreed to
	}
	describe := r.Method[1]
	if r.Fault == Partition {
		// The settlement is a run of its own, which locks every node; so nobody has them
		// before it.
		p.Title += fmt.Sprintf("; %s gives up its data for that of %s", r.Victim, d.others(r.Victim))
		p.Why = fmt.Sprintf("it parts %s from %s on purpose, and what only %s has by then is lost, but for messages and revoked tokens", r.Victim, d.others(r.Victim), r.Victim)
		p.Bound["loser"] = r.Victim
		describe += fmt.Sprintf("; in the end `recover split-brain --loser %s`", r.Victim)
	} else if r.Mode == Auto {
		p.Targets = append(p.Targets, n.Key()) // else people have to be able to work on it
	}
	p.Preview = append([]string{fmt.Sprintf("%s at %s UTC, %s", r.Victim, r.At.Format("15:04:05"), drawn(r))}, r.Method...)
	p.Preview = append(p.Preview, settle...)
	x := &exercise{d: d, r: r, resumed: req.Agreed != 0}
	p.Steps = []actions.Step{
		{Name: "wait for the announced time", Describe: "until " + r.At.Format(time.RFC3339), Timeout: d.Notice + 2*time.Minute, Perform: x.wait},
		{Name: "steady state", Describe: "no incident, a fresh backup, cores survive, clients served, two green diagnoses in a row", Timeout: 2 * time.Minute, Perform: x.preflight},
		{Name: "strike, watch and recover", Describe: describe, Timeout: d.Limit + 2*d.Rollback + 2*time.Minute, Perform: x.perform, Check: x.check},
	}
	return p, nil
}

// usualPatience is how long any request waits for agreement.
const usualPatience = 10 * time.Minute

func recoverer(m Mode) string {
	if m == Observe {
		return "people"
	}
	return "irisops"
}

// drawn says how the victim was found.
func drawn(r Record) string {
	if len(r.Draw) == 0 {
		return "as it was named"
	}
	var parts []string
	for _, c := range r.Draw {
		parts = append(parts, fmt.Sprintf("%s %g (%s)", c.Node, c.Weight, c.Why))
	}
	return fmt.Sprintf("drawn by the seed %d from %s", r.Seed, strings.Join(parts, ", "))
}

// draft is the drill that the request means, before anything was done.
func (d *Drill) draft(req actions.Request) (Record, error) {
	r := Record{Schema: 1, Cluster: d.Cluster, By: req.By, Mode: Mode(first(req.Args["mode"], string(d.Mode))), Fault: Fault(first(req.Args["fault"], string(Kill))),
		Limit: Of(d.Limit), Verdict: Planned, Rollbacks: []Rollback{}, Stages: []Stage{}}
	past, err := d.Desk.Past()
	if err != nil {
		return r, err
	}
	if req.Args["node"] == "" {
		r.Seed = rand.Uint64N(1 << 31)
	}
	if text := req.Args["seed"]; text != "" {
		if r.Seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			return r, actions.Errorf("bad-value", "The seed %q is no whole number.", text)
		}
	}
	may, why := d.Candidates()
	if r.Fault == Partition {
		may = slices.DeleteFunc(may, func(short string) bool { n, _ := d.node(short); return n.Role != cluster.CoreRole })
	}
	if r.Fault == Block {
		may = slices.DeleteFunc(may, func(short string) bool { n, _ := d.node(short); return n.Role != cluster.EdgeRole })
	}
	r.At = req.Now.UTC().Add(d.Notice).Truncate(time.Second)
	if text := req.Args["at"]; text != "" {
		if r.At, err = time.Parse(time.RFC3339, text); err != nil {
			return r, actions.Errorf("bad-value", "%q is no time.", text)
		}
		r.At = r.At.UTC()
	}
	r.Victim = req.Args["node"]
	if r.Victim == "" || req.Args["drawn"] == "true" {
		r.Draw = Weigh(may, past, r.At) // the same whenever it is planned
	}
	if r.Victim == "" {
		if r.Victim, err = Choose(r.Draw, r.Seed); err != nil {
			return r, err
		}
	} else if n, ok := d.named(r.Victim); !ok {
		return r, &actions.Error{Code: actions.CodeNoSuchNode, Text: fmt.Sprintf("%s has no node %q.", d.Cluster, r.Victim), Hint: "`drill plan` lists who takes part."}
	} else if r.Victim = n.Short; why[n.Short] != "" && req.Agreed == 0 {
		return r, &actions.Error{Code: "not-drilled", Text: fmt.Sprintf("%s is not drilled: %s.", n.Short, why[n.Short]), Hint: "`drill plan` lists who takes part."}
	}
	r.ID = IDOf(r.At, r.Victim)
	for _, n := range d.Nodes {
		if n.Short != r.Victim && Weigh([]string{n.Short}, past, req.Now)[0].Why == "never drilled" {
			r.Never = append(r.Never, n.Short)
		}
	}
	r.Method = d.method(r)
	return r, nil
}

func (d *Drill) named(name string) (cluster.Node, bool) {
	nodes, err := (cluster.Spec{Name: d.Cluster, Nodes: d.Nodes}).Select(name)
	if err != nil || len(nodes) != 1 {
		return cluster.Node{}, false
	}
	return nodes[0], true
}

// method is what is done, for people and for the record.
func (d *Drill) method(r Record) []string {
	what := "kill -9 of exactly the process of " + r.Victim
	if r.Fault == Pause {
		what = "SIGSTOP to exactly the process of " + r.Victim
	}
	if r.Fault == Block {
		what = "the listener of " + r.Victim + " is stopped by its own supervisor: the node runs on, clients are refused, and those connected lose their connection"
	}
	then := "irisops restarts it: its log is renamed first, each step is verified"
	if r.Mode == Observe {
		then = "people recover it; watch declares and pages as usual, marked DRILL"
	}
	early, agreed := "recovered", []string(nil)
	if r.Fault == Partition {
		what = fmt.Sprintf("%s, with the edges attached to it, and %s are cut off from each other, as by a broken line: both sides run on, and irisops reaches both", r.Victim, d.others(r.Victim))
		then = "irisops joins them again, and settles the split that Mnesia is left with, as a run of its own that locks every node"
		if r.Mode == Observe {
			then = "people join them again (`irisops lab heal`) and settle the split that Mnesia is left with (`recover split-brain`); watch declares and pages as usual, marked DRILL"
		}
		early, agreed = "joined again and settled", d.givesUp(r.Victim)
	}
	return slices.Concat([]string{
		"the steady state is looked at once more: two green diagnoses in a row",
		what + "; looked at every " + spoken(d.Every) + " until clients are served again",
		then,
	}, agreed, []string{
		fmt.Sprintf("after %s, an abort, a halt, a real incident, a second node that fails, or clients outside of %s that are not served in time: %s at once by irisops", spoken(d.Limit), r.Victim, early),
		"whatever happens, at the end everything has to serve again; if not, that is an incident and pages",
	})
}
