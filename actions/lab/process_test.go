package lab_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// run runs a make target in the lab's folder as somebody at a terminal would.
func run(t *testing.T, l *lab.Lab, target string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", target)
	cmd.Dir = l.Dir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("make %s: %v\n%s", target, err, out)
	}
	return string(out)
}

func waitFor(t *testing.T, l *lab.Lab, short string, want lab.State) {
	t.Helper()
	eventually(t, 60*time.Second, short+" is "+string(want), func() bool { return states(t, l)[short] == want })
}

// processesOf are the pids of everything that runs in the lab's folder, and of
// its epmd.
func processesOf(t *testing.T, l *lab.Lab) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, e := range entries {
		cwd, _ := os.Readlink(filepath.Join("/proc", e.Name(), "cwd"))
		env, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if cwd == l.Dir() || strings.Contains(string(env), "LAB_DIR="+l.Dir()+"\x00") {
			args, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
			found = append(found, e.Name()+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return found
}

func TestNodesDieAndComeBack(t *testing.T) {
	t.Parallel()
	l := labtest.ForTest(t, lab.Options{})
	ctx := t.Context()

	a := login(t, l, "edge1", "a")
	a.send("b", "kept")
	offline(t, l, "b", 1, 10*time.Second)

	// A crash, and a start by hand.
	if err := l.Kill(ctx, "core"); err != nil {
		t.Fatal(err)
	}
	if got := states(t, l)["core"]; got != lab.Stopped {
		t.Errorf("after kill the core is %s", got)
	}
	core := node(t, l, "core")
	eventually(t, 5*time.Second, "epmd forgets the core", func() bool { return epmdNames(t, l)[core.Alive()] == 0 })
	if err := l.Kill(ctx, "core"); actions.CodeOf(err) != lab.CodeNotRunning {
		t.Errorf("killing it again: %v", err)
	}
	log, err := os.OpenFile(core.Log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.WriteString("written before the start\n"); err != nil {
		t.Fatal(err)
	}
	log.Close()
	run(t, l, "start_core")
	waitFor(t, l, "core", lab.Running)
	if text, err := os.ReadFile(core.Log); err != nil || strings.Contains(string(text), "written before the start") {
		t.Errorf("the start did not truncate the log: %v\n%s", err, text)
	}
	login(t, l, "edge1", "b").receive("kept")

	// A node that hangs.
	if err := l.Pause(ctx, "edge2"); err != nil {
		t.Fatal(err)
	}
	if got := states(t, l)["edge2"]; got != lab.Paused {
		t.Errorf("edge2 is %s", got)
	}
	c := connect(t, l, "edge2")
	c.write("\x01c")
	c.silent(300 * time.Millisecond)
	if _, err := lab.Up(ctx, lab.Options{Dir: l.Dir()}, nil); actions.CodeOf(err) != lab.CodeNotStarted || !strings.Contains(err.Error(), "irisops lab resume edge2") {
		t.Errorf("up with a paused node: %v", err)
	}
	if err := l.Resume(ctx, "edge2"); err != nil {
		t.Fatal(err)
	}
	c.expect("\x03LOGIN_OK", 10*time.Second)

	// Up starts what is missing and leaves the rest alone.
	if err := l.Kill(ctx, "edge1"); err != nil {
		t.Fatal(err)
	}
	before := pid(t, l, "core")
	again, err := lab.Up(ctx, lab.Options{Dir: l.Dir()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.EPMDPort() != l.EPMDPort() || again.Suffix() != l.Suffix() || pid(t, l, "core") != before {
		t.Errorf("another lab: %s on %d, core %d, before %d", again.Suffix(), again.EPMDPort(), pid(t, l, "core"), before)
	}
	for short, state := range states(t, l) {
		if state != lab.Running {
			t.Errorf("%s is %s", short, state)
		}
	}

	if err := l.Kill(ctx, "edge9"); actions.CodeOf(err) != actions.CodeNoSuchNode {
		t.Errorf("killing a node that does not exist: %v", err)
	}

	// A node that nobody asked Up for is found, and taken down, as well.
	run(t, l, "start_edge4")
	waitFor(t, l, "edge4", lab.Running)

	// A changed source is compiled before the start.
	source := filepath.Join(l.Dir(), "src", "iris_auth.erl")
	if err := os.Chtimes(source, time.Time{}, time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if out := run(t, l, "start_edge3"); !strings.Contains(out, "erlc -o ebin src/iris_auth.erl\n") {
		t.Errorf("make start_edge3 printed:\n%s", out)
	}
	waitFor(t, l, "edge3", lab.Running)
}

func TestDownLeavesNothing(t *testing.T) {
	t.Parallel()
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	ctx := t.Context()
	reopened, err := lab.Open(l.Dir())
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Pause(ctx, "edge1"); err != nil {
		t.Fatal(err)
	}

	// When epmd dies, the next node starts another; that one counts as well.
	status, err := l.Status(ctx)
	if err != nil {
		t.Fatal(err)
	}
	epmd, err := os.FindProcess(status.EPMD)
	if err != nil {
		t.Fatal(err)
	}
	if err := epmd.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "epmd is gone", func() bool {
		s, err := l.Status(ctx)
		return err == nil && s.EPMD == 0
	})
	run(t, l, "start_edge2")
	waitFor(t, l, "edge2", lab.Running)
	if s, err := l.Status(ctx); err != nil || s.EPMD == 0 || s.EPMD == status.EPMD {
		t.Errorf("epmd: %d, before %d, %v", s.EPMD, status.EPMD, err)
	}

	for range 2 {
		if err := reopened.Down(ctx); err != nil {
			t.Fatal(err)
		}
		eventually(t, 5*time.Second, "no process is left", func() bool { return len(processesOf(t, l)) == 0 })
		if err := dial(ctx, "127.0.0.1", l.EPMDPort()); err == nil {
			t.Error("something still listens on epmd's port")
		}
	}
	if _, err := os.Stat(filepath.Join(l.Dir(), "Mnesia."+node(t, l, "core").Name, "schema.DAT")); err != nil {
		t.Errorf("down removed the data: %v", err)
	}
}

func TestLabsLeaveEachOtherAlone(t *testing.T) {
	t.Parallel()
	before := pid(t, shared, "core")
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	run(t, l, "stop")
	waitFor(t, l, "core", lab.Stopped)
	waitFor(t, l, "edge1", lab.Stopped)
	if got := pid(t, shared, "core"); got != before {
		t.Errorf("the other lab's core was pid %d, now %d", before, got)
	}
	if err := l.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	a, b := login(t, shared, "edge1", "s-a"), login(t, shared, "edge1", "s-b")
	a.send("s-b", "still here")
	b.ack(b.receive("still here"))
}

func TestTwoCores(t *testing.T) {
	t.Parallel()
	l := labtest.ForTest(t, lab.Options{Cores: 2, Edges: 1})
	both := "lists:sort(['" + node(t, l, "core1").Name + "', '" + node(t, l, "core2").Name + "'])"
	joined := func() {
		t.Helper()
		for _, core := range []string{"core1", "core2"} {
			eventually(t, 20*time.Second, core+" shares everything with the other", func() bool {
				return ask(t, l, core, `Both = `+both+`,
					lists:all(fun({F, A}) -> lists:sort(Call(mnesia, F, A)) =:= Both end,
						[{system_info, [running_db_nodes]}, {table_info, [schema, disc_copies]}] ++
						[{table_info, [T, where_to_write]} || T <- [offline_msg, user_status, presence]])`) == "true"
			})
		}
	}
	joined()
	if _, err := l.Node("core"); actions.CodeOf(err) != actions.CodeNoSuchNode || !strings.Contains(err.Error(), "core1, core2, edge1") {
		t.Errorf("core is the role of both, and not the name of one: %v", err)
	}
	if first := node(t, l, "core1"); first.Target != "start_core" || first.Log != filepath.Join(l.Dir(), "core.log") {
		t.Errorf("IRIS's own name for core1 is core: %+v", first)
	}
	ask(t, l, "core1", `ok = Call(iris_core, store_offline, [<<"u">>, <<"m">>]), Call(iris_durable_batcher, force_flush, [])`)
	if got, want := ask(t, l, "core2", `Call(iris_offline_storage, retrieve_lockfree, [<<"u">>, 1])`), `[<<"m">>]`; got != want {
		t.Errorf("core2 has %s, want %s", got, want)
	}

	// A core that was gone catches up.
	if err := l.Kill(t.Context(), "core2"); err != nil {
		t.Fatal(err)
	}
	ask(t, l, "core1", `ok = Call(iris_core, store_offline, [<<"u">>, <<"n">>]), Call(iris_durable_batcher, force_flush, [])`)
	run(t, l, "start_core2")
	waitFor(t, l, "core2", lab.Running)
	joined()
	if got, want := ask(t, l, "core2", `Call(iris_offline_storage, retrieve_lockfree, [<<"u">>, 1])`), `[<<"m">>,<<"n">>]`; got != want {
		t.Errorf("core2 has %s, want %s", got, want)
	}

	// Down and up again, as a whole.
	if err := l.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Up(t.Context(), lab.Options{Dir: l.Dir()}, nil); err != nil {
		t.Fatal(err)
	}
	joined()
	if got, want := ask(t, l, "core1", `Call(iris_offline_storage, retrieve_lockfree, [<<"u">>, 1])`), `[<<"m">>,<<"n">>]`; got != want {
		t.Errorf("core1 has %s, want %s", got, want)
	}
}

func TestUpRefuses(t *testing.T) {
	t.Parallel()
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "Makefile"), []byte("all:\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	taken := node(t, shared, "edge1").Port
	for name, c := range map[string]struct {
		o    lab.Options
		code string
	}{
		"no folder":               {lab.Options{}, lab.CodeBadOption},
		"a folder with a space":   {lab.Options{Dir: filepath.Join(t.TempDir(), "a b")}, lab.CodeBadOption},
		"a folder too deep":       {lab.Options{Dir: filepath.Join("/tmp", strings.Repeat("x", 120))}, lab.CodeBadOption},
		"a folder in use":         {lab.Options{Dir: full}, lab.CodeFolderInUse},
		"a suffix with a digit":   {lab.Options{Dir: t.TempDir(), Suffix: "7"}, lab.CodeBadOption},
		"a suffix with an @":      {lab.Options{Dir: t.TempDir(), Suffix: "_a@b"}, lab.CodeBadOption},
		"six edges":               {lab.Options{Dir: t.TempDir(), Edges: 6}, lab.CodeBadOption},
		"minus one core":          {lab.Options{Dir: t.TempDir(), Cores: -1}, lab.CodeBadOption},
		"a low port":              {lab.Options{Dir: t.TempDir(), Port: 80}, lab.CodeBadOption},
		"epmd among the edges":    {lab.Options{Dir: t.TempDir(), Port: 9000, EPMDPort: 9002}, lab.CodeBadOption},
		"a port that is taken":    {lab.Options{Dir: t.TempDir(), Port: taken}, lab.CodePortInUse},
		"epmd's port taken":       {lab.Options{Dir: t.TempDir(), EPMDPort: taken}, lab.CodePortInUse},
		"another suffix":          {lab.Options{Dir: shared.Dir(), Suffix: "_other"}, lab.CodeBadOption},
		"another number of edges": {lab.Options{Dir: shared.Dir(), Edges: 5}, lab.CodeBadOption},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := lab.Up(t.Context(), c.o, nil); actions.CodeOf(err) != c.code {
				t.Errorf("got %v, want code %s", err, c.code)
			}
		})
	}
	if text, err := os.ReadFile(filepath.Join(full, "Makefile")); err != nil || string(text) != "all:\n" {
		t.Errorf("the foreign Makefile was touched: %q, %v", text, err)
	}
	if _, err := lab.Open(full); actions.CodeOf(err) != lab.CodeNotALab {
		t.Errorf("opening a folder without a lab: %v", err)
	}
}

func TestUpSaysWhyANodeDidNotStart(t *testing.T) {
	t.Parallel()
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	if err := l.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	// The core's WAL folder is a file: the core cannot start.
	wal := filepath.Join(l.Dir(), "data", "wal")
	if err := os.RemoveAll(wal); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(wal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := lab.Up(t.Context(), lab.Options{Dir: l.Dir()}, nil)
	if actions.CodeOf(err) != lab.CodeNotStarted || !strings.Contains(err.Error(), "its application did not start") {
		t.Errorf("%v", err)
	}
}

// Not parallel: it changes this program's PATH.
func TestUpNamesWhatIsMissing(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	_, err := lab.Up(t.Context(), lab.Options{Dir: t.TempDir()}, nil)
	if actions.CodeOf(err) != lab.CodeMissingProgram || !strings.HasSuffix(err.Error(), "apt-get install make erlang-base erlang-mnesia") {
		t.Errorf("%v", err)
	}
}
