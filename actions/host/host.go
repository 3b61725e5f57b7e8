// Package host is the machine where nodes live: its processes, its make, its
// log files and folders, and how the machine itself is doing. Local is the one
// that this program runs on, Remote one that is reached by SSH, and Hosts picks
// between them by Node.Host.
//
// Here it runs two programs only, make TARGET and make -n TARGET, with a fixed
// argv whose words are checked before use; no shell of ours is ever between. Over
// SSH the login shell of the far side cannot be avoided, so a command line there
// consists of fixed words and words of the config, in an alphabet that means
// nothing to a shell; anything else is refused before connecting. What make starts gets an allow-listed environment and a
// session of its own, so that a node inherits no secret of this program and
// outlives it. A process is found by its exact -sname or -name argument and its
// working folder, and signalled only while its pid and start time still belong
// together.
//
// The client port and the epmd of a node are asked over the network, from here,
// wherever the node lives: as clients and other nodes see them.
//
// Linux only: it reads /proc (see proc(5)) and uses pidfds (pidfd_open(2)).
package host

import (
	"context"
	"os"
	"path/filepath"
	"strings"

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
	CodeExists      = "exists"       // what would be made is there already
	CodeFailed      = "failed"       // any other error of the operating system

	// Over SSH; a host that cannot be reached is actions.CodeNotHere.
	CodeHostKey   = "ssh-host-key" // the host's key is unknown, another one, or revoked
	CodeLogin     = "ssh-login"    // there is no usable key, or the host does not accept it
	CodeShell     = "ssh-shell"    // the login gives no plain command execution
	CodeNoProgram = "no-program"   // a standard tool is missing there
)

// EPMDNames asks the epmd at addr for its registered names and their ports.
type EPMDNames func(ctx context.Context, addr string) (map[string]int, error)

// Local is the host that this program runs on. It is safe for concurrent use.
type Local struct {
	names   EPMDNames
	secrets secrets
	makes   folders

	pidfdOpen func(pid, flags int) (int, error) // replaced by tests of kernels without it
}

var _ cluster.Host = (*Local)(nil)

// NewLocal gives the local host. Secrets (the clusters' cookies) are masked by
// value wherever a log or make's output shows them.
func NewLocal(names EPMDNames, secrets ...string) *Local {
	return &Local{names: names, secrets: secrets, pidfdOpen: unix.PidfdOpen}
}

// here refuses nodes of other hosts, and folders that could mean anything.
func here(n cluster.Node) error {
	if n.Host != "local" {
		return &actions.Error{Code: actions.CodeNotHere,
			Text: "The node " + quote(n.Short) + " lives on host " + quote(n.Host) + ", and the config does not say how to reach that.",
			Hint: "Put " + quote(n.Host) + " under hosts: with ssh, known_hosts and identity."}
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
