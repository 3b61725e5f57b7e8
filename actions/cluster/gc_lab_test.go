package cluster_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/erlang/term"
	"irisops/actions/lab"
)

// Both fixes of the runbook's "Common Fixes", by their effect on real nodes.
func TestFixesOnRealNodes(t *testing.T) {
	f := newFieldOf(t, lab.Options{Edges: 1})

	// Binaries that nobody needs any more, held by a process that does nothing.
	f.eval("edge1", `register(idle, spawn(fun() -> put(x, [binary:copy(<<7>>, 1000000) || _ <- lists:seq(1, 100)]), erase(x), receive stop -> ok end end)).`)
	binaries := func() int64 {
		t.Helper()
		reply, err := f.link.Call(t.Context(), f.node("edge1").Name, "erlang", "memory", term.Atom("binary"))
		f.must(err)
		n, _ := term.AsInt(reply)
		return n
	}
	f.eventually("the binaries are there", func() bool { return binaries() > 90_000_000 })
	r := f.diagnoseNode("edge1")
	if _, err := f.plan(f.c, "gc", ""); actions.CodeOf(err) != "missing" {
		t.Error(err)
	}
	offered := false
	for _, n := range r.Next {
		offered = offered || n.Words == "gc edge1"
	}
	if !offered {
		t.Errorf("not offered: %s %v", r.Headline, r.Next)
	}
	seen := f.actWith(f.c, "gc", actions.Args{"node": "edge1"}, actions.Do)
	if n := binaries(); n > 10_000_000 || !strings.Contains(seen, "processes collected in") {
		t.Errorf("%d bytes of binaries are left: %s", n, seen)
	}

	// The log is dumped after so many writes: a larger threshold keeps it, and a
	// smaller one has it dumped.
	core := f.node("core")
	log := filepath.Join(f.lab.Dir(), "Mnesia."+core.Name, "LATEST.LOG")
	write := func() {
		f.eval("core", `[{atomic, ok} = mnesia:sync_transaction(fun() -> mnesia:write({user_status, integer_to_binary(I), I}) end) || I <- lists:seq(1, 300)], {ok, done}.`)
	}
	left := func() int64 {
		t.Helper()
		reply, err := f.link.Call(t.Context(), core.Name, "ets", "lookup_element", term.Atom("mnesia_stats"), term.Atom("trans_log_writes_left"), int64(2))
		f.must(err)
		n, _ := term.AsInt(reply)
		return n
	}
	tune := func(key, value, says string) {
		t.Helper()
		if seen := f.actWith(f.c, "mnesia tune", actions.Args{"key": key, "value": value}, actions.Do); !strings.Contains(seen, says) {
			t.Errorf("no %q in %s", says, seen)
		}
	}
	tune("dump_log_write_threshold", "100000", "was 1,000; back with `mnesia tune dump_log_write_threshold 1000`")
	if n := left(); n != 100_000 {
		t.Errorf("%d writes until the next dump", n)
	}
	write()
	if n := left(); n > 99_700 {
		t.Errorf("dumped before its time: %d writes until the next dump", n)
	}
	tune("dump_log_write_threshold", "100", "was 100,000")
	write()
	f.eventually("the log is dumped", func() bool {
		info, err := os.Stat(log)
		return err == nil && left() <= 100 && info.Size() < 8<<10
	})
	tune("dump_log_write_threshold", "1000", "was 100;")
	tune("dump_log_time_threshold", "60000", "was 180,000; back with `mnesia tune dump_log_time_threshold 180000`; takes effect when the interval that runs now ends")
	if state := f.look(f.c, "mnesia").Data.([]cluster.MnesiaState)[0].Figures; state["dump_log_time_threshold"] != 60000 || state["dump_log_write_threshold"] != 1000 {
		t.Errorf("%v", state)
	}
}

func (f *field) diagnoseNode(short string) actions.Result {
	f.Helper()
	for _, a := range f.c.Actions() {
		if a.Name == "diagnose" {
			r, err := a.Look(f.Context(), actions.Request{Args: actions.Args{"mode": "node", "node": short}})
			f.must(err)
			return r
		}
	}
	f.Fatal("no diagnose")
	return actions.Result{}
}
