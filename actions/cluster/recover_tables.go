package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
)

// tablesStep verifies a core's Mnesia after its start: the runbook's "Verify
// Mnesia healthy", which prints the names of the tables and compares nothing.
func (c *Cluster) tablesStep(cores []Node) actions.Step {
	who := listed(shorts(cores))
	return actions.Step{
		Name:     "verify tables of " + who,
		Describe: "tables, copies and sizes on every core, against the last healthy diagnosis",
		Perform:  func(ctx context.Context) (string, error) { return c.verifyTables(ctx, cores) },
		Timeout:  c.opt.Settle + 2*c.opt.Full + 10*time.Second,
	}
}

func (c *Cluster) verifyTables(ctx context.Context, cores []Node) (string, error) {
	then, known, err := c.LastHealthy()
	if err != nil {
		return "", c.failure(err, "", "The last healthy diagnosis cannot be read: %s", c.mask.err(err))
	}
	settling, cancel := context.WithTimeout(ctx, c.opt.Settle)
	defer cancel()
	var states []MnesiaState
	// Copies come one table after another where a core joins the others.
	seen, err := until(settling, func(ctx context.Context) (bool, string, error) {
		states = each(cores, func(n Node) MnesiaState { return c.mnesiaState(ctx, n) })
		for _, m := range states {
			if trouble := incomplete(m, then); trouble != "" {
				return false, trouble, nil
			}
		}
		if trouble := differ(states); trouble != "" {
			return false, trouble, nil
		}
		return true, "", nil
	})
	if err != nil {
		return "", &actions.Error{Code: "tables", Text: fmt.Sprintf("Mnesia is not as it was: %s.", seen),
			Hint: "Nothing more was started. Look with `mnesia` and `logs " + cores[0].Short + "`; `start edge` starts the edges all the same."}
	}
	var words []string
	for _, m := range states {
		var sizes []string
		for _, t := range m.Tables {
			if slices.Contains(sized, t.Name) {
				sizes = append(sizes, fmt.Sprintf("%s %s", t.Name, grouped(t.Records)))
			}
		}
		words = append(words, fmt.Sprintf("%s: %s (%s)", m.Node, plural(len(m.Tables), "table"), strings.Join(sizes, ", ")))
	}
	text := strings.Join(words, "; ")
	switch fewer := shrunk(states, then); {
	case !known:
		text += "; no healthy diagnosis is kept that they could be compared with"
	case len(fewer) > 0:
		text += fmt.Sprintf("; FEWER than at %s, when all was well: %s", then.At.In(c.opt.People).Format("2006-01-02 15:04:05"), strings.Join(fewer, ", "))
	default:
		text += fmt.Sprintf("; tables, copies and sizes as at %s, when all was well", then.At.In(c.opt.People).Format("2006-01-02 15:04:05"))
	}
	return text, nil
}

// incomplete is what a core's Mnesia lacks; "" if nothing. A table that has lost
// all records where none is ever deleted is a new, empty database.
func incomplete(m MnesiaState, then Healthy) string {
	switch {
	case m.Error != "":
		return m.Node + " " + m.Error
	case m.State != "yes":
		return fmt.Sprintf("Mnesia does not run on %s (%s)", m.Node, m.State)
	}
	was, _ := then.Core(m.Node)
	for _, w := range was.Tables {
		i := slices.IndexFunc(m.Tables, func(t MnesiaTable) bool { return t.Name == w.Name })
		if i < 0 {
			return fmt.Sprintf("%s has no table %s, which it had when all was well", m.Node, w.Name)
		}
		t := m.Tables[i]
		for _, n := range w.Copies {
			if !slices.Contains(t.Copies, n) {
				return fmt.Sprintf("%s has no copy on %s any more, as %s sees it", t.Name, n, m.Node)
			}
		}
		if slices.Contains(lasting, t.Name) && w.Records >= few && t.Records == 0 {
			return fmt.Sprintf("%s is empty on %s, and had %s when all was well: this is another, new database", t.Name, m.Node, plural64(w.Records, "record"))
		}
	}
	for _, t := range m.Tables {
		for _, n := range t.Copies {
			if slices.Contains(m.Running, n) && !slices.Contains(t.Write, n) {
				return fmt.Sprintf("%s is not loaded on %s, as %s sees it", t.Name, n, m.Node)
			}
		}
	}
	return ""
}

// lasting are the tables of which IRIS deletes nothing.
var lasting = []string{"user_status", "user_meta"}

// few records may all be of the last two seconds before a crash, which Mnesia had
// not written to disk yet.
const few = 10

// differ is how the cores contradict each other; "" if they agree. What is
// written at this moment may be on one and not yet on the other, so the caller
// looks again.
func differ(states []MnesiaState) string {
	for _, m := range states[1:] {
		if !slices.Equal(m.Running, states[0].Running) {
			return fmt.Sprintf("Mnesia runs with %s on %s, and with %s on %s", listed(states[0].Running), states[0].Node, listed(m.Running), m.Node)
		}
		for _, t := range m.Tables {
			for _, o := range states[0].Tables {
				if t.Name == o.Name && t.Records != o.Records && slices.Contains(sized, t.Name) {
					return fmt.Sprintf("%s has %s on %s and %s on %s", t.Name, grouped(o.Records), states[0].Node, grouped(t.Records), m.Node)
				}
			}
		}
	}
	return ""
}

// shrunk are the tables with fewer records than when all was well. Mail is
// delivered and tokens expire, so that a person has to judge it.
func shrunk(states []MnesiaState, then Healthy) []string {
	var fewer []string
	for _, m := range states {
		was, _ := then.Core(m.Node)
		for _, t := range m.Tables {
			for _, w := range was.Tables {
				if t.Name == w.Name && t.Records < w.Records && slices.Contains(sized, t.Name) {
					fewer = append(fewer, fmt.Sprintf("%s on %s %s (%s then)", t.Name, m.Node, grouped(t.Records), grouped(w.Records)))
				}
			}
		}
	}
	return fewer
}
