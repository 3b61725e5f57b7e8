package cluster

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// cores is a world of three cores and an edge that all stopped an hour ago, one
// minute after the other: core3 last.
func cores(t *testing.T) (*world, *Cluster) {
	t.Helper()
	w, c := build(Options{Zone: time.UTC}, core("core1"), core("core2"), core("core3"), edge("edge1", 8085))
	w.kill("core1", "core2", "core3")
	for i, short := range []string{"core1", "core2", "core3"} {
		w.get(short).folder.Newest = time.Now().Add(-time.Hour + time.Duration(i)*time.Minute)
	}
	return w, c
}

func TestCoreOrder(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		words   string // "start core1 --first core1"
		code    string // of the refusal; "" where it is planned
		says    string // in the refusal or in the preview
		class   actions.Class
		first   string // the name of the first step that starts something
	}{
		{"the last to stop goes first", nil, "start core3", "", "order of the cores: no other core has newer data", actions.Do, "start core3"},
		{"an older one does not", nil, "start core1", "core-order", "core2 wrote 60 s later than core1; core3 wrote 2 min later than core1", 0, ""},
		{"all together are right in any order", nil, "start core", "", "they start together, so that Mnesia itself finds the newest data", actions.Do, "start core1, core2 and core3 together"},
		{"an older one is chosen", nil, "start core1 --first core1", "", "WARNING: core2 wrote 60 s later than core1; core3 wrote 2 min later than core1; with core1 first, those writes are lost.", actions.Harm, "start core1"},
		{"an older one is chosen before the rest", nil, "start core --first core2", "", "WARNING: core3 wrote 60 s later than core2; with core2 first, those writes are lost.", actions.Harm, "start core2"},
		{"the newest is chosen before the rest", nil, "start core --first core3", "", "a person has chosen core3 as the first", actions.Do, "start core3"},
		{"they stopped together", func(w *world) {
			w.get("core1").folder.Newest = w.get("core3").folder.Newest.Add(-3 * time.Second)
		}, "start core1", "core-order", "core3 and core1 stopped within 5 s of each other, so that the order is not known", 0, ""},
		{"not known, and chosen", func(w *world) {
			w.get("core1").folder.Newest, w.get("core2").folder.Newest = w.get("core3").folder.Newest, w.get("core3").folder.Newest
		}, "start core1 --first core1", "", "a person has chosen core1 as the first", actions.Do, "start core1"},
		{"another one cannot be looked at", func(w *world) { w.get("core3").dataErr = actions.Errorf(actions.CodeNotHere, "h3 is away.") },
			"start core2", "core-order", "the data of core3 cannot be looked at (h3 is away.)", 0, ""},
		{"its own data cannot be looked at", func(w *world) { w.get("core3").dataErr = actions.Errorf(actions.CodeNotHere, "h3 is away.") },
			"start core3 --first core3", actions.CodeNotHere, "The data of core3 cannot be looked at, so nothing was started: h3 is away.", 0, ""},
		{"no folder", func(w *world) { w.get("core3").folder = Folder{Path: "/srv/iris/M"} },
			"start core", "no-data", "core3 has no Mnesia folder (/srv/iris/M): IRIS would silently make a new, empty database of it. Nothing was started. Put its data back", 0, ""},
		{"an empty folder", func(w *world) { w.get("core3").folder = Folder{Path: "/srv/iris/M", Exists: true} },
			"start core3", "no-data", "`start core3 --new core3`", 0, ""},
		{"a new core beside dead ones", func(w *world) { w.get("core3").folder = Folder{Path: "/srv/iris/M"} },
			"start core3 --new core3", "core-order", "core1 has data and does not run: a new core that starts without it makes a database of its own", 0, ""},
		{"a new core starts after the others", func(w *world) { w.get("core1").folder = Folder{Path: "/srv/iris/M"} },
			"start core --new core1", "", "they start together", actions.Do, "start core2 and core3 together"},
		{"a first start of all", func(w *world) {
			for _, f := range w.nodes[:3] {
				f.folder = Folder{Path: "/srv/iris/M"}
			}
		}, "start all --new all", "", "they are new", actions.Do, "start core1"},
		{"not new", nil, "start core --new core1", "not-new", "core1 is not new", 0, ""},
		{"new, but not started", nil, "start edge1 --new core1", "usage", "names no core that would start", 0, ""},
		{"an edge is not first", nil, "start core --first edge1", "usage", "edge1 is an edge", 0, ""},
		{"one runs and outlived the other", func(w *world) { w.boot(w.get("core1"), 0) },
			"start core2", "", "core1 runs and gives the others its tables", actions.Do, "start core2"},
		{"one runs that was started alone", func(w *world) {
			w.boot(w.get("core1"), 0)
			w.get("core1").missed = map[string]bool{"core2": true}
		}, "start core2", "core-order", "core1 runs, but its Mnesia has not seen core2 stop: core1 was started without it, and what core2 wrote later would be lost on both", 0, ""},
		{"the same, and chosen", func(w *world) {
			w.boot(w.get("core1"), 0)
			w.get("core1").missed = map[string]bool{"core2": true}
		}, "start core2 --first core1", "", "with core1 first, those writes are lost", actions.Harm, "start core2"},
		{"one runs and saw the other go", func(w *world) {
			w.boot(w.get("core1"), 0)
			w.get("core1").lost = map[string]time.Time{"core2": w.get("core2").folder.Newest.Add(-5 * time.Second)}
		}, "start core2", "", "core1 runs and gives the others its tables", actions.Do, "start core2"},
		{"one that ran apart before it stopped", func(w *world) {
			w.boot(w.get("core1"), 0)
			w.get("core1").lost = map[string]time.Time{"core2": w.get("core2").folder.Newest.Add(-10 * time.Minute)}
		}, "start core2", "core-order", "Nothing was started: core2 wrote for 10 min after core1 had lost it, so that they ran apart, and what core2 wrote in that time would be lost on both. Mnesia would load the tables of core1 in place of those of core2. As long as core2 is not started, its data are safe", 0, ""},
		{"the same, and given up", func(w *world) {
			w.boot(w.get("core1"), 0)
			w.get("core1").lost = map[string]time.Time{"core2": w.get("core2").folder.Newest.Add(-10 * time.Minute)}
		}, "start core2 --first core1", "", "with core1 first, those writes are lost", actions.Harm, "start core2"},
		{"one that ran apart from one core, and not from another", func(w *world) {
			w.boot(w.get("core1"), 0)
			w.boot(w.get("core3"), 0)
			w.get("core1").lost = map[string]time.Time{"core2": w.get("core2").folder.Newest.Add(-10 * time.Minute)}
			w.get("core3").lost = map[string]time.Time{"core2": w.get("core2").folder.Newest}
		}, "start core2", "", "core1 and core3 run and give the others its tables", actions.Do, "start core2"},
		{"a restart of one that runs apart", func(w *world) {
			w.boot(w.get("core1"), 0)
			w.boot(w.get("core2"), 0)
			for _, short := range []string{"core1", "core2"} {
				w.get(short).says = map[string]term.Term{"mnesia:system_info running_db_nodes": term.List{term.Atom("iris_" + short + "@h1")}}
			}
		}, "restart core2", "split-brain", "Mnesia is split: core1: its Mnesia runs without core2, which runs too: they diverge. A restart would decide by chance whose writes are lost. Nothing was done. Say `recover split-brain`.", 0, ""},
		{"a restart of all that run apart", func(w *world) {
			w.boot(w.get("core1"), 0)
			w.boot(w.get("core2"), 0)
			for _, short := range []string{"core1", "core2"} {
				w.get(short).says = map[string]term.Term{"mnesia:system_info running_db_nodes": term.List{term.Atom("iris_" + short + "@h1")}}
			}
		}, "restart all", "split-brain", "Say `recover split-brain`.", 0, ""},
		{"one still waits for the others' tables", func(w *world) {
			w.boot(w.get("core1"), 0)
			w.get("core1").tablesAt = time.Now().Add(20 * time.Second)
			w.get("core1").missed = map[string]bool{"core2": true}
		}, "start core2", "", "core1 runs", actions.Do, "start core2"},
		{"one runs and cannot be asked", func(w *world) { w.boot(w.get("core3"), 0); w.get("core3").cookie = false },
			"start core2", "core-order", "core3 wrote 60 s later than core2", 0, ""},
		{"one of two that run is restarted", func(w *world) { w.boot(w.get("core1"), 0); w.boot(w.get("core2"), 0) },
			"restart core1", "", "core2 runs and gives the others its tables", actions.Do, "start core1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := cores(t)
				if tt.trouble != nil {
					tt.trouble(w)
				}
				words := strings.Fields(tt.words)
				args := actions.Args{"target": words[1]}
				if len(words) > 2 {
					args[strings.TrimPrefix(words[2], "--")] = words[3]
				}
				p, err := planOf(c, words[0], args, 0)
				if acts := w.done(); len(acts) > 0 {
					t.Errorf("a plan did %v", acts)
				}
				if tt.code != "" {
					if actions.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
						t.Errorf("[%s] %v\nwant [%s] %s", actions.CodeOf(err), err, tt.code, tt.says)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(strings.Join(p.Preview, "\n"), tt.says) || p.Class != tt.class {
					t.Errorf("%s (%s): %q", p.Class, p.Why, p.Preview)
				}
				for _, s := range p.Steps {
					if strings.HasPrefix(s.Name, "start ") {
						if s.Name != tt.first {
							t.Errorf("%q is first", s.Name)
						}
						break
					}
				}
			})
		})
	}
}

// Between the agreement and the start the world went on: what would be started
// is looked at once more, and nothing is started that was not agreed to.
func TestCoreOrderLooksAgain(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		want    string
	}{
		{"the folder went", func(w *world) { w.get("core3").folder = Folder{Path: "/srv/iris/M"} }, "core3 has no Mnesia folder"},
		{"another core wrote", func(w *world) { w.get("core1").folder.Newest = time.Now() }, "core1 wrote 58 min later than core3"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := cores(t)
				p := mustPlan(t, c, "start", "core3")
				tt.trouble(w)
				got, err := carryOut(p)
				if err == nil || !strings.Contains(err.Error(), tt.want) || len(w.done()) > 0 {
					t.Errorf("%q did %v", got, w.done())
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w, c := cores(t)
		args := actions.Args{"target": "core3", "first": "core3"}
		p, err := planOf(c, "start", args, 0)
		if err != nil || p.Class != actions.Do {
			t.Fatal(p.Class, err)
		}
		w.get("core1").folder.Newest = time.Now()
		if got, err := carryOut(p); actions.CodeOf(err) != "changed" || len(w.done()) > 0 {
			t.Errorf("%q did %v", got, w.done())
		}
	})
}

// The newest files are not the newest data: Mnesia waits for a core that it has
// not seen stop. The one that was started is ended before IRIS loads its tables.
func TestMnesiaKnowsBetterThanTheFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := cores(t)
		p := mustPlan(t, c, "start", "core3")
		f := w.get("core3")
		f.tablesAt = time.Now().Add(time.Hour)
		f.missed = map[string]bool{"core2": true}
		f.says = map[string]term.Term{"mnesia:system_info db_nodes": term.List{term.Atom("iris_core1@h1"), term.Atom("iris_core2@h1"), term.Atom("iris_core3@h1")}}
		got, err := carryOut(p)
		want := "Mnesia on core3 waits for the tables of core2, which it has not seen stop: core2 wrote last, whatever the files say. core3 was ended again (SIGKILL to pid "
		if actions.CodeOf(err) != "core-order" || !strings.HasPrefix(err.Error(), want) || f.pid != 0 {
			t.Errorf("%q: pid %d", got, f.pid)
		}

		// A core that comes up meanwhile is not waited for in vain.
		p = mustPlan(t, c, "start", "core3")
		w.boot(w.get("core2"), 0)
		f.tablesAt = time.Now().Add(5 * time.Second)
		if got, err := carryOut(p); err != nil {
			t.Errorf("%q", got)
		}
		if f.pid == 0 {
			t.Error("it was ended")
		}
	})
}

// Together, the one that wrote last goes first: if it does not come up, no older
// one is there to load its tables alone.
func TestTogetherTheNewestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := cores(t)
		w.get("core3").makeFails = actions.Errorf("make-failed", "no")
		p := mustPlan(t, c, "start", "core", "no-archive")
		if _, err := carryOut(p); err == nil {
			t.Error("started")
		}
		if acts := w.done(); len(acts) != 1 || acts[0] != "make start_core3" {
			t.Errorf("did %v", acts)
		}
		w.get("core3").makeFails = nil
		if got, err := carryOut(mustPlan(t, c, "start", "core", "no-archive")); err != nil {
			t.Fatal(got)
		}
		if acts := strings.Join(w.done()[1:4], ", "); acts != "make start_core3, make start_core2, make start_core1" {
			t.Error(acts)
		}
	})
}
