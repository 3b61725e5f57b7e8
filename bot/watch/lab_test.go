package watch_test

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
	"irisops/actions/host"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/watch"
	"irisops/store"
)

const (
	every    = 250 * time.Millisecond
	patience = 2500 * time.Millisecond // two busy processors may serve a whole test run
)

// post is a bot that watches a lab of real nodes, much faster than it would.
type post struct {
	*testing.T
	lab   *lab.Lab
	spec  cluster.Spec
	link  *erlang.Link
	db    *store.DB
	bot   *bot.Bot
	asked int
	pace  time.Duration // of the rounds
}

func newPost(t *testing.T, o lab.Options) *post {
	p := &post{T: t, pace: every, lab: labtest.ForTest(t, o), spec: cluster.Spec{Name: "lab"}}
	for _, n := range p.lab.Nodes() {
		p.spec.Nodes = append(p.spec.Nodes, cluster.Node{Cluster: "lab", Short: n.Short, Name: n.Name, Role: cluster.Role(n.Role), Host: "local",
			Dir: p.lab.Dir(), Target: n.Target, Log: n.Short + ".log", Port: n.Port, EPMDPort: p.lab.EPMDPort()})
	}
	p.link = p.connect(lab.Cookie)
	db, err := store.Open(filepath.Join(t.TempDir(), "irisops.db"), store.Options{})
	p.must(err)
	t.Cleanup(func() { db.Close() })
	p.db = db
	return p
}

func (p *post) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *post) connect(cookie erlang.Cookie) *erlang.Link {
	p.Helper()
	link, err := erlang.New(erlang.Options{Cookie: cookie, EPMDPort: p.lab.EPMDPort()})
	p.must(err)
	p.Cleanup(func() { link.Close() })
	return link
}

// stand has a bot watch over that link until the returned function is called.
func (p *post) stand(link *erlang.Link) (leave func()) {
	p.Helper()
	return p.standWith(link, cluster.Bound{Warn: 2, Critical: 1})
}

// standWith has other bounds of the free disk.
func (p *post) standWith(link *erlang.Link, disk cluster.Bound) (leave func()) {
	p.Helper()
	roomy := cluster.Bound{Warn: 1e9} // other tests keep the machine busy
	c := cluster.New(p.spec, link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{
		Secrets: []string{lab.Cookie}, Full: patience, Diagnose: patience, Verify: 2 * patience,
		SlowPing: patience, SlowLogin: patience, BadLogin: 2 * patience,
		Bounds: cluster.Bounds{HostLoad: roomy, HostMemory: roomy, HostSwap: roomy, Memory: roomy, Clock: roomy, DiskFree: disk},
	})
	b, err := bot.New(bot.Options{Store: p.db, Access: access.Policy{People: access.DemoPeople(), Demo: true},
		Clusters: []bot.Cluster{{Name: c.Name, Actions: c.Actions(), Summary: c.Summary, Observe: c.Observe}},
		Watch:    bot.Watch{Mode: watch.Declare, Every: p.pace, Rules: watch.Rules{Latency: patience, Window: 20 * time.Second}}})
	p.must(err)
	p.must(b.Start(p.Context()))
	p.bot = b
	return func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(p.Context()), time.Minute)
		defer cancel()
		p.must(b.Stop(stop))
	}
}

// eventually waits for what happens by itself.
func (p *post) eventually(what string, done func() bool) {
	p.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ; {
		if done() {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			p.Fatalf("it does not happen: %s\nwatch: %+v", what, p.bot.Watched())
		}
	}
}

// rounds waits until so many more rounds were made.
func (p *post) rounds(n int) {
	p.Helper()
	last := p.bot.Watched()[0].At
	p.eventually(fmt.Sprintf("%d rounds", n), func() bool {
		if at := p.bot.Watched()[0].At; at.After(last) {
			last, n = at, n-1
		}
		return n <= 0
	})
}

func (p *post) incidents() []incident.Incident {
	p.Helper()
	all, err := p.db.LastIncidents(100)
	p.must(err)
	return all
}

func (p *post) say(text string) {
	p.Helper()
	p.asked++
	if code := p.bot.Handle(p.Context(), inbox.Delivery{ID: fmt.Sprint("say/", p.asked), Caller: "demo:operator", Text: text, Yes: true}).Wait(); code != bot.ExitDone {
		p.Errorf("%s: code %d", text, code)
	}
}

func (p *post) eval(node, code string) {
	p.Helper()
	nodes, err := p.spec.Select(node)
	p.must(err)
	ctx, cancel := context.WithTimeout(p.Context(), time.Minute)
	defer cancel()
	call := func(module, function string, args ...term.Term) term.Tuple {
		p.Helper()
		reply, err := p.link.Call(ctx, nodes[0].Name, module, function, args...)
		p.must(err)
		tuple, ok := reply.(term.Tuple)
		if !ok || len(tuple) < 2 || tuple[0] == term.Atom("error") {
			p.Fatalf("%s:%s answered %s", module, function, term.Format(reply, 500))
		}
		return tuple
	}
	tokens := call("erl_scan", "string", term.Text(code))
	forms := call("erl_parse", "parse_exprs", tokens[1])
	call("erl_eval", "exprs", forms[1], term.List{})
}

// Healthy running makes no incident: an hour in make soak, which sets SOAK; else
// five minutes, or with -short as many rounds as five minutes have at the usual pace.
func TestSoakHealthy(t *testing.T) {
	t.Parallel()
	usual, pace := "5m", 2*time.Second // the machine has other tests to run
	if testing.Short() {
		usual, pace = "2500ms", every
	}
	length, err := time.ParseDuration(cmp.Or(os.Getenv("SOAK"), usual))
	if err != nil {
		t.Fatal(err)
	}
	p := newPost(t, lab.Options{})
	p.pace = pace
	defer p.stand(p.link)()
	<-time.After(length)
	p.rounds(2)
	if all := p.incidents(); len(all) > 0 {
		t.Errorf("all is well, and there are %d incidents: %+v\n%+v", len(all), all[0], p.bot.Watched())
	}
	s := p.bot.Watched()[0]
	if s.Connected != 3 || s.Expected != 3 || s.Latency.Samples == 0 || s.Users == nil || s.Waiting == nil {
		t.Errorf("%+v", s)
	}
}
