package cluster

import (
	"context"
	"fmt"

	"irisops/actions"
)

// checkProcess is the runbook's `ps aux | grep beam`, but for exactly this node.
var checkProcess = check{
	name: "process", asks: "does a process run under the node's name in its folder, and in which state?", silence: actions.Unknown,
	run: func(ctx context.Context, c *Cluster, n Node) Finding {
		p, ok, err := c.host.Process(ctx, n)
		switch {
		case err != nil:
			return c.unseen(err, "processes")
		case !ok:
			return found(actions.Critical, "no process runs as %s in %s", n.Alive(), n.Dir).code(codeNoProcess)
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
