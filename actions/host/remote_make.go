package host

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// stopGrace bounds the ending of a make on another host whose time is up.
const stopGrace = 3 * time.Second

// MakeDryRun implements cluster.Host, as Local does.
func (r *Remote) MakeDryRun(ctx context.Context, n cluster.Node) ([]string, error) {
	args, err := r.makeWords(n)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dryRunTimeout)
	defer cancel()
	env, err := r.environment(ctx, n)
	if err != nil {
		return nil, err
	}
	command := slices.Concat(env, limited(ctx, dryRunTimeout), words{"make", "-n"}, args)
	a, err := r.run(ctx, command, maxOutput, false)
	if err != nil {
		return nil, makeError(n, err)
	}
	if a.exit != 0 && !a.cut {
		return nil, r.secrets.makeFailure(n, exitStatus(a), a.errs, nil)
	}
	lines := r.secrets.lines(a.out)
	if a.cut {
		lines = append(lines, "... (make prints more than 64 KiB; the rest is not shown)")
	}
	return lines, nil
}

// Make implements cluster.Host. What it starts is in a session of its own and
// outlives the connection. If ctx ends, make is ended on the host too; if that
// cannot be done or seen, the error says so, and timeout(1) there ends it when
// its time is up.
func (r *Remote) Make(ctx context.Context, n cluster.Node) error {
	args, err := r.makeWords(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, makeTimeout)
	defer cancel()
	free, err := r.makes.lock(ctx, n)
	if err != nil {
		return err
	}
	defer free()
	env, err := r.environment(ctx, n)
	if err != nil {
		return err
	}
	making := slices.Concat(limited(ctx, makeTimeout), words{"make"}, args)
	// sshd has begun a session already; setsid makes another whose leader is not
	// the login shell, so that nothing which ends the shell's session ends this.
	a, err := r.run(ctx, slices.Concat(env, words{"setsid", "--wait"}, making), maxOutput, true)
	switch {
	case ctx.Err() != nil && err != nil:
		return r.endMake(ctx, n, making)
	case err != nil:
		return makeError(n, err)
	case a.held && a.exit == 0:
		return holdsOutput(n, nil)
	case a.exit != 0:
		return r.secrets.makeFailure(n, exitStatus(a), a.out, nil)
	}
	return nil
}

// makeWords checks everything that will stand on make's command line.
func (r *Remote) makeWords(n cluster.Node) (words, error) {
	if err := r.folder(n); err != nil {
		return nil, err
	}
	args, err := makeArgs(n)
	if err != nil {
		return nil, err
	}
	all := append(words{"-C", n.Dir, "--no-print-directory"}, args...)
	_, err = all.line()
	return all, err
}

// environment is env -i with what is allowed of the environment that a login on
// the host gives. Of a value that a shell could read otherwise, what can be sent
// is sent: the entries of PATH one by one, others as a whole.
func (r *Remote) environment(ctx context.Context, n cluster.Node) (words, error) {
	if err := r.withFolder(ctx, n); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	a, err := r.run(ctx, append(limited(ctx, lookTimeout), "env", "-0"), maxAnswer, false)
	if err != nil {
		return nil, err
	}
	if a.exit != 0 {
		return nil, r.failed(a, "The environment of a login cannot be read")
	}
	env := words{"env", "-i"}
	for _, kv := range allowed(strings.Split(string(a.out), "\x00"), n) {
		if path, ok := strings.CutPrefix(kv, "PATH="); ok {
			kv = "PATH=" + strings.Join(slices.DeleteFunc(strings.Split(path, ":"), func(dir string) bool {
				return checkRemoteWord(dir) != nil
			}), ":")
		}
		if checkRemoteWord(kv) == nil {
			env = append(env, kv)
		}
	}
	return env, nil
}

// endMake ends a make whose time is up or that was called off. It is found by
// the exact arguments of its timeout(1), which passes the signal on to all that
// make is running.
func (r *Remote) endMake(ctx context.Context, n cluster.Node, making words) error {
	cause := ctx.Err()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	tick := time.NewTicker(remotePoll)
	defer tick.Stop()
	told := map[int]bool{}
	for {
		running, err := r.programs(ctx, "timeout")
		if err == nil {
			ours := runs(running, making)
			if len(ours) == 0 {
				return &actions.Error{Code: CodeMakeTimeout, Err: cause,
					Text: fmt.Sprintf("make %s was ended on %s before it had finished.", n.Target, r.login)}
			}
			for _, p := range ours {
				if !told[p.pid] {
					told[p.pid] = r.Signal(ctx, cluster.Process{Host: r.login.name, PID: p.pid, Started: p.stat.started}, cluster.Terminate) == nil
				}
			}
		}
		select {
		case <-tick.C:
			if err == nil {
				continue
			}
		case <-ctx.Done():
		}
		return &actions.Error{Code: CodeMakeTimeout, Err: errors.Join(cause, err),
			Text: fmt.Sprintf("make %s was to be ended on %s, and it is not known whether it was.", n.Target, r.login),
			Hint: "At the latest it is ended after " + making[3] + " seconds in all. Look there before you try again."}
	}
}

// makeError puts the failures of the way to make into words about make.
func makeError(n cluster.Node, err error) error {
	switch actions.CodeOf(err) {
	case CodeNoProgram:
		return &actions.Error{Code: CodeMakeFailed, Err: err, Text: fmt.Sprintf("make %s cannot be run. %v", n.Target, err)}
	case actions.CodeHung:
		return &actions.Error{Code: CodeMakeTimeout, Err: err, Text: fmt.Sprintf("make %s was ended before it had finished. %v", n.Target, err)}
	}
	return err
}

func exitStatus(a answer) string {
	if a.exit < 0 {
		return "ended by a signal"
	}
	return "exit status " + strconv.Itoa(a.exit)
}
