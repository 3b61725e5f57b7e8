package cluster_test

import (
	"strings"
	"testing"

	"irisops/actions"
	"irisops/actions/edge"
)

// A port that is blocked refuses clients on the wire while its node answers, and
// lets them in again, also after a restart that nobody unblocked it for.
func TestBlockOnRealNodes(t *testing.T) {
	f := newField(t)
	alice := f.login("edge1", "alice")
	defer alice.Close()
	pid := f.pid("edge1")
	logsIn := func(short string) error {
		_, err := edge.NewProber(nil).Login(t.Context(), f.node(short).Addr(), "bob")
		return err
	}
	blocked := func(want bool) {
		t.Helper()
		if is, err := f.c.Blocked(t.Context(), "edge1"); err != nil || is != want {
			t.Errorf("blocked: %v, %v; want %v", is, err, want)
		}
		if err := logsIn("edge1"); (err != nil) != want {
			t.Errorf("a login on edge1: %v", err)
		}
		if err := logsIn("edge2"); err != nil {
			t.Errorf("a login on edge2: %v", err)
		}
		if _, err := f.link.Ping(t.Context(), f.node("edge1").Name); err != nil {
			t.Errorf("edge1 does not answer: %v", err)
		}
	}
	blocked(false)
	if _, err := f.c.Block(t.Context(), "core"); actions.CodeOf(err) != "no-listener" {
		t.Errorf("a core: %v", err)
	}
	seen, err := f.c.Block(t.Context(), "edge1")
	f.must(err)
	if !strings.Contains(seen, "refuses connections") {
		t.Error(seen)
	}
	blocked(true)
	if err := alice.Send(t.Context(), "bob", []byte("still there?")); err == nil {
		f.eventually("alice's connection ends", func() bool { return alice.Send(t.Context(), "bob", []byte("x")) != nil })
	}
	if _, err := f.c.Block(t.Context(), "edge1"); actions.CodeOf(err) != "blocked" {
		t.Errorf("twice: %v", err)
	}
	seen, err = f.c.Unblock(t.Context(), "edge1")
	f.must(err)
	if !strings.HasPrefix(seen, "login in") {
		t.Error(seen)
	}
	blocked(false)
	if _, err := f.c.Unblock(t.Context(), "edge1"); err != nil {
		t.Errorf("what listens already: %v", err)
	}
	if f.pid("edge1") != pid {
		t.Error("edge1 is another process")
	}
	_, err = f.c.Block(t.Context(), "edge1")
	f.must(err)
	steps, err := f.c.Recovery(t.Context(), "edge1")
	f.must(err)
	for _, s := range steps {
		if _, err = s.Perform(t.Context()); err == nil && s.Check != nil {
			_, err = s.Check(t.Context())
		}
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
	}
	blocked(false)
	if f.pid("edge1") == pid {
		t.Error("it was not restarted")
	}
}
