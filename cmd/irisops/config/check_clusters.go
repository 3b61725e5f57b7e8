package config

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"irisops/actions/cluster"
)

var (
	// aliveShape is the part before the @ of what Erlang takes for -sname and -name.
	aliveShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]*$`)
	hostShape  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
	// targetShape is a make target: it is no option, no assignment and no path upwards.
	targetShape   = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@+/:,-]*$`)
	variableShape = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}$`)
	sshShape      = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*(:[0-9]{1,5})?$`)
)

// reservedShorts are words that mean something else where a node's short name
// stands. "core" is not among them: IRIS has one core by default, and then the
// node and the role are the same.
var reservedShorts = []string{"all", "edge", "edges", "cores", "cluster", "node", "split-brain"}

func (k *checker) checkHosts() {
	for _, name := range slices.Sorted(maps.Keys(k.c.Hosts)) {
		path, h := join("hosts", name), k.c.Hosts[name]
		if !k.usable(path) {
			continue
		}
		if !idShape.MatchString(name) || name == local {
			k.fault(path, "hosts: the name %s cannot be used. %s local is this machine.", quote(name), idRule)
		}
		if k.required(path+".ssh", "Host %s has no ssh: the account and the machine, like ops@h2.example.org", plain(name)) && !sshShape.MatchString(h.SSH) {
			k.fault(path+".ssh", "ssh: %s is not user@host or user@host:port.", quote(h.SSH))
		}
		if k.required(path+".known_hosts", "Host %s has no known_hosts: the file that says by which key the machine is recognised. Make it with ssh-keyscan, and compare the key on the machine itself.", plain(name)) &&
			k.checkPath(path+".known_hosts", h.KnownHosts) {
			if _, err := readFile(h.KnownHosts, maxKeyFile); err != nil {
				k.unread(path+".known_hosts", h.KnownHosts, err)
			}
		}
		switch {
		case !k.given(path + ".identity"):
			if k.machine.agent == "" {
				k.warn(path, "Host %s has no identity, and no SSH agent runs here (SSH_AUTH_SOCK is not set), so irisops will have no key to log in with.", plain(name))
			}
		case k.checkPath(path+".identity", h.Identity):
			k.checkPrivate(path+".identity", h.Identity, 0o077)
			if _, err := readFile(h.Identity, maxKeyFile); k.usable(path+".identity") && err != nil {
				k.unread(path+".identity", h.Identity, err)
			}
		}
	}
}

const maxKeyFile = 1 << 20

// unique are the checks of what no two nodes may share, in one cluster or two.
type unique struct{ port, name, log func(path, value string) }

func (k *checker) checkClusters() {
	if !k.required("clusters", "clusters is missing: which nodes there are. See docs/irisops.example.yaml.") {
		return
	}
	if len(k.c.Clusters) == 0 {
		k.fault("clusters", "clusters is empty: which nodes there are. See docs/irisops.example.yaml.")
	}
	names := k.unique("name")
	once := unique{k.unique("port"), k.unique("node"), k.unique("log")}
	for i := range k.c.Clusters {
		at := fmt.Sprintf("clusters[%d]", i)
		if k.bad[at] {
			continue
		}
		c := &k.c.Clusters[i]
		if k.required(at+".name", "This cluster has no name. For example name: main") {
			if !idShape.MatchString(c.Name) {
				k.fault(at+".name", "name: %s cannot be used. %s", quote(c.Name), idRule)
			}
			names(at+".name", c.Name)
		}
		if !k.given(at + ".epmd_port") {
			c.EPMDPort = defaultEPMDPort
		}
		k.checkPort(at+".epmd_port", c.EPMDPort)
		k.checkCookie(at+".cookie_file", c)
		k.checkTLS(at+".tls", c)
		k.checkNodes(at, c, once)
		k.checkSmoke(at+".smoke", c)
	}
}

func (k *checker) checkNodes(at string, c *Cluster, once unique) {
	name := clusterName(c)
	if !k.required(at+".nodes", "%s has no nodes. See docs/irisops.example.yaml.", name) {
		return
	}
	shorts := k.unique("short name")
	cores, edges, unclear, domains := 0, 0, 0, 0
	for i := range c.Nodes {
		path := fmt.Sprintf("%s.nodes[%d]", at, i)
		n := &c.Nodes[i]
		if k.bad[path] {
			unclear++
			continue
		}
		k.checkNode(path, n)
		switch {
		case !k.usable(path + ".role"):
			unclear++
		case n.Role == string(cluster.CoreRole):
			cores++
		case n.Role == string(cluster.EdgeRole):
			edges++
		}
		if strings.Contains(n.Name, ".") {
			domains++
		}
		shorts(path+".short", n.Short)
		once.name(path+".name", fmt.Sprintf("%s (epmd port %d)", n.Name, c.EPMDPort))
		once.port(path+".port", fmt.Sprintf("%d on host %s", n.Port, plain(n.Host)))
		if !k.bad[path+".dir"] {
			once.log(k.theGiven(path+".log", path+".short"), fmt.Sprintf("%s on host %s", filepath.Join(n.Dir, n.Log), plain(n.Host)))
		}
	}
	if domains != 0 && domains != len(c.Nodes) {
		k.fault(at+".nodes", "%s mixes node names with a domain (@h1.example.org) and without (@h1). Erlang connects only the one kind with its like.", name)
	}
	switch {
	case unclear > 0: // it may be the core
	case cores == 0:
		k.fault(at+".nodes", "%s has no node with role: core, and edges can do nothing without.", name)
	case edges == 0:
		k.warn(at+".nodes", "%s has no node with role: edge, so verify can prove nothing.", name)
	}
	k.checkShorts(at, c, cores)
}

func clusterName(c *Cluster) string {
	if c.Name == "" {
		return "This cluster"
	}
	return "Cluster " + plain(c.Name)
}

// checkShorts refuses short names that would make a command mean two things.
func (k *checker) checkShorts(at string, c *Cluster, cores int) {
	for i, n := range c.Nodes {
		path := fmt.Sprintf("%s.nodes[%d].short", at, i)
		if !k.usable(path) {
			continue
		}
		if n.Short == string(cluster.CoreRole) && (n.Role == string(cluster.EdgeRole) || cores > 1) {
			k.fault(path, "short: core is a role too, so only the one core of a cluster may be called that. Call it %s.", nextName(n))
		}
		for j, other := range c.Nodes {
			alive, _, _ := strings.Cut(other.Name, "@")
			if i != j && strings.EqualFold(n.Short, alive) {
				k.fault(path, "short: %s is also the name of node %s, so a command could mean either. Choose another.", n.Short, plain(other.Short))
			}
		}
	}
}

func nextName(n Node) string {
	if n.Role == string(cluster.EdgeRole) {
		return "edge1"
	}
	return "core1"
}

func (k *checker) checkNode(at string, n *Node) {
	who := "this node"
	if k.required(at+".short", "This node has no short name: what people type, like short: edge1") {
		who = "node " + plain(n.Short)
		switch {
		case !idShape.MatchString(n.Short):
			k.fault(at+".short", "short: %s cannot be used. %s", quote(n.Short), idRule)
		case slices.Contains(reservedShorts, n.Short):
			k.fault(at+".short", "short: %s means something else in a command. Call the node edge1 or core1, for example.", quote(n.Short))
		}
	}
	k.checkNodeName(at+".name", n, who)
	k.checkRole(at, n, who)
	k.checkPlace(at, n, who)
	k.checkStart(at, n, who)
	if n.Host != local {
		k.checkFar(at, n, who)
	}
}

// checkFar refuses what the shell behind an SSH server is not given.
func (k *checker) checkFar(at string, n *Node, who string) {
	one := func(path, value string) {
		if k.usable(path) && strings.ContainsAny(value, "+,") {
			k.fault(path, "%s: %s: + and , cannot be passed on by SSH, and it lives on host %s. Choose a name without.", who, last(path), plain(n.Host))
		}
	}
	one(at+".dir", n.Dir)
	one(at+".target", n.Target)
	one(at+".log", n.Log)
	for _, name := range slices.Sorted(maps.Keys(n.MakeVars)) {
		one(join(at+".make_vars", name), n.MakeVars[name])
	}
}

func (k *checker) checkNodeName(path string, n *Node, who string) {
	if !k.required(path, "%s has no name: its Erlang name, like iris_edge1@h1", capital(who)) {
		return
	}
	alive, host, _ := strings.Cut(n.Name, "@")
	switch {
	case !aliveShape.MatchString(alive) || !hostShape.MatchString(host) || len(n.Name) > 255:
		k.fault(path, "name: %s is not an Erlang node's name. It is name@host, like iris_edge1@h1.", quote(n.Name))
	case strings.HasPrefix(strings.ToLower(alive), "irisops"):
		k.fault(path, "name: %s begins with irisops, as the bot's own nodes do. Name IRIS's node.", quote(n.Name))
	}
}

func (k *checker) checkRole(at string, n *Node, who string) {
	if k.required(at+".role", "%s has no role: core or edge", capital(who)) && !slices.Contains(nodeRoles, n.Role) {
		k.fault(at+".role", "%s: there is no role %s. %s", who, quote(n.Role), didYouMean(n.Role, nodeRoles))
	}
	switch {
	case !k.usable(at + ".role"):
	case n.Role == string(cluster.EdgeRole) && !k.given(at+".port"):
		k.fault(at, "%s is an edge and has no port: where clients connect, like port: 8085", capital(who))
	case n.Role == string(cluster.CoreRole) && k.given(at+".port"):
		k.fault(at+".port", "%s is a core, and clients connect to edges only. Take the port out.", capital(who))
	}
	k.checkPort(at+".port", n.Port)
}

// checkPlace looks where the node lives.
func (k *checker) checkPlace(at string, n *Node, who string) {
	if !k.given(at + ".host") {
		n.Host = local
	}
	if k.usable(at+".host") && n.Host != local && !k.given(join("hosts", n.Host)) {
		k.fault(at+".host", "%s: host %s is neither local nor under hosts. %s", who, quote(n.Host), didYouMean(n.Host, append(slices.Sorted(maps.Keys(k.c.Hosts)), local)))
	}
	if !k.required(at+".dir", "%s has no dir: the folder with IRIS's Makefile, like dir: /srv/iris", capital(who)) || !k.checkPath(at+".dir", n.Dir) || n.Host != local {
		return
	}
	if info, err := os.Stat(n.Dir); err != nil || !info.IsDir() {
		k.warn(at+".dir", "%s: there is no folder %s on this machine.", capital(who), n.Dir)
	} else if !hasMakefile(n.Dir) {
		k.warn(at+".dir", "%s: the folder %s has no Makefile, so the node cannot be started.", capital(who), n.Dir)
	}
}

func hasMakefile(dir string) bool {
	return slices.ContainsFunc([]string{"GNUmakefile", "makefile", "Makefile"}, func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	})
}

// checkStart looks how the node is started.
func (k *checker) checkStart(at string, n *Node, who string) {
	if !k.given(at + ".target") {
		n.Target = "start_" + n.Short
	}
	if k.usable(at+".target") && (!targetShape.MatchString(n.Target) || len(n.Target) > 255) {
		k.fault(at+".target", "%s: %s is not a make target. It begins with a letter, digit or _; then . @ + / : , - may stand too.", who, quote(n.Target))
	}
	for _, name := range slices.Sorted(maps.Keys(n.MakeVars)) {
		path, value := join(at+".make_vars", name), n.MakeVars[name]
		switch {
		case !k.usable(path):
		case secretKey(name):
			k.fault(path, "%s: the make variable %s looks like a secret. It would stand in this file and in the list of processes. Take it out, and have the Makefile read it from a file of its own.", who, quote(name))
		case !variableShape.MatchString(name):
			k.fault(path, "%s: %s is not the name of a make variable. Use letters, digits and _.", who, quote(name))
		case !safeShape.MatchString(value) || len(value) > 255:
			k.fault(path, "%s: the value %s of %s cannot be used. %s", who, quote(value), name, safeRule)
		}
	}
	if !k.given(at + ".log") {
		n.Log = n.Short + ".log"
	}
	if !k.usable(at + ".log") {
		return
	}
	switch {
	case n.Log == "" || filepath.IsAbs(n.Log) || !filepath.IsLocal(n.Log) || strings.HasPrefix(n.Log, "-") || filepath.Clean(n.Log) != n.Log || n.Log == ".":
		k.fault(at+".log", "%s: log: %s has to be the name of a file inside dir, like edge1.log.", who, quote(n.Log))
	case !safeShape.MatchString(n.Log) || len(n.Log) > 255:
		k.fault(at+".log", "%s: log: %s cannot be used. %s", who, quote(n.Log), safeRule)
	}
}

func capital(who string) string { return strings.ToUpper(who[:1]) + who[1:] }
