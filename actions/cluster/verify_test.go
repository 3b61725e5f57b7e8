package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

func TestVerify(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		level   actions.Level
		verdict string
		passed  bool
	}{
		{"well", func(*world) {}, actions.OK, "login and message verified on all 2 edges", true},
		{"edge dead", func(w *world) { w.kill("edge1") }, actions.Critical, "no login and message on edge1; verified on 1 of 2 edges", false},
		{"edge hung", func(w *world) { w.get("edge1").state = "stopped" }, actions.Critical, "no login and message on edge1; verified on 1 of 2 edges", false},
		{"core dead", func(w *world) { w.kill("core") }, actions.Critical, "core does not serve; verified on 2 of 2 edges", false},
		{"core and edge dead", func(w *world) { w.kill("core", "edge1") }, actions.Critical, "core does not serve, and no login and message on edge1; verified on 1 of 2 edges", false},
		{"core without tables", func(w *world) { w.get("core").tablesAt = w.now().Add(time.Hour) }, actions.Critical, "core does not serve; verified on 2 of 2 edges", false},
		{"all dead", func(w *world) { w.kill("edge1", "edge2") }, actions.Critical, "no login and message on edge1 and edge2", false},
		{"another edge on its port", func(w *world) { w.get("edge1").noApp, w.get("edge1").portTaken = true, true }, actions.Critical, "no login and message on edge1; verified on 1 of 2 edges", false},
		{"not allowed", func(w *world) { w.get("edge2").login = actions.Errorf(actions.CodeAuthFailed, "AUTH_FAILED") }, actions.Warn,
			"not verified: edge2 is up, but allows the probe no login; verified on 1 of 2 edges", false},
		{"slowed down", func(w *world) {
			w.get("edge1").login = actions.Errorf(actions.CodeRateLimited, "RATE_LIMITED")
			w.get("edge2").login = actions.Errorf(actions.CodeAuthFailed, "AUTH_FAILED")
		}, actions.Warn, "not verified: edge1 and edge2 are up, but allow the probe no login", false},
		{"slow", func(w *world) { w.get("edge1").loginTook = 812 * time.Millisecond }, actions.OK, "login and message verified on all 2 edges; edge1 is slow", true},
		{"too slow", func(w *world) { w.get("edge1").loginTook = 3 * time.Second }, actions.Warn, "login and message verified on all 2 edges, but edge1 is far too slow", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				tt.trouble(w)
				begin := time.Now()
				r := do(t, c, "verify", nil)
				v := r.Data.(Verification)
				if r.Level != tt.level || r.Headline != tt.verdict || v.Passed != tt.passed || v.Verdict != r.Headline {
					t.Errorf("%s: %s %+v", r.Level, r.Headline, v)
				}
				if took := time.Since(begin); took > 10*time.Second+lateness {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

func TestVerifyFigures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		v := do(t, c, "verify", nil).Data.(Verification)
		want := EdgeTest{Node: "edge1", Result: actions.OK, Evidence: "login 29 ms, message 1.3 ms", Passed: true, LoginMS: 29, DeliveryMS: 1.3}
		if diff := cmp.Diff(want, v.Edges[0]); diff != "" {
			t.Error(diff)
		}
		for _, act := range w.done() {
			switch act {
			case "login irisops-probe-edge1-a", "login irisops-probe-edge1-b", "login irisops-probe-edge2-a", "login irisops-probe-edge2-b":
			default:
				t.Errorf("did %s", act)
			}
		}
	})
}

func TestVerifyWithoutEdges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := build(Options{}, core("core"))
		if r := do(t, c, "verify", nil); r.Level != actions.Unknown || r.Headline != "main has no edge: no client could log in" {
			t.Errorf("%s: %s", r.Level, r.Headline)
		}
	})
}

func TestProbeNames(t *testing.T) {
	if a, b := (Node{Short: "edge:1 é"}).probes(); a != "irisops-probe-edge-1---a" || b != "irisops-probe-edge-1---b" {
		t.Error(a, b)
	}
}

func TestSummary(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		level   actions.Level
		line    string
	}{
		{"well", func(*world) {}, actions.OK, "all 3 nodes answer"},
		{"one dead", func(w *world) { w.kill("edge1") }, actions.Critical, "edge1 is not registered: epmd does not know iris_edge1; core and edge2 answer"},
		{"one hung", func(w *world) { w.get("core").state = "stopped" }, actions.Critical, "core does not answer in time; edge1 and edge2 answer"},
		{"one slow", func(w *world) { w.get("core").latency = 300 * time.Millisecond }, actions.Warn, "all 3 nodes answer, but core answers, but slowly: 300 ms (more than 200 ms)"},
		{"no epmd", func(w *world) { w.epmd["h1"] = false }, actions.Critical,
			"none of 3 nodes answers: core cannot be found: no epmd listens on h1:4369; edge1 cannot be found: no epmd listens on h1:4369; edge2 cannot be found: no epmd listens on h1:4369"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				tt.trouble(w)
				begin := time.Now()
				level, line := c.Summary(context.Background())
				if level != tt.level || line != tt.line {
					t.Errorf("%s: %s", level, line)
				}
				if took := time.Since(begin); took > time.Second+lateness {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// TestSummaryOfSeveralCores: all nodes answer while Mnesia is split, and the one
// line of status says so, or that it does not know.
func TestSummaryOfSeveralCores(t *testing.T) {
	alone := func(w *world) {
		for _, n := range []string{"core", "core2"} {
			w.get(n).says = says("mnesia:system_info running_db_nodes", term.List{atom("iris_" + n + "@h1")})
		}
	}
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		level   actions.Level
		line    string
	}{
		{"well", func(*world) {}, actions.OK, "all 4 nodes answer"},
		{"split", alone, actions.Critical, "split-brain: core and core2 run Mnesia without each other; all 4 nodes answer"},
		{"split, and an edge dead", func(w *world) { alone(w); w.kill("edge1") }, actions.Critical,
			"split-brain: core and core2 run Mnesia without each other; edge1 is not registered: epmd does not know iris_edge1; core, core2 and edge2 answer"},
		{"no Mnesia", func(w *world) { w.get("core2").says = says("mnesia:system_info is_running", atom("no")) }, actions.Unknown,
			"all 4 nodes answer; whether Mnesia is whole is not known: core2: cannot be asked: Mnesia is not running (no)"},
		{"a core dead", func(w *world) { w.kill("core2") }, actions.Critical, "core2 is not registered: epmd does not know iris_core2; core, edge1 and edge2 answer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := duo()
				tt.trouble(w)
				begin := time.Now()
				level, line := c.Summary(context.Background())
				if level != tt.level || line != tt.line {
					t.Errorf("%s: %s", level, line)
				}
				if took := time.Since(begin); took > time.Second+lateness {
					t.Errorf("took %s", took)
				}
			})
		})
	}
}

// TestPresenceSizeHasEveryNode: one that could not be asked stands in the table
// as that.
func TestPresenceSizeHasEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.kill("edge1")
		r := do(t, c, "presence size", nil)
		if rows := r.Sections[0].Rows; r.Level != actions.Unknown || len(rows) != 3 || !cmp.Equal(rows[1], []string{"edge1", "not asked", "not asked", "not asked"}) {
			t.Errorf("%s: %v", r.Level, rows)
		}
	})
}
