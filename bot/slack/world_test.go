package slack_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/actions"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/escalation"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/bot/slack"
	"irisops/bot/slack/slacktest"
	"irisops/store"
)

const (
	ops    = "C0OPS"
	onCall = "C0ONCALL"
	// people
	operator = "U01"
	owner    = "U02"
	second   = "U03"
	guest    = "U04"
	stranger = "U99"
)

func policy() access.Policy {
	return access.Policy{
		People: []access.Person{
			{ID: "operator", Slack: operator, Roles: []access.Role{access.Operator, access.Approver}},
			{ID: "second", Slack: second, Roles: []access.Role{access.Operator, access.Approver}},
			{ID: "owner", Slack: owner, Roles: []access.Role{access.Approver, access.Owner}},
			{ID: "guest", Slack: guest, Roles: []access.Role{access.Viewer}},
		},
		Groups: map[access.Role]string{access.Responder: "S0TEAM"},
	}
}

// life is one life of irisops: the bot with a real store, in the fake Slack.
type life struct {
	db       *store.DB
	bot      *bot.Bot
	room     *slack.Room
	listener *slack.Listener
	alarms   *alarms
	web      *httptest.Server // what Slack posts to, if not by Socket Mode
}

// alarms are what people were told beside Slack.
type alarms struct {
	mu   sync.Mutex
	all  []string
	told chan string
}

func (a *alarms) tell(what string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, fmt.Sprintf("%s: %v", what, err))
	select {
	case a.told <- what:
	default:
	}
}

func (a *alarms) said(what string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Contains(strings.Join(a.all, "\n"), what)
}

// wait waits until people were told that.
func (a *alarms) wait(t *testing.T, what string) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	for !a.said(what) {
		select {
		case <-a.told:
		case <-deadline:
			t.Fatalf("nobody was told %q", what)
		}
	}
}

type setting struct {
	dir      string
	api      string
	clusters []bot.Cluster
	steps    []escalation.PolicyStep
	onCall   string
	log      *slog.Logger
	options  store.Options
	silence  time.Duration
	places   []slack.Place
	http     bool
	policy   *access.Policy

	schedules []bot.Scheduled
	asides    bool
	outbox    func(*store.DB) outboxOf
	contacts  map[string][]string
}

// outboxOf is what a room keeps its messages in.
type outboxOf = slack.Outbox

func begin(s setting) (l *life, err error) {
	l = &life{alarms: &alarms{told: make(chan string, 100)}}
	if l.db, err = store.Open(filepath.Join(s.dir, "irisops.db"), s.options); err != nil {
		return nil, err
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	reactions := map[string]string{}
	if s.asides {
		reactions = map[string]string{"eyes": "ack", "memo": "note"}
	}
	var kept outboxOf = l.db
	if s.outbox != nil {
		kept = s.outbox(l.db)
	}
	people := policy()
	if s.policy != nil {
		people = *s.policy
	}
	l.room, err = slack.NewRoom(slack.Options{
		BotToken: slacktest.BotToken, AppToken: slacktest.AppToken, API: s.api,
		Channel: ops, OnCallChannel: s.onCall, People: people, Outbox: kept, Alarm: l.alarms.tell, Log: s.log,
		Silence: s.silence, Places: s.places, KeepReplies: s.asides, Reactions: reactions,
	})
	if err != nil {
		return nil, err
	}
	if s.steps == nil {
		s.steps = []escalation.PolicyStep{{Role: "primary"}, {After: time.Hour, Role: "sre"}}
	}
	l.bot, err = bot.New(bot.Options{
		Store: l.db, Access: people, Groups: l.room.Groups, Log: s.log,
		OnCall:   oncall.Roster{Roles: map[string]string{"primary": "operator", "sre": "second", "owner": "owner"}, Contacts: s.contacts},
		Policies: map[incident.Priority]escalation.Policy{incident.P0: {Steps: s.steps}, incident.P1: {Respond: 15 * time.Minute}},
		Clusters: s.clusters, Schedules: s.schedules, Files: exports{}, Rooms: []bot.Room{l.room},
	})
	if err != nil {
		return nil, err
	}
	l.listener = slack.NewListener(l.room, l.bot)
	if err := l.room.Start(); err != nil {
		return nil, err
	}
	if err := l.bot.Start(context.Background()); err != nil {
		return nil, err
	}
	if s.http {
		l.listener.StartHTTP()
		l.web = httptest.NewServer(l.listener.Handler(slacktest.SigningSecret))
		return l, nil
	}
	return l, l.listener.Start()
}

// exports keeps nothing.
type exports struct{}

func (exports) Write(string, []byte) error { return nil }
func (exports) Path(name string) string    { return "/var/lib/irisops/exports/" + name }

func (l *life) end() error {
	if l.web != nil {
		l.web.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(l.listener.Stop(ctx), l.bot.Stop(ctx), l.room.Stop(ctx), l.db.Close())
}

// live begins a life that ends with the test.
func live(t *testing.T, s setting) *life {
	t.Helper()
	if s.dir == "" {
		s.dir = t.TempDir()
	}
	if os.Getenv("SLACK_TEST_LOG") != "" {
		s.log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	l, err := begin(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.end(); err != nil && !t.Failed() {
			t.Error(err)
		}
	})
	return l
}

// world is one core and two edges whose state the test sets.
type world struct {
	mu    sync.Mutex
	state map[string]string
	acts  string        // file in which each step leaves a line
	slow  chan struct{} // a step waits for it; nil: none waits
}

func newWorld() *world {
	return &world{state: map[string]string{"core": "up", "edge1": "up", "edge2": "up"}}
}

func (c *world) set(node, state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state[node] = state
}

func (c *world) down() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var nodes []string
	for _, n := range []string{"core", "edge1", "edge2"} {
		if c.state[n] != "up" {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

func (c *world) summary(context.Context) (actions.Level, string) {
	if bad := c.down(); len(bad) > 0 {
		return actions.Critical, strings.Join(bad, ", ") + " down"
	}
	return actions.OK, "all 3 nodes answer"
}

func (c *world) served() []bot.Cluster {
	return []bot.Cluster{{Name: "main", Targets: []string{"core", "edge1", "edge2", "all"}, Actions: c.actions(), Summary: c.summary}}
}

func (c *world) actions() []actions.Action {
	target := actions.Param{Name: "target", Kind: actions.Target, Doc: "a node, a role, or all", Example: "edge1"}
	return []actions.Action{
		{Name: "diagnose", Summary: "what is wrong", Example: "diagnose", Look: func(context.Context, actions.Request) (actions.Result, error) {
			level, text := c.summary(context.Background())
			r := actions.Result{Level: level, Headline: text}
			for _, n := range c.down() {
				r.Sections = append(r.Sections, actions.Section{Rows: [][]string{{"critical", n, "no process, port refuses"}}})
				r.Next = append(r.Next, actions.Next{Label: "Restart " + n, Words: "restart " + n})
			}
			return r, nil
		}},
		{Name: "verify", Summary: "can clients log in", Example: "verify", Look: func(context.Context, actions.Request) (actions.Result, error) {
			if bad := c.down(); len(bad) > 0 {
				return actions.Result{Level: actions.Critical, Headline: strings.Join(bad, ", ") + " refuses logins"}, nil
			}
			return actions.Result{Level: actions.OK, Headline: "2 of 2 edges let clients in and deliver"}, nil
		}},
		{Name: "restart", Summary: "stop and start", Example: "restart edge1", Params: []actions.Param{target}, Plan: c.plan("Restart", "up")},
		{Name: "stop", Summary: "stop", Example: "stop edge1", Params: []actions.Param{target}, Plan: c.plan("Stop", "down")},
	}
}

func (c *world) plan(verb, to string) func(context.Context, actions.Request) (actions.Plan, error) {
	return func(_ context.Context, req actions.Request) (actions.Plan, error) {
		node := req.Args["target"]
		c.mu.Lock()
		_, known := c.state[node]
		c.mu.Unlock()
		if !known {
			return actions.Plan{}, &actions.Error{Code: actions.CodeNoSuchNode, Text: fmt.Sprintf("main has no node %q.", node), Hint: "Say one of: core, edge1, edge2."}
		}
		p := actions.Plan{Title: verb + " " + node, Class: actions.Do, Why: node + " is one of two edges", Targets: []string{"main/" + node},
			Preview: []string{"make start_" + node}}
		if node == "core" {
			p.Class, p.Why = actions.Harm, "core is the last live core"
		}
		p.Steps = []actions.Step{c.step("stop "+node, "pid 4711 is gone", node, "down")}
		if to == "up" {
			p.Steps = append(p.Steps, c.step("start "+node, "pid 4712", node, "up"))
		}
		return p, nil
	}
}

func (c *world) step(name, evidence, node, to string) actions.Step {
	return actions.Step{Name: name, Describe: "exact pid", Perform: func(ctx context.Context) (string, error) {
		if c.acts != "" {
			f, err := os.OpenFile(c.acts, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				return "", err
			}
			defer f.Close()
			if _, err := fmt.Fprintln(f, name); err != nil {
				return "", err
			}
		}
		if c.slow != nil {
			select {
			case <-c.slow:
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}
		c.set(node, to)
		return evidence, nil
	}, Check: func(context.Context) (string, error) {
		acts, err := os.ReadFile(c.acts)
		if c.acts == "" || err == nil && strings.Contains(string(acts), name) {
			return evidence, nil
		}
		return "", errors.New("not yet")
	}}
}

var said int

// delivery is something said at a terminal.
func delivery(who, text string) inbox.Delivery {
	said++
	return inbox.Delivery{ID: fmt.Sprint("test/", said), Via: "terminal", Caller: "slack:" + map[string]string{"operator": operator}[who], Text: text}
}
