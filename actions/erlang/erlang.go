// Package erlang asks Erlang nodes: the hidden link. It is the only importer of
// ergo, and implements what package cluster calls Erlang.
//
// A Link is a hidden ergo node. The nodes it asks do not see it in nodes(), only
// in nodes(hidden) while it is connected; global and Mnesia take no notice of it;
// it stands in no epmd, accepts no connection, and runs no Erlang process that
// could be reached. It connects when it is asked something, and disconnects a few
// seconds later, because IRIS takes connected nodes into account even where it
// should not.
//
// Ergo (2.2.4, tagged v1.999.224) gives the node, the dialling and the handshake
// with the cookie; see ergo.go. The messages after the handshake are read and
// written here (conn.go), for ergo's own reader and writer do not keep what this
// program promises: they put no bound on a reply, which comes in fragments;
// closing a connection while others send on it can block a sender for ever; and a
// reply with a binary as a map's key, or a string of 65,534 characters, ends the
// connection. Here a reply too large is skipped, a reply that cannot be read fails
// its own call only, and all terms arrive as package term describes them.
package erlang

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/ergo-services/ergo/node"

	"irisops/actions"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
)

// Cookie is a cluster's secret, as good as root on its nodes. However it is
// printed, logged or encoded, it shows as "[cookie]".
type Cookie string

func (Cookie) Format(w fmt.State, _ rune)   { _, _ = io.WriteString(w, "[cookie]") }
func (Cookie) MarshalText() ([]byte, error) { return []byte("[cookie]"), nil }

// Options are a Link's settings.
//
// A connection ends IdleAfter after it was made, or as soon after that as no call
// is under way: never later than IdleAfter after the last call, and also when calls
// keep coming. The next call makes a new one, in a few milliseconds.
type Options struct {
	Cookie Cookie // required

	TLS       *tls.Config   `json:"-"` // of nodes started with -proto_dist inet_tls; default nil: plain TCP
	EPMDPort  int           // on every host of the cluster; default 4369
	IdleAfter time.Duration // how long a connection is kept; see below; default 5 s
	MaxReply  int           // bound of one reply in Erlang's external format, in bytes; default 8 MiB
	Connect   time.Duration // bound of resolving, connecting and handshake together; default 5 s
	Call      time.Duration // bound of a call whose context has no deadline; default 10 s
	Log       *slog.Logger  // connects and disconnects, at debug level; default none
}

// Link is a hidden node of one cluster. It may be used from many goroutines at
// once, also for the same node; a node that hangs delays no other.
type Link struct {
	opts Options
	node node.Node
	name string // "irisops-61000@host"

	creation uint32
	routes   *routes
	cancel   context.CancelFunc
	ctx      context.Context // ends when the link is closed
	running  sync.WaitGroup  // goroutines that connect or serve a connection

	mu    sync.Mutex
	peers map[string]*peer
}

// New starts a link. It talks to nobody yet.
func New(opts Options) (*Link, error) {
	if opts.Cookie == "" {
		return nil, actions.Errorf("no-cookie", "The cluster has no cookie.")
	}
	opts.EPMDPort = cmp.Or(opts.EPMDPort, epmd.DefaultPort)
	opts.IdleAfter = cmp.Or(opts.IdleAfter, 5*time.Second)
	opts.MaxReply = cmp.Or(opts.MaxReply, 8<<20)
	opts.Connect = cmp.Or(opts.Connect, 5*time.Second)
	opts.Call = cmp.Or(opts.Call, 10*time.Second)
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	l := &Link{opts: opts, routes: newRoutes(), peers: map[string]*peer{}, creation: uint32(time.Now().Unix())}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	n, err := startNode(l.ctx, l.creation, l.routes)
	if err != nil {
		l.cancel()
		return nil, err
	}
	l.node, l.name = n, n.Name()
	return l, nil
}

// Name is the name under which nodes see the link in nodes(hidden).
func (l *Link) Name() string { return l.name }

// Close disconnects from every node and returns when nothing of the link runs
// any more, which takes a moment at most. Calls under way fail.
func (l *Link) Close() error {
	l.mu.Lock()
	l.cancel()
	l.mu.Unlock()
	l.node.Stop()
	l.running.Wait()
	return nil
}

// Ping is the time of one round trip of erlang:node/0, connecting not included:
// the node is up, lets us in, and answers under its own name.
func (l *Link) Ping(ctx context.Context, name string) (time.Duration, error) {
	reply, took, err := l.ask(ctx, name, mfa{"erlang", "node", 0}, nil)
	if err != nil {
		return 0, err
	}
	if reply != term.Atom(name) {
		return 0, actions.Errorf(actions.CodeRefused, "The node at %s's port calls itself %s.", name, term.Outline(reply, 80))
	}
	return took, nil
}

// Call is what rpc:call does: it runs module:function(args...) in a process of
// its own on the node and returns its value, or the value it threw. Module and
// function are constants of the calling program and become atoms there; so does
// every term.Atom in args: none of them may come from what a person typed.
//
// It ends with ctx, or after Options.Call if ctx has no deadline; the function
// may then still run, or never have been called. Failures are *actions.Error with
// the codes of package actions. Neither arguments nor replies stand in them.
func (l *Link) Call(ctx context.Context, name, module, function string, args ...term.Term) (term.Term, error) {
	reply, _, err := l.ask(ctx, name, mfa{module, function, len(args)}, args)
	return reply, err
}

// ask makes one call and measures it. Only a call that certainly was not sent is
// made again.
func (l *Link) ask(ctx context.Context, name string, what mfa, args []term.Term) (term.Term, time.Duration, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.opts.Call)
		defer cancel()
	}
	if ctx.Err() != nil {
		return nil, 0, cancelled(ctx)
	}
	for {
		c, err := l.hold(ctx, name)
		if err != nil {
			return nil, 0, err
		}
		started := time.Now()
		reply, err := c.call(ctx, what, args)
		took := time.Since(started)
		l.release(c)
		if err != errUnsent {
			return reply, took, err
		}
	}
}
