package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
)

// Before any core starts. IRIS waits 30 s for the tables of other cores and then
// loads what lies on its own disk; a core that has no data makes a new, empty
// database. So a core that is started before the one that stopped last undoes
// what that one wrote, and views and sizes agree afterwards. Starting them
// together is right in any order, because Mnesia itself knows who stopped last.

// judgement is whether cores may start.
type judgement struct {
	lines []string // what is seen of each core's disk
	why   string   // why they may start
	harm  string   // what a person's choice goes against; "" if nothing
}

// judgeCores says whether those cores of the order that do not run may start.
// planning says that those which run will be stopped first, if the order stops.
func (c *Cluster) judgeCores(ctx context.Context, o order, lives map[string]life, planning bool) (judgement, error) {
	views := c.viewCores(ctx, lives)
	var starting, others []coreView
	for _, v := range views {
		ordered := contains(o.cores(), v.node) && (!planning || o.acts(v.node))
		switch stops := planning && o.op.stops(); {
		case ordered && (stops || v.life.dead()):
			starting = append(starting, v)
		default:
			others = append(others, v)
		}
	}
	j := judgement{lines: viewLines(c, views)}
	if len(starting) == 0 {
		j.why = "no core is to start: they run"
		return j, nil
	}
	if err := c.refuseEmpty(o, starting); err != nil {
		return j, withSeen(err, j.lines)
	}
	old := slices.DeleteFunc(slices.Clone(starting), func(v coreView) bool { return slices.Contains(o.fresh, v.node.Short) })
	living := slices.DeleteFunc(slices.Clone(others), func(v coreView) bool { return !v.serving() })
	var doubts []doubt
	switch {
	case len(living) > 0:
		doubts = c.doubtLiving(ctx, o, old, living, planning)
		j.why = fmt.Sprintf("%s %s and %s the others its tables", listed(shortsOf(living)), verb(len(living), "runs", "run"), verb(len(living), "gives", "give"))
	default:
		doubts = c.doubtDead(old, others)
		j.why = "no other core has newer data"
		switch {
		case len(old) > 1:
			j.why = "they start together, so that Mnesia itself finds the newest data"
		case len(old) == 0:
			j.why = "they are new, and so have no data"
		}
	}
	if o.first == "" && len(doubts) > 0 {
		return j, withSeen(c.refuseOrder(o, doubts), j.lines)
	}
	if o.first != "" {
		j.why = "a person has chosen " + o.first + " as the first"
		j.harm = c.against(o, old, others, doubts)
	}
	return j, nil
}

func shortsOf(views []coreView) []string {
	names := make([]string, len(views))
	for i, v := range views {
		names[i] = v.node.Short
	}
	return names
}

// withSeen adds what was seen to a refusal.
func withSeen(err error, lines []string) error {
	if e, ok := asError(err); ok {
		with := *e
		with.Hint = strings.TrimSpace(with.Hint + "\n" + strings.Join(lines, "\n"))
		return &with
	}
	return err
}

// refuseEmpty stops a core that would become a new, empty database, and one that
// is called new and is not.
func (c *Cluster) refuseEmpty(o order, starting []coreView) error {
	for _, v := range starting {
		fresh := slices.Contains(o.fresh, v.node.Short)
		switch {
		case v.err != nil:
			return &actions.Error{Code: actions.CodeOf(v.err), Err: v.err, Hint: hint(v.err),
				Text: fmt.Sprintf("The data of %s cannot be looked at, so nothing was started: %s", v.node.Short, c.mask.err(v.err))}
		case v.empty() && !fresh:
			what := "has no Mnesia folder"
			if v.data.Mnesia.Exists {
				what = "has an empty Mnesia folder"
			}
			return &actions.Error{Code: "no-data",
				Text: fmt.Sprintf("%s %s (%s): IRIS would silently make a new, empty database of it. Nothing was started.", v.node.Short, what, v.data.Mnesia.Path),
				Hint: fmt.Sprintf("Put its data back (a disk that is not mounted? a folder that was moved?). Only if this is a core's very first start: `%s`.", o.with("--new "+v.node.Short))}
		case !v.empty() && fresh:
			return &actions.Error{Code: "not-new", Text: fmt.Sprintf("%s is not new: its Mnesia folder has data. Nothing was started.", v.node.Short),
				Hint: "Leave out --new " + v.node.Short + "."}
		}
	}
	return nil
}

// doubt is why a core may not be the one that stopped last.
type doubt struct {
	text    string
	newer   bool   // the other's data are newer; otherwise it is not known
	living  string // the core that runs and may lack them; "" if none runs
	waiting string // with living: the core that would be started
	apart   bool   // with living: the two ran apart, and each has what the other has not
}

// doubtLiving looks for cores whose writes the living ones may not have.
func (c *Cluster) doubtLiving(ctx context.Context, o order, old, living []coreView, planning bool) []doubt {
	var doubts []doubt
	for _, v := range old {
		if planning && !v.life.dead() {
			continue // it is still there to be seen going
		}
		var last, apart doubt
		known := false
		lost := time.Duration(-1) // how long ago a living core lost it, the last of those that did
		for _, l := range living {
			saw, err := c.sawGo(ctx, l.node, v.node)
			switch {
			case l.wait:
				known = true // it still waits for the others
			case err == nil && saw:
				known = true // it outlived this one, at least from then on
				ago, ok, err := c.lostAgo(ctx, l, v.node)
				switch {
				case err != nil:
					apart = doubt{living: l.node.Short, waiting: v.node.Short, text: fmt.Sprintf("%s cannot be asked when it lost %s: %s", l.node.Short, v.node.Short, c.mask.err(err))}
				case ok && (lost < 0 || ago < lost):
					lost = ago
					apart = c.ranApart(l, v, ago)
				}
			case err != nil:
				last = doubt{living: l.node.Short, waiting: v.node.Short, text: fmt.Sprintf("%s cannot be asked whether it outlived %s: %s", l.node.Short, v.node.Short, c.mask.err(err))}
			default:
				last = doubt{newer: true, living: l.node.Short, waiting: v.node.Short, text: fmt.Sprintf("%s runs, but its Mnesia has not seen %s stop: %s was started without it, and what %s wrote later would be lost on both",
					l.node.Short, v.node.Short, l.node.Short, v.node.Short)}
			}
		}
		switch {
		case !known:
			doubts = append(doubts, last)
		case apart.text != "":
			doubts = append(doubts, apart)
		}
	}
	return doubts
}

// lostAgo is how long ago a living core noted that it lost another one, by its own
// clock; ok is false if it has not noted when.
func (c *Cluster) lostAgo(ctx context.Context, living coreView, gone Node) (ago time.Duration, ok bool, err error) {
	at, ok, err := c.lostAt(ctx, living.node, gone)
	clock := living.data.Clock
	if clock.IsZero() {
		clock = time.Now() // its disk cannot be looked at
	}
	return clock.Sub(at), ok, err
}

// noting is how much later than it was noted gone a core may write, though it never
// ran apart: the note is to the second, and Mnesia closes its files as it ends.
const noting = 2 * time.Second

// ranApart is a doubt if a core that does not run wrote well after a living one had
// lost it: the database was split, and started again it loads the other's tables in
// place of its own, with nothing kept of what only it has.
func (c *Cluster) ranApart(living, stopped coreView, lost time.Duration) doubt {
	later := lost - stopped.data.Clock.Sub(stopped.data.Mnesia.Newest)
	if later <= c.opt.Apart+noting {
		return doubt{}
	}
	l, s := living.node.Short, stopped.node.Short
	return doubt{newer: true, apart: true, living: l, waiting: s,
		text: fmt.Sprintf("%s wrote for %s after %s had lost it, so that they ran apart, and what %s wrote in that time would be lost on both", s, spoken(later), l, s)}
}

// doubtDead compares ages where no core is alive to ask.
func (c *Cluster) doubtDead(old, others []coreView) []doubt {
	var doubts []doubt
	for _, v := range others {
		name := v.node.Short
		switch {
		case v.err != nil:
			doubts = append(doubts, doubt{text: fmt.Sprintf("the data of %s cannot be looked at (%s)", name, c.mask.err(v.err))})
		case v.empty():
		case len(old) == 0:
			doubts = append(doubts, doubt{newer: true, text: fmt.Sprintf("%s has data and does not run: a new core that starts without it makes a database of its own", name)})
		default:
			youngest := old[0].age()
			for _, s := range old {
				youngest = min(youngest, s.age())
			}
			switch d := youngest - v.age(); {
			case d > c.opt.Apart:
				doubts = append(doubts, doubt{newer: true, text: fmt.Sprintf("%s wrote %s later than %s", name, spoken(d), listed(shortsOf(old)))})
			case d > -c.opt.Apart:
				doubts = append(doubts, doubt{text: fmt.Sprintf("%s and %s stopped within %s of each other, so that the order is not known", name, listed(shortsOf(old)), spoken(c.opt.Apart))})
			}
		}
	}
	return doubts
}

// against is what a person's choice of the first core loses, as far as is known.
func (c *Cluster) against(o order, old, others []coreView, doubts []doubt) string {
	var texts []string
	for _, d := range doubts {
		if d.newer {
			texts = append(texts, d.text)
		}
	}
	for _, v := range old {
		if v.node.Short != o.first {
			continue
		}
		for _, s := range old {
			if d := v.age() - s.age(); s.node.Short != o.first && d > c.opt.Apart {
				texts = append(texts, fmt.Sprintf("%s wrote %s later than %s", s.node.Short, spoken(d), o.first))
			}
		}
	}
	if len(texts) == 0 {
		return ""
	}
	return strings.Join(texts, "; ") + "; with " + o.first + " first, those writes are lost"
}

// refuseOrder leaves the choice to a person.
func (c *Cluster) refuseOrder(o order, doubts []doubt) error {
	var texts []string
	for _, d := range doubts {
		texts = append(texts, d.text)
	}
	does := "IRIS waits 30 s for the other cores' tables and then loads its own, older ones."
	if d := doubts[0]; d.apart {
		does = fmt.Sprintf("Mnesia would load the tables of %s in place of those of %s.", d.living, d.waiting)
	}
	e := &actions.Error{Code: "core-order", Text: fmt.Sprintf("Nothing was started: %s. %s", strings.Join(texts, "; "), does)}
	if d := doubts[0]; d.living != "" {
		e.Hint = fmt.Sprintf("As long as %s is not started, its data are safe on its disk. If they are the right ones: `stop %s`, then `%s`; what %s wrote since is lost then. If those of %s are: `%s`.",
			d.waiting, d.living, o.words(opStart, c.roleWord(CoreRole))+" --first "+d.waiting, d.living, d.living, o.with("--first "+d.living))
		return e
	}
	first := o.cores()[0].Short
	e.Hint = fmt.Sprintf("Start all cores that do not run together, which is right in any order: `%s`. Or, if you know that the data of %s are the right ones: `%s`.",
		o.words(opStart, c.roleWord(CoreRole)), first, o.with("--first "+first))
	return e
}

// roleWord is a word that means every node of a role, also where a node bears
// the role's name.
func (s Spec) roleWord(r Role) string {
	if len(s.byName(string(r))) > 0 && len(s.ByRole(r)) > 1 {
		return string(r) + "s"
	}
	return string(r)
}
