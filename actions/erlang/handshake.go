package erlang

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/ergo-services/ergo/lib"
	"github.com/ergo-services/ergo/node"
	"github.com/ergo-services/ergo/proto/dist"
)

// Flags of the handshake that ergo does not get right:
// https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html#distribution-flags
const (
	flagPublished      = 1 << 0  // without it we are hidden
	flagUnlinkID       = 1 << 25 // demanded by OTP 26
	flagMandatory25    = 1 << 26 // stands for what OTP 25 demands
	flagV4NodesAndRefs = 1 << 34 // demanded by OTP 26
)

func hiddenFlags(announced uint64) uint64 {
	return announced&^flagPublished | flagUnlinkID | flagMandatory25 | flagV4NodesAndRefs
}

// handshake is ergo's handshake of version 6 for one attempt to connect, with
// what it leaves out: hidden flags, an end in time, messages that arrive in
// pieces, a node that still holds an older connection of ours, and an error that
// tells what went wrong.
type handshake struct {
	node.HandshakeInterface
	ctx  context.Context // with a deadline
	want string          // the full name of the node that must answer
	err  error           // classified, once Start has failed
}

func newHandshake(ctx context.Context, self string, creation uint32, want string) (*handshake, error) {
	h := dist.CreateHandshake(dist.HandshakeOptions{
		Version: dist.HandshakeVersion6,
		// Never reached, because ctx ends before. It must not be: ergo then gives
		// back a buffer that it still reads into.
		Timeout: time.Hour,
	})
	if err := h.Init(self, creation, flags); err != nil {
		return nil, err
	}
	return &handshake{HandshakeInterface: h, ctx: ctx, want: want}, nil
}

func (h *handshake) Start(remote net.Addr, nc lib.NetReadWriter, tls bool, cookie string) (node.HandshakeDetails, error) {
	g := &guard{nc: nc, tls: tls}
	deadline, _ := h.ctx.Deadline()
	_ = g.SetReadDeadline(deadline)
	_ = g.SetWriteDeadline(deadline)
	stop := context.AfterFunc(h.ctx, func() {
		past := time.Unix(1, 0)
		_ = nc.SetReadDeadline(past)
		_ = nc.SetWriteDeadline(past)
	})
	details, err := h.start(remote, g, cookie)
	if err == nil && details.Name != h.want {
		err = errOtherNode{details.Name}
	}
	if !stop() && err == nil {
		err = h.ctx.Err()
	}
	if err != nil {
		h.err = handshakeFailed(h.ctx, h.want, g, err)
		return node.HandshakeDetails{}, err
	}
	_ = nc.SetReadDeadline(time.Time{})
	_ = nc.SetWriteDeadline(time.Time{})
	return details, nil
}

// start keeps a malformed message, on which ergo panics, from ending the program.
func (h *handshake) start(remote net.Addr, g *guard, cookie string) (d node.HandshakeDetails, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("a malformed message")
		}
	}()
	return h.HandshakeInterface.Start(remote, g, false, cookie)
}

type errOtherNode struct{ name string }

func (e errOtherNode) Error() string { return fmt.Sprintf("the node calls itself %s", e.name) }

// maxHandshake bounds a message of the handshake, in bytes: the longest has 19
// and the name of a node, of at most 255 characters.
const maxHandshake = 2048

// guard stands between ergo's handshake and the connection. It hands over exactly
// one message a Read, corrects the flags we announce, and remembers how far the
// handshake came.
type guard struct {
	nc     lib.NetReadWriter
	tls    bool   // see tls.go
	status string // the node's answer to our name
	proved bool   // we have sent our proof of the cookie
}

func (g *guard) SetReadDeadline(t time.Time) error  { return g.nc.SetReadDeadline(t) }
func (g *guard) SetWriteDeadline(t time.Time) error { return g.nc.SetWriteDeadline(t) }

func (g *guard) Write(p []byte) (int, error) {
	if len(p) >= 11 && p[2] == 'N' {
		binary.BigEndian.PutUint64(p[3:], hiddenFlags(binary.BigEndian.Uint64(p[3:])))
	}
	if len(p) > 2 && p[2] == 'r' {
		g.proved = true
	}
	return g.writeMessage(p)
}

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.readLength()
	if err != nil {
		return 0, err
	}
	if n == 0 || n > min(maxHandshake, len(p)-2) {
		return 0, fmt.Errorf("a handshake message of %d bytes", n)
	}
	message := p[2 : 2+n]
	if _, err := io.ReadFull(g.nc, message); err != nil {
		return 0, err
	}
	if message[0] == 's' {
		g.status = string(message[1:])
		if err := g.proceed(); err != nil {
			return 0, err
		}
		n = copy(message, "sok") // all that ergo understands
	}
	binary.BigEndian.PutUint16(p, uint16(n))
	return 2 + n, nil
}

// proceed acts on the node's status message.
func (g *guard) proceed() error {
	switch g.status {
	case "ok", "ok_simultaneous":
		return nil
	case "alive":
		// The node holds an older connection under our name, of which it has not
		// yet seen the end. Yes, this one takes its place.
		_, err := g.writeMessage([]byte("\x00\x05strue"))
		return err
	}
	return fmt.Errorf("status %.40q", g.status)
}
