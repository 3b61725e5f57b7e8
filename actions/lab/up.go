package lab

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"irisops/actions"
)

// How long things may take. A core that recovers waits half a minute for
// another one before it loads its own tables.
const (
	compileWithin = 2 * time.Minute
	appearWithin  = 20 * time.Second // from make to a process
	startWithin   = 60 * time.Second // from a process to a node that has started
)

// Up brings a lab up: a new one, or the rest of one that is there already. It
// tells progress in short lines and returns when every node has started. If a
// new lab fails to come up, it stops what runs of it and leaves the folder for
// its logs; of a lab that was there it stops nothing.
func Up(ctx context.Context, o Options, progress func(string)) (*Lab, error) {
	if progress == nil {
		progress = func(string) {}
	}
	if err := needPrograms(); err != nil {
		return nil, err
	}
	dir, err := makeFolder(o.Dir)
	if err != nil {
		return nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer unlock()

	var held reservation
	l, err := Open(dir)
	fresh := errors.Is(err, fs.ErrNotExist)
	switch {
	case fresh:
		l, held, err = plan(ctx, dir, o)
	case err == nil:
		err = l.agrees(o)
	}
	if err != nil {
		return nil, err
	}
	defer held.release()
	if err := l.unpack(); err != nil {
		return nil, err
	}
	if err := l.state.save(); err != nil {
		return nil, err
	}
	progress("compiling the nodes in " + dir)
	if err := l.make(ctx, compileWithin, "all"); err != nil {
		return nil, err
	}
	held.release()
	err = l.startAll(ctx, progress)
	if err != nil && fresh {
		err = errors.Join(err, l.stopAll(context.WithoutCancel(ctx)))
	}
	if err != nil {
		return nil, err
	}
	return l, nil
}

// plan is a new lab, with its ports held.
func plan(ctx context.Context, dir string, o Options) (*Lab, reservation, error) {
	s := state{Version: stateVersion, Dir: dir, Suffix: o.Suffix, Port: o.Port,
		EPMDPort: o.EPMDPort, Cores: o.Cores, Edges: o.Edges}
	if s.Suffix == "" {
		s.Suffix = "_" + strings.ToLower(rand.Text()[:5])
	}
	if s.Cores == 0 {
		s.Cores = 1
	}
	if s.Edges == 0 {
		s.Edges = 2
	}
	if err := s.check(); err != nil {
		return nil, nil, err
	}
	s.Host, s.Address = hostPart(ctx)
	held, err := s.choosePorts()
	return &Lab{state: s}, held, err
}

func (s state) check() error {
	switch {
	case !validSuffix.MatchString(s.Suffix):
		return actions.Errorf(CodeBadOption, "The suffix %q will not do: it starts with a letter or _, and has at most 32 letters, digits and _.", s.Suffix)
	case s.Cores < 1 || s.Cores > MaxCores:
		return actions.Errorf(CodeBadOption, "A lab has 1 to %d cores, not %d.", MaxCores, s.Cores)
	case s.Edges < 1 || s.Edges > MaxEdges:
		return actions.Errorf(CodeBadOption, "A lab has 1 to %d edges, not %d.", MaxEdges, s.Edges)
	case s.Port != 0 && (s.Port < 1024 || s.Port+MaxEdges > 65536):
		return actions.Errorf(CodeBadOption, "Port %d will not do: the edges' ports lie between 1024 and 65535.", s.Port)
	case s.EPMDPort != 0 && (s.EPMDPort < 1024 || s.EPMDPort > 65535):
		return actions.Errorf(CodeBadOption, "Port %d will not do for epmd: it lies between 1024 and 65535.", s.EPMDPort)
	case s.Port != 0 && s.EPMDPort >= s.Port && s.EPMDPort < s.Port+MaxEdges:
		return actions.Errorf(CodeBadOption, "Port %d for epmd lies among the edges' ports, %d to %d.", s.EPMDPort, s.Port, s.Port+MaxEdges-1)
	}
	return nil
}

// agrees refuses options that contradict the lab that is there.
func (l *Lab) agrees(o Options) error {
	s := l.state
	for _, c := range []struct {
		what        string
		asked, have any
		given       bool
	}{
		{"suffix", o.Suffix, s.Suffix, o.Suffix != ""},
		{"port", o.Port, s.Port, o.Port != 0},
		{"epmd port", o.EPMDPort, s.EPMDPort, o.EPMDPort != 0},
		{"number of cores", o.Cores, s.Cores, o.Cores != 0},
		{"number of edges", o.Edges, s.Edges, o.Edges != 0},
	} {
		if c.given && c.asked != c.have {
			return &actions.Error{Code: CodeBadOption,
				Text: fmt.Sprintf("The lab in %s has another %s: %v, not %v.", s.Dir, c.what, c.have, c.asked),
				Hint: "Leave the option out, or choose a new folder."}
		}
	}
	return nil
}

// startAll starts what does not run yet. The edges find the core when they need
// it, so all start at once, but for a further core that has no data yet: it
// would make a cluster of its own if it did not find the first one up.
func (l *Lab) startAll(ctx context.Context, progress func(string)) error {
	if err := l.startEPMD(ctx); err != nil {
		return err
	}
	progress(fmt.Sprintf("epmd listens on %d", l.state.EPMDPort))
	var now, later []Node
	for _, n := range l.Nodes() {
		if n.Role == Core && n.own() != string(Core) && !l.hasData(n) {
			later = append(later, n)
		} else {
			now = append(now, n)
		}
	}
	if err := l.start(ctx, now, progress); err != nil {
		return err
	}
	for _, n := range later {
		if err := l.start(ctx, []Node{n}, progress); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) hasData(core Node) bool {
	_, err := os.Stat(filepath.Join(l.state.Dir, "Mnesia."+core.Name, "schema.DAT"))
	return err == nil
}

// start starts those of the nodes that have no process, and waits for all.
func (l *Lab) start(ctx context.Context, nodes []Node, progress func(string)) error {
	running, err := l.running()
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if p, found := running[n.Alive()]; found {
			if l.stateOf(n, p) == Paused {
				return &actions.Error{Code: CodeNotStarted, Text: fmt.Sprintf("%s is paused.", n.Short),
					Hint: fmt.Sprintf("Resume it first: irisops lab resume %s --dir %s", n.Short, l.state.Dir)}
			}
			continue
		}
		if n.Port != 0 {
			if err := free(n.Port); err != nil {
				return err
			}
		}
		if err := os.Remove(l.startedFile(n)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err := l.make(ctx, compileWithin, n.Target); err != nil {
			return err
		}
	}
	for _, n := range nodes {
		pid, err := l.waitStarted(ctx, n)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%s is up: %s, pid %d", n.Short, n.Name, pid)
		if n.Port != 0 {
			line += fmt.Sprintf(", port %d", n.Port)
		}
		progress(line)
	}
	return nil
}

// waitStarted waits until the node has finished starting, or its process ended.
func (l *Lab) waitStarted(ctx context.Context, n Node) (pid int, err error) {
	var p process
	find := func() bool {
		running, e := l.running()
		p, err = running[n.Alive()], e
		return err != nil || p.pid != 0
	}
	appear, cancel := context.WithTimeout(ctx, appearWithin)
	defer cancel()
	if pollErr := poll(appear, find); pollErr != nil && ctx.Err() == nil {
		return 0, l.notStarted(n, "did not appear among the processes")
	}
	if err != nil {
		return 0, err
	}
	started, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	var gone, failed bool
	err = poll(started, func() bool {
		gone, failed = p.gone(), n.failed()
		return gone || failed || l.started(n) == p.pid
	})
	switch {
	case ctx.Err() != nil:
		return 0, fmt.Errorf("starting %s: %w", n.Short, ctx.Err())
	case gone:
		return 0, l.notStarted(n, fmt.Sprintf("(pid %d) ended while it started", p.pid))
	case failed:
		return 0, l.notStarted(n, fmt.Sprintf("(pid %d) is an Erlang node, but its application did not start", p.pid))
	case err != nil:
		return 0, l.notStarted(n, fmt.Sprintf("(pid %d) did not finish starting within %v", p.pid, startWithin))
	}
	return p.pid, nil
}

// failed says whether the node's log reports, in the words of Erlang's
// application controller, that its application ended.
func (n Node) failed() bool {
	text, err := os.ReadFile(n.Log)
	return err == nil && bytes.Contains(text, []byte("\n    application: iris_"+string(n.Role)+"\n    exited: "))
}

func (l *Lab) notStarted(n Node, what string) error {
	return &actions.Error{Code: CodeNotStarted, Text: fmt.Sprintf("%s %s.", n.Short, what),
		Hint: "Its log tells more: " + n.Log}
}

// make runs one of the lab's make targets in a session of its own. What the
// target leaves in the background lives on.
func (l *Lab) make(ctx context.Context, atMost time.Duration, target string) error {
	ctx, cancel := context.WithTimeout(ctx, atMost)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "make", "--silent", target)
	cmd.Dir = l.state.Dir
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		return actions.Errorf(CodeNotStarted, "make %s in %s failed: %w\n%s", target, l.state.Dir, err, strings.TrimSpace(output.String()))
	}
	return nil
}

// environment is what nodes and epmd get of this program's environment: none of
// its secrets.
func environment() []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"} {
		if value, found := os.LookupEnv(name); found {
			env = append(env, name+"="+value)
		}
	}
	if os.Getenv("HOME") == "" { // without one erl does not start
		env = append(env, "HOME=/")
	}
	return env
}
