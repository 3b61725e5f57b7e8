package bot_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/drill"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/console"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/bot/schedule"
	"irisops/bot/watch"
	"irisops/store"
)

var update = flag.Bool("update", false, "write the transcripts as they are said now")

// TestConversations plays the transcripts in testdata. Each file has a script and
// the transcript it must give, to the letter and to the second: time is
// synctest's, which begins at midnight, 1 January 2000, UTC. In a script
//
//	operator: status    is typed by that person
//	@ wait 15m          lets time pass
//	@ down edge1        kills a node of the fake cluster; also: up, silent
//	@ mail alice 3      lets so many messages wait for a user
//	@ off 20m           stops the bot and starts it again after that time
//	@ restart           stops the bot and starts it again on the same database
//	# anything          is a remark
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			script, want := section(archive, "script"), section(archive, "transcript")
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, script) })
			if *update {
				archive.Files = []txtar.File{{Name: "script", Data: []byte(script)}, {Name: "transcript", Data: []byte(got)}}
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("transcript (-want +got):\n%s", diff)
			}
		})
	}
}

func section(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// play runs a script and returns what the terminal shows.
func play(t *testing.T, script string) string {
	s := newStage(t)
	defer s.stop()
	for _, line := range strings.Split(script, "\n") {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "@"):
			s.direct(strings.Fields(line[1:]))
		default:
			who, text, _ := strings.Cut(line, ":")
			s.terminal.Say(t.Context(), who, strings.TrimSpace(text))
			synctest.Wait()
		}
	}
	return s.out.String()
}

// stage is a bot with a real store, a fake cluster and a terminal.
type stage struct {
	t        *testing.T
	path     string
	out      bytes.Buffer
	terminal *console.Terminal
	cluster  *fakeCluster
	db       *store.DB
	bot      *bot.Bot
	calendar bool                                    // it has schedules
	asked    int                                     // how often ask has asked
	policies map[incident.Priority]escalation.Policy // nil: those of the stage
	contacts map[string][]string
	watch    watch.Mode
	drills   bool // its edges may be drilled
	slow     bool // its room takes its time
}

// schedules are one of each kind: what needs no second person, what does, what
// only looks, and a chore.
func (s *stage) schedules() []bot.Scheduled {
	if !s.calendar {
		return nil
	}
	entry := func(name, cron, words, what string, hold schedule.Hold) bot.Scheduled {
		when, err := schedule.Parse(cron, 0, time.UTC)
		if err != nil {
			s.t.Fatal(err)
		}
		return bot.Scheduled{Entry: schedule.Entry{Name: name, What: what, Words: words, When: when, Late: time.Hour, Hold: hold}}
	}
	if s.drills {
		return []bot.Scheduled{entry("drill", "0 10 * * *", "drill run --seed 7", "failover drill", schedule.Hold{Incident: true, Maintenance: true})}
	}
	tidy := entry("tidy", "0 4 * * *", "", "forget what is old", schedule.Hold{})
	tidy.Chore = func(context.Context) error { s.terminal.Narrate("tidied"); return nil }
	return []bot.Scheduled{
		entry("renew", "0 3 * * *", "restart edge2", "restart edge2 every night", schedule.Hold{Incident: true, DeployLock: true, Maintenance: true}),
		entry("renew-core", "0 5 * * *", "stop core", "stop the core", schedule.Hold{Incident: true}),
		entry("health", "0 9 * * *", "report health", "daily health report", schedule.Hold{}),
		tidy,
	}
}

// drill has the edges take part, announced a minute before.
func (s *stage) drill() *drill.Options {
	if !s.drills {
		return nil
	}
	o := &drill.Options{Cluster: "main", OptedIn: []string{"edge1", "edge2"}, Notice: time.Minute, Field: s.cluster}
	for _, n := range s.cluster.order {
		role := cluster.EdgeRole
		if n == "core" {
			role = cluster.CoreRole
		}
		o.Nodes = append(o.Nodes, cluster.Node{Cluster: "main", Short: n, Name: "iris_" + n + "@h1", Role: role})
	}
	return o
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, path: filepath.Join(t.TempDir(), "irisops.db"), cluster: newFakeCluster()}
	s.terminal = console.NewTerminal(&s.out, false, console.Style{Width: 100, Unicode: true}, time.UTC, []string{"operator"})
	s.start()
	return s
}

func (s *stage) start() {
	db, err := store.Open(s.path, store.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	policies := s.policies
	steps := []escalation.PolicyStep{{After: 15 * time.Minute, Role: "sre"}, {After: 30 * time.Minute, Role: "owner"}}
	if policies == nil {
		policies = map[incident.Priority]escalation.Policy{
			incident.P0: {Steps: append([]escalation.PolicyStep{{Role: "primary"}}, steps...)},
			incident.P1: {Respond: 15 * time.Minute, Steps: []escalation.PolicyStep{{Overdue: true, Role: "primary", Unless: incident.UnlessAcknowledged}}},
			incident.P2: {Respond: time.Hour, Remind: 20 * time.Minute},
			incident.P3: {NextBusinessDay: true},
		}
	}
	var room bot.Room = orderly{s.terminal}
	if s.slow {
		room = slowRoom{room}
	}
	b, err := bot.New(bot.Options{
		Store:    db,
		Access:   access.Policy{People: access.DemoPeople(), Demo: true},
		OnCall:   oncall.Roster{Roles: map[string]string{"primary": "operator", "sre": "second", "owner": "owner"}, Contacts: s.contacts},
		Policies: policies,
		Clusters: []bot.Cluster{{Name: "main", Actions: s.cluster.actions(), Summary: s.cluster.summary, Observe: s.cluster.observe, Drill: s.drill()}},
		Rooms:    []bot.Room{room},
		Watch:    bot.Watch{Mode: s.watch},

		Schedules: s.schedules(), Calendar: bot.Calendar{DeployLock: s.path + ".deploying"},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.terminal.Bot = b
	if err := b.Start(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	s.db, s.bot = db, b
	synctest.Wait()
}

// orderly shows pages that are sent to everybody at once in one order.
type orderly struct{ *console.Terminal }

func (o orderly) Publish(ctx context.Context, p bot.Post) error {
	if strings.Contains(p.Key, "/everybody:") {
		turn := slices.IndexFunc(access.DemoPeople(), func(q access.Person) bool { return q.ID == p.Person })
		<-time.After(time.Duration(turn+2) * time.Millisecond) // fake time
	}
	return o.Terminal.Publish(ctx, p)
}

func (s *stage) stop() {
	if err := s.bot.Stop(context.WithoutCancel(s.t.Context())); err != nil {
		s.t.Fatal(err)
	}
	if err := s.db.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) direct(words []string) {
	switch words[0] {
	case "wait":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		s.terminal.Narrate(words[1] + " later")
		<-time.After(d) // fake time
		synctest.Wait()
	case "off": // and on again after that time
		d, err := time.ParseDuration(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		s.stop()
		<-time.After(d) // fake time
		s.terminal.Narrate("irisops was off for " + words[1])
		s.start()
	case "calendar":
		s.calendar = true
		s.stop()
		s.start()
	case "drills":
		s.drills, s.calendar = true, true
		s.stop()
		s.start()
	case "watch":
		s.watch = watch.Mode(words[1])
		s.stop()
		s.terminal.Narrate("watch: {mode: " + words[1] + "}")
		s.start()
	case "deploy":
		if err := os.WriteFile(s.path+".deploying", nil, 0o600); err != nil {
			s.t.Fatal(err)
		}
	case "deployed":
		if err := os.Remove(s.path + ".deploying"); err != nil {
			s.t.Fatal(err)
		}
	case "restart":
		s.stop()
		s.terminal.Narrate("irisops is restarted")
		s.start()
	case "mail":
		n, err := strconv.Atoi(words[2])
		if err != nil {
			s.t.Fatal(err)
		}
		s.cluster.mail(words[1], n)
		s.terminal.Narrate(words[2] + " messages wait for " + words[1])
	case "up", "down", "silent":
		s.cluster.set(words[1], words[0])
		s.terminal.Narrate(words[1] + " is " + words[0])
	default:
		s.t.Fatalf("unknown direction %q", words)
	}
}

// fakeCluster is one core and two edges whose state the script sets.
type fakeCluster struct {
	mu      sync.Mutex
	state   map[string]string
	order   []string
	waiting map[string]int
}

func newFakeCluster() *fakeCluster {
	return &fakeCluster{waiting: map[string]int{}, order: []string{"core", "edge1", "edge2"}, state: map[string]string{"core": "up", "edge1": "up", "edge2": "up"}}
}

func (f *fakeCluster) set(node, state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state[node] = state
}

func (f *fakeCluster) mail(user string, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting[user] = n
}

// clear binds how much there was to what is agreed to.
func (f *fakeCluster) clear(_ context.Context, req actions.Request) (actions.Plan, error) {
	f.mu.Lock()
	n := strconv.Itoa(f.waiting[req.Args["user"]])
	f.mu.Unlock()
	if was := req.Args["records"]; was != "" && was != n {
		return actions.Plan{}, &actions.Error{Code: "changed", Text: fmt.Sprintf("The messages of %s have changed: then %s, now %s. Nothing was done.", req.Args["user"], was, n), Hint: "Ask once more."}
	}
	return actions.Plan{Title: "Clear " + n + " records of " + req.Args["user"], Class: actions.Harm, Why: "it deletes messages", Targets: []string{"main/core"},
		Bound: actions.Args{"records": n}, Steps: []actions.Step{{Name: "delete", Describe: n + " records", Perform: func(context.Context) (string, error) {
			f.mail(req.Args["user"], 0)
			return "deleted " + n, nil
		}}}}, nil
}

func (f *fakeCluster) not(state string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var nodes []string
	for _, n := range f.order {
		if f.state[n] != state {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (f *fakeCluster) summary(context.Context) (actions.Level, string) {
	if bad := f.not("up"); len(bad) > 0 {
		return actions.Critical, strings.Join(bad, ", ") + " down"
	}
	return actions.OK, "all 3 nodes answer"
}

// observe sees a cluster whose dead nodes have no process.
func (f *fakeCluster) observe(context.Context) cluster.Observation {
	f.mu.Lock()
	defer f.mu.Unlock()
	o := cluster.Observation{Cluster: "main"}
	for _, n := range f.order {
		s := cluster.Sight{Node: n, Role: cluster.EdgeRole, Answers: f.state[n] == "up", Process: cluster.Runs}
		if n == "core" {
			s.Role = cluster.CoreRole
		}
		switch {
		case s.Answers:
			o.Connected++
			if s.Role == cluster.EdgeRole {
				s.Login, s.Delivery = 12*time.Millisecond, time.Millisecond
			}
		case f.state[n] == "down":
			s.Process, s.Why = cluster.Gone, n+" down"
		default:
			s.Process, s.Why = cluster.Halted, n+" hung: pid 4711 is stopped"
		}
		o.Nodes = append(o.Nodes, s)
	}
	return o
}

// Green implements drill.Field.
func (f *fakeCluster) Green(context.Context) (bool, string) {
	level, line := f.summary(context.Background())
	return level == actions.OK, line
}

// Observe implements drill.Field.
func (f *fakeCluster) Observe(ctx context.Context) cluster.Observation { return f.observe(ctx) }

// NewestBackup implements drill.Field.
func (f *fakeCluster) NewestBackup() (time.Time, bool, error) {
	return time.Now().Add(-3 * time.Hour), true, nil
}

// Strike implements drill.Field.
func (f *fakeCluster) Strike(_ context.Context, node string, sig cluster.Signal) (string, error) {
	f.set(node, map[cluster.Signal]string{cluster.Kill: "down", cluster.Pause: "silent", cluster.Continue: "up"}[sig])
	return "kill -9 of pid 4711 (iris_" + node + "@h1): it is gone", nil
}

// Blocked implements drill.Field: the fake's edges have no listener to stop.
func (f *fakeCluster) Blocked(_ context.Context, node string) (bool, error) {
	return false, actions.Errorf("no-listener", "%s has no iris_tcp_listener under iris_edge_sup: its port cannot be blocked.", node)
}

// Block implements drill.Field.
func (f *fakeCluster) Block(ctx context.Context, node string) (string, error) {
	_, err := f.Blocked(ctx, node)
	return "", err
}

// Unblock implements drill.Field.
func (f *fakeCluster) Unblock(ctx context.Context, node string) (string, error) {
	return f.Block(ctx, node)
}

// Settleable implements drill.Field: the fake has one core.
func (f *fakeCluster) Settleable(context.Context, string) ([]string, error) {
	return nil, errors.New("there is one core")
}

// Recovery implements drill.Field.
func (f *fakeCluster) Recovery(_ context.Context, node string) ([]actions.Step, error) {
	return []actions.Step{{Name: "start " + node, Perform: func(context.Context) (string, error) {
		<-time.After(2800 * time.Millisecond)
		f.set(node, "up")
		return "pid 4712", nil
	}}}, nil
}

func (f *fakeCluster) actions() []actions.Action {
	target := actions.Param{Name: "target", Kind: actions.Target, Doc: "a node, a role, or all", Example: "edge1"}
	return []actions.Action{
		{Name: "diagnose", Summary: "what is wrong", Example: "diagnose", Look: func(context.Context, actions.Request) (actions.Result, error) {
			<-time.After(50 * time.Millisecond) // after the pages
			level, line := f.summary(context.Background())
			r := actions.Result{Level: level, Headline: line, Data: map[string]string{"verdict": line}}
			for _, n := range f.not("up") {
				r.Sections = append(r.Sections, actions.Section{Rows: [][]string{{"critical", n, "no process, port refuses"}}})
				r.Next = append(r.Next, actions.Next{Label: "Restart " + n, Words: "restart " + n})
			}
			return r, nil
		}},
		{Name: "verify", Summary: "can clients log in and reach each other", Example: "verify", Look: func(context.Context, actions.Request) (actions.Result, error) {
			if bad := f.not("up"); len(bad) > 0 {
				return actions.Result{Level: actions.Critical, Headline: strings.Join(bad, ", ") + " refuses logins"}, nil
			}
			return actions.Result{Level: actions.OK, Headline: "2 of 2 edges let clients in and deliver"}, nil
		}},
		{Name: "restart", Summary: "stop and start", Example: "restart edge1", Params: []actions.Param{target}, Plan: f.plan("Restart", "up")},
		{Name: "messages clear", Summary: "delete", Example: "messages clear alice", Params: []actions.Param{{Name: "user", Kind: actions.Word, Doc: "a user", Example: "alice"}}, Plan: f.clear},
		{Name: "stop", Summary: "stop", Example: "stop edge1", Params: []actions.Param{target}, Plan: f.plan("Stop", "down")},
	}
}

func (f *fakeCluster) plan(verb, to string) func(context.Context, actions.Request) (actions.Plan, error) {
	return func(_ context.Context, req actions.Request) (actions.Plan, error) {
		node := req.Args["target"]
		f.mu.Lock()
		state, known := f.state[node]
		f.mu.Unlock()
		if !known {
			return actions.Plan{}, &actions.Error{Code: actions.CodeNoSuchNode, Text: fmt.Sprintf("main has no node %q.", node), Hint: "Say one of: core, edge1, edge2."}
		}
		p := actions.Plan{Title: verb + " " + node, Class: actions.Do, Why: node + " is one of two edges", Targets: []string{"main/" + node},
			Preview: []string{"make start_" + node}}
		if node == "core" {
			p.Class, p.Why = actions.Harm, "core is the last live core"
		}
		p.Steps = []actions.Step{{Name: "stop " + node, Describe: "init:stop by rpc, then by exact pid", Perform: func(ctx context.Context) (string, error) {
			if state == "silent" {
				<-ctx.Done()
				return "", fmt.Errorf("%s does not answer: %w", node, ctx.Err())
			}
			f.set(node, "down")
			return "pid 4711 is gone", nil
		}}}
		if to == "up" {
			p.Steps = append(p.Steps, actions.Step{Name: "start " + node, Describe: "make start_" + node, Perform: func(context.Context) (string, error) {
				f.set(node, "up")
				return "pid 4712", nil
			}})
		}
		return p, nil
	}
}
