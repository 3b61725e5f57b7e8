package erlang

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
)

var _ cluster.Erlang = (*Link)(nil)

const long = 20 * time.Second // more than anything here takes

func TestClusterTakesNoNotice(t *testing.T) {
	a, b := bootNode(t), bootNode(t)
	if got := a.eval("net_adm:ping('" + b.name + "')"); got != "pong" {
		t.Fatal(got)
	}
	a.eval("net_kernel:monitor_nodes(true)")
	before := a.eval("{nodes(), length(nodes()) + 1}")

	l := newLink(t)
	if _, err := l.Ping(within(t, long), a.name); err != nil {
		t.Fatal(err)
	}

	if got, want := a.eval("nodes(hidden)"), "['"+l.Name()+"']"; got != want {
		t.Errorf("nodes(hidden) is %s, want %s", got, want)
	}
	if got := a.eval("{nodes(), length(nodes()) + 1}"); got != before {
		t.Errorf("nodes() and their number are %s, were %s", got, before)
	}
	if got := b.eval("{nodes(), nodes(hidden)}"); got != "{["+a.name+"],[]}" {
		t.Errorf("the other node sees %s", got)
	}
	if got := a.eval("{element(1, timer:tc(fun() -> ok = global:sync() end)) < 5000000, global:registered_names()}"); got != "{true,[]}" {
		t.Errorf("global:sync/0 at once, and nothing registered: %s", got)
	}
	names, err := epmd.Names(within(t, long), epmdAddr())
	if err != nil {
		t.Fatal(err)
	}
	for name := range names {
		if strings.Contains(name, "irisops-") {
			t.Errorf("epmd knows %s", name)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	a.eventually("nodes(hidden)", "[]")
	if got := a.eval("receive Any -> Any after 0 -> nothing end"); got != "nothing" {
		t.Errorf("who watches nodes was told %s", got)
	}
	if log := a.logged(); len(log) > 0 {
		t.Errorf("the node logged %q", log)
	}
}

func TestShortAndLongNames(t *testing.T) {
	for _, form := range [][]string{{"-sname", "%s"}, {"-sname", "%s@localhost"}, {"-name", "%s@127.0.0.1"}} {
		n := bootNode(t, form...)
		if _, err := newLink(t).Ping(within(t, long), n.name); err != nil {
			t.Errorf("%s: %v", n.name, err)
		}
	}
}

func TestTwoLinksCoexist(t *testing.T) {
	n := bootNode(t)
	one, two := newLink(t), newLink(t)
	for _, l := range []*Link{one, two, one} {
		if _, err := l.Ping(within(t, long), n.name); err != nil {
			t.Fatal(err)
		}
	}
	want := fmt.Sprintf("['%s','%s']", one.Name(), two.Name())
	if got := n.eval("lists:sort(nodes(hidden))"); got != want {
		t.Errorf("nodes(hidden) is %s, want %s", got, want)
	}
}

// IRIS takes a connected node for a core by its name: iris_core anywhere in it, or
// core at its start.
func TestNoNameIsACores(t *testing.T) {
	for _, host := range []string{"h1", "h1.example.org", "iris_core", "core.iris_core1", "Ü b", ""} {
		name := nodeName(host, firstPort)
		if strings.Contains(name, "iris_core") || strings.HasPrefix(name, "core") || strings.Count(name, "@") != 1 {
			t.Errorf("on host %q the link is called %s", host, name)
		}
	}
}

func TestNobodyCanConnect(t *testing.T) {
	l := newLink(t)
	var port int
	if _, err := fmt.Sscanf(l.Name(), "irisops-%d@", &port); err != nil {
		t.Fatal(err)
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		ip := a.(*net.IPNet).IP
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), fmt.Sprint(port)), long)
		if err != nil {
			continue
		}
		if ip.String() != "127.0.0.1" {
			t.Errorf("listens on %s", ip)
		}
		// Whoever comes in is shown the door.
		_ = conn.SetDeadline(time.Now().Add(long))
		if n, err := conn.Read(make([]byte, 1)); n > 0 || isTimeout(err) {
			t.Errorf("read %d bytes, %v", n, err)
		}
		conn.Close()
	}
}

func TestConnectionEnds(t *testing.T) {
	n := bootNode(t)
	n.eval("net_kernel:monitor_nodes(true, [{node_type, hidden}])")
	downs := func() string {
		return n.eval("begin F = fun F(N) -> receive {nodedown, _, _} -> F(N+1); {nodeup, _, _} -> F(N) after 0 -> N end end, F(0) end")
	}
	l := newLink(t, func(o *Options) { o.IdleAfter = 150 * time.Millisecond })

	t.Run("when idle", func(t *testing.T) {
		if _, err := l.Ping(within(t, long), n.name); err != nil {
			t.Fatal(err)
		}
		n.eventually("nodes(hidden)", "[]")
		if got := downs(); got != "1" {
			t.Errorf("%s disconnects", got)
		}
	})
	t.Run("not under a call", func(t *testing.T) {
		if _, err := l.Call(within(t, long), n.name, "timer", "sleep", 600); err != nil {
			t.Fatal(err)
		}
		n.eventually("nodes(hidden)", "[]")
		if got := downs(); got != "1" {
			t.Errorf("%s disconnects", got)
		}
	})
	t.Run("under calls that keep coming", func(t *testing.T) {
		for downs() == "0" {
			if _, err := l.Ping(within(t, long), n.name); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A node that has died or was started again is met as it is.
func TestNodeComesAndGoes(t *testing.T) {
	n := bootNode(t)
	l := newLink(t)
	if _, err := l.Ping(within(t, long), n.name); err != nil {
		t.Fatal(err)
	}
	n.kill()
	for deadline := time.Now().Add(long); ; {
		_, err := l.Ping(within(t, long), n.name)
		if actions.CodeOf(err) == actions.CodeNotRegistered {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("of a dead node: %v", err)
		}
	}
	again := bootNode(t, "-sname", n.short())
	if again.name != n.name {
		t.Fatal(again.name)
	}
	if _, err := l.Ping(within(t, long), n.name); err != nil {
		t.Error(err)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	nodes := []*beam{bootNode(t), bootNode(t)}
	hung := bootNode(t)
	hung.signal(syscall.SIGSTOP)
	l := newLink(t, func(o *Options) { o.IdleAfter = 20 * time.Millisecond })

	ctx, cancel := context.WithCancel(context.Background())
	var waiting, calling sync.WaitGroup
	for range 10 {
		waiting.Go(func() {
			_, err := l.Ping(ctx, hung.name)
			if !errors.Is(err, context.Canceled) && actions.CodeOf(err) != actions.CodeHung {
				t.Errorf("of the hung node: %v", err)
			}
		})
	}
	for i := range 50 {
		calling.Go(func() {
			for j := range 20 {
				want := int64(100*i + j)
				got, err := l.Call(within(t, long), nodes[i%2].name, "erlang", "+", want, 0)
				if err != nil || got != want {
					t.Errorf("%d + 0 = %v, %v", want, got, err)
				}
			}
		})
	}
	calling.Wait()
	cancel()
	waiting.Wait()
}

// One caller's impatience is not another's failure.
func TestImpatientCaller(t *testing.T) {
	n := bootNode(t)
	n.signal(syscall.SIGSTOP)
	l := newLink(t)
	hasty, cancel := context.WithCancel(context.Background())
	failed := make(chan error)
	go func() {
		_, err := l.Ping(hasty, n.name)
		failed <- err
	}()
	patient := make(chan error)
	for waits := false; !waits; { // until the hasty one's attempt is under way
		l.mu.Lock()
		waits = l.peers[n.name] != nil && l.peers[n.name].connecting.stage.Load() == knocking
		l.mu.Unlock()
	}
	go func() {
		_, err := l.Ping(within(t, long), n.name)
		patient <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("the hasty caller got %v", err)
	}
	n.signal(syscall.SIGCONT)
	if err := <-patient; err != nil {
		t.Errorf("the patient caller got %v", err)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	n, hung := bootNode(t), bootNode(t)
	hung.signal(syscall.SIGSTOP)
	l := newLink(t)
	if _, err := l.Ping(within(t, long), n.name); err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	for _, name := range []string{n.name, hung.name} {
		calls.Go(func() {
			if _, err := l.Call(within(t, long), name, "timer", "sleep", term.Atom("infinity")); err == nil {
				t.Errorf("a call of %s survived", name)
			}
		})
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	calls.Wait()
	expired := within(t, 0)
	if _, err := l.Ping(expired, n.name); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without any time: %v", err)
	}
	if _, err := l.Ping(within(t, long), n.name); !errors.Is(err, errLinkClosed) {
		t.Errorf("after Close: %v", err)
	}
	if left := leftovers(); left != "" {
		t.Errorf("left behind:\n%s", left)
	}
}
