package host

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"irisops/actions/cluster"
)

// The test binary plays other programs when it is started for that: a VM, when
// its own name is beam.smp, or an editor with a VM's arguments; a bot that starts a node and exits; a machine with a
// full and a read-only disk; the SSH server of one connection.
func TestMain(m *testing.M) {
	self := filepath.Base(os.Args[0])
	switch {
	case self == "beam.smp", self == "editor":
		playVM()
	case len(os.Args) > 2 && os.Args[1] == "play-bot":
		playBot(os.Args[2])
	case len(os.Args) > 2 && os.Args[1] == "play-bad-disk":
		playBadDisk(os.Args[2])
	case len(os.Args) > 3 && os.Args[1] == "play-sshd":
		playSSHD(os.Args[2], os.Args[3])
	default:
		os.Exit(m.Run())
	}
}

// playVM waits to be ended, and ends by itself so that no failed test leaves it.
func playVM() {
	ended := make(chan os.Signal, 1)
	if !slices.Contains(os.Args, "-stubborn") {
		signal.Notify(ended, syscall.SIGTERM)
	} else {
		signal.Ignore(syscall.SIGTERM)
	}
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
	}
}

func playBot(node string) {
	var n cluster.Node
	if err := json.Unmarshal([]byte(node), &n); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := NewLocal(nil).Make(context.Background(), n); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// folder is a temporary folder with that Makefile, and a beam.smp and an editor
// beside it.
func folder(t *testing.T, makefile string) string {
	t.Helper()
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"beam.smp", "editor"} {
		if err := os.Symlink(exe, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "Makefile"), makefile)
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// node is edge1 of a cluster in dir.
func node(dir string) cluster.Node {
	return cluster.Node{Cluster: "main", Short: "edge1", Name: "iris_edge1@h1", Role: cluster.EdgeRole,
		Host: "local", Dir: dir, Target: "start_edge1", Log: "edge1.log", EPMDPort: 4369}
}

// startVM starts a program that looks like a VM, not through make.
func startVM(t *testing.T, dir string, args ...string) cluster.Process {
	t.Helper()
	return start(t, dir, "beam.smp", args...)
}

func start(t *testing.T, dir, program string, args ...string) cluster.Process {
	t.Helper()
	cmd := exec.Command(filepath.Join(dir, program), args...)
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go cmd.Wait()
	p := cluster.Process{PID: cmd.Process.Pid}
	stat, err := readStat(p.PID)
	if err != nil {
		t.Fatal(err)
	}
	p.Started = stat.started
	endAtCleanup(t, p)
	return p
}

// endAtCleanup kills that process, if it is still that process, and waits.
func endAtCleanup(t *testing.T, p cluster.Process) {
	t.Cleanup(func() {
		if !over(p) {
			_ = unix.Kill(p.PID, unix.SIGCONT)
			_ = unix.Kill(p.PID, unix.SIGKILL)
		}
		eventually(t, fmt.Sprintf("process %d ends", p.PID), func() bool { return over(p) })
	})
}

// process waits for the node's process.
func process(t *testing.T, n cluster.Node) cluster.Process {
	t.Helper()
	var p cluster.Process
	eventually(t, "a process of "+n.Name, func() bool {
		found, ok, err := NewLocal(nil).Process(t.Context(), n)
		if err != nil {
			t.Fatal(err)
		}
		p = found
		return ok
	})
	endAtCleanup(t, p)
	return p
}

// eventually asks again and again, for at most 30 seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// environ is the environment with which a process was started.
func environ(t *testing.T, pid int) map[string]string {
	t.Helper()
	text, err := os.ReadFile(procFile(pid, "environ"))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for kv := range strings.SplitSeq(string(text), "\x00") {
		if name, value, ok := strings.Cut(kv, "="); ok {
			env[name] = value
		}
	}
	return env
}

// descriptors are the open files of a process by number.
func descriptors(t *testing.T, pid int) map[int]string {
	t.Helper()
	entries, err := os.ReadDir(procFile(pid, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	fds := map[int]string{}
	for _, e := range entries {
		number, _ := strconv.Atoi(e.Name())
		fds[number], _ = os.Readlink(procFile(pid, "fd/"+e.Name()))
	}
	return fds
}
