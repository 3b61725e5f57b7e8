package cluster

import (
	"context"
	"slices"
	"time"

	"irisops/actions"
)

// Observation is what one round of watching saw.
type Observation struct {
	Cluster string
	Nodes   []Sight // as in the config
	// Connected is how many of the nodes answered, or are connected to a core that
	// did: a node whose cookie differs is there all the same.
	Connected int
	Findings  []Finding // what the checks found, beside what the Sights tell

	Users   *int64 // connected users on all edges, without the probes; nil: not known
	Waiting *int64 // records of offline messages, the most that a core holds; nil: not known
}

// Sight is what was seen of one node from outside and inside.
type Sight struct {
	Node    string
	Role    Role
	Answers bool   // it let irisops in and answered
	Code    string // why not, as in package actions
	Process Alive
	PID     int    // 0: not known
	Why     string // what is wrong, as the rest of a sentence that begins with its name; "" if nothing

	// Of an edge: how a probe fared. Login and Delivery are 0 where they failed.
	Login    time.Duration
	Delivery time.Duration
	Untried  bool // the edge does not let the probe in, which is its right
	Trouble  string
}

// Alive says whether a process of the node was seen.
type Alive string

const (
	Runs    Alive = "runs"
	Halted  Alive = "stopped" // SIGSTOP holds it
	Gone    Alive = "none"    // it was looked for
	Unclear Alive = ""
)

// watchChecks are those that cost a node little enough to be made every round;
// what is sampled over a second is left to diagnose full, and the login to a
// probe of its own.
var watchChecks = slices.DeleteFunc(slices.Clone(fullChecks), func(k check) bool {
	return k.cost == sampled || k.name == checkLogin.name || k.name == checkLog.name
})

// Observe looks at everything once, within Options.Full: every node is asked,
// and on every edge the two probes log in and one sends the other a message.
func (c *Cluster) Observe(ctx context.Context) Observation {
	o := Observation{Cluster: c.Name, Nodes: make([]Sight, len(c.Nodes))}
	probing, cancel := context.WithTimeout(ctx, c.opt.Full)
	defer cancel()
	type probe struct {
		login, delivery time.Duration
		err             error
	}
	probes := make(chan []probe, 1)
	go func() {
		probes <- each(c.Nodes, func(n Node) (p probe) {
			if n.Role == EdgeRole {
				from, to := n.probes()
				p.login, p.delivery, p.err = c.edge.RoundTrip(probing, n.Addr(), from, to)
			}
			return p
		})
	}()
	o.Findings = c.examine(ctx, c.opt.Full, tasks(c.Nodes, watchChecks))
	tried := <-probes
	for i, n := range c.Nodes {
		s := c.sight(n, about(n, o.Findings))
		if p := tried[i]; n.Role == EdgeRole {
			s.Login, s.Delivery = p.login, p.delivery
			switch code := actions.CodeOf(p.err); {
			case code == actions.CodeAuthFailed, code == actions.CodeRateLimited:
				s.Untried = true
			case silent(p.err):
				s.Delivery, s.Trouble = 0, "no answer in time"
			case p.err != nil:
				s.Delivery, s.Trouble = 0, c.mask.err(p.err)
			}
		}
		o.Nodes[i] = s
	}
	o.Connected = c.connected(o)
	o.count()
	return o
}

func (c *Cluster) sight(n Node, fs ofNode) Sight {
	k := judge(n, fs)
	ping, process := fs.of(checkPing), fs.of(checkProcess)
	s := Sight{Node: n.Short, Role: n.Role, Answers: k.answers, Code: ping.Code, PID: process.pid}
	switch {
	case process.Code == codeStopped:
		s.Process = Halted
	case process.pid != 0:
		s.Process = Runs
	case process.Code == codeNoProcess:
		s.Process = Gone
	}
	if k.kind < unclear {
		s.Why = k.text
	}
	return s
}

// connected counts the nodes that are there.
func (c *Cluster) connected(o Observation) int {
	there := map[string]bool{}
	for _, s := range o.Nodes {
		if s.Answers {
			there[s.Node] = true
		}
	}
	for _, f := range o.Findings {
		if others, ok := f.fact.([]string); ok && f.Check == checkConnected.name {
			for _, n := range others {
				there[n] = true
			}
		}
	}
	return len(there)
}

func (o *Observation) count() {
	var users int64
	edges, told := 0, 0
	for _, s := range o.Nodes {
		if s.Role == EdgeRole {
			edges++
		}
	}
	for _, f := range o.Findings {
		switch fact := f.fact.(type) {
		case presence:
			if fact.role == EdgeRole {
				users += fact.users
				told++
			}
		case mail:
			if o.Waiting == nil || fact.records > *o.Waiting {
				o.Waiting = &fact.records
			}
		}
	}
	if edges > 0 && told == edges {
		o.Users = &users
	}
}

// Split says whether a finding tells of cores whose Mnesias run apart.
func (f Finding) Split() bool { return f.Code == codeSplit }

// Apart says whether a node is connected to no core, or a core not to all.
func (f Finding) Apart() bool {
	return f.Check == checkConnected.name && f.Result == actions.Advice
}

// Tables says whether a finding tells that a core's tables are not loaded or not
// seen alike by all cores, or that this could not be found out.
func (f Finding) Tables() bool {
	switch f.Check {
	case checkMnesia.name, checkViews.name, checkCopies.name:
		return f.Result == actions.Critical || f.Result == actions.Unknown
	}
	return false
}

// Follows says that a check could not be made because of what another one found.
func (f Finding) Follows() bool { return f.follows }
