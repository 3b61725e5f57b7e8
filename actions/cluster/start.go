package cluster

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"irisops/actions"
)

// archiveStep renames the node's log: IRIS's start truncates it.
func (c *Cluster) archiveStep(o order, n Node) actions.Step {
	return actions.Step{
		Name:     "archive log of " + n.Short,
		Describe: fmt.Sprintf("rename %s, which the start would truncate", filepath.Join(n.Dir, n.Log)),
		Perform: func(ctx context.Context) (string, error) {
			p, runs, err := c.process(ctx, n)
			if err != nil {
				return "", err
			}
			if runs {
				return fmt.Sprintf("%s runs (pid %d): its log is left to it", n.Short, p.PID), nil
			}
			path, err := c.host.ArchiveLog(ctx, n, time.Now())
			if err != nil {
				say := o
				if say.op != opRecover {
					say.op = opStart
				}
				again := strings.TrimSpace(say.with(""))
				return "", c.failure(err, fmt.Sprintf("Free the disk, then say `%s`; or `%s --no-archive`, which loses the old log.", again, again),
					"%s was not started, because its log could not be archived: %s", n.Short, c.mask.err(err))
			}
			if path == "" {
				return "there is no log to archive", nil
			}
			return "now " + path, nil
		},
	}
}

// startStep starts one node, or cores together. Where there are several, they
// come up well within the time after which IRIS stops waiting for another core's
// tables; one step, so that no halt comes between them.
func (c *Cluster) startStep(nodes []Node) actions.Step {
	var does []string
	for _, n := range nodes {
		does = append(does, fmt.Sprintf("%s in %s", c.command(n), n.Dir))
	}
	name := "start " + listed(shorts(nodes))
	if len(nodes) > 1 {
		name += " together"
		does = append(does, "the one that wrote last goes first")
	}
	return actions.Step{
		Name:     name,
		Describe: strings.Join(does, "; "),
		Perform:  func(ctx context.Context) (string, error) { return c.start(ctx, nodes) },
		Check: func(ctx context.Context) (string, error) {
			var seen []string
			for _, n := range nodes {
				p, runs, err := c.process(ctx, n)
				if err != nil {
					return strings.Join(seen, ", "), err
				}
				if !runs {
					return strings.Join(seen, ", "), actions.Errorf("not-running", "No process runs as %s in %s.%s", n.Alive(), n.Dir, c.dying(ctx, n))
				}
				seen = append(seen, fmt.Sprintf("%s is pid %d", n.Short, p.PID))
			}
			return strings.Join(seen, ", "), nil
		},
		Timeout: time.Duration(len(nodes))*(c.opt.Make+c.opt.Appear) + 10*time.Second,
	}
}

func (c *Cluster) start(ctx context.Context, nodes []Node) (string, error) {
	var seen []string
	var first time.Time
	for _, n := range c.newestFirst(ctx, nodes) {
		evidence, started, err := c.startOne(ctx, n)
		seen = append(seen, evidence)
		if err != nil {
			return strings.Join(seen, ", "), err
		}
		switch {
		case !started:
		case first.IsZero():
			first = time.Now()
		case time.Since(first) > c.opt.Together:
			return strings.Join(seen, ", "), &actions.Error{Code: "too-late",
				Text: fmt.Sprintf("%s came up %s after the first core. That core may have loaded its tables alone, and newer writes on %s may be lost.", n.Short, spoken(time.Since(first)), n.Short),
				Hint: "Compare the tables on the cores before letting clients in."}
		}
	}
	return strings.Join(seen, ", "), nil
}

// newestFirst puts cores in the order of their last writes: if one of them does
// not come up, those that did are not the older ones.
func (c *Cluster) newestFirst(ctx context.Context, nodes []Node) []Node {
	if len(nodes) < 2 || nodes[0].Role != CoreRole {
		return nodes
	}
	views := each(nodes, func(n Node) coreView {
		v := coreView{node: n}
		v.data, v.err = c.host.CoreData(ctx, n)
		return v
	})
	age := func(v coreView) time.Duration {
		if v.err != nil {
			return math.MaxInt64 // not known
		}
		return v.age()
	}
	slices.SortStableFunc(views, func(a, b coreView) int { return cmp.Compare(age(a), age(b)) })
	sorted := make([]Node, len(views))
	for i, v := range views {
		sorted[i] = v.node
	}
	return sorted
}

func (c *Cluster) startOne(ctx context.Context, n Node) (evidence string, started bool, err error) {
	_, runs, err := c.process(ctx, n)
	if err != nil {
		return "", false, err
	}
	if runs {
		return fmt.Sprintf("%s runs already", n.Short), false, nil
	}
	making, cancel := context.WithTimeout(ctx, c.opt.Make)
	defer cancel()
	if err := c.host.Make(making, n); err != nil {
		return "", false, c.failure(err, hint(err), "%s was not started: %s", n.Short, c.mask.err(err))
	}
	appearing, cancel := context.WithTimeout(ctx, c.opt.Appear)
	defer cancel()
	_, err = until(appearing, func(ctx context.Context) (bool, string, error) {
		_, runs, err := c.process(ctx, n)
		if ctx.Err() != nil {
			return false, "", nil
		}
		return runs, "", err
	})
	switch {
	case err != nil && appearing.Err() != nil:
		return "", false, c.failure(appearing.Err(), fmt.Sprintf("Look with `logs %s`.", n.Short),
			"make %s ended well, but no process of %s is there after %s.%s", n.Target, n.Short, spoken(c.opt.Appear), c.dying(ctx, n))
	case err != nil:
		return "", false, err
	}
	return "make " + n.Target, true, nil
}
