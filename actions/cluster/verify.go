package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	"irisops/actions"
)

// Verification is a verification for machines: the Data of its Result.
type Verification struct {
	Cluster string     `json:"cluster"`
	Verdict string     `json:"verdict"`
	Passed  bool       `json:"passed"` // login and message on every edge, and every core serves
	Edges   []EdgeTest `json:"edges"`
	Cores   []CoreTest `json:"cores"`
}

// CoreTest is whether one core serves. The edges' probes do not show it: a
// message between two users of one edge arrives with every core dead.
type CoreTest struct {
	Node     string        `json:"node"`
	Result   actions.Level `json:"result"`
	Evidence string        `json:"evidence"`
	Passed   bool          `json:"passed"`
}

// EdgeTest is how the probes fared on one edge.
type EdgeTest struct {
	Node       string        `json:"node"`
	Result     actions.Level `json:"result"`
	Evidence   string        `json:"evidence"`
	Passed     bool          `json:"passed"`
	LoginMS    float64       `json:"login_ms,omitempty"`
	DeliveryMS float64       `json:"delivery_ms,omitempty"`
}

func (c *Cluster) verify() actions.Action {
	return actions.Action{
		Name:    "verify",
		Summary: "Log in on every edge, send a message between two probes there, and see that every core serves",
		Example: "verify",
		Long: fmt.Sprintf(`Does what a client does, on every edge at once, within %s: two probes log in, one sends the other a message, and every delivery is acknowledged. Every core is asked whether its application runs and its tables are loaded. Only when all of it passes is the answer green.

It leaves a trace: IRIS keeps a row for every user that ever logged in. So the probes have two fixed names an edge (irisops-probe-edge1-a, -b).
AUTH_FAILED means that the edge is up and does not let the probes in; that is neither green nor down.

Where this differs from the runbook ("P0: Complete Service Outage", "Verify recovery"): its login test is of one edge, as the user test, whose stored messages the login would take. A message between two edges is not tried: IRIS lets presence expire after 30 s, so that such a message can go offline though all is well.`, spoken(c.opt.Verify)),
		Look: c.lookVerify,
	}
}

func (c *Cluster) lookVerify(ctx context.Context, _ actions.Request) (actions.Result, error) {
	edges := c.ByRole(EdgeRole)
	if len(edges) == 0 {
		line := c.Name + " has no edge: no client could log in"
		return actions.Result{Level: actions.Unknown, Headline: line, Data: Verification{Cluster: c.Name, Verdict: line}}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.opt.Verify)
	defer cancel()
	v := Verification{Cluster: c.Name, Edges: make([]EdgeTest, len(edges))}
	var wg sync.WaitGroup
	for i, n := range edges {
		wg.Go(func() { v.Edges[i] = c.tryEdge(ctx, n) })
	}
	cores := c.ByRole(CoreRole)
	v.Cores = make([]CoreTest, len(cores))
	for i, n := range cores {
		wg.Go(func() { v.Cores[i] = c.tryCore(ctx, n) })
	}
	wg.Wait()
	r := actions.Result{Level: c.concludeVerify(&v)}
	r.Headline, r.Data = v.Verdict, v
	rows := actions.Section{Title: "Edges", Header: []string{"Node", "Result", "Evidence"}, Folded: r.Level == actions.OK && len(edges) > 5}
	for _, e := range v.Edges {
		rows.Rows = append(rows.Rows, []string{e.Node, string(e.Result), e.Evidence})
	}
	for _, t := range v.Cores {
		rows.Rows = append(rows.Rows, []string{t.Node, string(t.Result), t.Evidence})
	}
	rows.Title = ""
	r.Sections = []actions.Section{rows}
	if r.Level != actions.OK {
		r.Next = []actions.Next{{Label: "Diagnose", Words: "diagnose"}}
	}
	return r, nil
}

func (c *Cluster) tryCore(ctx context.Context, n Node) CoreTest {
	t := CoreTest{Node: n.Short, Result: actions.Critical}
	ok, seen, err := c.ready(ctx, n)
	switch {
	case err != nil:
		t.Evidence = c.mask.err(err)
	case !ok:
		t.Evidence = seen
	default:
		t.Passed, t.Result, t.Evidence = true, actions.OK, seen
	}
	return t
}

func (c *Cluster) tryEdge(ctx context.Context, n Node) EdgeTest {
	from, to := n.probes()
	t := EdgeTest{Node: n.Short}
	login, delivery, err := c.edge.RoundTrip(ctx, n.Addr(), from, to)
	switch {
	case actions.CodeOf(err) == actions.CodeAuthFailed:
		t.Result, t.Evidence = actions.Warn, "up, but does not let the probe in (AUTH_FAILED): a token for it can be configured"
		return t
	case actions.CodeOf(err) == actions.CodeRateLimited:
		t.Result, t.Evidence = actions.Warn, "up, but slows the probe down (RATE_LIMITED): try again in a moment"
		return t
	case silent(err):
		t.Result, t.Evidence = actions.Critical, "no answer in time: "+c.mask.err(err)
		return t
	case err != nil:
		t.Result, t.Evidence = actions.Critical, c.mask.err(err)
		return t
	}
	if other := c.foreign(ctx, n); other != "" {
		t.Result, t.Evidence = actions.Critical, other
		return t
	}
	t.Passed, t.LoginMS, t.DeliveryMS = true, millis(login), millis(delivery)
	t.Result, t.Evidence = actions.OK, fmt.Sprintf("login %s, message %s", spoken(login), spoken(delivery))
	switch slowest := max(login, delivery); {
	case slowest >= c.opt.BadLogin:
		t.Result = actions.Warn
		t.Evidence += fmt.Sprintf(": passed, but more than %s is too slow", spoken(c.opt.BadLogin))
	case slowest >= c.opt.SlowLogin:
		t.Result = actions.Advice
		t.Evidence += fmt.Sprintf(": passed, but slowly (more than %s)", spoken(c.opt.SlowLogin))
	}
	return t
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// concludeVerify fills in the verdict. The level is OK only if every edge passed.
func (c *Cluster) concludeVerify(v *Verification) actions.Level {
	var down, refused, slow, slowish []string
	passed := 0
	for _, e := range v.Edges {
		switch {
		case e.Result == actions.Critical:
			down = append(down, e.Node)
		case !e.Passed:
			refused = append(refused, e.Node)
		case e.Result == actions.Warn:
			slow = append(slow, e.Node)
		case e.Result == actions.Advice:
			slowish = append(slowish, e.Node)
		}
		if e.Passed {
			passed++
		}
	}
	var deaf []string
	for _, t := range v.Cores {
		if !t.Passed {
			deaf = append(deaf, t.Node)
		}
	}
	v.Passed = passed == len(v.Edges) && len(deaf) == 0
	all := "login and message verified on " + plural(len(v.Edges), "edge")
	if len(v.Edges) > 1 {
		all = fmt.Sprintf("login and message verified on all %d edges", len(v.Edges))
	}
	some := ""
	if passed > 0 {
		some = fmt.Sprintf("; verified on %d of %d edges", passed, len(v.Edges))
	}
	switch {
	case len(deaf) > 0:
		v.Verdict = fmt.Sprintf("%s %s not serve", listed(deaf), verb(len(deaf), "does", "do"))
		if len(down) > 0 {
			v.Verdict += ", and no login and message on " + listed(down)
		}
		v.Verdict += some
		return actions.Critical
	case len(down) > 0:
		v.Verdict = fmt.Sprintf("no login and message on %s%s", listed(down), some)
		return actions.Critical
	case len(refused) > 0:
		v.Verdict = fmt.Sprintf("not verified: %s up, but %s the probe no login%s", listed(refused)+" "+verb(len(refused), "is", "are"), verb(len(refused), "allows", "allow"), some)
		return actions.Warn
	case len(slow) > 0:
		v.Verdict = fmt.Sprintf("%s, but %s %s far too slow", all, listed(slow), verb(len(slow), "is", "are"))
		return actions.Warn
	case len(slowish) > 0:
		v.Verdict = fmt.Sprintf("%s; %s %s slow", all, listed(slowish), verb(len(slowish), "is", "are"))
	default:
		v.Verdict = all
	}
	return actions.OK
}
