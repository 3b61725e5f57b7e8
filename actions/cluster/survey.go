package cluster

import (
	"context"
	"fmt"
	"sync"

	"irisops/actions"
)

// life is what can be seen of whether a node is alive.
type life struct {
	process  Process
	runs     bool  // a process of it runs in its folder; a zombie does not
	unseen   error // why that could not be seen
	silence  error // why it does not answer; nil: it answers
	portOpen bool  // something accepts connections on its client port
}

// survey looks at nodes, all at once and within the bound, before a plan.
func (c *Cluster) survey(ctx context.Context, nodes []Node) map[string]life {
	ctx, cancel := context.WithTimeout(ctx, c.opt.Survey)
	defer cancel()
	lives := make(map[string]life, len(nodes))
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(func() {
			l := c.look(ctx, n)
			mu.Lock()
			defer mu.Unlock()
			lives[n.Short] = l
		})
	}
	wg.Wait()
	return lives
}

// look is the survey of one node.
func (c *Cluster) look(ctx context.Context, n Node) life {
	var l life
	var wg sync.WaitGroup
	wg.Go(func() { l.process, l.runs, l.unseen = c.process(ctx, n) })
	wg.Go(func() { _, l.silence = c.erlang.Ping(ctx, n.Name) })
	if n.Role == EdgeRole {
		wg.Go(func() {
			open, err := c.host.PortOpen(ctx, n)
			l.portOpen = open && err == nil
		})
	}
	wg.Wait()
	return l
}

// process is the node's process. A zombie has ended.
func (c *Cluster) process(ctx context.Context, n Node) (Process, bool, error) {
	p, ok, err := c.host.Process(ctx, n)
	if err == nil && ok && p.State == "zombie" {
		return Process{}, false, nil
	}
	return p, ok && err == nil, err
}

// stopped: SIGSTOP holds it, so that it serves nobody.
func (l life) stopped() bool { return l.runs && l.process.State == "stopped" }

// serves: it may be serving somebody. A process that does not answer irisops may
// still serve its clients (another cookie, a lost epmd), so it counts; only one
// that is held by SIGSTOP surely does not.
func (l life) serves() bool { return l.silence == nil || l.runs && !l.stopped() }

// elsewhere: a node of that name is there, but not as a process in its folder.
func (l life) elsewhere() bool {
	return !l.runs && l.unseen == nil &&
		(l.silence == nil || silent(l.silence) || shutOut(actions.CodeOf(l.silence)))
}

// dead: it was looked for and is not there.
func (l life) dead() bool { return !l.runs && l.unseen == nil && !l.elsewhere() }

// state is what is seen of the node, for a sentence that begins with its name.
func (c *Cluster) state(n Node, l life) string {
	switch {
	case l.unseen != nil:
		return "cannot be looked at: " + c.mask.err(l.unseen)
	case l.stopped():
		return fmt.Sprintf("is stopped (pid %d, SIGSTOP)", l.process.PID)
	case l.runs && l.silence != nil:
		return fmt.Sprintf("runs (pid %d), but %s", l.process.PID, c.silence(n, l.silence))
	case l.runs:
		return fmt.Sprintf("runs (pid %d)", l.process.PID)
	case l.silence == nil:
		return fmt.Sprintf("answers, but no process of it runs in %s", n.Dir)
	case l.elsewhere():
		return fmt.Sprintf("has no process in %s, but a node of its name %s", n.Dir, c.silence(n, l.silence))
	}
	return "does not run"
}
