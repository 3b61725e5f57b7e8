// Package epmd asks an Erlang port mapper daemon, the name registry of the nodes
// of a host, which nodes it knows and where they listen. It never registers
// anything and never starts a daemon.
//
// The protocol: https://www.erlang.org/doc/apps/erts/erl_dist_protocol.html
package epmd

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"

	"irisops/actions"
)

// DefaultPort is where epmd listens if ERL_EPMD_PORT says nothing else.
const DefaultPort = 4369

const (
	namesRequest = 110
	portRequest  = 122 // PORT_PLEASE2_REQ
	portReply    = 119 // PORT2_RESP

	// maxReply bounds an answer: about ten thousand names.
	maxReply = 1 << 20

	// timeout bounds a question whose context has no deadline of its own.
	timeout = 5 * time.Second
)

// Names is the names that the daemon at addr (host:port) has registered, with
// the port of each. Errors are *actions.Error: CodeNoHost or CodeNoEPMD.
func Names(ctx context.Context, addr string) (map[string]int, error) {
	reply, err := ask(ctx, addr, []byte{namesRequest})
	if err != nil {
		return nil, err
	}
	names, err := parseNames(reply)
	if err != nil {
		return nil, strange(addr, err)
	}
	return names, nil
}

// Port is the port on which the node of that name (without its host) listens for
// other nodes. Errors are *actions.Error: CodeNoHost, CodeNoEPMD or, if the
// daemon does not know the name, CodeNotRegistered.
func Port(ctx context.Context, addr, name string) (int, error) {
	if name == "" || len(name) > 1024 {
		return 0, actions.Errorf(actions.CodeNoSuchNode, "A node's name has 1 to 1024 characters; this one has %d.", len(name))
	}
	reply, err := ask(ctx, addr, append([]byte{portRequest}, name...))
	if err != nil {
		return 0, err
	}
	port, known, err := parsePort(reply)
	if err != nil {
		return 0, strange(addr, err)
	}
	if !known {
		return 0, &actions.Error{
			Code: actions.CodeNotRegistered,
			Text: fmt.Sprintf("epmd at %s does not know %q: no node of that name is running there.", addr, name),
			Hint: "Start the node; if it is running, compare its -sname or -name with the config.",
		}
	}
	return port, nil
}

// ask sends one request and reads until the daemon closes the connection, as it
// does after every answer.
func ask(ctx context.Context, addr string, request []byte) ([]byte, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, dialFailed(ctx, addr, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()

	message := append(binary.BigEndian.AppendUint16(nil, uint16(len(request))), request...)
	_, err = conn.Write(message)
	var reply []byte
	if err == nil {
		reply, err = io.ReadAll(io.LimitReader(conn, maxReply+1))
	}
	switch {
	case err == nil && len(reply) <= maxReply:
		return reply, nil
	case err == nil:
		return nil, strange(addr, fmt.Errorf("more than %d bytes", maxReply))
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, fmt.Errorf("asking epmd at %s: %w", addr, context.Cause(ctx))
	case ctx.Err() != nil:
		return nil, &actions.Error{
			Code: actions.CodeNoEPMD,
			Text: fmt.Sprintf("epmd at %s takes connections but does not answer.", addr),
			Hint: "Look at the epmd process of that host: it may be stopped or overloaded.",
			Err:  ctx.Err(),
		}
	}
	return nil, strange(addr, err)
}

func dialFailed(ctx context.Context, addr string, err error) error {
	host, port, _ := net.SplitHostPort(addr)
	var dns *net.DNSError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("asking epmd at %s: %w", addr, context.Cause(ctx))
	case errors.As(err, &dns) && dns.IsTimeout:
		return &actions.Error{
			Code: actions.CodeNoHost,
			Text: fmt.Sprintf("The host name %q did not resolve in time.", host),
			Hint: "Check the name server of this machine.",
			Err:  err,
		}
	case errors.As(err, &dns):
		return &actions.Error{
			Code: actions.CodeNoHost,
			Text: fmt.Sprintf("The host name %q does not resolve.", host),
			Hint: "Check the name in the config, and the name server or /etc/hosts of this machine.",
			Err:  err,
		}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &actions.Error{
			Code: actions.CodeNoEPMD,
			Text: fmt.Sprintf("No epmd on host %s: nothing listens on port %s.", host, port),
			Hint: "epmd comes up with the first Erlang node of a host: start a node there, or check epmd_port in the config.",
			Err:  err,
		}
	}
	return &actions.Error{
		Code: actions.CodeNoEPMD,
		Text: fmt.Sprintf("No epmd on host %s: port %s cannot be reached.", host, port),
		Hint: "Is the host up, and does a firewall let this machine through?",
		Err:  err,
	}
}

func strange(addr string, err error) error {
	return &actions.Error{
		Code: actions.CodeNoEPMD,
		Text: fmt.Sprintf("What listens at %s does not answer as epmd does: %v.", addr, err),
		Hint: "Check epmd_port in the config.",
		Err:  err,
	}
}

// parseNames reads the port of the daemon itself, in four bytes, and then a line
// for each name: "name NAME at port PORT".
func parseNames(reply []byte) (map[string]int, error) {
	if len(reply) < 4 {
		return nil, errors.New("the list of names is cut short")
	}
	names := map[string]int{}
	for line := range bytes.Lines(reply[4:]) {
		words := bytes.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 5 || string(words[0]) != "name" || string(words[2]) != "at" || string(words[3]) != "port" {
			return nil, fmt.Errorf("%.80q in the list of names", line)
		}
		port, err := strconv.ParseUint(string(words[4]), 10, 16)
		if err != nil || port == 0 {
			return nil, fmt.Errorf("%.80q in the list of names", line)
		}
		names[string(words[1])] = int(port)
	}
	return names, nil
}

// parsePort reads a tag, a result (0 is good) and the port. The rest of the reply
// (protocol versions, name) is of no interest here.
func parsePort(reply []byte) (port int, known bool, err error) {
	switch {
	case len(reply) == 0:
		return 0, false, errors.New("no answer at all")
	case len(reply) < 2 || reply[0] != portReply:
		return 0, false, fmt.Errorf("%.16x instead of a port", reply)
	case reply[1] != 0:
		return 0, false, nil
	case len(reply) < 4:
		return 0, false, errors.New("the port is cut short")
	}
	port = int(binary.BigEndian.Uint16(reply[2:]))
	if port == 0 {
		return 0, false, errors.New("port 0")
	}
	return port, true, nil
}
