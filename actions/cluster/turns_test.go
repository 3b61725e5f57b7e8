package cluster

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"irisops/actions"
)

// Two people stop one edge each, at the same time. Each alone is no harm; both
// together would leave no edge, so one of them is refused.
func TestTwoStopsAtOnceLeaveAnEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		var all sync.WaitGroup
		var errs [2]error
		for i, target := range []string{"edge1", "edge2"} {
			p := mustPlan(t, c, "stop", target)
			if p.Class != actions.Do {
				t.Fatalf("stop %s is %s", target, p.Class)
			}
			all.Go(func() { _, errs[i] = p.Steps[0].Perform(context.Background()) })
		}
		all.Wait()
		refused := 0
		for _, err := range errs {
			if actions.CodeOf(err) == "changed" {
				refused++
			}
		}
		alive := 0
		for _, short := range []string{"edge1", "edge2"} {
			if w.get(short).pid != 0 {
				alive++
			}
		}
		if refused != 1 || alive != 1 {
			t.Errorf("%d refused, %d edges alive: %v", refused, alive, errs)
		}
	})
}
