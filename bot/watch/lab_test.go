package watch_test

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
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
	roomy := cluster.Bound{Warn: 1e9} // other tests keep the machine busy
	c := cluster.New(p.spec, link, host.NewLocal(epmd.Names, lab.Cookie), edge.NewProber(nil), cluster.Options{
		Secrets: []string{lab.Cookie}, Full: patience, Diagnose: patience, Verify: 2 * patience,
		SlowPing: patience, SlowLogin: patience, BadLogin: 2 * patience,
		Bounds: cluster.Bounds{HostLoad: roomy, HostMemory: roomy, HostSwap: roomy, Memory: roomy, Clock: roomy, DiskFree: cluster.Bound{Warn: 2, Critical: 1}},
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

// Each fault of the diagnosis matrix becomes exactly one incident, of the right
// priority and cause, and recovers by itself once it is mended; and as long as all
// is well there is none.
func TestFaultsBecomeIncidents(t *testing.T) {
	t.Parallel()
	p := newPost(t, lab.Options{})
	leave := p.stand(p.link)
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "fault\tbecame\tafter")
	known, more := 0, 6
	fault := func(name, want string, mend func()) {
		t.Helper()
		begun := time.Now()
		p.eventually(name+" becomes an incident", func() bool { return len(p.incidents()) > known })
		took := time.Since(begun)
		p.rounds(more) // whatever else there might be would show by now
		all := p.incidents()
		got := fmt.Sprintf("%s %s", all[0].Priority, strings.TrimPrefix(all[0].Cause, "watch: "))
		fmt.Fprintf(w, "%s\t%s\t%s\n", name, got, took.Round(time.Millisecond))
		if len(all) != known+1 || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %d incidents, %s, want %s\n%+v", name, len(all)-known, got, want, p.bot.Watched())
			for _, inc := range all[:len(all)-known] {
				t.Logf("%s %s %s: %s", inc.ID(), inc.Priority, inc.Title, inc.Cause)
			}
		}
		mend()
		p.eventually(name+" recovers", func() bool {
			inc, err := p.db.Incident(all[0].Number)
			return err == nil && inc.State == incident.Recovered && inc.RecoveredBy == incident.Bot
		})
		p.say(fmt.Sprintf("resolve --incident %s", all[0].ID()))
		known = len(p.incidents())
	}
	start := func() {
		t.Helper()
		_, err := lab.Up(t.Context(), lab.Options{Dir: p.lab.Dir()}, nil)
		p.must(err)
	}
	well := func(rounds int) {
		t.Helper()
		p.rounds(rounds)
		if n := len(p.incidents()); n != known {
			t.Errorf("all is well, and there are %d incidents: %+v", n-known, p.incidents()[0])
		}
	}
	well(40) // 20 minutes at the usual pace

	p.must(p.lab.Kill(t.Context(), "edge1"))
	fault("edge killed", "P1 node/edge1: ", start)

	p.must(p.lab.Kill(t.Context(), "edge1"))
	nodes, err := p.spec.Select("edge1")
	p.must(err)
	squatter := squat(t, nodes[0].Addr())
	go func() { // it is no edge, and says so
		for conn, err := squatter.Accept(); err == nil; conn, err = squatter.Accept() {
			conn.Close()
		}
	}()
	fault("edge killed, port taken", "P1 node/edge1: ", func() { p.must(squatter.Close()); start() })

	p.must(p.lab.Pause(t.Context(), "core"))
	more = 2 // each takes until the probes give up
	// With a core that hangs, IRIS lets nobody in on any edge: this is an outage.
	fault("core paused", "P0 outage: no edge lets a client in; core hung: ", func() { p.must(p.lab.Resume(t.Context(), "core")) })

	more = 6
	p.must(p.lab.Kill(t.Context(), "core"))
	fault("core killed", "P1 node/core: ", start)

	p.eval("edge1", `register(deaf, spawn(fun() -> receive {stop, me} -> ok end end)), [deaf ! flood || _ <- lists:seq(1, 20000)], {ok, done}.`)
	fault("mailbox flood", "P2 check/mailboxes: ", func() { p.eval("edge1", `exit(whereis(deaf), kill), {ok, done}.`) })

	p.eval("edge2", `register(hog, spawn(fun() -> B = binary:copy(<<7>>, 200000000), receive stop -> byte_size(B) end end)), {ok, done}.`)
	fault("binary memory growth", "P2 check/memory: ", func() { p.eval("edge2", `exit(whereis(hog), kill), {ok, done}.`) })

	p.eval("core", `ets:insert(offline_msg, [{offline_msg, {<<"bob">>, I rem 1000}, 1700000000000 + I, <<"m">>} || I <- lists:seq(1, 200000)]), {ok, done}.`)
	fault("200,000 messages for one user", "P2 offline messages: ", func() { p.eval("core", `mnesia:clear_table(offline_msg), {ok, done}.`) })

	for _, n := range p.spec.Nodes {
		p.must(p.lab.Kill(t.Context(), n.Short))
	}
	fault("all killed", "P0 outage: ", start)
	well(20)
	leave()

	leave = p.stand(p.connect("another_cookie"))
	fault("wrong cookie", "P2 blind: ", func() { leave(); leave = p.stand(p.link) })
	leave()

	status, err := p.lab.Status(t.Context())
	p.must(err)
	p.must(syscall.Kill(status.EPMD, syscall.SIGTERM))
	p.eventually("epmd ends", func() bool { return syscall.Kill(status.EPMD, 0) != nil })
	leave = p.stand(p.connect(lab.Cookie))
	fault("epmd gone", "P2 blind: ", func() {
		for _, n := range p.spec.Nodes { // they register with an epmd only when they start
			p.must(p.lab.Kill(t.Context(), n.Short))
		}
		start()
	})
	leave()
	w.Flush()
	fmt.Fprintf(os.Stdout, "watch on the lab, a round every %s\n%s", every, table.String())
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

// squat takes the port of a node that was just killed, as soon as it is free.
func squat(t *testing.T, addr string) net.Listener {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); ; <-tick.C {
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return l
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
