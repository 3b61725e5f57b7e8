package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"irisops/actions"
)

// process is one process, told apart by its start time from a later one with
// the same pid.
type process struct {
	pid     int
	parent  int
	started uint64 // clock ticks since boot
	state   byte   // as in proc(5): R, S, T, Z ...
}

// processes lists this machine's processes. Ones that end while it looks, and
// kernel threads, are left out.
func processes() ([]process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	var all []process
	for _, e := range entries {
		pid := atoi(e.Name())
		if pid == 0 {
			continue
		}
		if p, err := lookup(pid); err == nil && p.alive() {
			all = append(all, p)
		}
	}
	return all, nil
}

// lookup reads a process's state and start time. The command's name stands in
// parentheses and may itself hold any of the separators; see proc(5).
func lookup(pid int) (process, error) {
	text, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return process{}, err
	}
	_, rest, found := cutLast(string(text), ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 20 {
		return process{}, fmt.Errorf("cannot read %s", procFile(pid, "stat"))
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	return process{pid: pid, parent: atoi(fields[1]), state: fields[0][0], started: started}, err
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// alive is false for one that has ended and only waits to be reaped.
func (p process) alive() bool { return p.state != 'Z' && p.state != 'X' }

func (p process) args() []string    { return p.strings("cmdline") }
func (p process) environ() []string { return p.strings("environ") }

func (p process) strings(name string) []string {
	text, err := os.ReadFile(procFile(p.pid, name))
	if err != nil {
		return nil
	}
	var all []string
	for s := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte{0}), []byte{0}) {
		all = append(all, string(s))
	}
	return all
}

func (p process) folder() string {
	dir, err := os.Readlink(procFile(p.pid, "cwd"))
	if err != nil {
		return ""
	}
	return dir
}

// gone says whether the process has ended.
func (p process) gone() bool {
	now, err := lookup(p.pid)
	return err != nil || now.started != p.started || !now.alive()
}

// paused says whether the process is stopped by a signal now.
func (p process) paused() bool {
	now, err := lookup(p.pid)
	return err == nil && now.started == p.started && (now.state == 'T' || now.state == 't')
}

// signal sends a signal to exactly this process, or does nothing if it is gone.
// The handle is taken before the start time is compared, so that the pid cannot
// change hands in between.
func (p process) signal(sig syscall.Signal) error {
	handle, err := os.FindProcess(p.pid)
	if err != nil {
		return fmt.Errorf("process %d: %w", p.pid, err)
	}
	defer handle.Release()
	if p.gone() {
		return nil
	}
	err = handle.Signal(sig)
	if err == nil || errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return actions.Errorf(CodeNotStopped, "Process %d belongs to another user: %w", p.pid, err)
	}
	return fmt.Errorf("signal to process %d: %w", p.pid, err)
}

// waitGone waits until the process has ended, at most so long.
func (p process) waitGone(ctx context.Context, atMost time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	return poll(ctx, func() bool { return p.gone() }) == nil
}

// poll asks until the answer is yes, or until ctx ends.
func poll(ctx context.Context, done func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// running are the processes of the lab's nodes by the name that epmd knows. One
// counts if it runs in the lab's folder and its arguments give exactly the
// node's name; also while it is still the script that becomes the node. Both
// fork helpers, which for a moment look the same: a node's child is not a node.
func (l *Lab) running() (map[string]process, error) {
	names := map[string]string{}
	for _, n := range l.state.possible() {
		names[n.Alive()], names[n.Name] = n.Alive(), n.Alive()
	}
	all, err := processes()
	if err != nil {
		return nil, err
	}
	alike := map[int]string{}
	for _, p := range all {
		if p.folder() != l.state.Dir {
			continue
		}
		args := p.args()
		i := slices.IndexFunc(args, func(a string) bool { return a == "-sname" || a == "-name" })
		if i >= 0 && i+1 < len(args) && names[args[i+1]] != "" {
			alike[p.pid] = names[args[i+1]]
		}
	}
	nodes := map[string]process{}
	for _, p := range all {
		if alive := alike[p.pid]; alive != "" && alike[p.parent] != alive {
			nodes[alive] = p
		}
	}
	return nodes, nil
}

// end asks a process to stop and, if it does not, ends it. One that is paused
// cannot hear the first.
func (p process) end(ctx context.Context, politely time.Duration) error {
	if !p.paused() {
		if err := p.signal(syscall.SIGTERM); err != nil {
			return err
		}
		if p.waitGone(ctx, politely) {
			return nil
		}
	}
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	if !p.waitGone(context.WithoutCancel(ctx), 5*time.Second) {
		return actions.Errorf(CodeNotStopped, "Process %d is still there after SIGKILL.", p.pid)
	}
	return nil
}
