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

// masterStep tells a core from which cores to load its tables, whatever it has
// noted about them itself; from nobody in particular at the end.
func (c *Cluster) masterStep(n Node, masters side) actions.Step {
	want := sorted(fullNames(masters))
	name, list := "tell "+n.Short+" to load from "+masters.String(), strings.Join(want, ", ")
	if len(masters) == 0 {
		name = "let " + n.Short + " choose for itself again"
	}
	return actions.Step{
		Name:     name,
		Describe: fmt.Sprintf("mnesia:set_master_nodes([%s]) on %s", list, n.Name),
		Perform: func(ctx context.Context) (string, error) {
			ctx, cancel := c.brief(ctx)
			defer cancel()
			t, err := c.erlang.Call(ctx, n.Name, "mnesia", "set_master_nodes", atomList(want))
			if err == nil && t != term.Atom("ok") {
				err = actions.Errorf("not-set", "it answers %s", term.Format(t, 200))
			}
			if err != nil {
				return "", c.failure(err, "", "The master nodes of %s could not be set: %s", n.Short, c.mask.err(err))
			}
			return "", nil
		},
		Check: func(ctx context.Context) (string, error) {
			ctx, cancel := c.brief(ctx)
			defer cancel()
			for _, table := range []string{"schema", "offline_msg"} {
				t, err := c.erlang.Call(ctx, n.Name, "mnesia", "table_info", term.Atom(table), term.Atom("master_nodes"))
				if err != nil {
					return "", err
				}
				if have, err := atoms(t); err != nil || !slices.Equal(have, want) {
					return "", actions.Errorf("not-set", "%s would load %s from %s", n.Short, table, orNobody(c.shortNames(have)))
				}
			}
			return "", nil
		},
		Timeout: 4 * c.opt.Call,
	}
}

func orNobody(names string) string {
	if names == "" {
		return "whom it chooses"
	}
	return names
}

// asideStep copies the data of a core that is stopped.
func (c *Cluster) asideStep(s settlement, n Node) actions.Step {
	dirs := []string{s.folders[n.Short], s.logs[n.Short]}
	return actions.Step{
		Name:     "copy the data of " + n.Short + " aside",
		Describe: fmt.Sprintf("%s to %s, and %s to %s; the originals stay where they are", dirs[0], s.aside(dirs[0]), dirs[1], s.aside(dirs[1])),
		Perform: func(ctx context.Context) (string, error) {
			if _, err := c.seeGone(ctx, n); err != nil {
				return "", err
			}
			folders, ok := c.host.(Folders)
			if !ok {
				return "", actions.Errorf(actions.CodeNotHere, "Nothing here can copy folders on %s.", hostOf(n))
			}
			for i, dir := range dirs {
				from, err := folders.Folder(ctx, n, dir)
				if err != nil {
					return "", err
				}
				if i > 0 && !from.Exists {
					continue // an IRIS without a write-ahead log
				}
				if to, err := folders.Folder(ctx, n, s.aside(dir)); err != nil {
					return "", err
				} else if to.Exists {
					continue // whole, or it would not have this name
				}
				if err := folders.CopyFolder(ctx, n, dir, s.aside(dir)); err != nil {
					return "", c.failure(err, fmt.Sprintf("%s is stopped, its data are where they were. Put that right; then `recover split-brain` cannot see %s any more: say `%s`, and when it runs `recover split-brain --merge %s`.", n.Short, n.Short, s.startAgain(n), s.stamp),
						"The data of %s could not be copied aside: %s", n.Short, c.mask.err(err))
				}
			}
			return "", nil
		},
		Check:   func(ctx context.Context) (string, error) { return c.seeAside(ctx, s, n) },
		Timeout: 2 * long,
	}
}

// seeAside compares each copy with its original.
func (c *Cluster) seeAside(ctx context.Context, s settlement, n Node) (string, error) {
	folders, ok := c.host.(Folders)
	if !ok {
		return "", actions.Errorf(actions.CodeNotHere, "Nothing here can look at folders on %s.", hostOf(n))
	}
	var seen []string
	for i, dir := range []string{s.folders[n.Short], s.logs[n.Short]} {
		from, err1 := folders.Folder(ctx, n, dir)
		to, err2 := folders.Folder(ctx, n, s.aside(dir))
		switch {
		case err1 != nil:
			return "", err1
		case err2 != nil:
			return "", err2
		case i > 0 && !from.Exists && !to.Exists:
			continue
		case !to.Exists || to.Files != from.Files || to.Bytes != from.Bytes:
			return "", actions.Errorf("no-copy", "%s is not a copy of %s: %s with %d bytes, not %s with %d", to.Path, dir, plural(to.Files, "file"), to.Bytes, plural(from.Files, "file"), from.Bytes)
		}
		seen = append(seen, fmt.Sprintf("%s: %s, %s", to.Path, plural(to.Files, "file"), size(uint64(to.Bytes))))
	}
	return strings.Join(seen, "; "), nil
}

// convergeStep asserts twice that all cores run together and hold equally much.
func (c *Cluster) convergeStep() actions.Step {
	cores := c.ByRole(CoreRole)
	return actions.Step{
		Name:     "see all cores agree, twice",
		Describe: fmt.Sprintf("running_db_nodes of %s is all of them, and the tables have equal sizes; twice, %s apart", listed(shorts(cores)), spoken(c.opt.Steady)),
		Perform: func(ctx context.Context) (string, error) {
			waiting, cancel := context.WithTimeout(ctx, 3*c.opt.Settle)
			defer cancel()
			var since time.Time
			seen, err := until(waiting, func(ctx context.Context) (bool, string, error) {
				sizes, err := c.agree(ctx)
				if err != nil {
					since = time.Time{}
					return false, strings.TrimSuffix(c.mask.err(err), "."), nil
				}
				if since.IsZero() {
					since = time.Now()
				}
				return time.Since(since) >= c.opt.Steady, sizes, nil
			})
			if err != nil {
				return "", c.failure(err, "Nothing was merged yet; what was kept is safe. Look with `diagnose full` and `mnesia`.", "The cores do not agree: %s.", seen)
			}
			return seen, nil
		},
		Check: func(ctx context.Context) (string, error) {
			// While clients write, two cores that are asked one after the other may differ
			// for a moment.
			ctx, cancel := context.WithTimeout(ctx, c.opt.Settle)
			defer cancel()
			seen, err := until(ctx, func(ctx context.Context) (bool, string, error) {
				_, err := c.agree(ctx)
				if err != nil {
					return false, strings.TrimSuffix(c.mask.err(err), "."), nil
				}
				return true, "", nil
			})
			if err != nil {
				return "", c.failure(err, "Nothing was merged yet; what was kept is safe. Look with `diagnose full` and `mnesia`.", "The cores do not agree: %s.", seen)
			}
			return "", nil
		},
		Timeout: 5*c.opt.Settle + 4*c.opt.Call,
	}
}

// agree is an error unless all cores run together with tables of equal sizes.
func (c *Cluster) agree(ctx context.Context) (string, error) {
	sides, err := c.sides(ctx)
	if err != nil {
		return "", err
	}
	if len(sides) > 1 {
		return "", actions.Errorf(codeSplit, "%s and %s still run apart.", sides[0], sides[1])
	}
	type answer struct {
		sizes map[string]int64
		err   error
	}
	cores := sides[0]
	answers := each(cores, func(n Node) (a answer) {
		a.sizes = map[string]int64{}
		v := c.visit(n)
		var tables []string
		if tables, a.err = v.tables(ctx); a.err != nil {
			return a
		}
		for _, table := range sized {
			if slices.Contains(tables, table) && a.err == nil {
				a.sizes[table], a.err = v.number(ctx, "mnesia", "table_info", term.Atom(table), term.Atom("size"))
			}
		}
		return a
	})
	var words []string
	for _, table := range sized {
		n, there := answers[0].sizes[table]
		for i, a := range answers {
			if a.err != nil {
				return "", a.err
			}
			if a.sizes[table] != n {
				return "", actions.Errorf("sizes-differ", "%s has %s records of %s and %s has %s", cores[0].Short, grouped(n), table, cores[i].Short, grouped(a.sizes[table]))
			}
		}
		if there {
			words = append(words, fmt.Sprintf("%s %s", table, grouped(n)))
		}
	}
	return fmt.Sprintf("%s run together; on each: %s", cores, strings.Join(words, ", ")), nil
}

func (c *Cluster) mergeStep(n Node, name string) actions.Step {
	return actions.Step{
		Name:     "merge what was kept",
		Describe: fmt.Sprintf("mnesia:dirty_write of each kept record on %s, piece by piece from %s*; a record that is there stays one, a revoked token is never dropped", n.Short, c.opt.Exports.Path(name)),
		Perform: func(ctx context.Context) (string, error) {
			m, _, err := c.delta(name)
			if err != nil {
				return "", err
			}
			report, err := c.mergeDelta(ctx, n, name, m)
			if err != nil {
				return report, c.failure(err, fmt.Sprintf("What was kept stays. Say `recover split-brain --merge %s`: it goes on where it ended.", strings.TrimPrefix(name, deltaName(c.Name, ""))),
					"Not everything was merged: %s", c.mask.err(err))
			}
			return report, nil
		},
		Timeout: long,
	}
}
