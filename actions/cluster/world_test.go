package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// world is a small cluster made of memory: it implements Erlang, Host and Edge
// with the faults that tests give it. Time passes as in the test's bubble.
type world struct {
	mu     sync.Mutex
	nodes  []*fakeNode
	epmd   map[string]bool // host: an epmd listens
	acts   []string        // what was done to the world, in order
	nextID int
	now    func() time.Time

	processes, ended int              // of each node, and how many of them have ended by now
	settings         map[string]int64 // Mnesia's
	deafToTuning     bool             // it says ok to new settings, and keeps the old

	smokeErr error // how the cluster's own smoke test ends
}

type fakeNode struct {
	Node
	pid        int    // 0: no process
	state      string // "sleeping", "stopped"
	exit       chan struct{}
	registered bool
	ready      time.Time // its application runs from here on
	noApp      bool
	cookie     bool // it accepts ours
	tls        bool // it wants TLS, of which our config says nothing
	deaf       bool // the process runs, but answers nothing and obeys no SIGTERM
	stubborn   bool // it answers, but init:stop does not end it
	immortal   bool // not even SIGKILL ends it (state D)
	elsewhere  bool // a node of its name runs outside of its folder
	latency    time.Duration
	peers      map[string]bool
	pang       bool // its pings fail
	cut        bool // no node reaches it, and it reaches none
	portTaken  bool
	noTarget   bool
	compiles   int
	makeFails  error
	stillborn  bool      // make works, but the process ends at once
	tablesAt   time.Time // its tables are loaded from here on
	log        []string
	older      []string // what stands in the log before
	archiveErr error
	unseen     error // error of Process
	logErr     error
	folder     Folder
	dataErr    error
	missed     map[string]bool      // cores that it did not see go
	lost       map[string]time.Time // when it noted that these cores went
	login      error
	loginTook  time.Duration
	says       map[string]term.Term // what it answers to module:function(atom), instead of what a healthy one does
	facts      *HostFacts
}

func newWorld(nodes ...Node) *world {
	w := &world{epmd: map[string]bool{}, nextID: 4711, now: time.Now,
		settings: map[string]int64{"dump_log_write_threshold": 1000, "dump_log_time_threshold": 180000}}
	for _, n := range nodes {
		f := &fakeNode{Node: n, cookie: true, latency: 600 * time.Microsecond, peers: map[string]bool{}, loginTook: 29 * time.Millisecond,
			folder: Folder{Path: n.Dir + "/Mnesia." + n.Name, Exists: true, Files: 8, Bytes: 1 << 20, Newest: time.Now().Add(-time.Hour)}}
		w.nodes = append(w.nodes, f)
		w.epmd[hostOf(n)] = true
		w.boot(f, 0)
	}
	return w
}

// trio is a core and two edges on h1, all well.
func trio() (*world, *Cluster) {
	return build(Options{}, core("core"), edge("edge1", 8085), edge("edge2", 8086))
}

func build(opt Options, nodes ...Node) (*world, *Cluster) {
	w := newWorld(nodes...)
	return w, New(Spec{Name: "main", Nodes: nodes}, w, w, w, opt)
}

func core(short string) Node {
	return Node{Cluster: "main", Short: short, Name: "iris_" + short + "@h1", Role: CoreRole, Host: "local", Dir: "/srv/iris", Target: "start_" + short, Log: short + ".log", EPMDPort: 4369}
}

func edge(short string, port int) Node {
	return Node{Cluster: "main", Short: short, Name: "iris_" + short + "@h1", Role: EdgeRole, Host: "local", Dir: "/srv/iris", Target: "start_" + short, Log: short + ".log", Port: port, EPMDPort: 4369}
}

func (w *world) get(short string) *fakeNode {
	for _, f := range w.nodes {
		if f.Short == short || f.Name == short {
			return f
		}
	}
	panic("no fake node " + short)
}

// boot starts a process; its application runs after the given time.
func (w *world) boot(f *fakeNode, after time.Duration) {
	f.pid, f.state, f.registered, f.exit = w.nextID, "sleeping", true, make(chan struct{})
	f.ready = w.now().Add(after)
	w.nextID++
}

// kill makes the named nodes die, as by kill -9.
func (w *world) kill(shorts ...string) {
	for _, s := range shorts {
		w.die(w.get(s))
	}
}

func (w *world) die(f *fakeNode) {
	if f.pid == 0 {
		return
	}
	f.pid, f.registered, f.peers = 0, false, map[string]bool{}
	close(f.exit)
	for _, o := range w.nodes {
		delete(o.peers, f.Name)
	}
}

func (w *world) did(format string, args ...any) {
	w.acts = append(w.acts, fmt.Sprintf(format, args...))
}

func (w *world) done() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.acts)
}

// answer says whether the node answers, as the link would.
func (w *world) answer(ctx context.Context, name string) (*fakeNode, error) {
	w.mu.Lock()
	f := w.get(name)
	var err error
	hangs := false
	switch {
	case !w.epmd[hostOf(f.Node)]:
		err = actions.Errorf(actions.CodeNoEPMD, "no epmd on %s", hostOf(f.Node))
	case f.elsewhere:
	case !f.registered:
		err = actions.Errorf(actions.CodeNotRegistered, "%s is not registered", f.Alive())
	case f.pid == 0:
		err = actions.Errorf(actions.CodeRefused, "%s refuses", f.Name)
	case f.deaf || f.state == "stopped":
		hangs = true
	case f.tls:
		err = actions.Errorf(actions.CodeTLS, "%s turned irisops's certificate down", f.Name)
	case !f.cookie:
		err = actions.Errorf(actions.CodeWrongCookie, "%s turned the cookie down", f.Name)
	}
	latency := f.latency
	w.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, actions.Errorf(actions.CodeHung, "%s is silent: %w", f.Name, ctx.Err())
	}
	if err != nil {
		return nil, err
	}
	return f, sleep(ctx, latency)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return actions.Errorf(actions.CodeHung, "silent: %w", ctx.Err())
	case <-time.After(d):
		return nil
	}
}

func (w *world) Ping(ctx context.Context, node string) (time.Duration, error) {
	f, err := w.answer(ctx, node)
	if err != nil {
		return 0, err
	}
	return f.latency, nil
}

func (w *world) Call(ctx context.Context, node, module, function string, args ...term.Term) (term.Term, error) {
	f, err := w.answer(ctx, node)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	switch module + ":" + function {
	case "application:which_applications":
		apps := term.List{term.Tuple{term.Atom("kernel"), "ERTS  CXC 138 10", "8.5.3"}}
		if !f.noApp && !w.now().Before(f.ready) {
			apps = append(apps, term.Tuple{term.Atom(f.application()), "Iris", "0.1.0"})
		}
		return apps, nil
	case "application:info":
		starting := term.List{}
		if !f.noApp && w.now().Before(f.ready) {
			starting = append(starting, term.Tuple{term.Atom(f.application()), term.Atom("temporary")})
		}
		return term.List{term.Tuple{term.Atom("running"), term.List{}}, term.Tuple{term.Atom("starting"), starting}}, nil
	case "mnesia:system_info":
		if value, ok := w.settings[string(args[0].(term.Atom))]; ok {
			return value, nil
		}
		if args[0] != term.Atom("tables") {
			break
		}
		return term.List{term.Atom("schema"), term.Atom("offline_msg"), term.Atom("user_meta")}, nil
	case "mnesia:wait_for_tables":
		if w.now().Before(f.tablesAt) {
			return term.Tuple{term.Atom("timeout"), term.List{term.Atom("offline_msg")}}, nil
		}
		return term.Atom("ok"), nil
	case "init:stop":
		w.did("init:stop %s", f.Short)
		if !f.stubborn {
			time.AfterFunc(300*time.Millisecond, func() { w.mu.Lock(); defer w.mu.Unlock(); w.die(f) })
		}
		return term.Atom("ok"), nil
	case "net_adm:ping":
		w.did("%s pings %s", f.Short, args[0])
		other := w.get(string(args[0].(term.Atom)))
		if f.pang || other.pid == 0 {
			return term.Atom("pang"), nil
		}
		f.peers[other.Name], other.peers[f.Name] = true, true
		return term.Atom("pong"), nil
	case "erlang:processes":
		list := term.List{}
		for i := range w.processes {
			list = append(list, term.NewPid(f.Name, uint32(i), 0, 1))
		}
		return list, nil
	case "erlang:garbage_collect":
		if w.ended > 0 {
			w.ended--
			return term.Atom("false"), nil
		}
		return term.Atom("true"), nil
	case "mnesia_monitor:set_env":
		w.did("set %s %v on %s", args[0], args[1], f.Short)
		if !w.deafToTuning {
			w.settings[string(args[0].(term.Atom))] = args[1].(int64)
		}
		return term.Atom("ok"), nil
	case "mnesia:dump_log":
		return term.Atom("dumped"), nil
	case "mnesia:table_info":
		if args[1] == term.Atom("load_reason") {
			if w.now().Before(f.tablesAt) {
				return term.Atom("unknown"), nil
			}
			return term.Atom("initial"), nil
		}
	case "mnesia_recover:has_mnesia_down":
		name := string(args[0].(term.Atom))
		return term.Atom(fmt.Sprint(w.get(name).pid == 0 && !f.missed[w.get(name).Short])), nil
	case "erlang:nodes":
		list := term.List{}
		for name := range f.peers {
			list = append(list, term.Atom(name))
		}
		return list, nil
	}
	if reply, ok := w.inner(f, module, function, args); ok {
		return reply, nil
	}
	return nil, actions.Errorf(actions.CodeUndef, "%s:%s is undefined", module, function)
}

func (w *world) EPMDNames(_ context.Context, n Node) (map[string]int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.epmd[hostOf(n)] {
		return nil, actions.Errorf(actions.CodeNoEPMD, "no epmd on %s", hostOf(n))
	}
	names := map[string]int{}
	for _, f := range w.nodes {
		if hostOf(f.Node) == hostOf(n) && f.registered {
			names[f.Alive()] = 40000 + f.pid
		}
	}
	return names, nil
}

func (w *world) Process(_ context.Context, n Node) (Process, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.get(n.Short)
	if f.unseen != nil {
		return Process{}, false, f.unseen
	}
	if f.pid == 0 || f.elsewhere {
		return Process{}, false, nil
	}
	return Process{PID: f.pid, Started: uint64(f.pid) * 7, State: f.state, RSS: 85 << 20}, true, nil
}

func (w *world) Signal(_ context.Context, p Process, sig Signal) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.nodes {
		if f.pid != p.PID {
			continue
		}
		w.did("SIG%s %d", sig, p.PID)
		if sig == Kill && !f.immortal || sig == Terminate && !f.deaf && !f.stubborn && !f.immortal && f.state != "stopped" {
			w.die(f)
		}
		return nil
	}
	return actions.Errorf(actions.CodeGone, "process %d has ended", p.PID)
}

func (w *world) WaitExit(ctx context.Context, p Process) error {
	w.mu.Lock()
	var exit chan struct{}
	for _, f := range w.nodes {
		if f.pid == p.PID {
			exit = f.exit
		}
	}
	w.mu.Unlock()
	if exit == nil {
		return nil
	}
	select {
	case <-exit:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *world) PortOpen(_ context.Context, n Node) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.get(n.Short)
	return f.portTaken || f.pid != 0 && !f.noApp && !w.now().Before(f.ready), nil
}

func (w *world) MakeDryRun(_ context.Context, n Node) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.get(n.Short)
	if f.noTarget {
		return nil, actions.Errorf(actions.CodeNoTarget, "There is no target %s.", n.Target)
	}
	var lines []string
	for i := range f.compiles {
		lines = append(lines, fmt.Sprintf("/usr/bin/erlc -o ebin src/iris_%d.erl", i))
	}
	return append(lines, fmt.Sprintf("/usr/bin/erl -noshell -sname %s -setcookie iris_secret -config config/prod >%s 2>&1 &", n.Alive(), n.Log)), nil
}

func (w *world) Make(_ context.Context, n Node) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.get(n.Short)
	w.did("make %s", n.Target)
	if f.makeFails != nil {
		return f.makeFails
	}
	f.log, f.deaf, f.stubborn = nil, false, false
	if f.stillborn {
		f.log = []string{`=ERROR REPORT==== 23-Nov-2026::06:28:34.315466 ===`, `Protocol 'inet_tcp': the name iris_edge1@h1 seems to be in use by another Erlang node`}
		return nil
	}
	w.boot(f, 1500*time.Millisecond)
	return nil
}

func (w *world) Run(_ context.Context, n Node, argv []string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.did("run %s on %s", strings.Join(argv, " "), n.Short)
	return []string{"2 tests", "PASSED"}, w.smokeErr
}

func (w *world) LogTail(_ context.Context, n Node, max int) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.get(n.Short)
	if f.logErr != nil {
		return nil, f.logErr
	}
	if n.Log == f.Log+".1" {
		return slices.Clone(f.older), nil
	}
	return slices.Clone(f.log[len(f.log)-min(len(f.log), max):]), nil
}

func (w *world) OlderLogs(_ context.Context, n Node) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.get(n.Short).older == nil {
		return nil, nil
	}
	return []string{n.Log + ".1"}, nil
}

func (w *world) ArchiveLog(_ context.Context, n Node, now time.Time) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.get(n.Short)
	if f.archiveErr != nil {
		return "", f.archiveErr
	}
	w.did("archive %s", n.Log)
	return n.Dir + "/" + n.Log + "." + now.UTC().Format("20060102T150405Z"), nil
}

func (w *world) CoreData(_ context.Context, n Node) (CoreData, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.get(n.Short)
	return CoreData{Mnesia: f.folder, Clock: w.now()}, f.dataErr
}

func (w *world) byAddr(addr string) *fakeNode {
	for _, f := range w.nodes {
		if f.Port != 0 && f.Addr() == addr {
			return f
		}
	}
	panic("no fake edge at " + addr)
}

func (w *world) Login(ctx context.Context, addr, user string) (time.Duration, error) {
	w.mu.Lock()
	f := w.byAddr(addr)
	w.did("login %s", user)
	up, hangs, err, took := f.portTaken && f.noApp || f.pid != 0 && !f.noApp && !w.now().Before(f.ready), f.state == "stopped" || f.deaf, f.login, f.loginTook
	w.mu.Unlock()
	switch {
	case !up:
		return 0, actions.Errorf(actions.CodeRefused, "%s refuses connections.", addr)
	case hangs:
		<-ctx.Done()
		return 0, actions.Errorf(actions.CodeHung, "%s is silent.", addr)
	case err != nil:
		return 0, err
	}
	w.mu.Lock()
	for _, o := range w.nodes { // an edge tells the cores who is there
		if o.Role == CoreRole && o.pid != 0 && !f.cut {
			f.peers[o.Name], o.peers[f.Name] = true, true
		}
	}
	w.mu.Unlock()
	return took, sleep(ctx, took)
}

func (w *world) RoundTrip(ctx context.Context, addr, from, to string) (login, delivery time.Duration, err error) {
	if login, err = w.Login(ctx, addr, from); err != nil {
		return 0, 0, err
	}
	if _, err = w.Login(ctx, addr, to); err != nil {
		return 0, 0, err
	}
	return login, 1300 * time.Microsecond, nil
}

func (w *world) Offline(ctx context.Context, addr, from, to string) (time.Duration, error) {
	for _, user := range []string{from, to} {
		if _, err := w.Login(ctx, addr, user); err != nil {
			return 0, err
		}
	}
	return 700 * time.Millisecond, nil
}
