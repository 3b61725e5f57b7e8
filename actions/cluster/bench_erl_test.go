package cluster_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
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

// recorder is the link, and notes what was called, and for how long at least one
// call was under way.
type recorder struct {
	*erlang.Link
	mu    sync.Mutex
	calls []recorded
	open  int
	since time.Time
	busy  time.Duration
}

type recorded struct {
	node, module, function string
	args                   term.List
}

func (r *recorder) begin() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open++; r.open == 1 {
		r.since = time.Now()
	}
}

func (r *recorder) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open--; r.open == 0 {
		r.busy += time.Since(r.since)
	}
}

func (r *recorder) Ping(ctx context.Context, node string) (time.Duration, error) {
	r.note(recorded{node, "erlang", "node", term.List{}})
	r.begin()
	defer r.end()
	return r.Link.Ping(ctx, node)
}

func (r *recorder) Call(ctx context.Context, node, module, function string, args ...term.Term) (term.Term, error) {
	r.note(recorded{node, module, function, args})
	r.begin()
	defer r.end()
	return r.Link.Call(ctx, node, module, function, args...)
}

func (r *recorder) note(k recorded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, k)
}

func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls, r.busy = nil, 0
}

// The rpc part of a full diagnosis of one core and two edges: the time in which at
// least one call is under way. Beside it, in the same run, the same calls as the
// runbook makes them, each by an erl of its own. Nothing waits between two samples
// in either.
func BenchmarkAgainstErl(b *testing.B) {
	l := labtest.ForTest(b, lab.Options{})
	spec := cluster.Spec{Name: "lab"}
	for _, n := range l.Nodes() {
		spec.Nodes = append(spec.Nodes, cluster.Node{Cluster: "lab", Short: n.Short, Name: n.Name, Role: cluster.Role(n.Role), Host: "local",
			Dir: l.Dir(), Target: n.Target, Log: n.Short + ".log", Port: n.Port, EPMDPort: l.EPMDPort()})
	}
	link, err := erlang.New(erlang.Options{Cookie: lab.Cookie, EPMDPort: l.EPMDPort()})
	if err != nil {
		b.Fatal(err)
	}
	defer link.Close()
	r := &recorder{Link: link}
	c := cluster.New(spec, r, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{Sample: time.Millisecond})
	diagnose := c.Actions()[0]
	var native, hands, faster []float64
	for b.Loop() {
		for range 9 {
			r.reset()
			result, err := diagnose.Look(b.Context(), actions.Request{Args: actions.Args{"mode": "full"}})
			if err != nil {
				b.Fatal(err)
			}
			if n := len(result.Data.(cluster.Diagnosis).Findings); n != 3*31 {
				b.Fatalf("%d findings", n)
			}
			native = append(native, float64(r.busy.Microseconds())/1000)
		}
		begin := time.Now()
		for _, k := range r.calls {
			byErl(b, l, k)
		}
		hand := float64(time.Since(begin).Microseconds()) / 1000
		slices.Sort(native)
		hands, faster = append(hands, hand), append(faster, hand/native[len(native)/2])
	}
	cluster.Median(b, "ms/diagnosis", native...)
	cluster.Median(b, "ms-by-erl", hands...)
	cluster.Median(b, "times-faster", faster...)
}

// byErl makes one call as the runbook does.
func byErl(b *testing.B, l *lab.Lab, k recorded) {
	args, err := term.Append(nil, k.args)
	if err != nil {
		b.Fatal(err)
	}
	code := fmt.Sprintf(`io:format("~p~n", [rpc:call('%s', %s, %s, binary_to_term(base64:decode(<<"%s">>)))]), halt().`,
		k.node, k.module, k.function, base64.StdEncoding.EncodeToString(args))
	cmd := exec.CommandContext(b.Context(), "erl", "-noshell", "-sname", "irisops_bench", "-setcookie", lab.Cookie, "-eval", code)
	cmd.Env = append(os.Environ(), fmt.Sprintf("ERL_EPMD_PORT=%d", l.EPMDPort()))
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Contains(out, []byte("badrpc")) && !strings.Contains(string(out), "undef") {
		b.Fatalf("%s:%s by erl: %v: %.300s", k.module, k.function, err, out)
	}
}
