package epmd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"irisops/actions"
)

const long = 20 * time.Second

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
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

// daemon starts a real epmd.
func daemon(t *testing.T) (addr string, process *exec.Cmd) {
	t.Helper()
	port := freePort(t)
	cmd := exec.Command("epmd", "-port", fmt.Sprint(port))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatalf("this test needs Erlang (Debian: erlang-base): %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	addr = fmt.Sprintf("127.0.0.1:%d", port)
	for deadline := time.Now().Add(long); ; <-time.After(5 * time.Millisecond) {
		if _, err := Names(within(t, long), addr); err == nil {
			return addr, cmd
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// register enters a name, as a node does when it starts, until the test ends.
func register(t *testing.T, addr, name string, port int) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	b := binary.BigEndian.AppendUint16([]byte{120}, uint16(port))
	b = append(b, 77, 0, 0, 6, 0, 5)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(name))), name...)
	b = append(b, 0, 0)
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)); err != nil {
		t.Fatal(err)
	}
	reply := make([]byte, 6) // tag, result, creation
	if _, err := io.ReadFull(c, reply); err != nil || reply[1] != 0 {
		t.Fatalf("epmd does not register %s: %v, %v", name, reply, err)
	}
}

// fake answers every connection with reply.
func fake(t *testing.T, reply string, hangUp bool) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				_, _ = c.Read(make([]byte, 100))
				_, _ = io.WriteString(c, reply)
				if !hangUp {
					_, _ = io.Copy(io.Discard, c)
				}
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String()
}

func TestRealDaemon(t *testing.T) {
	addr, process := daemon(t)
	if names, err := Names(within(t, long), addr); err != nil || len(names) != 0 {
		t.Errorf("at first: %v, %v", names, err)
	}
	want := map[string]int{"iris_core": 4711, "iris_edge1": 4712, "übung": 4713, strings.Repeat("x", 200): 65535}
	for name, port := range want {
		register(t, addr, name, port)
	}
	names, err := Names(within(t, long), addr)
	if err != nil || !maps.Equal(names, want) {
		t.Errorf("%v, %v", names, err)
	}
	for name, port := range want {
		if got, err := Port(context.Background(), addr, name); err != nil || got != port {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	_, err = Port(within(t, long), addr, "iris_edge2")
	if actions.CodeOf(err) != actions.CodeNotRegistered || !strings.Contains(err.Error(), `"iris_edge2"`) {
		t.Errorf("unknown name: %v", err)
	}
	for _, name := range []string{"", strings.Repeat("x", 2000)} {
		if _, err := Port(within(t, long), addr, name); actions.CodeOf(err) != actions.CodeNoSuchNode {
			t.Errorf("a name of %d characters: %v", len(name), err)
		}
	}

	// A daemon that hangs takes connections all the same.
	if err := process.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_, err = Names(within(t, 300*time.Millisecond), addr)
	if actions.CodeOf(err) != actions.CodeNoEPMD || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("a stopped daemon: %v", err)
	}
}

func TestFailures(t *testing.T) {
	names := func(ctx context.Context, addr string) error { _, err := Names(ctx, addr); return err }
	port := func(ctx context.Context, addr string) error { _, err := Port(ctx, addr, "iris_core"); return err }
	for _, c := range []struct {
		name, addr string
		ask        func(context.Context, string) error
		code, says string
	}{
		{"no such host", "no-such-host.invalid:4369", names, actions.CodeNoHost, "no-such-host.invalid"},
		{"nobody there", fmt.Sprintf("127.0.0.1:%d", freePort(t)), port, actions.CodeNoEPMD, "nothing listens on port"},
		{"hangs up", fake(t, "", true), names, actions.CodeNoEPMD, "cut short"},
		{"hangs up on a port", fake(t, "", true), port, actions.CodeNoEPMD, "no answer at all"},
		{"hangs up within a port", fake(t, "w", true), port, actions.CodeNoEPMD, "instead of a port"},
		{"half a port", fake(t, "w\x00\x12", true), port, actions.CodeNoEPMD, "cut short"},
		{"port 0", fake(t, "w\x00\x00\x00", true), port, actions.CodeNoEPMD, "port 0"},
		{"a web server", fake(t, "HTTP/1.1 400 Bad Request\r\n\r\n", true), names, actions.CodeNoEPMD, "in the list of names"},
		{"a web server on a port", fake(t, "HTTP/1.1 400 Bad Request\r\n\r\n", true), port, actions.CodeNoEPMD, "does not answer as epmd does"},
		{"port too high", fake(t, "\x00\x00\x11\x11name a at port 65536\n", true), names, actions.CodeNoEPMD, "65536"},
		{"without an end", fake(t, strings.Repeat("name a at port 1\n", 70_000), false), names, actions.CodeNoEPMD, "more than 1048576 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.ask(within(t, long), c.addr)
			var e *actions.Error
			if !errors.As(err, &e) || e.Code != c.code || !strings.Contains(err.Error(), c.says) || e.Hint == "" {
				t.Errorf("%s: %v", actions.CodeOf(err), err)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := names(ctx, "127.0.0.1:4369"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	ctx, cancel = context.WithCancel(context.Background())
	failed := make(chan error)
	addr := fake(t, "\x00\x00\x11\x11", false)
	go func() { failed <- names(ctx, addr) }()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled meanwhile: %v", err)
	}
}

func FuzzReplies(f *testing.F) {
	f.Add([]byte("\x00\x00\x11\x11name iris_core at port 4711\nname iris_edge1 at port 4712\n"))
	f.Add([]byte("w\x00\x12\x67MHhost\x00"))
	f.Add([]byte("w\x01"))
	f.Fuzz(func(t *testing.T, reply []byte) {
		names, err := parseNames(reply)
		if (names == nil) != (err != nil) {
			t.Errorf("%v, %v", names, err)
		}
		for name, port := range names {
			if name == "" || port < 1 || port > 65535 {
				t.Errorf("%q at %d", name, port)
			}
		}
		if port, known, err := parsePort(reply); err == nil && known && (port < 1 || port > 65535) {
			t.Errorf("port %d", port)
		}
	})
}
