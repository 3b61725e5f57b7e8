package host

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

	"irisops/actions"
	"irisops/actions/cluster"
)

// procStat is what is used of /proc/PID/stat (proc_pid_stat(5)).
type procStat struct {
	comm    string
	state   byte
	ppid    int
	session int
	started uint64 // clock ticks since boot
	pages   uint64 // in memory
}

var errStat = errors.New("/proc/PID/stat has an unknown shape")

// parseStat reads a stat line. The command's name is in parentheses and may hold
// spaces and parentheses itself, so fields are counted from the last one.
func parseStat(line []byte) (procStat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return procStat{}, errStat
	}
	f := strings.Fields(string(line[end+1:]))
	if len(f) < 22 || len(f[0]) != 1 {
		return procStat{}, errStat
	}
	field := func(n int) string { return f[n-3] } // n as in the manual page, where the state is field 3
	s := procStat{comm: string(line[open+1 : end]), state: f[0][0]}
	var err1, err2, err3, err4 error
	s.pages, err1 = strconv.ParseUint(field(24), 10, 64)
	s.started, err2 = strconv.ParseUint(field(22), 10, 64)
	s.ppid, err3 = strconv.Atoi(field(4))
	s.session, err4 = strconv.Atoi(field(6))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return procStat{}, errStat
	}
	return s, nil
}

func readStat(pid int) (procStat, error) {
	line, err := os.ReadFile(procFile(pid, "stat"))
	if err != nil {
		return procStat{}, err
	}
	return parseStat(line)
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// ended says whether an error of reading /proc means that the process is gone.
func ended(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// gone says whether a process in that state has ended: a zombie only waits for
// its parent to take note.
func (s procStat) gone() bool { return s.state == 'Z' || s.state == 'X' || s.state == 'x' }

// vm says whether it is a running Erlang VM: its program is beam.smp, or
// beam.debug.smp and the like.
func (s procStat) vm() bool { return !s.gone() && strings.HasPrefix(s.comm, "beam") }

func (s procStat) stateName() string {
	switch s.state {
	case 'R':
		return "running"
	case 'T', 't':
		return "stopped"
	case 'Z', 'X', 'x':
		return "zombie"
	}
	return "sleeping"
}

// candidate is a running VM with the node's name and folder.
type candidate struct {
	pid  int
	stat procStat
}

// Process implements cluster.Host. Two processes with the node's name in its
// folder are an error that names both.
func (l *Local) Process(ctx context.Context, n cluster.Node) (cluster.Process, bool, error) {
	if err := here(n); err != nil {
		return cluster.Process{}, false, err
	}
	if err := checkName(n); err != nil {
		return cluster.Process{}, false, err
	}
	found, err := candidates(ctx, n)
	if err != nil {
		return cluster.Process{}, false, err
	}
	return theOne(found, n, "", os.Getpagesize())
}

// theOne makes a process of the only candidate. page is the size of a page of
// memory of the machine it runs on, in bytes.
func theOne(found []candidate, n cluster.Node, host string, page int) (cluster.Process, bool, error) {
	// A VM forks its helper: until that has called exec, it looks like the VM.
	found = slices.DeleteFunc(slices.Clone(found), func(c candidate) bool {
		return slices.ContainsFunc(found, func(p candidate) bool { return p.pid == c.stat.ppid })
	})
	switch len(found) {
	case 0:
		return cluster.Process{}, false, nil
	case 1:
		c := found[0]
		return cluster.Process{Host: host, PID: c.pid, Started: c.stat.started, State: c.stat.stateName(),
			RSS: c.stat.pages * uint64(page)}, true, nil
	}
	pids := make([]string, len(found))
	for i, c := range found {
		pids[i] = strconv.Itoa(c.pid)
	}
	return cluster.Process{}, false, &actions.Error{Code: actions.CodeAmbiguous,
		Text: fmt.Sprintf("%d processes run as %s in %s: pids %s.", len(found), n.Name, n.Dir, strings.Join(pids, " and ")),
		Hint: "Look at them (ps -o pid,lstart,args -p PID) and end the wrong one by hand."}
}

func candidates(ctx context.Context, n cluster.Node) ([]candidate, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, classify(err, "The list of processes cannot be read")
	}
	dir := realPath(n.Dir)
	var found []candidate
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, classify(err, "The list of processes was not read to its end")
		}
		stat, ok, err := matches(pid, n, dir)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, candidate{pid, stat})
		}
	}
	return found, nil
}

// matches says whether pid is a VM with the node's name whose working folder is
// dir. A process that ends while it is looked at does not match.
func matches(pid int, n cluster.Node, dir string) (procStat, bool, error) {
	stat, err := readStat(pid)
	if err != nil || !stat.vm() {
		return stat, false, nil
	}
	cmdline, err := os.ReadFile(procFile(pid, "cmdline"))
	if err != nil || !namesNode(arguments(cmdline), n) {
		return stat, false, nil
	}
	cwd, err := os.Readlink(procFile(pid, "cwd"))
	if ended(err) {
		return stat, false, nil
	}
	if err != nil {
		return stat, false, classify(err, fmt.Sprintf("Process %d runs as %s, but its working folder cannot be read", pid, n.Name))
	}
	return stat, inFolder(cwd, dir), nil
}

// inFolder compares a process's working folder. The kernel marks that of a
// process whose folder was removed.
func inFolder(cwd, dir string) bool { return strings.TrimSuffix(cwd, " (deleted)") == dir }

// arguments splits /proc/PID/cmdline.
func arguments(cmdline []byte) []string { return strings.Split(string(cmdline), "\x00") }

// namesNode looks for -sname X or -name X, as whole arguments, where X is the
// node's name with or without its host.
func namesNode(args []string, n cluster.Node) bool {
	for i := 0; i+1 < len(args); i++ {
		if args[i] == "-sname" || args[i] == "-name" {
			if args[i+1] == n.Name || args[i+1] == n.Alive() {
				return true
			}
		}
	}
	return false
}

// realPath follows links as far as the folder exists.
func realPath(dir string) string {
	if p, err := filepath.EvalSymlinks(dir); err == nil {
		return p
	}
	return filepath.Clean(dir)
}
