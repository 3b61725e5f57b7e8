package host

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"irisops/actions"
)

// A server that is stopped costs each question its deadline and no more, and
// once it is found silent, the next question makes a new connection.
func TestHungServerCostsTheDeadline(t *testing.T) {
	t.Parallel()
	s := newSSHD(t)
	r := s.remote(t)
	n := there(t.TempDir())
	if _, _, err := r.Process(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	s.signal(unix.SIGSTOP)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var all sync.WaitGroup
	for range 20 { // more than there are sessions
		all.Go(func() {
			if _, _, err := r.Process(ctx, n); actions.CodeOf(err) != actions.CodeHung {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("took %s", took)
	}
	select {
	case <-r.link.ended:
	case <-time.After(30 * time.Second):
		t.Fatal("the silent connection is kept")
	}
	if _, _, err := r.Process(t.Context(), n); err != nil {
		t.Errorf("over a new connection: %v", err)
	}
	if c := s.connections(); c != 2 {
		t.Errorf("%d connections", c)
	}
}

// A command that is slow is given up, and the connection is kept.
func TestSlowCommandKeepsTheConnection(t *testing.T) {
	t.Parallel()
	s := newSSHD(t)
	r := s.remote(t)
	if _, err := r.look(t.Context(), "true"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := r.look(ctx, "sleep", "7"); actions.CodeOf(err) != actions.CodeHung {
		t.Error(err)
	}
	if a, err := r.look(t.Context(), "printf", "x"); err != nil || string(a.out) != "x" {
		t.Errorf("%q, %v", a.out, err)
	}
	if c := s.connections(); c != 1 {
		t.Errorf("%d connections", c)
	}
}

func TestRemoteReconnects(t *testing.T) {
	t.Parallel()
	s := newSSHD(t)
	r := s.remote(t)
	for i := range 3 {
		if a, err := r.look(t.Context(), "printf", strconv.Itoa(i)); err != nil || string(a.out) != strconv.Itoa(i) {
			t.Fatalf("%q, %v", a.out, err)
		}
		s.kill()
	}
	if c := s.connections(); c != 3 {
		t.Errorf("%d connections", c)
	}
	// What was running when it broke may have done its work.
	dir := folder(t, "start_edge1:\n\t./beam.smp -sname iris_edge1\n")
	go func() {
		process(t, node(dir))
		s.kill()
	}()
	if err := r.Make(t.Context(), there(dir)); actions.CodeOf(err) != actions.CodeLost || !strings.Contains(err.Error(), "not known") {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.look(t.Context(), "true"); actions.CodeOf(err) != actions.CodeNotHere {
		t.Errorf("after Close: %v", err)
	}
}

func TestRemoteMakeThatIsCalledOff(t *testing.T) {
	t.Parallel()
	r := newSSHD(t).remote(t)
	dir := folder(t, "start_edge1:\n\t./beam.smp -sname iris_edge1\n")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		process(t, node(dir))
		cancel()
	}()
	err := r.Make(ctx, there(dir))
	if actions.CodeOf(err) != CodeMakeTimeout || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "was ended") {
		t.Fatal(err)
	}
	eventually(t, "what make was running ends", func() bool {
		_, ok, _ := NewLocal(nil).Process(t.Context(), node(dir))
		return !ok
	})
}
