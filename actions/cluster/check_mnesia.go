package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

const noMnesia = "edges run no Mnesia"

var checkMnesia = check{
	name: "mnesia", asks: "does Mnesia run?", silence: actions.Unknown, role: CoreRole, why: noMnesia,
	deep: func(ctx context.Context, v *visit) Finding {
		state, err := v.mnesiaRuns(ctx)
		switch {
		case err != nil:
			return v.failed(err, "Mnesia")
		case state != "yes":
			return found(actions.Critical, "Mnesia is not running (%s)", state).next("restart " + v.n.Short)
		}
		return found(actions.OK, "running")
	},
}

// view is whom a core's Mnesia takes for its cluster, and for running.
type view struct{ members, running []string }

// checkViews finds a split: after the network heals nodes() is full on both
// sides while each side's Mnesia still runs alone.
var checkViews = check{
	name: "views", asks: "do the Mnesias of all cores see each other run?", silence: actions.Unknown, role: CoreRole, why: noMnesia,
	deep: func(ctx context.Context, v *visit) Finding {
		if f, ok := v.needMnesia(ctx); !ok {
			return f
		}
		var w view
		for _, q := range []struct {
			what term.Atom
			into *[]string
		}{{"db_nodes", &w.members}, {"running_db_nodes", &w.running}} {
			t, err := v.ask(ctx, "mnesia", "system_info", q.what)
			if err != nil {
				return v.failed(err, "Mnesia")
			}
			if *q.into, err = atoms(t); err != nil {
				return v.failed(err, "Mnesia")
			}
		}
		f := found(actions.OK, "runs with %s", v.c.shortNames(w.running))
		f.fact, f.Mark = w, v.c.shortNames(w.running)
		return f
	},
	join: func(c *Cluster, fs []*Finding) {
		views := map[string]view{} // of the cores that answered, by full name
		for _, f := range fs {
			if w, ok := f.fact.(view); ok {
				views[c.full(f.Node)] = w
			}
		}
		for _, f := range fs {
			w, ok := f.fact.(view)
			if !ok {
				continue
			}
			var split, away, strange []string
			for other := range views {
				if other != c.full(f.Node) && !slices.Contains(w.running, other) {
					split = append(split, c.short(other))
				}
			}
			for _, m := range w.members {
				_, seen := views[m]
				switch {
				case slices.Contains(w.running, m) || seen:
				case c.short(m) == m:
					strange = append(strange, m)
				default:
					away = append(away, c.short(m))
				}
			}
			slices.Sort(split)
			switch {
			case len(split) > 0 && len(w.members) == 1:
				*f = found(actions.Critical, "%s and %s run two databases: neither knows the other as a member", f.Node, listed(split)).code(codeSplit).at(f)
			case len(split) > 0:
				*f = found(actions.Critical, "its Mnesia runs without %s, which runs too: they diverge", listed(split)).code(codeSplit).at(f)
			case len(away) > 0:
				f.Evidence += fmt.Sprintf("; member %s does not run", listed(away))
			case len(strange) > 0:
				f.Result = actions.Advice
				f.Evidence += fmt.Sprintf("; members that the config does not know do not run: %s", strings.Join(strange, ", "))
			}
		}
	},
}

// at keeps the check and node of the finding that it replaces.
func (f Finding) at(old *Finding) Finding {
	f.Check, f.Node, f.fact, f.Mark = old.Check, old.Node, old.fact, old.Mark
	return f
}

func (c *Cluster) full(short string) string {
	for _, n := range c.Nodes {
		if n.Short == short {
			return n.Name
		}
	}
	return short
}

func (c *Cluster) shortNames(names []string) string {
	shorts := make([]string, len(names))
	for i, n := range names {
		shorts[i] = c.short(n)
	}
	slices.Sort(shorts)
	return listed(shorts)
}

// checkCopies looks whether every table that has a copy somewhere can be written.
var checkCopies = check{
	name: "tables", asks: "is every table loaded where it has a copy?", silence: actions.Unknown, role: CoreRole, why: noMnesia,
	deep: func(ctx context.Context, v *visit) Finding {
		if f, ok := v.needMnesia(ctx); !ok {
			return f
		}
		tables, err := v.tables(ctx)
		if err != nil {
			return v.failed(err, "tables")
		}
		if !slices.Contains(tables, "offline_msg") {
			return found(actions.Critical, "there is no table offline_msg (tables: %s)", strings.Join(tables, ", "))
		}
		running, err := v.ask(ctx, "mnesia", "system_info", term.Atom("running_db_nodes"))
		if err != nil {
			return v.failed(err, "tables")
		}
		up, err := atoms(running)
		if err != nil {
			return v.failed(err, "tables")
		}
		var bad []string
		for _, table := range tables[:min(len(tables), mostTables)] {
			copies, err := v.copies(ctx, table)
			if err != nil {
				return v.failed(err, "table "+table)
			}
			write, err := v.tableAtoms(ctx, table, "where_to_write")
			if err != nil {
				return v.failed(err, "table "+table)
			}
			for _, n := range copies {
				if slices.Contains(up, n) && !slices.Contains(write, n) {
					bad = append(bad, fmt.Sprintf("%s on %s", table, v.c.short(n)))
				}
			}
			if len(write) == 0 {
				bad = append(bad, table+" anywhere")
			}
		}
		if len(bad) > 0 {
			return found(actions.Critical, "not loaded: %s", strings.Join(bad[:min(len(bad), 5)], ", ")).next("mnesia")
		}
		// Left behind by a split whose settlement ended in the middle. Whoever wrote
		// last, this core would take the other side's tables.
		if masters, err := v.tableAtoms(ctx, "offline_msg", "master_nodes"); err == nil && len(masters) > 0 {
			return found(actions.Warn, "at its next start it loads its tables from %s, whoever wrote last (mnesia:set_master_nodes)", v.c.shortNames(masters)).next(splitWords + " --undo")
		}
		return found(actions.OK, "all %d tables are loaded where they have copies", len(tables))
	},
}

// mostTables bounds what is asked of a Mnesia with very many tables; IRIS has seven.
const mostTables = 100

func (v *visit) tableAtoms(ctx context.Context, table string, item term.Atom) ([]string, error) {
	t, err := v.ask(ctx, "mnesia", "table_info", term.Atom(table), item)
	if err != nil {
		return nil, err
	}
	return atoms(t)
}

// copies are the nodes that hold the table, in memory or on disc.
func (v *visit) copies(ctx context.Context, table string) ([]string, error) {
	var all []string
	for _, kind := range []term.Atom{"ram_copies", "disc_copies", "disc_only_copies"} {
		nodes, err := v.tableAtoms(ctx, table, kind)
		if err != nil {
			return nil, err
		}
		all = append(all, nodes...)
	}
	return all, nil
}

// sized are the tables whose sizes are compared between cores: those on disc.
var sized = []string{"offline_msg", "user_meta", "user_status", "revoked_tokens", "dedup_log"}

type tableSizes [2]map[string]int64

var checkSizes = check{
	name: "table sizes", asks: "do all cores hold equally many records?", silence: actions.Unknown, cost: sampled, role: CoreRole, why: noMnesia,
	deep: func(ctx context.Context, v *visit) Finding {
		if f, ok := v.needMnesia(ctx); !ok {
			return f
		}
		tables, err := v.tables(ctx)
		if err != nil {
			return v.failed(err, "tables")
		}
		var sizes tableSizes
		for i := range sizes {
			if i > 0 && !pause(ctx, v.c.opt.Sample) {
				return v.failed(ctx.Err(), "tables")
			}
			sizes[i] = map[string]int64{}
			for _, table := range sized {
				if !slices.Contains(tables, table) {
					continue
				}
				n, err := v.numberAgain(ctx, "mnesia", "table_info", term.Atom(table), term.Atom("size"))
				if err != nil {
					return v.failed(err, "table "+table)
				}
				sizes[i][table] = n
			}
		}
		var words []string
		for _, table := range sized {
			if n, ok := sizes[1][table]; ok {
				words = append(words, fmt.Sprintf("%s %s", table, grouped(n)))
			}
		}
		f := found(actions.OK, "%s", strings.Join(words, ", "))
		f.fact = sizes
		return f
	},
	join: func(c *Cluster, fs []*Finding) {
		for _, f := range fs {
			mine, ok := f.fact.(tableSizes)
			if !ok {
				continue
			}
			for _, other := range fs {
				theirs, ok := other.fact.(tableSizes)
				if !ok || other.Node == f.Node {
					continue
				}
				for _, table := range sized {
					skew := func(i int) float64 {
						a, b := mine[i][table], theirs[i][table]
						if larger := max(a, b); larger > 0 && abs(a-b) > 10 {
							return percent(abs(a-b), larger)
						}
						return 0
					}
					// Both times, or it is only a write on its way.
					if level := c.opt.Bounds.SizeSkew.of(min(skew(0), skew(1))); level != actions.OK {
						f.Result = worse(f.Result, level)
						f.Evidence += fmt.Sprintf("; %s has %s on %s, twice", table, grouped(theirs[1][table]), other.Node)
						f.Code = codeSplit
					}
				}
			}
		}
	},
}

func abs(n int64) int64 { return max(n, -n) }

// counters of Mnesia's transactions.
var counters = []term.Atom{"transaction_commits", "transaction_failures", "transaction_restarts", "transaction_log_writes"}

func (v *visit) transactions(ctx context.Context) (map[term.Atom]int64, error) {
	values := map[term.Atom]int64{}
	for _, k := range counters {
		n, err := v.numberAgain(ctx, "mnesia", "system_info", k)
		if err != nil {
			return nil, err
		}
		values[k] = n
	}
	return values, nil
}

// checkTransactions reports the change: the counters themselves, which the
// runbook calls a fix, only ever grow.
var checkTransactions = check{
	name: "transactions", asks: "do Mnesia's transactions fail or restart?", silence: actions.Unknown, cost: sampled, role: CoreRole, why: noMnesia,
	deep: func(ctx context.Context, v *visit) Finding {
		if f, ok := v.needMnesia(ctx); !ok {
			return f
		}
		before, err := v.transactions(ctx)
		if err != nil {
			return v.failed(err, "transactions")
		}
		if !pause(ctx, v.c.opt.Sample) {
			return v.failed(ctx.Err(), "transactions")
		}
		after, err := v.transactions(ctx)
		if err != nil {
			return v.failed(err, "transactions")
		}
		delta := func(k term.Atom) int64 { return after[k] - before[k] }
		commits, failures, restarts := delta(counters[0]), delta(counters[1]), delta(counters[2])
		level := actions.OK
		if failures+restarts > 2 { // a few of a few say nothing
			level = v.c.opt.Bounds.Transactions.of(percent(failures+restarts, max(commits, 1)))
		}
		f := found(level, "in %s: %d commits, %d failures, %d restarts", spoken(v.c.opt.Sample), commits, failures, restarts)
		if level != actions.OK {
			f.Code = codeOverload
			return f.next("mnesia")
		}
		return f
	},
}

const overloadWindow = 10 * time.Minute

// inLog counts the lines of recent entries that hold all of the words.
func (t logTail) inLog(from time.Time, words ...string) int {
	n := 0
	for _, e := range t.since(from) {
		text := strings.Join(e.lines, "\n")
		if !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) }) {
			n++
		}
	}
	return n
}

func (v *visit) noLog(err error) Finding {
	if silent(err) {
		return v.c.unseen(err, v.n.Log)
	}
	return found(actions.NotAvailable, "%s", v.c.mask.err(err)).code(actions.CodeOf(err))
}

// checkOverload reads what Mnesia writes into the log when its transaction log
// is dumped slower than it fills.
var checkOverload = check{
	name: "mnesia overload", asks: "did Mnesia log that it is overloaded, or partitioned?", silence: actions.Unknown, role: CoreRole, why: noMnesia,
	deep: func(ctx context.Context, v *visit) Finding {
		tail, err := v.tail(ctx)
		if err != nil {
			return v.noLog(err)
		}
		from := time.Now().Add(-overloadWindow)
		n := tail.inLog(from, "Mnesia", "overloaded")
		f := found(v.c.opt.Bounds.Overload.of(float64(n)), "%s: %s of an overloaded Mnesia in %s", v.n.Log, plural(n, "report"), spoken(overloadWindow))
		if n > 0 {
			f.Code = codeOverload
			f = f.next("mnesia")
		}
		// It tells of what was: the views say whether the cores still run apart.
		if p := tail.inLog(from, "inconsistent_database"); p > 0 {
			f.Result = worse(f.Result, actions.Advice)
			f.Code = cmp.Or(f.Code, codeRanApart)
			f.Evidence += fmt.Sprintf("; %s of an inconsistent database (partitioned network)", plural(p, "report"))
		}
		return f
	},
}

// checkUnacked finds the known cause of duplicates: two acknowledgements in one
// TCP segment are read as one id, so that both messages go offline after 10 s
// and are delivered once more.
var checkUnacked = check{
	name: "unacknowledged", asks: "were deliveries not acknowledged, and so stored and sent again?", silence: actions.Unknown, role: EdgeRole, why: "edges deliver",
	deep: func(ctx context.Context, v *visit) Finding {
		tail, err := v.tail(ctx)
		if err != nil {
			return v.noLog(err)
		}
		n := tail.inLog(time.Now().Add(-overloadWindow), "timed out (No ACK)")
		f := found(v.c.opt.Bounds.Unacked.of(float64(n)), "%s: %d deliveries without acknowledgement in %s", v.n.Log, n, spoken(overloadWindow))
		if f.Result != actions.OK {
			f.Code = codeUnacked
			f = f.next(fmt.Sprintf("logs %s --grep ACK", v.n.Short))
		}
		return f
	},
}
