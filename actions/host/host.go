// Package host is the machine where nodes live: its processes, its make, its
// log files and folders. It runs two programs only, make TARGET and make -n
// TARGET, with a fixed argv whose words are checked before use; no shell of ours
// is ever between. What make starts gets an allow-listed environment and a
// session of its own, so that a node inherits no secret of this program and
// outlives it. A process is found by its exact -sname or -name argument and its
// working folder, and signalled only while its pid and start time still belong
// together.
//
// Nodes live on the local host. Files, processes and make of a node elsewhere
// are refused with CodeNotHere; its ports and its epmd are asked over the network.
//
// Linux only: it reads /proc (see proc(5)) and uses pidfds (pidfd_open(2)).
package host

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"irisops/actions"
	"irisops/actions/cluster"
)

// Codes of failures that only this package meets.
const (
	CodeBadValue    = "bad-value"    // a word that may not become an argument, or an unusable folder or log name
	CodeNotAllowed  = "not-allowed"  // the operating system forbids it to this program's user
	CodeReadOnly    = "read-only"    // the file system is mounted read-only
	CodeNoLog       = "no-log"       // the log file does not exist
	CodeMakeFailed  = "make-failed"  // make ended with an error
	CodeMakeTimeout = "make-timeout" // make was ended because its time was up
	CodeHoldsOutput = "holds-output" // what make started still holds make's own output
	CodeFailed      = "failed"       // any other error of the operating system
)

// EPMDNames asks the epmd at addr for its registered names and their ports.
type EPMDNames func(ctx context.Context, addr string) (map[string]int, error)

// Local is the host that this program runs on. It is safe for concurrent use.
type Local struct {
	names   EPMDNames
	secrets []string

	mu    sync.Mutex
	makes map[string]chan struct{} // by folder: one make at a time compiles there

	pidfdOpen func(pid, flags int) (int, error) // replaced by tests of kernels without it
}

var _ cluster.Host = (*Local)(nil)

// NewLocal gives the local host. Secrets (the clusters' cookies) are masked by
// value wherever a log or make's output shows them.
func NewLocal(names EPMDNames, secrets ...string) *Local {
	return &Local{names: names, secrets: secrets, makes: map[string]chan struct{}{}, pidfdOpen: unix.PidfdOpen}
}

// here refuses nodes of other hosts, and folders that could mean anything.
func here(n cluster.Node) error {
	if n.Host != "local" {
		return &actions.Error{Code: actions.CodeNotHere,
			Text: "The node " + quote(n.Short) + " lives on host " + quote(n.Host) + ", and irisops can only run commands and read files on its own host.",
			Hint: "Do it by hand on " + quote(n.Host) + "."}
	}
	if !filepath.IsAbs(n.Dir) || strings.ContainsRune(n.Dir, 0) {
		return actions.Errorf(CodeBadValue, "The folder %s of node %s is not an absolute path.", quote(n.Dir), quote(n.Short))
	}
	return nil
}

// hereWithFolder also makes sure that the folder is there.
func hereWithFolder(n cluster.Node) error {
	if err := here(n); err != nil {
		return err
	}
	info, err := os.Stat(n.Dir)
	if err != nil {
		return classify(err, "The folder of node "+quote(n.Short)+" cannot be used")
	}
	if !info.IsDir() {
		return actions.Errorf(CodeBadValue, "%s, the folder of node %s, is not a folder.", quote(n.Dir), quote(n.Short))
	}
	return nil
}
