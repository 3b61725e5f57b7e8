package runbook_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions"
	"irisops/actions/runbook"
)

// Those who watch are told what a step has seen so far; the journal is not.
func TestWhatAStepHasSeenSoFarIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen atomic.Value
		seen.Store("")
		p := plan(actions.Step{Name: "wait for core", Describe: "until it serves", Timeout: time.Minute,
			Seen: func() string { return seen.Load().(string) },
			Perform: func(context.Context) (string, error) {
				for _, text := range []string{"6 tables to load", "6 tables to load", "2 tables to load"} {
					seen.Store(text)
					<-time.After(2 * time.Second)
				}
				return "all loaded", nil
			}})
		j := &journal{}
		var heard []string
		e := &runbook.Engine{Journal: j, Listener: func(r runbook.Run) { heard = append(heard, states(r)+": "+r.Steps[0].Evidence) }}
		if _, err := e.Execute(t.Context(), agreedTo(t, p), p); err != nil {
			t.Fatal(err)
		}
		want := []string{"running: pending: ", "running: started: ", "running: started: 6 tables to load", "running: started: 2 tables to load", "done: done: all loaded"}
		if diff := cmp.Diff(want, heard); diff != "" {
			t.Error(diff)
		}
		for _, r := range j.saved {
			if strings.Contains(r.Steps[0].Evidence, "to load") {
				t.Errorf("written down: %s", r.Steps[0].Evidence)
			}
		}
	})
}
