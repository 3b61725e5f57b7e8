package cluster

import (
	"bytes"
	"context"
	"crypto/md5"
	wire "encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/erlang"
	"irisops/actions/erlang/term"
)

// simulated is a cluster of programs that speak Erlang's distribution and answer
// rex as the nodes of a world do, so that the link is the real one and the nodes
// are many. Whoever is deaf lets the link in and never answers; whoever is stopped
// takes connections and says nothing.
func simulated(t testing.TB, w *world, opt Options) *Cluster {
	const cookie = "simulated_cookie"
	listen := func(serve func(net.Conn)) int {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer conn.Close()
					serve(conn)
				}()
			}
		}()
		return l.Addr().(*net.TCPAddr).Port
	}
	ports := map[string]int{}
	spec := Spec{Name: "main"}
	for _, f := range w.nodes {
		ports[f.Alive()] = listen(func(conn net.Conn) { play(conn, w, f, cookie) })
		spec.Nodes = append(spec.Nodes, f.Node)
	}
	epmd := listen(func(conn net.Conn) { playEPMD(conn, ports) })
	link, err := erlang.New(erlang.Options{Cookie: cookie, EPMDPort: epmd})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	return New(spec, link, w, w, opt)
}

// many are n nodes: two cores, and edges; the last of them hang.
func many(n, hanging int) *world {
	var nodes []Node
	for i := range n {
		node := edge(fmt.Sprintf("edge%d", i-1), 8083+i)
		if i < 2 {
			node = core(fmt.Sprintf("core%d", i+1))
		}
		node.Name = node.Alive() + "@127.0.0.1"
		nodes = append(nodes, node)
	}
	w := newWorld(nodes...)
	for _, a := range w.nodes {
		for _, b := range w.nodes {
			if a != b && (a.Role == CoreRole || b.Role == CoreRole) {
				a.peers[b.Name] = true
			}
		}
	}
	for i := range hanging {
		if f := w.nodes[n-1-i]; i%2 == 0 {
			f.deaf = true
		} else {
			f.state = "stopped"
		}
	}
	return w
}

// playEPMD answers PORT_PLEASE2_REQ.
func playEPMD(conn net.Conn, ports map[string]int) {
	request, err := short(conn)
	if err != nil || len(request) == 0 || request[0] != 122 {
		return
	}
	name := string(request[1:])
	port, ok := ports[name]
	if !ok {
		_, _ = conn.Write([]byte{119, 1})
		return
	}
	reply := wire.BigEndian.AppendUint16([]byte{119, 0}, uint16(port))
	reply = append(reply, 77, 0, 0, 6, 0, 5)
	reply = append(wire.BigEndian.AppendUint16(reply, uint16(len(name))), name...)
	_, _ = conn.Write(append(reply, 0, 0))
}

// short reads a message with two bytes of length.
func short(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	message := make([]byte, wire.BigEndian.Uint16(head[:]))
	_, err := io.ReadFull(r, message)
	return message, err
}

// play is one connection to a node: the handshake of version 6, then calls of rex.
func play(conn net.Conn, w *world, f *fakeNode, cookie string) {
	if f.state == "stopped" {
		_, _ = io.Copy(io.Discard, conn)
		return
	}
	say := func(message []byte) {
		_, _ = conn.Write(append(wire.BigEndian.AppendUint16(nil, uint16(len(message))), message...))
	}
	name, err := short(conn) // N, flags 8, creation 4, length 2, name
	if err != nil || len(name) < 15 || name[0] != 'N' {
		return
	}
	say([]byte("sok"))
	const challenge = 4711
	hello := append([]byte{'N'}, name[1:9]...) // the same flags
	hello = wire.BigEndian.AppendUint32(wire.BigEndian.AppendUint32(hello, challenge), 1)
	say(append(wire.BigEndian.AppendUint16(hello, uint16(len(f.Name))), f.Name...))
	proof, err := short(conn) // r, challenge 4, digest 16
	if err != nil || len(proof) != 21 {
		return
	}
	digest := func(n uint32) []byte { d := md5.Sum([]byte(fmt.Sprintf("%s%d", cookie, n))); return d[:] }
	if !bytes.Equal(proof[5:], digest(challenge)) {
		return
	}
	say(append([]byte{'a'}, digest(wire.BigEndian.Uint32(proof[1:]))...))
	for {
		var head [4]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		message := make([]byte, wire.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(conn, message); err != nil {
			return
		}
		if len(message) > 0 && !f.deaf {
			if reply := rex(w, f, message[1:]); reply != nil {
				_, _ = conn.Write(reply)
			}
		}
	}
}

// rex answers {'$gen_call', {Pid, Ref}, {call, M, F, Args, Leader}}.
func rex(w *world, f *fakeNode, message []byte) []byte {
	_, rest, err := term.Decode(message)
	if err != nil {
		return nil
	}
	payload, _, err := term.Decode(rest)
	if err != nil {
		return nil
	}
	ask := payload.(term.Tuple)
	from, call := ask[1].(term.Tuple), ask[2].(term.Tuple)
	module, function := string(call[1].(term.Atom)), string(call[2].(term.Atom))
	args, _ := term.AsList(call[3])
	var value term.Term
	switch {
	case module+":"+function == "erlang:node":
		value = term.Atom(f.Name)
	default:
		if value, err = w.Call(context.Background(), f.Name, module, function, args...); err != nil {
			value = term.Tuple{atom("badrpc"), term.Tuple{atom("EXIT"), term.Tuple{atom("undef"), term.List{}}}}
		}
	}
	reply := []byte{0, 0, 0, 0, 112}
	for _, t := range []term.Term{term.Tuple{int64(2), atom(""), from[0]}, term.Tuple{from[1], value}} {
		if reply, err = term.Append(reply, t); err != nil {
			return nil
		}
	}
	wire.BigEndian.PutUint32(reply, uint32(len(reply)-4))
	return reply
}

// partial wants the answers of those that answer whole, and those of the hanging
// ones marked.
func partial(t testing.TB, w *world, r actions.Result) {
	t.Helper()
	d := r.Data.(Diagnosis)
	if len(d.Findings) != len(w.nodes)*len(fullChecks) {
		t.Errorf("%d findings", len(d.Findings))
	}
	for _, f := range d.Findings {
		n := w.get(f.Node)
		hangs := n.deaf || n.state == "stopped"
		answered := f.Result == actions.OK || f.Result == actions.Advice || f.Result == actions.NotApplicable
		local := f.Check == checkEPMD.name || f.Check == checkProcess.name || f.Check == checkPort.name || f.Check == checkLog.name || f.Check == checkHost.name
		switch {
		case !hangs && !answered:
			t.Errorf("%s %s is %s: %s", f.Node, f.Check, f.Result, f.Evidence)
		case hangs && f.Check == checkPing.name && f.Result != actions.Critical:
			t.Errorf("%s hangs, and its ping is %s: %s", f.Node, f.Result, f.Evidence)
		case hangs && answered && !local && f.Result != actions.NotApplicable:
			t.Errorf("%s hangs, and %s is %s: %s", f.Node, f.Check, f.Result, f.Evidence)
		}
	}
}

// Fifty nodes are asked over the real link; the five that hang are named, and
// hide nothing of the others.
func TestFiftyNodes(t *testing.T) {
	w := many(50, 5)
	c := simulated(t, w, Options{Full: 5 * time.Second, Sample: 10 * time.Millisecond, SlowPing: time.Minute, SlowLogin: time.Minute, BadLogin: time.Hour})
	r := do(t, c, "diagnose", actions.Args{"mode": modeFull})
	partial(t, w, r)
	for _, short := range []string{"edge44", "edge45", "edge46", "edge47", "edge48"} {
		if !strings.Contains(r.Headline, short+" hung: ") {
			t.Errorf("%s is not named: %s", short, r.Headline)
		}
	}
	if !strings.Contains(r.Headline, "the other 45 healthy") {
		t.Error(r.Headline)
	}
}
