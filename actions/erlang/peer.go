package erlang

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ergo-services/ergo/lib"
	"github.com/ergo-services/ergo/node"

	"irisops/actions/erlang/epmd"
)

// peer is a node that is connected or being connected. Guarded by Link.mu.
type peer struct {
	conn       *conn
	connecting *attempt
}

// attempt is one try to connect, for which all wait who want the node.
type attempt struct {
	stage atomic.Int32
	done  chan struct{}
	// Valid once done:
	err error // nil if it connected
	cut bool  // it failed because the one who started it had no more time
}

// Stages of an attempt, to say what kept someone waiting in vain.
const (
	resolving = iota
	askingEPMD
	knocking // dialling the node, then the handshake
)

// hold is a connection to the node, made now if there is none. Who holds it
// releases it. Nobody waits longer than ctx, whatever ergo does.
func (l *Link) hold(ctx context.Context, name string) (*conn, error) {
	for {
		c, a, err := l.look(ctx, name)
		switch {
		case err != nil:
			return nil, err
		case a != nil:
			select {
			case <-a.done:
				if a.err != nil && !(a.cut && ctx.Err() == nil) {
					return nil, a.err
				}
			case <-ctx.Done():
				return nil, late(ctx, name, int(a.stage.Load()))
			}
		case c.closing.Load():
			select {
			case <-c.gone:
			case <-ctx.Done():
				return nil, late(ctx, name, knocking)
			}
		default:
			return c, nil
		}
	}
}

// look finds the connection, and counts one more user of it unless it is about
// to end; or else an attempt under way, which it starts if there is none.
func (l *Link) look(ctx context.Context, name string) (*conn, *attempt, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return nil, nil, errLinkClosed
	}
	p := l.peers[name]
	if p == nil {
		p = &peer{}
		l.peers[name] = p
	}
	if p.conn != nil {
		if !p.conn.closing.Load() {
			p.conn.users++
		}
		return p.conn, nil, nil
	}
	if p.connecting == nil {
		p.connecting = &attempt{done: make(chan struct{})}
		l.running.Add(1)
		go l.attempt(ctx, name, p, p.connecting)
	}
	return nil, p.connecting, nil
}

// release ends a hold.
func (l *Link) release(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.users--
	l.letGo(c)
}

// letGo closes a connection whose time is over once nobody uses it. Its time is
// counted from its start, so that calls which keep coming, as the watch's do,
// cannot hold it for ever.
func (l *Link) letGo(c *conn) {
	if c.expired && c.users == 0 && !c.closing.Load() {
		c.close()
	}
}

// attempt connects to the node within ctx and Options.Connect.
func (l *Link) attempt(ctx context.Context, name string, p *peer, a *attempt) {
	defer l.running.Done()
	bounded, cancel := context.WithTimeout(ctx, l.opts.Connect)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()

	c, err := l.connect(bounded, name, a)

	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil && l.ctx.Err() != nil {
		err = errLinkClosed
	}
	p.connecting = nil
	if err == nil {
		l.serving(name, p, c)
	} else {
		delete(l.peers, name)
		l.opts.Log.Debug("cannot connect to node", "node", name, "error", err)
	}
	a.err, a.cut = err, ctx.Err() != nil
	close(a.done)
}

// serving makes a new connection the peer's, for as long as it lasts.
func (l *Link) serving(name string, p *peer, c *conn) {
	select {
	case <-c.gone: // ended already
		delete(l.peers, name)
		return
	default:
	}
	if l.ctx.Err() != nil {
		c.close() // ergo's node may have stopped before it knew this connection
	}
	l.opts.Log.Debug("connected to node", "node", name)
	p.conn = c
	c.timer = time.AfterFunc(l.opts.IdleAfter, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		c.expired = true
		l.letGo(c)
	})
}

// ended is called when a connection is gone from ergo's list too.
func (l *Link) ended(name string, c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.peers[name]; p != nil && p.conn == c {
		delete(l.peers, name)
		c.timer.Stop()
		l.opts.Log.Debug("disconnected from node", "node", name)
	}
	close(c.gone)
	l.running.Done()
}

// connect finds the node's port, has ergo dial it and shake hands, and tells each
// failure from the others.
func (l *Link) connect(ctx context.Context, name string, a *attempt) (*conn, error) {
	short, host, ok := strings.Cut(name, "@")
	if !ok || short == "" || host == "" || strings.Contains(host, "@") {
		return nil, notANode(name)
	}
	if _, err := net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return nil, noHost(ctx, host, err)
	}
	a.stage.Store(askingEPMD)
	port, err := epmd.Port(ctx, net.JoinHostPort(host, strconv.Itoa(l.opts.EPMDPort)), short)
	if err != nil {
		return nil, err
	}
	a.stage.Store(knocking)

	for {
		c, err := l.knock(ctx, name, host, port)
		if err != errBusy {
			return c, err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, late(ctx, name, knocking)
		}
	}
}

// knock has ergo dial the node and shake hands.
func (l *Link) knock(ctx context.Context, name, host string, port int) (*conn, error) {
	hs, err := newHandshake(ctx, l.name, l.creation, name)
	if err != nil {
		return nil, err
	}
	proto := &protocol{start: func(nc lib.NetReadWriter) *conn { return l.newConn(nc, name) }}
	l.routes.set(node.Route{Node: name, Host: host, Port: uint16(port), Options: node.RouteOptions{
		Cookie: string(l.opts.Cookie), Handshake: hs, Proto: proto,
		IsErgo: true, TLS: l.tlsFor(host), // of others ergo would ask its own settings for TLS
	}})
	err = l.node.Connect(name)
	c := proto.connected()
	switch {
	case c != nil && err == nil:
		return c, nil
	case c != nil: // ergo opened it, but does not serve it
		c.close()
		c.ended()
	case hs.err != nil:
		return nil, hs.err
	case ctx.Err() != nil:
		return nil, late(ctx, name, knocking)
	}
	return nil, l.whyNoConnection(ctx, name, host, port, err)
}

// whyNoConnection dials once more, because of a failed dial ergo says nothing but
// "no route to node".
func (l *Link) whyNoConnection(ctx context.Context, name, host string, port int, err error) error {
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	var d net.Dialer
	nc, dialErr := d.DialContext(ctx, "tcp", addr)
	if dialErr != nil {
		return notReached(ctx, name, addr, dialErr)
	}
	defer nc.Close()
	if why := l.tryTLS(ctx, nc, name, host); why != nil {
		return why
	}
	return notReached(ctx, name, addr, err)
}

func (l *Link) newConn(nc lib.NetReadWriter, name string) *conn {
	c := &conn{
		self: l.name, creation: l.creation, peer: name, max: l.opts.MaxReply, nc: nc,
		writing: make(chan struct{}, 1), gone: make(chan struct{}), pending: map[string]*pendingCall{},
	}
	l.running.Add(1)
	c.ended = func() { l.ended(name, c) }
	return c
}
