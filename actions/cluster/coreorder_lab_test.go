package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
	"irisops/actions/host"
	"irisops/actions/lab"
)

// The last writer started second is refused, and the right order loses nothing:
// core stops, core2 takes a write and stops.
func TestCoresOnRealNodes(t *testing.T) {
	f := newFieldOf(t, lab.Options{Cores: 2, Edges: 1})
	f.c = cluster.New(f.spec, f.link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{
		Apart: 100 * time.Millisecond, Survey: patience}) // so that the test does not wait until they are 5 s apart
	core, core2 := f.node("core1"), f.node("core2")
	store := func(n string, what string) {
		t.Helper()
		for i := range 20 {
			if _, err := f.link.Call(t.Context(), n, "iris_core", "store_offline_durable", []byte("bob"), fmt.Appendf(nil, "%s %d", what, i)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := f.link.Call(t.Context(), n, "iris_durable_batcher", "force_flush"); err != nil {
			t.Fatal(err)
		}
	}
	stored := func(n string) int64 {
		t.Helper()
		reply, err := f.link.Call(t.Context(), n, "mnesia", "table_info", term.Atom("offline_msg"), term.Atom("size"))
		if err != nil {
			t.Fatal(err)
		}
		size, _ := term.AsInt(reply)
		return size
	}
	store(core.Name, "on both")
	f.act(f.c, "stop", "core1", actions.Do)
	store(core2.Name, "on core2 only")
	f.act(f.c, "stop", "core2", actions.Harm)

	refused := func(args actions.Args, code, says string) {
		t.Helper()
		for _, a := range f.c.Actions() {
			if a.Name != "start" {
				continue
			}
			_, err := a.Plan(t.Context(), actions.Request{Args: args, By: "operator"})
			if actions.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
				t.Errorf("%v: [%s] %v", args, actions.CodeOf(err), err)
			}
			t.Log(err)
		}
	}
	// By age: core stopped first.
	refused(actions.Args{"target": "core1"}, "core-order", "core2 wrote")
	if pid := f.pid("core1"); pid != 0 {
		t.Fatalf("core was started: pid %d", pid)
	}

	// By Mnesia's own word: core was started by hand, and has not seen core2 go.
	// After 30 s IRIS loads the tables by force; here that is done at once.
	f.make(core)
	f.eventually("core loads its tables alone", func() bool {
		loaded := 0
		for _, table := range []term.Atom{"offline_msg", "user_meta", "user_status", "revoked_tokens", "dedup_log"} {
			if reply, err := f.link.Call(t.Context(), core.Name, "mnesia", "force_load_table", table); err == nil && reply == term.Atom("yes") {
				loaded++
			}
		}
		return loaded == 5
	})
	if n := stored(core.Name); n != 20 {
		t.Errorf("%d messages on the core that stopped first", n)
	}
	refused(actions.Args{"target": "core2"}, "core-order", "its Mnesia has not seen core2 stop")

	// The right order, from there: the older one stops again, and a person says
	// whose data are the right ones; by now core has written last.
	f.must(f.lab.Kill(t.Context(), "core1"))
	// Its files are the newest now. Mnesia knows better, and it is ended again
	// before it loads what it has.
	p, err := f.plan(f.c, "start", "core1")
	f.must(err)
	var failed error
	for _, s := range p.Steps {
		if _, failed = s.Perform(t.Context()); failed != nil {
			break
		}
	}
	if actions.CodeOf(failed) != "core-order" || !strings.Contains(failed.Error(), "waits for the tables of core2, which it has not seen stop") {
		t.Errorf("%v", failed)
	}
	t.Log(failed)
	if pid := f.pid("core1"); pid != 0 {
		t.Errorf("core runs still: pid %d", pid)
	}
	f.actWith(f.c, "start", actions.Args{"target": "cores", "first": "core2"}, actions.Harm)
	all := func() {
		t.Helper()
		for _, n := range []string{core.Name, core2.Name} {
			if got := stored(n); got != 40 {
				t.Errorf("%s has %d of 40 messages", n, got)
			}
		}
	}
	all()

	// A core whose folder is gone.
	f.act(f.c, "stop", "core2", actions.Do)
	f.hide(core2, func() {
		refused(actions.Args{"target": "core2"}, "no-data", "core2 has no Mnesia folder")
	})
	// The one that stopped first may go second: core has seen it go.
	f.act(f.c, "start", "core2", actions.Do)
	all()
}

// A split is not settled by restarting a core, in one go or in two: Mnesia takes
// the other side's tables in place of its own. Only two people together do that.
func TestASplitIsNotRestartedAway(t *testing.T) {
	f := newFieldOf(t, lab.Options{Cores: 2, Edges: 1})
	f.c = cluster.New(f.spec, f.link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{Apart: 100 * time.Millisecond, Survey: patience})
	core2 := f.node("core2")
	_, err := f.lab.Partition(t.Context(), []string{"core1", "edge1"}, []string{"core2"})
	f.must(err)
	begun := time.Now()
	f.eventually("core2 runs apart for a while", func() bool {
		_, err := f.link.Call(t.Context(), core2.Name, "mnesia", "dirty_write", term.Tuple{term.Atom("offline_msg"), term.Tuple{[]byte("bob"), 0}, time.Now().UnixMilli(), []byte("apart")})
		f.must(err)
		return time.Since(begun) > 5*time.Second
	})
	_, err = f.lab.Heal(t.Context())
	f.must(err)
	refused := func(verb, target, code, says string) {
		t.Helper()
		p, err := f.plan(f.c, verb, target)
		if actions.CodeOf(err) != code || !strings.Contains(err.Error(), says) {
			t.Errorf("%s %s is class %s: [%s] %v", verb, target, p.Class, actions.CodeOf(err), err)
		}
		t.Log(err)
	}
	refused("restart", "core2", "split-brain", "Say `recover split-brain`.")
	refused("restart", "all", "split-brain", "Say `recover split-brain`.")
	f.act(f.c, "stop", "core2", actions.Do) // its data stay
	for _, verb := range []string{"start", "recover"} {
		refused(verb, "core2", "core-order", "they ran apart, and what core2 wrote in that time would be lost on both")
	}
	f.actWith(f.c, "start", actions.Args{"target": "core2", "first": "core1"}, actions.Harm)
	reply, err := f.link.Call(t.Context(), core2.Name, "mnesia", "dirty_read", term.Atom("offline_msg"), term.Tuple{[]byte("bob"), 0})
	f.must(err)
	if rows, _ := term.AsList(reply); len(rows) != 0 {
		t.Errorf("core2 still has %d messages: there was nothing to refuse", len(rows))
	}
}

// Where both sides of a split have died, nothing shows it until they are up again;
// then it is said.
func TestCoresThatRanApartStartTogether(t *testing.T) {
	f := newFieldOf(t, lab.Options{Cores: 2, Edges: 1})
	_, err := f.lab.Partition(t.Context(), []string{"core1", "edge1"}, []string{"core2"})
	f.must(err)
	for _, n := range []string{"core1", "core2"} {
		_, err := f.link.Call(t.Context(), f.node(n).Name, "mnesia", "dirty_write", term.Tuple{term.Atom("offline_msg"), term.Tuple{[]byte("bob"), 0}, time.Now().UnixMilli(), []byte(n)})
		f.must(err)
		_, err = f.link.Call(t.Context(), f.node(n).Name, "mnesia", "sync_log")
		f.must(err)
	}
	_, err = f.lab.Heal(t.Context())
	f.must(err)
	const warning = "WARNING: Mnesia says that core1 and core2 had run apart"
	again := func() string {
		t.Helper()
		f.must(f.lab.Kill(t.Context(), "core1"))
		f.must(f.lab.Kill(t.Context(), "core2"))
		return f.act(f.c, "start", "cores", actions.Do)
	}
	if seen := again(); !strings.Contains(seen, warning) {
		t.Errorf("nothing is said of it:\n%s", seen)
	}
	if seen := again(); strings.Contains(seen, warning) { // they run together by now
		t.Errorf("it is said again:\n%s", seen)
	}
}
