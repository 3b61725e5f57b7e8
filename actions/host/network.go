package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// dialTimeout bounds one try at a port.
const dialTimeout = 1 * time.Second

// EPMDNames implements cluster.Host.
func (l *Local) EPMDNames(ctx context.Context, n cluster.Node) (map[string]int, error) {
	return epmdNames(ctx, l.names, n)
}

// PortOpen implements cluster.Host.
func (l *Local) PortOpen(ctx context.Context, n cluster.Node) (bool, error) {
	return portOpen(ctx, n)
}

// epmdNames asks over the network, as nodes do, wherever the node lives.
func epmdNames(ctx context.Context, ask EPMDNames, n cluster.Node) (map[string]int, error) {
	host := "127.0.0.1"
	if n.Host != "local" {
		_, host, _ = strings.Cut(n.Name, "@")
	}
	return ask(ctx, net.JoinHostPort(host, strconv.Itoa(n.EPMDPort)))
}

// portOpen tries the port from here, as clients do. A port that refuses is false without an
// error; one that does not answer within a second is CodeHung. A program that is
// stopped (SIGSTOP) still has an open port: its kernel accepts for it.
func portOpen(ctx context.Context, n cluster.Node) (bool, error) {
	if n.Port <= 0 {
		return false, actions.Errorf(CodeBadValue, "The node %s has no client port.", quote(n.Short))
	}
	addr := n.Addr()
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", addr)
	var dns *net.DNSError
	var slow net.Error
	switch {
	case err == nil:
		conn.Close()
		return true, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return false, nil
	case errors.As(err, &dns):
		return false, &actions.Error{Code: actions.CodeNoHost, Err: err,
			Text: fmt.Sprintf("The host of %s does not resolve.", addr)}
	case errors.As(err, &slow) && slow.Timeout(), ctx.Err() != nil:
		return false, &actions.Error{Code: actions.CodeHung, Err: err,
			Text: fmt.Sprintf("Nothing answers at %s within %s.", addr, dialTimeout)}
	}
	return false, classify(err, "The port "+addr+" cannot be tried")
}
