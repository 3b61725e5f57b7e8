package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// coreView is what is seen of one core before cores start.
type coreView struct {
	node Node
	data CoreData
	err  error // why its data cannot be seen
	life life
	wait bool  // it runs, but has not loaded its tables yet
	asks error // it runs, but its Mnesia cannot be asked
}

// empty: IRIS would silently make a new database of it.
func (v coreView) empty() bool { return !v.data.Mnesia.Exists || v.data.Mnesia.Files == 0 }

// serving: it can give the others its tables.
func (v coreView) serving() bool { return v.life.silence == nil && v.asks == nil }

// age is how long ago the core last wrote, by the clock of its own machine. Its
// log counts: IRIS writes to it until the end, and a start truncates it.
func (v coreView) age() time.Duration {
	newest := v.data.Mnesia.Newest
	if v.data.Log.Exists && v.data.Log.Newest.After(newest) {
		newest = v.data.Log.Newest
	}
	return v.data.Clock.Sub(newest)
}

// viewCores looks at the data of all cores, and asks the living for their Mnesia.
func (c *Cluster) viewCores(ctx context.Context, lives map[string]life) []coreView {
	return each(c.ByRole(CoreRole), func(n Node) coreView {
		v := coreView{node: n, life: lives[n.Short]}
		v.data, v.err = c.host.CoreData(ctx, n)
		if v.life.silence != nil {
			return v
		}
		ctx, cancel := c.brief(ctx)
		defer cancel()
		v.wait, v.asks = c.waits(ctx, n)
		return v
	})
}

// waits says whether a core that answers still waits for the tables of others.
func (c *Cluster) waits(ctx context.Context, n Node) (bool, error) {
	reply, err := c.erlang.Call(ctx, n.Name, "mnesia", "system_info", term.Atom("is_running"))
	if err != nil {
		return false, err
	}
	if reply != term.Atom("yes") {
		return false, actions.Errorf(codeNoApp, "its Mnesia does not run (%s)", term.Format(reply, 40))
	}
	reason, err := c.erlang.Call(ctx, n.Name, "mnesia", "table_info", term.Atom("offline_msg"), term.Atom("load_reason"))
	return reason == term.Atom("unknown"), err
}

// sawGo asks a core whether it outlived another one: Mnesia notes who went while
// it ran, and forgets it when that node is back. Where it has not noted it, the
// other may have written later.
func (c *Cluster) sawGo(ctx context.Context, living, gone Node) (bool, error) {
	ctx, cancel := c.brief(ctx)
	defer cancel()
	reply, err := c.erlang.Call(ctx, living.Name, "mnesia_recover", "has_mnesia_down", term.Atom(gone.Name))
	if err != nil {
		return false, err
	}
	return reply == term.Atom("true"), nil
}

// line is what people are shown of a core's disk.
func (v coreView) line(c *Cluster) string {
	if v.err != nil {
		return fmt.Sprintf("%s: its data cannot be looked at: %s", v.node.Short, c.mask.err(v.err))
	}
	m := v.data.Mnesia
	text := fmt.Sprintf("%s: data %s: ", v.node.Short, m.Path)
	switch {
	case !m.Exists:
		text += "no such folder"
	case m.Files == 0:
		text += "empty"
	default:
		text += fmt.Sprintf("%s, %s, newest write %s", plural(m.Files, "file"), size(uint64(m.Bytes)), c.written(m, v.data.Clock))
	}
	if w := v.data.WAL; w.Files > 0 {
		text += fmt.Sprintf("; write-ahead log %s: %s, newest write %s", filepath.Base(filepath.Dir(w.Path))+"/"+filepath.Base(w.Path), size(uint64(w.Bytes)), c.written(w, v.data.Clock))
	} else {
		text += "; no write-ahead log"
	}
	if l := v.data.Log; l.Exists {
		text += fmt.Sprintf("; %s: newest write %s", v.node.Log, c.written(l, v.data.Clock))
	}
	return text
}

// written is when a folder was last written to, and how long that is ago.
func (c *Cluster) written(f Folder, clock time.Time) string {
	return fmt.Sprintf("%s (%s ago)", f.Newest.In(c.opt.People).Format("2006-01-02 15:04:05"), spoken(max(clock.Sub(f.Newest), 0)))
}

func viewLines(c *Cluster, views []coreView) []string {
	lines := make([]string, len(views))
	for i, v := range views {
		lines[i] = v.line(c)
	}
	return lines
}

// dataStep looks at the cores' data before any of them starts: the runbook's
// "Verify Mnesia data".
func (c *Cluster) dataStep(o order, class actions.Class) actions.Step {
	who := listed(shorts(o.cores()))
	text := fmt.Sprintf("folder, size and newest write of every core's Mnesia data and logs; nothing starts if data of %s are missing or empty, or another core's may be newer", who)
	if o.first != "" {
		text += "; first: " + o.first
	}
	if len(o.fresh) > 0 {
		text += "; new, without data: " + strings.Join(o.fresh, ", ")
	}
	return actions.Step{
		Name:     "check data of " + who,
		Describe: text,
		Perform: func(ctx context.Context) (string, error) {
			lives := c.survey(ctx, c.ByRole(CoreRole))
			j, err := c.judgeCores(ctx, o, lives, false)
			if err != nil {
				return "", err
			}
			if j.harm != "" && class < actions.Harm {
				return "", &actions.Error{Code: "changed", Text: fmt.Sprintf("Nothing was started: %s by now, and that was not agreed to.", j.harm),
					Hint: "Look with `diagnose`, and ask once more."}
			}
			return strings.Join(append(j.lines, j.why), "; "), nil
		},
		Timeout: c.opt.Survey + 4*c.opt.Call + 20*time.Second,
	}
}
