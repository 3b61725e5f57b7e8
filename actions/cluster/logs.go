package cluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
)

const (
	shownLines = 100   // unless asked for another number
	mostLines  = 2_000 // of one answer
	readLines  = 40_000
)

func (c *Cluster) logs() actions.Action {
	return actions.Action{
		Name:    "logs",
		Summary: "The end of a node's log, without the noise",
		Example: fmt.Sprintf("logs %s -n 50 --since 15m", c.anyNode(EdgeRole)),
		Long: `Shows the last lines of a node's log, with what os_mon repeats twice a second folded and counted. Cookies, tokens and the contents of binaries (message bodies) are masked; --grep looks at what is shown.

The runbook's tail -100 core.log finds nothing but noise: IRIS asks os_mon, which it does not start, and each time two lines are logged.
A start of IRIS truncates the log. start and restart of irisops rename it first, so that older logs stand beside it. Where the log reaches back less far than was asked for, the newest one beside it is read, too, and named.`,
		Params: []actions.Param{
			{Name: "node", Kind: actions.Node, Doc: "whose log", Example: c.anyNode(EdgeRole)},
			{Name: "n", Kind: actions.Count, Flag: true, Doc: fmt.Sprintf("how many lines, at most %d", mostLines), Example: "50"},
			{Name: "grep", Kind: actions.Text, Flag: true, Doc: "only lines with this text, in any case", Example: "error"},
			{Name: "since", Kind: actions.Duration, Flag: true, Doc: "only what was logged in this time", Example: "15m"},
		},
		Look: c.lookLogs,
	}
}

func (c *Cluster) lookLogs(ctx context.Context, req actions.Request) (actions.Result, error) {
	if req.Args["node"] == "" {
		return actions.Result{}, &actions.Error{Code: "missing", Text: "Whose log?", Hint: fmt.Sprintf("For example: logs %s.", c.anyNode(EdgeRole))}
	}
	n, err := c.one(req.Args["node"])
	if err != nil {
		return actions.Result{}, err
	}
	count, since, err := window(req.Args)
	if err != nil {
		return actions.Result{}, err
	}
	ctx, cancel := c.brief(ctx)
	defer cancel()
	raw, err := c.host.LogTail(ctx, n, readLines)
	if err != nil {
		return actions.Result{}, c.failure(err, hint(err), "The log of %s cannot be read: %s", n.Short, c.mask.err(err))
	}
	tail := readLog(raw, readLines, c.opt.Zone, c.mask)
	from := ""
	if allOfIt(raw, readLines) && !enough(tail, count, since) {
		from, tail = c.before(ctx, n, raw, tail)
	}
	var limits []string
	if since > 0 {
		tail = tail.since(time.Now().Add(-since))
		limits = append(limits, "in the last "+spoken(since))
	}
	lines, folded := tail.text()
	if word := req.Args["grep"]; word != "" {
		lines = containing(lines, word)
		limits = append(limits, fmt.Sprintf("with %q", word))
	}
	left := max(0, len(lines)-count)
	lines = lines[left:]

	parts := []string{strings.TrimSpace(fmt.Sprintf("%s: %s %s", n.Log, plural(len(lines), "line"), strings.Join(limits, ", ")))}
	if left > 0 {
		parts = append(parts, plural(left, "line")+" before them not shown")
	}
	switch {
	case from != "" && len(lines) == 0:
		parts = append(parts, "it was begun anew meanwhile: "+from+" was looked through, too")
	case from != "":
		parts = append(parts, "it was begun anew meanwhile: the first of them are from "+from)
	}
	bad := len(tail.bad())
	if bad > 0 {
		parts = append(parts, plural(bad, "error"))
	}
	if folded > 0 {
		parts = append(parts, plural(folded, "line")+" of OS_MON noise folded")
	}
	r := actions.Result{Level: actions.OK, Headline: strings.Join(parts, "; ")}
	if bad > 0 {
		r.Level = actions.Warn
	}
	if len(lines) > 0 {
		r.Sections = []actions.Section{{Title: n.Log, Lines: lines, Code: true}}
	}
	r.Data = map[string]any{"node": n.Short, "log": n.Log, "begins_in": from, "lines": lines, "folded": folded, "errors": bad}
	return r, nil
}

// OlderLogs knows which logs stand beside a node's own: those that irisops or
// logrotate have renamed.
type OlderLogs interface {
	// OlderLogs are their names in the node's folder, the newest first. Packed ones
	// are not among them.
	OlderLogs(ctx context.Context, n Node) ([]string, error)
}

// enough says whether the log reaches back as far as was asked for.
func enough(tail logTail, count int, since time.Duration) bool {
	if since == 0 {
		lines, _ := tail.text()
		return len(lines) >= count
	}
	for _, e := range tail {
		if !e.at.IsZero() {
			return e.at.Before(time.Now().Add(-since))
		}
	}
	return false
}

// before puts the end of the newest older log in front of a whole one. A log that
// was truncated in place leaves nothing to put there.
func (c *Cluster) before(ctx context.Context, n Node, raw []string, tail logTail) (from string, _ logTail) {
	host, ok := c.host.(OlderLogs)
	if !ok {
		return "", tail
	}
	names, err := host.OlderLogs(ctx, n)
	if err != nil || len(names) == 0 {
		return "", tail
	}
	older := n
	older.Log = names[0]
	lines, err := c.host.LogTail(ctx, older, readLines-len(raw))
	if err != nil || len(lines) == 0 {
		return "", tail // packed or removed in between
	}
	return names[0], append(readLog(lines, readLines-len(raw), c.opt.Zone, c.mask), tail...)
}

// window is how many lines and how far back.
func window(args actions.Args) (count int, since time.Duration, err error) {
	count = shownLines
	if s := args["n"]; s != "" {
		if count, err = strconv.Atoi(s); err != nil || count < 1 {
			return 0, 0, &actions.Error{Code: "usage", Text: fmt.Sprintf("%q is not a number of lines.", s), Hint: "For example: -n 50.", Err: err}
		}
	}
	if s := args["since"]; s != "" {
		if since, err = time.ParseDuration(s); err != nil || since <= 0 {
			return 0, 0, &actions.Error{Code: "usage", Text: fmt.Sprintf("%q is not a length of time.", s), Hint: "For example: --since 15m.", Err: err}
		}
	}
	return min(count, mostLines), since, nil
}

func containing(lines []string, word string) []string {
	word = strings.ToLower(word)
	var found []string
	for _, line := range lines {
		if strings.Contains(strings.ToLower(line), word) {
			found = append(found, line)
		}
	}
	return found
}
