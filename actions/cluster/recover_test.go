package cluster

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

func TestRecoverEdge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.kill("edge1")
		p := mustPlan(t, c, "recover", "edge1")
		if p.Class != actions.Do || p.Title != "Recover edge1: start edge1" {
			t.Errorf("%s: %s (%s)", p.Title, p.Class, p.Why)
		}
		got, err := carryOut(p)
		if err != nil {
			t.Fatal(got)
		}
		want := []string{
			"end what is left of edge1: was not running, no process left",
			"archive log of edge1: now /srv/iris/edge1.log.20000101T000000Z",
			"start edge1: make start_edge1, edge1 is pid 4714",
			"wait for edge1: after 1.6 s: iris_edge runs, 127.0.0.1:8085 accepts connections, answers in 0.6 ms",
			"mesh edge1: edge1 and core see each other",
			"log in to edge1: login in 29 ms",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

// The seven steps of the runbook, in its order.
func TestRecoverCluster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		c.Smoke = &Smoke{Node: "core", Run: []string{"python3", "tests/smoke.py"}, Within: time.Minute}
		w.kill("core", "edge1", "edge2")
		p := mustPlan(t, c, "recover", "cluster")
		if p.Class != actions.Do || p.Title != "Recover cluster: start core, edge1 and edge2" {
			t.Errorf("%s: %s (%s)", p.Title, p.Class, p.Why)
		}
		var names []string
		for _, s := range p.Steps {
			names = append(names, s.Name)
		}
		if diff := cmp.Diff([]string{
			"end what is left of edge1", "end what is left of edge2", "end what is left of core",
			"check data of core",
			"archive log of core", "archive log of edge1", "archive log of edge2",
			"start core", "wait for core",
			"verify tables of core",
			"start edge1", "start edge2", "wait for edge1", "wait for edge2",
			"mesh edge1 and edge2",
			"smoke test of edge1", "smoke test of edge2", "run smoke.py",
		}, names); diff != "" {
			t.Error(diff)
		}
		got, err := carryOut(p)
		if err != nil {
			t.Fatal(got)
		}
		for _, want := range []string{
			"check data of core: core: data /srv/iris/Mnesia.iris_core@h1: 8 files, 1 MB, newest write",
			"verify tables of core: core: 3 tables",
			"no healthy diagnosis is kept",
			"smoke test of edge1: offline message delivered at login after 700 ms; login 29 ms, online message delivered in 1.3 ms",
			"run smoke.py: passed in 0.0 ms: 2 tests | PASSED",
		} {
			if !strings.Contains(strings.Join(got, "\n"), want) {
				t.Errorf("no %q in\n%s", want, strings.Join(got, "\n"))
			}
		}
		if diff := cmp.Diff("run python3 tests/smoke.py on core", w.done()[len(w.done())-1]); diff != "" {
			t.Error(diff)
		}
	})
}

// What still serves is left alone, and what hangs is ended.
func TestRecoverLeavesWhatServes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.get("core").state = "stopped"
		w.kill("edge1")
		p := mustPlan(t, c, "recover", "cluster")
		if p.Class != actions.Do || p.Title != "Recover cluster: start edge1, restart core" {
			t.Errorf("%s: %s (%s)", p.Title, p.Class, p.Why)
		}
		if text := strings.Join(p.Preview, "\n"); !strings.Contains(text, "edge2 serves: left as it is") || !strings.Contains(text, "core: SIGKILL to pid 4711") {
			t.Error(text)
		}
		got, err := carryOut(p)
		if err != nil {
			t.Fatal(got)
		}
		if acts := strings.Join(w.done(), "; "); strings.Contains(acts, "4713") || strings.Contains(acts, "make start_edge2") || !strings.Contains(acts, "SIGKILL 4711") {
			t.Errorf("did %s", acts)
		}
		if got[1] != "end what is left of edge2: serves: left as it is, serves" {
			t.Error(got[1])
		}
	})
}

func TestRecoverIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		target  string
		code    string
		want    string
	}{
		{"all is well", nil, "cluster", "running", "core, edge1 and edge2 serve: there is nothing to recover. `diagnose full` looks deeper; `restart all` restarts all the same."},
		{"the node is well", func(w *world) { w.kill("edge2") }, "edge1", "running", "edge1 serves: there is nothing to recover."},
		{"another cookie", func(w *world) { w.get("edge1").cookie = false }, "edge1", "not-mended", "No start or restart mends this: edge1 turns irisops away. Nothing was done."},
		{"no epmd", func(w *world) { w.epmd["h1"] = false }, "cluster", "not-mended", "runs but cannot be found"},
		{"its port is taken", func(w *world) { w.kill("edge1"); w.get("edge1").portTaken = true }, "edge1", "port-taken", "something else listens on its port"},
		{"no data", func(w *world) { w.kill("core"); w.get("core").folder = Folder{Path: "/srv/iris/M"} }, "cluster", "no-data", "`recover cluster --new core`"},
		{"unknown", nil, "edge9", actions.CodeNoSuchNode, "has no node"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				if tt.trouble != nil {
					tt.trouble(w)
				}
				_, err := planOf(c, "recover", actions.Args{"target": tt.target}, 0)
				if actions.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("[%s] %v", actions.CodeOf(err), err)
				}
				if acts := w.done(); len(acts) > 0 {
					t.Errorf("a plan did %v", acts)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w, c := build(Options{}, core("core1"), core("core2"), edge("edge1", 8085))
		w.kill("edge1")
		for _, f := range w.nodes[:2] {
			f.says = map[string]term.Term{"mnesia:system_info running_db_nodes": term.List{term.Atom(f.Name)}}
		}
		_, err := planOf(c, "recover", actions.Args{"target": "cluster"}, 0)
		if actions.CodeOf(err) != codeSplit || !strings.Contains(err.Error(), "`recover split-brain`") {
			t.Error(err)
		}
	})
}

// A hung core may still serve somebody: its end needs a second person.
func TestRecoverClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.get("core").deaf = true
		p := mustPlan(t, c, "recover", "core")
		if p.Class != actions.Harm || !strings.Contains(p.Why, "the last live core") {
			t.Errorf("%s (%s)", p.Class, p.Why)
		}
	})
}

// keeper is a kept diagnosis.
type keeper []Healthy

func (k keeper) KeepHealthy(context.Context, Healthy) error { return nil }
func (k keeper) LastHealthy(string) ([]Healthy, error)      { return k, nil }

func TestVerifyTables(t *testing.T) {
	core := "core"
	at := func(tables ...MnesiaTable) keeper {
		return keeper{{Cluster: "main", Mode: modeFull, At: time.Date(1999, 12, 31, 12, 0, 0, 0, time.UTC), Cores: []MnesiaState{{Node: core, State: "yes", Tables: tables}}}}
	}
	for _, tt := range []struct {
		name string
		kept keeper
		says map[string]term.Term
		want string
		code string
	}{
		{"as it was", at(MnesiaTable{Name: "offline_msg", Records: 12, Copies: []string{core}}), nil, "offline_msg 12, user_meta 12); tables, copies and sizes as at 1999-12-31 12:00:00, when all was well", ""},
		{"fewer", at(MnesiaTable{Name: "offline_msg", Records: 20000, Copies: []string{core}}), nil, "FEWER than at 1999-12-31 12:00:00, when all was well: offline_msg on core 12 (20,000 then)", ""},
		{"a table is gone", at(MnesiaTable{Name: "revoked_tokens", Copies: []string{core}}), nil, "core has no table revoked_tokens, which it had when all was well", "tables"},
		{"a copy is gone", at(MnesiaTable{Name: "offline_msg", Copies: []string{core, "core2"}}), nil, "offline_msg has no copy on core2 any more", "tables"},
		{"a new database", at(MnesiaTable{Name: "user_meta", Records: 17, Copies: []string{core}}), map[string]term.Term{"mnesia:table_info user_meta size": int64(0)},
			"user_meta is empty on core, and had 17 records when all was well: this is another, new database", "tables"},
		{"not loaded", nil, map[string]term.Term{"mnesia:table_info user_meta where_to_write": term.List{}}, "user_meta is not loaded on core", "tables"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opt := Options{Zone: time.UTC}
				if tt.kept != nil {
					opt.Keeper = tt.kept
				}
				w, c := build(opt, Node{Cluster: "main", Short: core, Name: "iris_core@h1", Role: CoreRole, Host: "local", Dir: "/srv/iris", Target: "start_core", Log: "core.log"})
				w.get("core").says = tt.says
				got, err := c.verifyTables(t.Context(), c.Nodes)
				if err != nil {
					got = err.Error()
				}
				if actions.CodeOf(err) != tt.code || !strings.Contains(got, tt.want) {
					t.Errorf("[%s] %s", actions.CodeOf(err), got)
				}
			})
		})
	}
}

// A core that answers while it loads its tables is still waited for, also after a
// crash of irisops in the middle of the wait.
func TestWaitIsCheckedToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.get("core").tablesAt = time.Now().Add(time.Minute)
		step := c.waitStep(c.Nodes[0])
		if seen, err := step.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "core answers, but does not serve: Mnesia still loads 1 table") {
			t.Errorf("%q, %v", seen, err)
		}
	})
}

// Those who watch see what is waited for.
func TestWaitTellsHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.get("core").tablesAt = time.Now().Add(5 * time.Second)
		step := c.waitStep(c.Nodes[0])
		done := make(chan error)
		go func() {
			_, err := step.Perform(t.Context())
			done <- err
		}()
		<-time.After(2 * time.Second)
		if got := step.Seen(); got != "Mnesia still loads 1 table of 2: offline_msg" {
			t.Errorf("%q", got)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
