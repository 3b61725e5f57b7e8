package cluster

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions"
)

func TestMesh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := build(Options{}, core("core1"), core("core2"), edge("edge1", 8085), edge("edge2", 8086))
		w.kill("core2", "edge2")
		p, err := planOf(c, "mesh", nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{
			"WARNING: core2 does not run: it is left out",
			"WARNING: edge2 does not run: it is left out",
			"net_adm:ping on edge1 and edge2 for core1 and core2; nodes() asked on both sides, and again 2 s later",
		}
		if diff := cmp.Diff(want, p.Preview); diff != "" || p.Class != actions.Do {
			t.Error(diff, p.Class)
		}
		got, err := carryOut(p)
		if err != nil {
			t.Fatal(got)
		}
		want = []string{
			"mesh edge1 and edge2: core2 is not registered: epmd does not know iris_core2: left out; edge1 and core1 see each other; edge2 does not run: nothing to connect",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"edge1 pings iris_core1@h1"}, w.done()); diff != "" {
			t.Error(diff)
		}
		w.kill("core1")
		if _, err = planOf(c, "mesh", nil, 0); err == nil || err.Error() != "No core answers: there is nothing to connect. Say `diagnose`, or `start core`." {
			t.Error(err)
		}
		if got, err = carryOut(p); err == nil || actions.CodeOf(err) != "no-core" {
			t.Error(got)
		}
	})
}

func TestMeshHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		time.AfterFunc(time.Second, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			delete(w.get("edge2").peers, "iris_core@h1")
			delete(w.get("core").peers, "iris_edge2@h1")
		})
		p, err := planOf(c, "mesh", nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		if got, err := carryOut(p); err != nil {
			t.Fatal(got)
		}
		pings := w.done()
		slices.Sort(pings)
		if diff := cmp.Diff([]string{"edge1 pings iris_core@h1", "edge2 pings iris_core@h1", "edge2 pings iris_core@h1"}, pings); diff != "" {
			t.Error(diff)
		}
		if took := time.Since(begin); took < 3*time.Second || took > 5*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

func TestStepsAreIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.kill("edge1")
		p := mustPlan(t, c, "start", "edge1")
		if got, err := carryOut(p); err != nil {
			t.Fatal(got)
		}
		before := len(w.done())
		again, err := planOf(c, "start", actions.Args{"target": "edge1"}, p.Class)
		if err != nil {
			t.Fatal(err)
		}
		got, err := carryOut(again)
		if err != nil {
			t.Fatal(got)
		}
		if diff := cmp.Diff([]string{"login irisops-probe-edge1-a"}, w.done()[before:]); diff != "" {
			t.Error(diff)
		}
		if got[0] != "archive log of edge1: edge1 runs (pid 4714): its log is left to it" || got[1] != "start edge1: edge1 runs already, edge1 is pid 4714" {
			t.Error(got)
		}
	})
}
