package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// TestDemoLeavesOthersLabsUp: a lab that was up before the demo stays up after it,
// also after one that failed; one that the demo brought up goes with it.
func TestDemoLeavesOthersLabsUp(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	before := pids(t, l)
	broken := errors.New("the database is locked")
	for _, ends := range []error{nil, broken} {
		var out bytes.Buffer
		err := demoCommand{Dir: l.Dir()}.inLab(t.Context(), &out, func(context.Context, *lab.Lab) error { return ends })
		if !errors.Is(err, ends) {
			t.Errorf("it ends with %v", err)
		}
		want(t, out.String(), " already. What does not run of it is started", "The cluster was up before, and stays up")
		if strings.Contains(out.String(), "Starting a cluster") {
			t.Errorf("it starts nothing, and says:\n%s", out.String())
		}
	}
	if after := pids(t, l); after["core"] == 0 || after["core"] != before["core"] || after["edge1"] != before["edge1"] {
		t.Errorf("somebody else's lab was %v and is %v", before, after)
	}

	dir, err := os.MkdirTemp("", "lab") // short: there is a socket in it
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	var own *lab.Lab
	if err := (demoCommand{Dir: dir}).inLab(t.Context(), &bytes.Buffer{}, func(_ context.Context, l *lab.Lab) error { own = l; return nil }); err != nil {
		t.Fatal(err)
	}
	if left := pids(t, own); left["core"] != 0 || left["edge1"] != 0 {
		t.Errorf("the demo left %v", left)
	}
}
