package cluster

import (
	"fmt"
	"slices"
	"strings"

	"irisops/actions"
)

// section of a runbook.
type section struct{ file, title string }

func (s section) String() string { return fmt.Sprintf("docs/runbooks/%s, %q", s.file, s.title) }

var (
	outage         = section{"incident-response.md", "P0: Complete Service Outage"}
	clusterFailure = section{"failover.md", "Complete Cluster Failure"}
	coreFailure    = section{"failover.md", "Single Core Node Failure"}
	edgeFailure    = section{"failover.md", "Single Edge Node Failure"}
	splitBrain     = section{"failover.md", "Mnesia Split-Brain Recovery"}
	degradation    = section{"incident-response.md", "P1: High Latency / Partial Failures"}
	commonFixes    = section{"incident-response.md", "Common Fixes"}
	delivery       = section{"incident-response.md", "P2: Message Delivery Issues"}
)

// cause is what several findings come from.
type cause struct {
	name  string // "split-brain"
	text  string // its part of the verdict; "" where it only explains
	why   string // what joins the symptoms, for people
	cite  section
	next  string // words to type; "" where no command helps
	first bool   // it stands before dead nodes: it is why they died
	of    []key  // the findings that it explains
}

type key struct{ check, node string }

// rule knows one cause. Dead and hung nodes, a whole cluster that is down, a gone
// epmd and a wrong cookie are told by judge, for each by the first of its
// symptoms that explains the others.
type rule struct {
	name string
	cite section
	find func(s *symptoms) []cause
}

// symptoms are what rules look at.
type symptoms struct {
	c          *Cluster
	conditions []condition
	findings   []Finding
}

// rules in the order in which the verdict names their causes.
var rules = []rule{
	{"disk full", degradation, (*symptoms).diskFull},
	{"port taken", edgeFailure, (*symptoms).portTaken},
	{"split-brain", splitBrain, (*symptoms).split},
	{"network partition", degradation, (*symptoms).cut},
	{"clock skew", degradation, (*symptoms).clocks},
	{"memory pressure", commonFixes, (*symptoms).memory},
	{"Mnesia overload", commonFixes, (*symptoms).overload},
	{"busy machine", degradation, (*symptoms).busyMachine},
	{"mailbox flood", degradation, (*symptoms).flood},
	{"stuck user", delivery, (*symptoms).stuck},
	{"presence expiry", delivery, (*symptoms).expiry},
	{"joined acknowledgements", delivery, (*symptoms).joined},
	{"no login without a core", coreFailure, (*symptoms).locked},
	{"errors hidden by noise", outage, (*symptoms).noise},
}

// explain joins the findings into causes, and gives the conditions of nodes
// whose every trouble is explained the kind `told`.
func (c *Cluster) explain(conditions []condition, findings []Finding) []cause {
	s := &symptoms{c, conditions, findings}
	var causes []cause
	for _, r := range rules {
		for _, k := range r.find(s) {
			if k.text == "" && len(k.of) > 0 && !slices.ContainsFunc(k.of, func(of key) bool { return !explained(causes, of) }) {
				continue // nothing is left that it could explain
			}
			k.name = r.name
			if k.cite == (section{}) {
				k.cite = r.cite
			}
			causes = append(causes, k)
		}
	}
	slices.SortStableFunc(causes, func(a, b cause) int {
		switch {
		case a.first == b.first:
			return 0
		case a.first:
			return -1
		}
		return 1
	})
	for i, cond := range conditions {
		if cond.kind != broken && cond.kind != unclear && cond.kind != shaky {
			continue
		}
		var rest ofNode
		for _, f := range about(cond.node, findings) {
			if !explained(causes, key{f.Check, f.Node}) {
				rest = append(rest, f)
			}
		}
		if len(rest) == len(about(cond.node, findings)) {
			continue
		}
		if left := judge(cond.node, rest); left.kind != healthy {
			conditions[i] = left
		} else {
			conditions[i].kind, conditions[i].text, conditions[i].next = told, "", ""
		}
	}
	return causes
}

// explained says whether the verdict tells a cause of that finding.
func explained(causes []cause, of key) bool {
	return slices.ContainsFunc(causes, func(k cause) bool { return k.text != "" && slices.Contains(k.of, of) })
}

// bad are the findings of a check with a code that are worth a warning or worse.
func (s *symptoms) bad(code string, checks ...check) []Finding {
	var found []Finding
	for _, f := range s.findings {
		named := len(checks) == 0 || slices.ContainsFunc(checks, func(k check) bool { return k.name == f.Check })
		if named && f.Code == code && (f.Result == actions.Critical || f.Result == actions.Warn) {
			found = append(found, f)
		}
	}
	return found
}

func keys(fs []Finding) []key {
	all := make([]key, len(fs))
	for i, f := range fs {
		all[i] = key{f.Check, f.Node}
	}
	return all
}

func nodesOf(fs []Finding) []string {
	var names []string
	for _, f := range fs {
		if !slices.Contains(names, f.Node) {
			names = append(names, f.Node)
		}
	}
	return names
}

func (s *symptoms) host(short string) string {
	for _, n := range s.c.Nodes {
		if n.Short == short {
			return hostOf(n)
		}
	}
	return short
}

// first part of the evidence, up to a comma or semicolon that is not in a number.
func clause(evidence string) string {
	text, _, _ := strings.Cut(evidence, "; ")
	text, _, _ = strings.Cut(text, ", ")
	return text
}

func (s *symptoms) diskFull() []cause {
	var causes []cause
	seen := map[string]int{}
	for _, f := range s.bad(actions.CodeDiskFull, checkHost) {
		host := s.host(f.Node)
		text := fmt.Sprintf("disk nearly full on %s: %s", host, clause(f.Evidence))
		if f.Result == actions.Critical {
			text = fmt.Sprintf("disk full on %s: %s", host, clause(f.Evidence))
		}
		if i, again := seen[text]; again {
			causes[i].of = append(causes[i].of, key{f.Check, f.Node})
			continue
		}
		seen[text] = len(causes)
		causes = append(causes, cause{text: text, first: true, of: []key{{f.Check, f.Node}},
			why: "Mnesia and the write-ahead log stop at a full disk, and a start fails: make room before anything is restarted."})
	}
	return causes
}

func (s *symptoms) portTaken() []cause {
	var causes []cause
	for _, k := range s.conditions {
		if k.kind == taken {
			causes = append(causes, cause{why: fmt.Sprintf("%s cannot start while another program listens on port %d. Find it with: ss -ltnp 'sport = :%d' (an edge of IRIS also takes the port above its own, for WebSockets).", k.node.Short, k.node.Port, k.node.Port)})
		}
	}
	return causes
}

// split tells a network that is parted now from one that was: Mnesia stays in two
// after it has healed.
func (s *symptoms) split() []cause {
	fs := s.bad(codeSplit, checkViews)
	if len(fs) == 0 {
		return nil
	}
	cores := nodesOf(fs)
	also := s.bad(codeSplit, checkSizes, checkGuard)
	k := cause{text: "split-brain: " + listed(cores) + " run Mnesia without each other, and their data diverge",
		of: append(keys(append(fs, also...)), s.logsOf(cores)...), next: splitWords,
		why: "Do not connect them by mnesia:change_config, and restart nothing: one side's rows would be lost. `mesh` does not heal it either. `" + splitWords + "` shows what speaks for each side."}
	switch parted, known := s.parted(cores); {
	case known && parted:
		k.next = "mnesia" // nothing can be joined over a broken line, and mesh does not mend one
		for i := range s.findings {
			if f := &s.findings[i]; f.Check == checkConnected.name && f.Next == "mesh" && slices.Contains(cores, f.Node) {
				f.Next, f.typed = "have the network mended", false
			}
		}
		k.text = "network partition: " + listed(cores) + " do not reach each other, run Mnesia alone (split-brain), and their data diverge"
		k.why = "Both sides go on and write, so that each has rows that the other lacks. Have the network mended first; Mnesia stays in two after that, and a person chooses whose rows stay."
	case known:
		k.text = "split-brain: " + listed(cores) + " reach each other again, but run Mnesia without each other, and their data diverge"
	}
	return []cause{k}
}

// parted says whether of these cores two are not connected, where that is known.
func (s *symptoms) parted(cores []string) (parted, known bool) {
	for _, f := range s.findings {
		seen, ok := f.fact.([]string)
		if f.Check != checkConnected.name || !ok || !slices.Contains(cores, f.Node) {
			continue
		}
		known = true
		for _, other := range cores {
			parted = parted || other != f.Node && !slices.Contains(seen, other)
		}
	}
	return parted, known
}

// logsOf are the errors in the logs of these nodes: those of a parted network are
// many, and follow from it.
func (s *symptoms) logsOf(nodes []string) []key {
	var of []key
	for _, f := range s.findings {
		if f.Check == checkLog.name && f.Result == actions.Warn && slices.Contains(nodes, f.Node) {
			of = append(of, key{f.Check, f.Node})
		}
	}
	return of
}

// cut are edges without a core, while clients are on them.
func (s *symptoms) cut() []cause {
	fs := s.bad(codeParted, checkConnected)
	if len(fs) == 0 {
		return nil
	}
	edges := nodesOf(fs)
	var cores []string
	for _, n := range s.c.ByRole(CoreRole) {
		cores = append(cores, n.Short)
	}
	return []cause{{text: fmt.Sprintf("network partition: %s %s cut off from %s", listed(edges), verb(len(edges), "is", "are"), listed(cores)),
		of: append(keys(fs), s.logsOf(append(cores, edges...))...), next: "mesh",
		why: "Clients there can log in and write to each other, but reach nobody on other edges. `mesh` tries to connect them again; if that fails it is the network between the machines, or another cookie."}}
}

func (s *symptoms) clocks() []cause {
	fs := s.bad(codeClock, checkClock)
	if len(fs) == 0 {
		return nil
	}
	parts := strings.Split(fs[0].Evidence, "; ")
	return []cause{{text: fmt.Sprintf("clock skew: %s is %s", fs[0].Node, parts[1]), of: keys(fs),
		why: "Presence, message times and the order of offline messages go by the clocks."}}
}

func (s *symptoms) memory() []cause {
	var causes []cause
	fs := append(s.bad(codeMemory, checkBinaries), s.bad(codeMemory, checkMemory)...)
	for _, node := range nodesOf(fs) {
		var of, said = []key{}, []string{}
		for _, f := range fs {
			if f.Node == node {
				of = append(of, key{f.Check, f.Node})
				text, _, _ := strings.Cut(f.Evidence, " (processes")
				said = append(said, text)
			}
		}
		causes = append(causes, cause{text: fmt.Sprintf("memory pressure on %s: %s", node, strings.Join(said, "; ")), of: of,
			next: "gc " + node,
			why:  "Binaries stay until the processes that refer to them are collected; the runbook's erl -eval collects only the node that it starts."})
	}
	hosts := map[string]bool{}
	for _, f := range s.bad(codeMemory, checkHost) {
		if h := s.host(f.Node); !hosts[h] {
			hosts[h] = true
			causes = append(causes, cause{text: fmt.Sprintf("memory pressure on host %s: %s", h, clause(f.Evidence)), of: []key{{f.Check, f.Node}},
				why: "The kernel ends the largest process when nothing is left: that is a node."})
		} else {
			causes[len(causes)-1].of = append(causes[len(causes)-1].of, key{f.Check, f.Node})
		}
	}
	return causes
}

// busyMachine tells each machine once, not once for each of its nodes.
func (s *symptoms) busyMachine() []cause {
	var causes []cause
	at := map[string]int{}
	for _, code := range []string{codeLoad, codeFiles} {
		for _, f := range s.bad(code, checkHost) {
			host := s.host(f.Node)
			i, again := at[host]
			if !again {
				i = len(causes)
				at[host] = i
				causes = append(causes, cause{text: fmt.Sprintf("busy machine %s: %s", host, clause(f.Evidence)), next: f.words(),
					why: "What the nodes there do takes longer, whoever keeps the machine busy: look at its processes."})
			}
			causes[i].of = append(causes[i].of, key{f.Check, f.Node})
		}
	}
	return causes
}

func (s *symptoms) overload() []cause {
	fs := s.bad(codeOverload)
	var causes []cause
	for _, node := range nodesOf(fs) {
		var of []key
		var said []string
		for _, f := range fs {
			if f.Node == node {
				of = append(of, key{f.Check, f.Node})
				said = append(said, clause(f.Evidence))
			}
		}
		causes = append(causes, cause{text: fmt.Sprintf("Mnesia overload on %s: %s", node, strings.Join(said, "; ")), of: of, next: "mnesia tune dump_log_write_threshold 10000",
			why: "The runbook's mnesia:system_info(transaction_failures) only counts. What helps: a larger dump_log_write_threshold, a faster disk, fewer writes."})
	}
	return causes
}

func (s *symptoms) flood() []cause {
	var causes []cause
	for _, f := range s.bad(codeMailbox, checkMailboxes) {
		text, _, _ := strings.Cut(f.Evidence, ", most of")
		of := []key{{f.Check, f.Node}}
		if t, ok := f.fact.(top); ok && len(t.mailboxes) > 0 {
			for _, other := range s.findings { // what was asked of that process has to wait, too
				if other.Node == f.Node && other.Result == actions.Unknown && strings.HasPrefix(other.Evidence, t.mailboxes[0].name+":") {
					of = append(of, key{other.Check, other.Node})
				}
			}
		}
		causes = append(causes, cause{text: fmt.Sprintf("mailbox flood on %s: %s", f.Node, text), of: of, next: f.words(),
			why: "The process gets messages faster than it handles them, or waits for something: what it delivers is late."})
	}
	return causes
}

func (s *symptoms) stuck() []cause {
	for _, f := range s.bad(codeStuck, checkMail) {
		m, ok := f.fact.(mail)
		if !ok || len(m.users) == 0 {
			continue
		}
		u := m.users[0]
		return []cause{{text: fmt.Sprintf("stuck user: %s of %s waiting messages are for %s", grouped(u.records), grouped(m.records), spokenUser(u.name)),
			of: keys(s.bad(codeStuck, checkMail)), next: f.words(),
			why: "A login reads them all at once; what lies in buckets beyond the user's count is never read by a login. mnesia:dirty_read(offline_msg, User) of the runbook finds none of them: the key is {User, Bucket}."}}
	}
	return nil
}

func (s *symptoms) expiry() []cause {
	fs := s.bad(codePresence, checkPresence)
	waits := slices.ContainsFunc(s.findings, func(f Finding) bool {
		m, ok := f.fact.(mail)
		return ok && m.records > 0
	})
	if len(fs) == 0 || !waits {
		return nil
	}
	parts := strings.Split(fs[0].Evidence, "; ")
	return []cause{{text: "presence expired: " + parts[len(parts)-1] + ", and messages for them wait", of: keys(fs), next: "messages size",
		why: "IRIS forgets a user 30 s after the login, because nothing sends it heartbeats: messages from another edge are then stored until the user logs in again."}}
}

func (s *symptoms) joined() []cause {
	fs := s.bad(codeUnacked, checkUnacked)
	if len(fs) == 0 {
		return nil
	}
	return []cause{{text: "duplicates likely: deliveries on " + listed(nodesOf(fs)) + " are not acknowledged, and are sent again", of: keys(fs), next: fs[0].words(),
		why: "Two acknowledgements in one TCP segment are read as one id; after 10 s both messages are stored and delivered once more. The other cause is a client that does not acknowledge."}}
}

// locked: edges let nobody in because they wait for the core.
func (s *symptoms) locked() []cause {
	for _, k := range s.conditions {
		if k.node.Role == CoreRole && k.kind < broken {
			if fs := append(s.bad(codeLogin, checkLogin), s.bad(actions.CodeHung, checkLogin)...); len(fs) > 0 {
				var up []Finding
				for _, f := range fs {
					if slices.ContainsFunc(s.conditions, func(k condition) bool { return k.node.Short == f.Node && k.answers }) {
						up = append(up, f)
					}
				}
				if len(up) > 0 {
					also := slices.DeleteFunc(slices.Clone(s.findings), func(f Finding) bool {
						return !slices.Contains(nodesOf(up), f.Node) || f.Check != checkBreaker.name || f.Result != actions.Critical && f.Result != actions.Warn
					})
					return []cause{{text: listed(nodesOf(up)) + " " + verb(len(up), "runs", "run") + ", but no login without the core", of: keys(append(up, also...))}}
				}
			}
			return nil
		}
	}
	return nil
}

// noise is worth telling where nothing worse is: it brings no node down.
func (s *symptoms) noise() []cause {
	if slices.ContainsFunc(s.conditions, func(k condition) bool { return k.kind < broken }) {
		return nil
	}
	var causes []cause
	for _, f := range s.findings {
		if f.Check == checkLog.name && f.Result == actions.Warn && strings.HasSuffix(f.Evidence, "of OS_MON noise folded") {
			causes = append(causes, cause{of: []key{{f.Check, f.Node}}, next: f.words(),
				why: "The errors of " + f.Node + " stand between lines of OS_MON noise, which tail -100 shows alone; here they are folded."})
		}
	}
	return causes
}

// likely is the table of causes.
func likely(causes []cause) actions.Section {
	s := actions.Section{Title: "Likely causes", Header: []string{"Cause", "Why", "Runbook", "Next"}}
	for _, k := range causes {
		s.Rows = append(s.Rows, []string{k.name, k.why, k.cite.String(), k.next})
	}
	return s
}

// affected says how many users lose service, where that can be known: users of
// edges that are gone, as far as cores still know them, and everybody on the
// edges where no core is left.
func (c *Cluster) affected(conditions []condition, findings []Finding) string {
	var connected, known int64
	gone := map[string]bool{} // edges, by full name
	cores, deadCores := 0, 0
	for _, k := range conditions {
		switch {
		case k.node.Role == CoreRole:
			cores++
			if k.kind >= down && k.kind < broken {
				deadCores++
			}
		case k.kind >= down && k.kind < broken:
			gone[k.node.Name] = true
		}
	}
	for _, f := range findings {
		p, ok := f.fact.(presence)
		if !ok {
			continue
		}
		if p.role == EdgeRole {
			connected += p.users
		}
		for edge := range gone {
			known += p.byEdge[edge]
		}
	}
	if cores > 0 && deadCores == cores && connected > 0 {
		return plural64(connected, "user") + " affected"
	}
	if known > 0 {
		return "at least " + plural64(known, "user") + " affected"
	}
	return ""
}
