package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// presenceLasts is how long IRIS knows a user after the login: nothing calls its
// iris_presence:heartbeat.
const presenceLasts = 30 * time.Second

func (c *Cluster) presenceUser() actions.Action {
	return actions.Action{
		Name:    "presence",
		Summary: "Where a user is connected, as edges and cores know it",
		Example: "presence alice",
		Long: `Asks every edge for the user's connection, and every core for what it knows: in ETS (presence_local), which IRIS uses by default, and in Mnesia (presence), as older versions do.

Runbook: ` + delivery.String() + `. Its mnesia:dirty_all_keys(presence) is empty on the default back end, whoever is connected.
A core forgets a user 30 s after the login, because nothing sends it heartbeats. Until the next login, messages from another edge are then stored instead of delivered.`,
		Params: []actions.Param{{Name: "user", Kind: actions.Word, Doc: "the user's name, as it logs in", Example: "alice"}},
		Look:   c.lookPresence,
	}
}

// Sighting is what one node knows of a user.
type Sighting struct {
	Node   string `json:"node"`
	Where  string `json:"where"` // "connection", "ETS", "Mnesia"
	Known  bool   `json:"known"`
	Alive  bool   `json:"alive"`  // the connection's process runs, or the entry has not expired
	Detail string `json:"detail"` // for people
	Failed bool   `json:"failed,omitempty"`
}

func (c *Cluster) lookPresence(ctx context.Context, req actions.Request) (actions.Result, error) {
	user := req.Args["user"]
	if user == "" {
		return actions.Result{}, &actions.Error{Code: "missing", Text: "Whose presence?", Hint: "For example: presence alice, or presence size."}
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Diagnose)
	defer cancel()
	var all []Sighting
	for _, s := range each(c.Nodes, func(n Node) []Sighting { return c.sightings(ctx, n, []byte(user)) }) {
		all = append(all, s...)
	}
	var edges, cores, expired, failed []string
	for _, s := range all {
		switch {
		case s.Failed:
			failed = append(failed, s.Node)
		case s.Where == "connection" && s.Known && s.Alive:
			edges = append(edges, s.Node)
		case s.Where != "connection" && s.Known && s.Alive:
			cores = append(cores, s.Node)
		case s.Where != "connection" && s.Known:
			expired = append(expired, s.Node)
		}
	}
	name := spokenUser(user)
	r := actions.Result{Level: actions.OK, Data: all}
	switch {
	case len(edges) > 0 && len(cores) > 0:
		r.Headline = fmt.Sprintf("%s is connected to %s, and %s knows it", name, listed(edges), listed(slices.Compact(cores)))
	case len(edges) > 0 && len(failed) == 0:
		r.Level = actions.Warn
		r.Headline = fmt.Sprintf("%s is connected to %s, but no core knows it (presence lasts %s): messages from other edges are stored until the next login", name, listed(edges), spoken(presenceLasts))
	case len(edges) > 0:
		r.Headline = fmt.Sprintf("%s is connected to %s", name, listed(edges))
	case len(cores) > 0:
		r.Level = actions.Warn
		r.Headline = fmt.Sprintf("%s is connected to no edge, but %s still takes it for connected", name, listed(slices.Compact(cores)))
	case len(expired) > 0:
		r.Level = ""
		r.Headline = fmt.Sprintf("%s is not connected; %s holds an expired entry", name, listed(slices.Compact(expired)))
	default:
		r.Level = "" // neither well nor ill: whether it should be is not known here
		r.Headline = name + " is not connected"
	}
	if len(failed) > 0 {
		r.Level = actions.Unknown
		r.Headline += "; not asked: " + listed(slices.Compact(failed))
	}
	s := actions.Section{Header: []string{"Node", "Where", "Seen"}}
	for _, k := range all {
		s.Rows = append(s.Rows, []string{k.Node, k.Where, k.Detail})
	}
	r.Sections = []actions.Section{s}
	r.Next = []actions.Next{{Label: "Messages of " + name, Words: "messages show " + name}}
	return r, nil
}

func (c *Cluster) sightings(ctx context.Context, n Node, user []byte) []Sighting {
	v := c.visit(n)
	lost := func(where string, err error) Sighting {
		return Sighting{Node: n.Short, Where: where, Failed: true, Detail: "not asked: it " + c.silence(n, err)}
	}
	if err := v.answers(ctx); err != nil {
		return []Sighting{lost("", err)}
	}
	if n.Role == EdgeRole {
		s, err := v.connection(ctx, user)
		if err != nil {
			return []Sighting{lost("connection", err)}
		}
		return []Sighting{s}
	}
	var all []Sighting
	for _, look := range []struct {
		where string
		find  func(context.Context, []byte) (Sighting, error)
	}{{"ETS", v.inETS}, {"Mnesia", v.inMnesia}} {
		s, err := look.find(ctx, user)
		if err != nil {
			s = lost(look.where, err)
		}
		s.Node, s.Where = n.Short, look.where
		all = append(all, s)
	}
	return all
}

// rows are those of a key in an ETS table, or false if there is no such table.
func (v *visit) rows(ctx context.Context, table string, key term.Term) (term.List, bool, error) {
	if _, there, err := v.etsSize(ctx, table); err != nil || !there {
		return nil, false, err
	}
	t, err := v.again(ctx, "ets", "lookup", term.Atom(table), key)
	if err != nil {
		return nil, false, err
	}
	list, ok := term.AsList(t)
	if !ok {
		return nil, false, unexpected(t)
	}
	return list, true, nil
}

func (v *visit) connection(ctx context.Context, user []byte) (Sighting, error) {
	s := Sighting{Node: v.n.Short, Where: "connection"}
	rows, there, err := v.rows(ctx, "local_presence_v2", user)
	switch {
	case err != nil:
		return s, err
	case !there:
		s.Detail = "this edge has no table local_presence_v2: not available"
		return s, nil
	case len(rows) == 0:
		s.Detail = "not connected here"
		return s, nil
	}
	row, ok := rows[0].(term.Tuple)
	if !ok || len(row) < 2 {
		return s, unexpected(rows)
	}
	pid, ok := row[1].(term.Pid)
	if !ok {
		return s, unexpected(rows)
	}
	alive, err := v.again(ctx, "erlang", "is_process_alive", pid)
	if err != nil {
		return s, err
	}
	s.Known = true
	if s.Alive, _ = term.AsBool(alive); s.Alive {
		s.Detail = "connected, process " + pid.Text
	} else {
		s.Detail = "an entry of process " + pid.Text + ", which has ended"
	}
	return s, nil
}

func (v *visit) inETS(ctx context.Context, user []byte) (Sighting, error) {
	var s Sighting
	rows, there, err := v.rows(ctx, "presence_local", user)
	switch {
	case err != nil:
		return s, err
	case !there:
		s.Detail = "no table presence_local: not in use"
		return s, nil
	case len(rows) == 0:
		s.Detail = "no entry"
		return s, nil
	}
	row, ok := rows[0].(term.Tuple)
	if !ok || len(row) != 2 {
		return s, unexpected(rows)
	}
	e, ok := row[1].(term.Tuple) // {presence_entry, User, Node, Pid, Since, LastHeartbeat}, times in ms
	if !ok || len(e) != 6 {
		return s, unexpected(rows)
	}
	node, _ := e[2].(term.Atom)
	beat, ok := term.AsInt(e[5])
	if !ok {
		return s, unexpected(rows)
	}
	now, err := v.numberAgain(ctx, "os", "system_time", term.Atom("millisecond")) // by the node's own clock
	if err != nil {
		return s, err
	}
	age := time.Duration(now-beat) * time.Millisecond
	s.Known, s.Alive = true, age <= presenceLasts
	s.Detail = fmt.Sprintf("on %s, last heard of %s ago", v.c.short(string(node)), spoken(max(0, age)))
	if !s.Alive {
		s.Detail += ": expired, so that IRIS takes the user for gone"
	}
	return s, nil
}

func (v *visit) inMnesia(ctx context.Context, user []byte) (Sighting, error) {
	var s Sighting
	rows, there, err := v.rows(ctx, "presence", user)
	switch {
	case err != nil:
		return s, err
	case !there:
		s.Detail = "no table presence on this core"
		return s, nil
	case len(rows) == 0:
		s.Detail = "no entry"
		return s, nil
	}
	row, ok := rows[0].(term.Tuple) // {presence, User, Node, Pid}
	if !ok || len(row) < 4 {
		return s, unexpected(rows)
	}
	node, _ := row[2].(term.Atom)
	s.Known, s.Alive, s.Detail = true, true, "on "+v.c.short(string(node))
	return s, nil
}

func (c *Cluster) presenceSize() actions.Action {
	return actions.Action{
		Name:    "presence size",
		Summary: "How many users are connected, as edges and cores know it, and where presence is kept",
		Example: "presence size",
		Long: `For each edge its connections; for each core the entries in ETS (presence_local) and in Mnesia (presence), and which of the two is in use. The default back end is ETS: Mnesia's table then stays empty, whoever is connected.

A core forgets a user 30 s after the login, so that it rightly knows fewer than the edges do. Probes of irisops count.`,
		Look: c.lookPresenceSize,
	}
}

// PresenceSize is what one node knows of how many are connected; -1 where it has
// no such table.
type PresenceSize struct {
	Node   string `json:"node"`
	Edge   int64  `json:"connections"`
	ETS    int64  `json:"ets"`
	Mnesia int64  `json:"mnesia"`
	Error  string `json:"error,omitempty"`
}

func (c *Cluster) lookPresenceSize(ctx context.Context, _ actions.Request) (actions.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Diagnose)
	defer cancel()
	all := each(c.Nodes, func(n Node) PresenceSize {
		p, v := PresenceSize{Node: n.Short, Edge: -1, ETS: -1, Mnesia: -1}, c.visit(n)
		tables := map[string]*int64{"presence_local": &p.ETS, "presence": &p.Mnesia}
		if n.Role == EdgeRole {
			tables = map[string]*int64{"local_presence_v2": &p.Edge}
		}
		err := v.answers(ctx)
		for name, into := range tables {
			if err != nil {
				break
			}
			var there bool
			var size int64
			if size, there, err = v.etsSize(ctx, name); there {
				*into = size
			}
		}
		if err != nil {
			p.Error = c.silence(n, err)
		}
		return p
	})
	r := actions.Result{Level: actions.OK, Data: all}
	s := actions.Section{Header: []string{"Node", "Connections", "Known in ETS", "Known in Mnesia"}}
	var connected, ets, mnesia int64
	hasETS := false
	var failed []string
	figure := func(n int64) string {
		if n < 0 {
			return "-"
		}
		return grouped(n)
	}
	for _, p := range all {
		if p.Error != "" {
			failed = append(failed, p.Node+" "+p.Error)
			s.Rows = append(s.Rows, []string{p.Node, "not asked", "not asked", "not asked"})
			continue
		}
		connected, ets, mnesia = connected+max(0, p.Edge), ets+max(0, p.ETS), mnesia+max(0, p.Mnesia)
		hasETS = hasETS || p.ETS >= 0
		s.Rows = append(s.Rows, []string{p.Node, figure(p.Edge), figure(p.ETS), figure(p.Mnesia)})
	}
	known, where := ets, "ETS"
	switch {
	case mnesia > 0 && ets > 0:
		known, where = ets+mnesia, "ETS and Mnesia"
	case mnesia > 0, !hasETS:
		known, where = mnesia, "Mnesia"
	}
	r.Headline = fmt.Sprintf("%s connected; the cores know %s (presence in %s)", plural64(connected, "user"), grouped(known), where)
	if len(failed) > 0 {
		r.Level = actions.Unknown
		r.Headline += "; not asked: " + strings.Join(failed, "; ")
	}
	if len(s.Rows) > 0 {
		r.Sections = []actions.Section{s}
	}
	return r, nil
}
