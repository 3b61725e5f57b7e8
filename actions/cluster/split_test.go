package cluster

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

func TestRecommend(t *testing.T) {
	s := func(names ...string) side {
		var s side
		for _, n := range names {
			s = append(s, core(n))
		}
		return s
	}
	for _, c := range []struct {
		name  string
		facts []sideFacts
		keep  int
		why   string
	}{
		{"the majority before all else", []sideFacts{{side: s("a"), clients: 900, rows: 900}, {side: s("b", "c")}}, 1, "2 of 3 cores"},
		{"clients before what was stored", []sideFacts{{side: s("a"), clients: 3, rows: 9}, {side: s("b"), clients: 4}}, 1, "4 clients"},
		{"what was stored, last", []sideFacts{{side: s("a"), clients: 3, rows: 9}, {side: s("b"), clients: 3, rows: 8}}, 0, "9 messages"},
		{"unknown clients speak for nobody", []sideFacts{{side: s("a"), clients: -1, rows: 1}, {side: s("b"), clients: 4, rows: 2}}, 1, "2 messages"},
		{"nothing known", []sideFacts{{side: s("a"), clients: -1, rows: -1}, {side: s("b"), clients: 4, rows: 2}}, -1, "neither"},
		{"all alike", []sideFacts{{side: s("a")}, {side: s("b")}}, -1, "neither"},
		{"half of four is no majority", []sideFacts{{side: s("a", "b"), clients: 1}, {side: s("c", "d"), clients: 2}}, 1, "2 clients"},
		{"three sides", []sideFacts{{side: s("a"), clients: 1}, {side: s("b"), clients: 2}, {side: s("c"), clients: 2}}, -1, "neither"},
	} {
		if keep, why := recommend(c.facts); keep != c.keep || !strings.Contains(why, c.why) {
			t.Errorf("%s: side %d, because %s", c.name, keep, why)
		}
	}
}

func TestSinceTyped(t *testing.T) {
	now := time.Date(2026, 3, 1, 3, 15, 7, 5, time.UTC)
	for text, want := range map[string]string{
		"2h":                   "2026-03-01T01:15:07Z",
		"90m":                  "2026-03-01T01:45:07Z",
		"2026-02-28T23:59:59Z": "2026-02-28T23:59:59Z",
		"2026-02-28t23:59:59z": "2026-02-28T23:59:59Z",
	} {
		if at, err := sinceTyped(text, now); err != nil || stampOf(at) != want {
			t.Errorf("%s: %v, %v", text, at, err)
		}
	}
	for _, text := range []string{"", "tomorrow", "-2h", "0s", "03:15", "2026-03-01T03:15:08Z", "2026-02-30T00:00:00Z"} {
		if at, err := sinceTyped(text, now); actions.CodeOf(err) != "bad-value" {
			t.Errorf("%s: %v, %v", text, at, err)
		}
	}
}

// Before anybody's data are given up every core answers, and the sides are clear.
func TestSidesAreRefusedUnlessTheyAreClear(t *testing.T) {
	names := func(shorts ...string) term.List {
		var l term.List
		for _, s := range shorts {
			l = append(l, atom("iris_"+s+"@h1"))
		}
		return l
	}
	const members, running = "mnesia:system_info db_nodes", "mnesia:system_info running_db_nodes"
	for name, c := range map[string]struct {
		trouble func(w *world)
		code    string
		sides   string
	}{
		"together": {func(w *world) {}, "", "core, core2 and core3"},
		"one alone": {func(w *world) {
			sees(w, running, names("core", "core2"), "core", "core2")
			sees(w, running, names("core3"), "core3")
		}, "", "core and core2 | core3"},
		"one is dead":   {func(w *world) { w.kill("core2") }, "core-silent", ""},
		"one hangs":     {func(w *world) { w.get("core3").deaf = true }, "core-silent", ""},
		"Mnesia is off": {func(w *world) { w.get("core").says = says("mnesia:system_info is_running", atom("no")) }, "core-silent", ""},
		"a stranger":    {func(w *world) { sees(w, members, names("core", "core2", "core3", "core9"), "core", "core2", "core3") }, "core-unknown", ""},
		"two databases": {func(w *world) { sees(w, members, names("core3"), "core3") }, "two-databases", ""},
		"seen one way":  {func(w *world) { sees(w, running, names("core3"), "core3") }, "views-differ", ""},
		"seen in a ring": {func(w *world) {
			sees(w, running, names("core", "core2"), "core")
			sees(w, running, names("core2", "core3"), "core2")
		}, "views-differ", ""},
		"all alone": {func(w *world) {
			for _, s := range []string{"core", "core2", "core3"} {
				sees(w, running, names(s), s)
			}
		}, "", "core | core2 | core3"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, cl := build(Options{}, core("core"), core("core2"), core("core3"), edge("edge1", 8085))
				c.trouble(w)
				sides, err := cl.sides(t.Context())
				var seen []string
				for _, s := range sides {
					seen = append(seen, s.String())
				}
				if actions.CodeOf(err) != c.code || strings.Join(seen, " | ") != c.sides {
					t.Errorf("%q, %v", seen, err)
				}
			})
		})
	}
}

func sees(w *world, what string, answer term.List, shorts ...string) {
	for _, s := range shorts {
		f := w.get(s)
		if f.says == nil {
			f.says = map[string]term.Term{}
		}
		f.says[what] = answer
	}
}

// A decision survives being written into the request and read again.
func TestDecisionIsInTheRequest(t *testing.T) {
	_, c := build(Options{}, core("core"), core("core2"), core("core3"))
	s := settlement{losers: side{core("core2"), core("core3")}, winners: side{core("core")}, from: time.Date(2026, 3, 1, 3, 15, 0, 0, time.UTC), stamp: "20260301T031500Z",
		folders: map[string]string{"core2": "/srv/iris/Mnesia.a", "core3": "/srv/iris/Mnesia.b"}, logs: map[string]string{"core2": "/srv/iris/data/a", "core3": "/srv/iris/data/b"}}
	again, err := c.settled(s.bound())
	if err != nil {
		t.Fatal(err)
	}
	if again.losers.String() != "core2 and core3" || again.winners.String() != "core" || again.from != s.from || again.stamp != s.stamp ||
		again.folders["core3"] != "/srv/iris/Mnesia.b" || again.logs["core2"] != "/srv/iris/data/a" {
		t.Errorf("%+v", again)
	}
	if _, err := c.settled(actions.Args{"from": "2026-03-01T03:15:00Z", "losers": "core9", "winners": "core"}); actions.CodeOf(err) != actions.CodeNoSuchNode {
		t.Errorf("a core that the config has lost: %v", err)
	}
	if _, err := c.settled(actions.Args{}); err == nil {
		t.Error("an empty request")
	}
}

// With one core nothing can be split, and it is said what helps instead.
func TestNothingToSplit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := trio()
		_, err := c.sides(t.Context())
		if actions.CodeOf(err) != "nothing-to-do" || err.Error() != "main has 1 core: nothing there can be split. Say `diagnose` for what is wrong there, and `recover NODE` for a node that is down." {
			t.Error(err)
		}
	})
}
