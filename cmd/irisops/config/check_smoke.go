package config

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"irisops/actions/cluster"
)

// wordShape is what a word of a command line may be: it means nothing to a shell.
var wordShape = regexp.MustCompile(`^[A-Za-z0-9_@./:=+,-]{1,256}$`)

// noPrograms run other programs, or lines of text.
var noPrograms = []string{"sh", "bash", "dash", "zsh", "ksh", "ash", "busybox", "env", "xargs"}

const defaultSmokeWithin = 2 * time.Minute

// checkSmoke looks at the cluster's own smoke test.
func (k *checker) checkSmoke(path string, c *Cluster) {
	if !k.given(path) || c.Smoke == nil || !k.usable(path) {
		return
	}
	s := c.Smoke
	if !k.given(path + ".node") {
		i := slices.IndexFunc(c.Nodes, func(n Node) bool { return n.Role == string(cluster.CoreRole) })
		if i < 0 {
			return // told elsewhere
		}
		s.Node = c.Nodes[i].Short
	}
	if !k.given(path + ".within") {
		s.Within = defaultSmokeWithin
	}
	i := slices.IndexFunc(c.Nodes, func(n Node) bool { return n.Short == s.Node })
	if i < 0 && k.usable(path+".node") {
		k.fault(path+".node", "node: %s is no node of %s. Say the short name of one.", quote(s.Node), clusterName(c))
	}
	if k.usable(path+".within") && (s.Within < time.Second || s.Within > time.Hour) {
		k.fault(path+".within", "within: %s is not between 1s and 1h.", s.Within)
	}
	if !k.required(path+".run", "smoke has no run: the program and its arguments, like run: [python3, tests/smoke.py]") {
		return
	}
	if len(s.Run) == 0 {
		k.fault(path+".run", "run is empty: the program and its arguments, like run: [python3, tests/smoke.py]")
		return
	}
	if slices.Contains(noPrograms, filepath.Base(s.Run[0])) {
		k.fault(path+".run", "run: %s runs other programs, and irisops starts no shell. Name the program itself.", s.Run[0])
	}
	for j, w := range s.Run {
		switch {
		case !wordShape.MatchString(w) || j == 0 && strings.HasPrefix(w, "-"):
			k.fault(path+".run", "run: %s cannot be used: only letters, digits and _ @ . / : = + , - are allowed there.", quote(w))
		case i >= 0 && c.Nodes[i].Host != local && strings.ContainsAny(w, "+,"):
			k.fault(path+".run", "run: %s: + and , cannot be passed on by SSH, and %s lives on host %s.", quote(w), s.Node, plain(c.Nodes[i].Host))
		}
	}
}
