package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// side is the cores whose Mnesias run with each other, in the config's order.
type side []Node

func (s side) String() string { return listed(shorts(s)) }

func (s side) has(short string) bool {
	return slices.ContainsFunc(s, func(n Node) bool { return n.Short == short })
}

// sides are the groups of cores as Mnesia sees them now; one if it is not split.
// nodes() says nothing of that: after the network has healed it is full. Every
// core has to answer, for data are given up here: one that does not may hold what
// nobody else has.
func (c *Cluster) sides(ctx context.Context) ([]side, error) {
	cores := c.ByRole(CoreRole)
	if len(cores) < 2 {
		return nil, &actions.Error{Code: "nothing-to-do", Text: fmt.Sprintf("%s has %s: nothing there can be split.", c.Name, plural(len(cores), "core")),
			Hint: "Say `diagnose` for what is wrong there, and `recover NODE` for a node that is down."}
	}
	type answer struct {
		members, running []string
		err              error
	}
	answers := each(cores, func(n Node) (a answer) {
		ctx, cancel := c.brief(ctx)
		defer cancel()
		a.members, a.running, a.err = c.mnesiaView(ctx, n)
		return a
	})
	names := make([]string, len(cores))
	for i, n := range cores {
		names[i] = n.Name
		if err := answers[i].err; err != nil {
			return nil, &actions.Error{Code: "core-silent", Err: err, Hint: "Say `diagnose`; let that core answer first.",
				Text: fmt.Sprintf("%s cannot be asked: it %s. Every core has to answer before data of any of them are given up. Nothing was done.", n.Short, c.silence(n, err))}
		}
	}
	for i, n := range cores {
		for _, m := range answers[i].members {
			if !slices.Contains(names, m) {
				return nil, &actions.Error{Code: "core-unknown", Hint: "Put it under nodes in the config, so that it is asked too.",
					Text: fmt.Sprintf("%s has a member that the config does not know: %s. It may hold what nobody else has. Nothing was done.", n.Short, m)}
			}
		}
		if len(answers[i].members) < len(cores) {
			return nil, &actions.Error{Code: "two-databases", Hint: "Look with `mnesia`.",
				Text: fmt.Sprintf("Mnesia on %s knows %s as members only: these are separate databases, not one that is split. Nothing was done.", n.Short, c.shortNames(answers[i].members))}
		}
	}
	var found []side
	for i, n := range cores {
		s := slices.IndexFunc(found, func(s side) bool { return slices.Contains(answers[i].running, s[0].Name) })
		if s < 0 {
			found = append(found, side{n})
			continue
		}
		found[s] = append(found[s], n)
	}
	for _, s := range found {
		for _, n := range s {
			want := sorted(fullNames(s))
			if got := sorted(answers[slices.IndexFunc(cores, func(o Node) bool { return o.Short == n.Short })].running); !slices.Equal(got, want) {
				return nil, &actions.Error{Code: "views-differ", Hint: "It may still be changing: ask again. `mnesia` shows each core's view.",
					Text: fmt.Sprintf("Mnesia on %s runs with %s, but these do not all see it so: the sides are not clear. Nothing was done.", n.Short, c.shortNames(got))}
			}
		}
	}
	return found, nil
}

// reach is an error unless the cores of both sides are connected: over a broken
// line the losing side could not load anything.
func (c *Cluster) reach(ctx context.Context, sides []side) error {
	for i, s := range sides {
		for _, other := range sides[i+1:] {
			for _, a := range s {
				for _, b := range other {
					trouble, err := c.apart(ctx, pair{a, b})
					if err != nil {
						return err
					}
					if trouble != "" {
						return &actions.Error{Code: "parted", Hint: "Have the network between them mended, then `mesh`; `recover split-brain` after that.",
							Text: fmt.Sprintf("The network is still parted: %s. Nothing can be joined over it, and nothing was done.", trouble)}
					}
				}
			}
		}
	}
	return nil
}

// mnesiaView is who is a member of the core's Mnesia, and with whom it runs.
func (c *Cluster) mnesiaView(ctx context.Context, n Node) (members, running []string, err error) {
	up, err := c.erlang.Call(ctx, n.Name, "mnesia", "system_info", term.Atom("is_running"))
	if err != nil {
		return nil, nil, err
	}
	if up != term.Atom("yes") {
		return nil, nil, actions.Errorf(codeNoApp, "its Mnesia does not run (%s)", term.Format(up, 40))
	}
	for _, q := range []struct {
		what term.Atom
		into *[]string
	}{{"db_nodes", &members}, {"running_db_nodes", &running}} {
		t, err := c.erlang.Call(ctx, n.Name, "mnesia", "system_info", q.what)
		if err != nil {
			return nil, nil, err
		}
		if *q.into, err = atoms(t); err != nil {
			return nil, nil, err
		}
	}
	return members, running, nil
}

func fullNames(nodes []Node) []string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	return names
}

func sorted(names []string) []string {
	return slices.Sorted(slices.Values(names))
}

// sideFacts are what speaks for a side, beside its number of cores. -1 is not
// known.
type sideFacts struct {
	side    side
	clients int64 // on the edges that are attached to it only
	rows    int64 // of offline_msg since the split
	tokens  int64 // all revoked tokens
	modes   []string
	uptimes []string
}

// weigh asks each side for what speaks for it, and the edges for their clients.
// Edges that are attached to both sides are told apart: their clients speak for
// neither.
func (c *Cluster) weigh(ctx context.Context, sides []side, from int64) (facts []sideFacts, shared []string) {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Full)
	defer cancel()
	facts = each(sides, func(s side) sideFacts {
		f := sideFacts{side: s, rows: c.count(ctx, s[0], "offline_msg", from), tokens: c.count(ctx, s[0], "revoked_tokens", 0)}
		for _, n := range s {
			mode, up := "not available", "not known"
			if t, err := c.erlang.Call(ctx, n.Name, "iris_partition_guard", "get_status"); err == nil {
				if m, ok := term.Get(t, term.Atom("mode")); ok {
					mode = strings.ReplaceAll(term.Format(m, 40), "_", " ")
				}
			}
			if t, err := c.erlang.Call(ctx, n.Name, "erlang", "statistics", term.Atom("wall_clock")); err == nil {
				if ms, ok := firstOfPair(t); ok {
					up = spoken(milliseconds(ms))
				}
			}
			f.modes, f.uptimes = append(f.modes, mode), append(f.uptimes, up)
		}
		return f
	})
	type attached struct {
		side    int // -1: to none or several
		clients int64
	}
	edges := c.ByRole(EdgeRole)
	for i, a := range each(edges, func(n Node) attached {
		return attached{c.attachment(ctx, n, sides), c.clients(ctx, n)}
	}) {
		switch {
		case a.side >= 0 && a.clients < 0:
			shared = append(shared, fmt.Sprintf("%s is attached to %s; how many clients it has is not known.", edges[i].Short, sides[a.side]))
		case a.side >= 0:
			facts[a.side].clients += a.clients
		case a.clients < 0:
			shared = append(shared, edges[i].Short+" does not answer: its clients are not counted.")
		default:
			shared = append(shared, fmt.Sprintf("%s with %s is attached to no side alone.", edges[i].Short, plural64(a.clients, "client")))
		}
	}
	return facts, shared
}

// count is how many records of a table are of that time or later.
func (c *Cluster) count(ctx context.Context, n Node, table string, from int64) int64 {
	t, err := c.erlang.Call(ctx, n.Name, "ets", "select_count", term.Atom(table), between(table, from, nil, term.Atom("true")))
	if err != nil {
		return -1
	}
	rows, ok := term.AsInt(t)
	if !ok {
		return -1
	}
	return rows
}

// attachment is the one side whose cores the edge goes to: those it sees, or
// where it sees several sides, those that it was started with.
func (c *Cluster) attachment(ctx context.Context, edge Node, sides []side) int {
	for _, q := range [][]term.Term{{term.Atom("nodes")}, {term.Atom("get_env"), term.Atom("iris_edge"), term.Atom("core_nodes"), term.List{}}} {
		module := "erlang"
		if len(q) > 1 {
			module = "application"
		}
		t, err := c.erlang.Call(ctx, edge.Name, module, string(q[0].(term.Atom)), q[1:]...)
		if err != nil {
			return -1
		}
		names, err := atoms(t)
		if err != nil {
			return -1
		}
		var sees []int
		for i, s := range sides {
			if slices.ContainsFunc(s, func(n Node) bool { return slices.Contains(names, n.Name) }) {
				sees = append(sees, i)
			}
		}
		if len(sees) == 1 {
			return sees[0]
		}
	}
	return -1
}

// clients is how many are logged in on an edge; -1 if it does not say.
func (c *Cluster) clients(ctx context.Context, edge Node) int64 {
	t, err := c.erlang.Call(ctx, edge.Name, "iris_async_router", "get_local_count")
	if err != nil {
		return -1
	}
	n, ok := term.AsInt(t)
	if !ok {
		return -1
	}
	return n
}

// recommend says which side to keep and why; -1 where nothing speaks for one.
// The majority of the cores comes first, then clients, then what was written.
func recommend(facts []sideFacts) (keep int, why string) {
	cores := 0
	for _, f := range facts {
		cores += len(f.side)
	}
	for i, f := range facts {
		if 2*len(f.side) > cores {
			return i, fmt.Sprintf("it is %d of %d cores", len(f.side), cores)
		}
	}
	for _, by := range []struct {
		what string
		of   func(sideFacts) int64
	}{
		{"clients are on its edges", func(f sideFacts) int64 { return f.clients }},
		{"messages were stored there since", func(f sideFacts) int64 { return f.rows }},
	} {
		best, known := 0, true
		for i, f := range facts {
			if known = known && by.of(f) >= 0; by.of(f) > by.of(facts[best]) {
				best = i
			}
		}
		alone := !slices.ContainsFunc(facts, func(f sideFacts) bool {
			return f.side.String() != facts[best].side.String() && by.of(f) >= by.of(facts[best])
		})
		if known && alone {
			return best, fmt.Sprintf("%s %s, and the sides have equally many cores", grouped(by.of(facts[best])), by.what)
		}
	}
	return -1, "neither side has more cores, clients or stored messages than the other"
}
