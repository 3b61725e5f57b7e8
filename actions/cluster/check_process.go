package cluster

import (
	"context"
	"fmt"

	"irisops/actions"
)

// checkProcess is the runbook's `ps aux | grep beam`, but for exactly this node.
var checkProcess = check{
	name: "process", asks: "does a process run under the node's name in its folder, and in which state?", silence: actions.Unknown,
	outside: func(ctx context.Context, v *visit) Finding {
		p, ok, err := v.process(ctx)
		switch {
		case err != nil:
			return v.c.unseen(err, "processes")
		case !ok:
			return found(actions.Critical, "no process runs as %s in %s", v.n.Alive(), v.n.Dir).code(codeNoProcess)
		case p.State == "zombie":
			return found(actions.Critical, "pid %d has ended and waits for its parent (zombie)", p.PID).code(codeNoProcess)
		}
		f := found(actions.OK, "pid %d, %s, %s", p.PID, p.State, size(p.RSS))
		if p.State == "stopped" {
			f = found(actions.Critical, "pid %d is stopped (SIGSTOP), %s", p.PID, size(p.RSS)).code(codeStopped)
		}
		f.pid, f.Mark = p.PID, fmt.Sprintf("pid %d from %d", p.PID, p.Started)
		return f
	},
}

// process is the node's process, looked for once.
func (v *visit) process(ctx context.Context) (Process, bool, error) {
	type answer struct {
		p  Process
		ok bool
	}
	a, err := v.once(ctx, "process", func() (any, error) {
		p, ok, err := v.c.host.Process(ctx, v.n)
		return answer{p, ok}, err
	})
	if err != nil {
		return Process{}, false, err
	}
	return a.(answer).p, a.(answer).ok, nil
}

// ended says that the node's process was looked for, and is not there any more.
func (v *visit) ended(ctx context.Context) bool {
	p, ok, err := v.process(ctx)
	return err == nil && (!ok || p.State == "zombie")
}

// size is a number of bytes for people.
func size(bytes uint64) string {
	switch {
	case bytes < 1<<10:
		return fmt.Sprintf("%d bytes", bytes)
	case bytes < 1<<20:
		return fmt.Sprintf("%d KB", bytes>>10)
	case bytes < 10<<30:
		return fmt.Sprintf("%d MB", bytes>>20)
	}
	return fmt.Sprintf("%d GB", bytes>>30)
}
