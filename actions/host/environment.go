package host

import (
	"os"
	"strconv"
	"strings"

	"irisops/actions/cluster"
)

// environment is all that a child of this program gets to see: where programs
// and the home are, language and time zone, where to put temporary files, and
// the node's epmd. Everything else stays here, Slack's tokens above all, and
// also ERL_FLAGS and its kin and MAKEFLAGS, which would change what runs.
func environment(n cluster.Node) []string { return allowed(os.Environ(), n) }

// allowed picks that out of an environment: this program's, or the one that a
// login on another host gives.
func allowed(environ []string, n cluster.Node) []string {
	var env []string
	for _, kv := range environ {
		name, _, _ := strings.Cut(kv, "=")
		switch {
		case name == "PATH", name == "HOME", name == "USER", name == "TZ", name == "TMPDIR",
			name == "LANG", strings.HasPrefix(name, "LC_"):
			env = append(env, kv)
		}
	}
	// make's messages are read by this package: without this, gettext translates
	// them. It leaves the character set alone, unlike LC_ALL=C.
	env = append(env, "LANGUAGE=en")
	if n.EPMDPort > 0 {
		env = append(env, "ERL_EPMD_PORT="+strconv.Itoa(n.EPMDPort))
	}
	return env
}
