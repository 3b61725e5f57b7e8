package lab

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"irisops/actions"
	"irisops/actions/erlang"
	"irisops/actions/erlang/term"
)

// View is what a running node sees of the others.
type View struct {
	Node
	Sees   []string // short names of the lab's nodes that it is connected with
	Mnesia []string // short names of the cores that its Mnesia runs with, itself too; none on an edge
}

// How long nodes may take to part or to meet, and how long they then have to
// stay so: Erlang's global may cut a connection a moment after it was made.
const (
	partWithin = 20 * time.Second
	partHolds  = 500 * time.Millisecond
	askWithin  = 5 * time.Second
)

// Partition cuts the network between two groups of nodes, given by short names,
// as a broken line would. An edge that is in neither goes with the core it is
// attached to; whatever else is in neither goes with the first group that has a
// core. It returns when no node sees one of the other side, and what each sees.
//
// It needs no right over the machine's network. Each node is told another cookie
// for each node of the other side, and disconnects from it; whoever tries again
// is turned away, also a node that is started in the meantime. Connections that
// come from outside, with the lab's cookie, are as before: irisops still reaches
// both sides. Erlang's global is held while that happens, for it would otherwise
// hear of one cut before the other and cut more, within the sides, than a broken
// line does.
func (l *Lab) Partition(ctx context.Context, one, other []string) ([]View, error) {
	return l.arrange(ctx, func(running []Node) (map[string]int, error) { return l.sides(running, one, other) })
}

// Heal gives all nodes the lab's cookie for each other again, connects them, and
// returns when each sees all the others, and what it sees. Mnesia stays divided
// where both sides have run on: nothing but a person's decision joins it.
func (l *Lab) Heal(ctx context.Context) ([]View, error) {
	return l.arrange(ctx, func([]Node) (map[string]int, error) { return nil, nil })
}

// sides says for each of the lab's nodes on which side it is: 0 or 1.
func (l *Lab) sides(running []Node, one, other []string) (map[string]int, error) {
	side := map[string]int{}
	hasCore := [2]bool{}
	for i, group := range [][]string{one, other} {
		if len(group) == 0 {
			return nil, actions.Errorf(CodeBadOption, "Say which nodes are on each of the two sides.")
		}
		for _, short := range group {
			n, err := l.Node(short)
			if err != nil {
				return nil, err
			}
			if _, twice := side[n.Short]; twice {
				return nil, actions.Errorf(CodeBadOption, "%s cannot be on both sides.", n.Short)
			}
			if !slices.Contains(running, n) {
				return nil, actions.Errorf(CodeNotRunning, "%s is not running.", n.Short)
			}
			side[n.Short] = i
			hasCore[i] = hasCore[i] || n.Role == Core
		}
	}
	rest := 0
	if !hasCore[0] && hasCore[1] {
		rest = 1
	}
	for _, n := range l.state.possible() { // cores first
		if _, named := side[n.Short]; named {
			continue
		}
		side[n.Short] = rest
		if n.Role == Edge {
			side[n.Short] = side[l.state.coreOf(n).Short]
		}
	}
	return side, nil
}

// arrange puts every running node on a side, and waits until each sees its own
// side and nobody else.
func (l *Lab) arrange(ctx context.Context, sides func([]Node) (map[string]int, error)) ([]View, error) {
	unlock, err := lock(l.state.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	running, err := l.askable(ctx)
	if err != nil {
		return nil, err
	}
	side, err := sides(running)
	if err != nil {
		return nil, err
	}
	link, err := erlang.New(erlang.Options{Cookie: Cookie, EPMDPort: l.state.EPMDPort})
	if err != nil {
		return nil, err
	}
	defer link.Close()
	p := parting{lab: l, link: link, running: running, side: side}
	if err := p.each(ctx, p.cookies); err != nil {
		return nil, err
	}
	if err := p.cut(ctx); err != nil {
		return nil, err
	}
	return p.settle(ctx)
}

// askable are the nodes that run, all of which can be asked.
func (l *Lab) askable(ctx context.Context) ([]Node, error) {
	status, err := l.Status(ctx)
	if err != nil {
		return nil, err
	}
	var running []Node
	for _, n := range status.Nodes {
		switch n.State {
		case Running:
			running = append(running, n.Node)
		case Paused:
			return nil, &actions.Error{Code: CodeNotRunning, Text: fmt.Sprintf("%s is paused, so it cannot be told whom to see.", n.Short),
				Hint: fmt.Sprintf("Resume it first: irisops lab resume %s --dir %s", n.Short, l.state.Dir)}
		case Starting:
			return nil, actions.Errorf(CodeNotRunning, "%s has not finished starting.", n.Short)
		}
	}
	if len(running) == 0 {
		return nil, &actions.Error{Code: CodeNotRunning, Text: "No node of the lab is running.",
			Hint: "Start it: irisops lab up --dir " + l.state.Dir}
	}
	return running, nil
}

// parting is one change of who sees whom.
type parting struct {
	lab     *Lab
	link    *erlang.Link
	running []Node
	side    map[string]int // short name: 0 or 1
}

func (p parting) together(a, b Node) bool { return p.side[a.Short] == p.side[b.Short] }

func (p parting) call(ctx context.Context, n Node, module, function string, args ...term.Term) (term.Term, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	reply, err := p.link.Call(ctx, n.Name, module, function, args...)
	if err != nil {
		return nil, fmt.Errorf("asking %s for %s:%s: %w", n.Short, module, function, err)
	}
	return reply, nil
}

// each does the same for every running node at once.
func (p parting) each(ctx context.Context, do func(context.Context, Node) error) error {
	errs := make([]error, len(p.running))
	var wg sync.WaitGroup
	for i, n := range p.running {
		wg.Go(func() { errs[i] = do(ctx, n) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// cookies tells a node which cookie to use for each other node. The two sides
// use different ones for each other, or they would agree again.
func (p parting) cookies(ctx context.Context, n Node) error {
	apart := [2]term.Atom{"parted_one", "parted_other"}[p.side[n.Short]]
	for _, peer := range p.lab.state.possible() {
		if peer == n {
			continue
		}
		cookie := term.Atom(Cookie)
		if !p.together(n, peer) {
			cookie = apart
		}
		if _, err := p.call(ctx, n, "erlang", "set_cookie", term.Atom(peer.Name), cookie); err != nil {
			return err
		}
	}
	return nil
}

// cut ends the connections between the sides, all of them before any node's
// global hears of one.
func (p parting) cut(ctx context.Context) (err error) {
	if !slices.ContainsFunc(p.running, func(n Node) bool { return !p.together(n, p.running[0]) }) {
		return nil
	}
	global := term.Atom("global_name_server")
	defer func() {
		resumed := p.each(context.WithoutCancel(ctx), func(ctx context.Context, n Node) error {
			_, err := p.call(ctx, n, "sys", "resume", global)
			return err
		})
		if err == nil {
			err = resumed
		}
	}()
	if err := p.each(ctx, func(ctx context.Context, n Node) error {
		_, err := p.call(ctx, n, "sys", "suspend", global)
		return err
	}); err != nil {
		return err
	}
	return p.each(ctx, func(ctx context.Context, n Node) error {
		for _, peer := range p.running {
			if p.together(n, peer) {
				continue
			}
			if _, err := p.call(ctx, n, "erlang", "disconnect_node", term.Atom(peer.Name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// settle waits until every node sees its own side and nobody else, for a while.
func (p parting) settle(ctx context.Context) ([]View, error) {
	ctx, cancel := context.WithTimeout(ctx, partWithin)
	defer cancel()
	var views []View
	var trouble string
	var asked error
	var since time.Time
	err := poll(ctx, func() bool {
		views, trouble, asked = p.look(ctx)
		if asked != nil || trouble != "" {
			since = time.Time{}
			return asked != nil && ctx.Err() == nil
		}
		if since.IsZero() {
			since = time.Now()
		}
		return time.Since(since) >= partHolds
	})
	switch {
	case err == nil && asked != nil:
		return nil, asked
	case err != nil && trouble != "":
		return nil, actions.Errorf(CodeNotParted, "After %v %s.", partWithin, trouble)
	case err != nil:
		return nil, err
	}
	return views, nil
}

// look says what every node sees, and what is wrong with that, and has nodes of
// one side that do not see each other connect.
func (p parting) look(ctx context.Context) (views []View, trouble string, err error) {
	views = make([]View, len(p.running))
	troubles := make([]string, len(p.running))
	err = p.each(ctx, func(ctx context.Context, n Node) error {
		i := slices.Index(p.running, n)
		v, err := p.view(ctx, n)
		if err != nil {
			return err
		}
		views[i] = v
		for _, peer := range p.running {
			sees, mnesia := slices.Contains(v.Sees, peer.Short), slices.Contains(v.Mnesia, peer.Short)
			switch {
			case peer == n:
			case p.together(n, peer) && !sees:
				troubles[i] = fmt.Sprintf("%s does not see %s", n.Short, peer.Short)
				if _, err := p.call(ctx, n, "net_adm", "ping", term.Atom(peer.Name)); err != nil {
					return err
				}
			case !p.together(n, peer) && sees:
				troubles[i] = fmt.Sprintf("%s still sees %s", n.Short, peer.Short)
			case !p.together(n, peer) && mnesia:
				troubles[i] = fmt.Sprintf("Mnesia on %s still runs with %s", n.Short, peer.Short)
			}
		}
		return nil
	})
	for _, t := range troubles {
		if t != "" {
			trouble = t
		}
	}
	return views, trouble, err
}

func (p parting) view(ctx context.Context, n Node) (View, error) {
	v := View{Node: n}
	seen, err := p.call(ctx, n, "erlang", "nodes")
	if err != nil {
		return v, err
	}
	v.Sees = p.shorts(seen)
	if n.Role == Core {
		runs, err := p.call(ctx, n, "mnesia", "system_info", term.Atom("running_db_nodes"))
		if err != nil {
			return v, err
		}
		v.Mnesia = p.shorts(runs)
	}
	return v, nil
}

// shorts are the lab's nodes in a list of names, in the lab's order.
func (p parting) shorts(t term.Term) []string {
	list, _ := term.AsList(t)
	var found []string
	for _, n := range p.lab.state.possible() {
		if slices.Contains(list, term.Term(term.Atom(n.Name))) {
			found = append(found, n.Short)
		}
	}
	return found
}

// String is the view in a line: "core sees edge1; its Mnesia runs alone".
func (v View) String() string {
	line := v.Short + " sees " + orNobody(v.Sees)
	if v.Role == Core {
		line += "; its Mnesia runs " + with(slices.DeleteFunc(slices.Clone(v.Mnesia), func(s string) bool { return s == v.Short }))
	}
	return line
}

func orNobody(shorts []string) string {
	if len(shorts) == 0 {
		return "nobody"
	}
	return strings.Join(shorts, ", ")
}

func with(shorts []string) string {
	if len(shorts) == 0 {
		return "alone"
	}
	return "with " + strings.Join(shorts, ", ")
}
