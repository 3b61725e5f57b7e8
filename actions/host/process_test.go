package host

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/actions/cluster"
)

func TestProcessIsFoundByNameAndFolder(t *testing.T) {
	tests := []struct {
		name  string
		args  []string
		found bool
	}{
		{"short name", []string{"-noshell", "-sname", "iris_edge1", "-setcookie", "x"}, true},
		{"short name with host", []string{"-sname", "iris_edge1@h1"}, true},
		{"long name", []string{"-name", "iris_edge1@h1"}, true},
		{"another host", []string{"-name", "iris_edge1@h2"}, false},
		{"a longer name", []string{"-sname", "iris_edge11"}, false},
		{"a suffix", []string{"-sname", "iris_edge1_b"}, false},
		{"the start of it", []string{"-sname", "iris_edge"}, false},
		{"other case", []string{"-sname", "IRIS_EDGE1"}, false},
		{"only mentioned", []string{"-eval", "-sname iris_edge1"}, false},
		{"name without the flag", []string{"-noshell", "iris_edge1"}, false},
		{"flag at the end", []string{"iris_edge1", "-sname"}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, "")
			started := startVM(t, dir, tt.args...)
			p, ok, err := NewLocal(nil).Process(t.Context(), node(dir))
			if err != nil || ok != tt.found {
				t.Fatalf("found %v (%+v), %v", ok, p, err)
			}
			if ok && (p.PID != started.PID || p.Started != started.Started) {
				t.Errorf("found %+v, started %+v", p, started)
			}
		})
	}
}

func TestProcessOfAnotherFolderIsNotOurs(t *testing.T) {
	ours, theirs := folder(t, ""), folder(t, "")
	startVM(t, theirs, "-sname", "iris_edge1")
	if p, ok, err := NewLocal(nil).Process(t.Context(), node(ours)); ok || err != nil {
		t.Fatal(p, err)
	}
	// Our own, through a link to its folder.
	started := startVM(t, ours, "-sname", "iris_edge1")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(ours, link); err != nil {
		t.Fatal(err)
	}
	p, ok, err := NewLocal(nil).Process(t.Context(), node(link))
	if !ok || err != nil || p.PID != started.PID {
		t.Fatal(p, ok, err)
	}
}

func TestProcessOfARemovedFolderIsStillFound(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "iris")
	if err := os.Rename(folder(t, ""), dir); err != nil {
		t.Fatal(err)
	}
	started := startVM(t, dir, "-sname", "iris_edge1")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	p, ok, err := NewLocal(nil).Process(t.Context(), node(dir))
	if !ok || err != nil || p.PID != started.PID {
		t.Fatal(p, ok, err)
	}
}

func TestOtherProgramsWithThatArgumentAreNotNodes(t *testing.T) {
	dir := folder(t, "")
	start(t, dir, "editor", "-sname", "iris_edge1")
	if p, ok, err := NewLocal(nil).Process(t.Context(), node(dir)); ok || err != nil {
		t.Fatal(p, err)
	}
}

func TestTwoProcessesAreAnErrorThatNamesBoth(t *testing.T) {
	dir := folder(t, "")
	a, b := startVM(t, dir, "-sname", "iris_edge1"), startVM(t, dir, "-name", "iris_edge1@h1")
	_, _, err := NewLocal(nil).Process(t.Context(), node(dir))
	if actions.CodeOf(err) != actions.CodeAmbiguous {
		t.Fatal(err)
	}
	for _, p := range []cluster.Process{a, b} {
		if !strings.Contains(err.Error(), strconv.Itoa(p.PID)) {
			t.Errorf("%v does not name pid %d", err, p.PID)
		}
	}
}

func TestProcessStates(t *testing.T) {
	dir := folder(t, "")
	p := startVM(t, dir, "-sname", "iris_edge1")
	if err := unix.Kill(p.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process is stopped", func() bool {
		found, ok, err := NewLocal(nil).Process(t.Context(), node(dir))
		return err == nil && ok && found.State == "stopped"
	})
	if err := unix.Kill(p.PID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the process goes on", func() bool {
		found, ok, err := NewLocal(nil).Process(t.Context(), node(dir))
		return err == nil && ok && (found.State == "sleeping" || found.State == "running")
	})
}

func TestProcessRefusesOddNodes(t *testing.T) {
	n := node("/")
	n.Host = "h2"
	if _, _, err := NewLocal(nil).Process(t.Context(), n); actions.CodeOf(err) != actions.CodeNotHere {
		t.Error(err)
	}
	for _, name := range []string{"", "@h1", "a/b@h1", "a b@h1", "../x@h1", "é@h1"} {
		n := node("/")
		n.Name = name
		if _, _, err := NewLocal(nil).Process(t.Context(), n); actions.CodeOf(err) != CodeBadValue {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := NewLocal(nil).dataFolder(t.Context(), n); actions.CodeOf(err) != CodeBadValue {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestParseStat(t *testing.T) {
	tail := " S 10 11 12 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 987654 0 3 18446744073709551615 0"
	tests := []struct {
		line string
		comm string
		ok   bool
	}{
		{"7 (beam.smp)" + tail, "beam.smp", true},
		{"7 (a) S 1 (b)" + tail, "a) S 1 (b", true},
		{"7 ()" + tail, "", true},
		{"", "", false},
		{"7 beam.smp" + tail, "", false},
		{"7 )beam(" + tail, "", false},
		{"7 (beam.smp) S 10", "", false},
		{"7 (beam.smp)" + strings.Replace(tail, "987654", "x", 1), "", false},
		{"7 (beam.smp)" + strings.Replace(tail, " S ", " Sleeping ", 1), "", false},
	}
	for _, tt := range tests {
		got, err := parseStat([]byte(tt.line))
		if (err == nil) != tt.ok {
			t.Errorf("%q: %v", tt.line, err)
			continue
		}
		want := procStat{comm: tt.comm, state: 'S', ppid: 10, session: 12, started: 987654, pages: 3}
		if tt.ok && got != want {
			t.Errorf("%q: %s", tt.line, cmp.Diff(want, got, cmp.AllowUnexported(procStat{})))
		}
	}
}

// withAndWithoutPidfd runs a test with the kernel's pidfds, and as on a kernel or
// in a sandbox that has none.
func withAndWithoutPidfd(t *testing.T, test func(t *testing.T, l *Local)) {
	t.Run("pidfd", func(t *testing.T) { test(t, NewLocal(nil)) })
	t.Run("no pidfd", func(t *testing.T) {
		l := NewLocal(nil)
		l.pidfdOpen = func(int, int) (int, error) { return -1, unix.ENOSYS }
		test(t, l)
	})
}

func TestSignalEndsExactlyThatProcess(t *testing.T) {
	withAndWithoutPidfd(t, func(t *testing.T, l *Local) {
		for _, sig := range []cluster.Signal{cluster.Terminate, cluster.Kill} {
			dir := folder(t, "")
			p, other := startVM(t, dir, "-sname", "iris_edge1"), startVM(t, dir, "-sname", "iris_edge2")
			waited := make(chan error, 1)
			go func() { waited <- l.WaitExit(t.Context(), p) }()
			if err := l.Signal(t.Context(), p, sig); err != nil {
				t.Fatal(err)
			}
			if err := <-waited; err != nil {
				t.Fatal(err)
			}
			if !over(p) {
				t.Error("it is still there")
			}
			if over(other) {
				t.Error("another process was ended too")
			}
			// Afterwards: gone, and saying so.
			if err := l.Signal(t.Context(), p, sig); actions.CodeOf(err) != actions.CodeGone {
				t.Error(err)
			}
			if err := l.WaitExit(t.Context(), p); err != nil {
				t.Error(err)
			}
		}
	})
}

// The pid is alive, but not the process that was looked up.
func TestSignalSparesAReusedPid(t *testing.T) {
	withAndWithoutPidfd(t, func(t *testing.T, l *Local) {
		p := startVM(t, folder(t, ""), "-sname", "iris_edge1")
		stale := p
		stale.Started--
		if err := l.Signal(t.Context(), stale, cluster.Kill); actions.CodeOf(err) != actions.CodeGone {
			t.Errorf("signal: %v", err)
		}
		if err := l.WaitExit(t.Context(), stale); err != nil {
			t.Errorf("wait: %v", err)
		}
		if over(p) {
			t.Error("the innocent process was ended")
		}
	})
}

func TestWaitExitEndsWithItsContext(t *testing.T) {
	withAndWithoutPidfd(t, func(t *testing.T, l *Local) {
		p := startVM(t, folder(t, ""), "-sname", "iris_edge1", "-stubborn")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.WaitExit(ctx, p); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		if over(p) {
			t.Error("waiting ended the process")
		}
	})
}

func TestSignalRefusesWhatIsNoNode(t *testing.T) {
	withAndWithoutPidfd(t, func(t *testing.T, l *Local) {
		for _, pid := range []int{1, 0, -1, -os.Getpid()} {
			stat, _ := readStat(pid)
			if err := l.Signal(t.Context(), cluster.Process{PID: pid, Started: stat.started}, cluster.Kill); actions.CodeOf(err) != CodeBadValue {
				t.Errorf("pid %d: %v", pid, err)
			}
		}
		self, err := readStat(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		p := cluster.Process{PID: os.Getpid(), Started: self.started}
		for _, sig := range []cluster.Signal{"", "HUP", "9", "term", cluster.Pause, cluster.Terminate} { // the last two: never to itself
			if err := l.Signal(t.Context(), p, sig); actions.CodeOf(err) != CodeBadValue {
				t.Errorf("signal %q: %v", sig, err)
			}
		}
	})
}
