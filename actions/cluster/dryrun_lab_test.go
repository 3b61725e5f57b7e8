package cluster_test

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
	"irisops/actions/host"
	"irisops/actions/keep"
	"irisops/actions/lab"
)

// trace keeps what was asked of nodes, hosts and edges.
type trace struct {
	mu    sync.Mutex
	calls map[string]bool
}

func (t *trace) add(call string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[call] = true
}

type tracedLink struct {
	*erlang.Link
	*trace
}

func (l tracedLink) Call(ctx context.Context, node, module, function string, args ...term.Term) (term.Term, error) {
	l.add(module + ":" + function)
	return l.Link.Call(ctx, node, module, function, args...)
}

type tracedHost struct {
	*host.Local
	*trace
}

func (h tracedHost) Make(ctx context.Context, n cluster.Node) error {
	h.add("make")
	return h.Local.Make(ctx, n)
}

func (h tracedHost) Signal(ctx context.Context, p cluster.Process, s cluster.Signal) error {
	h.add("signal")
	return h.Local.Signal(ctx, p, s)
}

func (h tracedHost) Run(ctx context.Context, n cluster.Node, argv []string) ([]string, error) {
	h.add("run")
	return h.Local.Run(ctx, n, argv)
}

func (h tracedHost) ArchiveLog(ctx context.Context, n cluster.Node, now time.Time) (string, error) {
	h.add("archive")
	return h.Local.ArchiveLog(ctx, n, now)
}

type tracedEdge struct {
	*edge.Prober
	*trace
}

func (e tracedEdge) Login(ctx context.Context, addr, user string) (time.Duration, error) {
	e.add("login")
	return e.Prober.Login(ctx, addr, user)
}

func (e tracedEdge) RoundTrip(ctx context.Context, addr, from, to string) (time.Duration, time.Duration, error) {
	e.add("message")
	return e.Prober.RoundTrip(ctx, addr, from, to)
}

func (e tracedEdge) Offline(ctx context.Context, addr, from, to string) (time.Duration, error) {
	e.add("message")
	return e.Prober.Offline(ctx, addr, from, to)
}

// looks are the functions of a node that change nothing there. Expressions that
// are evaluated there are constants of the program and look only.
var looks = []string{
	"application:info", "application:which_applications",
	"erl_eval:exprs", "erl_parse:parse_exprs", "erl_scan:string",
	"erlang:is_process_alive", "erlang:memory", "erlang:node", "erlang:nodes", "erlang:statistics", "erlang:system_info", "erlang:whereis",
	"ets:info", "ets:lookup", "ets:select", "ets:select_count",
	"iris_core:get_bucket_count",
	"mnesia:system_info", "mnesia:table_info", "mnesia:wait_for_tables", "mnesia:dirty_read",
	"mnesia_recover:has_mnesia_down",
	"os:getpid", "os:system_time",
}

// flushes writes what IRIS's log holds into its table, as IRIS does by itself
// twice a second; what is counted before that is not all there is.
const flushes = "iris_durable_batcher:force_flush"

// words are values for every kind of parameter, so that every action is planned.
var wordsOf = map[actions.Kind][]string{
	actions.Target: {"edge1", "core", "edge", "all", "cluster"},
	actions.Node:   {"edge1", "core"},
	actions.Word:   {"bob", "carol"},
	actions.Text:   {"bob"},
	actions.Count:  {"5000"},
	actions.ID:     {"1"},
}

// A plan is what --dry-run shows. Every action that acts is planned, with all
// well and with nodes dead, over real adapters that write down what they are
// asked for: nothing but looking.
func TestPlansTouchNothing(t *testing.T) {
	f := newFieldOf(t, lab.Options{Edges: 2})
	exports := t.TempDir()
	seen := &trace{calls: map[string]bool{}}
	c := cluster.New(f.spec, tracedLink{f.link, seen}, tracedHost{host.NewLocal(epmd.Names, lab.Cookie), seen}, tracedEdge{edge.NewProber(nil), seen},
		cluster.Options{Secrets: []string{lab.Cookie}, Diagnose: patience, Survey: patience, Keeper: &kept{}, Exports: keep.In(exports), Backups: &cellar{}, Backup: cluster.BackupOptions{MinFree: 1}})
	alice := f.login("edge1", "alice")
	f.must(alice.Send(t.Context(), "bob", []byte("for bob")))
	f.must(alice.Close())
	f.eventually("bob's mail is kept", func() bool { return f.waiting("bob") == 1 })

	carol := f.login("edge2", "carol") // who is there, and for whom mail waits all the same
	defer carol.Close()
	for _, call := range []string{"store_offline_durable", "force_flush"} {
		module, args := "iris_core", []term.Term{[]byte("carol"), []byte("for carol")}
		if call == "force_flush" {
			module, args = "iris_durable_batcher", nil
		}
		_, err := f.link.Call(t.Context(), f.node("core").Name, module, call, args...)
		f.must(err)
	}

	planned := map[string]bool{}
	planAll := func(what string) {
		t.Helper()
		before := f.pids()
		for _, a := range c.Actions() {
			if a.Plan == nil {
				continue
			}
			for _, args := range combinations(a.Params) {
				p, err := a.Plan(t.Context(), actions.Request{Args: args, By: "operator", Now: time.Now()})
				if err == nil {
					planned[a.Name] = true
					if len(p.Steps) == 0 || p.Title == "" {
						t.Errorf("%s %v plans nothing: %+v", a.Name, args, p)
					}
				}
			}
		}
		if after := f.pids(); !maps.Equal(before, after) {
			t.Errorf("%s: nodes changed: %v, then %v", what, before, after)
		}
	}
	planAll("all well")
	f.must(f.lab.Kill(t.Context(), "edge1"))
	planAll("an edge is dead")
	if n := f.waiting("bob"); n != 1 {
		t.Errorf("%d messages wait for bob", n)
	}
	f.must(f.lab.Kill(t.Context(), "core"))
	planAll("the core is dead too")

	if files, err := os.ReadDir(exports); err != nil || len(files) > 0 {
		t.Errorf("exported: %v, %v", files, err)
	}
	for _, call := range slices.Sorted(maps.Keys(seen.calls)) {
		if !slices.Contains(looks, call) && call != flushes {
			t.Errorf("a plan asked for %s", call)
		}
	}
	if !seen.calls["mnesia:system_info"] || !seen.calls["application:which_applications"] {
		t.Errorf("the trace traces nothing: %v", seen.calls)
	}
	for _, a := range c.Actions() {
		if a.Plan != nil && !planned[a.Name] && a.Name != "messages restore" && !strings.HasPrefix(a.Name, "recover split") {
			t.Errorf("%s was never planned", a.Name)
		}
	}
}

// combinations are arguments for the parameters that are not flags, one value of
// each after another.
func combinations(params []actions.Param) []actions.Args {
	all := []actions.Args{{}}
	for _, p := range params {
		values := wordsOf[p.Kind]
		if p.Kind == actions.Choice {
			values = p.Choices
		}
		if p.Flag || p.Optional || len(values) == 0 {
			continue
		}
		var more []actions.Args
		for _, args := range all {
			for _, v := range values {
				with := maps.Clone(args)
				with[p.Name] = v
				more = append(more, with)
			}
		}
		all = more
	}
	return all
}

// pids of the nodes, by short name; 0 for those that do not run.
func (f *field) pids() map[string]int {
	f.Helper()
	status, err := f.lab.Status(f.Context())
	f.must(err)
	found := map[string]int{}
	for _, n := range status.Nodes {
		found[n.Short] = n.PID
	}
	return found
}
