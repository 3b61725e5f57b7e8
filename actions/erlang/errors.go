package erlang

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// Here each failure gets its code, its sentence and its way out. Neither the
// cookie nor what is in arguments and replies may stand in any of them.

var errLinkClosed = actions.Errorf("closed", "The link to the cluster is closed: irisops is stopping.")

// errBusy is a node that is still in the middle of an earlier handshake with us,
// which was broken off: after it was stopped (SIGSTOP) and continued, say. It finds
// that out within milliseconds.
var errBusy = errors.New("busy with an earlier connection of ours")

// mfa is the function of a call.
type mfa struct {
	module, function string
	arity            int
}

func (m mfa) String() string { return fmt.Sprintf("%s:%s/%d", m.module, m.function, m.arity) }

// errUnreadable is a reply that came whole but makes no sense.
type errUnreadable struct{ err error }

func (e errUnreadable) Error() string { return e.err.Error() }

func notANode(name string) error {
	return &actions.Error{
		Code: actions.CodeNoSuchNode,
		Text: fmt.Sprintf("%q is not the full name of a node.", name),
		Hint: "A full name has a host: iris_core@h1.",
	}
}

func noHost(ctx context.Context, host string, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return cancelled(ctx)
	}
	how, hint := "does not resolve", "Check the name in the config, and the name server or /etc/hosts of this machine."
	var dns *net.DNSError
	if ctx.Err() != nil || errors.As(err, &dns) && dns.IsTimeout {
		how, hint = "did not resolve in time", "Check the name server of this machine."
	}
	return &actions.Error{Code: actions.CodeNoHost, Text: fmt.Sprintf("The host name %q %s.", host, how), Hint: hint, Err: err}
}

func cancelled(ctx context.Context) error {
	return fmt.Errorf("asking a node: %w", context.Cause(ctx))
}

// late is the failure of someone whose time ran out while connecting.
func late(ctx context.Context, name string, stage int) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return cancelled(ctx)
	case stage == resolving:
		return &actions.Error{
			Code: actions.CodeNoHost,
			Text: fmt.Sprintf("The host name of %s did not resolve in time.", name),
			Hint: "Check the name server of this machine.",
			Err:  ctx.Err(),
		}
	case stage == askingEPMD:
		return &actions.Error{
			Code: actions.CodeNoEPMD,
			Text: fmt.Sprintf("epmd on the host of %s did not answer in time.", name),
			Hint: "Is the host up, and does a firewall let this machine through?",
			Err:  ctx.Err(),
		}
	}
	return hung(name, "is registered and its port is there, but it did not answer in time", ctx.Err())
}

func hung(name, how string, err error) error {
	return &actions.Error{
		Code: actions.CodeHung,
		Text: fmt.Sprintf("%s %s.", name, how),
		Hint: "It may hang: look at its process (stopped? busy? swapping?) before anything else.",
		Err:  err,
	}
}

// notReached classifies a failed dial of the node's own port.
func notReached(ctx context.Context, name, addr string, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return cancelled(ctx)
	case errors.Is(err, syscall.ECONNREFUSED):
		return &actions.Error{
			Code: actions.CodeRefused,
			Text: fmt.Sprintf("%s is registered in epmd, but its port %s refuses connections.", name, addr),
			Hint: "It has just died or is just starting: try again in a few seconds.",
			Err:  err,
		}
	}
	return hung(name, fmt.Sprintf("is registered in epmd, but its port %s does not answer", addr), err)
}

// handshakeFailed classifies a failure by how far the handshake came: a node that
// does not accept our proof of the cookie says nothing, it hangs up.
func handshakeFailed(ctx context.Context, name string, g *guard, err error) error {
	var other errOtherNode
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return cancelled(ctx)
	case ctx.Err() != nil || isTimeout(err):
		return hung(name, "took the connection but did not answer in time", err)
	case tlsFailed(name, err) != nil:
		return tlsFailed(name, err)
	case g.status == "nok":
		return errBusy
	case errors.As(err, &other):
		return &actions.Error{
			Code: actions.CodeRefused,
			Text: fmt.Sprintf("At the port that epmd gives for %s, another node answers: %s.", name, other.name),
			Hint: "Compare the node's name with the config; restart the node if its name is right.",
			Err:  err,
		}
	case g.proved:
		return &actions.Error{
			Code: actions.CodeWrongCookie,
			Text: fmt.Sprintf("%s is up, but turned down the cookie.", name),
			Hint: "The cluster's cookie_file in the config must hold the cookie that the node was started with.",
			Err:  err,
		}
	case g.status != "" && g.status != "ok" && g.status != "ok_simultaneous" && g.status != "alive":
		return &actions.Error{
			Code: actions.CodeRefused,
			Text: fmt.Sprintf("%s turned the connection down with %.40q.", name, g.status),
			Hint: "Has someone restricted it by net_kernel:allow/1?",
			Err:  err,
		}
	}
	return &actions.Error{
		Code: actions.CodeRefused,
		Text: fmt.Sprintf("What listens at the port of %s does not speak as Erlang nodes of OTP 25 or later do: %v.", name, err),
		Hint: "Is another program there? Does it speak TLS, and the config says nothing of it? epmd may also hold an entry of a node that has died.",
		Err:  err,
	}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// callFailed classifies a call that was sent, or might have been.
func callFailed(ctx context.Context, name string, what mfa, err error) error {
	var large tooLarge
	var unreadable errUnreadable
	switch {
	case errors.As(err, &large):
		return &actions.Error{
			Code: actions.CodeTooLarge,
			Text: fmt.Sprintf("%s answered %s with %s; at most %s are read.", name, what, size(large.size), size(large.max)),
			Hint: "Ask for a part of it.",
			Err:  err,
		}
	case errors.As(err, &unreadable):
		return &actions.Error{
			Code: actions.CodeBadRPC,
			Text: fmt.Sprintf("%s answered %s with something that cannot be read: %v.", name, what, err),
			Err:  err,
		}
	case errors.Is(err, context.Canceled):
		return cancelled(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return hung(name, fmt.Sprintf("is connected, but did not answer %s in time; the call may still run", what), err)
	}
	return lost(name, what, err)
}

// lost is a connection that ended under a call.
func lost(name string, what mfa, err error) error {
	return &actions.Error{
		Code: actions.CodeLost,
		Text: fmt.Sprintf("The connection to %s broke during %s: whether it ran is not known.", name, what),
		Hint: "Look whether the node is still up.",
		Err:  err,
	}
}

func size(bytes int) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20))
}

// value is what a call returned, or the failure that rpc wraps in {badrpc, Reason}.
func value(name string, what mfa, reply term.Term) (term.Term, error) {
	t, ok := reply.(term.Tuple)
	if !ok || len(t) != 2 || t[0] != term.Atom("badrpc") {
		return reply, nil
	}
	reason, at := crash(t[1])
	if reason == "undef" && at == what {
		return nil, &actions.Error{
			Code: actions.CodeUndef,
			Text: fmt.Sprintf("%s has no function %s.", name, what),
			Hint: "This version of IRIS lacks it, or the module is not on the node's code path.",
		}
	}
	where := ""
	if at != (mfa{}) && at != what {
		where = " in " + at.String()
	}
	return nil, &actions.Error{
		Code: actions.CodeBadRPC,
		Text: fmt.Sprintf("%s failed on %s: %s%s.", what, name, reason, where),
		Hint: "The node's log may say more.",
	}
}

// crash is the reason of {'EXIT', {Reason, Stack}}, and where it happened: the
// first entry, {Module, Function, Arity or Args, Location}, of the stack. Only the
// reason's atoms are shown, for its other parts can be people's messages.
func crash(t term.Term) (reason string, at mfa) {
	if exit, ok := t.(term.Tuple); ok && len(exit) == 2 && exit[0] == term.Atom("EXIT") {
		t = exit[1]
	}
	why, ok := t.(term.Tuple)
	if !ok || len(why) != 2 {
		return term.Outline(t, 200), mfa{}
	}
	stack, ok := why[1].(term.List)
	if !ok || len(stack) == 0 {
		return term.Outline(t, 200), mfa{}
	}
	top, ok := stack[0].(term.Tuple)
	if !ok || len(top) != 4 {
		return term.Outline(t, 200), mfa{}
	}
	module, isModule := top[0].(term.Atom)
	function, isFunction := top[1].(term.Atom)
	arity, isArity := term.AsInt(top[2])
	if args, ok := term.AsList(top[2]); ok {
		arity, isArity = int64(len(args)), true
	}
	if !isModule || !isFunction || !isArity {
		return term.Outline(t, 200), mfa{}
	}
	return term.Outline(why[0], 200), mfa{string(module), string(function), int(arity)}
}
