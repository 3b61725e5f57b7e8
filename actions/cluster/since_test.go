package cluster

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// shelf is a Keeper of the test.
type shelf struct {
	kept map[string]Healthy // by mode
	fail error
}

func (s *shelf) KeepHealthy(_ context.Context, h Healthy) error {
	if s.fail != nil {
		return s.fail
	}
	s.kept[h.Mode] = h
	return nil
}

func (s *shelf) LastHealthy(string) ([]Healthy, error) {
	var list []Healthy
	for _, mode := range []string{modeQuick, modeFull} {
		if h, ok := s.kept[mode]; ok {
			list = append(list, h)
		}
	}
	if len(list) == 2 && list[1].At.After(list[0].At) {
		list[0], list[1] = list[1], list[0]
	}
	return list, s.fail
}

func keeping(t *testing.T, f func(w *world, c *Cluster, s *shelf)) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{kept: map[string]Healthy{}}
		w, c := build(Options{Keeper: s}, core("core"), core("core2"), edge("edge1", 8085), edge("edge2", 8086))
		f(w, c, s)
	})
}

func changes(r actions.Result) string {
	var lines []string
	for _, k := range r.Data.(Diagnosis).Since.Changes {
		lines = append(lines, fmt.Sprintf("%s %s: %s -> %s", k.Node, k.What, k.Then, k.Now))
	}
	return strings.Join(lines, "\n")
}

func TestSinceTheLastHealthy(t *testing.T) {
	keeping(t, func(w *world, c *Cluster, s *shelf) {
		asked := actions.Args{"since": sinceLast}
		r := do(t, c, "diagnose", actions.Args{})
		if r.Data.(Diagnosis).Since != nil {
			t.Error("compared without being asked")
		}
		h, ok, err := c.LastHealthy()
		if err != nil || !ok || h.Mode != modeQuick || len(h.Cores) != 2 || len(h.Cores[0].Tables) != 3 || h.Cores[0].Tables[1].Records != 12 {
			t.Fatalf("kept: %+v %v %v", h, ok, err)
		}
		do(t, c, "diagnose", actions.Args{"mode": "full"})
		<-time.After(12 * time.Minute) // fake time
		r = do(t, c, "diagnose", asked)
		if got := fmt.Sprint(r.Sections); !strings.Contains(got, "Nothing has changed since the healthy diagnosis of 12 min ago.") {
			t.Errorf("nothing changed, and it says %s", got)
		}

		// A dead edge, an edge that was restarted, a table that grew.
		w.kill("edge1", "edge2")
		w.boot(w.get("edge2"), 0)
		w.get("core").says = says("mnesia:table_info offline_msg size", int64(200_012))
		<-time.After(time.Minute) // fake time
		r = do(t, c, "diagnose", asked)
		got := changes(r)
		for _, want := range []string{
			"edge1 ping: ok: answers in 0.6 ms -> critical: is not registered: epmd does not know iris_edge1",
			"edge1 process: ok: pid 4713", "edge2 process: pid 4714, sleeping, 85 MB -> pid 4715, sleeping, 85 MB",
			"core table offline_msg: 12 records -> 200,012 records",
		} {
			if !strings.Contains(got, want) {
				t.Errorf("does not say %q:\n%s", want, got)
			}
		}
		if strings.Contains(got, "core2") || strings.Contains(got, "application") {
			t.Errorf("says what has not changed, or what follows:\n%s", got)
		}
		if !strings.Contains(fmt.Sprint(r.Sections), "Changed since the healthy diagnosis of 60 s ago") {
			t.Errorf("sections: %v", r.Sections)
		}
		if apart := s.kept[modeQuick].At.Sub(h.At); apart.Round(time.Minute) != 12*time.Minute {
			t.Errorf("an unhealthy one was kept, or a healthy one was not: %s, the first %s", s.kept[modeQuick].At, h.At)
		}

		// What only a full one asks is compared with the last full one, and inside
		// an incident without being asked.
		r, err = action(t, c, "diagnose").Look(context.Background(), actions.Request{Incident: "INC-1", Args: actions.Args{"mode": "full"}})
		if got := changes(r); err != nil || !strings.Contains(got, "edge1 login: ok: login 29 ms") {
			t.Errorf("%v\n%s", err, got)
		}
	})
}

// What cannot be compared or kept is said, and is never an empty list that looks
// like "nothing changed".
func TestSinceHonestly(t *testing.T) {
	note := func(r actions.Result) string { return fmt.Sprint(r.Sections) }
	keeping(t, func(w *world, c *Cluster, s *shelf) {
		w.kill("edge1")
		if got := note(do(t, c, "diagnose", actions.Args{"since": sinceLast})); !strings.Contains(got, "no healthy diagnosis of main is kept yet") {
			t.Error(got)
		}
		if _, ok, err := c.LastHealthy(); ok || err != nil {
			t.Errorf("kept: %v %v", ok, err)
		}
	})
	keeping(t, func(w *world, c *Cluster, s *shelf) {
		s.fail = errors.New("the disk is full")
		got := note(do(t, c, "diagnose", actions.Args{"since": sinceLast}))
		if !strings.Contains(got, "cannot be read: the disk is full") || !strings.Contains(got, "could not be kept as the last healthy diagnosis: the disk is full") {
			t.Error(got)
		}
	})
	keeping(t, func(w *world, c *Cluster, s *shelf) {
		w.get("core").says = says("mnesia:system_info running_db_nodes", term.List{atom("iris_core@h1")})
		r := do(t, c, "diagnose", actions.Args{})
		if !strings.HasPrefix(r.Headline, "split-brain: core ") || len(s.kept) != 0 {
			t.Errorf("a quick one does not see a split: %s, %d kept", r.Headline, len(s.kept))
		}
	})
	keeping(t, func(w *world, c *Cluster, s *shelf) { // a quick one does not see tables
		w.get("core").says = says("mnesia:table_info offline_msg where_to_write", term.List{atom("iris_core@h1")})
		r := do(t, c, "diagnose", actions.Args{})
		if got := note(r); !strings.Contains(got, "Not kept as healthy: offline_msg, as core sees it, cannot be written on core2") || len(s.kept) != 0 {
			t.Errorf("%s, %d kept", got, len(s.kept))
		}
	})
	keeping(t, func(w *world, c *Cluster, s *shelf) {
		do(t, c, "diagnose", actions.Args{"mode": "node", "node": "core"})
		do(t, c, "diagnose", actions.Args{"mode": "mnesia"})
		if len(s.kept) != 0 {
			t.Errorf("a part was kept as a whole: %v", s.kept)
		}
	})
	_, c := trio()
	if _, err := action(t, c, "diagnose").Look(context.Background(), actions.Request{Args: actions.Args{"since": "ever"}}); actions.CodeOf(err) != "usage" {
		t.Errorf("since ever: %v", err)
	}
}
