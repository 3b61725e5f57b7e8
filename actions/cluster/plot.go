package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// barWidth is the longest bar, in characters: with its label and figure a line
// fits on a telephone held sideways.
const barWidth = 30

// bar is one line of a chart.
type bar struct {
	label  string
	value  int64
	figure string
}

// chart draws the bars to one scale. What is not nothing shows at least a sliver.
func chart(bars []bar) []string {
	var most int64
	wide := 0
	for _, b := range bars {
		most = max(most, b.value)
		wide = max(wide, utf8.RuneCountInString(b.label))
	}
	var lines []string
	for _, b := range bars {
		n := 0
		if most > 0 {
			n = int(int64(barWidth) * b.value / most)
		}
		drawn := strings.Repeat("█", n)
		if n == 0 && b.value > 0 {
			drawn = "▏"
		}
		pad := strings.Repeat(" ", wide-utf8.RuneCountInString(b.label))
		lines = append(lines, strings.TrimRight(fmt.Sprintf("%s%s %s %s", b.label, pad, drawn, b.figure), " "))
	}
	return lines
}

// plot is memory by kind of each node, and the sizes of Mnesia's tables.
func (c *Cluster) plot(ctx context.Context, nodes []Node) []actions.Section {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Diagnose)
	defer cancel()
	type drawing struct{ memory, tables []string }
	drawn := each(nodes, func(n Node) drawing {
		var d drawing
		v := c.visit(n)
		if m, err := v.memory(ctx); err == nil {
			var bars []bar
			for _, kind := range m.sortedKinds() {
				bars = append(bars, bar{kind, m[kind], size(uint64(m[kind]))})
			}
			d.memory = append([]string{fmt.Sprintf("%s, %s", n.Short, size(uint64(m["total"])))}, chart(bars)...)
		} else {
			d.memory = []string{n.Short + " " + c.silence(n, err)}
		}
		if n.Role != CoreRole {
			return d
		}
		tables, err := c.mnesiaTables(ctx, v)
		if err != nil {
			d.tables = []string{n.Short + " " + c.silence(n, err)}
			return d
		}
		slices.SortStableFunc(tables, func(a, b table) int { return int(min(1, max(-1, b.size-a.size))) })
		var bars []bar
		for _, t := range tables {
			bars = append(bars, bar{t.name, t.size, fmt.Sprintf("%s, %s", grouped(t.size), size(uint64(t.bytes)))})
		}
		d.tables = append([]string{n.Short}, chart(bars)...)
		return d
	})
	memory := actions.Section{Title: "Memory by kind", Code: true}
	records := actions.Section{Title: "Records by table", Code: true}
	for _, d := range drawn {
		memory.Lines = append(memory.Lines, d.memory...)
		records.Lines = append(records.Lines, d.tables...)
	}
	return slices.DeleteFunc([]actions.Section{memory, records}, func(s actions.Section) bool { return len(s.Lines) == 0 })
}

// busiestOf are the busiest processes that the findings tell of.
func busiestOf(findings []Finding, folded bool) []actions.Section {
	s := actions.Section{Title: "Busiest processes", Header: []string{"Node", "Process", "Waiting", "Memory"}, Folded: folded}
	for _, f := range findings {
		t, ok := f.fact.(top)
		if !ok {
			continue
		}
		seen := map[string]bool{}
		for _, b := range slices.Concat(t.mailboxes[:min(2, len(t.mailboxes))], t.memory) {
			if !seen[b.pid] {
				seen[b.pid] = true
				s.Rows = append(s.Rows, []string{f.Node, b.known(), grouped(b.mailbox), size(uint64(b.memory))})
			}
		}
	}
	if len(s.Rows) == 0 {
		return nil
	}
	return []actions.Section{s}
}

// table is one of a core's Mnesia.
type table struct {
	name, storage string
	size, bytes   int64
	copies, write []string // short names
	err           error
}

// mnesiaTables describes the tables of a core's Mnesia.
func (c *Cluster) mnesiaTables(ctx context.Context, v *visit) ([]table, error) {
	names, err := v.tables(ctx)
	if err != nil {
		return nil, err
	}
	word, err := v.number(ctx, "erlang", "system_info", term.Atom("wordsize"))
	if err != nil {
		return nil, err
	}
	tables := each(names[:min(len(names), mostTables)], func(name string) table {
		t := table{name: name}
		t.err = t.ask(ctx, v, word)
		return t
	})
	for _, t := range tables {
		if t.err != nil {
			return nil, t.err
		}
	}
	return tables, nil
}

// storages are the kinds of copy, as Mnesia names them, for people.
var storages = map[term.Term]string{
	term.Atom("ram_copies"): "memory", term.Atom("disc_copies"): "memory and disc", term.Atom("disc_only_copies"): "disc",
	term.Atom("unknown"): "no copy",
}

func (t *table) ask(ctx context.Context, v *visit, word int64) (err error) {
	name := term.Atom(t.name)
	if t.size, err = v.number(ctx, "mnesia", "table_info", name, term.Atom("size")); err != nil {
		return err
	}
	words, err := v.number(ctx, "mnesia", "table_info", name, term.Atom("memory"))
	if err != nil {
		return err
	}
	t.bytes = words * word
	reply, err := v.ask(ctx, "mnesia", "table_info", name, term.Atom("storage_type"))
	if err != nil {
		return err
	}
	kind, isAtom := reply.(term.Atom)
	if t.storage = storages[kind]; !isAtom || t.storage == "" {
		t.storage = "other"
	}
	copies, err := v.copies(ctx, t.name)
	if err != nil {
		return err
	}
	write, err := v.tableAtoms(ctx, t.name, "where_to_write")
	if err != nil {
		return err
	}
	t.copies, t.write = v.c.shortList(copies), v.c.shortList(write)
	return nil
}

func (c *Cluster) shortList(names []string) []string {
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = c.short(n)
	}
	slices.Sort(list)
	return list
}
