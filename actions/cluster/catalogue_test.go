package cluster

import (
	"irisops/actions"
	"maps"
	"slices"
	"strings"
	"testing"
)

// The same steps carried out twice do nothing the second time but look.
// Erlang's global takes a connection back a second after it was made; it is made
// again, and only one that holds counts.
func TestCatalogue(t *testing.T) {
	_, c := trio()
	seen := map[string]bool{}
	for _, a := range c.Actions() {
		if (a.Look == nil) == (a.Plan == nil) {
			t.Errorf("%s must look or plan", a.Name)
		}
		if a.Summary == "" || a.Long == "" || !strings.HasPrefix(a.Example, a.Name) || seen[a.Name] {
			t.Errorf("%s lacks help", a.Name)
		}
		seen[a.Name] = true
		for _, p := range a.Params {
			if p.Doc == "" || p.Kind != actions.Bool && p.Example == "" || p.Kind == actions.Choice && len(p.Choices) == 0 {
				t.Errorf("%s %s lacks help", a.Name, p.Name)
			}
		}
	}
	want := []string{ // a line each, in order
		"backup list",
		"backup now",
		"backup restore-plan",
		"backup verify",
		"diagnose",
		"gc",
		"logs",
		"mesh",
		"messages clear",
		"messages export",
		"messages exports",
		"messages redeliver",
		"messages restore",
		"messages show",
		"messages size",
		"mnesia",
		"mnesia tune",
		"presence",
		"presence size",
		"recover",
		"recover split-brain",
		"restart",
		"start",
		"stop",
		"verify",
	}
	if !slices.Equal(want, slices.Sorted(maps.Keys(seen))) {
		t.Errorf("actions: %v", slices.Sorted(maps.Keys(seen)))
	}
}
