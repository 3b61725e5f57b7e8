package erlang

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// refused checks that err has the code, says something, and gives nothing away.
func refused(t *testing.T, err error, code string, says ...string) {
	t.Helper()
	var e *actions.Error
	if !errors.As(err, &e) {
		t.Fatalf("want an *actions.Error, got %v", err)
	}
	t.Log(err)
	if e.Code != code {
		t.Errorf("code %s, want %s: %v", e.Code, code, err)
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("does not say %q: %v", s, err)
		}
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		if s := cause.Error(); strings.Contains(s, testCookie) || strings.Contains(s, "Ann") {
			t.Errorf("gives away too much: %s", s)
		}
	}
}

// listen serves every connection to a port of its own with f.
func listen(t *testing.T, f func(net.Conn)) *net.TCPAddr {
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
				f(c)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().(*net.TCPAddr)
}

// register enters a name into the real epmd, as a node does when it starts. It
// stands there until the test ends.
func register(t *testing.T, name string, port int) {
	t.Helper()
	c, err := net.Dial("tcp", epmdAddr())
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

func TestEachFailureIsToldApart(t *testing.T) {
	n := bootNode(t)
	closedPort := func() int {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().(*net.TCPAddr).Port
	}()
	silent := listen(t, func(c net.Conn) { _, _ = io.Copy(io.Discard, c) })
	rude := listen(t, func(c net.Conn) { _, _ = io.WriteString(c, "SSH-2.0-OpenSSH_9.2\r\n") })

	with := func(port int) *Link { return newLink(t, func(o *Options) { o.EPMDPort = port }) }
	l := newLink(t)

	_, err := l.Ping(within(t, long), "iris_core")
	refused(t, err, actions.CodeNoSuchNode, "iris_core")
	_, err = l.Ping(within(t, long), "iris_core@no-such-host.invalid")
	refused(t, err, actions.CodeNoHost, "no-such-host.invalid")
	_, err = with(closedPort).Ping(within(t, long), n.name)
	refused(t, err, actions.CodeNoEPMD, fmt.Sprint(closedPort))
	_, err = with(silent.Port).Ping(within(t, time.Second), n.name)
	refused(t, err, actions.CodeNoEPMD)
	_, err = with(rude.Port).Ping(within(t, long), n.name)
	refused(t, err, actions.CodeNoEPMD, "does not answer as epmd does")
	_, err = l.Ping(within(t, long), "iris_nobody@"+n.host())
	refused(t, err, actions.CodeNotRegistered, "iris_nobody")

	register(t, "iris_refuses", closedPort)
	_, err = l.Ping(within(t, long), "iris_refuses@"+n.host())
	refused(t, err, actions.CodeRefused, "iris_refuses", "refuses connections")
	register(t, "iris_rude", rude.Port)
	_, err = l.Ping(within(t, long), "iris_rude@"+n.host())
	refused(t, err, actions.CodeRefused, "iris_rude", "Is another program there?")
	register(t, "iris_silent", silent.Port)
	_, err = l.Ping(within(t, time.Second), "iris_silent@"+n.host())
	refused(t, err, actions.CodeHung, "iris_silent")
	ports := n.eval(`begin {port, P, _} = erl_epmd:port_please("` + n.short() + `", "localhost"), P end`)
	var port int
	if _, err := fmt.Sscan(ports, &port); err != nil {
		t.Fatal(ports)
	}
	register(t, "iris_alias", port)
	_, err = l.Ping(within(t, long), "iris_alias@"+n.host())
	refused(t, err, actions.CodeRefused, "another node answers", n.name)

	stranger := newLink(t, func(o *Options) { o.Cookie = "another cookie" })
	_, err = stranger.Ping(within(t, long), n.name)
	refused(t, err, actions.CodeWrongCookie, n.name, "cookie_file")

	n.eval("net_kernel:allow(['nobody@nowhere'])")
	_, err = l.Ping(within(t, long), n.name)
	refused(t, err, actions.CodeRefused, "not_allowed")
}

func TestHungNode(t *testing.T) {
	n := bootNode(t)
	n.signal(syscall.SIGSTOP)
	l := newLink(t, func(o *Options) { o.Call = time.Second })
	_, err := l.Ping(context.Background(), n.name) // no deadline of its own
	refused(t, err, actions.CodeHung, "did not answer in time")

	n.signal(syscall.SIGCONT)
	if _, err := l.Ping(within(t, long), n.name); err != nil {
		t.Fatal(err)
	}
	n.signal(syscall.SIGSTOP)
	_, err = l.Call(within(t, time.Second), n.name, "erlang", "node")
	refused(t, err, actions.CodeHung, "erlang:node/0", "may still run")
	// More than the buffers on the way hold, so that writing blocks too.
	_, err = l.Call(within(t, time.Second), n.name, "erlang", "byte_size", make([]byte, 32<<20))
	refused(t, err, actions.CodeHung)

	n.signal(syscall.SIGCONT)
	if _, err := l.Ping(within(t, long), n.name); err != nil {
		t.Error(err)
	}
}

func TestFailuresOfCalls(t *testing.T) {
	n := bootNode(t)
	l := newLink(t)
	call := func(module, function string, args ...term.Term) (term.Term, error) {
		return l.Call(within(t, long), n.name, module, function, args...)
	}
	nosuch := term.Atom("iris_nosuch")

	_, err := call("iris_offline_storage", "redeliver", []byte("Ann"))
	refused(t, err, actions.CodeUndef, "iris_offline_storage:redeliver/1")
	_, err = call("lists", "map", int64(1))
	refused(t, err, actions.CodeUndef, "lists:map/1")
	// The function is there, and calls another that is not.
	_, err = call("erlang", "apply", nosuch, term.Atom("f"), term.List{})
	refused(t, err, actions.CodeBadRPC, "erlang:apply/3", "undef in iris_nosuch:f/0")
	_, err = call("ets", "lookup", nosuch, []byte("Ann"))
	refused(t, err, actions.CodeBadRPC, "ets:lookup/2", "badarg")
	_, err = call("erlang", "error", term.Tuple{term.Atom("badmatch"), []byte("dear Ann")})
	refused(t, err, actions.CodeBadRPC, "{badmatch,_}")
	_, err = call("erlang", "exit", term.Atom("shutdown"))
	refused(t, err, actions.CodeBadRPC, "shutdown")
	_, err = call("erlang", "exit", term.Tuple{term.Atom("aborted"), term.Tuple{term.Atom("no_exists"), nosuch}})
	refused(t, err, actions.CodeBadRPC, "{aborted,{no_exists,iris_nosuch}}")
	if got, err := call("erlang", "throw", []byte("Ann")); err != nil || !term.Equal(got, []byte("Ann")) {
		t.Errorf("throw: %v, %v", got, err)
	}

	// What Erlang cannot take is not sent.
	if _, err := call("erlang", "hd", struct{}{}); err == nil {
		t.Error("a Go struct was accepted")
	}
	// What we do not take fails its own call only.
	deep := append(bytes.Repeat([]byte{108, 0, 0, 0, 1}, 5000), 106)
	deep = append(append([]byte{131}, deep...), bytes.Repeat([]byte{106}, 5000)...)
	_, err = call("erlang", "binary_to_term", deep)
	refused(t, err, actions.CodeBadRPC, "nests deeper")

	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error)
	go func() {
		_, err := l.Call(ctx, n.name, "timer", "sleep", term.Atom("infinity"))
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled call: %v", err)
	}

	_, err = call("erlang", "halt")
	refused(t, err, actions.CodeLost, "erlang:halt/0", "whether it ran is not known")
}

func TestReplyTooLarge(t *testing.T) {
	n := bootNode(t)
	l := newLink(t)
	n.eval("net_kernel:monitor_nodes(true, [{node_type, hidden}])")
	zeros := func(size int) (int, error) {
		got, err := l.Call(within(t, long), n.name, "binary", "copy", []byte{0}, size)
		b, _ := got.([]byte)
		return len(b), err
	}
	const limit = 8 << 20
	if got, err := zeros(limit - 1000); err != nil || got != limit-1000 {
		t.Errorf("just below the limit: %d bytes, %v", got, err)
	}
	var calls sync.WaitGroup
	for range 4 {
		calls.Go(func() {
			_, err := zeros(2 * limit)
			refused(t, err, actions.CodeTooLarge, "16.0 MiB", "8.0 MiB")
		})
		calls.Go(func() {
			if _, err := l.Ping(within(t, long), n.name); err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	if got := n.eval("receive {nodedown, _, _} = D -> D after 0 -> nothing end"); got != "nothing" {
		t.Errorf("the connection was lost: %s", got)
	}
	// A reply that is not worth skipping.
	_, err := zeros(skippable + 1)
	refused(t, err, actions.CodeTooLarge, "128.0 MiB")
	if _, err := l.Ping(within(t, long), n.name); err != nil {
		t.Error(err)
	}
}

func TestCookieIsNeverPrinted(t *testing.T) {
	var out bytes.Buffer
	o := Options{Cookie: testCookie, EPMDPort: epmdPort, Log: slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	l := newLink(t, func(n *Options) { *n = o })
	n := bootNode(t)
	if _, err := l.Ping(within(t, long), n.name); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		fmt.Fprintf(&out, verb+"\n", o)
		fmt.Fprintf(&out, verb+"\n", o.Cookie)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("options", "cookie", o.Cookie, "options", struct{ C Cookie }{o.Cookie})
	o.Log = nil
	if err := json.NewEncoder(&out).Encode(o); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{testCookie, fmt.Sprintf("%x", testCookie)} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("printed the cookie:\n%s", &out)
		}
	}
	for _, want := range []string{"[cookie]", "connected to node", "disconnected from node"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	if _, err := New(Options{}); err == nil {
		t.Error("a link without a cookie")
	}
}
