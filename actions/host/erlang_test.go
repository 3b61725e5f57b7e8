package host

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/erlang/epmd"
)

// One real Erlang node through its whole life, with an epmd of its own.
func TestRealNode(t *testing.T) {
	dir := folder(t, `start_edge1:
	erl -noshell -noinput -sname iris_edge1$(NODE_SUFFIX) -setcookie hushhush -eval 'spawn(fun() -> {ok, _} = gen_tcp:listen($(PORT), [{ip, {127,0,0,1}}]), io:format("up~n"), timer:sleep(infinity) end)' >edge1.log 2>&1 &
`)
	t.Setenv("SLACK_APP_TOKEN", "xapp-planted")
	n := node(dir)
	n.Name, n.Port, n.EPMDPort = "iris_edge1_hosttest@localhost", freePort(t), freePort(t)
	n.MakeVars = map[string]string{"NODE_SUFFIX": "_hosttest", "PORT": strconv.Itoa(n.Port)}
	l := NewLocal(epmd.Names, "hushhush")
	ctx := t.Context()

	if _, err := l.EPMDNames(ctx, n); actions.CodeOf(err) != actions.CodeNoEPMD {
		t.Errorf("before the start: %v", err)
	}
	if open, err := l.PortOpen(ctx, n); open || err != nil {
		t.Errorf("before the start: %v, %v", open, err)
	}
	// Registered first, so it runs last, when the node is gone: epmd refuses to
	// end while it knows a node.
	t.Cleanup(func() {
		if out, err := exec.Command("epmd", "-port", strconv.Itoa(n.EPMDPort), "-kill").CombinedOutput(); err != nil {
			t.Errorf("the test's epmd: %v: %s", err, out)
		}
		eventually(t, "epmd ends", func() bool {
			c, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n.EPMDPort)))
			if err == nil {
				c.Close()
			}
			return err != nil
		})
	})
	if err := l.Make(ctx, n); err != nil {
		t.Fatal(err)
	}
	p := process(t, n)

	eventually(t, "the node is registered", func() bool {
		names, err := l.EPMDNames(ctx, n)
		return err == nil && names[n.Alive()] > 0
	})
	eventually(t, "the client port is open", func() bool {
		open, err := l.PortOpen(ctx, n)
		return err == nil && open
	})
	eventually(t, "the log says so", func() bool {
		lines, err := l.LogTail(ctx, n, 10)
		return err == nil && slices.Contains(lines, "up")
	})
	for name, value := range environ(t, p.PID) {
		if strings.Contains(value, "planted") || strings.HasPrefix(name, "SLACK") {
			t.Errorf("the node's environment has %s", name)
		}
	}
	for fd, file := range descriptors(t, p.PID) {
		if strings.HasPrefix(file, "/dev/pts") || strings.HasPrefix(file, dir) && file != filepath.Join(dir, "edge1.log") {
			t.Errorf("the node has %s open as %d", file, fd)
		}
	}

	// Stopped, the kernel still accepts connections for it; the state tells.
	if err := unix.Kill(p.PID, unix.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node is stopped", func() bool {
		found, ok, err := l.Process(ctx, n)
		return err == nil && ok && found.State == "stopped" && found.RSS > 1<<20
	})
	if open, err := l.PortOpen(ctx, n); !open || err != nil {
		t.Errorf("stopped: %v, %v", open, err)
	}
	if err := unix.Kill(p.PID, unix.SIGCONT); err != nil {
		t.Fatal(err)
	}

	if err := l.Signal(ctx, p, cluster.Terminate); err != nil {
		t.Fatal(err)
	}
	if err := l.WaitExit(ctx, p); err != nil {
		t.Fatal(err)
	}
	if found, ok, err := l.Process(ctx, n); ok || err != nil {
		t.Errorf("after the stop: %+v, %v", found, err)
	}
	archive, err := l.ArchiveLog(ctx, n, time.Now())
	if err != nil || !strings.HasPrefix(archive, filepath.Join(dir, "edge1.log.2")) {
		t.Errorf("archived as %q, %v", archive, err)
	}
	eventually(t, "epmd has forgotten it", func() bool {
		names, err := l.EPMDNames(ctx, n)
		return err == nil && len(names) == 0
	})
}

func TestNetworkOfOtherHosts(t *testing.T) {
	var asked string
	l := NewLocal(func(_ context.Context, addr string) (map[string]int, error) {
		asked = addr
		return nil, fmt.Errorf("stop here")
	})
	n := node("/srv/iris")
	for host, want := range map[string]string{"local": "127.0.0.1:4369", "h1": "h1:4369"} {
		n.Host = host
		if _, err := l.EPMDNames(t.Context(), n); err == nil || asked != want {
			t.Errorf("asked %s, want %s", asked, want)
		}
	}
	n.Host, n.Name, n.Port = "h1", "iris_edge1@no-such-host.invalid", 8085
	if open, err := l.PortOpen(t.Context(), n); open || actions.CodeOf(err) != actions.CodeNoHost {
		t.Errorf("%v, %v", open, err)
	}
	n.Port = 0
	if open, err := l.PortOpen(t.Context(), n); open || actions.CodeOf(err) != CodeBadValue {
		t.Errorf("%v, %v", open, err)
	}
}

// A port whose program takes no connections, so that they queue until the queue
// is full, is not known to be open, and not known to be closed.
func TestPortThatDoesNotAnswer(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	n := node("/")
	n.Port = name.(*unix.SockaddrInet4).Port
	first, err := net.Dial("tcp", n.Addr()) // fills the queue
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if open, err := NewLocal(nil).PortOpen(t.Context(), n); open || actions.CodeOf(err) != actions.CodeHung {
		t.Errorf("%v, %v", open, err)
	}
}
