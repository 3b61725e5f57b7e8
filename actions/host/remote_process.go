package host

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// remotePoll is how often a process on another host is looked at while its end
// is waited for.
const remotePoll = 200 * time.Millisecond

// programs lists the running processes whose program's name contains a word, in
// order of their pids. One that ends meanwhile is left out.
func (r *Remote) programs(ctx context.Context, word string) ([]program, error) {
	a, err := r.look(ctx, "pgrep", word)
	if err != nil {
		return nil, err
	}
	if a.exit > 1 || a.exit < 0 {
		return nil, r.failed(a, "The list of processes cannot be read")
	}
	var stats, cmdlines []string
	for pid := range strings.FieldsSeq(string(a.out)) {
		if _, err := strconv.Atoi(pid); err != nil {
			return nil, actions.Errorf(CodeFailed, "What pgrep prints on %s is not a pid: %s", r.login, quote(pid))
		}
		stats, cmdlines = append(stats, "/proc/"+pid+"/stat"), append(cmdlines, "/proc/"+pid+"/cmdline")
	}
	if len(stats) == 0 {
		return nil, nil
	}
	if a, err = r.look(ctx, append([]string{"cat"}, stats...)...); err != nil {
		return nil, err
	}
	var found []program
	for line := range bytes.Lines(a.out) {
		pid, _, _ := bytes.Cut(line, []byte(" "))
		number, err := strconv.Atoi(string(pid))
		if err != nil {
			continue
		}
		if stat, err := parseStat(line); err == nil && !stat.gone() {
			found = append(found, program{pid: number, stat: stat})
		}
	}
	// With -z a record is an argument, and -H puts the file's name before each.
	if a, err = r.look(ctx, append([]string{"grep", "-a", "-z", "-H", "."}, cmdlines...)...); err != nil {
		return nil, err
	}
	if a.cut {
		return nil, actions.Errorf(actions.CodeTooLarge, "The arguments of the processes on %s are longer than 1 MiB.", r.login)
	}
	args := map[int][]string{}
	for record := range strings.SplitSeq(string(a.out), "\x00") {
		file, arg, _ := strings.Cut(record, ":")
		pid, err := strconv.Atoi(strings.TrimSuffix(strings.TrimPrefix(file, "/proc/"), "/cmdline"))
		if err == nil {
			args[pid] = append(args[pid], arg)
		}
	}
	for i := range found {
		found[i].args = args[found[i].pid]
	}
	return found, nil
}

// Process implements cluster.Host, as Local does.
func (r *Remote) Process(ctx context.Context, n cluster.Node) (cluster.Process, bool, error) {
	if err := r.folder(n); err != nil {
		return cluster.Process{}, false, err
	}
	if err := checkName(n); err != nil {
		return cluster.Process{}, false, err
	}
	running, err := r.programs(ctx, "beam")
	if err != nil {
		return cluster.Process{}, false, err
	}
	return r.processAmong(ctx, n, running)
}

// processAmong finds the node's process in the list of VMs.
func (r *Remote) processAmong(ctx context.Context, n cluster.Node, running []program) (cluster.Process, bool, error) {
	var found []candidate
	dir := ""
	for _, p := range running {
		if !p.stat.vm() || !namesNode(p.args, n) {
			continue
		}
		if dir == "" {
			var err error
			if dir, err = r.realPath(ctx, n.Dir); err != nil {
				return cluster.Process{}, false, err
			}
		}
		cwd, err := r.look(ctx, "readlink", "-v", procFile(p.pid, "cwd"))
		if err != nil {
			return cluster.Process{}, false, err
		}
		if cwd.exit != 0 {
			if ended(reason(cwd)) {
				continue
			}
			return cluster.Process{}, false, r.failed(cwd, fmt.Sprintf("Process %d runs as %s, but its working folder cannot be read", p.pid, n.Name))
		}
		if inFolder(strings.TrimSuffix(string(cwd.out), "\n"), dir) {
			found = append(found, candidate{p.pid, p.stat})
		}
	}
	return theOne(found, n, r.login.name, int(r.page.Load()))
}

// Signal implements cluster.Host. Over SSH there is no pidfd: the start time is
// checked right before the signal is sent, and in the few milliseconds between,
// the pid could in principle pass to another process.
func (r *Remote) Signal(ctx context.Context, p cluster.Process, sig cluster.Signal) error {
	if _, ok := signals[sig]; !ok {
		return actions.Errorf(CodeBadValue, "irisops does not send the signal %s.", quote(string(sig)))
	}
	if err := r.owns(p); err != nil {
		return err
	}
	over, err := r.over(ctx, p)
	if err != nil {
		return err
	}
	if over {
		return goneError(p)
	}
	a, err := r.look(ctx, "kill", "-"+string(sig), strconv.Itoa(p.PID))
	switch {
	case err != nil:
		return err
	case a.exit == 0:
		return nil
	case ended(reason(a)):
		return goneError(p)
	}
	return r.failed(a, fmt.Sprintf("The signal %s could not be sent to process %d", sig, p.PID))
}

// WaitExit implements cluster.Host, as Local does.
func (r *Remote) WaitExit(ctx context.Context, p cluster.Process) error {
	if err := r.owns(p); err != nil {
		return err
	}
	tick := time.NewTicker(remotePoll)
	defer tick.Stop()
	for {
		over, err := r.over(ctx, p)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || over {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (r *Remote) owns(p cluster.Process) error {
	if p.PID <= 1 {
		return actions.Errorf(CodeBadValue, "%d is not the pid of a node.", p.PID)
	}
	if p.Host != r.login.name {
		return actions.Errorf(CodeBadValue, "Process %d runs on host %s, not on %s.", p.PID, quote(p.Host), r.login.name)
	}
	return nil
}

// over says whether that process has ended, whoever has its pid by now.
func (r *Remote) over(ctx context.Context, p cluster.Process) (bool, error) {
	a, err := r.look(ctx, "cat", procFile(p.PID, "stat"))
	if err != nil {
		return false, err
	}
	if a.exit != 0 {
		if ended(reason(a)) {
			return true, nil
		}
		return false, r.failed(a, fmt.Sprintf("Process %d cannot be looked at", p.PID))
	}
	stat, err := parseStat(a.out)
	if err != nil {
		return false, actions.Errorf(CodeFailed, "Process %d on %s cannot be looked at: %w.", p.PID, r.login, err)
	}
	if stat.started != p.Started {
		return true, nil
	}
	if !stat.gone() {
		return false, nil
	}
	// A zombie's other threads can still hold its ports.
	a, err = r.look(ctx, "ls", procFile(p.PID, "task"))
	if err != nil {
		return false, err
	}
	return len(bytes.Fields(a.out)) <= 1, nil
}

// runs says which processes have exactly these arguments.
func runs(running []program, args words) []program {
	return slices.DeleteFunc(slices.Clone(running), func(p program) bool { return !slices.Equal(p.args, args) })
}
