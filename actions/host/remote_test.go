package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/actions/cluster"
)

func noEPMD(context.Context, string) (map[string]int, error) {
	return nil, actions.Errorf(actions.CodeNoEPMD, "No epmd here.")
}

// A node's whole life over SSH, seen from there and from here.
func TestRemoteNode(t *testing.T) {
	server := newSSHD(t)
	r, l, ctx := server.remote(t), NewLocal(nil, "hushhush"), t.Context()
	dir := folder(t, "CONFIG ?= config/test\nstart_edge1:\n\t./beam.smp -noshell -sname iris_edge1 -setcookie hush -config $(CONFIG) >edge1.log 2>&1 &\n")
	t.Setenv("SLACK_BOT_TOKEN", "xoxb-planted")
	n, ours := there(dir), node(dir)
	n.EPMDPort, n.MakeVars = 14370, map[string]string{"CONFIG": "config/prod"}

	if _, ok, err := r.Process(ctx, n); ok || err != nil {
		t.Fatalf("before the start: %v, %v", ok, err)
	}
	lines, err := r.MakeDryRun(ctx, n)
	want := []string{"./beam.smp -noshell -sname iris_edge1 -setcookie *** -config config/prod >edge1.log 2>&1 &"}
	if diff := cmp.Diff(want, lines); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "edge1.log")); err == nil {
		t.Error("the dry run ran")
	}
	if err := r.Make(ctx, n); err != nil {
		t.Fatal(err)
	}
	p := process(t, ours)
	seen, ok, err := r.Process(ctx, n)
	if p.Host = "h2"; err != nil || !ok || seen.PID != p.PID || seen.Started != p.Started || seen.Host != "h2" || seen.RSS == 0 {
		t.Fatalf("%+v here, %+v there, %v, %v", p, seen, ok, err)
	}
	env := environ(t, p.PID)
	if env["ERL_EPMD_PORT"] != "14370" || env["PATH"] == "" || env["HOME"] == "" {
		t.Errorf("the node's environment is %v", env)
	}
	for name := range env {
		if strings.HasPrefix(name, "SSH") || strings.HasPrefix(name, "SLACK") || name == "LD_LIBRARY_PATH" {
			t.Errorf("the node's environment has %s", name)
		}
	}
	for fd, file := range descriptors(t, p.PID) {
		if strings.HasPrefix(file, "pipe:") && fd < 3 || strings.HasPrefix(file, "socket:") {
			t.Errorf("the node has %s open as %d", file, fd)
		}
	}

	facts, err := r.Facts(ctx, n)
	if err != nil || facts.NodeFiles == nil || facts.NodeFiles.Used < 3 || facts.NodeFiles.Max < facts.NodeFiles.Used {
		t.Fatalf("%+v, %v", facts, err)
	}
	if vm := (cluster.VM{PID: p.PID, Name: "iris_edge1"}); !hasVM(facts, vm) {
		t.Errorf("no %+v among %+v", vm, facts.VMs)
	}

	// The connection and its server end; the node stays.
	server.kill()
	if over(p) {
		t.Fatal("the node died with the connection")
	}
	if err := unix.Kill(p.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is stopped", func() bool {
		seen, ok, err := r.Process(ctx, n)
		return ok && err == nil && seen.State == "stopped"
	})
	other := p
	other.Started++
	if err := r.Signal(ctx, other, cluster.Kill); actions.CodeOf(err) != actions.CodeGone {
		t.Errorf("another process's start time: %v", err)
	}
	if err := r.WaitExit(ctx, other); err != nil {
		t.Errorf("another process's start time: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := r.WaitExit(short, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a process that stays: %v", err)
	}
	if err := r.Signal(ctx, p, cluster.Kill); err != nil {
		t.Fatal(err)
	}
	if err := r.WaitExit(ctx, p); err != nil || !over(p) {
		t.Fatal(err)
	}
	if err := r.Signal(ctx, p, cluster.Terminate); actions.CodeOf(err) != actions.CodeGone {
		t.Errorf("after the end: %v", err)
	}

	archive, err := r.ArchiveLog(ctx, n, three)
	if want := filepath.Join(dir, "edge1.log.20261123T031502Z"); err != nil || archive != want {
		t.Errorf("archived as %q, %v", archive, err)
	}
	if again, err := l.ArchiveLog(ctx, ours, three); again != "" || err != nil {
		t.Errorf("the log is still there: %q, %v", again, err)
	}
}

func hasVM(f cluster.HostFacts, want cluster.VM) bool {
	if f.VMs == nil {
		return false
	}
	for _, vm := range f.VMs.Running {
		if vm.RSS > 0 && vm.State != "" && vm.PID == want.PID && vm.Name == want.Name {
			return true
		}
	}
	return false
}

// What is seen over SSH is what is seen on the machine itself.
func TestRemoteSeesWhatLocalSees(t *testing.T) {
	t.Parallel()
	r, l, ctx := newSSHD(t).remote(t), NewLocal(noEPMD, "hushhush"), t.Context()
	logs := map[string]string{
		"empty":             "",
		"unfinished":        "a\nb",
		"secrets":           "erl -setcookie iris_secret -x\nsays hushhush!\n",
		"binary":            "\x1b[31mred\x00\xff\tend\r\n",
		"a hole":            strings.Repeat("\x00", 100_000) + "a\n",
		"more than a chunk": strings.Repeat(strings.Repeat("x", 99)+"\n", 3000),
		"more than the cap": strings.Repeat(strings.Repeat("y", 199)+"\n", 10_000),
		"one endless line":  strings.Repeat("z", 3<<20),
	}
	for name, text := range logs {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "edge1.log"), text)
		for _, max := range []int{0, 1, 2, 100, 100_000} {
			want, err := l.LogTail(ctx, node(dir), max)
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.LogTail(ctx, there(dir), max)
			if err != nil {
				t.Fatal(err)
			}
			if name == "more than the cap" && max == 100_000 {
				got, want = got[len(got)-5000:], want[len(want)-5000:] // how much 1 MiB is, differs by a line
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %d lines: %.500s", name, max, diff)
			}
		}
	}

	dir := t.TempDir()
	data := filepath.Join(dir, "Mnesia.iris_edge1@h1")
	same := func(what string) {
		t.Helper()
		want, err := l.CoreData(ctx, node(dir))
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.CoreData(ctx, there(dir))
		if d := got.Clock.Sub(want.Clock); d < -time.Minute || d > time.Minute {
			t.Errorf("%s: the host's clock is off by %s", what, d)
		}
		want.Clock, got.Clock = time.Time{}, time.Time{}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %s, %v", what, diff, err)
		}
	}
	same("missing")
	if err := os.MkdirAll(filepath.Join(dir, "data/wal"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "data/wal/shard_1.wal"), "1234")
	write(t, filepath.Join(dir, "edge1.log"), "12")
	same("logs only")
	elsewhere := t.TempDir()
	if err := os.Symlink(elsewhere, data); err != nil {
		t.Fatal(err)
	}
	same("empty, behind a link")
	write(t, filepath.Join(elsewhere, "schema.DAT"), "12345")
	write(t, filepath.Join(elsewhere, "- a strange\nname"), "123")
	if err := os.MkdirAll(filepath.Join(elsewhere, "sub folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(elsewhere, "sub folder", "x"), strings.Repeat("x", 5000))
	same("filled")

	a, err := l.Facts(ctx, node(dir))
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Facts(ctx, there(dir))
	if err != nil {
		t.Fatal(err)
	}
	if a.Memory == nil || b.Memory == nil || a.Memory.Total != b.Memory.Total || a.Disk == nil || b.Disk == nil ||
		a.Disk.Total != b.Disk.Total || a.CPUs == nil || b.CPUs == nil || *a.CPUs != *b.CPUs || a.Swap == nil || b.Swap == nil || *a.Swap != *b.Swap ||
		a.Load == nil || b.Load == nil || a.Processes == nil || b.Processes == nil || b.Processes.Used < 2 || a.Processes.Max != b.Processes.Max ||
		a.Files == nil || b.Files == nil || b.Files.Used == 0 || *b.Uptime < *a.Uptime || a.VMs == nil || b.VMs == nil || a.Ports == nil || b.Ports == nil {
		t.Errorf("here %+v\nthere %+v", a, b)
	}
	// Neither is a node running, nor an epmd that is asked.
	for _, f := range []cluster.HostFacts{a, b} {
		if f.NodeFiles != nil || f.EPMD != nil || len(f.Unknown) != 2 || !errors.Is(f.Unknown[0].Why, errNodeDown) || actions.CodeOf(f.Unknown[1].Why) != actions.CodeNoEPMD {
			t.Errorf("unknown: %+v", f.Unknown)
		}
	}
}

func TestRemoteArchives(t *testing.T) {
	t.Parallel()
	r, ctx := newSSHD(t).remote(t), t.Context()
	dir := t.TempDir()
	n := there(dir)
	if name, err := r.ArchiveLog(ctx, n, three); name != "" || err != nil {
		t.Fatalf("without a log: %q, %v", name, err)
	}
	first := filepath.Join(dir, "edge1.log.20261123T031502Z")
	write(t, first, "older")
	if err := os.Mkdir(first+"-2", 0o755); err != nil { // mv would move into it
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "edge1.log"), "precious")
	name, err := r.ArchiveLog(ctx, n, three)
	if err != nil || name != first+"-3" {
		t.Fatalf("%q, %v", name, err)
	}
	for file, want := range map[string]string{first: "older", name: "precious"} {
		if text, err := os.ReadFile(file); err != nil || string(text) != want {
			t.Errorf("%s has %q, %v", file, text, err)
		}
	}
	// A log that is a link to a folder where it may not be renamed by these words.
	if err := os.Symlink(filepath.Join(dir, "a b.log"), filepath.Join(dir, "edge1.log")); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a b.log"), "x")
	if _, err := r.ArchiveLog(ctx, n, three); actions.CodeOf(err) != CodeBadValue {
		t.Errorf("a target that cannot be said: %v", err)
	}
}

// A program of the config runs in the node's folder, here and there alike.
func TestRun(t *testing.T) {
	t.Parallel()
	r, l, ctx := newSSHD(t).remote(t), NewLocal(nil, "topsecret"), t.Context()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sums"), "a topsecret\nb\n")
	type runner interface {
		Run(context.Context, cluster.Node, []string) ([]string, error)
	}
	for what, on := range map[string]struct {
		runner
		cluster.Node
	}{"local": {l, node(dir)}, "remote": {r, there(dir)}} {
		got, err := on.Run(ctx, on.Node, []string{"cat", "sums"})
		if err != nil || len(got) != 2 || got[1] != "b" {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if got, err := on.Run(ctx, on.Node, []string{"cat", "sums", "nothing"}); actions.CodeOf(err) != CodeProgramFailed || len(got) != 3 {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		if _, err := on.Run(ctx, on.Node, []string{"irisops-no-such-program"}); actions.CodeOf(err) != CodeNoProgram {
			t.Errorf("%s: %v", what, err)
		}
		brief, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		if _, err := on.Run(brief, on.Node, []string{"sleep", "60"}); actions.CodeOf(err) != actions.CodeHung {
			t.Errorf("%s: %v", what, err)
		}
		cancel()
		for _, bad := range [][]string{nil, {""}, {"-c"}, {"sh", "x"}, {"/bin/bash", "x"}, {"env", "x"}, {"cat", "$(x)"}, {"cat", "a b"}, {"cat", "x\ny"}, {"cat", strings.Repeat("x", 300)}} {
			if _, err := on.Run(ctx, on.Node, bad); actions.CodeOf(err) != CodeBadValue {
				t.Errorf("%s %q: %v", what, bad, err)
			}
		}
	}
	if got, err := l.Run(ctx, node(dir), []string{"cat", "sums"}); err != nil || got[0] != "a ***" {
		t.Errorf("%q, %v", got, err)
	}
}

// Older logs are the same here and over SSH: the newest first, and only what is one.
func TestOlderLogs(t *testing.T) {
	r, l, ctx := newSSHD(t).remote(t), NewLocal(noEPMD, "hushhush"), t.Context()
	dir := t.TempDir()
	for i, name := range []string{"edge1.log", "edge1.log.20261123T031502Z", "edge1.log.1", "edge1.log-20261120", "edge1.log.2.gz", "edge1.log.", "edge1.logs", "edge1.log.bad name", "edge10.log.1"} {
		file := filepath.Join(dir, name)
		write(t, file, name+"\n")
		at := three.Add(time.Duration(i) * time.Minute)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "logs", "edge1.log.7"), "deep\n")
	for _, tt := range []struct {
		log  string
		want []string
	}{
		{"edge1.log", []string{"edge1.log-20261120", "edge1.log.1", "edge1.log.20261123T031502Z"}},
		{"logs/edge1.log", []string{"logs/edge1.log.7"}}, // though there is no log itself
		{"core.log", nil},
	} {
		here, far := node(dir), there(dir)
		here.Log, far.Log = tt.log, tt.log
		got, err := l.OlderLogs(ctx, here)
		if err != nil || !cmp.Equal(tt.want, got) {
			t.Errorf("%s here: %q, %v", tt.log, got, err)
		}
		if got, err := r.OlderLogs(ctx, far); err != nil || !cmp.Equal(tt.want, got) {
			t.Errorf("%s over SSH: %q, %v", tt.log, got, err)
		}
		for _, name := range tt.want {
			here.Log = name
			if lines, err := l.LogTail(ctx, here, 9); err != nil || len(lines) != 1 {
				t.Errorf("%s: %q, %v", name, lines, err)
			}
		}
	}
}

func TestRemoteFailures(t *testing.T) {
	t.Parallel()
	r, ctx := newSSHD(t).remote(t), t.Context()
	do := map[string]func(n cluster.Node) error{
		"make":    func(n cluster.Node) error { return r.Make(ctx, n) },
		"dry run": func(n cluster.Node) error { _, err := r.MakeDryRun(ctx, n); return err },
		"tail":    func(n cluster.Node) error { _, err := r.LogTail(ctx, n, 5); return err },
		"archive": func(n cluster.Node) error { _, err := r.ArchiveLog(ctx, n, three); return err },
		"data":    func(n cluster.Node) error { _, err := r.CoreData(ctx, n); return err },
	}
	tests := []struct {
		name, do, makefile string
		prepare            func(dir string) error
		change             func(*cluster.Node)
		code, says         string
	}{
		{name: "target missing", do: "make", makefile: "other:\n", code: actions.CodeNoTarget, says: "start_edge1"},
		{name: "target missing", do: "dry run", makefile: "other:\n", code: actions.CodeNoTarget, says: "start_edge1"},
		{name: "does not compile", do: "make", makefile: "start_edge1:\n\t@echo src/a.erl:3: syntax error; exit 1\n", code: CodeMakeFailed, says: "src/a.erl:3: syntax error"},
		{name: "hides the cookie", do: "make", makefile: "start_edge1:\n\terl -setcookie iris_secret --broken-$@ && false\n", code: CodeMakeFailed, says: "-setcookie ***"},
		{name: "hides a secret", do: "make", makefile: "start_edge1:\n\t@echo it is hushhush; false\n", code: CodeMakeFailed, says: "it is ***"},
		{name: "long-winded", do: "make", makefile: "start_edge1:\n\t@head -c 3000000 /dev/zero | tr '\\0' x; echo; echo at last; exit 3\n", code: CodeMakeFailed, says: "at last"},
		{name: "source missing", do: "dry run", makefile: "start_edge1: src/lost.erl\n", code: CodeMakeFailed, says: "src/lost.erl"},
		{name: "folder missing", do: "make", change: func(n *cluster.Node) { n.Dir += "/nowhere" }, code: CodeFailed, says: "nowhere"},
		{name: "folder is a file", do: "dry run", change: func(n *cluster.Node) { n.Dir += "/Makefile" }, code: CodeBadValue, says: "not a folder"},
		{name: "no log", do: "tail", code: CodeNoLog, says: "edge1.log"},
		{name: "no folder", do: "tail", change: func(n *cluster.Node) { n.Dir += "/nowhere" }, code: CodeFailed, says: "nowhere"},
		{name: "no folder", do: "archive", change: func(n *cluster.Node) { n.Dir += "/nowhere" }, code: CodeFailed, says: "nowhere"},
		{name: "a pipe", do: "tail", prepare: func(dir string) error { return unix.Mkfifo(dir+"/edge1.log", 0o600) }, code: CodeBadValue, says: "not a file"},
		{name: "a folder", do: "archive", prepare: func(dir string) error { return os.Mkdir(dir+"/edge1.log", 0o700) }, code: CodeBadValue, says: "not a file"},
		{name: "a file", do: "data", prepare: func(dir string) error { return os.WriteFile(dir+"/Mnesia.iris_edge1@h1", nil, 0o600) }, code: CodeBadValue, says: "not a folder"},
		{name: "another host", do: "tail", change: func(n *cluster.Node) { n.Host = "h3" }, code: CodeBadValue, says: "h3"},
		{name: "keeps the output", do: "make", makefile: "start_edge1:\n\t./beam.smp -sname iris_edge1 &\n", code: CodeHoldsOutput, says: ">edge1.log"},
	}
	for _, tt := range tests {
		t.Run(tt.do+" "+tt.name, func(t *testing.T) {
			dir := folder(t, tt.makefile)
			n := there(dir)
			if tt.prepare != nil {
				if err := tt.prepare(dir); err != nil {
					t.Fatal(err)
				}
			}
			if tt.change != nil {
				tt.change(&n)
			}
			err := do[tt.do](n)
			if actions.CodeOf(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.says) {
				t.Errorf("%q: %v; want %q and %q", actions.CodeOf(err), err, tt.code, tt.says)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "iris_secret") || strings.Contains(text, "hushhush") || len(text) > 4000 {
				t.Errorf("an error of %d bytes: %.300s", len(text), text)
			}
			if tt.code == CodeHoldsOutput {
				process(t, node(dir)) // is ended with the test
			}
		})
	}
}

func TestRemoteOutputIsBounded(t *testing.T) {
	t.Parallel()
	r, ctx := newSSHD(t).remote(t), t.Context()
	dir := folder(t, "start_edge1:\n"+strings.Repeat("\t@echo "+strings.Repeat("x", 1000)+"\n", 200))
	lines, err := r.MakeDryRun(ctx, there(dir))
	if err != nil {
		t.Fatal(err)
	}
	if last := lines[len(lines)-1]; len(strings.Join(lines, "")) > maxOutput+200 || !strings.Contains(last, "not shown") {
		t.Errorf("%d lines, ending in %q", len(lines), last)
	}
	// Endless output on either stream stops at the bound, not at the deadline.
	for _, command := range [][]string{{"cat", "/dev/zero"}, {"dd", "if=/dev/zero", "of=/dev/stderr"}} {
		a, err := r.lookAtMost(ctx, 1000, command...)
		if err != nil || !a.cut || len(a.out) > 1000 || len(a.errs) > maxErrors {
			t.Errorf("%s: %d and %d bytes, cut %v, %v", command, len(a.out), len(a.errs), a.cut, err)
		}
	}
}

func TestHostsPickByName(t *testing.T) {
	t.Parallel()
	s := newSSHD(t)
	l := NewLocal(noEPMD)
	h, err := NewHosts(l, map[string]RemoteConfig{"h2": s.cfg})
	if err != nil {
		t.Fatal(err)
	}
	dir, ctx := folder(t, ""), t.Context()
	started := startVM(t, dir, "-sname", "iris_edge1")
	here, ok, err := h.Process(ctx, node(dir))
	if err != nil || !ok || here.PID != started.PID || here.Host != "" || s.connections() != 0 {
		t.Fatalf("%+v, %v, %v", here, ok, err)
	}
	far, ok, err := h.Process(ctx, there(dir))
	if err != nil || !ok || far.PID != started.PID || far.Host != "h2" || s.connections() != 1 {
		t.Fatalf("%+v, %v, %v", far, ok, err)
	}
	unknown := there(dir)
	unknown.Host = "h3"
	if _, _, err := h.Process(ctx, unknown); actions.CodeOf(err) != actions.CodeNotHere {
		t.Error(err)
	}
	lost := far
	lost.Host = "h3"
	for _, err := range []error{h.Signal(ctx, lost, cluster.Kill), h.WaitExit(ctx, lost)} {
		if actions.CodeOf(err) != actions.CodeNotHere {
			t.Error(err)
		}
	}
	if err := h.Signal(ctx, far, cluster.Terminate); err != nil {
		t.Error(err)
	}
	for _, p := range []cluster.Process{here, far} {
		if err := h.WaitExit(ctx, p); err != nil {
			t.Error(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if _, err := NewHosts(l, map[string]RemoteConfig{"h2": {SSH: "-oProxyCommand=x"}}); actions.CodeOf(err) != CodeBadValue {
		t.Error(err)
	}
}

// A real Erlang node started over SSH.
func TestRemoteErlang(t *testing.T) {
	t.Parallel()
	r := newSSHD(t).remote(t)
	dir := folder(t, `start_edge1:
	erl -noshell -noinput -sname iris_edge1_sshtest -setcookie hushhush -eval 'io:format("up~n")' >edge1.log 2>&1 &
`)
	n := there(dir)
	n.Name, n.EPMDPort = "iris_edge1_sshtest@localhost", freePort(t)
	t.Cleanup(func() {
		if out, err := exec.Command("epmd", "-port", strconv.Itoa(n.EPMDPort), "-kill").CombinedOutput(); err != nil && !bytes.Contains(out, []byte("Cannot connect")) {
			t.Errorf("the test's epmd: %v: %s", err, out)
		}
	})
	if err := r.Make(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	ours := n
	ours.Host = "local"
	p := process(t, ours)
	eventually(t, "the log says so", func() bool {
		lines, err := r.LogTail(t.Context(), n, 10)
		return err == nil && len(lines) > 0 && lines[len(lines)-1] == "up"
	})
	p.Host = "h2"
	if err := r.Signal(t.Context(), p, cluster.Terminate); err != nil {
		t.Fatal(err)
	}
	if err := r.WaitExit(t.Context(), p); err != nil {
		t.Fatal(err)
	}
}
