// Package escalation calls people when an incident is not recovered in time. A
// Policy says who is called how long after the declaration; Arm writes it into
// the new incident, and from then on the deadlines live with the incident in
// the store. The Loop is the one goroutine that fires them when they are due.
package escalation

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/bot/incident"
)

// Policy is what happens to incidents of one priority.
type Policy struct {
	Respond         time.Duration // within how long someone should respond; 0 is at once
	NextBusinessDay bool          // someone should respond on the next business day; Respond is 0
	Steps           []PolicyStep
}

// PolicyStep calls whoever holds a role, some time after the declaration, unless
// the incident is recovered by then.
type PolicyStep struct {
	After time.Duration // 0 or more; 0 is with the declaration itself
	Role  string        // of the on-call roster: "primary", "sre", "owner"
}

// Arm is the policy as the steps of an incident declared at that time, in the
// order of their deadlines. Each has a name of its own, such as "P0/15m".
func Arm(priority incident.Priority, p Policy, declared time.Time) []incident.Step {
	declared = declared.Round(0) // deadlines go by the clock on the wall, before and after a restart
	var steps []incident.Step
	names := map[string]int{}
	for _, s := range inOrder(p) {
		name := fmt.Sprintf("%s/%s", priority, short(s.After))
		if names[name]++; names[name] > 1 {
			name = fmt.Sprintf("%s-%d", name, names[name])
		}
		steps = append(steps, incident.Step{Name: name, After: s.After, Role: s.Role, Due: declared.Add(s.After)})
	}
	return steps
}

func inOrder(p Policy) []PolicyStep {
	steps := slices.Clone(p.Steps)
	for i := range steps {
		steps[i].After = max(steps[i].After, 0)
	}
	slices.SortStableFunc(steps, func(a, b PolicyStep) int { return cmp.Compare(a.After, b.After) })
	return steps
}

// short is a duration as people type it: "15m", "1h", "1m30s", "0m".
func short(d time.Duration) string {
	if d == 0 {
		return "0m"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
