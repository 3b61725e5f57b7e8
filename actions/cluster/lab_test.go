package cluster_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
	"irisops/actions/host"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// field is a lab of real nodes and the cluster that looks at it, over the real
// adapters.
type field struct {
	*testing.T
	lab  *lab.Lab
	spec cluster.Spec
	link *erlang.Link
	c    *cluster.Cluster
}

func newField(t *testing.T) *field { return newFieldOf(t, lab.Options{}) }

func newFieldOf(t *testing.T, o lab.Options) *field {
	l := labtest.ForTest(t, o)
	f := &field{T: t, lab: l, spec: cluster.Spec{Name: "lab"}}
	for _, n := range l.Nodes() {
		f.spec.Nodes = append(f.spec.Nodes, cluster.Node{Cluster: "lab", Short: n.Short, Name: n.Name, Role: cluster.Role(n.Role), Host: "local",
			Dir: l.Dir(), Target: n.Target, Log: filepath.Base(n.Log), Port: n.Port, EPMDPort: l.EPMDPort()})
	}
	f.link = f.connect(lab.Cookie)
	f.c = f.cluster(f.link)
	return f
}

const patience = 3 * time.Second

func (f *field) connect(cookie erlang.Cookie) *erlang.Link {
	f.Helper()
	link, err := erlang.New(erlang.Options{Cookie: cookie, EPMDPort: f.lab.EPMDPort()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { link.Close() })
	return link
}

func (f *field) cluster(link *erlang.Link) *cluster.Cluster {
	return cluster.New(f.spec, link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{Secrets: []string{lab.Cookie},
		// The bounds themselves are tested without a clock. Here two busy processors may serve a whole test run.
		Diagnose: patience, Survey: patience, Summary: patience, Verify: 4 * patience, SlowPing: patience, SlowLogin: patience, BadLogin: 2 * patience})
}

func (f *field) node(short string) cluster.Node {
	f.Helper()
	nodes, err := f.spec.Select(short)
	if err != nil {
		f.Fatal(err)
	}
	return nodes[0]
}

func (f *field) look(c *cluster.Cluster, words ...string) actions.Result {
	f.Helper()
	args := actions.Args{}
	if len(words) > 1 {
		args["node"] = words[1]
	}
	for _, a := range c.Actions() {
		if a.Name == words[0] {
			begin := time.Now()
			r, err := a.Look(f.Context(), actions.Request{Args: args, By: "operator", Now: begin})
			if err != nil {
				f.Fatal(err)
			}
			f.Logf("%s took %s: %s", words[0], time.Since(begin).Round(time.Millisecond/10), r.Headline)
			return r
		}
	}
	f.Fatalf("no action %s", words[0])
	return actions.Result{}
}

// says diagnoses, and wants exactly that verdict.
func (f *field) says(c *cluster.Cluster, want string) actions.Result {
	f.Helper()
	r := f.look(c, "diagnose")
	if r.Headline != want {
		f.Errorf("diagnose\n got %s\nwant %s\n%+v", r.Headline, want, r.Data)
	}
	return r
}

func (f *field) plan(c *cluster.Cluster, name, target string) (actions.Plan, error) {
	return f.planWith(c, name, actions.Args{"target": target})
}

func (f *field) planWith(c *cluster.Cluster, name string, args actions.Args) (actions.Plan, error) {
	for _, a := range c.Actions() {
		if a.Name == name {
			return a.Plan(f.Context(), actions.Request{Args: args, By: "operator", Now: time.Now()})
		}
	}
	return actions.Plan{}, fmt.Errorf("no action %s", name)
}

// act plans and carries out, and wants that class; it returns the evidence.
func (f *field) act(c *cluster.Cluster, name, target string, class actions.Class) string {
	f.Helper()
	return f.actWith(c, name, actions.Args{"target": target}, class)
}

func (f *field) actWith(c *cluster.Cluster, name string, args actions.Args, class actions.Class) string {
	f.Helper()
	p, err := f.planWith(c, name, args)
	if err != nil {
		f.Fatal(err)
	}
	if p.Class != class {
		f.Errorf("%s is %s (%s), want %s", p.Title, p.Class, p.Why, class)
	}
	if text := fmt.Sprintf("%+v", p); strings.Contains(text, lab.Cookie) {
		f.Errorf("the plan shows the cookie: %s", text)
	}
	begin := time.Now()
	var log []string
	for _, s := range p.Steps {
		ctx, cancel := context.WithTimeout(f.Context(), cmp.Or(s.Timeout, time.Minute))
		seen, err := s.Perform(ctx)
		if err == nil && s.Check != nil {
			var checked string
			if checked, err = s.Check(ctx); checked != "" {
				seen += ", " + checked
			}
		}
		cancel()
		log = append(log, s.Name+": "+seen)
		if err != nil {
			f.Fatalf("%s: %v\n%s", s.Name, err, strings.Join(log, "\n"))
		}
	}
	f.Logf("%s took %s\n%s", p.Title, time.Since(begin).Round(time.Millisecond), strings.Join(log, "\n"))
	return strings.Join(log, "\n")
}

func (f *field) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *field) pid(short string) int {
	f.Helper()
	status, err := f.lab.Status(f.Context())
	f.must(err)
	for _, n := range status.Nodes {
		if n.Short == short {
			return n.PID
		}
	}
	f.Fatalf("no node %s", short)
	return 0
}

// The whole loop on real nodes. It is one story, because a lab takes seconds to
// come up and each chapter leaves it healthy.
func TestRealNodes(t *testing.T) {
	f := newField(t)
	core := f.node("core")

	f.says(f.c, "all 3 nodes healthy")
	if r := f.look(f.c, "verify"); r.Level != actions.OK || r.Headline != "login and message verified on all 2 edges" {
		t.Errorf("%s: %+v", r.Headline, r.Data)
	}
	if level, line := f.c.Summary(t.Context()); level != actions.OK || line != "all 3 nodes answer" {
		t.Errorf("%s: %s", level, line)
	}

	// A dead edge.
	f.must(f.lab.Kill(t.Context(), "edge1"))
	r := f.says(f.c, "edge1 down; core, edge2 healthy")
	if got := cluster.ExitCode(r.Data.(cluster.Diagnosis)); got != 2 {
		t.Errorf("exit code %d", got)
	}
	if len(r.Next) == 0 || r.Next[0].Words != "start edge1" {
		t.Errorf("next: %v", r.Next)
	}
	if r := f.look(f.c, "verify"); r.Level != actions.Critical {
		t.Errorf("%s: %s", r.Level, r.Headline)
	}
	if seen := f.act(f.c, "start", "edge1", actions.Do); !strings.Contains(seen, "start edge1: make start_edge1, edge1 is pid "+strconv.Itoa(f.pid("edge1"))) {
		t.Errorf("no pid in the evidence: %s", seen)
	}
	f.says(f.c, "all 3 nodes healthy")
	if _, err := f.plan(f.c, "start", "edge1"); actions.CodeOf(err) != "running" {
		t.Errorf("started twice: %v", err)
	}
	if archived, _ := os.ReadDir(f.lab.Dir()); !strings.Contains(fmt.Sprint(archived), "edge1.log.2") {
		t.Errorf("no archived log: %v", archived)
	}

	// A core that hangs.
	pid := f.pid("core")
	f.must(f.lab.Pause(t.Context(), "core"))
	f.says(f.c, fmt.Sprintf("core hung: pid %d is stopped (SIGSTOP) and does not answer; edge1, edge2 healthy", pid))
	if seen := f.act(f.c, "restart", "core", actions.Do); !strings.Contains(seen, "SIGKILL") || !strings.Contains(seen, "offline_msg") || !strings.Contains(seen, "edge2 and core see each other") {
		t.Errorf("evidence: %s", seen)
	}
	f.says(f.c, "all 3 nodes healthy")

	// A live edge: stopped softly, and its plan is the same when it is dead.
	if seen := f.act(f.c, "restart", "edge2", actions.Do); !strings.Contains(seen, "(init:stop), no process left") {
		t.Errorf("evidence: %s", seen)
	}

	// Another cookie: not down, and SIGTERM stops it all the same.
	stranger := f.cluster(f.connect("another_cookie"))
	f.says(stranger, "wrong cookie: all 3 nodes turn irisops away")
	if seen := f.act(stranger, "stop", "edge2", actions.Do); !strings.Contains(seen, "SIGTERM") {
		t.Errorf("evidence: %s", seen)
	}

	// Something else on the port of a dead edge.
	squatter, err := net.Listen("tcp", f.node("edge2").Addr())
	f.must(err)
	if _, err := f.plan(f.c, "start", "edge2"); actions.CodeOf(err) != "port-taken" {
		t.Errorf("planned on a taken port: %v", err)
	}
	squatter.Close()

	// A missing target refuses before anything happens.
	for i := range f.spec.Nodes {
		if f.spec.Nodes[i].Short == "edge2" {
			f.spec.Nodes[i].Target = "start_edge99"
			if _, err := f.plan(f.cluster(f.link), "start", "edge2"); actions.CodeOf(err) != actions.CodeNoTarget {
				t.Errorf("planned a missing target: %v", err)
			}
			f.spec.Nodes[i].Target = "start_edge2"
		}
	}

	// epmd is gone; the next start brings it back, and the nodes return to it.
	status, err := f.lab.Status(t.Context())
	f.must(err)
	f.must(syscall.Kill(status.EPMD, syscall.SIGTERM))
	f.eventually("epmd ends", func() bool {
		_, err := epmd.Names(t.Context(), net.JoinHostPort("127.0.0.1", strconv.Itoa(f.lab.EPMDPort())))
		return actions.CodeOf(err) == actions.CodeNoEPMD
	})
	fresh := f.cluster(f.connect(lab.Cookie)) // no connection held from before
	f.says(fresh, "no node answers: epmd is gone on "+hostOf(core)+": core, edge1 run but cannot be found; edge2 down")
	f.act(f.c, "start", "edge2", actions.Do)
	f.eventually("the nodes are registered again", func() bool { return f.look(f.c, "diagnose").Level == actions.OK })

	// Disconnected, as after a network fault, and connected again.
	_, err = f.link.Call(t.Context(), f.node("edge1").Name, "erlang", "disconnect_node", term.Atom(core.Name))
	f.must(err)
	if seen := f.act(f.c, "mesh", "", actions.Do); !strings.Contains(seen, "edge1 and core see each other") {
		t.Errorf("evidence: %s", seen)
	}

	// Everything dies, and comes back with its tables.
	for _, n := range f.spec.Nodes {
		f.must(f.lab.Kill(t.Context(), n.Short))
	}
	f.says(f.c, "whole cluster down: no node answers")
	f.act(f.c, "start", "all", actions.Do)
	f.says(f.c, "all 3 nodes healthy")
	if r := f.look(f.c, "verify"); r.Level != actions.OK {
		t.Errorf("%s: %+v", r.Headline, r.Data)
	}

	// The core's log is noise for the most part.
	if r := f.look(f.c, "logs", "core"); strings.Contains(fmt.Sprint(r.Sections), "OS_MON") || !strings.Contains(r.Headline, "of OS_MON noise folded") {
		t.Errorf("%s\n%v", r.Headline, r.Sections)
	}

	if p, err := f.plan(f.c, "restart", "all"); err != nil || p.Class != actions.Harm {
		t.Errorf("restart all: %s, %v", p.Class, err)
	}
}

func hostOf(n cluster.Node) string {
	_, h, _ := strings.Cut(n.Name, "@")
	return h
}

// eventually waits for something that real processes take a moment to do.
func (f *field) eventually(what string, done func() bool) {
	f.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(15 * time.Second)
	for !done() {
		select {
		case <-deadline:
			f.Fatalf("not in time: %s", what)
		case <-tick.C:
		}
	}
}

// make starts a node as somebody would by hand.
func (f *field) make(n cluster.Node) {
	f.Helper()
	f.must(host.NewLocal(epmd.Names, lab.Cookie).Make(f.Context(), n))
}

// hide moves the core's data away while do runs.
func (f *field) hide(n cluster.Node, do func()) {
	f.Helper()
	folder := filepath.Join(f.lab.Dir(), "Mnesia."+n.Name)
	f.must(os.Rename(folder, folder+".away"))
	do()
	f.must(os.Rename(folder+".away", folder))
}
