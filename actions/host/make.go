package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/actions/cluster"
)

// A start compiles changed sources first, one erlc after another: a minute for
// the whole of IRIS on a slow machine. A dry run only reads the Makefile.
const (
	makeTimeout   = 5 * time.Minute
	dryRunTimeout = 20 * time.Second

	maxOutput = 64 << 10 // bytes kept of what make prints

	// After make has ended, its output must close within this time. A recipe
	// that ends in & needs a moment for its own redirection.
	outputGrace = 2 * time.Second
	// After SIGTERM, make has this long to delete half-written files.
	killGrace = 1 * time.Second
)

// MakeDryRun implements cluster.Host. Cookies in it are masked; at most 64 KiB
// are kept.
func (l *Local) MakeDryRun(ctx context.Context, n cluster.Node) ([]string, error) {
	args, err := makeArgs(n)
	if err != nil {
		return nil, err
	}
	if err := hereWithFolder(n); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dryRunTimeout)
	defer cancel()
	printed := &headBuffer{max: maxOutput}
	errs := &tailBuffer{max: maxOutput}
	cmd := l.command(ctx, n, append([]string{"-n"}, args...))
	cmd.Stdout, cmd.Stderr = printed, errs
	if err := l.run(ctx, cmd, n, errs); err != nil {
		return nil, err
	}
	lines := l.secrets.lines(printed.Bytes())
	if printed.cut {
		lines = append(lines, "... (make prints more than 64 KiB; the rest is not shown)")
	}
	return lines, nil
}

// Make implements cluster.Host. A target that starts a program in the background
// succeeds even if that program dies at once: the caller verifies the node. If
// ctx ends, make and what it is running are ended too.
func (l *Local) Make(ctx context.Context, n cluster.Node) error {
	args, err := makeArgs(n)
	if err != nil {
		return err
	}
	if err := hereWithFolder(n); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, makeTimeout)
	defer cancel()
	// Two makes in one folder would compile the same files at the same time.
	free, err := l.makes.lock(ctx, n)
	if err != nil {
		return err
	}
	defer free()
	printed := &tailBuffer{max: maxOutput}
	cmd := l.command(ctx, n, args)
	cmd.Stdout, cmd.Stderr = printed, printed // erlc prints its errors to standard output
	return l.run(ctx, cmd, n, printed)
}

// folders lets one make at a time work in each folder.
type folders struct {
	mu    sync.Mutex
	locks map[string]chan struct{}
}

func (f *folders) lock(ctx context.Context, n cluster.Node) (free func(), err error) {
	dir := filepath.Clean(n.Dir)
	f.mu.Lock()
	if f.locks == nil {
		f.locks = map[string]chan struct{}{}
	}
	lock, ok := f.locks[dir]
	if !ok {
		lock = make(chan struct{}, 1)
		f.locks[dir] = lock
	}
	f.mu.Unlock()
	select {
	case lock <- struct{}{}:
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, &actions.Error{Code: CodeMakeTimeout, Err: ctx.Err(),
			Text: fmt.Sprintf("make %s did not start: another make was still running in %s.", n.Target, n.Dir)}
	}
}

// command is make with a fixed argv, in a session of its own, with standard
// input from /dev/null.
func (l *Local) command(ctx context.Context, n cluster.Node, args []string) *exec.Cmd {
	// Descriptors that this program inherited without the close-on-exec mark
	// would pass to the node. Kernels before 5.11 lack the call; there the
	// marks that Go sets on its own files must do.
	_ = unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	cmd := exec.CommandContext(ctx, "make", args...)
	cmd.Dir = n.Dir
	cmd.Env = environment(n)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// run runs a prepared make. Messages is what it prints on standard error.
func (l *Local) run(ctx context.Context, cmd *exec.Cmd, n cluster.Node, messages *tailBuffer) error {
	err := endsAsGroup(cmd)
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &actions.Error{Code: CodeMakeTimeout, Err: ctx.Err(),
			Text: fmt.Sprintf("make %s was ended before it had finished.%s", n.Target, l.secrets.said(messages.Bytes()))}
	case errors.Is(err, exec.ErrNotFound):
		return &actions.Error{Code: CodeMakeFailed, Err: err,
			Text: "The program make is not installed here.", Hint: "On Debian: apt-get install make."}
	case errors.Is(err, exec.ErrWaitDelay):
		return holdsOutput(n, err)
	case errors.As(err, &exit):
		return l.secrets.makeFailure(n, exit.ProcessState.String(), messages.Bytes(), exit)
	}
	return classify(err, "make "+n.Target+" could not be started")
}

// endsAsGroup runs a command that leads its session, and ends it with its process
// group when its context ends.
func endsAsGroup(cmd *exec.Cmd) error {
	var killer atomic.Pointer[time.Timer]
	cmd.WaitDelay = outputGrace
	cmd.Cancel = func() error {
		// It leads its session and so its process group. The negative pid is safe
		// while it has not been waited for. SIGTERM lets make delete a half-written
		// file, which would look up to date to the next make.
		group := -cmd.Process.Pid
		killer.Store(time.AfterFunc(killGrace, func() { _ = unix.Kill(group, unix.SIGKILL) }))
		return unix.Kill(group, unix.SIGTERM)
	}
	err := cmd.Run()
	if t := killer.Load(); t != nil {
		t.Stop()
	}
	return err
}

func holdsOutput(n cluster.Node, err error) error {
	return &actions.Error{Code: CodeHoldsOutput, Err: err,
		Text: fmt.Sprintf("make %s ended, but a program that it started still holds its output, and would lose it with irisops.", n.Target),
		Hint: "Redirect its output to the log in the Makefile: >" + n.Log + " 2>&1 &"}
}

// makeFailure tells apart what make says in GNU make's own English words. Status
// is how it ended: "exit status 2".
func (s secrets) makeFailure(n cluster.Node, status string, text []byte, cause error) error {
	switch {
	case bytes.Contains(text, []byte("No rule to make target '"+n.Target+"'.")),
		bytes.Contains(text, []byte("No rule to make target `"+n.Target+"'.")): // before GNU make 4
		return &actions.Error{Code: actions.CodeNoTarget, Err: cause,
			Text: fmt.Sprintf("There is no Makefile with the target %s in %s.", n.Target, n.Dir),
			Hint: "Check dir and target of " + n.Short + " in the config."}
	case bytes.Contains(text, []byte("No space left on device")):
		return &actions.Error{Code: actions.CodeDiskFull, Err: cause,
			Text: fmt.Sprintf("make %s failed: no space left on the disk.", n.Target),
			Hint: "Free some space, then try again."}
	}
	return &actions.Error{Code: CodeMakeFailed, Err: cause,
		Text: fmt.Sprintf("make %s failed (%s).%s", n.Target, status, s.said(text))}
}
