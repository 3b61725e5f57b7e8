package erlang

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ergo-services/ergo/proto/dist"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// What real nodes do seldom or never is played by programs that listen where epmd
// says that a node is.

// inPieces writes one byte at a time.
type inPieces struct{ net.Conn }

func (c inPieces) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

// fakeNode lets the link in under that name, in pieces, and then hands over to
// talk. It returns the full name.
func fakeNode(t *testing.T, short string, talk func(net.Conn)) string {
	t.Helper()
	name := short + "@127.0.0.1"
	addr := listen(t, func(c net.Conn) {
		slow := inPieces{c}
		h := dist.CreateHandshake(dist.HandshakeOptions{Version: dist.HandshakeVersion6, Timeout: time.Hour})
		if err := h.Init(name, 1, flags); err != nil {
			t.Error(err)
		}
		if _, err := h.Accept(c.RemoteAddr(), slow, false, testCookie); err != nil {
			t.Error(err)
			return
		}
		talk(slow)
	})
	register(t, short, addr.Port)
	return name
}

// frame is a message as it goes over the wire.
func frame(parts ...[]byte) []byte {
	b := []byte{0, 0, 0, 0}
	for _, p := range parts {
		b = append(b, p...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func encode(t testing.TB, terms ...term.Term) []byte {
	t.Helper()
	b := []byte{passThrough}
	for _, x := range terms {
		var err error
		if b, err = term.Append(b, x); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// request reads the next call: who asks, and its reference.
func readRequest(t testing.TB, r io.Reader) (from, ref term.Term, ok bool) {
	t.Helper()
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, nil, false
		}
		message := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(r, message); err != nil {
			return nil, nil, false
		}
		if len(message) == 0 {
			continue
		}
		_, rest, err := term.Decode(message[1:])
		if err != nil {
			t.Error(err)
			return nil, nil, false
		}
		payload, _, err := term.Decode(rest)
		if err != nil {
			t.Error(err)
			return nil, nil, false
		}
		who := payload.(term.Tuple)[1].(term.Tuple)
		return who[0], who[1], true
	}
}

func TestStrangeMessagesChangeNothing(t *testing.T) {
	stranger := term.NewPid("irisops-1@nowhere", 1, 0, 1)
	name := fakeNode(t, "iris_strange", func(c net.Conn) {
		for {
			from, ref, ok := readRequest(t, c)
			if !ok {
				return
			}
			oldPid := term.NewPid(from.(term.Pid).Node, 1, 0, 99) // of an earlier run of ours
			send := func(to term.Term) term.Term { return term.Tuple{opSend, term.Atom(""), to} }
			for _, message := range [][]byte{
				frame(),           // a tick
				frame([]byte{68}), // another format
				frame([]byte{passThrough}),
				frame([]byte{passThrough, 131, 104}), // cut short
				frame(encode(t, term.Atom("what"))),
				frame(encode(t, term.Tuple{opSend, 1, 2})),
				frame(encode(t, term.Tuple{opRegSend, stranger, term.Atom(""), term.Atom("net_kernel")}, term.Atom("x"))),
				frame(encode(t, send(stranger), term.Tuple{ref, term.Atom("no")})),
				frame(encode(t, send(oldPid), term.Tuple{ref, term.Atom("no")})),
				frame(encode(t, send(from), term.Tuple{ref, term.Atom("yes")})),
				frame(encode(t, send(from), term.Tuple{ref, term.Atom("again")})),
			} {
				if _, err := c.Write(message); err != nil {
					return
				}
			}
		}
	})
	l := newLink(t)
	for range 3 {
		got, err := l.Call(within(t, long), name, "m", "f")
		if err != nil || got != term.Atom("yes") {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	answers := make(chan func(from, ref term.Term) []byte, 1)
	name := fakeNode(t, "iris_wrong", func(c net.Conn) {
		for {
			from, ref, ok := readRequest(t, c)
			if !ok {
				return
			}
			if _, err := c.Write((<-answers)(from, ref)); err != nil {
				return
			}
		}
	})
	l := newLink(t)
	send := func(to term.Term) term.Term { return term.Tuple{opSend, term.Atom(""), to} }
	for _, answer := range []func(from, ref term.Term) []byte{
		func(from, _ term.Term) []byte { return frame(encode(t, send(from))) },
		func(from, _ term.Term) []byte { return frame(encode(t, send(from)), []byte{131, 250}) },
		func(from, _ term.Term) []byte { return frame(encode(t, send(from), term.Atom("value"))) },
		func(from, _ term.Term) []byte {
			return frame(encode(t, send(from), term.Tuple{term.NewRef("x", 1, [3]uint32{}), term.Atom("value")}))
		},
	} {
		answers <- answer
		_, err := l.Call(within(t, long), name, "m", "f")
		refused(t, err, actions.CodeBadRPC, "cannot be read")
	}
}

func TestBrokenHandshakes(t *testing.T) {
	message := func(s string) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...) }
	status := message("sok")
	for i, c := range []struct {
		name, code string
		says       []byte
		hangUp     bool
	}{
		{"hangs up", actions.CodeRefused, nil, true},
		{"hangs up within a message", actions.CodeRefused, []byte{0, 9, 's'}, true},
		{"empty message", actions.CodeRefused, []byte{0, 0}, false},
		{"message too long", actions.CodeRefused, []byte{255, 255, 's'}, false},
		{"empty status", actions.CodeRefused, message("s"), false},
		{"unknown status", actions.CodeRefused, message("snot_allowed"), false},
		{"never free", actions.CodeHung, message("snok"), false},
		{"unknown message", actions.CodeRefused, append(status, message("x")...), false},
		{"challenge cut short", actions.CodeRefused, append(status, message("N123")...), false},
		{"name longer than its message", actions.CodeRefused, append(status, message("N12345678cccc0000\xff\xffx")...), false},
		{"silent after the status", actions.CodeHung, status, false},
		{"hangs up after our proof", actions.CodeWrongCookie, append(status, message("N12345678cccc0000\x00\x01x")...), true},
		{"another proof than ours", actions.CodeWrongCookie, append(append(status, message("N12345678cccc0000\x00\x01x")...), message("a1234567890123456")...), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			addr := listen(t, func(nc net.Conn) {
				_, _ = nc.Write(c.says)
				if c.hangUp {
					_ = nc.(*net.TCPConn).CloseWrite()
				}
				_, _ = io.Copy(io.Discard, nc)
			})
			short := fmt.Sprintf("iris_broken%d", i)
			register(t, short, addr.Port)
			limit := long
			if c.code == actions.CodeHung {
				limit = time.Second
			}
			_, err := newLink(t).Ping(within(t, limit), short+"@127.0.0.1")
			refused(t, err, c.code)
		})
	}
}

// A node that still holds an older connection of ours gives it up for the new one.
func TestOlderConnectionGivesWay(t *testing.T) {
	n := bootNode(t)
	l := newLink(t)
	n.eval("net_kernel:monitor_nodes(true, [{node_type, hidden}])")
	ctx := within(t, long)
	hs, err := newHandshake(ctx, l.Name(), l.creation, n.name)
	if err != nil {
		t.Fatal(err)
	}
	port := n.eval(`begin {port, P, _} = erl_epmd:port_please("` + n.short() + `", "localhost"), P end`)
	old, err := net.Dial("tcp", net.JoinHostPort(n.host(), port))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if _, err := hs.Start(old.RemoteAddr(), old, false, testCookie); err != nil {
		t.Fatal(err)
	}
	n.eventually("length(nodes(hidden))", "1")
	if _, err := l.Ping(ctx, n.name); err != nil {
		t.Fatal(err)
	}
	if got := n.eval("receive {nodedown, _, _} -> receive {nodeup, _, _} -> replaced after 5000 -> gone end after 5000 -> kept end"); got != "replaced" {
		t.Errorf("the older connection was %s", got)
	}
}

// pipe is a connection to nobody, and its other end.
func pipe() (*conn, net.Conn) {
	near, far := net.Pipe()
	return &conn{
		self: "irisops-1@h", creation: 1, peer: "iris_core@h", max: 1 << 20, nc: near,
		writing: make(chan struct{}, 1), gone: make(chan struct{}), pending: map[string]*pendingCall{},
	}, far
}

func TestSilentConnectionIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipe()
		defer far.Close()
		started := time.Now()
		go func() { // ticks for five minutes, and reads our answers
			for range 20 {
				<-time.After(15 * time.Second)
				if _, err := far.Write(make([]byte, 4)); err != nil {
					t.Error(err)
				}
				if _, err := io.ReadFull(far, make([]byte, 4)); err != nil {
					t.Errorf("a tick was not answered: %v", err)
				}
			}
		}()
		c.serve()
		if got, want := time.Since(started), 5*time.Minute+silence; got != want {
			t.Errorf("ended after %v, want %v", got, want)
		}
	})
}

// A node that reads nothing holds up neither other writers nor the reader.
func TestWriterIsHeldUpUntilItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, far := pipe()
		defer far.Close()
		go c.serve()
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			go func() {
				_, err := c.call(ctx, mfa{"m", "f", 0}, nil)
				refused(t, err, actions.CodeHung)
			}()
		}
		synctest.Wait()
		if _, err := far.Write(make([]byte, 4)); err != nil { // a tick is read, if not answered
			t.Error(err)
		}
		<-time.After(time.Second)
		synctest.Wait()
		if c.closing.Load() {
			t.Error("nothing was sent, and yet the connection was closed")
		}
		c.close()
	})
}

func FuzzHandle(f *testing.F) {
	pid := term.NewPid("irisops-1@h", 1, 0, 1)
	f.Add(encode(f, term.Tuple{opSend, term.Atom(""), pid}, term.Tuple{term.Atom("ref"), 1}))
	f.Add(encode(f, term.Tuple{opRegSend, pid, term.Atom(""), term.Atom("rex")}))
	f.Fuzz(func(t *testing.T, message []byte) {
		if len(message) == 0 {
			return
		}
		c, _ := pipe()
		p := c.expect()
		c.handle(message)
		c.forget(p)
	})
}
