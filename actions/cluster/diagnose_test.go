package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/actions"
)

func do(t *testing.T, c *Cluster, name string, args actions.Args) actions.Result {
	t.Helper()
	r, err := action(t, c, name).Look(context.Background(), actions.Request{Args: args, By: "operator", Now: time.Now()})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return r
}

func action(t *testing.T, c *Cluster, name string) actions.Action {
	t.Helper()
	for _, a := range c.Actions() {
		if a.Name == name {
			return a
		}
	}
	t.Fatalf("no action %q", name)
	return actions.Action{}
}

func words(next []actions.Next) []string {
	var all []string
	for _, n := range next {
		all = append(all, n.Words)
	}
	return all
}

func TestDiagnose(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		args    actions.Args
		verdict string
		exit    int
		next    []string
		cites   string // section of a runbook
		within  time.Duration
	}{
		{name: "healthy", trouble: func(*world) {}, verdict: "all 3 nodes healthy", next: []string{"verify"}, within: 50 * time.Millisecond},
		{name: "edge dead", trouble: func(w *world) { w.kill("edge1") }, verdict: "edge1 down; core, edge2 healthy", exit: 2,
			next: []string{"start edge1"}, cites: "Single Edge Node Failure", within: 50 * time.Millisecond},
		{name: "edge that dies just now", trouble: func(w *world) {
			w.kill("edge1")
			w.get("edge1").portTaken = true // by the kernel, for a moment yet
			time.AfterFunc(250*time.Millisecond, func() { w.mu.Lock(); defer w.mu.Unlock(); w.get("edge1").portTaken = false })
		}, verdict: "edge1 down; core, edge2 healthy", exit: 2, next: []string{"start edge1"}},
		{name: "core dead", trouble: func(w *world) { w.kill("core") }, verdict: "core down; edge1, edge2 healthy", exit: 2,
			next: []string{"start core"}, cites: "Single Core Node Failure"},
		{name: "both edges dead", trouble: func(w *world) { w.kill("edge1", "edge2") }, verdict: "edge1, edge2 down; core healthy", exit: 2, next: []string{"start edge"}},
		{name: "all dead", trouble: func(w *world) { w.kill("core", "edge1", "edge2") }, verdict: "whole cluster down: no node answers", exit: 2,
			next: []string{"recover cluster"}, cites: "Complete Cluster Failure"},
		{name: "all dead, and epmd", trouble: func(w *world) { w.kill("core", "edge1", "edge2"); w.epmd["h1"] = false },
			verdict: "whole cluster down: no node answers", exit: 2, next: []string{"recover cluster"}},
		{name: "epmd gone", trouble: func(w *world) { w.epmd["h1"] = false }, verdict: "epmd is gone on h1: nodes run but cannot be found", exit: 2, next: []string{"verify"}},
		{name: "epmd gone and an edge dead", trouble: func(w *world) { w.epmd["h1"] = false; w.kill("edge1") },
			verdict: "no node answers: epmd is gone on h1: core, edge2 run but cannot be found; edge1 down", exit: 2, next: []string{"start edge1", "verify"}},
		{name: "core stopped", trouble: func(w *world) { w.get("core").state = "stopped" },
			verdict: "core hung: pid 4711 is stopped (SIGSTOP) and does not answer; edge1, edge2 healthy", exit: 2, next: []string{"restart core"}, within: 2*time.Second + lateness},
		{name: "edge hung", trouble: func(w *world) { w.get("edge2").deaf = true },
			verdict: "edge2 hung: pid 4713 runs but does not answer; core, edge1 healthy", exit: 2, next: []string{"restart edge2"}, within: 2*time.Second + lateness},
		{name: "wrong cookie", trouble: func(w *world) {
			for _, f := range w.nodes {
				f.cookie = false
			}
		}, verdict: "wrong cookie: all 3 nodes turn irisops away", exit: 2, next: []string{"verify"}},
		{name: "wrong cookie on one", trouble: func(w *world) { w.get("edge1").cookie = false },
			verdict: "wrong cookie: edge1 turns irisops away; core, edge2 healthy", exit: 2, next: []string{"verify"}},
		{name: "TLS on one", trouble: func(w *world) { w.get("edge1").tls = true },
			verdict: "no agreement about TLS: edge1 turns irisops away; core, edge2 healthy", exit: 2, next: []string{"verify"}},
		{name: "TLS", trouble: func(w *world) {
			for _, f := range w.nodes {
				f.tls = true
			}
		}, verdict: "no agreement about TLS: all 3 nodes turn irisops away", exit: 2, next: []string{"verify"}},
		{name: "not registered", trouble: func(w *world) { w.get("edge1").registered = false },
			verdict: "edge1 runs (pid 4712) but epmd does not know it, so that nobody finds it; core, edge2 healthy", exit: 2, next: []string{"restart edge1"}},
		{name: "application missing", trouble: func(w *world) {
			w.get("edge1").noApp = true
			w.get("edge1").portTaken = true // the port is open all the same
		}, verdict: "edge1 answers, but iris_edge does not run on it; core, edge2 healthy", exit: 2, next: []string{"restart edge1"}},
		{name: "from elsewhere", trouble: func(w *world) { w.get("edge1").elsewhere = true },
			verdict: "edge1 answers, but no process runs as iris_edge1 in /srv/iris; core, edge2 healthy", exit: 2, next: []string{"diagnose node edge1"}},
		{name: "slow", trouble: func(w *world) { w.get("edge1").latency = 312 * time.Millisecond },
			verdict: "all 3 nodes answer, with 1 warning; edge1: answers, but slowly: 312 ms (more than 200 ms); core, edge2 healthy", exit: 1, next: []string{"diagnose node edge1"}},
		{name: "errors in a log", trouble: func(w *world) {
			w.get("core").log = []string{"=ERROR REPORT==== " + time.Now().Add(-time.Minute).Format("2-Jan-2006::15:04:05.000000") + " ===", "WAL write failed: enospc"}
		}, verdict: "all 3 nodes answer, with 1 warning; core: core.log: 1 error in the last 15 min; edge1, edge2 healthy", exit: 1, next: []string{"logs core"}},
		{name: "edge hung beside a noisy core", trouble: func(w *world) {
			w.get("core").log = []string{"OS_MON (memsup) called by <0.1.0>, not started", "=ERROR REPORT==== " + time.Now().Add(-time.Minute).Format("2-Jan-2006::15:04:05.000000") + " ===", "WAL write failed: enospc"}
			w.get("edge2").deaf = true
		}, verdict: "edge2 hung: pid 4713 runs but does not answer; core: core.log: 1 error in the last 15 min; edge1 healthy", exit: 2, next: []string{"restart edge2", "logs core"}},
		{name: "process list hidden", trouble: func(w *world) { w.get("core").unseen = actions.Errorf("odd", "permission denied") },
			verdict: "core answers, but not everything could be asked: processes: permission denied; edge1, edge2 healthy", exit: 3, next: []string{"diagnose node core"}},
		{name: "host elsewhere", trouble: func(w *world) { w.get("core").unseen = actions.Errorf(actions.CodeNotHere, "core lives on h2.") },
			verdict: "all 3 nodes healthy, as far as can be seen: 1 check not available", next: []string{"verify"}},
		{name: "dead on a host elsewhere", trouble: func(w *world) {
			w.get("edge1").unseen = actions.Errorf(actions.CodeNotHere, "edge1 lives on h2.")
			w.kill("edge1")
		}, verdict: "edge1 is not registered: epmd does not know iris_edge1; core, edge2 healthy", exit: 2, next: []string{"logs edge1"}},
		{name: "one node", trouble: func(w *world) { w.kill("edge1") }, args: actions.Args{"mode": "node", "node": "edge1"}, verdict: "edge1 down", exit: 2, next: []string{"start edge1"}},
		{name: "one node, well", trouble: func(w *world) { w.kill("edge1") }, args: actions.Args{"mode": "node", "node": "iris_core@h1"}, verdict: "core healthy", next: []string{"verify"}},
		{name: "mixed", trouble: func(w *world) { w.get("core").state = "stopped"; w.kill("edge1", "edge2") },
			verdict: "no node answers: edge1, edge2 down; core hung: pid 4711 is stopped (SIGSTOP) and does not answer", exit: 2, next: []string{"restart core", "start edge"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				tt.trouble(w)
				begin := time.Now()
				r := do(t, c, "diagnose", tt.args)
				if took := time.Since(begin); tt.within > 0 && took > tt.within {
					t.Errorf("took %s, bound %s", took, tt.within)
				}
				d := r.Data.(Diagnosis)
				if r.Headline != tt.verdict || d.Verdict != tt.verdict {
					t.Errorf("verdict\n got %s\nwant %s", r.Headline, tt.verdict)
				}
				if got := ExitCode(d); got != tt.exit {
					t.Errorf("exit code %d, want %d", got, tt.exit)
				}
				if (r.Level == actions.OK) != (tt.exit == 0) || r.Level != d.State {
					t.Errorf("level %s, state %s, exit %d", r.Level, d.State, tt.exit)
				}
				if diff := cmp.Diff(tt.next, words(r.Next)); diff != "" {
					t.Errorf("next: %s", diff)
				}
				if text := fmt.Sprint(r.Sections); !strings.Contains(text, tt.cites) {
					t.Errorf("does not cite %q", tt.cites)
				}
				if n := len(d.Findings); n != 18 && tt.args == nil {
					t.Errorf("%d findings", n)
				}
			})
		})
	}
}

// An adapter that does not keep to its context must not keep the person waiting.
type stuck struct {
	*world
	release chan struct{}
}

func (s stuck) EPMDNames(ctx context.Context, n Node) (map[string]int, error) {
	if n.Short == "core" {
		<-s.release
	}
	return s.world.EPMDNames(ctx, n)
}

func TestDiagnoseStuckAdapter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		release := make(chan struct{})
		defer close(release)
		c.host = stuck{w, release}
		begin := time.Now()
		r := do(t, c, "diagnose", nil)
		if took := time.Since(begin); took > 2*time.Second+lateness {
			t.Errorf("took %s", took)
		}
		if want := "core answers, but not everything could be asked: no answer within 2 s; edge1, edge2 healthy"; r.Headline != want {
			t.Errorf("got %s", r.Headline)
		}
		if got := ExitCode(r.Data.(Diagnosis)); got != 3 {
			t.Errorf("exit code %d", got)
		}
	})
}

func TestDiagnoseMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := []Node{core("core")}
		for i := range 49 {
			nodes = append(nodes, edge(fmt.Sprintf("edge%d", i+1), 8085+i))
		}
		w, c := build(Options{}, nodes...)
		for i := range 5 {
			w.get(fmt.Sprintf("edge%d", 7*i+3)).deaf = true
		}
		begin := time.Now()
		r := do(t, c, "diagnose", nil)
		if took := time.Since(begin); took > 2*time.Second+lateness {
			t.Errorf("took %s", took)
		}
		if !strings.HasSuffix(r.Headline, "; the other 45 healthy") || strings.Count(r.Headline, "hung") != 5 {
			t.Errorf("%s", r.Headline)
		}
		if len(r.Next) != 5 || r.Next[4].Words != "restart edge31" {
			t.Errorf("%v", r.Next)
		}
	})
}

func TestDiagnoseNothing(t *testing.T) {
	_, c := build(Options{})
	if _, err := action(t, c, "diagnose").Look(context.Background(), actions.Request{}); err == nil {
		t.Error("no nodes are not healthy")
	}
}

// What a person reads first is what is wrong; the rest is folded.
func TestDiagnoseSections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.kill("edge1")
		w.get("edge1").log = []string{"=INFO REPORT==== 23-Nov-2026::06:35:27.462822 ===", "SIGTERM received - shutting down"}
		var got []string
		for _, s := range do(t, c, "diagnose", nil).Sections {
			got = append(got, fmt.Sprintf("%s %d %d %t", s.Title, len(s.Rows), len(s.Lines), s.Folded))
		}
		want := []string{"Critical 4 0 false", "edge1.log 0 2 false", "Not asked 1 0 true", "Healthy 12 0 true", "Not applicable 1 0 true", "In the runbooks 0 1 false"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDiagnoseJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := build(Options{}, edge("edge1", 8085))
		w.kill("edge1")
		text, err := json.Marshal(do(t, c, "diagnose", nil).Data)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"cluster":"main","mode":"quick","at":"2000-01-01T00:00:00Z","verdict":"edge1 down","state":"critical","findings":[` +
			`{"check":"epmd","node":"edge1","result":"critical","evidence":"iris_edge1 is not registered (epmd on port 4369 of h1)","next":"start edge1","code":"not-registered"},` +
			`{"check":"process","node":"edge1","result":"critical","evidence":"no process runs as iris_edge1 in /srv/iris","next":"start edge1","code":"no-process"},` +
			`{"check":"port","node":"edge1","result":"critical","evidence":"nothing accepts connections on 127.0.0.1:8085","next":"start edge1","code":"no-port"},` +
			`{"check":"ping","node":"edge1","result":"critical","evidence":"is not registered: epmd does not know iris_edge1","next":"start edge1","code":"not-registered"},` +
			`{"check":"application","node":"edge1","result":"unknown","evidence":"cannot be asked: the node is not registered: epmd does not know iris_edge1","next":"","code":"not-registered"},` +
			`{"check":"log","node":"edge1","result":"ok","evidence":"edge1.log: no error in its last lines","next":""}]}`
		if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestDiagnoseRefuses(t *testing.T) {
	_, c := trio()
	for _, tt := range []struct {
		args actions.Args
		want string
	}{
		{actions.Args{"mode": "node"}, "Which node? For example: diagnose node edge1."},
		{actions.Args{"mode": "node", "node": "edge9"}, `main has no node "edge9". Say one of: core, edge1, edge2, edge, all.`},
		{actions.Args{"mode": "node", "node": "edge"}, `"edge" means more than one node. Say one of: core, edge1, edge2.`},
		{actions.Args{"mode": "quick", "node": "edge1"}, "A quick diagnosis is of all nodes. For one: diagnose node edge1."},
	} {
		_, err := action(t, c, "diagnose").Look(context.Background(), actions.Request{Args: tt.args})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v: %v", tt.args, err)
		}
	}
}

// Whatever is found, the line of the verdict and the state never look better
// than the worst finding, and a node that does not answer is never healthy.
func TestVerdictIsNeverTooGreen(t *testing.T) {
	levels := []actions.Level{actions.OK, actions.Advice, actions.Warn, actions.Critical, actions.Unknown, actions.NotAvailable, actions.NotApplicable}
	codes := []string{"", codeNoProcess, codeStopped, codeNoApp, codeNoPort, actions.CodeHung, actions.CodeNoEPMD, actions.CodeNotRegistered, actions.CodeWrongCookie, actions.CodeRefused, actions.CodeNotHere, "odd"}
	rapid.Check(t, func(t *rapid.T) {
		_, c := trio()
		var findings []Finding
		for _, n := range c.Nodes {
			for _, k := range quickChecks {
				f := Finding{Check: k.name, Node: n.Short, Result: rapid.SampledFrom(levels).Draw(t, "level"), Code: rapid.SampledFrom(codes).Draw(t, "code"), Evidence: "evidence"}
				if k.name == checkPing.name && f.Result != actions.OK && f.Result != actions.Warn {
					f.Result = actions.Critical
				}
				if f.Result != actions.Critical && f.Result != actions.Unknown {
					f.Code = "" // a code says what is wrong
				}
				f.pid = rapid.SampledFrom([]int{0, 4711}).Draw(t, "pid")
				findings = append(findings, f)
			}
		}
		r, _ := c.conclude(c.Nodes, slices.Clone(findings))
		d := r.Data.(Diagnosis)
		if r.Headline == "" || len(r.Next) == 0 {
			t.Fatalf("no verdict or no next: %+v", r)
		}
		bad := ExitCode(d) != 0
		if bad && strings.HasPrefix(r.Headline, "all 3 nodes healthy") {
			t.Fatalf("%s with exit code %d", r.Headline, ExitCode(d))
		}
		for _, n := range c.Nodes {
			k := judge(n, about(n, d.Findings))
			if (k.kind == healthy) != (worst(about(n, d.Findings)) == actions.OK) {
				t.Fatalf("%s is judged %d with %+v", n.Short, k.kind, about(n, d.Findings))
			}
			if k.kind != healthy && !strings.Contains(r.Headline, "whole cluster") && !strings.Contains(r.Headline, n.Short) &&
				!strings.Contains(r.Headline, "all 3 nodes") && !strings.Contains(r.Headline, "nodes run") {
				t.Fatalf("%s is not named: %s", n.Short, r.Headline)
			}
		}
	})
}
