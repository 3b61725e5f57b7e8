package main

import (
	"bytes"
	"strings"
	"testing"

	"irisops/actions"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

func TestLabPartitionAndHeal(t *testing.T) {
	t.Parallel()
	l := labtest.ForTest(t, lab.Options{Cores: 2, Edges: 1})
	dir := labDir{Dir: l.Dir()}
	var out bytes.Buffer
	s := streams{out: &out}
	if err := (labPartition{labDir: dir, One: "core1,edge1", Other: "core2"}).Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if err := (labHeal{labDir: dir}).Run(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	want := `core1,edge1 and core2 are cut off from each other. irisops still reaches both sides.
  core1 sees edge1; its Mnesia runs alone
  core2 sees nobody; its Mnesia runs alone
  edge1 sees core1
Join them again with: irisops lab heal --dir DIR
Every node sees all the others.
  core1 sees core2, edge1; its Mnesia runs alone
  core2 sees core1, edge1; its Mnesia runs alone
  edge1 sees core1, core2
Mnesia stays in two: that is a split-brain, and a person decides whose data stay. Say to irisops: recover split-brain
`
	if got := strings.ReplaceAll(out.String(), l.Dir(), "DIR"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	err := (labPartition{labDir: dir, One: "core1", Other: "core7"}).Run(t.Context(), s)
	if actions.CodeOf(err) != actions.CodeNoSuchNode {
		t.Errorf("a node that is not there: %v", err)
	}
}
