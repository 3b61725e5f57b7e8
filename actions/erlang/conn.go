package erlang

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ergo-services/ergo/lib"

	"irisops/actions/erlang/term"
)

// Messages between connected nodes, when neither an atom cache nor fragmentation
// was agreed upon: four bytes of length, the tag 112, a control term, and for some
// of them a payload. A length of 0 is a tick: "I am still here".
const (
	passThrough = 112

	// Control terms: {2, Unused, ToPid} and {6, FromPid, Unused, ToName}.
	opSend    = 2
	opRegSend = 6

	// silence is when a connection is given up on which not even ticks arrive.
	// Nodes send one every 15 s, unless told otherwise by net_ticktime.
	silence = 75 * time.Second

	// peek is how much of a reply too large is read to find out whose it is.
	peek = 4096

	// skippable bounds what is read and thrown away to keep a connection. After a
	// larger reply it is cheaper to connect again.
	skippable = 128 << 20
)

var errClosedHere = errors.New("closed on this side")

// conn is one connection to one node, from handshake to end.
type conn struct {
	self     string
	creation uint32 // of self
	peer     string
	max      int // bytes of a reply
	nc       lib.NetReadWriter
	writing  chan struct{} // holds a token while somebody writes
	gone     chan struct{} // closed when ergo has forgotten the connection
	ended    func()        // closes gone; called once
	closing  atomic.Bool

	// Guarded by Link.mu.
	users   int
	expired bool // its time is over; close it when users is 0
	timer   *time.Timer

	mu      sync.Mutex
	last    uint32 // number of the latest call
	pending map[string]*pendingCall
	err     error // why the connection ended
}

// pendingCall waits for a reply to a process id of its own, so that the control
// term alone says whose reply it is.
type pendingCall struct {
	pid   term.Pid
	ref   term.Ref
	reply chan reply // of capacity 1
}

type reply struct {
	value term.Term
	err   error
}

type tooLarge struct{ size, max int }

func (e tooLarge) Error() string {
	return fmt.Sprintf("a reply of %d bytes; at most %d", e.size, e.max)
}

// errUnsent is a call that certainly did not leave, because the connection had
// ended.
var errUnsent = errors.New("the connection had ended")

// call runs one function in a process of rex, the rpc server of every node.
func (c *conn) call(ctx context.Context, what mfa, args []term.Term) (term.Term, error) {
	p := c.expect()
	if p == nil {
		return nil, errUnsent
	}
	defer c.forget(p)
	message, err := request(p, what, args)
	if err != nil {
		return nil, fmt.Errorf("calling %s: %w", what, err)
	}
	if err := c.write(ctx, message); err == errUnsent {
		return nil, err
	} else if err != nil {
		return nil, callFailed(ctx, c.peer, what, err)
	}
	select {
	case r := <-p.reply:
		if r.err != nil {
			return nil, callFailed(ctx, c.peer, what, r.err)
		}
		return value(c.peer, what, r.value)
	case <-ctx.Done():
		return nil, callFailed(ctx, c.peer, what, ctx.Err())
	}
}

// request is gen_server's call of rex: {'$gen_call', From, {call, M, F, Args,
// GroupLeader}}, answered with {Ref, Value}.
func request(p *pendingCall, what mfa, args []term.Term) ([]byte, error) {
	b := []byte{0, 0, 0, 0, passThrough}
	b, err := term.Append(b, term.Tuple{opRegSend, p.pid, term.Atom(""), term.Atom("rex")})
	if err != nil {
		return nil, err
	}
	b, err = term.Append(b, term.Tuple{
		term.Atom("$gen_call"),
		term.Tuple{p.pid, p.ref},
		term.Tuple{term.Atom("call"), term.Atom(what.module), term.Atom(what.function), term.List(args), term.Atom("user")},
	})
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b, nil
}

// expect prepares for a reply, or returns nil if the connection has ended.
func (c *conn) expect() *pendingCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil
	}
	for {
		c.last++
		pid := term.NewPid(c.self, c.last&0x7fff, c.last>>15&0x1fff, c.creation)
		if _, taken := c.pending[pid.Text]; taken {
			continue
		}
		ref := term.NewRef(c.self, c.creation, [3]uint32{c.last & 0x3ffff, rand.Uint32(), rand.Uint32()})
		p := &pendingCall{pid: pid, ref: ref, reply: make(chan reply, 1)}
		c.pending[pid.Text] = p
		return p
	}
}

func (c *conn) forget(p *pendingCall) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, p.pid.Text)
}

// take is the call that waits as that process, which then waits no longer.
func (c *conn) take(pid term.Pid) *pendingCall {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pending[pid.Text]
	if p == nil || p.pid != pid {
		return nil
	}
	delete(c.pending, pid.Text)
	return p
}

// write sends a message whole, or ends the connection if it may have sent a part.
func (c *conn) write(ctx context.Context, message []byte) error {
	select {
	case c.writing <- struct{}{}:
		defer func() { <-c.writing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	_ = c.nc.SetWriteDeadline(time.Time{})
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		_ = c.nc.SetWriteDeadline(time.Unix(1, 0))
	})
	n, err := c.nc.Write(message)
	if !stop() {
		<-interrupted // or it would interrupt the next writer
	}
	timeUp := errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil
	if c.spoilt(n, err) || err != nil && !timeUp {
		c.close()
	}
	switch {
	case timeUp:
		return ctx.Err()
	case err != nil && n == 0:
		return errUnsent
	}
	return err
}

// close ends the connection. serve then returns.
func (c *conn) close() {
	c.closing.Store(true)
	if secure, ok := c.nc.(*tls.Conn); ok {
		_ = secure.NetConn().Close() // to say good-bye first could take seconds
		return
	}
	if closer, ok := c.nc.(io.Closer); ok {
		_ = closer.Close()
	}
}

// serve reads until the connection ends.
func (c *conn) serve() {
	err := c.read()
	if c.closing.Load() {
		err = errClosedHere
	}
	c.close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = err
	for _, p := range c.pending {
		p.reply <- reply{err: err}
	}
	clear(c.pending)
}

func (c *conn) read() error {
	r := bufio.NewReaderSize(impatient{c.nc}, 64<<10)
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return err
		}
		size := int64(binary.BigEndian.Uint32(head[:]))
		switch {
		case size == 0:
			c.tick()
		case size > int64(c.max):
			if err := c.skip(r, size); err != nil {
				return err
			}
		default:
			message := make([]byte, size)
			if _, err := io.ReadFull(r, message); err != nil {
				return err
			}
			c.handle(message)
		}
	}
}

// tick answers a tick, so that the node does not take us for dead while a call
// takes long. Who writes already needs none.
func (c *conn) tick() {
	select {
	case c.writing <- struct{}{}:
	default:
		return
	}
	defer func() { <-c.writing }()
	_ = c.nc.SetWriteDeadline(time.Now().Add(time.Second))
	if n, err := c.nc.Write(make([]byte, 4)); c.spoilt(n, err) {
		c.close()
	}
}

// handle takes in one message. Only replies are for us; that nodes send hidden
// nodes other things now and then is their affair.
func (c *conn) handle(message []byte) {
	pid, rest, ok := addressee(message)
	if !ok {
		return
	}
	p := c.take(pid)
	if p == nil {
		return // its caller has left
	}
	payload, _, err := term.Decode(rest)
	if err != nil {
		p.reply <- reply{err: errUnreadable{err}}
		return
	}
	t, ok := payload.(term.Tuple)
	if !ok || len(t) != 2 || t[0] != p.ref {
		p.reply <- reply{err: errUnreadable{errors.New("not a reply to the call")}}
		return
	}
	p.reply <- reply{value: t[1]}
}

// skip reads over a message that is too large, and tells its caller.
func (c *conn) skip(r io.Reader, size int64) error {
	head := make([]byte, min(size, peek))
	if _, err := io.ReadFull(r, head); err != nil {
		return err
	}
	if size > skippable {
		c.close() // first, so that the caller's next call finds a new connection
	}
	if pid, _, ok := addressee(head); ok {
		if p := c.take(pid); p != nil {
			p.reply <- reply{err: tooLarge{size: int(size), max: c.max}}
		}
	}
	if size > skippable {
		return fmt.Errorf("a message of %d bytes", size)
	}
	_, err := io.CopyN(io.Discard, r, size-int64(len(head)))
	return err
}

// addressee is the process that a message is sent to, and the message's payload.
func addressee(message []byte) (to term.Pid, payload []byte, ok bool) {
	if message[0] != passThrough {
		return to, nil, false
	}
	control, payload, err := term.Decode(message[1:])
	if err != nil {
		return to, nil, false
	}
	t, ok := control.(term.Tuple)
	if !ok || len(t) != 3 || t[0] != int64(opSend) {
		return to, nil, false
	}
	to, ok = t[2].(term.Pid)
	return to, payload, ok
}

// impatient gives up a connection on which nothing arrives.
type impatient struct{ nc lib.NetReadWriter }

func (r impatient) Read(p []byte) (int, error) {
	if err := r.nc.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	return r.nc.Read(p)
}
