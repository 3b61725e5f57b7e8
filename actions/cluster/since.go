package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
)

const sinceLast = "last"

// Since is what differs from the last healthy diagnosis.
type Since struct {
	At      time.Time `json:"at"` // of the newest that is kept; zero: none is
	Changes []Change  `json:"changes"`
	Note    string    `json:"note,omitempty"` // why it could not be compared, or not whole
}

// Change is one thing that differs.
type Change struct {
	What string `json:"what"` // a check, or "table offline_msg"
	Node string `json:"node"`
	Then string `json:"then"`
	Now  string `json:"now"`
}

// readWithin is how long reading the cores' tables may still take when a
// diagnosis has used up its own time.
const readWithin = 100 * time.Millisecond

// remember compares the diagnosis with the last healthy one where that is asked
// for, and keeps it if it is healthy itself. left is what is left of its time.
func (c *Cluster) remember(ctx context.Context, compare bool, left time.Duration, conditions []condition, d *Diagnosis) []actions.Section {
	var kept []Healthy
	var unread error
	if compare {
		kept, unread = c.lastHealthy()
	}
	var cores []MnesiaState
	if c.opt.Keeper != nil && (len(kept) > 0 || d.State == actions.OK) {
		cores = c.readCores(ctx, max(left, readWithin), conditions)
	}
	var sections []actions.Section
	if compare {
		d.Since = c.since(kept, d, cores)
		if unread != nil {
			d.Since.Note = "The last healthy diagnosis cannot be read: " + c.mask.err(unread)
		}
		sections = append(sections, d.Since.section(d.At))
	}
	if note := c.keep(ctx, *d, cores); note != "" {
		sections = append(sections, actions.Section{Lines: []string{note}})
	}
	return sections
}

// since compares what the diagnosis found with what was found when all was well.
// For a check that the newest healthy diagnosis did not make, the newest that
// did counts.
func (c *Cluster) since(kept []Healthy, d *Diagnosis, cores []MnesiaState) *Since {
	s := &Since{Changes: []Change{}}
	if len(kept) == 0 {
		s.Note = "Nothing to compare with: no healthy diagnosis of " + c.Name + " is kept yet."
		return s
	}
	s.At = kept[0].At
	known := func(node string) bool {
		return slices.ContainsFunc(kept[0].Findings, func(f Finding) bool { return f.Node == node })
	}
	strangers := map[string]bool{}
	for _, f := range d.Findings {
		switch then, ok := before(kept, f); {
		case !known(f.Node):
			if !strangers[f.Node] {
				strangers[f.Node] = true
				s.Changes = append(s.Changes, Change{What: "node", Node: f.Node, Then: "not in the config", Now: "expected"})
			}
		case !ok || f.follows: // its silence is told by the ping
		case then.Result != f.Result:
			s.Changes = append(s.Changes, Change{f.Check, f.Node, spokenFinding(then), spokenFinding(f)})
		case then.Mark != "" && f.Mark != "" && then.Mark != f.Mark:
			s.Changes = append(s.Changes, Change{f.Check, f.Node, then.Evidence, f.Evidence})
		}
	}
	for _, now := range cores {
		if then, ok := kept[0].Core(now.Node); ok && now.Error == "" {
			s.Changes = append(s.Changes, tableChanges(then, now)...)
		}
	}
	return s
}

func before(kept []Healthy, f Finding) (Finding, bool) {
	for _, h := range kept {
		for _, then := range h.Findings {
			if then.Check == f.Check && then.Node == f.Node {
				return then, true
			}
		}
	}
	return Finding{}, false
}

func spokenFinding(f Finding) string { return fmt.Sprintf("%s: %s", f.Result, f.Evidence) }

// tableChanges are the tables of a core that came, went, moved, or hold another
// number of records.
func tableChanges(then, now MnesiaState) []Change {
	var changes []Change
	say := func(table, before, after string) {
		if before != after {
			changes = append(changes, Change{"table " + table, now.Node, before, after})
		}
	}
	find := func(m MnesiaState, name string) (MnesiaTable, bool) {
		i := slices.IndexFunc(m.Tables, func(t MnesiaTable) bool { return t.Name == name })
		if i < 0 {
			return MnesiaTable{}, false
		}
		return m.Tables[i], true
	}
	if now.State != "yes" {
		return []Change{{"mnesia", now.Node, "running", "not running (" + now.State + ")"}}
	}
	for _, was := range then.Tables {
		is, ok := find(now, was.Name)
		if !ok {
			say(was.Name, plural64(was.Records, "record"), "gone")
			continue
		}
		say(was.Name, plural64(was.Records, "record"), plural64(is.Records, "record"))
		say(was.Name, "copies on "+listed(was.Copies), "copies on "+listed(is.Copies))
		say(was.Name, "written on "+listed(was.Write), "written on "+listed(is.Write))
	}
	for _, is := range now.Tables {
		if _, ok := find(then, is.Name); !ok {
			say(is.Name, "not there", plural64(is.Records, "record"))
		}
	}
	return changes
}

func (s *Since) section(now time.Time) actions.Section {
	if s.Note != "" {
		return actions.Section{Lines: []string{s.Note}}
	}
	ago := "the healthy diagnosis of " + spoken(max(0, now.Sub(s.At))) + " ago"
	if len(s.Changes) == 0 {
		return actions.Section{Lines: []string{"Nothing has changed since " + ago + "."}}
	}
	section := actions.Section{Title: "Changed since " + ago, Header: []string{"What", "Node", "Then", "Now"}}
	for _, k := range s.Changes {
		section.Rows = append(section.Rows, []string{k.What, k.Node, k.Then, k.Now})
	}
	return section
}

// insert puts sections before the healthy rest, which is folded.
func insert(sections, more []actions.Section) []actions.Section {
	at := slices.IndexFunc(sections, func(s actions.Section) bool { return s.Folded || strings.HasPrefix(s.Title, "In the runbooks") })
	if at < 0 {
		at = len(sections)
	}
	return slices.Insert(sections, at, more...)
}
