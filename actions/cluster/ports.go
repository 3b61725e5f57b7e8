package cluster

import (
	"context"
	"time"

	"irisops/actions/erlang/term"
)

// What this package needs of the world. The adapters (erlang, host, edge) give it.

// Erlang asks nodes. Every call is bounded in time by ctx and in size by the
// link; failures are *actions.Error with the codes of package actions.
type Erlang interface {
	// Ping is a round trip of erlang:node/0: the node is up, lets us in, and answers.
	Ping(ctx context.Context, node string) (time.Duration, error)
	// Call is rpc: module and function are constants of this program, never
	// text that a person typed.
	Call(ctx context.Context, node, module, function string, args ...term.Term) (term.Term, error)
}

// Host is the machine where nodes live.
type Host interface {
	// EPMDNames asks epmd on the node's host for its registered names and their
	// distribution ports. CodeNoEPMD if nothing listens there.
	EPMDNames(ctx context.Context, n Node) (map[string]int, error)
	// Process finds the one process of the node by its exact -sname or -name
	// argument and its working folder. Not found is (Process{}, false, nil).
	Process(ctx context.Context, n Node) (Process, bool, error)
	// Signal sends a signal to exactly that process; if its pid belongs to
	// another process by now it does nothing and says so.
	Signal(ctx context.Context, p Process, sig Signal) error
	// WaitExit returns nil when that process is gone, or ctx's error.
	WaitExit(ctx context.Context, p Process) error
	// PortOpen says whether something accepts TCP connections on the node's
	// client port.
	PortOpen(ctx context.Context, n Node) (bool, error)
	// MakeDryRun is what `make -n TARGET VARS` prints, a line each, in the node's
	// folder. CodeNoTarget if the Makefile lacks it.
	MakeDryRun(ctx context.Context, n Node) ([]string, error)
	// Make runs the node's target. The node it starts outlives this program, in
	// a session of its own and with an allow-listed environment.
	Make(ctx context.Context, n Node) error
	// Run runs a program of the config with fixed arguments in the node's folder,
	// until it ends, and returns the end of what it prints.
	Run(ctx context.Context, n Node, argv []string) ([]string, error)
	// LogTail is the last lines of the node's log, oldest first, at most max
	// lines and 1 MiB.
	LogTail(ctx context.Context, n Node, max int) ([]string, error)
	// ArchiveLog renames the node's log out of the way of the start that will
	// truncate it, and returns the new path; "" if there is no log.
	ArchiveLog(ctx context.Context, n Node, now time.Time) (string, error)
	// CoreData describes what a core would start from, without opening it.
	CoreData(ctx context.Context, n Node) (CoreData, error)
}

// Folders is what is done with whole folders on the host of a node, whose paths
// the node itself has said. Nothing here deletes or replaces anything.
type Folders interface {
	// Folder describes a folder that may be missing.
	Folder(ctx context.Context, n Node, dir string) (Folder, error)
	// Room is the file system on which a folder lies.
	Room(ctx context.Context, n Node, dir string) (Disk, error)
	// CopyFolder copies a folder that nobody writes to, with all that is in it.
	// The copy has its name when it is whole and on disk; if something of that
	// name is there already, that stays, and it is an error.
	CopyFolder(ctx context.Context, n Node, from, to string) error
}

// Edge speaks IRIS's wire protocol to an edge's client port.
type Edge interface {
	// Login logs the user in and out again. CodeAuthFailed and CodeRateLimited
	// mean that the edge is up.
	Login(ctx context.Context, addr, user string) (time.Duration, error)
	// RoundTrip logs both users in, sends a message from one to the other,
	// and acknowledges every delivery. It returns the login and delivery times.
	RoundTrip(ctx context.Context, addr, from, to string) (login, delivery time.Duration, err error)
	// Offline sends a message to a user who is away, and logs that user in until
	// it is delivered. It returns the time from one to the other.
	Offline(ctx context.Context, addr, from, to string) (time.Duration, error)
}

// Files is a folder of irisops's own, for what only it may read: exports with
// people's messages in them. Names are plain file names.
type Files interface {
	// Write makes the file, or leaves the one with the same content as it is. When
	// it returns, the file is whole and on disk, and nobody else may read it. A
	// file with other content is never replaced.
	Write(name string, content []byte) error
	// Read fails with fs.ErrNotExist in the chain where there is no such file.
	Read(name string) ([]byte, error)
	// Names are those of all files, in alphabetical order.
	Names() ([]string, error)
	// Path is where the file is or would be, for people.
	Path(name string) string
}

// Signal is what can be sent to a node's process.
type Signal string

const (
	Terminate Signal = "TERM"
	Kill      Signal = "KILL"
	Pause     Signal = "STOP" // of a drill only
	Continue  Signal = "CONT" // the same
)

// Process is one running node, identified so that a reused pid is not mistaken
// for it.
type Process struct {
	Host    string // Node.Host of the machine it runs on; "" is this one
	PID     int
	Started uint64 // the kernel's start time of the process, in clock ticks since boot
	State   string // "running", "sleeping", "stopped" (SIGSTOP), "zombie"
	RSS     uint64 // bytes
}

// CoreData is what lies on the disk of a core.
type CoreData struct {
	Mnesia Folder
	WAL    Folder    // IRIS's write-ahead log
	Log    Folder    // the node's log, as a folder of one file
	Clock  time.Time // what the machine's clock showed when it was looked
}

// Folder is what can be seen of a folder from outside.
type Folder struct {
	Path   string
	Exists bool
	Files  int
	Bytes  int64
	Newest time.Time // newest write in it
}
