package cluster

import (
	"context"
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

func planOf(c *Cluster, name string, args actions.Args, agreed actions.Class) (actions.Plan, error) {
	for _, a := range c.Actions() {
		if a.Name == name {
			return a.Plan(context.Background(), actions.Request{Args: args, By: "operator", Now: time.Now(), Agreed: agreed})
		}
	}
	panic("no action " + name)
}

func mustPlan(t *testing.T, c *Cluster, name, target string, flags ...string) actions.Plan {
	t.Helper()
	args := actions.Args{"target": target}
	for _, f := range flags {
		args[f] = "true"
	}
	p, err := planOf(c, name, args, 0)
	if err != nil {
		t.Fatalf("%s %s: %v", name, target, err)
	}
	return p
}

// carryOut performs the steps as the engine does, until one fails.
func carryOut(p actions.Plan) (evidence []string, err error) {
	for _, s := range p.Steps {
		ctx, cancel := context.WithTimeout(context.Background(), s.Timeout)
		seen, err := s.Perform(ctx)
		if err == nil && s.Check != nil {
			var checked string
			if checked, err = s.Check(ctx); checked != "" {
				seen += ", " + checked
			}
		}
		cancel()
		if err != nil {
			return append(evidence, s.Name+" failed: "+err.Error()), err
		}
		evidence = append(evidence, s.Name+": "+seen)
	}
	return evidence, nil
}

func TestClassByEffect(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		words   string
		class   actions.Class
		why     string
	}{
		{"one of two edges", nil, "restart edge1", actions.Do, "edge1 is one of 2 live edges"},
		{"the only live edge", func(w *world) { w.kill("edge2") }, "restart edge1", actions.Harm, "edge1 is the only live edge: its users lose their connection"},
		{"a dead edge", func(w *world) { w.kill("edge1") }, "restart edge1", actions.Do, "edge1 serves nobody now"},
		{"all edges", nil, "stop edge", actions.Harm, "edge1, edge2 are 2 of 2 live edges, more than half: their users lose their connection"},
		{"the core", nil, "stop core", actions.Harm, "core is the last live core: without it no message is routed or kept"},
		{"a dead core", func(w *world) { w.kill("core") }, "start core", actions.Do, "starting stops nothing"},
		{"a stopped core serves nobody", func(w *world) { w.get("core").state = "stopped" }, "restart core", actions.Do, "core serves nobody now"},
		{"a core with another cookie may serve", func(w *world) { w.get("core").cookie = false }, "restart core", actions.Harm, "core is the last live core: without it no message is routed or kept"},
		{"a deaf core may serve", func(w *world) { w.get("core").deaf = true }, "restart core", actions.Harm, "core is the last live core: without it no message is routed or kept"},
		{"without epmd nodes still serve", func(w *world) { w.epmd["h1"] = false }, "restart core", actions.Harm, "core is the last live core: without it no message is routed or kept"},
		{"a stopped edge is not one that remains", func(w *world) { w.get("edge2").state = "stopped" }, "stop edge1", actions.Harm, "edge1 is the only live edge: its users lose their connection"},
		{"an edge that cannot be seen is not one that remains", func(w *world) {
			w.get("edge2").unseen = actions.Errorf(actions.CodeNotHere, "elsewhere")
			w.get("edge2").deaf = true
		}, "stop edge1", actions.Harm, "edge1 is the only live edge: its users lose their connection"},
		{"all of a dead cluster", func(w *world) { w.kill("core", "edge1", "edge2") }, "start all", actions.Do, "starting stops nothing"},
		{"restart of a dead cluster", func(w *world) { w.kill("core", "edge1", "edge2") }, "restart all", actions.Do, "core, edge1, edge2 serve nobody now"},
		{"everything", nil, "restart all", actions.Harm, "core is the last live core: without it no message is routed or kept; edge1, edge2 are 2 of 2 live edges, more than half: their users lose their connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				if tt.trouble != nil {
					tt.trouble(w)
				}
				verb, target, _ := strings.Cut(tt.words, " ")
				p := mustPlan(t, c, verb, target)
				if p.Class != tt.class || p.Why != tt.why {
					t.Errorf("%s is %s (%s), want %s (%s)", tt.words, p.Class, p.Why, tt.class, tt.why)
				}
			})
		})
	}
}

func TestTwoCores(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := build(Options{}, core("core1"), core("core2"), edge("edge1", 8085), edge("edge2", 8086), edge("edge3", 8087))
		p := mustPlan(t, c, "stop", "core1")
		if p.Class != actions.Do || p.Why != "core1 is one of 2 live cores" {
			t.Errorf("%s (%s)", p.Class, p.Why)
		}
		p = mustPlan(t, c, "restart", "core")
		if p.Class != actions.Harm || p.Why != "core1, core2 are all 2 live cores: without them no message is routed or kept" {
			t.Errorf("%s (%s)", p.Class, p.Why)
		}
		var names []string
		for _, s := range p.Steps {
			names = append(names, s.Name)
		}
		want := []string{"stop core1", "stop core2", "check data of core1 and core2", "archive log of core1", "archive log of core2", "start core1 and core2 together", "wait for core1", "wait for core2", "mesh edge1, edge2 and edge3"}
		if diff := cmp.Diff(want, names); diff != "" {
			t.Error(diff)
		}
	})
}

func TestRefusals(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		words   string
		code    string
		want    string
	}{
		{"alive", nil, "start edge1", "running", "edge1 runs (pid 4712) already: there is nothing to start. Say `restart edge1` to stop and start again."},
		{"all alive", nil, "start edge", "running", "edge1 runs (pid 4712) and edge2 runs (pid 4713) already: there is nothing to start. Say `restart edge` to stop and start again."},
		{"hung", func(w *world) { w.get("core").state = "stopped" }, "start core", "running", "core is stopped (pid 4711, SIGSTOP) already: there is nothing to start. Say `restart core` to stop and start again."},
		{"dead", func(w *world) { w.kill("edge1") }, "stop edge1", "not-running", "edge1 does not run: there is nothing to stop. Say `start edge1` to start."},
		{"unknown node", nil, "start edge9", actions.CodeNoSuchNode, `main has no node "edge9". Say one of: core, edge1, edge2, edge, all.`},
		{"nothing named", nil, "restart ", "missing", "Restart what? For example: restart edge1. Nodes: core, edge1, edge2; or core, edge, all."},
		{"no make target", func(w *world) { w.kill("edge1"); w.get("edge1").noTarget = true }, "start edge1", actions.CodeNoTarget,
			"edge1 cannot be started, so nothing was done: There is no target start_edge1. Correct target or dir of edge1 in the config, or the Makefile in /srv/iris."},
		{"no make target, restart", func(w *world) { w.get("edge1").noTarget = true }, "restart edge1", actions.CodeNoTarget,
			"edge1 cannot be started, so nothing was done: There is no target start_edge1. Correct target or dir of edge1 in the config, or the Makefile in /srv/iris."},
		{"elsewhere", func(w *world) { w.get("edge1").elsewhere = true }, "restart edge1", "elsewhere",
			"edge1 answers, but no process of it runs in /srv/iris. Nothing was done. Check dir and name of edge1 in the config, and what runs on h1."},
		{"port taken", func(w *world) { w.kill("edge1"); w.get("edge1").portTaken = true }, "start edge1", "port-taken",
			"edge1 does not run, but something else listens on its port 127.0.0.1:8085, so that it could not start. Nothing was done. Find it with: ss -ltnp 'sport = :8085' (an edge of IRIS also takes the port above its own, for WebSockets)."},
		{"not on this host", func(w *world) { w.get("edge1").unseen = actions.Errorf(actions.CodeNotHere, "edge1 lives on h2.") }, "restart edge1", actions.CodeNotHere,
			"Whether edge1 runs cannot be seen, so nothing was done: edge1 lives on h2."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				if tt.trouble != nil {
					tt.trouble(w)
				}
				verb, target, _ := strings.Cut(tt.words, " ")
				_, err := planOf(c, verb, actions.Args{"target": target}, 0)
				if err == nil || err.Error() != tt.want || actions.CodeOf(err) != tt.code {
					t.Errorf("%s: [%s] %v\nwant [%s] %s", tt.words, actions.CodeOf(err), err, tt.code, tt.want)
				}
				if acts := w.done(); len(acts) > 0 {
					t.Errorf("a plan did %v", acts)
				}
			})
		})
	}
}

func TestPreview(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.kill("core", "edge1")
		w.get("core").compiles = 57
		w.get("core").MakeVars = map[string]string{"CONFIG": "config/prod", "COOKIE": "topsecret"}
		c.Nodes[0].MakeVars = w.get("core").MakeVars
		p := mustPlan(t, c, "start", "all")
		want := []string{
			"WARNING: start_core would compile first (57 lines of erlc): the sources in /srv/iris have changed, and the node would start with the new code.",
			"core: data /srv/iris/Mnesia.iris_core@h1: 8 files, 1 MB, newest write 1999-12-31 23:00:00 (60 min ago); no write-ahead log",
			"order of the cores: no other core has newer data",
			"edge2 runs (pid 4713): left as it is",
			"core: rename /srv/iris/core.log, because the start would truncate it",
			"core: in /srv/iris: make start_core CONFIG=config/prod COOKIE=***",
			"    /usr/bin/erlc -o ebin src/iris_0.erl",
			"    /usr/bin/erlc -o ebin src/iris_1.erl",
			"    /usr/bin/erlc -o ebin src/iris_2.erl",
			"    /usr/bin/erl -noshell -sname iris_core -setcookie *** -config config/prod >core.log 2>&1 &",
			"    (and 54 lines of erlc more)",
			"edge1: rename /srv/iris/edge1.log, because the start would truncate it",
			"edge1: in /srv/iris: make start_edge1",
			"    /usr/bin/erl -noshell -sname iris_edge1 -setcookie *** -config config/prod >edge1.log 2>&1 &",
		}
		if diff := cmp.Diff(want, p.Preview); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"main/core", "main/edge1", "main/edge2"}, p.Targets); diff != "" {
			t.Error(diff)
		}

		w.get("edge2").state = "stopped"
		p = mustPlan(t, c, "restart", "edge2", "no-archive")
		want = []string{
			"WARNING: edge2 is stopped (pid 4713, SIGSTOP). Only SIGKILL ends it so; what it had not written yet is lost. By hand, `kill -CONT 4713` lets it stop cleanly.",
			"WARNING: no core answers: edge2 would start, but be connected to nothing, and the run would end as failed there. Start the core first: `start core --no-archive`.",
			"WARNING: the start truncates /srv/iris/edge2.log: what it holds is lost (--no-archive).",
			"edge2: SIGKILL to pid 4713",
			"edge2: in /srv/iris: make start_edge2",
			"    /usr/bin/erl -noshell -sname iris_edge2 -setcookie *** -config config/prod >edge2.log 2>&1 &",
		}
		if diff := cmp.Diff(want, p.Preview); diff != "" {
			t.Error(diff)
		}
		if strings.Contains(fmt.Sprint(p), "topsecret") || strings.Contains(fmt.Sprint(p), "iris_secret") {
			t.Error("a cookie is shown")
		}
	})
}

func TestRestartEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		got, err := carryOut(mustPlan(t, c, "restart", "edge1"))
		if err != nil {
			t.Fatal(got)
		}
		want := []string{
			"stop edge1: pid 4712 ended in 300 ms (init:stop), no process left",
			"archive log of edge1: now /srv/iris/edge1.log.20000101T000000Z",
			"start edge1: make start_edge1, edge1 is pid 4714",
			"wait for edge1: after 1.6 s: iris_edge runs, 127.0.0.1:8085 accepts connections, answers in 0.6 ms",
			"mesh edge1: edge1 and core see each other",
			"log in to edge1: login in 29 ms",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"init:stop edge1", "archive edge1.log", "make start_edge1", "edge1 pings iris_core@h1", "login irisops-probe-edge1-a"}, w.done()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStartAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.kill("core", "edge1", "edge2")
		w.get("core").tablesAt = time.Now().Add(20 * time.Second)
		got, err := carryOut(mustPlan(t, c, "start", "all"))
		if err != nil {
			t.Fatal(got)
		}
		want := []string{
			"archive core.log", "archive edge1.log", "archive edge2.log",
			"make start_core", "make start_edge1", "make start_edge2",
			"edge1 pings iris_core@h1", "edge2 pings iris_core@h1",
			"login irisops-probe-edge1-a", "login irisops-probe-edge2-a",
		}
		acts := w.done()
		slices.Sort(acts[6:8]) // both edges at once
		if diff := cmp.Diff(want, acts); diff != "" {
			t.Error(diff)
		}
		if want := "2 tables loaded: offline_msg, user_meta"; !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("no %q in %q", want, got)
		}
		if r := do(t, c, "diagnose", nil); r.Headline != "all 3 nodes healthy" {
			t.Error(r.Headline)
		}
	})
}

func TestStop(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(f *fakeNode)
		want    string
		acts    []string
	}{
		{"willing", func(*fakeNode) {}, "stop edge1: pid 4712 ended in 300 ms (init:stop), no process left", []string{"init:stop edge1"}},
		{"stubborn", func(f *fakeNode) { f.stubborn = true },
			"stop edge1: pid 4712 ended in 30 s (init:stop: still there after 20 s, SIGTERM: still there after 10 s, SIGKILL), no process left", []string{"init:stop edge1", "SIGTERM 4712", "SIGKILL 4712"}},
		{"deaf", func(f *fakeNode) { f.deaf = true },
			"stop edge1: pid 4712 ended in 15 s (init:stop failed: it does not answer in time, SIGTERM: still there after 10 s, SIGKILL), no process left", []string{"SIGTERM 4712", "SIGKILL 4712"}},
		{"SIGSTOP", func(f *fakeNode) { f.state = "stopped" }, "stop edge1: pid 4712 ended in 0.0 ms (SIGKILL), no process left", []string{"SIGKILL 4712"}},
		{"wrong cookie", func(f *fakeNode) { f.cookie = false },
			"stop edge1: pid 4712 ended in 0.0 ms (init:stop failed: it turns irisops away: the cookies differ, SIGTERM), no process left", []string{"SIGTERM 4712"}},
		{"immortal", func(f *fakeNode) { f.immortal, f.deaf = true, true },
			"stop edge1 failed: edge1 did not end: pid 4712 (init:stop failed: it does not answer in time; SIGTERM: still there after 10 s; SIGKILL: still there after 5 s). " +
				"Look at it by hand: ps -o pid,stat,wchan,args -p 4712. A process in state D waits for the disk.", []string{"SIGTERM 4712", "SIGKILL 4712"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				tt.trouble(w.get("edge1"))
				got, _ := carryOut(mustPlan(t, c, "stop", "edge1"))
				if diff := cmp.Diff([]string{tt.want}, got); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(tt.acts, w.done()); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Between the agreement and the stop another edge died: what was harmless is not.
func TestStopGuardsItsClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		p := mustPlan(t, c, "restart", "edge1")
		w.kill("edge2")
		got, err := carryOut(p)
		want := "edge1 was not stopped: edge1 is the only live edge: its users lose their connection by now, and that was not agreed to. Look with `diagnose`, and ask once more."
		if err == nil || err.Error() != want || len(w.done()) > 0 {
			t.Errorf("%q did %v", got, w.done())
		}
	})
}

func TestStartFails(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(f *fakeNode)
		code    string
		last    string
	}{
		{"full disk at the archive", func(f *fakeNode) {
			f.archiveErr = actions.Errorf(actions.CodeDiskFull, "The log cannot be archived: no space left on device.")
		}, actions.CodeDiskFull,
			"archive log of edge1 failed: edge1 was not started, because its log could not be archived: The log cannot be archived: no space left on device. Free the disk, then say `start edge1`; or `start edge1 --no-archive`, which loses the old log."},
		{"make fails", func(f *fakeNode) {
			f.makeFails = &actions.Error{Code: "make-failed", Text: "make start_edge1 failed. It said: -setcookie iris_secret", Hint: "Mend it."}
		}, "make-failed",
			"start edge1 failed: edge1 was not started: make start_edge1 failed. It said: -setcookie *** Mend it."},
		{"no process comes", func(f *fakeNode) { f.stillborn = true }, actions.CodeHung,
			"start edge1 failed: make start_edge1 ended well, but no process of edge1 is there after 15 s. edge1.log says: Protocol 'inet_tcp': the name iris_edge1@h1 seems to be in use by another Erlang node. Look with `logs edge1`."},
		{"the application fails", func(f *fakeNode) { f.noApp = true }, codeNoApp,
			"wait for edge1 failed: edge1 answers, but iris_edge does not run on it, and nothing has been starting there for 10 s. Look with `logs edge1`."},
		{"no login", func(f *fakeNode) { f.login = actions.Errorf("odd", "The edge closed the connection.") }, actions.CodeHung,
			"log in to edge1 failed: No login on edge1 within 20 s: The edge closed the connection. Look with `diagnose node edge1` and `logs edge1`."},
		{"probe not allowed", func(f *fakeNode) { f.login = actions.Errorf(actions.CodeAuthFailed, "AUTH_FAILED") }, "",
			"log in to edge1: the edge answers, but does not let the probe in (AUTH_FAILED): a login is not verified"},
		{"no connection", func(f *fakeNode) { f.pang = true }, actions.CodeHung,
			"mesh edge1 failed: edge1 and core are not connected: edge1 does not see core."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				w.kill("edge1")
				tt.trouble(w.get("edge1"))
				got, err := carryOut(mustPlan(t, c, "start", "edge1"))
				if actions.CodeOf(err) != tt.code || got[len(got)-1] != tt.last {
					t.Errorf("[%s]\n got %s\nwant %s", actions.CodeOf(err), got[len(got)-1], tt.last)
				}
			})
		})
	}
}

func TestWaitSeesTheProcessDie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.kill("core")
		p := mustPlan(t, c, "start", "core")
		w.get("core").tablesAt = time.Now().Add(time.Hour)
		time.AfterFunc(10*time.Second, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			f := w.get("core")
			f.log = []string{`{"init terminating in do_boot",{badarg,[]}}`, "Kernel pid terminated (application_controller)"}
			w.die(f)
		})
		begin := time.Now()
		got, err := carryOut(p)
		if want := "The process of core ended while it was waited for. core.log says: {\"init terminating in do_boot\",{badarg,[]}}. Look with `logs core`."; err == nil || err.Error() != want {
			t.Errorf("%v", got)
		}
		if took := time.Since(begin); took > 15*time.Second {
			t.Errorf("noticed after %s", took)
		}
	})
}

func TestTablesNeverLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.kill("core")
		w.get("core").tablesAt = time.Now().Add(time.Hour)
		_, err := carryOut(mustPlan(t, c, "start", "core"))
		want := "core does not serve after 90 s: Mnesia still loads 1 table of 2: offline_msg. Look with `diagnose node core` and `logs core`."
		if err == nil || err.Error() != want {
			t.Errorf("%v", err)
		}
	})
}

// A run is interrupted anywhere, the world is in any state: planned again it has
// the same targets and steps, and asks for no higher class.
func TestPlanAgain(t *testing.T) {
	shape := func(p actions.Plan) (s []string) {
		for _, step := range p.Steps {
			s = append(s, step.Name+"|"+step.Describe)
		}
		return append(s, p.Targets...)
	}
	rapid.Check(t, func(t *rapid.T) {
		op := rapid.SampledFrom([]string{"start", "stop", "restart", "recover", "mesh"}).Draw(t, "op")
		args := actions.Args{"target": rapid.SampledFrom([]string{"edge1", "edge", "core", "all"}).Draw(t, "target")}
		if rapid.Bool().Draw(t, "no-archive") {
			args["no-archive"] = "true"
		}
		upset := func(w *world, label string) {
			for _, f := range w.nodes {
				switch rapid.IntRange(0, 4).Draw(t, label+f.Short) {
				case 0:
					w.die(f)
				case 1:
					f.state = "stopped"
				case 2:
					f.cookie = false
				case 3:
					f.noTarget = true
				}
			}
		}
		// The link's waits are real here, and short.
		w, c := build(Options{Survey: time.Millisecond, Diagnose: 5 * time.Millisecond}, core("core"), edge("edge1", 8085), edge("edge2", 8086))
		for _, f := range w.nodes {
			f.latency = 0
		}
		upset(w, "before ")
		before, err := planOf(c, op, args, 0)
		if err != nil {
			return // refused: there is no run
		}
		upset(w, "after ")
		again, err := planOf(c, op, args, before.Class)
		if err != nil {
			t.Fatalf("%s %v cannot be planned again: %v", op, args, err)
		}
		if diff := cmp.Diff(shape(before), shape(again)); diff != "" {
			t.Fatalf("%s %v: %s", op, args, diff)
		}
		if again.Class > before.Class {
			t.Fatalf("%s %v: %s became %s", op, args, before.Class, again.Class)
		}
	})
}
