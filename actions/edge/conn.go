// Package edge speaks IRIS's wire protocol to the client port of an edge, as one
// of its users does: log in, send, receive, acknowledge. Its prober tells
// whether clients can connect and get their messages, and how fast.
//
// A login and an acknowledgement have no length on the wire: the edge takes
// whatever it reads together with them as part of the name or the id. So a Conn
// sends each alone, and nothing right after it. (Seen on IRIS: of 30
// acknowledgements sent at once none was understood, and all 30 messages came
// again; of 30 sent apart none came again.)
package edge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"irisops/actions"
)

const (
	// ackGap keeps what follows an acknowledgement out of the read in which the
	// edge takes it. A segment of its own is not enough: two segments that are
	// there when the edge reads are one. An edge that is too busy to read for so
	// long loses the acknowledgements, and delivers those messages again at the
	// next login; that is all.
	ackGap = 20 * time.Millisecond

	// closeGrace is how long Close waits for the edge to close its side.
	closeGrace = 250 * time.Millisecond

	readChunk = 4 << 10 // bytes
)

// Conn is one client's connection to an edge. It is used by one goroutine at a
// time.
type Conn struct {
	addr    string
	tcp     halfCloser
	buf     []byte    // read, not yet decoded
	lastAck time.Time // when the last acknowledgement was sent
	broken  bool      // after a failure: no manners on leaving
}

// halfCloser is what is used of a *net.TCPConn.
type halfCloser interface {
	net.Conn
	CloseWrite() error
}

// Delivery is a message that the edge delivers, and that it wants acknowledged.
type Delivery struct {
	ID   []byte
	Body []byte
}

// Dial connects to an edge's client port, host:port.
func Dial(ctx context.Context, addr string) (*Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, dialError(ctx, addr, err)
	}
	tcp := c.(*net.TCPConn) // what dialing "tcp" gives
	_ = tcp.SetNoDelay(true)
	return &Conn{addr: addr, tcp: tcp}, nil
}

// Login logs the user in; an empty token is none. What the edge has kept for the
// user while it was away arrives afterwards, as deliveries.
func (c *Conn) Login(ctx context.Context, user, token string) error {
	if err := checkUser(user, token); err != nil {
		return err
	}
	if err := c.write(ctx, encodeLogin(user, token)); err != nil {
		return err
	}
	for {
		f, err := c.read(ctx)
		if err != nil {
			return c.fault(ctx, err, "the login of "+user)
		}
		switch f.kind {
		case loggedIn:
			return nil
		case notice:
		case delivery:
			return c.fault(ctx, fmt.Errorf("%w: a message before the login's answer", errUnexpected), "")
		default:
			return c.refusal(f, user)
		}
	}
}

// checkUser refuses names that the edge would read as something else.
func checkUser(user, token string) error {
	switch {
	case user == "" || strings.Contains(user, ":"):
		return actions.Errorf(CodeBadUser, "%q is not a user's name: it must not be empty or contain a colon.", user)
	case len(encodeLogin(user, token)) > 1+maxLogin:
		return &actions.Error{Code: CodeBadUser,
			Text: fmt.Sprintf("The name of user %.40q and its token have more than %d bytes together, which IRIS ignores without an answer.", user, maxLogin-1),
			Hint: "Use a shorter token."}
	}
	return nil
}

// Send asks the edge to deliver a message. The edge does not answer.
func (c *Conn) Send(ctx context.Context, target string, message []byte) error {
	if target == "" || len(target) > maxName {
		return actions.Errorf(CodeBadUser, "A user's name has 1 to %d bytes; this one has %d.", maxName, len(target))
	}
	if len(message) > maxSend {
		return actions.Errorf(actions.CodeTooLarge, "A message has at most %d bytes; this one has %d.", maxSend, len(message))
	}
	return c.write(ctx, encodeSend(target, message))
}

// Receive waits for the next delivery.
func (c *Conn) Receive(ctx context.Context) (Delivery, error) {
	for {
		f, err := c.read(ctx)
		if err != nil {
			return Delivery{}, c.fault(ctx, err, "")
		}
		switch f.kind {
		case delivery:
			return Delivery{ID: f.id, Body: f.body}, nil
		case notice:
		default:
			return Delivery{}, c.refusal(f, "")
		}
	}
}

// Ack acknowledges a delivery, alone in its segment.
func (c *Conn) Ack(ctx context.Context, d Delivery) error {
	err := c.write(ctx, encodeAck(d.ID))
	c.lastAck = time.Now()
	return err
}

// Close logs out: it closes our side and waits a moment for the edge to close
// its own. Closing at once with something unread would reset the connection, and
// could take the last acknowledgement with it.
func (c *Conn) Close() error {
	if err := c.tcp.CloseWrite(); err == nil {
		_ = c.tcp.SetReadDeadline(time.Now().Add(closeGrace))
		var rest [readChunk]byte
		for err == nil {
			_, err = c.tcp.Read(rest[:])
		}
	}
	return c.tcp.Close()
}

// write sends one segment, not sooner than ackGap after an acknowledgement.
func (c *Conn) write(ctx context.Context, b []byte) error {
	if wait := ackGap - time.Since(c.lastAck); !c.lastAck.IsZero() && wait > 0 {
		gap := time.NewTimer(wait)
		defer gap.Stop()
		select {
		case <-gap.C:
		case <-ctx.Done():
			return c.fault(ctx, ctx.Err(), "")
		}
	}
	defer c.bound(ctx)()
	if _, err := c.tcp.Write(b); err != nil {
		return c.fault(ctx, err, "")
	}
	return nil
}

// read gives the next frame. Its slices stay valid: buf only grows behind them.
func (c *Conn) read(ctx context.Context) (frame, error) {
	defer c.bound(ctx)()
	for {
		f, n, err := decode(c.buf)
		if err != nil {
			return frame{}, err
		}
		if n > 0 {
			c.buf = c.buf[n:]
			return f, nil
		}
		var chunk [readChunk]byte
		got, err := c.tcp.Read(chunk[:])
		c.buf = append(c.buf, chunk[:got]...)
		if err != nil && got == 0 {
			return frame{}, err
		}
	}
}

// bound makes reads and writes end when ctx does, until it is released.
func (c *Conn) bound(ctx context.Context) (release func()) {
	_ = c.tcp.SetDeadline(time.Time{})
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = c.tcp.SetDeadline(time.Unix(1, 0))
		close(done)
	})
	return func() {
		if !stop() {
			<-done // or it could end the next read instead
		}
	}
}

// quiet says whether an error of reading is only that nothing came in time.
func quiet(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
