package cluster_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
	"irisops/actions/host"
	"irisops/actions/lab"
)

// strict is the cluster with the default thresholds of everything but the
// machine, which other tests keep busy.
func (f *field) strict(link *erlang.Link) *cluster.Cluster {
	return f.withBounds(link, func(b *cluster.Bounds) { b.DiskFree = cluster.Bound{Warn: 2, Critical: 1} })
}

func (f *field) withBounds(link *erlang.Link, change func(*cluster.Bounds)) *cluster.Cluster {
	roomy := cluster.Bound{Warn: 1e9}
	b := cluster.Bounds{HostLoad: roomy, HostMemory: roomy, HostSwap: roomy, RunQueue: roomy, Utilization: roomy}
	change(&b)
	return cluster.New(f.spec, link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{
		Secrets: []string{lab.Cookie}, Diagnose: patience, Full: patience, Sample: 200 * time.Millisecond,
		SlowPing: patience, SlowLogin: patience, BadLogin: 2 * patience,
		LogWindow: 2 * time.Second, // what an earlier fault left in the logs is no fault of the next
		Bounds:    b,
	})
}

// eval has a node run test code that makes a fault.
func (f *field) eval(node, code string) {
	f.Helper()
	call := func(module, function string, args ...term.Term) term.Tuple {
		f.Helper()
		ctx, cancel := context.WithTimeout(f.Context(), time.Minute) // a fault can take a busy machine long to make
		defer cancel()
		reply, err := f.link.Call(ctx, f.node(node).Name, module, function, args...)
		f.must(err)
		tuple, ok := reply.(term.Tuple)
		if !ok || len(tuple) < 2 || tuple[0] == term.Atom("error") {
			f.Fatalf("%s:%s answered %s", module, function, term.Format(reply, 500))
		}
		return tuple
	}
	tokens := call("erl_scan", "string", term.Text(code))
	forms := call("erl_parse", "parse_exprs", tokens[1])
	call("erl_eval", "exprs", forms[1], term.List{})
}

// kill kills a node, and waits until the kernel has closed its port: that comes a
// moment after the end of its process is seen.
func (f *field) kill(short string) {
	f.Helper()
	f.must(f.lab.Kill(f.Context(), short))
	if n := f.node(short); n.Port != 0 {
		f.eventually(short+"'s port is closed", func() bool {
			conn, err := net.Dial("tcp", n.Addr())
			if err == nil {
				conn.Close()
			}
			return err != nil
		})
	}
}

func (f *field) full(c *cluster.Cluster) actions.Result {
	f.Helper()
	for _, a := range c.Actions() {
		if a.Name == "diagnose" {
			r, err := a.Look(f.Context(), actions.Request{Args: actions.Args{"mode": "full"}, By: "operator", Now: time.Now()})
			f.must(err)
			return r
		}
	}
	f.Fatal("no diagnose")
	return actions.Result{}
}

// ask is one look by its words.
func (f *field) ask(c *cluster.Cluster, name string, args actions.Args) actions.Result {
	f.Helper()
	for _, a := range c.Actions() {
		if a.Name == name {
			begin := time.Now()
			r, err := a.Look(f.Context(), actions.Request{Args: args, By: "operator", Now: begin})
			f.must(err)
			f.Logf("%s %v took %s: %s", name, args, time.Since(begin).Round(time.Millisecond), r.Headline)
			return r
		}
	}
	f.Fatalf("no %s", name)
	return actions.Result{}
}

// matrix is the table of faults: what was made, and what the first line of the
// diagnosis said to it.
type matrix struct {
	*field
	c    *cluster.Cluster
	rows *[]string
}

// on is the same table, with the rows of another lab.
func (m matrix) on(f *field) matrix { return matrix{f, f.strict(f.link), m.rows} }

func (m matrix) row(fault string, took time.Duration, line string) {
	*m.rows = append(*m.rows, fmt.Sprintf("%s\t%s\t%s", fault, took.Round(time.Millisecond), line))
}

// look wants the true cause of the fault at the beginning of the first line, and
// the other words in it.
func (m matrix) look(fault string, c *cluster.Cluster, want ...string) {
	m.Helper()
	begin := time.Now()
	r := m.full(c)
	m.row(fault, time.Since(begin), r.Headline)
	for i, part := range want {
		if !strings.Contains(r.Headline, part) || i == 0 && !strings.HasPrefix(r.Headline, part) {
			m.Errorf("%s: %q does not say %q\n%s", fault, r.Headline, part, problems(r))
		}
	}
	if n := len(r.Data.(cluster.Diagnosis).Findings); n != len(m.spec.Nodes)*31 {
		m.Errorf("%s: %d findings", fault, n)
	}
}

// healthy wants no cause named, once the cluster has got over the last fault.
func (m matrix) healthy() {
	m.Helper()
	m.eventually("all healthy", func() bool { return m.full(m.c).Level == actions.OK })
	begin := time.Now()
	r := m.full(m.c)
	m.row("none", time.Since(begin), r.Headline)
	if r.Level != actions.OK || r.Headline != fmt.Sprintf("all %d nodes healthy", len(m.spec.Nodes)) {
		m.Errorf("healthy: %s\n%s", r.Headline, problems(r))
	}
	if strings.Contains(fmt.Sprint(r.Sections), "Likely causes") {
		m.Errorf("a healthy cluster has causes: %v", r.Sections)
	}
}

// TestFaultMatrix makes each fault that a lab can make, and wants its true cause
// in the first line of the diagnosis, and nothing named while all is well. make
// test prints the table.
func TestFaultMatrix(t *testing.T) {
	if dir := os.Getenv(diskVar); dir != "" {
		onSmallDisk(t, dir)
		return
	}
	var rows []string
	for _, story := range []struct {
		name string
		tell func(t *testing.T, rows *[]string)
	}{{"one core", oneCore}, {"two cores", twoCores}, {"a small disk", smallDisk}} {
		t.Run(story.name, func(t *testing.T) { story.tell(t, &rows) })
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\ttook\tfirst line")
	for _, row := range rows {
		fmt.Fprintln(w, row)
	}
	w.Flush()
	t.Log("\n" + table.String())
	build := filepath.Join("..", "..", "build")
	if err := os.MkdirAll(build, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(build, "fault-matrix.txt"), []byte(table.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// problems are the findings that are not well, for a test's failure.
func problems(r actions.Result) string {
	var lines []string
	for _, f := range r.Data.(cluster.Diagnosis).Findings {
		switch f.Result {
		case actions.OK, actions.NotApplicable, actions.Advice:
		default:
			lines = append(lines, fmt.Sprintf("%s %s %s: %s", f.Node, f.Check, f.Result, f.Evidence))
		}
	}
	return strings.Join(lines, "\n")
}
