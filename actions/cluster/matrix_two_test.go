package cluster_test

import (
	"testing"

	"irisops/actions"
	"irisops/actions/lab"
)

// twoCores are the faults of two cores and two edges: those of the network.
func twoCores(t *testing.T, rows *[]string) {
	f := newFieldOf(t, lab.Options{Cores: 2})
	m := matrix{rows: rows}.on(f)
	m.healthy()

	part := func(one, other []string) {
		t.Helper()
		_, err := f.lab.Partition(t.Context(), one, other)
		f.must(err)
	}
	heal := func() {
		t.Helper()
		_, err := f.lab.Heal(t.Context())
		f.must(err)
	}

	part([]string{"core1", "core2", "edge2"}, []string{"edge1"})
	m.look("partition, an edge alone", m.c, "network partition: edge1 is cut off from core1 and core2; core1, core2, edge2 healthy")
	heal()
	m.healthy()

	f.kill("core2")
	m.look("one of two cores killed", m.c, "core2 down; core1, edge1, edge2 healthy")
	f.act(m.c, "start", "core2", actions.Do)
	m.healthy()

	part([]string{"core1", "edge1"}, []string{"core2", "edge2"})
	m.look("partition", m.c, "network partition: core1 and core2 do not reach each other, run Mnesia alone (split-brain), and their data diverge; edge1, edge2 healthy")
	heal()
	m.look("split after healing", m.c, "split-brain: core1 and core2 reach each other again, but run Mnesia without each other, and their data diverge; edge1, edge2 healthy")
	if level, line := m.c.Summary(t.Context()); level != actions.Critical || line != "split-brain: core1 and core2 run Mnesia without each other; all 4 nodes answer" {
		t.Errorf("status: %s, %s", level, line)
	}
}
