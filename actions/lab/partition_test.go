package lab_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// lines are views as people read them.
func lines(views []lab.View) []string {
	var all []string
	for _, v := range views {
		all = append(all, v.String())
	}
	return all
}

func TestPartitionLeavesASplitBrain(t *testing.T) {
	t.Parallel()
	l := labtest.ForTest(t, lab.Options{Cores: 2})
	ctx := t.Context()
	apart := []string{
		"core1 sees edge1; its Mnesia runs alone",
		"core2 sees edge2; its Mnesia runs alone",
		"edge1 sees core1",
		"edge2 sees core2",
	}
	views, err := l.Partition(ctx, []string{"core1"}, []string{"core2"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(apart, lines(views)); diff != "" {
		t.Errorf("apart (-want +got):\n%s", diff)
	}
	// Doing it again changes nothing, and neither does trying to connect.
	if got := ask(t, l, "core1", "Call(net_adm, ping, ['"+node(t, l, "core2").Name+"'])"); got != "pang" {
		t.Errorf("core1 pings core2: %s", got)
	}
	if views, err = l.Partition(ctx, []string{"core1", "edge1"}, []string{"core2", "edge2"}); err != nil || !cmp.Equal(apart, lines(views)) {
		t.Errorf("apart again: %q, %v", lines(views), err)
	}

	// Clients of both sides go on, and each side keeps what the other does not.
	for edge, user := range map[string]string{"edge1": "left", "edge2": "right"} {
		login(t, l, edge, user+"-sender").send(user, "for "+user)
	}
	waiting := func(core, user string) string {
		return ask(t, l, core, `ok = Call(iris_durable_batcher, force_flush, []), Call(iris_offline_storage, retrieve_lockfree, [<<"`+user+`">>, 1])`)
	}
	differ := func() {
		t.Helper()
		for _, side := range []struct{ core, has, lacks string }{{"core1", "left", "right"}, {"core2", "right", "left"}} {
			eventually(t, 10*time.Second, side.core+" has the message for "+side.has, func() bool {
				return waiting(side.core, side.has) == `[<<"for `+side.has+`">>]`
			})
			if got := waiting(side.core, side.lacks); got != "[]" {
				t.Errorf("%s has a message for %s: %s", side.core, side.lacks, got)
			}
		}
	}
	differ()

	// A node that is started meanwhile stays on its side.
	if err := l.Kill(ctx, "edge2"); err != nil {
		t.Fatal(err)
	}
	run(t, l, "start_edge2")
	waitFor(t, l, "edge2", lab.Running)
	if got := ask(t, l, "edge2", "Call(net_adm, ping, ['"+node(t, l, "core1").Name+"'])"); got != "pang" {
		t.Errorf("edge2, started anew, pings core1: %s", got)
	}

	// Healing joins the nodes and not the data: the false all-clear.
	if views, err = l.Heal(ctx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{
		"core1 sees core2, edge1, edge2; its Mnesia runs alone",
		"core2 sees core1, edge1, edge2; its Mnesia runs alone",
		"edge1 sees core1, core2, edge2",
		"edge2 sees core1, core2, edge1",
	}, lines(views)); diff != "" {
		t.Errorf("healed (-want +got):\n%s", diff)
	}
	differ()
	eventually(t, 10*time.Second, "Mnesia says in a log that it is divided", func() bool {
		return strings.Contains(labtest.Logs(l, 1000), "{inconsistent_database, running_partitioned_network, iris_core")
	})

	for _, c := range []struct {
		one, other []string
		code       string
	}{
		{[]string{"core1"}, nil, lab.CodeBadOption},
		{[]string{"core1"}, []string{"core2", "core1"}, lab.CodeBadOption},
		{[]string{"core1"}, []string{"edge9"}, actions.CodeNoSuchNode},
		{[]string{"core1"}, []string{"edge5"}, lab.CodeNotRunning},
	} {
		if _, err := l.Partition(ctx, c.one, c.other); actions.CodeOf(err) != c.code {
			t.Errorf("partition of %q and %q: %v, want code %s", c.one, c.other, err, c.code)
		}
	}
	if err := l.Pause(ctx, "edge1"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Partition(ctx, []string{"core1"}, []string{"core2"}); actions.CodeOf(err) != lab.CodeNotRunning || !strings.Contains(err.Error(), "irisops lab resume edge1") {
		t.Errorf("partition with a paused node: %v", err)
	}
}

func TestPartitionOfAnEdge(t *testing.T) {
	t.Parallel()
	l := labtest.ForTest(t, lab.Options{})
	views, err := l.Partition(t.Context(), []string{"edge1"}, []string{"core"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"core sees edge2; its Mnesia runs alone", "edge1 sees nobody", "edge2 sees core"}, lines(views)); diff != "" {
		t.Errorf("apart (-want +got):\n%s", diff)
	}
	if views, err = l.Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"core sees edge1, edge2; its Mnesia runs alone", "edge1 sees core, edge2", "edge2 sees core, edge1"}, lines(views)); diff != "" {
		t.Errorf("healed (-want +got):\n%s", diff)
	}
	a, b := login(t, l, "edge1", "a"), login(t, l, "edge2", "b")
	known := `element(1, Call(iris_core, lookup_user, [<<"b">>]))`
	eventually(t, 10*time.Second, "the core knows b", func() bool { return ask(t, l, "core", known) == "ok" })
	a.send("b", "across")
	b.ack(b.receive("across"))
}
