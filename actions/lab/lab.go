// Package lab is a small cluster in the shape of IRIS, for the demo and the
// tests: real Erlang nodes with real Mnesia, started as processes of their own.
//
// A lab lives in one folder D. To whoever operates it, it is an IRIS folder: a
// Makefile with IRIS's targets, sources that a start recompiles, log files that
// a start truncates, Mnesia.<node> folders, a cookie and ports. What IRIS has,
// the lab has alike (the tables, the wire protocol and its faults, the noise in
// core.log); what IRIS lacks, it lacks. Beside that D holds lab.json (what this
// package remembers) and irisops.yaml (a config that points at the lab).
//
// With two cores edge1 goes to the first and edge2 to the second, and each core
// has a write-ahead log of its own, as it has where cores have a folder each.
// Partition cuts a lab in two and Heal joins it again; see there.
//
// Each lab has its own epmd, its own ports and its own suffix in the node
// names, so that several labs and a real IRIS live side by side. Everything
// listens on the loopback interface only. Nodes and epmd run in sessions of
// their own and outlive the program that started them; they are found again by
// their exact arguments and folder, never by a name pattern, so that a node
// which somebody else started with make counts as well.
package lab

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"irisops/actions"
)

// Codes of the failures of this package, beside those of package actions.
const (
	CodeNotALab        = "not-a-lab"       // the folder holds no lab
	CodeFolderInUse    = "folder-in-use"   // the folder holds something else
	CodeBadOption      = "bad-option"      // an option that cannot work, or contradicts the lab that is there
	CodePortInUse      = "port-in-use"     // somebody else listens there
	CodeMissingProgram = "missing-program" // erl, erlc, epmd or make is not installed
	CodeNotStarted     = "not-started"     // a node or epmd did not come up
	CodeNotStopped     = "not-stopped"     // a process outlived SIGKILL
	CodeNotRunning     = "not-running"     // the node has no process
	CodeBusy           = "busy"            // another program is bringing this lab up or down
	CodeNotParted      = "not-parted"      // the nodes do not see what they should of each other
)

// Cookie is the cookie of every lab, as of every IRIS that was started by its
// Makefile. It is no secret, which is why labs listen on the loopback only.
const Cookie = "iris_secret"

// How many of each the Makefile has targets for.
const (
	MaxCores = 5
	MaxEdges = 5
)

// Options say what lab to bring up. Zero values mean: free ports, a random
// suffix, one core, two edges; in a folder that holds a lab they mean: as it is.
type Options struct {
	Dir      string // the lab's folder; made if it does not exist
	Suffix   string // goes into every node name: iris_core_x7; starts with a letter or _
	Port     int    // of edge1; edge N listens on Port+N-1
	EPMDPort int
	Cores    int // 1 to 5
	Edges    int // 1 to 5
}

// Role says what a node does.
type Role string

const (
	Core Role = "core"
	Edge Role = "edge"
)

// Node is one node of a lab.
type Node struct {
	Short  string // "edge1"
	Name   string // "iris_edge1_x7@host"
	Role   Role
	Target string // make target: "start_edge1"
	Log    string // absolute path
	Port   int    // for clients; 0 for cores
}

// own is what IRIS itself calls the node: "core", also where people say core1.
func (n Node) own() string { return strings.TrimPrefix(n.Target, "start_") }

// Alive is the part of the name that epmd knows.
func (n Node) Alive() string {
	alive, _, _ := strings.Cut(n.Name, "@")
	return alive
}

// Lab is one lab, running or not.
type Lab struct {
	state state
}

// Open finds the lab in a folder.
func Open(dir string) (*Lab, error) {
	dir, err := canonical(dir)
	if err != nil {
		return nil, err
	}
	s, err := loadState(dir)
	if err != nil {
		return nil, err
	}
	return &Lab{state: s}, nil
}

// Dir is the lab's folder, absolute and free of symbolic links.
func (l *Lab) Dir() string { return l.state.Dir }

// Suffix is the part of the node names that tells labs apart.
func (l *Lab) Suffix() string { return l.state.Suffix }

// EPMDPort is the port of the lab's own epmd, on the loopback.
func (l *Lab) EPMDPort() int { return l.state.EPMDPort }

// CookieFile is a file with the lab's cookie, mode 0600.
func (l *Lab) CookieFile() string { return filepath.Join(l.state.Dir, "cookie") }

// ConfigFile is a config for irisops that points at the lab.
func (l *Lab) ConfigFile() string { return filepath.Join(l.state.Dir, "irisops.yaml") }

// Nodes are the nodes that the lab was brought up with, cores first.
func (l *Lab) Nodes() []Node {
	return slices.Concat(l.state.nodes(Core, l.state.Cores), l.state.nodes(Edge, l.state.Edges))
}

// Node finds a node by its short name. Nodes beyond those of Nodes that the
// Makefile can start (edge5 in a lab with two edges) are found too. Where there are
// several cores, core is none of them: it is the role of all.
func (l *Lab) Node(short string) (Node, error) {
	for _, n := range l.state.possible() {
		if n.Short == short {
			return n, nil
		}
	}
	var names []string
	for _, n := range l.Nodes() {
		names = append(names, n.Short)
	}
	return Node{}, &actions.Error{Code: actions.CodeNoSuchNode,
		Text: fmt.Sprintf("The lab has no node %q.", short), Hint: "Say one of: " + strings.Join(names, ", ") + "."}
}

// NodeStatus is what can be seen of a node from outside.
type NodeStatus struct {
	Node
	PID   int   // 0 if it has no process
	State State // of its process
}

// State of a node.
type State string

const (
	Running  State = "running"  // started completely
	Starting State = "starting" // a process that has not finished starting
	Paused   State = "paused"   // stopped by SIGSTOP: it hangs
	Stopped  State = "down"     // no process
)

// Status is what can be seen of a lab from outside.
type Status struct {
	Dir      string
	EPMDPort int
	EPMD     int // its pid, 0 if it does not run
	Nodes    []NodeStatus
}

// Status looks at the lab's processes, changing nothing. Nodes that somebody
// started beyond those of Nodes are listed as well.
func (l *Lab) Status(ctx context.Context) (Status, error) {
	s := Status{Dir: l.state.Dir, EPMDPort: l.state.EPMDPort}
	epmds, err := l.epmds()
	if err != nil {
		return s, err
	}
	if len(epmds) > 0 {
		s.EPMD = epmds[0].pid
	}
	running, err := l.running()
	if err != nil {
		return s, err
	}
	asked := l.Nodes()
	for _, n := range l.state.possible() {
		p, found := running[n.Alive()]
		if !found && !slices.Contains(asked, n) {
			continue
		}
		ns := NodeStatus{Node: n, State: Stopped}
		if found {
			ns.PID, ns.State = p.pid, l.stateOf(n, p)
		}
		s.Nodes = append(s.Nodes, ns)
	}
	return s, ctx.Err()
}

func (l *Lab) stateOf(n Node, p process) State {
	switch {
	case p.paused():
		return Paused
	case l.started(n) != p.pid:
		return Starting
	}
	return Running
}

// started is the pid of the process that last finished starting as the node;
// the node itself wrote it. 0 if none did.
func (l *Lab) started(n Node) int {
	text, err := os.ReadFile(l.startedFile(n))
	if err != nil {
		return 0
	}
	return atoi(strings.TrimSpace(string(text)))
}

func (l *Lab) startedFile(n Node) string {
	return filepath.Join(l.state.Dir, "run", n.Alive()+".started")
}

// validSuffix keeps node names valid, and their parts apart: a suffix that
// starts with a digit would turn edge1 into edge12.
var validSuffix = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,31}$`)
