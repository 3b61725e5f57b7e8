package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"irisops/actions"
)

// preview is exactly what an order would run, line by line, warnings first. A
// make target that does not exist refuses the order here, before anything
// happens.
func (c *Cluster) preview(ctx context.Context, o order, lives map[string]life, j judgement) ([]string, error) {
	var warnings, lines []string
	if o.op.stops() {
		for _, n := range append(append([]Node(nil), o.edges()...), o.cores()...) {
			l := lives[n.Short]
			switch {
			case l.dead():
				lines = append(lines, fmt.Sprintf("%s does not run: nothing to stop", n.Short))
			case l.stopped():
				warnings = append(warnings, fmt.Sprintf("WARNING: %s %s. Only SIGKILL ends it so; what it had not written yet is lost. By hand, `kill -CONT %d` lets it stop cleanly.", n.Short, c.state(n, l), l.process.PID))
				lines = append(lines, fmt.Sprintf("%s: SIGKILL to pid %d", n.Short, l.process.PID))
			default:
				lines = append(lines, fmt.Sprintf("%s: init:stop() in pid %d; if it stays, SIGTERM, then SIGKILL to exactly that pid", n.Short, l.process.PID))
			}
		}
	}
	if !o.op.starts() {
		return append(warnings, lines...), nil
	}
	if j.harm != "" {
		warnings = append(warnings, fmt.Sprintf("WARNING: %s.", j.harm))
	}
	warnings = append(warnings, loneEdges(c.Spec, o, lives)...)
	lines = append(lines, j.lines...)
	if j.why != "" {
		lines = append(lines, "order of the cores: "+j.why)
	}

	var starting []Node
	for _, n := range o.nodes {
		if o.op == opStart && lives[n.Short].runs {
			lines = append(lines, fmt.Sprintf("%s %s: left as it is", n.Short, c.state(n, lives[n.Short])))
			continue
		}
		starting = append(starting, n)
	}
	printed, err := c.dryRuns(ctx, starting)
	if err != nil {
		return nil, err
	}
	for i, n := range starting {
		if o.archive {
			lines = append(lines, fmt.Sprintf("%s: rename %s, because the start would truncate it", n.Short, filepath.Join(n.Dir, n.Log)))
		} else {
			warnings = append(warnings, fmt.Sprintf("WARNING: the start truncates %s: what it holds is lost (--no-archive).", filepath.Join(n.Dir, n.Log)))
		}
		lines = append(lines, fmt.Sprintf("%s: in %s: %s", n.Short, n.Dir, c.command(n)))
		run, compiled := c.recipe(printed[i])
		if compiled > 0 {
			warnings = append(warnings, fmt.Sprintf("WARNING: %s would compile first (%s of erlc): the sources in %s have changed, and the node would start with the new code.", n.Target, plural(compiled, "line"), n.Dir))
		}
		for _, line := range run {
			lines = append(lines, "    "+line)
		}
		if _, set := n.MakeVars["CONFIG"]; !set && strings.Contains(strings.Join(run, "\n"), "-config config/test") {
			lines = append(lines, fmt.Sprintf("    (config/test is the Makefile's default: CONFIG under make_vars of %s in the config chooses another)", n.Short))
		}
	}
	return append(warnings, lines...), nil
}

// dryRuns are what `make -n` prints for each node.
func (c *Cluster) dryRuns(ctx context.Context, nodes []Node) ([][]string, error) {
	printed := make([][]string, len(nodes))
	errs := make([]error, len(nodes))
	var wg sync.WaitGroup
	for i, n := range nodes {
		wg.Go(func() { printed[i], errs[i] = c.host.MakeDryRun(ctx, n) })
	}
	wg.Wait()
	for i, err := range errs {
		if err == nil {
			continue
		}
		code, hint := actions.CodeOf(err), hint(err)
		if code == actions.CodeNoTarget {
			hint = fmt.Sprintf("Correct target or dir of %s in the config, or the Makefile in %s.", nodes[i].Short, nodes[i].Dir)
		}
		return nil, &actions.Error{Code: code, Err: err, Hint: hint,
			Text: fmt.Sprintf("%s cannot be started, so nothing was done: %s", nodes[i].Short, c.mask.err(err))}
	}
	return printed, nil
}

var erlc = regexp.MustCompile(`(^|[\s/])erlc\s`)

// compilesShown is how many lines of erlc stand in a preview: the whole of IRIS
// has some sixty.
const compilesShown = 3

// recipe is what make -n printed, masked, with most of the compiling left out.
func (c *Cluster) recipe(printed []string) (lines []string, compiled int) {
	for _, line := range printed {
		line = c.mask.line(strings.TrimSpace(line))
		if line == "" {
			continue
		}
		if erlc.MatchString(line) {
			if compiled++; compiled > compilesShown {
				continue
			}
		}
		lines = append(lines, cut(line, 500))
	}
	if more := compiled - compilesShown; more > 0 {
		lines = append(lines, fmt.Sprintf("(and %s of erlc more)", plural(more, "line")))
	}
	return lines, compiled
}

// loneEdges warns that edges start where there is no core for them.
func loneEdges(spec Spec, o order, lives map[string]life) []string {
	if len(o.cores()) > 0 || len(o.edges()) == 0 {
		return nil
	}
	for _, n := range spec.ByRole(CoreRole) {
		if lives[n.Short].silence == nil {
			return nil
		}
	}
	return []string{fmt.Sprintf("WARNING: no core answers: %s would start, but be connected to nothing, and the run would end as failed there. Start the core first: `%s`.",
		listed(shorts(o.edges())), o.words(opStart, spec.roleWord(CoreRole)))}
}
