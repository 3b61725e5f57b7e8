package cluster

import (
	"context"
	"fmt"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// presence is who is connected, as one node knows it. Probes are not counted.
type presence struct {
	role   Role
	users  int64            // edge: connected here; core: known
	byEdge map[string]int64 // core: by the edge's full name
	where  string           // core: "ETS", "Mnesia"
}

// mostPresence bounds the tables that are counted without the probes; larger
// ones count as they are.
const mostPresence = 200_000

var checkPresence = check{
	name: "presence", asks: "do the cores know the users who are connected to the edges?", silence: actions.Unknown,
	deep: func(ctx context.Context, v *visit) Finding {
		p, err := v.presence(ctx)
		if err != nil {
			return v.failed(err, "presence")
		}
		f := found(actions.OK, "%s connected", plural64(p.users, "user"))
		if p.role == CoreRole {
			f = found(actions.OK, "knows %s (presence in %s)", plural64(p.users, "user"), p.where)
		}
		f.fact = p
		return f
	},
	join: func(c *Cluster, fs []*Finding) {
		var connected, known int64
		edges, cores := 0, 0
		for _, f := range fs {
			p, ok := f.fact.(presence)
			switch {
			case !ok:
			case p.role == EdgeRole:
				connected += p.users
				edges++
			default:
				known += p.users
				cores++
			}
		}
		if edges < len(c.ByRole(EdgeRole)) || cores < len(c.ByRole(CoreRole)) || connected-known < 5 {
			return // who did not answer may know the rest
		}
		missing := percent(connected-known, connected)
		if level := c.opt.Bounds.PresenceSkew.of(missing); level != actions.OK {
			for _, f := range fs {
				if p, ok := f.fact.(presence); ok && p.role == CoreRole {
					f.Result, f.Code = worse(f.Result, level), codePresence
					f.Evidence += fmt.Sprintf("; %s connected to the edges: %s of them are unknown to the cores", plural64(connected, "user"), share(missing))
				}
			}
		}
	},
}

func plural64(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return grouped(n) + " " + noun + "s"
}

// probeGuard leaves the probes of all edges out of a match on '$1', the user.
func (c *Cluster) probeGuard() term.List {
	var guard term.List
	for _, n := range c.ByRole(EdgeRole) {
		a, b := n.probes()
		for _, p := range []string{a, b} {
			guard = append(guard, term.Tuple{term.Atom("=/="), term.Atom("$1"), []byte(p)})
		}
	}
	return guard
}

func pattern(head term.Tuple, guard term.List) term.List {
	return term.List{term.Tuple{head, guard, term.List{term.Atom("true")}}}
}

const anything = term.Atom("_")

// etsSize is the size of an ETS table, and whether there is one.
func (v *visit) etsSize(ctx context.Context, table string) (int64, bool, error) {
	t, err := v.again(ctx, "ets", "info", term.Atom(table), term.Atom("size"))
	if err != nil {
		return 0, false, err
	}
	if t == term.Atom("undefined") {
		return 0, false, nil
	}
	n, ok := term.AsInt(t)
	if !ok {
		return 0, false, unexpected(t)
	}
	return n, true, nil
}

// users counts the users of an ETS table whose rows match head, with the user at
// '$1'; without the probes where the table is small enough.
func (v *visit) users(ctx context.Context, table string, total int64, head term.Tuple) (int64, error) {
	if total > mostPresence {
		return total, nil
	}
	return v.numberAgain(ctx, "ets", "select_count", term.Atom(table), pattern(head, v.c.probeGuard()))
}

func (v *visit) presence(ctx context.Context) (presence, error) {
	p := presence{role: v.n.Role}
	user := term.Atom("$1")
	if v.n.Role == EdgeRole {
		total, err := v.numberAgain(ctx, "iris_async_router", "get_local_count")
		if err != nil {
			return p, err
		}
		p.users, err = v.users(ctx, "local_presence_v2", total, term.Tuple{user, anything})
		return p, err
	}
	table, head := "presence_local", func(node term.Term) term.Tuple {
		return term.Tuple{user, term.Tuple{term.Atom("presence_entry"), anything, node, anything, anything, anything}}
	}
	total, there, err := v.etsSize(ctx, table)
	if err != nil {
		return p, err
	}
	inMnesia, mnesia, err := v.etsSize(ctx, "presence") // its RAM copy
	if err != nil {
		return p, err
	}
	p.where = "ETS"
	if !there || total == 0 && inMnesia > 0 {
		if !mnesia {
			return p, actions.Errorf(actions.CodeUndef, "This core keeps no presence that irisops knows: neither presence_local nor the table presence.")
		}
		table, total, p.where = "presence", inMnesia, "Mnesia"
		head = func(node term.Term) term.Tuple { return term.Tuple{term.Atom("presence"), user, node, anything} }
	}
	if p.users, err = v.users(ctx, table, total, head(anything)); err != nil || total > mostPresence {
		return p, err
	}
	p.byEdge = map[string]int64{}
	for _, n := range v.c.ByRole(EdgeRole) {
		if p.byEdge[n.Name], err = v.users(ctx, table, total, head(term.Atom(n.Name))); err != nil {
			return p, err
		}
	}
	return p, nil
}
