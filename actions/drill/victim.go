package drill

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"irisops/actions"
)

// Chance is one node that may be the victim, and how likely it is.
type Chance struct {
	Node   string  `json:"node"`
	Weight float64 `json:"weight"`
	Why    string  `json:"why"`
}

// Weigh says how likely each of the nodes is: what was drilled lately is less,
// and what never was is most. A drill that struck nothing does not count.
func Weigh(nodes []string, past []Record, now time.Time) []Chance {
	all := make([]Chance, len(nodes))
	for i, n := range nodes {
		last := time.Time{}
		for _, r := range past {
			if r.Victim == n && r.Struck.After(last) {
				last = r.Struck
			}
		}
		if last.IsZero() {
			all[i] = Chance{n, 12, "never drilled"}
			continue
		}
		// A month makes it one likelier, up to a year.
		months := now.Sub(last).Hours() / 24 / 30
		weight := math.Round(min(12, max(1, 1+months))*100) / 100
		all[i] = Chance{n, weight, fmt.Sprintf("drilled %s", last.UTC().Format("2006-01-02"))}
	}
	return all
}

// Choose draws a victim by the seed: the same seed and chances give the same one.
func Choose(chances []Chance, seed uint64) (string, error) {
	total := 0.0
	for _, c := range chances {
		total += c.Weight
	}
	if total <= 0 {
		return "", &actions.Error{Code: "no-victim", Text: "No node may be drilled: none has opted in, or none is alive.", Hint: "`drill: true` at a node in the config has it take part."}
	}
	at := rand.New(rand.NewPCG(seed, 0)).Float64() * total
	for _, c := range chances {
		if at -= c.Weight; at < 0 {
			return c.Node, nil
		}
	}
	return chances[len(chances)-1].Node, nil
}
