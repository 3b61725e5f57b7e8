// Package cluster is what operators look at and do to IRIS: diagnose, verify,
// start, stop, restart, mesh, logs. It reads like the two runbooks, does what
// they mean where their commands do not work on the real code, and verifies
// each step by evidence. catalogue.go lists its actions.
package cluster

import (
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"

	"irisops/actions"
)

// Role of a node.
type Role string

const (
	CoreRole Role = "core"
	EdgeRole Role = "edge"
)

// Node is one expected node of a cluster, as the config describes it.
type Node struct {
	Cluster  string
	Short    string // "edge1": what people type
	Name     string // "iris_edge1@h1": the Erlang name
	Role     Role
	Host     string // "local", or a name under hosts
	Dir      string // folder with the Makefile
	Target   string // make target that starts it
	MakeVars map[string]string
	Log      string // log file, relative to Dir
	Port     int    // client port; 0 for cores
	EPMDPort int
}

// Addr is where clients connect.
func (n Node) Addr() string {
	host := "127.0.0.1"
	if n.Host != "local" {
		_, host, _ = strings.Cut(n.Name, "@")
	}
	return net.JoinHostPort(host, strconv.Itoa(n.Port))
}

// Alive is the part of the name that epmd knows: "iris_edge1".
func (n Node) Alive() string {
	alive, _, _ := strings.Cut(n.Name, "@")
	return alive
}

// Key names the node across clusters, for locks: "main/edge1".
func (n Node) Key() string { return n.Cluster + "/" + n.Short }

// Spec is one cluster as the config describes it.
type Spec struct {
	Name  string
	Nodes []Node
	Smoke *Smoke // the cluster's own smoke test; may be nil
}

// ByRole lists the nodes of a role in config order.
func (s Spec) ByRole(r Role) []Node {
	var nodes []Node
	for _, n := range s.Nodes {
		if n.Role == r {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// Select finds the nodes that a target means: a short or full name, a role, or
// all. Unknown and ambiguous targets are refused with the choices.
func (s Spec) Select(target string) ([]Node, error) {
	t := strings.ToLower(target)
	switch {
	case t == "all":
		return s.Nodes, nil
	case len(s.byName(t)) == 1:
		return s.byName(t), nil
	case len(s.byName(t)) > 1:
		return nil, &actions.Error{Code: actions.CodeAmbiguous,
			Text: fmt.Sprintf("%q means more than one node.", target), Hint: "Say one of: " + s.choices() + "."}
	case t == string(CoreRole) || t == string(CoreRole)+"s":
		return s.ByRole(CoreRole), nil
	case t == string(EdgeRole) || t == string(EdgeRole)+"s":
		return s.ByRole(EdgeRole), nil
	}
	return nil, &actions.Error{Code: actions.CodeNoSuchNode,
		Text: fmt.Sprintf("%s has no node %q.", s.Name, target), Hint: "Say one of: " + s.targets() + "."}
}

func (s Spec) byName(t string) []Node {
	var nodes []Node
	for _, n := range s.Nodes {
		if strings.ToLower(n.Short) == t || strings.ToLower(n.Name) == t || strings.ToLower(n.Alive()) == t {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// targets are the nodes and the words that mean several.
func (s Spec) targets() string {
	targets := s.choices()
	for _, word := range []string{string(CoreRole), string(EdgeRole), "all"} {
		if len(s.byName(word)) == 0 {
			targets += ", " + word
		}
	}
	return targets
}

func (s Spec) choices() string {
	var names []string
	for _, n := range s.Nodes {
		names = append(names, n.Short)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}
