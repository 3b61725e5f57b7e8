package edge

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"
)

// fakeEdge is an edge as IRIS's source describes it: mail for somebody absent is
// kept, and deleted as it is handed over at login; what was not acknowledged when
// a client leaves is kept again. Only in one thing it is kinder than IRIS, which
// takes all that it reads together with an acknowledgement as part of the id: how
// far apart they are is another test's matter, and not this machine's load's.
type fakeEdge struct {
	addr string

	// How it misbehaves; set before it is used.
	token      string // demanded of everyone
	limited    bool   // answers logins with RATE_LIMITED
	slow       bool   // answers messages with ff
	silent     bool   // reads and says nothing
	deaf       bool   // logs in, then says nothing
	slams      bool   // closes at once
	answers    []byte // says this instead of anything else
	afterLogin []byte // says this right after LOGIN_OK
	drip       bool   // one byte a segment

	mu      sync.Mutex
	online  map[string]*fakeClient
	mailbox map[string][][]byte
	acks    map[string]int // good acknowledgements by user
	faults  []string       // what a client of the protocol must not do
	nextID  uint64
	left    sync.WaitGroup
}

const idSize = 16 // bytes, as IRIS's own

type fakeClient struct {
	conn    net.Conn
	user    string
	pending map[string][]byte
	leaving bool
}

func newFake(t *testing.T, change func(*fakeEdge)) *fakeEdge {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &fakeEdge{addr: l.Addr().String(), online: map[string]*fakeClient{}, mailbox: map[string][][]byte{}, acks: map[string]int{}}
	if change != nil {
		change(e)
	}
	e.left.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			e.left.Go(func() { e.serve(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		e.left.Wait()
		e.mu.Lock()
		defer e.mu.Unlock()
		for _, f := range e.faults {
			t.Error("the client " + f)
		}
	})
	return e
}

func (e *fakeEdge) serve(conn net.Conn) {
	defer conn.Close()
	if e.slams {
		return
	}
	c := &fakeClient{conn: conn, pending: map[string][]byte{}}
	defer e.leave(c)
	var buf []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := conn.Read(chunk)
		if err != nil {
			return
		}
		if e.silent {
			continue
		}
		if e.answers != nil {
			e.say(conn, e.answers)
			continue
		}
		buf = append(buf, chunk[:n]...)
		e.mu.Lock()
		buf = e.handle(c, buf)
		leaving := c.leaving
		e.mu.Unlock()
		if leaving {
			return
		}
	}
}

// handle takes packets off the front of buf, and returns what is left. The lock
// is held.
func (e *fakeEdge) handle(c *fakeClient, buf []byte) []byte {
	for len(buf) > 0 {
		switch buf[0] {
		case opLogin:
			e.login(c, buf[1:])
			return nil
		case opAck:
			if len(buf) < 1+idSize {
				return buf
			}
			id := string(buf[1 : 1+idSize])
			if _, ok := c.pending[id]; !ok {
				e.faults = append(e.faults, fmt.Sprintf("acknowledges the unknown %q", id))
			}
			delete(c.pending, id)
			e.acks[c.user]++
			buf = buf[1+idSize:]
		case opSend:
			target, rest, ok := cutField(buf[1:])
			if !ok {
				return buf
			}
			message, rest, ok := cutField(rest)
			if !ok {
				return buf
			}
			if c.user == "" {
				e.faults = append(e.faults, "sends before it is logged in")
			}
			switch {
			case e.slow:
				e.say(c.conn, []byte{opSlower, 0, 0, 0, 7})
			case !e.deaf:
				e.route(string(target), bytes.Clone(message))
			}
			buf = rest
		default:
			e.faults = append(e.faults, fmt.Sprintf("says % x", buf))
			return nil
		}
	}
	return nil
}

func cutField(b []byte) (field, rest []byte, ok bool) {
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return nil, nil, false
	}
	n := 2 + int(binary.BigEndian.Uint16(b))
	return b[2:n], b[n:], true
}

func (e *fakeEdge) login(c *fakeClient, data []byte) {
	user, token, _ := bytes.Cut(data, []byte(":"))
	switch {
	case e.limited:
		e.say(c.conn, []byte("RATE_LIMITED"))
		c.leaving = true
		return
	case e.token != "" && string(token) != e.token:
		e.say(c.conn, []byte("AUTH_FAILED"))
		c.leaving = true
		return
	}
	c.user = string(user)
	e.online[c.user] = c
	e.say(c.conn, append([]byte("\x03LOGIN_OK"), e.afterLogin...))
	mail := e.mailbox[c.user]
	delete(e.mailbox, c.user)
	for _, m := range mail {
		e.deliver(c, m)
	}
}

func (e *fakeEdge) route(target string, message []byte) {
	if c, ok := e.online[target]; ok {
		e.deliver(c, message)
	} else {
		e.mailbox[target] = append(e.mailbox[target], message)
	}
}

func (e *fakeEdge) deliver(c *fakeClient, message []byte) {
	e.nextID++
	id := fmt.Sprintf("id-%0*d", idSize-3, e.nextID)
	c.pending[id] = message
	e.say(c.conn, deliveryBytes(id, message))
}

func deliveryBytes(id string, message []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{opDeliver}, uint16(len(id)))
	b = append(b, id...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(message)))
	return append(b, message...)
}

func (e *fakeEdge) say(conn net.Conn, b []byte) {
	if !e.drip {
		_, _ = conn.Write(b)
		return
	}
	for i := range b {
		if _, err := conn.Write(b[i : i+1]); err != nil {
			return
		}
	}
}

func (e *fakeEdge) leave(c *fakeClient) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.online[c.user] == c {
		delete(e.online, c.user)
	}
	for _, m := range c.pending {
		e.mailbox[c.user] = append(e.mailbox[c.user], m)
	}
}

// kept is how much mail waits for a user, once everybody has left.
func (e *fakeEdge) kept(t *testing.T, user string) int {
	t.Helper()
	e.wait(t, func() bool { return len(e.online) == 0 })
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.mailbox[user])
}

func (e *fakeEdge) acked(user string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.acks[user]
}

func (e *fakeEdge) wait(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		e.mu.Lock()
		done := ok()
		e.mu.Unlock()
		if done {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("waited in vain")
		}
	}
}
