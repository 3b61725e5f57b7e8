package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/actions/cluster"
)

const startNode = `start_edge1:
	./beam.smp -noshell -sname iris_edge1 -setcookie hush >edge1.log 2>&1 &
`

func TestMakeStartsANodeWithNothingOfOurs(t *testing.T) {
	dir := folder(t, startNode)
	t.Setenv("SLACK_BOT_TOKEN", "xoxb-planted")
	t.Setenv("ERL_FLAGS", "-planted")
	t.Setenv("ERL_LIBS", "/planted")
	t.Setenv("MAKEFLAGS", "--planted")
	t.Setenv("ERL_EPMD_PORT", "1")
	t.Setenv("LC_CTYPE", "C.UTF-8")
	t.Setenv("TZ", "Europe/Paris")
	// A file that this program inherited without the close-on-exec mark.
	leak, err := unix.Open(filepath.Join(dir, "Makefile"), unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(leak)

	n := node(dir)
	n.EPMDPort = 14370
	if err := NewLocal(nil).Make(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	p := process(t, n)

	env := environ(t, p.PID)
	for name, value := range env {
		if strings.Contains(value, "planted") {
			t.Errorf("the node's environment has %s=%s", name, value)
		}
	}
	want := map[string]string{"ERL_EPMD_PORT": "14370", "LC_CTYPE": "C.UTF-8", "TZ": "Europe/Paris", "PATH": os.Getenv("PATH")}
	for name, value := range want {
		if env[name] != value {
			t.Errorf("%s is %q in the node's environment, want %q", name, env[name], value)
		}
	}

	stat, err := readStat(p.PID)
	if err != nil {
		t.Fatal(err)
	}
	if ours, _ := unix.Getsid(0); stat.session == ours {
		t.Errorf("the node shares our session %d", ours)
	}
	// Our pretended VM opens files of its own; nothing else may be open in it.
	log := filepath.Join(dir, "edge1.log")
	fds := descriptors(t, p.PID)
	if fds[0] != "/dev/null" || fds[1] != log || fds[2] != log {
		t.Errorf("the node reads %s and writes %s and %s", fds[0], fds[1], fds[2])
	}
	for fd, file := range fds {
		if fd > 2 && (strings.HasPrefix(file, dir) || strings.HasPrefix(file, "pipe:") || strings.HasPrefix(file, "socket:")) {
			t.Errorf("the node has %s open as %d", file, fd)
		}
	}
}

func TestMakePassesExactArguments(t *testing.T) {
	dir := folder(t, "start_edge1:\n\t@printf '%s|' '$(CONFIG)' '$(NODE_SUFFIX)' >seen\n")
	n := node(dir)
	n.MakeVars = map[string]string{"NODE_SUFFIX": "_x", "CONFIG": "config/prod"}
	if err := NewLocal(nil).Make(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	seen, err := os.ReadFile(filepath.Join(dir, "seen"))
	if err != nil || string(seen) != "config/prod|_x|" {
		t.Fatalf("make saw %q, %v", seen, err)
	}
	args, err := makeArgs(n)
	if diff := cmp.Diff([]string{"start_edge1", "CONFIG=config/prod", "NODE_SUFFIX=_x"}, args); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
}

// A bot that starts a node and exits leaves the node running.
func TestNodeOutlivesTheBot(t *testing.T) {
	dir := folder(t, startNode)
	n := node(dir)
	text, err := json.Marshal(n)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bot := exec.Command(exe, "play-bot", string(text))
	bot.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if out, err := bot.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p := process(t, n) // the bot is gone, the node is there
	// What ends a bot's group or session (a terminal that closes, Ctrl-C) does not
	// reach it.
	stat, err := readStat(p.PID)
	if err != nil {
		t.Fatal(err)
	}
	group, err := unix.Getpgid(p.PID)
	if err != nil {
		t.Fatal(err)
	}
	if ours, _ := unix.Getsid(0); stat.session == ours || group == bot.Process.Pid {
		t.Errorf("the node is in session %d and group %d, the bot was in %d and %d", stat.session, group, ours, bot.Process.Pid)
	}
}

func TestMakeDryRun(t *testing.T) {
	dir := folder(t, `CONFIG ?= config/test
start_edge1: ebin/a.beam
	erl -sname iris_edge1 -setcookie iris_secret -config $(CONFIG) >edge1.log 2>&1 &
ebin/a.beam: src/a.erl
	erlc -o ebin $<
`)
	if err := os.Mkdir(filepath.Join(dir, "src"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "src/a.erl"), "-module(a).\n")
	n := node(dir)
	n.MakeVars = map[string]string{"CONFIG": "config/prod"}
	lines, err := NewLocal(nil).MakeDryRun(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"erlc -o ebin src/a.erl",
		"erl -sname iris_edge1 -setcookie *** -config config/prod >edge1.log 2>&1 &"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(filepath.Join(dir, "edge1.log")); err == nil {
		t.Error("the dry run ran")
	}
}

func TestMakeDryRunIsBounded(t *testing.T) {
	dir := folder(t, "start_edge1:\n"+strings.Repeat("\t@echo "+strings.Repeat("x", 1000)+"\n", 200))
	lines, err := NewLocal(nil).MakeDryRun(t.Context(), node(dir))
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, line := range lines {
		size += len(line)
	}
	if last := lines[len(lines)-1]; size > maxOutput+200 || !strings.Contains(last, "not shown") {
		t.Errorf("%d bytes, ending in %q", size, last)
	}
}

func TestMakeFailures(t *testing.T) {
	tests := []struct {
		name     string
		makefile string // "" for none
		change   func(*cluster.Node)
		dryRun   bool // the dry run fails in the same way
		code     string
		says     string
	}{
		{name: "target missing", makefile: "other:\n", dryRun: true, code: actions.CodeNoTarget, says: "start_edge1"},
		{name: "Makefile missing", dryRun: true, code: actions.CodeNoTarget, says: "start_edge1"},
		{name: "source missing", makefile: "start_edge1: src/lost.erl\n", dryRun: true, code: CodeMakeFailed, says: "src/lost.erl"},
		{name: "does not compile", makefile: "start_edge1:\n\t@echo src/a.erl:3: syntax error; exit 1\n",
			code: CodeMakeFailed, says: "src/a.erl:3: syntax error"},
		{name: "hides the cookie", makefile: "start_edge1:\n\terl -setcookie iris_secret --broken-$@ && false\n",
			code: CodeMakeFailed, says: "-setcookie ***"},
		{name: "long-winded", makefile: "start_edge1:\n\t@head -c 3000000 /dev/zero | tr '\\0' x; echo; echo at last; exit 3\n",
			code: CodeMakeFailed, says: "at last"},
		{name: "folder missing", makefile: "start_edge1:\n", dryRun: true,
			change: func(n *cluster.Node) { n.Dir += "/nowhere" }, code: CodeFailed, says: "nowhere"},
		{name: "folder is a file", makefile: "start_edge1:\n", dryRun: true,
			change: func(n *cluster.Node) { n.Dir += "/Makefile" }, code: CodeBadValue, says: "not a folder"},
		{name: "folder not absolute", makefile: "start_edge1:\n", dryRun: true,
			change: func(n *cluster.Node) { n.Dir = "." }, code: CodeBadValue, says: "absolute"},
		{name: "elsewhere", makefile: "start_edge1:\n", dryRun: true,
			change: func(n *cluster.Node) { n.Host = "h2" }, code: actions.CodeNotHere, says: "h2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, tt.makefile)
			if tt.makefile == "" {
				os.Remove(filepath.Join(dir, "Makefile"))
			}
			n := node(dir)
			if tt.change != nil {
				tt.change(&n)
			}
			// The messages are understood whatever language is set.
			t.Setenv("LANG", "de_DE.UTF-8")
			l := NewLocal(nil)
			err := l.Make(t.Context(), n)
			check := func(err error) {
				t.Helper()
				if actions.CodeOf(err) != tt.code || !strings.Contains(fmt.Sprint(err), tt.says) {
					t.Errorf("%q: %v; want %q and %q", actions.CodeOf(err), err, tt.code, tt.says)
				}
				if text := fmt.Sprint(err); strings.Contains(text, "iris_secret") || len(text) > 4000 {
					t.Errorf("an error of %d bytes: %.300s", len(text), text)
				}
			}
			check(err)
			if tt.dryRun {
				_, err := l.MakeDryRun(t.Context(), n)
				check(err)
			}
		})
	}
}

func TestMakeWithoutMake(t *testing.T) {
	dir := folder(t, "start_edge1:\n")
	t.Setenv("PATH", dir)
	err := NewLocal(nil).Make(t.Context(), node(dir))
	if actions.CodeOf(err) != CodeMakeFailed || !strings.Contains(err.Error(), "apt-get install make") {
		t.Fatal(err)
	}
}

func TestMakeThatTakesTooLongIsEnded(t *testing.T) {
	for _, stubborn := range []string{"", "-stubborn"} {
		dir := folder(t, "start_edge1:\n\t./beam.smp -sname iris_edge1 "+stubborn+"\n")
		n := node(dir)
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			process(t, n)
			cancel()
		}()
		err := NewLocal(nil).Make(ctx, n)
		if actions.CodeOf(err) != CodeMakeTimeout || !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		eventually(t, "what make was running ends", func() bool {
			_, ok, _ := NewLocal(nil).Process(t.Context(), n)
			return !ok
		})
	}
}

// A node that kept make's output would keep us waiting, and die with us.
func TestMakeNoticesAHeldOutput(t *testing.T) {
	dir := folder(t, "start_edge1:\n\t./beam.smp -sname iris_edge1 &\n")
	n := node(dir)
	began := time.Now()
	err := NewLocal(nil).Make(t.Context(), n)
	if actions.CodeOf(err) != CodeHoldsOutput {
		t.Fatal(err)
	}
	if took := time.Since(began); took > outputGrace+20*time.Second {
		t.Errorf("waited %s", took)
	}
	process(t, n)
}

// Two makes in one folder would compile the same files at once.
func TestOneMakeAtATimeInAFolder(t *testing.T) {
	dir := folder(t, "start_edge1:\n\tmkdir busy && sleep 0.05 && rmdir busy\n")
	l := NewLocal(nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if err := l.Make(t.Context(), node(dir)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestMakeWaitsForItsTurnOnlySoLong(t *testing.T) {
	dir := folder(t, "start_edge1:\n")
	l := NewLocal(nil)
	free, err := l.makes.lock(t.Context(), node(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer free()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Make(ctx, node(dir)); actions.CodeOf(err) != CodeMakeTimeout || !strings.Contains(err.Error(), "another make") {
		t.Fatal(err)
	}
}

// If make ran at all, its Makefile would leave this file.
const leavesTrace = "ran := $(shell touch ran)\nstart_edge1:\n"

var hostile = []string{
	"a b", "a;b", "$(touch x)", "`touch x`", "a'b", `a"b`, "a\nb", "a\x00b", "a|b", "a&b", "a>b", "a<b", "*", "?", "~", "#", "%", "\\", "a{b}", "!",
	"é", "\u00a0", "\u202e", "\xff", strings.Repeat("a", 64<<10), strings.Repeat("\u00e9", 32<<10),
}

func TestHostileValuesNeverReachMake(t *testing.T) {
	l := NewLocal(nil)
	refused := func(dir, what string, n cluster.Node) {
		t.Helper()
		_, dryErr := l.MakeDryRun(t.Context(), n)
		for _, err := range []error{l.Make(t.Context(), n), dryErr} {
			if actions.CodeOf(err) != CodeBadValue {
				t.Errorf("%s: %v", what, err)
			} else if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\n\x00\u202e") {
				t.Errorf("%s: the error repeats the value: %.600q", what, err)
			}
		}
		if _, err := os.Stat(filepath.Join(dir, "ran")); err == nil {
			t.Fatalf("%s: make ran", what)
		}
	}
	dir := folder(t, leavesTrace)
	for _, bad := range append([]string{"", "-n", "--eval=x", "-f/dev/stdin", "A=b"}, hostile...) {
		n := node(dir)
		n.Target = bad
		refused(dir, fmt.Sprintf("target %.20q", bad), n)
	}
	for _, bad := range append([]string{"", "1A", "A=B", "A.B", "-n", "A:", "A+", "SHELL:"}, hostile...) {
		n := node(dir)
		n.MakeVars = map[string]string{bad: "x"}
		refused(dir, fmt.Sprintf("variable %.20q", bad), n)
	}
	for _, bad := range hostile {
		n := node(dir)
		n.MakeVars = map[string]string{"CONFIG": bad}
		refused(dir, fmt.Sprintf("value %.20q", bad), n)
	}
}

// What is allowed arrives as it was given, whatever the alphabet's mixture.
func TestValuesArriveUnchanged(t *testing.T) {
	dir := folder(t, "show:\n\techo [$(VALUE)]\n")
	l := NewLocal(nil)
	rapid.Check(t, func(t *rapid.T) {
		n := node(dir)
		n.Target = "show"
		value := rapid.StringMatching(`[A-Za-z0-9_@./:=+,-]{0,40}`).Draw(t, "value")
		n.MakeVars = map[string]string{"VALUE": value}
		lines, err := l.MakeDryRun(context.Background(), n)
		if err != nil || len(lines) != 1 || lines[0] != "echo ["+value+"]" {
			t.Fatalf("%q, %v", lines, err)
		}
	})
}

func TestWordsOutsideTheAlphabetAreRefused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.String().Draw(t, "word")
		allowed := len(word) <= maxWord
		for _, r := range word {
			allowed = allowed && strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@./:=+,-", r)
		}
		if err := checkWord("It", word); (err == nil) != allowed {
			t.Fatalf("%q: %v", word, err)
		}
	})
}
