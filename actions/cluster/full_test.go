package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// duo is two cores and two edges on h1.
func duo() (*world, *Cluster) {
	return build(Options{}, core("core"), core("core2"), edge("edge1", 8085), edge("edge2", 8086))
}

func says(pairs ...any) map[string]term.Term {
	m := map[string]term.Term{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1]
	}
	return m
}

func TestFull(t *testing.T) {
	recent := func(line string) []string {
		return []string{"=WARNING REPORT==== " + time.Now().Add(-time.Minute).Format("2-Jan-2006::15:04:05.000000") + " ===", line}
	}
	full := func(f func(h *HostFacts)) *HostFacts { h := wellHost(); f(&h); return &h }
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		verdict string
		exit    int
		cites   string
		within  time.Duration
	}{
		{name: "healthy", trouble: func(*world) {}, verdict: "all 4 nodes healthy", within: 1300 * time.Millisecond},
		{name: "two hung", trouble: func(w *world) { w.get("edge1").deaf = true; w.get("edge2").state = "stopped" },
			verdict: "edge1 hung: pid 4713 runs but does not answer; edge2 hung: pid 4714 is stopped (SIGSTOP) and does not answer; core, core2 healthy", exit: 2, within: 6*time.Second + 2*lateness},
		{name: "edge dead, users lost", trouble: func(w *world) {
			w.kill("edge1")
			w.get("core").says = says("ets:select_count presence_local", int64(312))
		}, verdict: "edge1 down; core, core2, edge2 healthy; at least 312 users affected", exit: 2, cites: "Single Edge Node Failure"},
		{name: "cores dead, users cut off", trouble: func(w *world) {
			w.kill("core", "core2")
			w.get("edge1").says = says("ets:select_count local_presence_v2", int64(300))
			w.get("edge2").says = says("ets:select_count local_presence_v2", int64(12))
		}, verdict: "core, core2 down; edge1, edge2 healthy; 312 users affected", exit: 2, cites: "Single Core Node Failure"},
		{name: "partition", trouble: func(w *world) {
			for _, n := range []string{"core", "core2"} {
				w.get(n).says = says("mnesia:system_info running_db_nodes", term.List{atom("iris_" + n + "@h1")},
					"mnesia:table_info offline_msg where_to_write", term.List{atom("iris_" + n + "@h1")})
			}
		}, verdict: "network partition: core and core2 do not reach each other, run Mnesia alone (split-brain), and their data diverge; edge1, edge2 healthy", exit: 2, cites: "Mnesia Split-Brain Recovery"},
		{name: "split after healing", trouble: func(w *world) {
			w.get("core").peers["iris_core2@h1"], w.get("core2").peers["iris_core@h1"] = true, true
			for _, n := range []string{"core", "core2"} {
				w.get(n).says = says("mnesia:system_info running_db_nodes", term.List{atom("iris_" + n + "@h1")},
					"mnesia:table_info offline_msg where_to_write", term.List{atom("iris_" + n + "@h1")})
			}
		}, verdict: "split-brain: core and core2 reach each other again, but run Mnesia without each other, and their data diverge; edge1, edge2 healthy", exit: 2, cites: "Mnesia Split-Brain Recovery"},
		{name: "edge cut off", trouble: func(w *world) { w.get("edge1").cut = true }, verdict: "network partition: edge1 is cut off from core and core2; core, core2, edge2 healthy", exit: 2, cites: "P1: High Latency"},
		{name: "edge that nobody uses", trouble: func(w *world) {
			w.get("edge1").cut = true
			w.get("edge1").login = actions.Errorf(actions.CodeAuthFailed, "no")
		}, verdict: "all 4 nodes healthy"},
		{name: "member away", trouble: func(w *world) {
			w.kill("core2")
			w.get("core").says = says("mnesia:system_info db_nodes", term.List{atom("iris_core@h1"), atom("iris_core2@h1")})
		}, verdict: "core2 down; core, edge1, edge2 healthy", exit: 2},
		{name: "disk full", trouble: func(w *world) {
			for _, f := range w.nodes {
				f.facts = full(func(h *HostFacts) { h.Disk.Free = 100 << 20 })
			}
			w.kill("core2")
		}, verdict: "disk full on h1: 100 MB of 100 GB free in /srv/iris; core2 down", exit: 2, cites: "P1: High Latency"},
		{name: "disk nearly full", trouble: func(w *world) {
			w.get("core").facts = full(func(h *HostFacts) { h.Disk.Free = 5 << 30 })
		}, verdict: "disk nearly full on h1: 5120 MB of 100 GB free in /srv/iris; core2, edge1, edge2 healthy", exit: 1},
		{name: "memory", trouble: func(w *world) {
			w.get("core").says = says("erlang:memory", term.List{term.Tuple{atom("total"), int64(13 << 30)}, term.Tuple{atom("binary"), int64(10 << 30)}})
		}, verdict: "memory pressure on core: binaries are 77 % of the node's memory: 10 GB of 13 GB; 81 % of its host's 16 GB: 13 GB; core2, edge1, edge2 healthy", exit: 2, cites: "Common Fixes"},
		{name: "busy machine", trouble: func(w *world) {
			for _, f := range w.nodes {
				f.facts = full(func(h *HostFacts) { h.Load.Five = 16.8 })
			}
		}, verdict: "busy machine h1: load 16.8 (5 min) on 4 processors", exit: 1, cites: "P1: High Latency"},
		{name: "clock", trouble: func(w *world) {
			w.get("edge2").says = says("os:system_time millisecond", time.Now().Add(10*time.Second).UnixMilli())
		}, verdict: "clock skew: ", exit: 2},
		{name: "overload", trouble: func(w *world) {
			w.get("core").log = recent("Mnesia(iris_core@h1): ** WARNING ** Mnesia is overloaded: {dump_log,write_threshold}")
		}, verdict: "Mnesia overload on core: core.log: 1 report of an overloaded Mnesia in 10 min; core2, edge1, edge2 healthy", exit: 1, cites: "Common Fixes"},
		{name: "was split, and was settled", trouble: func(w *world) {
			w.get("core").log = recent("Mnesia(iris_core@h1): ** ERROR ** mnesia_event got {inconsistent_database, running_partitioned_network, iris_core2@h1}")
		}, verdict: "all 4 nodes healthy"},
		{name: "duplicates", trouble: func(w *world) {
			one := recent("Msg <<1,2>> timed out (No ACK). Moving to offline storage.")
			w.get("edge1").log = append(one, one...)
		}, verdict: "duplicates likely: deliveries on edge1 are not acknowledged, and are sent again; core, core2, edge2 healthy", exit: 1, cites: "P2: Message Delivery Issues"},
		{name: "presence expired", trouble: func(w *world) { w.get("edge1").says = says("ets:select_count local_presence_v2", int64(50)) },
			verdict: "presence expired: 50 users connected to the edges: 100 % of them are unknown to the cores, and messages for them wait; edge1, edge2 healthy", exit: 1, cites: "P2: Message Delivery Issues"},
		{name: "circuit open", trouble: func(w *world) {
			w.get("edge1").says = says("iris_circuit_breaker:get_all_status", term.Map{{Key: atom("iris_core@h1"), Value: term.Map{{Key: atom("status"), Value: atom("open")}}}})
		}, verdict: "edge1 answers, but calls to core are refused at once, after too many failures (open); core, core2, edge2 healthy", exit: 2},
		{name: "old IRIS", trouble: func(w *world) {
			w.get("core").says = says("iris_partition_guard:get_status", term.Map{{Key: atom("mode"), Value: atom("not_running")}})
		}, verdict: "all 4 nodes healthy, as far as can be seen: 1 check not available"},
		{name: "port taken", trouble: func(w *world) { w.kill("edge1"); w.get("edge1").portTaken = true },
			verdict: "edge1 down, and another program holds its port 8085; core, core2, edge2 healthy", exit: 2, cites: "Single Edge Node Failure"},
		{name: "noise hides an error", trouble: func(w *world) {
			w.get("core").log = append(recent("OS_MON (memsup) called by <0.1.0>, not started"),
				"=ERROR REPORT==== "+time.Now().Add(-time.Minute).Format("2-Jan-2006::15:04:05.000000")+" ===", "disk write failed")
		}, verdict: "all 4 nodes answer, with 1 warning; core: core.log: 1 error", exit: 1, cites: "P0: Complete Service Outage"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := duo()
				tt.trouble(w)
				begin := time.Now()
				r := do(t, c, "diagnose", actions.Args{"mode": "full"})
				if took := time.Since(begin); tt.within > 0 && took > tt.within {
					t.Errorf("took %s", took)
				}
				d := r.Data.(Diagnosis)
				if !strings.HasPrefix(r.Headline, tt.verdict) || strings.HasSuffix(tt.verdict, "healthy") && r.Headline != tt.verdict {
					t.Errorf("verdict\n got %s\nwant %s", r.Headline, tt.verdict)
				}
				if got := ExitCode(d); got != tt.exit {
					t.Errorf("exit code %d, want %d", got, tt.exit)
				}
				if len(d.Findings) != 4*len(fullChecks) {
					t.Errorf("%d findings", len(d.Findings))
				}
				for _, f := range d.Findings {
					bad := !f.follows && (f.Result == actions.Critical || f.Result == actions.Warn || f.Result == actions.Unknown)
					offered := slices.ContainsFunc(r.Next, func(n actions.Next) bool { return n.Words == f.words() })
					if bad && f.Next == "" || bad && f.words() != "" && !offered {
						t.Errorf("%s %s offers nothing, or no button: %q of %v", f.Node, f.Check, f.Next, r.Next)
					}
				}
				if !strings.Contains(fmt.Sprint(r.Sections), tt.cites) {
					t.Errorf("does not cite %q", tt.cites)
				}
				if tt.name == "partition" && (slices.Contains(words(r.Next), "mesh") || words(r.Next)[0] != "mnesia") {
					t.Errorf("over a broken line nothing is connected: %v", words(r.Next))
				}
			})
		})
	}
}

// An edge without a core is found by a look at it alone, too.
func TestCutOffSeenFromTheEdge(t *testing.T) {
	for _, mode := range []string{modeNode, modeNetwork, modeMessages} {
		synctest.Test(t, func(t *testing.T) {
			w, c := duo()
			w.get("edge1").cut = true
			args := actions.Args{"mode": mode}
			if mode == modeNode {
				args["node"] = "edge1"
			}
			if r := do(t, c, "diagnose", args); r.Level != actions.Critical || !strings.HasPrefix(r.Headline, "network partition: edge1 is cut off from core and core2") {
				t.Errorf("%s: %s", mode, r.Headline)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // with every core dead it is told by that
		w, c := duo()
		w.kill("core", "core2")
		w.get("edge1").cut = true
		if r := do(t, c, "diagnose", actions.Args{"mode": modeFull}); strings.Contains(r.Headline, "partition") {
			t.Error(r.Headline)
		}
	})
}

// Every mode answers, also about a cluster with dead and hung nodes.
func TestModes(t *testing.T) {
	for _, mode := range modes {
		synctest.Test(t, func(t *testing.T) {
			w, c := duo()
			w.kill("edge2")
			w.get("core2").deaf = true
			args := actions.Args{"mode": mode, "plot": "true"}
			want := 2
			if mode == modeNode {
				args["node"], want = "edge1", 0
			}
			begin := time.Now()
			r := do(t, c, "diagnose", args)
			if took := time.Since(begin); took > c.opt.Full+200*time.Millisecond {
				t.Errorf("%s took %s", mode, took)
			}
			if got := ExitCode(r.Data.(Diagnosis)); got != want {
				t.Errorf("%s: exit code %d: %s", mode, got, r.Headline)
			}
			if !strings.Contains(fmt.Sprint(r.Sections), "█") {
				t.Errorf("%s: no plot", mode)
			}
		})
	}
	_, c := trio()
	if _, err := action(t, c, "diagnose").Look(context.Background(), actions.Request{Args: actions.Args{"mode": "wild"}}); actions.CodeOf(err) != "usage" {
		t.Errorf("an unknown mode: %v", err)
	}
}

// Whatever a node answers to a deep question, nothing panics, nothing it said is
// shown, and it is not counted as healthy.
func TestOddDeepReplies(t *testing.T) {
	for _, function := range []string{"supervisor:count_children", "erlang:whereis", "erlang:memory", "erlang:system_info", "erlang:statistics", "erlang:nodes",
		"os:system_time", "mnesia:table_info", "iris_partition_guard:get_status", "iris_durable_batcher:get_stats", "iris_flow_controller:get_stats",
		"iris_circuit_breaker:get_all_status", "iris_async_router:get_local_count", "ets:select_count", "ets:info", "erl_scan:string", "erl_parse:parse_exprs", "erl_eval:exprs"} {
		for _, reply := range oddTerms {
			if function == "erlang:nodes" && (term.Equal(reply, term.List{}) || reply == term.Term(nil)) ||
				reply == term.Term(int64(1)) || term.Equal(reply, term.Map{}) {
				continue // not odd for all of them
			}
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				c.erlang = odd{world: w, function: function, reply: reply}
				r := do(t, c, "diagnose", actions.Args{"mode": "full"})
				if got := ExitCode(r.Data.(Diagnosis)); got == 0 && function != "erlang:nodes" {
					t.Errorf("%s = %v: exit code %d, %s", function, reply, got, r.Headline)
				}
				if strings.Contains(fmt.Sprint(r), oddBody) {
					t.Errorf("%s = %v is shown", function, reply)
				}
				for _, a := range c.Actions() {
					if a.Look == nil || a.Name == "diagnose" || a.Name == "logs" {
						continue
					}
					r, err := a.Look(context.Background(), actions.Request{Args: actions.Args{"user": "bob", "deep": "true"}})
					if strings.Contains(fmt.Sprint(r, err), oddBody) {
						t.Errorf("%s: %s = %v is shown", a.Name, function, reply)
					}
				}
			})
		}
	}
}

func TestChart(t *testing.T) {
	got := strings.Join(chart([]bar{{"processes", 300, "300 MB"}, {"ets", 10, "10 MB"}, {"code", 1, "1 MB"}, {"atom", 0, "0 KB"}}), "\n")
	want := "processes " + strings.Repeat("█", 30) + " 300 MB\nets       █ 10 MB\ncode      ▏ 1 MB\natom       0 KB"
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
