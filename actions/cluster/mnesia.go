package cluster

import (
	"context"
	"fmt"
	"strings"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

func (c *Cluster) mnesia() actions.Action {
	return actions.Action{
		Name:    "mnesia",
		Summary: "Mnesia on every core: tables, copies, sizes, who serves what, log writes, transactions",
		Example: "mnesia",
		Long: `For each core: whether Mnesia runs and with whom, its folder, transactions since the start, log writes and when they are dumped, and each table with its copies, size, memory and where it can be written.

Runbook: ` + degradation.String() + `. Its mnesia:info() prints into core.log, and mnesia:table_info of a table that does not exist is 0; here the tables are asked for first. transaction_failures counts, and mends nothing: diagnose mnesia says how fast it grows.`,
		Look: c.lookMnesia,
	}
}

// MnesiaState is the Mnesia of one core.
type MnesiaState struct {
	Node    string           `json:"node"`
	State   string           `json:"state"` // Mnesia's own word: yes, no, starting, stopping; "" if it was not told
	Members []string         `json:"members,omitempty"`
	Running []string         `json:"running,omitempty"`
	Folder  string           `json:"folder,omitempty"`
	Figures map[string]int64 `json:"figures,omitempty"` // mnesia:system_info by its keys
	Tables  []MnesiaTable    `json:"tables,omitempty"`
	Error   string           `json:"error,omitempty"`
}

// MnesiaTable is one table as one core sees it.
type MnesiaTable struct {
	Name    string   `json:"name"`
	Storage string   `json:"storage"` // here
	Records int64    `json:"records"`
	Bytes   int64    `json:"bytes"` // in memory
	Copies  []string `json:"copies"`
	Write   []string `json:"where_to_write"`
}

var figures = []string{"transaction_commits", "transaction_failures", "transaction_restarts", "transaction_log_writes",
	"dump_log_write_threshold", "dump_log_time_threshold"}

func (c *Cluster) mnesiaState(ctx context.Context, n Node) MnesiaState {
	m, v := MnesiaState{Node: n.Short, Figures: map[string]int64{}}, c.visit(n)
	fail := func(err error) MnesiaState {
		m.Error = c.silence(n, err)
		return m
	}
	if err := v.answers(ctx); err != nil {
		return fail(err)
	}
	var err error
	if m.State, err = v.mnesiaRuns(ctx); err != nil || m.State != "yes" {
		if err != nil {
			return fail(err)
		}
		return m
	}
	for _, q := range []struct {
		what term.Atom
		into *[]string
	}{{"db_nodes", &m.Members}, {"running_db_nodes", &m.Running}} {
		t, err := v.ask(ctx, "mnesia", "system_info", q.what)
		if err != nil {
			return fail(err)
		}
		names, err := atoms(t)
		if err != nil {
			return fail(err)
		}
		*q.into = c.shortList(names)
	}
	if t, err := v.ask(ctx, "mnesia", "system_info", term.Atom("directory")); err == nil {
		m.Folder, _ = term.AsString(t)
	}
	for _, k := range figures {
		n, err := v.number(ctx, "mnesia", "system_info", term.Atom(k))
		if err != nil {
			return fail(err)
		}
		m.Figures[k] = n
	}
	tables, err := c.mnesiaTables(ctx, v)
	if err != nil {
		return fail(err)
	}
	for _, t := range tables {
		m.Tables = append(m.Tables, MnesiaTable{t.name, t.storage, t.size, t.bytes, t.copies, t.write})
	}
	return m
}

func (c *Cluster) lookMnesia(ctx context.Context, _ actions.Request) (actions.Result, error) {
	cores := c.ByRole(CoreRole)
	if len(cores) == 0 {
		return actions.Result{}, actions.Errorf(actions.CodeNoSuchNode, "%s has no core, and only cores run Mnesia.", c.Name)
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Full)
	defer cancel()
	states := each(cores, func(n Node) MnesiaState { return c.mnesiaState(ctx, n) })
	r := actions.Result{Level: actions.OK, Data: states}
	var heads []string
	for _, m := range states {
		switch {
		case m.Error != "":
			r.Level = worse(r.Level, actions.Unknown)
			heads = append(heads, m.Node+" "+m.Error)
			continue
		case m.State != "yes":
			r.Level = worse(r.Level, actions.Critical)
			heads = append(heads, fmt.Sprintf("Mnesia does not run on %s (%s)", m.Node, m.State))
			continue
		}
		var records, bytes int64
		s := actions.Section{Title: m.Node, Header: []string{"Table", "Here", "Records", "Memory", "Copies", "Written on"}}
		for _, t := range m.Tables {
			records, bytes = records+t.Records, bytes+t.Bytes
			written := strings.Join(t.Write, ", ")
			if written == "" {
				written = "nowhere"
				r.Level = worse(r.Level, actions.Critical)
			}
			s.Rows = append(s.Rows, []string{t.Name, t.Storage, grouped(t.Records), size(uint64(t.Bytes)), strings.Join(t.Copies, ", "), written})
		}
		heads = append(heads, fmt.Sprintf("%s runs with %s: %d tables, %s, %s", m.Node, listed(m.Running), len(m.Tables), plural64(records, "record"), size(uint64(bytes))))
		f := m.Figures
		lines := []string{
			fmt.Sprintf("Members: %s. Running: %s. Folder: %s.", listed(m.Members), listed(m.Running), m.Folder),
			fmt.Sprintf("Since the start: %s commits, %s failures, %s restarts.", grouped(f["transaction_commits"]), grouped(f["transaction_failures"]), grouped(f["transaction_restarts"])),
			fmt.Sprintf("Log: %s writes; dumped after %s writes or %s.", grouped(f["transaction_log_writes"]), grouped(f["dump_log_write_threshold"]), fmt.Sprintf("%d s", f["dump_log_time_threshold"]/1000)),
		}
		r.Sections = append(r.Sections, s, actions.Section{Lines: lines})
	}
	r.Headline = strings.Join(heads, "; ")
	if r.Level != actions.OK {
		r.Next = []actions.Next{{Label: "Diagnose mnesia", Words: "diagnose mnesia"}}
	}
	return r, nil
}
