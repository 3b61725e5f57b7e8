package escalation

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/bot/incident"
)

// runbookP0 is what the incident runbook says of P0.
var runbookP0 = Policy{Steps: []PolicyStep{{After: 0, Role: "primary"}, {After: 15 * time.Minute, Role: "sre"}, {After: 30 * time.Minute, Role: "owner"}}}

func TestArm(t *testing.T) {
	at := time.Date(2000, 1, 1, 12, 0, 0, 0, time.UTC)
	step := func(name string, after time.Duration, role string) incident.Step {
		return incident.Step{Name: name, After: after, Role: role, Due: at.Add(after)}
	}
	for _, tt := range []struct {
		name   string
		policy Policy
		want   []incident.Step
	}{
		{"the runbook's P0", runbookP0, []incident.Step{
			step("P0/0m", 0, "primary"), step("P0/15m", 15*time.Minute, "sre"), step("P0/30m", 30*time.Minute, "owner")}},
		{"none", Policy{Respond: time.Hour}, nil},
		{"out of order, and two at once", Policy{Steps: []PolicyStep{{After: time.Hour, Role: "owner"}, {After: time.Minute, Role: "sre"}, {After: time.Minute, Role: "primary"}, {After: time.Minute, Role: "owner"}}}, []incident.Step{
			step("P0/1m", time.Minute, "sre"), step("P0/1m-2", time.Minute, "primary"), step("P0/1m-3", time.Minute, "owner"), step("P0/1h", time.Hour, "owner")}},
		{"odd lengths", Policy{Steps: []PolicyStep{{After: 10 * time.Second, Role: "sre"}, {After: 90 * time.Second, Role: "sre"}, {After: 10 * time.Hour, Role: "sre"}, {After: 10*time.Hour + 30*time.Minute, Role: "sre"}}}, []incident.Step{
			step("P0/10s", 10*time.Second, "sre"), step("P0/1m30s", 90*time.Second, "sre"), step("P0/10h", 10*time.Hour, "sre"), step("P0/10h30m", 10*time.Hour+30*time.Minute, "sre")}},
		{"before the declaration", Policy{Steps: []PolicyStep{{After: -time.Minute, Role: "sre"}}}, []incident.Step{step("P0/0m", 0, "sre")}},
	} {
		if diff := cmp.Diff(tt.want, Arm(incident.P0, tt.policy, at)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// A page is known by its incident and step: two steps with one name would be one
// page.
func TestStepsHaveNamesOfTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Policy
		for _, after := range rapid.SliceOf(rapid.Int64Range(0, 100_000)).Draw(t, "seconds") {
			p.Steps = append(p.Steps, PolicyStep{After: time.Duration(after%200) * 30 * time.Second, Role: "sre"})
		}
		steps := Arm(incident.P1, p, time.Now())
		if len(steps) != len(p.Steps) {
			t.Fatalf("%d steps of %d", len(steps), len(p.Steps))
		}
		names := map[string]bool{}
		for i, s := range steps {
			if names[s.Name] {
				t.Fatalf("the name %s stands twice", s.Name)
			}
			names[s.Name] = true
			if i > 0 && s.Due.Before(steps[i-1].Due) {
				t.Fatalf("%s is out of order", s.Name)
			}
		}
	})
}
