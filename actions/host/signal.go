package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/actions/cluster"
)

// A pidfd stays with its process: after the start time has been checked once
// through it, no reuse of the pid can mislead us. Where the kernel or a sandbox
// does not give one, the start time is checked right before each use.

var signals = map[cluster.Signal]unix.Signal{cluster.Terminate: unix.SIGTERM, cluster.Kill: unix.SIGKILL,
	cluster.Pause: unix.SIGSTOP, cluster.Continue: unix.SIGCONT}

// exitPoll is how long a wait goes without looking at its context, and without a
// pidfd how often it looks at the process.
const exitPoll = 50 * time.Millisecond

// Signal implements cluster.Host. A process that is gone is CodeGone.
func (l *Local) Signal(_ context.Context, p cluster.Process, sig cluster.Signal) error {
	number, ok := signals[sig]
	if !ok {
		return actions.Errorf(CodeBadValue, "irisops does not send the signal %s.", quote(string(sig)))
	}
	if p.PID == os.Getpid() {
		return actions.Errorf(CodeBadValue, "Process %d is irisops itself.", p.PID)
	}
	fd, held, err := l.hold(p)
	if err != nil {
		return err
	}
	if held {
		defer unix.Close(fd)
	}
	if over(p) {
		return goneError(p)
	}
	if held {
		err = unix.PidfdSendSignal(fd, number, nil, 0)
	} else {
		err = unix.Kill(p.PID, number)
	}
	switch {
	case errors.Is(err, unix.ESRCH):
		return goneError(p)
	case err != nil:
		return classify(err, fmt.Sprintf("The signal %s could not be sent to process %d", sig, p.PID))
	}
	return nil
}

// WaitExit implements cluster.Host. A zombie counts as gone once its last thread
// has ended: until then its ports and files are still open.
func (l *Local) WaitExit(ctx context.Context, p cluster.Process) error {
	fd, held, err := l.hold(p)
	if actions.CodeOf(err) == actions.CodeGone {
		return nil
	}
	if err != nil {
		return err
	}
	if held {
		defer unix.Close(fd)
		return waitPidfd(ctx, fd)
	}
	tick := time.NewTicker(exitPoll)
	defer tick.Stop()
	for {
		if over(p) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// waitPidfd returns nil once the pidfd is readable: its process has ended.
func waitPidfd(ctx context.Context, fd int) error {
	poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Poll(poll, int(exitPoll.Milliseconds()))
		switch {
		case err != nil && !errors.Is(err, unix.EINTR):
			return classify(err, "The end of a process cannot be waited for")
		case n > 0:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		}
	}
}

// hold gives a pidfd of exactly that process, or held = false where there are no
// pidfds and the start time was right a moment ago.
func (l *Local) hold(p cluster.Process) (fd int, held bool, err error) {
	if p.PID <= 1 { // 0 and below would mean a group, 1 the system
		return 0, false, actions.Errorf(CodeBadValue, "%d is not the pid of a node.", p.PID)
	}
	fd, err = l.pidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return 0, false, goneError(p)
	}
	held = err == nil
	stat, err := readStat(p.PID)
	if err != nil || stat.started != p.Started {
		if held {
			unix.Close(fd)
		}
		return 0, false, goneError(p)
	}
	return fd, held, nil
}

// over says whether that process has ended, whoever has its pid by now. When a
// process is killed, its first thread can be a zombie while others are not yet.
func over(p cluster.Process) bool {
	stat, err := readStat(p.PID)
	if err != nil || stat.started != p.Started {
		return true
	}
	if !stat.gone() {
		return false
	}
	threads, err := os.ReadDir(procFile(p.PID, "task"))
	return err != nil || len(threads) <= 1
}

func goneError(p cluster.Process) error {
	return actions.Errorf(actions.CodeGone, "Process %d has ended, or its pid belongs to another process by now. Nothing was sent.", p.PID)
}
