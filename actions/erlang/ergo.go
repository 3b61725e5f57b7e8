package erlang

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/ergo-services/ergo/etf"
	"github.com/ergo-services/ergo/lib"
	"github.com/ergo-services/ergo/node"

	"irisops/actions"
)

// Ergo prints warnings ("Could not connect", "Handshake error") on the standard
// logger unless this flag of its own says no. What they say is in our errors.
var errSilence = flag.Set("ergo.warning", "false")

// ergoGlobals guards ergo's variable for the process id of its core, which
// starting a node writes and every connection that comes or goes reads, in all
// nodes of the program.
var ergoGlobals sync.RWMutex

// The ports on which links listen, on the loopback interface only. Nobody needs
// them, but ergo has no node without a listener, and a port is a number that only
// one process of a host can hold: it makes node names that are unique and yet few.
// Names must be few because every node that ever sees one keeps it for ever, as an
// atom. The range lies above the ports that Linux gives to outgoing connections.
const (
	firstPort = 61000
	lastPort  = 61999
)

// startNode starts a hidden ergo node without any application in it: no metrics,
// no net_kernel, nothing to call.
func startNode(ctx context.Context, creation uint32, routes *routes) (node.Node, error) {
	if errSilence != nil {
		return nil, fmt.Errorf("this ergo cannot be silenced: %w", errSilence)
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("naming the link: %w", err)
	}
	ergoGlobals.Lock()
	defer ergoGlobals.Unlock()
	for port := firstPort; port <= lastPort; port++ {
		n, err := node.StartWithContext(ctx, nodeName(host, port), "", node.Options{
			Creation:  creation,
			Registrar: routes,
			Handshake: closed{},
			Proto:     &protocol{},
			Flags:     flags,
			Listeners: []node.Listener{{Hostname: "127.0.0.1", Listen: uint16(port)}},
			System:    node.System{DisableAnonMetrics: true},
		})
		if err == nil {
			return n, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, &actions.Error{
		Code: "no-port",
		Text: fmt.Sprintf("All ports from %d to %d of 127.0.0.1 are taken.", firstPort, lastPort),
		Hint: "Stop what holds them; every running irisops needs one a cluster.",
	}
}

// nodeName never contains iris_core and never starts with core: by such names
// IRIS picks cores among the nodes connected to it. Its host is this one, so that
// operators see whose bot is connected; nodes accept it whether their own names are
// short or long. Two programs can have the same name only if they share a host name
// and not the loopback interface, as in containers that were given the host's name:
// a node then drops the older connection for the newer.
func nodeName(host string, port int) string {
	host = strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, host)
	return fmt.Sprintf("irisops-%d@%s", port, host)
}

// flags are what ergo announces for us; handshake.go corrects them. Without atom
// cache and fragmentation every message stands for itself: see conn.go.
var flags = node.Flags{
	Enable:            true,
	EnableBigCreation: true,
	EnableBigPidRef:   true,
	EnableRemoteSpawn: false,
}

// closed is the handshake of the listener: nobody gets in.
type closed struct{}

var errClosed = errors.New("this node accepts no connections")

func (closed) Init(string, uint32, node.Flags) error { return nil }
func (closed) Version() node.HandshakeVersion        { return 6 }

func (closed) Start(net.Addr, lib.NetReadWriter, bool, string) (node.HandshakeDetails, error) {
	return node.HandshakeDetails{}, errClosed
}

func (closed) Accept(net.Addr, lib.NetReadWriter, bool, string) (node.HandshakeDetails, error) {
	return node.HandshakeDetails{}, errClosed
}

// routes is the registrar of the node: a client only. It registers nothing and
// asks nobody, but hands out the route that the link has just found out itself
// (peer.go), each with a handshake and a protocol of its own.
type routes struct {
	mu sync.Mutex
	m  map[string]node.Route
}

func newRoutes() *routes { return &routes{m: map[string]node.Route{}} }

func (r *routes) set(route node.Route) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.m[route.Node] = route
}

func (r *routes) Resolve(name string) (node.Route, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	route, ok := r.m[name]
	if !ok {
		return node.Route{}, lib.ErrNoRoute
	}
	delete(r.m, name)
	return route, nil
}

func (r *routes) Register(context.Context, string, node.RegisterOptions) error { return nil }
func (r *routes) RegisterProxy(string, int, node.ProxyFlags) error             { return lib.ErrUnsupported }
func (r *routes) UnregisterProxy(string) error                                 { return lib.ErrUnsupported }
func (r *routes) Config() (node.RegistrarConfig, error) {
	return node.RegistrarConfig{}, lib.ErrUnsupported
}
func (r *routes) ConfigItem(string) (etf.Term, error) { return nil, lib.ErrUnsupported }

func (r *routes) ResolveProxy(string) (node.ProxyRoute, error) {
	return node.ProxyRoute{}, lib.ErrProxyNoRoute
}

func (r *routes) SetConfigUpdateCallback(func(string, etf.Term) error) error {
	return lib.ErrUnsupported
}

// protocol joins a conn to the connection that ergo has opened. Ergo calls Init
// once the handshake is done, Serve in a goroutine of its own, and Terminate when
// Serve has returned and the node is no longer in its list of connections.
type protocol struct {
	start func(lib.NetReadWriter) *conn
	conn  *conn // set by Init
}

func (p *protocol) Init(_ context.Context, nc lib.NetReadWriter, _ string, d node.HandshakeDetails) (node.ConnectionInterface, error) {
	ergoGlobals.RLock() // until Connect has returned: connected
	p.conn = p.start(nc)
	return &ergoConnection{creation: d.Creation}, nil
}

// connected is the connection, or nil, when ergo's Connect has returned.
func (p *protocol) connected() *conn {
	if p.conn != nil {
		ergoGlobals.RUnlock()
	}
	return p.conn
}

func (p *protocol) Serve(node.ConnectionInterface, node.CoreRouter) {
	p.conn.serve()
	ergoGlobals.RLock()
}

func (p *protocol) Terminate(node.ConnectionInterface) {
	ergoGlobals.RUnlock()
	p.conn.ended()
}

// ergoConnection is what ergo's list of connections holds. Its other methods, all
// for sending, are not there, because nothing in our node sends through ergo: it
// has no processes, and what nodes send us goes to conn, not to ergo's router.
type ergoConnection struct {
	node.ConnectionInterface
	creation uint32
}

func (c *ergoConnection) Creation() uint32         { return c.creation }
func (c *ergoConnection) Stats() node.NetworkStats { return node.NetworkStats{} }
