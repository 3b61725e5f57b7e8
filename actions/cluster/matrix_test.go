package cluster_test

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
	"irisops/actions/host"
	"irisops/actions/lab"
)

// strict is the cluster with the default thresholds of everything but the
// machine, which other tests keep busy.
func (f *field) strict(link *erlang.Link) *cluster.Cluster {
	roomy := cluster.Bound{Warn: 1e9}
	return cluster.New(f.spec, link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{
		Secrets: []string{lab.Cookie}, Diagnose: patience, Full: patience, Sample: 200 * time.Millisecond,
		SlowPing: patience, SlowLogin: patience, BadLogin: 2 * patience,
		Bounds: cluster.Bounds{HostLoad: roomy, HostMemory: roomy, HostSwap: roomy, RunQueue: roomy, Utilization: roomy,
			DiskFree: cluster.Bound{Warn: 2, Critical: 1}},
	})
}

// eval has a node run test code that makes a fault.
func (f *field) eval(node, code string) {
	f.Helper()
	call := func(module, function string, args ...term.Term) term.Tuple {
		f.Helper()
		reply, err := f.link.Call(f.Context(), f.node(node).Name, module, function, args...)
		f.must(err)
		tuple, ok := reply.(term.Tuple)
		if !ok || len(tuple) < 2 || tuple[0] == term.Atom("error") {
			f.Fatalf("%s:%s answered %s", module, function, term.Format(reply, 500))
		}
		return tuple
	}
	tokens := call("erl_scan", "string", term.Text(code))
	forms := call("erl_parse", "parse_exprs", tokens[1])
	call("erl_eval", "exprs", forms[1], term.List{})
}

func (f *field) full(c *cluster.Cluster) actions.Result {
	f.Helper()
	for _, a := range c.Actions() {
		if a.Name == "diagnose" {
			r, err := a.Look(f.Context(), actions.Request{Args: actions.Args{"mode": "full"}, By: "operator", Now: time.Now()})
			f.must(err)
			return r
		}
	}
	f.Fatal("no diagnose")
	return actions.Result{}
}

// ask is one look by its words.
func (f *field) ask(c *cluster.Cluster, name string, args actions.Args) actions.Result {
	f.Helper()
	for _, a := range c.Actions() {
		if a.Name == name {
			begin := time.Now()
			r, err := a.Look(f.Context(), actions.Request{Args: args, By: "operator", Now: begin})
			f.must(err)
			f.Logf("%s %v took %s: %s", name, args, time.Since(begin).Round(time.Millisecond), r.Headline)
			return r
		}
	}
	f.Fatalf("no %s", name)
	return actions.Result{}
}

// TestFaultMatrix makes each fault that the lab can make, and wants its true
// cause in the first line of the diagnosis, and nothing named while all is well.
func TestFaultMatrix(t *testing.T) {
	f := newField(t)
	c := f.strict(f.link)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\ttook\tfirst line")
	look := func(fault string, c *cluster.Cluster, want ...string) {
		t.Helper()
		begin := time.Now()
		r := f.full(c)
		took := time.Since(begin)
		fmt.Fprintf(w, "%s\t%s\t%s\n", fault, took.Round(time.Millisecond), r.Headline)
		for _, part := range want {
			if !strings.Contains(r.Headline, part) {
				t.Errorf("%s: %q does not say %q\n%s", fault, r.Headline, part, problems(r))
			}
		}
		if took > patience+2*time.Second {
			t.Errorf("%s: took %s", fault, took)
		}
		if n := len(r.Data.(cluster.Diagnosis).Findings); n != len(f.spec.Nodes)*31 {
			t.Errorf("%s: %d findings", fault, n)
		}
	}
	healthy := func() {
		t.Helper()
		f.eventually("all healthy", func() bool { return f.full(c).Level == actions.OK })
		r := f.full(c)
		fmt.Fprintf(w, "none\t\t%s\n", r.Headline)
		if r.Level != actions.OK || !strings.HasPrefix(r.Headline, "all 3 nodes healthy") {
			t.Errorf("healthy: %s\n%s", r.Headline, problems(r))
		}
	}
	first := f.full(c)
	fmt.Fprintf(w, "none\t\t%s\n", first.Headline)
	if !strings.HasPrefix(first.Headline, "all 3 nodes healthy") {
		t.Errorf("healthy: %s\n%s", first.Headline, problems(first))
	}

	f.eval("edge1", `P = whereis(iris_circuit_breaker), sys:suspend(P), [P ! flood || _ <- lists:seq(1, 20000)], ok.`)
	look("mailbox flood", c, "mailbox flood on edge1: iris_circuit_breaker has 20,")
	f.eval("edge1", `sys:resume(iris_circuit_breaker).`+"")
	healthy()

	f.eval("edge2", `register(hog, spawn(fun() -> B = binary:copy(<<7>>, 200000000), receive stop -> byte_size(B) end end)).`)
	f.eventually("the hog holds its memory", func() bool {
		reply, err := f.link.Call(t.Context(), f.node("edge2").Name, "erlang", "memory", term.Atom("binary"))
		n, _ := term.AsInt(reply)
		return err == nil && n > 200_000_000
	})
	look("binary memory growth", c, "memory pressure on edge2: binaries are ")
	f.eval("edge2", `exit(whereis(hog), kill), {ok, done}.`)
	healthy()

	// Not through Mnesia, which would be overloaded by it.
	f.eval("core", `ets:insert(offline_msg, [{offline_msg, {<<"bob">>, I rem 1000}, 1700000000000 + I, <<"message ", (integer_to_binary(I))/binary>>} || I <- lists:seq(1, 199990)]),
		ets:insert(offline_msg, [{offline_msg, {<<"bob">>, 1010}, 1700000000000 + I, [<<"a">>, <<"bc">>]} || I <- lists:seq(1, 10)]), {ok, done}.`)
	look("200,000 messages for one user", c, "stuck user: 200,000 of 200,000 waiting messages are for bob")
	box := f.ask(c, "messages show", actions.Args{"user": "bob", "deep": "true"}).Data.(cluster.Mailbox)
	if box.Records != 200_000 || box.Messages != 200_010 || len(box.Buckets) != 1001 || box.Orphans == 0 || box.Count != 1 {
		t.Errorf("deep: %d records, %d messages, %d buckets, %d orphans of count %d", box.Records, box.Messages, len(box.Buckets), box.Orphans, box.Count)
	}
	if box := f.ask(c, "messages show", actions.Args{"user": "bob"}).Data.(cluster.Mailbox); len(box.Buckets) != 16 {
		t.Errorf("%d buckets without --deep", len(box.Buckets))
	}
	if r := f.ask(c, "messages size", nil); r.Headline != "200,000 records waiting on core" {
		t.Error(r.Headline)
	}
	if r := f.ask(c, "mnesia", nil); r.Level != actions.OK || !strings.Contains(r.Headline, "core runs with core: 7 tables, 200,0") {
		t.Error(r.Headline)
	}
	if r := f.ask(c, "presence size", nil); !strings.HasSuffix(r.Headline, "(presence in ETS)") {
		t.Error(r.Headline)
	}
	if r := f.ask(c, "presence", actions.Args{"user": "bob"}); r.Headline != "bob is not connected" {
		t.Error(r.Headline)
	}
	if r := f.ask(c, "diagnose", actions.Args{"mode": "node", "node": "core", "plot": "true"}); !strings.Contains(fmt.Sprint(r.Sections), "█") || !strings.Contains(fmt.Sprint(r.Sections), "Busiest processes") {
		t.Errorf("no plot: %v", r.Sections)
	}
	f.eval("core", `mnesia:clear_table(offline_msg).`)
	healthy()

	look("wrong cookie", f.strict(f.connect("another_cookie")), "wrong cookie: all 3 nodes turn irisops away")

	f.must(f.lab.Pause(t.Context(), "core"))
	look("core paused", c, "core hung: pid ")
	f.must(f.lab.Resume(t.Context(), "core"))
	healthy()

	f.must(f.lab.Kill(t.Context(), "edge1"))
	look("edge killed", c, "edge1 down; core, edge2 healthy")
	squatter, err := net.Listen("tcp", f.node("edge1").Addr())
	f.must(err)
	look("edge killed, port taken", c, fmt.Sprintf("edge1 down, and another program holds its port %d", f.node("edge1").Port))
	squatter.Close()
	f.eval("core", `[mnesia:dirty_write({user_status, integer_to_binary(I), I}) || I <- lists:seq(1, 100000)], {ok, done}.`)
	look("Mnesia overload, and the edge still down", c, "edge1 down; Mnesia overload on core: core.log: ")
	f.must(f.lab.Kill(t.Context(), "core"))
	look("core killed too", c, "core, edge1 down")
	f.act(c, "start", "all", actions.Do)

	status, err := f.lab.Status(t.Context())
	f.must(err)
	f.must(syscall.Kill(status.EPMD, syscall.SIGTERM))
	f.eventually("epmd ends", func() bool { return syscall.Kill(status.EPMD, 0) != nil })
	look("epmd gone", f.strict(f.connect(lab.Cookie)), "epmd is gone on "+hostOf(f.node("core")))

	for _, n := range f.spec.Nodes {
		f.must(f.lab.Kill(t.Context(), n.Short))
	}
	look("all killed", c, "whole cluster down: no node answers")

	w.Flush()
	fmt.Fprintf(os.Stdout, "fault matrix\n%s", table.String())
}

// problems are the findings that are not well, for a test's failure.
func problems(r actions.Result) string {
	var lines []string
	for _, f := range r.Data.(cluster.Diagnosis).Findings {
		switch f.Result {
		case actions.OK, actions.NotApplicable, actions.Advice:
		default:
			lines = append(lines, fmt.Sprintf("%s %s %s: %s", f.Node, f.Check, f.Result, f.Evidence))
		}
	}
	return strings.Join(lines, "\n")
}
