package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

const (
	// lookTimeout bounds everything but make, with the connection if one has to be
	// made.
	lookTimeout = 10 * time.Second
	maxAnswer   = 1 << 20 // bytes read of a command's output, unless it says otherwise
)

// Remote is another host, reached by SSH. The login shell there reads each
// command line; so a line consists of fixed words and words of the config only,
// all of letters, digits and _ @ . / : = -, which mean nothing to any shell.
// What else it reads from the host (the target of a link, its PATH) becomes a
// word only if it is of these characters too.
//
// It uses the standard tools of a Linux machine: GNU coreutils, grep, procps,
// util-linux, make. One connection is kept and used for all. It is safe for
// concurrent use.
type Remote struct {
	login   login
	names   EPMDNames
	secrets secrets
	makes   folders

	turn chan struct{} // holds a token while link is looked at or made
	link *link
	page atomic.Int64 // bytes in a page of its memory; 0 before the first connection

	life context.Context // ends with Close
	end  context.CancelFunc
}

var (
	_ cluster.Host    = (*Remote)(nil)
	_ cluster.Machine = (*Remote)(nil)
)

// NewRemote gives the host of that name in the config. It connects when it is
// first asked for something.
func NewRemote(name string, cfg RemoteConfig, names EPMDNames, secrets ...string) (*Remote, error) {
	login, err := newLogin(name, cfg)
	if err != nil {
		return nil, err
	}
	r := &Remote{login: login, names: names, secrets: secrets, turn: make(chan struct{}, 1)}
	r.life, r.end = context.WithCancel(context.Background())
	return r, nil
}

// Close ends the connection, and what is being asked over it. A make goes on, on
// the host.
func (r *Remote) Close() error {
	r.end()
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	if r.link != nil {
		r.link.client.Close()
		<-r.link.ended
	}
	return nil
}

// EPMDNames implements cluster.Host.
func (r *Remote) EPMDNames(ctx context.Context, n cluster.Node) (map[string]int, error) {
	return epmdNames(ctx, r.names, n)
}

// PortOpen implements cluster.Host.
func (r *Remote) PortOpen(ctx context.Context, n cluster.Node) (bool, error) {
	return portOpen(ctx, n)
}

// words is one command.
type words []string

// line checks each word and joins them.
func (w words) line() (string, error) {
	for _, word := range w {
		if err := checkRemoteWord(word); err != nil {
			return "", err
		}
	}
	return strings.Join(w, " "), nil
}

func checkRemoteWord(word string) error {
	if word == "" || len(word) > maxRemoteWord {
		return actions.Errorf(CodeBadValue, "A word of %d characters cannot be sent to another host; it has 1 to %d.", len(word), maxRemoteWord)
	}
	for _, r := range word {
		if !wordOK(r) || r == '+' || r == ',' {
			return actions.Errorf(CodeBadValue, "%s cannot be sent to another host; only letters, digits and _ @ . / : = - are allowed there.", quote(word))
		}
	}
	return nil
}

// maxRemoteWord bounds one word; a PATH is long.
const maxRemoteWord = 4 << 10

// look runs a command that changes nothing or little, in plain English, bounded
// in time on the host too. How it ended is the caller's to judge.
func (r *Remote) look(ctx context.Context, command ...string) (answer, error) {
	return r.lookAtMost(ctx, maxAnswer, command...)
}

func (r *Remote) lookAtMost(ctx context.Context, max int, command ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	line := append(words{"env", "LC_ALL=C"}, limited(ctx, lookTimeout)...)
	return r.run(ctx, append(line, command...), max, false)
}

// limited is timeout(1) for the time that ctx has left, at most max, rounded up
// to seconds. It ends a command with SIGTERM, and with SIGKILL a second later.
func limited(ctx context.Context, max time.Duration) words {
	left := max
	if deadline, ok := ctx.Deadline(); ok {
		left = min(left, time.Until(deadline))
	}
	seconds := int(left/time.Second) + 1
	return words{"timeout", "-k", "1", strconv.Itoa(seconds)}
}

// run runs a command line over the connection, which it makes if need be. A
// connection that turns out to be dead is made anew once, unless the command may
// have begun.
func (r *Remote) run(ctx context.Context, command words, max int, merge bool) (answer, error) {
	line, err := command.line()
	if err != nil {
		return answer{}, err
	}
	for again := true; ; again = false {
		l, err := r.connected(ctx)
		if err != nil {
			return answer{}, err
		}
		a, err := l.run(ctx, line, max, merge)
		switch {
		case err == nil:
			return a, r.unusable(a)
		case errors.Is(err, errNotBegun) && again:
			l.client.Close()
			<-l.ended
			continue
		}
		return answer{}, r.broken(err)
	}
}

// broken classifies the errors of a link.
func (r *Remote) broken(err error) error {
	switch {
	case errors.Is(err, errNotBegun):
		return &actions.Error{Code: actions.CodeNotHere, Err: err,
			Text: fmt.Sprintf("The connection to %s breaks again and again.", r.login),
			Hint: "Look at what sshd logs there."}
	case errors.Is(err, errLost):
		return &actions.Error{Code: actions.CodeLost, Err: err,
			Text: fmt.Sprintf("The connection to %s broke while a command ran there: whether it did its work is not known.", r.login),
			Hint: "Look before you try again."}
	case errors.Is(err, errNoExec):
		return &actions.Error{Code: CodeShell, Err: err,
			Text: fmt.Sprintf("The sshd of %s lets irisops in, but runs no command for it.", r.login),
			Hint: "Look at the options of its key in authorized_keys, and at ForceCommand and MaxSessions in sshd_config there."}
	case errors.Is(err, context.Canceled):
		return &actions.Error{Code: actions.CodeHung, Err: err, Text: fmt.Sprintf("The question to %s was called off.", r.login)}
	}
	return &actions.Error{Code: actions.CodeHung, Err: err,
		Text: fmt.Sprintf("%s did not answer in time.", capital(r.login.String())),
		Hint: "The machine may be overloaded or hung, or the network to it broken."}
}

// unusable tells the ends of timeout(1) itself from those of the command.
func (r *Remote) unusable(a answer) error {
	switch a.exit {
	case 124, 137:
		return &actions.Error{Code: actions.CodeHung,
			Text: fmt.Sprintf("A command on %s took too long and was ended.", r.login),
			Hint: "The machine may be overloaded, or one of its disks hung."}
	case 126, 127:
		return &actions.Error{Code: CodeNoProgram,
			Text: fmt.Sprintf("A program that irisops needs cannot be run on %s.%s", r.login, r.secrets.said(a.errs)),
			Hint: "It needs GNU coreutils, grep, procps, util-linux and make there."}
	}
	return nil
}

// connected gives the connection, and makes it if there is none.
func (r *Remote) connected(ctx context.Context) (*link, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, r.broken(ctx.Err())
	}
	switch {
	case r.life.Err() != nil:
		return nil, actions.Errorf(actions.CodeNotHere, "irisops is stopping, and has closed its connection to %s.", r.login)
	case r.link != nil && r.link.alive():
		return r.link, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.life, cancel)()
	client, err := r.login.dial(ctx)
	if err != nil {
		return nil, err
	}
	l := newLink(client)
	if err := r.greet(ctx, l); err != nil {
		client.Close()
		return nil, err
	}
	r.link = l
	return l, nil
}

// greet asks a first question: the size of a page of memory. If the answer is
// anything but a number, the login shell there says more than it was asked, and
// no other answer could be trusted either.
func (r *Remote) greet(ctx context.Context, l *link) error {
	a, err := l.run(ctx, "getconf PAGESIZE", 4<<10, false)
	if err != nil {
		return r.broken(err)
	}
	number, parseErr := strconv.Atoi(string(bytes.TrimSpace(a.out)))
	if a.exit == 0 && parseErr == nil && number > 0 {
		r.page.Store(int64(number))
		return nil
	}
	return &actions.Error{Code: CodeShell, Err: parseErr,
		Text: fmt.Sprintf("%s cannot be used: the command getconf PAGESIZE there has to print a number and nothing else.%s",
			capital(r.login.String()), r.secrets.said(append(a.out, a.errs...))),
		Hint: fmt.Sprintf("Look at the login shell of %s there, at what its start-up files print (.bashrc), and at ForceCommand.", r.login.user)}
}

// folder refuses a node's folder that could mean anything.
func (r *Remote) folder(n cluster.Node) error {
	if n.Host != r.login.name {
		return actions.Errorf(CodeBadValue, "The node %s lives on host %s, not on %s.", quote(n.Short), quote(n.Host), r.login.name)
	}
	if !path.IsAbs(n.Dir) {
		return actions.Errorf(CodeBadValue, "The folder %s of node %s is not an absolute path.", quote(n.Dir), quote(n.Short))
	}
	return checkRemoteWord(n.Dir)
}
