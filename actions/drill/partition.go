package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// A partition leaves more behind than a node that is down: both sides run on, and
// what they write diverges. So its drill ends as a real one does, by the procedure
// that settles a split-brain, in which one side gives up its data. Which side that
// is, and what it loses, stands in the plan of the drill and is agreed to with it.

// Parter cuts nodes off from each other, as a broken line would, and joins them
// again. irisops reaches all of them meanwhile.
type Parter interface {
	// Part cuts off the core, with the edges that are attached to it, and says which
	// nodes are on its side by then.
	Part(ctx context.Context, core string) (side []string, seen string, err error)
	// Heal joins whatever is cut off. Where nothing is, it changes nothing.
	Heal(ctx context.Context) (seen string, err error)
}

// bySchedule begins who asks, where nobody does but the calendar.
const bySchedule = "schedule:"

const (
	codeNotParted = "not-parted"
	codeBusy      = "busy" // of the store: another run works on a node
)

// otherFaults need no second core and no lab.
const otherFaults = "`--fault kill` and `--fault pause` work on every node."

// mayPart is why no core of the cluster is parted from the others, whichever.
func (d *Drill) mayPart(by string) error {
	switch {
	case strings.HasPrefix(by, bySchedule):
		return &actions.Error{Code: codeNotParted, Text: "The calendar never parts cores: in the end one of them gives up data, and a person has to want that.",
			Hint: "An operator asks for it: `drill run --fault partition`."}
	case d.cores() < 2:
		return &actions.Error{Code: codeNotParted, Text: fmt.Sprintf("%s has one core: there is none that it could be parted from.", d.Cluster),
			Hint: otherFaults + " A lab with two cores: `irisops lab up --cores 2`."}
	case d.Parter == nil:
		return &actions.Error{Code: codeNotParted, Text: fmt.Sprintf("The nodes of %s cannot be parted from here: irisops parts those of a lab only, and touches neither a network nor what nodes trust anywhere else.", d.Cluster),
			Hint: otherFaults + " A lab to practise a split-brain on: `irisops lab up --cores 2`."}
	}
	return nil
}

// partable is why the victim cannot be parted; the lines are what giving up its
// data takes.
func (d *Drill) partable(ctx context.Context, r Record) ([]string, error) {
	if n, _ := d.node(r.Victim); n.Role != cluster.CoreRole {
		return nil, &actions.Error{Code: codeNotParted, Text: fmt.Sprintf("%s is an edge: only a core is parted from the others.", r.Victim),
			Hint: "Name a core, or no node: then a core is drawn. " + otherFaults}
	}
	lines, err := d.Field.Settleable(ctx, r.Victim)
	if err != nil {
		return nil, &actions.Error{Code: codeNotParted, Text: fmt.Sprintf("%s is not parted, because the split could not be settled afterwards: %v", r.Victim, err), Hint: "Mend that first, and ask once more.", Err: err}
	}
	return lines, nil
}

// others are the cores beside the victim: the side that keeps its data.
func (d *Drill) others(victim string) string {
	var shorts []string
	for _, n := range d.Nodes {
		if n.Role == cluster.CoreRole && n.Short != victim {
			shorts = append(shorts, n.Short)
		}
	}
	if len(shorts) < 2 {
		return strings.Join(shorts, "")
	}
	return strings.Join(shorts[:len(shorts)-1], ", ") + " and " + shorts[len(shorts)-1]
}

// givesUp is what is agreed to beside the fault.
func (d *Drill) givesUp(victim string) []string {
	return []string{
		fmt.Sprintf("agreed to with this drill: where Mnesia ran apart, `recover split-brain --loser %s` is carried out, in which %s gives up its data for that of %s", victim, victim, d.others(victim)),
		fmt.Sprintf("before that both sides are backed up, and the messages stored on %s since and all its revoked tokens are exported; its data are copied aside; afterwards what was exported is merged", victim),
		fmt.Sprintf("lost is what %s alone has by then of last seen, presence and the log of duplicates (the backups have it); messages that its users have read since may come a second time", victim),
	}
}

// afresh is how long what a partition has disturbed may take to be one again,
// before that counts as a failure.
const afresh = 30 * time.Second

// passing are failures of a settlement that end by themselves, as long as nodes
// still find each other, or a person's action is under way.
var passing = []string{"views-differ", "parted", codeBusy}

// rejoin joins the network, and settles the split that there was.
func (d *Drill) rejoin(ctx context.Context, r Record) (string, error) {
	healed, err := d.heal(ctx)
	if err != nil {
		return healed, err
	}
	settled, err := d.settle(ctx, r)
	return healed + "; " + settled, err
}

func (d *Drill) heal(ctx context.Context) (seen string, err error) {
	if d.Parter == nil {
		return "", errors.New("nothing here joins nodes any more: the config has lost the lab")
	}
	err = d.again(ctx, func(error) bool { return true }, func() error { seen, err = d.Parter.Heal(ctx); return err })
	return seen, err
}

func (d *Drill) settle(ctx context.Context, r Record) (seen string, err error) {
	err = d.again(ctx, func(err error) bool { return slices.Contains(passing, actions.CodeOf(err)) },
		func() error { seen, err = d.Desk.Settle(ctx, r); return err })
	return seen, err
}

// again tries until it works, or fails for good. A person's action may keep it
// waiting until ctx ends; everything else for a while only.
func (d *Drill) again(ctx context.Context, worth func(error) bool, try func() error) error {
	until := time.Now().Add(afresh)
	tick := time.NewTicker(d.Every)
	defer tick.Stop()
	for {
		err := try()
		if err == nil || !worth(err) || actions.CodeOf(err) != codeBusy && time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// apart says whether cores do not see each other, and whether they diverge: that
// lasts when they see each other again.
func (x *exercise) apart(o cluster.Observation) (parted, split bool) {
	if x.r.Fault != Partition {
		return false, false
	}
	for _, f := range o.Findings {
		n, _ := x.d.node(f.Node)
		parted = parted || n.Role == cluster.CoreRole && f.Apart()
		split = split || f.Split()
	}
	return parted, split
}

// cutOff says whether a node is on the side of the victim.
func (r Record) cutOff(node string) bool { return node == r.Victim || slices.Contains(r.Side, node) }
