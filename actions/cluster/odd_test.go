package cluster

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// odd answers one function with something else than it is documented to.
type odd struct {
	*world
	function string
	reply    term.Term
	err      error
}

func (o odd) Call(ctx context.Context, node, module, function string, args ...term.Term) (term.Term, error) {
	if module+":"+function == o.function {
		return o.reply, o.err
	}
	return o.world.Call(ctx, node, module, function, args...)
}

const oddBody = "SECRETBODY"

var oddTerms = []term.Term{nil, term.Atom(oddBody), int64(1), "text", []byte(oddBody), term.List{int64(1)}, term.List{term.Tuple{}},
	term.List{term.Tuple{int64(1)}}, term.Tuple{}, term.Tuple{term.Atom("timeout"), int64(1)}, term.Tuple{term.Atom("error"), []byte(oddBody)}, term.Map{}, 1.5}

// A node that answers nonsense is never healthy, and what it said is not shown.
func TestOddReplies(t *testing.T) {
	for _, reply := range oddTerms {
		synctest.Test(t, func(t *testing.T) {
			w, c := trio()
			c.erlang = odd{world: w, function: "application:which_applications", reply: reply}
			r := do(t, c, "diagnose", nil)
			if got := ExitCode(r.Data.(Diagnosis)); got != 3 && got != 2 {
				t.Errorf("%v: exit code %d, %s", reply, got, r.Headline)
			}
			if strings.Contains(fmt.Sprint(r), oddBody) {
				t.Errorf("%v is shown: %s", reply, r.Headline)
			}
			for _, function := range []string{"mnesia:system_info", "mnesia:wait_for_tables", "erlang:nodes"} {
				w, c := trio()
				w.kill("core")
				c.erlang = odd{world: w, function: function, reply: reply}
				got, err := carryOut(mustPlan(t, c, "start", "core"))
				if err == nil || strings.Contains(fmt.Sprint(got, err), oddBody) {
					t.Errorf("%s = %v: %v %v", function, reply, got, err)
				}
			}
		})
	}
}

// A function that this node lacks is not available, and no trouble of the node.
func TestUndefined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		c.erlang = odd{world: w, function: "application:which_applications", err: actions.Errorf(actions.CodeUndef, "undefined")}
		r := do(t, c, "diagnose", nil)
		if want := "all 3 nodes healthy, as far as can be seen: 3 checks not available"; r.Headline != want {
			t.Error(r.Headline)
		}
	})
}

// Two processes of one node: nothing is done to either.
func TestTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.get("edge1").unseen = &actions.Error{Code: actions.CodeAmbiguous, Text: "2 processes run as iris_edge1 in /srv/iris: pids 1 and 2.", Hint: "End the wrong one."}
		_, err := planOf(c, "restart", actions.Args{"target": "edge1"}, 0)
		want := "Whether edge1 runs cannot be seen, so nothing was done: 2 processes run as iris_edge1 in /srv/iris: pids 1 and 2. End the wrong one."
		if err == nil || err.Error() != want || actions.CodeOf(err) != actions.CodeAmbiguous {
			t.Error(err)
		}
	})
}

// What people type is never taken for more than it is.
func TestSelectAnything(t *testing.T) {
	_, c := trio()
	rapid.Check(t, func(t *rapid.T) {
		target := rapid.String().Draw(t, "target")
		nodes, err := c.Select(target)
		if err == nil && len(nodes) == 0 || err != nil && actions.CodeOf(err) == "" {
			t.Fatalf("%q: %v %v", target, nodes, err)
		}
	})
}
