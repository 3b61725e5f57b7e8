package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"irisops/actions"
	"irisops/actions/lab"
)

type labCommand struct {
	Up     labUp     `cmd:"" help:"Bring a lab up and write a config that points at it."`
	Down   labDown   `cmd:"" help:"End every node of the lab, and its epmd."`
	Status labStatus `cmd:"" help:"Show the lab's nodes."`
	Kill   labKill   `cmd:"" help:"kill -9 one node."`
	Pause  labPause  `cmd:"" help:"Freeze one node: it is there and does not answer."`
	Resume labResume `cmd:"" help:"Thaw a frozen node."`

	Partition labPartition `cmd:"" help:"Cut the network between two nodes, and what goes with each."`
	Heal      labHeal      `cmd:"" help:"Join the network again. Mnesia stays divided where both sides ran on."`
}

type labDir struct {
	Dir string `required:"" help:"The lab's folder."`
}

type labNode struct {
	labDir
	Node string `arg:"" help:"A short name: core (of several core1, core2), edge1."`
}

type labUp struct {
	labDir
	Suffix   string `help:"Goes into every node name, so that labs live side by side. Default: random."`
	Port     int    `help:"Client port of edge1; the others follow it. Default: free ones."`
	EPMDPort int    `name:"epmd-port" help:"Port of the lab's own epmd. Default: a free one."`
	Cores    *int   `help:"How many cores. A further one begins empty and joins the first. Default: 1."`
	Edges    *int   `help:"How many edges. Default: 2."`
}

// Help is what irisops lab up --help tells beside the flags.
func (labUp) Help() string {
	return typed(`The lab's folder is for the account alone that brings it up, its config and its socket too: only that account, and root, reach an irisops that runs with it, and they may only look.

To act over the socket, as a person would, from another account of this machine: copy the config to a file of your own, which "lab up" does not write again, and change there
  socket:  to {path: /run/irisops-lab/irisops.sock, group: GROUP}, in a folder made before with: install -d -m 0750 -o YOU -g GROUP /run/irisops-lab
  people:  give operator and second each a unix: ACCOUNT, both members of GROUP.
Then: irisops run --config COPY, and from those accounts: irisops ctl --socket /run/irisops-lab/irisops.sock status`)
}

func (c labUp) Run(ctx context.Context, s streams) error {
	cores, err := asked("cores", c.Cores, lab.MaxCores)
	if err != nil {
		return err
	}
	edges, err := asked("edges", c.Edges, lab.MaxEdges)
	if err != nil {
		return err
	}
	l, err := lab.Up(ctx, lab.Options{Dir: c.Dir, Suffix: c.Suffix, Port: c.Port, EPMDPort: c.EPMDPort, Cores: cores, Edges: edges},
		func(line string) { fmt.Fprintln(s.out, line) })
	if err != nil {
		return err
	}
	config := shellWord(l.ConfigFile())
	say(s.out, `The lab is up. Its config: %s
Talk to it as four people:  irisops demo --dir %s
Or beside it, as a service: irisops run --config %s
  and in another terminal:  irisops ctl --config %s status
The account that irisops runs as, and root, may only look there, and break glass. How others get in: irisops lab up --help
`, l.ConfigFile(), shellWord(l.Dir()), config, config)
	return printLab(ctx, l, s)
}

// asked is how many of something a lab is to have; 0 is as many as it has, or as
// usual, and nobody can ask for that.
func asked(what string, n *int, most int) (int, error) {
	switch {
	case n == nil:
		return 0, nil
	case *n < 1 || *n > most:
		return 0, &actions.Error{Code: "usage", Text: fmt.Sprintf("A lab has 1 to %d %s, not %d.", most, what, *n), Hint: "See: irisops lab up --help"}
	}
	return *n, nil
}

type labDown struct{ labDir }

func (c labDown) Run(ctx context.Context, s streams) error {
	l, err := lab.Open(c.Dir)
	if err != nil {
		return err
	}
	if err := l.Down(ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "The lab in %s is down. Its data stays there.\n", l.Dir())
	return err
}

type labStatus struct{ labDir }

func (c labStatus) Run(ctx context.Context, s streams) error {
	l, err := lab.Open(c.Dir)
	if err != nil {
		return err
	}
	return printLab(ctx, l, s)
}

func printLab(ctx context.Context, l *lab.Lab, s streams) error {
	st, err := l.Status(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tSTATE\tPID\tPORT\tNAME")
	for _, n := range st.Nodes {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", n.Short, n.State, number(n.PID), number(n.Port), n.Name)
	}
	fmt.Fprintf(w, "epmd\t%s\t%s\t%d\t\n", map[bool]string{true: "running", false: "down"}[st.EPMD != 0], number(st.EPMD), st.EPMDPort)
	return w.Flush()
}

func number(n int) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

type (
	labKill   struct{ labNode }
	labPause  struct{ labNode }
	labResume struct{ labNode }
)

func (c labKill) Run(ctx context.Context, s streams) error {
	return c.do(ctx, s, (*lab.Lab).Kill, "killed")
}

func (c labPause) Run(ctx context.Context, s streams) error {
	return c.do(ctx, s, (*lab.Lab).Pause, "paused")
}

func (c labResume) Run(ctx context.Context, s streams) error {
	return c.do(ctx, s, (*lab.Lab).Resume, "resumed")
}

func (c labNode) do(ctx context.Context, s streams, what func(*lab.Lab, context.Context, string) error, done string) error {
	l, err := lab.Open(c.Dir)
	if err != nil {
		return err
	}
	if err := what(l, ctx, c.Node); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "%s is %s.\n", c.Node, done)
	return err
}

type labPartition struct {
	labDir
	One   string `arg:"" name:"node" help:"One side: a short name, or several joined by commas: core1,edge1."`
	Other string `arg:"" name:"other-node" help:"The other side. An edge that is on neither goes with its core; whatever else, with the first side that has a core."`
}

func (c labPartition) Run(ctx context.Context, s streams) error {
	l, err := lab.Open(c.Dir)
	if err != nil {
		return err
	}
	views, err := l.Partition(ctx, strings.Split(c.One, ","), strings.Split(c.Other, ","))
	if err != nil {
		return err
	}
	say(s.out, "%s and %s are cut off from each other. irisops still reaches both sides.\n", c.One, c.Other)
	printViews(s, views)
	return say(s.out, "Join them again with: irisops lab heal --dir %s\n", shellWord(l.Dir()))
}

type labHeal struct{ labDir }

func (c labHeal) Run(ctx context.Context, s streams) error {
	l, err := lab.Open(c.Dir)
	if err != nil {
		return err
	}
	views, err := l.Heal(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(s.out, "Every node sees all the others.")
	printViews(s, views)
	if slices.ContainsFunc(views, alone(views)) {
		fmt.Fprintln(s.out, "Mnesia stays in two: that is a split-brain, and a person decides whose data stay. Say to irisops: recover split-brain")
	}
	return nil
}

// alone says of a core that its Mnesia runs without a core that it sees.
func alone(views []lab.View) func(lab.View) bool {
	return func(v lab.View) bool {
		return v.Role == lab.Core && slices.ContainsFunc(views, func(other lab.View) bool {
			return other.Role == lab.Core && slices.Contains(v.Sees, other.Short) && !slices.Contains(v.Mnesia, other.Short)
		})
	}
}

func printViews(s streams, views []lab.View) {
	for _, v := range views {
		fmt.Fprintf(s.out, "  %s\n", v)
	}
}
