package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"irisops/actions"
)

// Codes of failures that only this package meets. Each means that clients are
// not served as they should be.
const (
	CodeClosed     = "closed"           // the edge closed the connection
	CodeUnexpected = "unexpected-bytes" // the answer is not IRIS's protocol
	CodeBadUser    = "bad-user"         // a name or token that the protocol cannot carry
)

func dialError(ctx context.Context, addr string, err error) error {
	host, _, _ := net.SplitHostPort(addr)
	var dns *net.DNSError
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("connecting to the edge at %s: %w", addr, ctx.Err())
	case errors.As(err, &dns):
		return &actions.Error{Code: actions.CodeNoHost, Err: err,
			Text: fmt.Sprintf("The host name %q of the edge does not resolve.", host)}
	case errors.Is(err, syscall.ECONNREFUSED):
		return &actions.Error{Code: actions.CodeRefused, Err: err,
			Text: fmt.Sprintf("The edge at %s refuses connections: nothing listens there.", addr)}
	}
	return &actions.Error{Code: actions.CodeHung, Err: err,
		Text: fmt.Sprintf("The edge at %s cannot be reached: %v.", addr, err)}
}

// fault makes one sentence of an error of reading or writing. Doing is what the
// edge was asked; empty for whatever comes next.
func (c *Conn) fault(ctx context.Context, err error, doing string) error {
	c.broken = true
	if doing == "" {
		doing = "the probe"
	}
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("talking to the edge at %s: %w", c.addr, ctx.Err())
	case errors.Is(err, errUnexpected):
		return &actions.Error{Code: CodeUnexpected, Err: err,
			Text: fmt.Sprintf("The edge at %s does not answer in IRIS's protocol: %v.", c.addr, err),
			Hint: "Is the port in the config the edge's client port (not its WebSocket), without TLS?"}
	case errors.Is(err, errTooLarge):
		return &actions.Error{Code: actions.CodeTooLarge, Err: err,
			Text: fmt.Sprintf("The edge at %s announces %s; a probe reads at most %d bytes.", c.addr,
				strings.TrimPrefix(err.Error(), errTooLarge.Error()+": "), maxDelivery)}
	case ctx.Err() != nil, quiet(err):
		return &actions.Error{Code: actions.CodeHung, Err: err,
			Text: fmt.Sprintf("The edge at %s is connected but silent: no answer to %s in time.", c.addr, doing)}
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return &actions.Error{Code: CodeClosed, Err: err,
			Text: fmt.Sprintf("The edge at %s closed the connection during %s.", c.addr, doing),
			Hint: "An edge that has reached its limit of connections does so; look at its log."}
	}
	return &actions.Error{Code: CodeClosed, Err: err,
		Text: fmt.Sprintf("The connection to the edge at %s failed: %v.", c.addr, err)}
}

// refusal makes one sentence of what the edge says instead of doing its work.
func (c *Conn) refusal(f frame, user string) error {
	c.broken = true
	who := "the probe"
	if user != "" {
		who = "the user " + user
	}
	switch f.kind {
	case authFailed:
		return &actions.Error{Code: actions.CodeAuthFailed,
			Text: fmt.Sprintf("The edge at %s is up, but does not let %s in: AUTH_FAILED.", c.addr, who),
			Hint: "Give the probe a token that this edge accepts."}
	case rateLimited, slower:
		return &actions.Error{Code: actions.CodeRateLimited,
			Text: fmt.Sprintf("The edge at %s is up, but slows %s down: too many requests.", c.addr, who),
			Hint: "Try again in a minute."}
	case failed:
		return &actions.Error{Code: CodeUnexpected,
			Text: fmt.Sprintf("The edge at %s answers with the error %.80q.", c.addr, f.body)}
	}
	return &actions.Error{Code: CodeUnexpected,
		Text: fmt.Sprintf("The edge at %s answers a login that nobody asked for.", c.addr)}
}

// undelivered says what it means when both users are in and no message comes.
func undelivered(addr string, err error) error {
	if actions.CodeOf(err) != actions.CodeHung {
		return err
	}
	return &actions.Error{Code: actions.CodeHung, Err: err,
		Text: fmt.Sprintf("The edge at %s lets users in, but did not deliver a message from one to the other in time.", addr),
		Hint: "Look at the edge's log, and whether it reaches a core."}
}
