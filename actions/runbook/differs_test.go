package runbook_test

import (
	"testing"

	"irisops/actions"
	"irisops/actions/runbook"
)

func TestDiffersNamesTheFirstThingThatIsNotTheSame(t *testing.T) {
	plan := func(change func(*actions.Plan)) actions.Plan {
		p := actions.Plan{Title: "Stop edge1", Class: actions.Do, Why: "edge2 lives", Targets: []string{"main/edge1"},
			Steps: []actions.Step{{Name: "stop edge1", Describe: "init:stop"}, {Name: "look", Describe: "nodes()"}}}
		change(&p)
		return p
	}
	was := plan(func(*actions.Plan) {})
	run := runbook.Run{Title: was.Title, Class: was.Class, Why: was.Why, Targets: was.Targets, Steps: runbook.Records(was)}
	for want, change := range map[string]func(*actions.Plan){
		"Then: Stop edge1. Now: Stop edge2.":                        func(p *actions.Plan) { p.Title = "Stop edge2" },
		"Then it was class do. Now it is harm, because edge2 died.": func(p *actions.Plan) { p.Class, p.Why = actions.Harm, "edge2 died" },
		"Then it was about main/edge1. Now: main/edge1, main/core.": func(p *actions.Plan) { p.Targets = []string{"main/edge1", "main/core"} },
		`Step 2 was "look: nodes()" and is now "look: ports()".`:    func(p *actions.Plan) { p.Steps[1].Describe = "ports()" },
		`Step 2 was "look: nodes()" and is now "no such step".`:     func(p *actions.Plan) { p.Steps = p.Steps[:1] },
		`Step 3 was "no such step" and is now "login: as a probe".`: func(p *actions.Plan) { p.Steps = append(p.Steps, actions.Step{Name: "login", Describe: "as a probe"}) },
		"The parameters are others.":                                func(*actions.Plan) {},
	} {
		if got := runbook.Differs(run, plan(change)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
