package erlang

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"irisops/actions/erlang/epmd"
)

// The tests talk to real nodes: raw erl processes, with an epmd of their own.

const testCookie = "Zq8-not-to-be-seen"

// epmdPort is where this test binary's own epmd listens.
var epmdPort int

func TestMain(m *testing.M) {
	stop, err := startEPMD()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var printed bytes.Buffer
	log.SetOutput(&printed)
	code := m.Run()
	stop()
	if left := leftovers(); left != "" {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", left)
		code = 1
	}
	if printed.Len() > 0 {
		fmt.Fprintf(os.Stderr, "printed on the standard logger:\n%s\n", &printed)
		code = 1
	}
	os.Exit(code)
}

// leftovers is the goroutines of links that still run, after a while, although
// every link is closed.
func leftovers() string {
	var left []string
	for deadline := time.Now().Add(5 * time.Second); ; <-time.After(10 * time.Millisecond) {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		left = nil
		for g := range strings.SplitSeq(string(stacks), "\n\n") {
			if !strings.Contains(g, "_test.go:") &&
				(strings.Contains(g, "ergo-services") || strings.Contains(g, "irisops/actions/erlang.")) {
				left = append(left, g)
			}
		}
		if len(left) == 0 || time.Now().After(deadline) {
			return strings.Join(left, "\n\n")
		}
	}
}

func startEPMD() (stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	epmdPort = l.Addr().(*net.TCPAddr).Port
	l.Close()
	cmd := exec.Command("epmd", "-port", fmt.Sprint(epmdPort))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("the tests need Erlang (Debian: erlang-base): %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err := epmd.Names(context.Background(), epmdAddr()); err == nil {
			return stop, nil
		} else if time.Now().After(deadline) {
			stop()
			return nil, err
		}
		<-time.After(10 * time.Millisecond)
	}
}

func epmdAddr() string { return fmt.Sprintf("127.0.0.1:%d", epmdPort) }

// beam is a running erl. Its console is a pipe, so that a test can ask it what it
// sees without connecting to it.
type beam struct {
	t       testing.TB
	name    string
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	answers chan string
	mu      sync.Mutex
	log     []string // everything else it printed
}

func (n *beam) logged() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.log)
}

// console evaluates every line it reads, and prints the value on a line that
// starts with @@. It ends with its input.
const console = `
spawn(fun() ->
  Loop = fun(Loop) ->
    case io:get_line('') of
      Line when is_list(Line) ->
        Answer = try
          {ok, Tokens, _} = erl_scan:string(Line),
          {ok, Exprs} = erl_parse:parse_exprs(Tokens),
          {value, Value, _} = erl_eval:exprs(Exprs, []),
          Value
        catch C:E -> {failed, C, E} end,
        io:format("@@ ~0tp~n", [Answer]),
        Loop(Loop);
      _ -> erlang:halt(0)
    end
  end,
  io:setopts([{encoding, unicode}]),
  io:format("@@ ready~n"),
  Loop(Loop)
end).`

var nodeCount atomic.Int32

// bootNode starts a node. Args are arguments for erl; in a name, %s is a part that
// no other node has. Without args it is "-sname %s".
func bootNode(t testing.TB, args ...string) *beam {
	t.Helper()
	unique := fmt.Sprintf("irisops_test_%d_%d", os.Getpid(), nodeCount.Add(1))
	if len(args) == 0 {
		args = []string{"-sname", "%s"}
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "%s", unique)
	}
	args = append(args, "-setcookie", testCookie, "-noshell", "-eval", console)
	n := &beam{t: t, cmd: exec.Command("erl", args...), answers: make(chan string, 16)}
	n.cmd.Env = append(os.Environ(), fmt.Sprintf("ERL_EPMD_PORT=%d", epmdPort), "HOME="+t.TempDir())
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var err error
	if n.stdin, err = n.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.kill)
	go func() {
		defer close(n.answers)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if answer, ok := strings.CutPrefix(lines.Text(), "@@ "); ok {
				n.answers <- answer
			} else {
				n.mu.Lock()
				n.log = append(n.log, lines.Text())
				n.mu.Unlock()
			}
		}
	}()
	n.expect("ready")
	n.name = strings.Trim(n.eval("node()"), "'")
	return n
}

func (n *beam) expect(want string) {
	n.t.Helper()
	if got := n.answer(); got != want {
		n.t.Fatalf("%s answered %s, want %s", n.name, got, want)
	}
}

func (n *beam) answer() string {
	n.t.Helper()
	select {
	case a, ok := <-n.answers:
		if !ok {
			n.t.Fatalf("%s has ended", n.name)
		}
		return a
	case <-time.After(20 * time.Second):
		n.t.Fatalf("%s does not answer on its console", n.name)
	}
	return ""
}

// eval is the value of an expression on the node, as Erlang prints it.
func (n *beam) eval(expr string) string {
	n.t.Helper()
	if _, err := io.WriteString(n.stdin, expr+".\n"); err != nil {
		n.t.Fatal(err)
	}
	return n.answer()
}

// eventually waits until an expression has a value.
func (n *beam) eventually(expr, want string) {
	n.t.Helper()
	var got string
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(5 * time.Millisecond) {
		if got = n.eval(expr); got == want {
			return
		}
	}
	n.t.Fatalf("%s on %s is %s, want %s", expr, n.name, got, want)
}

func (n *beam) short() string { return strings.Split(n.name, "@")[0] }
func (n *beam) host() string  { return strings.Split(n.name, "@")[1] }

func (n *beam) signal(sig syscall.Signal) {
	n.t.Helper()
	if err := n.cmd.Process.Signal(sig); err != nil {
		n.t.Fatal(err)
	}
	for deadline := time.Now().Add(long); sig == syscall.SIGSTOP && !n.stopped(); <-time.After(time.Millisecond) {
		if time.Now().After(deadline) {
			n.t.Fatalf("%s does not stop", n.name)
		}
	}
}

// stopped says whether all threads of the node have taken notice of SIGSTOP.
func (n *beam) stopped() bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", n.cmd.Process.Pid))
	if err != nil || len(threads) == 0 {
		n.t.Fatalf("%s has no threads: %v", n.name, err)
	}
	for _, stat := range threads {
		b, err := os.ReadFile(stat)
		if err == nil && !bytes.Contains(b, []byte(") T ")) {
			return false
		}
	}
	return true
}

func (n *beam) kill() {
	_ = n.cmd.Process.Kill()
	_ = n.cmd.Wait()
}

// within is a context for one call.
func within(t testing.TB, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// newLink is a link that ends with the test.
func newLink(t testing.TB, change ...func(*Options)) *Link {
	t.Helper()
	opts := Options{Cookie: testCookie, EPMDPort: epmdPort}
	for _, c := range change {
		c(&opts)
	}
	l, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}
