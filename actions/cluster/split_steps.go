package cluster

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/backup"
	"irisops/actions/erlang/term"
)

// long bounds a step that moves a whole database.
const long = 30 * time.Minute

func (s settlement) name(c *Cluster) string { return deltaName(c.Name, s.stamp) }

// startAgain are the words that start a losing core whose settlement ended in the
// middle: they name the side whose data are the right ones.
func (s settlement) startAgain(n Node) string {
	return fmt.Sprintf("start %s --first %s", n.Short, s.winners[0].Short)
}

func (s settlement) aside(folder string) string { return folder + ".split-" + s.stamp }

// splitBackup is a backup that is not among those of `backup list`: none of them is
// removed because there are newer ones.
func (c *Cluster) splitBackup(s settlement, n Node) backup.Backup {
	return backup.Backup{Node: n.Short, Path: path.Join(c.backupDir(n), c.Name+"-split-"+s.stamp+"-"+n.Short+backupFile)}
}

// Before a core starts, its data and those of the others are compared elsewhere
// (dataStep), so that older data do not win. Here it is decided already whose data
// win, by a person, and the losing core is told so before it stops: its own may
// well be the newer ones. And the winning cores run, so that it loads theirs.

// settlePlan is the same for the same decision, whatever is alive.
func (c *Cluster) settlePlan(s settlement, preview []string) actions.Plan {
	p := actions.Plan{
		Title: fmt.Sprintf("Settle the split-brain: %s %s data for that of %s", s.losers, verb(len(s.losers), "gives up its", "give up their"), s.winners),
		Class: actions.Harm,
		Why: fmt.Sprintf("%s %s and takes the data of %s; of what only %s has, the messages stored since the split and the revoked tokens are merged",
			s.losers, verb(len(s.losers), "restarts", "restart"), s.winners, verb(len(s.losers), "it", "they")),
		Preview: preview, Bound: s.bound(), Steps: c.settleSteps(s),
	}
	for _, n := range c.Nodes {
		p.Targets = append(p.Targets, n.Key())
	}
	return p
}

func (c *Cluster) settleSteps(s settlement) []actions.Step {
	steps := []actions.Step{c.stillSplitStep(s), c.makeStep(s.winners[0], c.splitBackup(s, s.winners[0])), c.makeStep(s.losers[0], c.splitBackup(s, s.losers[0])),
		c.withdrawStep(s), c.saveStep(s), c.readyStep(s)}
	for _, n := range s.losers {
		steps = append(steps, c.masterStep(n, s.winners))
	}
	for i, n := range s.losers {
		stop := c.stopStep(n, actions.Harm)
		if i == 0 {
			stop = c.ifKept(s, stop)
		}
		steps = append(steps, stop)
	}
	for _, n := range s.losers {
		steps = append(steps, c.asideStep(s, n))
	}
	for _, n := range s.losers {
		steps = append(steps, c.archiveStep(order{op: opStart, target: n.Short, archive: true, first: s.winners[0].Short}, n))
	}
	steps = append(steps, c.startStep(s.losers))
	for _, n := range s.losers {
		steps = append(steps, c.waitStep(n))
	}
	steps = append(steps, c.convergeStep())
	for _, n := range s.losers {
		steps = append(steps, c.masterStep(n, nil))
	}
	steps = append(steps, c.mergeStep(s.winners[0], s.name(c)))
	edges := c.ByRole(EdgeRole)
	if len(edges) > 0 {
		steps = append(steps, c.meshStep(edges))
	}
	for _, n := range edges {
		steps = append(steps, c.loginStep(n))
	}
	return steps
}

// stillSplitStep makes sure that the sides are as they were agreed on.
func (c *Cluster) stillSplitStep(s settlement) actions.Step {
	return actions.Step{
		Name:     "see both sides again",
		Describe: fmt.Sprintf("mnesia:system_info(running_db_nodes) on every core: %s without %s", s.winners, s.losers),
		Perform: func(ctx context.Context) (string, error) {
			sides, err := c.sides(ctx)
			if err != nil {
				return "", err
			}
			have := func(want side) bool {
				return slices.ContainsFunc(sides, func(got side) bool { return got.String() == want.String() })
			}
			if len(sides) != 2 || !have(s.losers) || !have(s.winners) {
				var seen []string
				for _, x := range sides {
					seen = append(seen, x.String())
				}
				return "", &actions.Error{Code: "changed", Text: "The sides are others by now: " + strings.Join(seen, " | ") + ". Nothing was done.", Hint: "Say `recover split-brain` again."}
			}
			if err := c.reach(ctx, sides); err != nil {
				return "", err
			}
			return fmt.Sprintf("every core answers and reaches the others; %s | %s", s.winners, s.losers), nil
		},
		Timeout: 8 * c.opt.Call,
	}
}

// withdrawStep takes the losing cores out of the list from which edges choose, so
// that nothing more is stored where it would be given up. Starting again puts them
// back by itself.
func (c *Cluster) withdrawStep(s settlement) actions.Step {
	return actions.Step{
		Name: "turn clients away from " + s.losers.String(),
		Describe: fmt.Sprintf("pg:leave(iris_core_nodes) for the registry of %s, pg:join for that of %s; until every edge that answers chooses %s only",
			s.losers, s.winners, s.winners),
		Perform: func(ctx context.Context) (string, error) {
			for _, n := range s.winners {
				if _, err := c.listed(ctx, n, enroll); err != nil {
					return "", err
				}
			}
			for _, n := range s.losers {
				if _, err := c.listed(ctx, n, withdraw); err != nil {
					return "", err
				}
			}
			ctx, cancel := context.WithTimeout(ctx, c.opt.Settle)
			defer cancel()
			seen, err := until(ctx, func(ctx context.Context) (bool, string, error) {
				trouble := c.stillChosen(ctx, s)
				return trouble == "", trouble, nil
			})
			if err != nil {
				return "", c.failure(err, c.wayBack(s), "Edges still choose %s: %s.", s.losers, seen)
			}
			return "", nil
		},
		Check: func(ctx context.Context) (string, error) {
			if trouble := c.stillChosen(ctx, s); trouble != "" {
				return "", actions.Errorf("still-chosen", "%s", trouble)
			}
			return fmt.Sprintf("no edge that answers chooses %s", s.losers), nil
		},
		Timeout: 2*c.opt.Settle + 4*c.opt.Call,
	}
}

// listed asks one of the expressions withdraw and enroll. An IRIS without that
// list is no failure: there, edges go where they are told to.
func (c *Cluster) listed(ctx context.Context, n Node, e expression) (bool, error) {
	ctx, cancel := c.brief(ctx)
	defer cancel()
	t, err := c.eval(ctx, n.Name, e)
	if err != nil {
		return false, c.failure(err, "Say `diagnose`.", "The list of cores cannot be changed on %s: %s", n.Short, c.mask.err(err))
	}
	return t == term.Atom("true"), nil
}

// stillChosen says which edge would still choose a losing core.
func (c *Cluster) stillChosen(ctx context.Context, s settlement) string {
	troubles := each(c.ByRole(EdgeRole), func(n Node) string {
		ctx, cancel := c.brief(ctx)
		defer cancel()
		t, err := c.eval(ctx, n.Name, chosenFrom)
		if err != nil {
			return "" // an edge that does not answer has no say
		}
		names, err := atoms(t)
		if err != nil {
			return n.Short + " answers something unexpected"
		}
		for _, l := range s.losers {
			if slices.Contains(names, l.Name) {
				return fmt.Sprintf("%s chooses from %s", n.Short, c.shortNames(names))
			}
		}
		return ""
	})
	return strings.Join(slices.DeleteFunc(troubles, func(t string) bool { return t == "" }), "; ")
}

// wayBack is the hint of a step that fails before anything was stopped.
func (c *Cluster) wayBack(s settlement) string {
	return fmt.Sprintf("All data are as they were, and %s runs. `recover split-brain --loser %s` takes it up anew; `recover split-brain --undo` lets the edges choose %s again.",
		s.losers, s.losers[0].Short, s.losers)
}

func (c *Cluster) saveStep(s settlement) actions.Step {
	name := s.name(c)
	return actions.Step{
		Name: "keep what only " + s.losers.String() + " has",
		Describe: fmt.Sprintf("messages stored on %s since %s, bucket counts of their users, and all revoked tokens, in pieces; to %s*",
			s.losers[0].Short, stampOf(s.from), c.opt.Exports.Path(name)),
		Perform: func(ctx context.Context) (string, error) {
			if _, missing, err := c.delta(name); !missing {
				return "", err
			}
			for _, n := range s.losers {
				if err := c.flushOne(ctx, n); err != nil {
					return "", c.failure(err, c.wayBack(s), "The write-ahead log of %s could not be written to Mnesia: %s", n.Short, c.mask.err(err))
				}
			}
			if err := c.quiet(ctx, s); err != nil {
				return "", err
			}
			_, err := c.saveDelta(ctx, s.losers[0], manifest{Cluster: c.Name, Losers: shorts(s.losers), Winners: shorts(s.winners), From: s.from, At: time.Now().UTC()}, name)
			if err != nil {
				return "", c.failure(err, c.wayBack(s), "What %s has could not be kept: %s", s.losers, c.mask.err(err))
			}
			return "", nil
		},
		Check: func(ctx context.Context) (string, error) {
			m, _, err := c.delta(name)
			if err != nil {
				return "", err
			}
			return fmt.Sprintf("%s in %s, %s; read back from %s*", plural64(m.Messages, "message"), plural64(m.Rows, "record"), plural64(m.Tokens, "revoked token"), c.opt.Exports.Path(name)), nil
		},
		Timeout: long,
	}
}

// flushOne has a core write what waits in its write-ahead log. An IRIS without one
// has nothing to flush.
func (c *Cluster) flushOne(ctx context.Context, n Node) error {
	ctx, cancel := context.WithTimeout(ctx, 6*c.opt.Call)
	defer cancel()
	_, err := c.erlang.Call(ctx, n.Name, "iris_durable_batcher", "force_flush")
	if actions.CodeOf(err) == actions.CodeUndef {
		return nil
	}
	return err
}

// quiet waits until nothing more is stored on the losing side: what edges had sent
// before they were turned away arrives in a moment.
func (c *Cluster) quiet(ctx context.Context, s settlement) error {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Settle)
	defer cancel()
	last, since := int64(-2), time.Now()
	seen, err := until(ctx, func(ctx context.Context) (bool, string, error) {
		rows := c.count(ctx, s.losers[0], "offline_msg", s.from.UnixMilli())
		if rows < 0 || rows != last {
			last, since = rows, time.Now()
		}
		return rows >= 0 && time.Since(since) >= c.opt.Steady, known(rows, "record"), nil
	})
	if err != nil {
		return c.failure(err, c.wayBack(s), "Something goes on storing messages on %s (%s now), although no edge chooses it.", s.losers[0].Short, seen)
	}
	return nil
}

// readyStep looks at everything once more before the first thing that cannot be
// taken back at once.
func (c *Cluster) readyStep(s settlement) actions.Step {
	return actions.Step{
		Name:     "check backups, kept messages and room",
		Describe: fmt.Sprintf("both backups are read back whole; the kept messages are all that %s has since the split; there is room for copies of its data", s.losers),
		Perform: func(ctx context.Context) (string, error) {
			var seen []string
			for _, n := range []Node{s.winners[0], s.losers[0]} {
				in, err := c.visit(n).readBackup(ctx, c.splitBackup(s, n).Path)
				if err != nil {
					return "", c.failure(err, c.wayBack(s), "The backup of %s is no good: %s", n.Short, c.mask.err(err))
				}
				seen = append(seen, fmt.Sprintf("backup of %s: %s, %s", n.Short, size(uint64(in.bytes)), recordsOf(in.records)))
			}
			m, _, err := c.delta(s.name(c))
			if err != nil {
				return "", err
			}
			if err := c.allKept(ctx, s, m); err != nil {
				return "", err
			}
			room, err := c.room(ctx, s)
			if err != nil {
				return "", err
			}
			return strings.Join(append(seen, room...), "; "), nil
		},
		Timeout: long,
	}
}

// allKept is an error if the losing side has more by now than was kept of it.
func (c *Cluster) allKept(ctx context.Context, s settlement, m manifest) error {
	for _, n := range s.losers {
		if err := c.flushOne(ctx, n); err != nil {
			return c.failure(err, c.wayBack(s), "%s cannot be flushed: %s", n.Short, c.mask.err(err))
		}
	}
	if rows := c.count(ctx, s.losers[0], "offline_msg", s.from.UnixMilli()); rows > m.Rows || rows < 0 {
		return &actions.Error{Code: "changed", Hint: c.wayBack(s),
			Text: fmt.Sprintf("%s has %s since the split by now, and %d are kept: not all of them would be merged. Nothing was stopped.", s.losers[0].Short, known(rows, "record"), m.Rows)}
	}
	if tokens := c.count(ctx, s.losers[0], "revoked_tokens", 0); tokens > m.Tokens {
		return &actions.Error{Code: "changed", Hint: c.wayBack(s),
			Text: fmt.Sprintf("%s has %s by now, and %d are kept: a token that was revoked would be good again. Nothing was stopped.", s.losers[0].Short, plural64(tokens, "revoked token"), m.Tokens)}
	}
	return nil
}

// ifKept has the first stop of a losing side look once more whether everything is
// kept: the run may have been interrupted for hours before it.
func (c *Cluster) ifKept(s settlement, stop actions.Step) actions.Step {
	perform := stop.Perform
	stop.Perform = func(ctx context.Context) (string, error) {
		if _, runs, err := c.process(ctx, s.losers[0]); err != nil {
			return "", err
		} else if runs { // else it has been stopped already
			m, _, err := c.delta(s.name(c))
			if err != nil {
				return "", err
			}
			if err := c.allKept(ctx, s, m); err != nil {
				return "", err
			}
		}
		return perform(ctx)
	}
	stop.Timeout += time.Minute
	return stop
}

// room compares what would be copied with what is free on each host of the losing
// side.
func (c *Cluster) room(ctx context.Context, s settlement) ([]string, error) {
	folders, ok := c.host.(Folders)
	if !ok {
		return nil, actions.Errorf(actions.CodeNotHere, "Nothing here can copy folders on %s.", hostOf(s.losers[0]))
	}
	var seen []string
	for _, n := range s.losers {
		var bytes int64
		for _, dir := range []string{s.folders[n.Short], s.logs[n.Short]} {
			f, err := folders.Folder(ctx, n, dir)
			if err != nil {
				return nil, c.failure(err, hint(err), "The data of %s cannot be looked at, so they could not be copied aside: %s", n.Short, c.mask.err(err))
			}
			if dir == s.folders[n.Short] && f.Files == 0 {
				return nil, actions.Errorf("no-data", "%s, which %s says is its Mnesia folder, is not there or empty on %s.", dir, n.Short, hostOf(n))
			}
			bytes += f.Bytes
		}
		disk, err := folders.Room(ctx, n, s.folders[n.Short])
		if err != nil {
			return nil, c.failure(err, hint(err), "The disk of %s cannot be looked at: %s", n.Short, c.mask.err(err))
		}
		// A backup beside the copy, and what the node writes meanwhile.
		if need := uint64(2*bytes) + spare; disk.Free < need {
			return nil, &actions.Error{Code: actions.CodeDiskFull, Hint: "Make room there, and say it again.",
				Text: fmt.Sprintf("%s needs %s for a backup and copies of its data, and %s are free on %s.", n.Short, size(need), size(disk.Free), hostOf(n))}
		}
		seen = append(seen, fmt.Sprintf("%s: %s of data in %s, %s free", n.Short, size(uint64(bytes)), s.folders[n.Short], size(disk.Free)))
	}
	return seen, nil
}

// spare is left free whatever is copied.
const spare = 64 << 20
