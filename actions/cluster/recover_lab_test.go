package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang/epmd"
	"irisops/actions/host"
	"irisops/actions/lab"
)

// kept is the last healthy diagnosis, in memory.
type kept struct {
	mu   sync.Mutex
	last []cluster.Healthy
}

func (k *kept) KeepHealthy(_ context.Context, h cluster.Healthy) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.last = []cluster.Healthy{h}
	return nil
}

func (k *kept) LastHealthy(string) ([]cluster.Healthy, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last, nil
}

// The procedures of the failover runbook, each from its true fault to verified
// health, on real nodes. Mail that waits for somebody is there afterwards.
func TestRecoverOnRealNodes(t *testing.T) {
	f := newField(t)
	f.spec.Smoke = &cluster.Smoke{Node: "core", Run: []string{"make", "-n", "start"}, Within: patience}
	f.c = cluster.New(f.spec, f.link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{
		Secrets: []string{lab.Cookie}, Keeper: &kept{}, Diagnose: patience, Survey: patience, Verify: 4 * patience})
	alice := f.login("edge1", "alice")
	for i := range 5 {
		f.must(alice.Send(t.Context(), "bob", fmt.Appendf(nil, "for bob %d", i)))
	}
	f.must(alice.Close())
	f.eventually("bob's mail is kept", func() bool { return f.waiting("bob") == 5 })
	f.says(f.c, "all 3 nodes healthy")
	if _, err := f.plan(f.c, "recover", "cluster"); actions.CodeOf(err) != "running" {
		t.Errorf("planned with nothing to do: %v", err)
	}
	healthy := func(seen string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(seen, w) {
				t.Errorf("no %q in the evidence:\n%s", w, seen)
			}
		}
		if r := f.look(f.c, "verify"); r.Level != actions.OK {
			t.Errorf("%s: %+v", r.Headline, r.Data)
		}
		if n := f.waiting("bob"); n != 5 {
			t.Errorf("%d of 5 messages wait for bob", n)
		}
	}

	// An edge dies; an edge hangs.
	f.must(f.lab.Kill(t.Context(), "edge1"))
	healthy(f.act(f.c, "recover", "edge1", actions.Do), "archive log of edge1: now ", "accepts connections", "edge1 and core see each other", "log in to edge1: login in")
	f.must(f.lab.Pause(t.Context(), "edge2"))
	healthy(f.act(f.c, "recover", "edge2", actions.Do), "SIGKILL", "edge2 and core see each other")

	// The core dies: its tables are as they were.
	core := f.pid("core")
	f.must(f.lab.Kill(t.Context(), "core"))
	healthy(f.act(f.c, "recover", "core", actions.Do), "check data of core: core: data ", "6 tables loaded", "tables, copies and sizes as at", "edge1 and core see each other; edge2 and core see each other", "log in to edge2: login in")
	if now := f.pid("core"); now == core || now == 0 {
		t.Errorf("core is pid %d, and was %d", now, core)
	}

	// Everything dies.
	for _, n := range f.spec.Nodes {
		f.must(f.lab.Kill(t.Context(), n.Short))
	}
	healthy(f.act(f.c, "recover", "cluster", actions.Do), "when all was well", "offline message delivered at login after", "online message delivered in", "run start: passed in")

	// Only one edge is dead, and the rest is left alone.
	edge2 := f.pid("edge2")
	f.must(f.lab.Kill(t.Context(), "edge1"))
	healthy(f.act(f.c, "recover", "cluster", actions.Do), "end what is left of edge2: serves: left as it is")
	if f.pid("edge2") != edge2 {
		t.Error("edge2 was restarted")
	}
	f.says(f.c, "all 3 nodes healthy")
}

func (f *field) login(short, user string) *edge.Conn {
	f.Helper()
	c, err := edge.Dial(f.Context(), f.node(short).Addr())
	f.must(err)
	f.must(c.Login(f.Context(), user, ""))
	return c
}

// waiting is how many messages the cores keep for a user.
func (f *field) waiting(user string) int {
	f.Helper()
	for _, a := range f.c.Actions() {
		if a.Name == "messages show" {
			r, err := a.Look(f.Context(), actions.Request{Args: actions.Args{"user": user}})
			f.must(err)
			return int(r.Data.(cluster.Mailbox).Messages)
		}
	}
	f.Fatal("no messages show")
	return 0
}
