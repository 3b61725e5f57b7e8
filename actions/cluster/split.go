package cluster

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

const splitWords = "recover split-brain"

func (c *Cluster) splitAction() actions.Action {
	return actions.Action{
		Name:    splitWords,
		Summary: "Join cores that ran apart: one side gives up its data, and its unsent messages are merged",
		Example: splitWords,
		Long: `Without more words it shows what speaks for each side, and which one to keep. You then type the name of a core of the side that loses. Every core has to answer, else nothing is done.

What then runs, after a second person has approved it: both sides are backed up (mnesia:backup, on their hosts); the edges stop choosing the losing cores; what only they have is kept by irisops (messages stored since the split, all revoked tokens); they are told whose tables to load (mnesia:set_master_nodes) and stopped; their Mnesia data and write-ahead log are copied aside; they start and load the other side's tables; all views and sizes have to agree, twice; then the kept messages are merged. Nothing is deleted. While it runs, no other action touches the cluster.

What the losing side alone has of other tables (last seen, presence, the log of duplicates) is lost; the backups have it. Messages that its users have read since the split may come a second time.
When the split began is asked of Mnesia. --since says it instead, in UTC or as how long ago; rather too early than too late.

If it ends in the middle: before the losing cores are stopped, --undo lets the edges choose them again, with both sides as they were. After that, start them with --first and a core of the other side, and --merge with the name that was shown merges what was kept.

Runbook: ` + splitBrain.String() + `. Where this differs:
- Its "most recent data" is the size of offline_msg, which says nothing of that: the majority of the cores comes first here, then clients, then what was stored since.
- Its make stop ends every IRIS node on the host, and its rm -rf Mnesia.iris_* may hit the data to be kept. Here exactly the losing cores stop, and nothing is deleted.
- Its mnesia:change_config(extra_db_nodes, ...) answers ok between sides that both ran on, and all looks green while the data stay apart. It is never called; nor is mnesia:del_table_copy.
- nodes() and IRIS's partition guard look healthy while Mnesia is split; they are not what counts.`,
		Params: []actions.Param{
			{Name: "loser", Kind: actions.Node, Flag: true, Doc: "a core of the side that gives up its data", Example: c.lastCore()},
			{Name: "since", Kind: actions.Word, Flag: true, Doc: "when the split began, in UTC, or how long ago", Example: "2h"},
			{Name: "undo", Kind: actions.Bool, Flag: true, Doc: "let the edges choose all cores again, after a run that ended before it stopped any"},
			{Name: "merge", Kind: actions.Word, Flag: true, Doc: "merge what an earlier run has kept, by its name", Example: "20260301T031500Z"},
		},
		Plan: c.planSplit,
	}
}

func (c *Cluster) lastCore() string {
	cores := c.ByRole(CoreRole)
	if len(cores) == 0 {
		return "core2"
	}
	return cores[len(cores)-1].Short
}

// settlement is one decision of a split: who loses, to whom, and where everything
// goes. All of it stands in the request, so that it is the same after a crash.
type settlement struct {
	losers, winners side
	from            time.Time
	stamp           string            // names the files: 20260301T031500Z
	folders         map[string]string // by short name: Mnesia's directory
	logs            map[string]string // by short name: the write-ahead log's
}

func (c *Cluster) planSplit(ctx context.Context, req actions.Request) (actions.Plan, error) {
	if c.opt.Exports == nil {
		return actions.Plan{}, actions.Errorf("no-folder", "irisops has no folder to keep messages in, and without one no side can give up its data.")
	}
	switch {
	case req.Args["undo"] == "true":
		return c.planUndo(ctx, req)
	case req.Args["merge"] != "":
		return c.planMerge(ctx, req)
	case req.Agreed != 0: // half of it is done: what is seen now is no guide
		s, err := c.settled(req.Args)
		if err != nil {
			return actions.Plan{}, err
		}
		return c.settlePlan(s, nil), nil
	}
	sides, err := c.sides(ctx)
	if err != nil {
		return actions.Plan{}, err
	}
	if len(sides) == 1 {
		return actions.Plan{}, &actions.Error{Code: "not-split", Text: fmt.Sprintf("There is no split: Mnesia runs on %s together.", sides[0]), Hint: "Say `diagnose`."}
	}
	when, err := c.splitSince(ctx, req, sides)
	if err != nil {
		return actions.Plan{}, err
	}
	facts, shared := c.weigh(ctx, sides, when.from.UnixMilli())
	keep, why := recommend(facts)
	if req.Args["loser"] == "" {
		card := c.splitCard(facts, shared, when, keep, why)
		return actions.Plan{Answer: &card}, nil
	}
	s, err := c.decide(ctx, req, sides, when.from)
	if err != nil {
		return actions.Plan{}, err
	}
	var preview []string
	if keep >= 0 && facts[keep].side.has(s.losers[0].Short) {
		preview = append(preview, fmt.Sprintf("WARNING: %s is the side to keep, because %s. Here that side would give up its data.", s.losers, why))
	}
	for _, f := range facts {
		preview = append(preview, fmt.Sprintf("%s: %s, %s since the split", f.side, known(f.clients, "client"), known(f.rows, "stored message")))
	}
	preview = append(preview, shared...)
	preview = append(preview, "split since "+stampOf(s.from)+" ("+when.how+")")
	room, err := c.room(ctx, s)
	if err != nil {
		return actions.Plan{}, err
	}
	preview = append(preview, room...)
	printed, err := c.dryRuns(ctx, s.losers)
	if err != nil {
		return actions.Plan{}, err
	}
	for i, n := range s.losers {
		preview = append(preview, fmt.Sprintf("%s: in %s: %s", n.Short, n.Dir, c.command(n)))
		lines, _ := c.recipe(printed[i])
		for _, line := range lines {
			preview = append(preview, "    "+line)
		}
	}
	return c.settlePlan(s, preview), nil
}

// splitSince is when the split began: as a person says, as was agreed, or as Mnesia
// has noted.
func (c *Cluster) splitSince(ctx context.Context, req actions.Request, sides []side) (splitTime, error) {
	if agreed := req.Args["from"]; agreed != "" {
		at, err := time.Parse(time.RFC3339, agreed)
		return splitTime{from: at, how: "as shown when it was asked for"}, err
	}
	if typed := req.Args["since"]; typed != "" {
		at, err := sinceTyped(typed, req.Now)
		return splitTime{from: at, how: "as " + req.By + " says"}, err
	}
	return c.splitWhen(ctx, sides)
}

// decide makes the decision out of the loser's name, or takes the one that was
// agreed to if it still fits.
func (c *Cluster) decide(ctx context.Context, req actions.Request, sides []side, from time.Time) (settlement, error) {
	named, err := c.Select(req.Args["loser"])
	if err != nil {
		return settlement{}, err
	}
	at := -1
	if len(named) == 1 {
		at = slices.IndexFunc(sides, func(s side) bool { return s.has(named[0].Short) })
	}
	if at < 0 {
		return settlement{}, &actions.Error{Code: actions.CodeNoSuchNode, Text: fmt.Sprintf("%s is no core: a side is named by one of its cores.", req.Args["loser"]),
			Hint: fmt.Sprintf("Say `%s --loser %s`.", splitWords, c.lastCore())}
	}
	if len(sides) > 2 {
		return settlement{}, &actions.Error{Code: "three-sides", Hint: "Stop and keep the data of all but two sides first, by hand; `recover split-brain` without a name shows what speaks for each.",
			Text: fmt.Sprintf("There are %d sides. irisops settles a split of two: which of three data a restarted core would load is nothing to guess at. Nothing was done.", len(sides))}
	}
	if err := c.reach(ctx, sides); err != nil {
		return settlement{}, err
	}
	s := settlement{losers: sides[at], winners: sides[1-at], from: from, stamp: req.Now.UTC().Format("20060102T150405Z"),
		folders: map[string]string{}, logs: map[string]string{}}
	for _, n := range s.losers {
		if s.folders[n.Short], s.logs[n.Short], err = c.whereData(ctx, n); err != nil {
			return s, err
		}
	}
	if _, agreed := req.Args["stamp"]; !agreed {
		return s, nil
	}
	was, err := c.settled(req.Args)
	if err != nil {
		return s, err
	}
	if s.losers.String() != was.losers.String() || s.winners.String() != was.winners.String() {
		return s, &actions.Error{Code: "changed", Text: fmt.Sprintf("The sides have changed since this was asked for: now %s and %s.", s.losers, s.winners), Hint: "Say `recover split-brain` again."}
	}
	for _, n := range s.losers {
		if s.folders[n.Short] != was.folders[n.Short] || s.logs[n.Short] != was.logs[n.Short] {
			return s, &actions.Error{Code: "changed", Text: fmt.Sprintf("The data of %s lie elsewhere since this was asked for.", n.Short), Hint: "Say `recover split-brain` again."}
		}
	}
	return was, nil
}

// whereData asks a core where its Mnesia and its write-ahead log lie.
func (c *Cluster) whereData(ctx context.Context, n Node) (mnesia, wal string, err error) {
	ctx, cancel := c.brief(ctx)
	defer cancel()
	fail := func(err error) error {
		return c.failure(err, "", "Where %s has its data cannot be seen: %s. Nothing was done.", n.Short, c.mask.err(err))
	}
	t, err := c.erlang.Call(ctx, n.Name, "mnesia", "system_info", term.Atom("directory"))
	if err != nil {
		return "", "", fail(err)
	}
	mnesia, ok := term.AsString(t)
	if !ok {
		return "", "", fail(unexpected(t))
	}
	t, err = c.erlang.Call(ctx, n.Name, "application", "get_env", term.Atom("iris_core"), term.Atom("wal_directory"), term.Text("data/wal"))
	if err != nil {
		return "", "", fail(err)
	}
	if t, err = c.erlang.Call(ctx, n.Name, "filename", "absname", t); err != nil {
		return "", "", fail(err)
	}
	if wal, ok = term.AsString(t); !ok {
		return "", "", fail(unexpected(t))
	}
	if !path.IsAbs(mnesia) || !path.IsAbs(wal) {
		return "", "", fail(actions.Errorf("bad-value", "%q and %q are no absolute paths", cut(mnesia, 100), cut(wal, 100)))
	}
	return path.Clean(mnesia), path.Clean(wal), nil
}

// bound writes the decision into the request.
func (s settlement) bound() actions.Args {
	args := actions.Args{"losers": strings.Join(shorts(s.losers), ","), "winners": strings.Join(shorts(s.winners), ","),
		"from": stampOf(s.from), "stamp": s.stamp}
	for _, n := range s.losers {
		args["mnesia."+n.Short], args["wal."+n.Short] = s.folders[n.Short], s.logs[n.Short]
	}
	return args
}

// settled reads it again.
func (c *Cluster) settled(args actions.Args) (settlement, error) {
	s := settlement{stamp: args["stamp"], folders: map[string]string{}, logs: map[string]string{}}
	var err error
	if s.from, err = time.Parse(time.RFC3339, args["from"]); err != nil {
		return s, actions.Errorf("bad-value", "The request does not say when the split began: %w", err)
	}
	for _, part := range []struct {
		of   *side
		list string
	}{{&s.losers, args["losers"]}, {&s.winners, args["winners"]}} {
		for short := range strings.SplitSeq(part.list, ",") {
			nodes, err := c.Select(short)
			if err != nil {
				return s, err
			}
			*part.of = append(*part.of, nodes...)
		}
	}
	for _, n := range s.losers {
		s.folders[n.Short], s.logs[n.Short] = args["mnesia."+n.Short], args["wal."+n.Short]
	}
	return s, nil
}

func known(n int64, noun string) string {
	if n < 0 {
		return noun + "s not known"
	}
	return plural64(n, noun)
}
