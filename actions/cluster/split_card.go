package cluster

import (
	"fmt"
	"strings"

	"irisops/actions"
)

// SplitCard is what speaks for each side, for machines: the Data of its Result.
type SplitCard struct {
	Since string      `json:"since"`
	How   string      `json:"how"`
	Sides []SplitSide `json:"sides"`
	Keep  []string    `json:"keep,omitempty"` // empty: nothing speaks for either
	Why   string      `json:"why"`
}

// SplitSide is one side of it; -1 is not known.
type SplitSide struct {
	Cores    []string `json:"cores"`
	Clients  int64    `json:"clients"`
	Stored   int64    `json:"stored"`
	Tokens   int64    `json:"revoked_tokens"`
	SafeMode []string `json:"safe_mode"`
	Uptime   []string `json:"uptime"`
}

// splitCard is the evidence, side by side, with a recommendation.
func (c *Cluster) splitCard(facts []sideFacts, shared []string, when splitTime, keep int, why string) actions.Result {
	card := SplitCard{Since: stampOf(when.from), How: when.how, Why: why}
	r := actions.Result{Level: actions.Critical}
	table := actions.Section{Header: []string{"Side"}}
	rows := [][]string{{"Cores"}, {"Clients on its edges"}, {"Messages stored since"}, {"Revoked tokens, all"}, {"Partition guard"}, {"Up for"}}
	var all []string
	for i, f := range facts {
		all = append(all, f.side.String())
		table.Header = append(table.Header, string(rune('A'+i)))
		for j, cell := range []string{f.side.String(), count(f.clients), count(f.rows), count(f.tokens), strings.Join(f.modes, ", "), strings.Join(f.uptimes, ", ")} {
			rows[j] = append(rows[j], cell)
		}
		card.Sides = append(card.Sides, SplitSide{shorts(f.side), f.clients, f.rows, f.tokens, f.modes, f.uptimes})
	}
	table.Rows = rows
	r.Headline = "split-brain: " + strings.Join(all, " | ") + ". Each side has what the other has not"
	example := c.lastCore()
	advice := fmt.Sprintf("Which side to keep is yours to decide: %s.", why)
	if keep >= 0 {
		card.Keep = shorts(facts[keep].side)
		other := facts[(keep+1)%len(facts)].side
		example = other[0].Short
		advice = fmt.Sprintf("Keep %s, because %s. Then %s %s up its data.", facts[keep].side, why, other, verb(len(other), "gives", "give"))
	}
	notes := append([]string{advice}, shared...)
	notes = append(notes, fmt.Sprintf("What was written from %s on counts as written apart. That is from %s. If you know better, add --since.", card.Since, when.how))
	if len(facts) > 2 {
		notes = append(notes, fmt.Sprintf("There are %d sides, and irisops settles two.", len(facts)))
	} else {
		notes = append(notes, fmt.Sprintf("Type the name of a core of the side that loses: `%s --loser %s`. A second person approves it. Nothing was done yet.", splitWords, example))
	}
	r.Sections = []actions.Section{table, {Lines: notes}}
	r.Data = card
	return r
}

func count(n int64) string {
	if n < 0 {
		return "not known"
	}
	return grouped(n)
}
