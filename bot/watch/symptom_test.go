package watch

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/actions/cluster"
)

func ptr(n int64) *int64 { return &n }

// well is a round of a core and two edges in which all is well.
func well(change ...func(*cluster.Observation)) Round {
	core := cluster.Sight{Node: "core", Role: cluster.CoreRole, Answers: true, Process: cluster.Runs}
	edge := func(name string) cluster.Sight {
		return cluster.Sight{Node: name, Role: cluster.EdgeRole, Answers: true, Process: cluster.Runs, Login: 20 * time.Millisecond, Delivery: time.Millisecond}
	}
	o := cluster.Observation{Cluster: "main", Connected: 3, Nodes: []cluster.Sight{core, edge("edge1"), edge("edge2")}, Users: ptr(200), Waiting: ptr(10)}
	for _, c := range change {
		c(&o)
	}
	return Round{Observation: o}
}

// dead takes nodes away as kill -9 does; other checks of them cannot be made.
func dead(names ...string) func(*cluster.Observation) {
	return func(o *cluster.Observation) {
		for i, s := range o.Nodes {
			for _, name := range names {
				if s.Node != name {
					continue
				}
				o.Nodes[i] = cluster.Sight{Node: name, Role: s.Role, Code: actions.CodeNotRegistered, Process: cluster.Gone, Why: name + " down"}
				if s.Role == cluster.EdgeRole {
					o.Nodes[i].Trouble = "the port refuses connections"
				}
				o.Findings = append(o.Findings, cluster.Finding{Node: name, Check: "process", Result: actions.Critical, Evidence: "no process"})
				o.Users = nil
			}
		}
	}
}

func locked(code string) func(*cluster.Observation) {
	return func(o *cluster.Observation) {
		for i := range o.Nodes {
			o.Nodes[i].Answers, o.Nodes[i].Code = false, code
		}
		o.Users, o.Waiting = nil, nil
	}
}

func finds(f ...cluster.Finding) func(*cluster.Observation) {
	return func(o *cluster.Observation) { o.Findings = append(o.Findings, f...) }
}

func edge1(change func(*cluster.Sight)) func(*cluster.Observation) {
	return func(o *cluster.Observation) { change(&o.Nodes[1]) }
}

func mail(n int64) func(*cluster.Observation) {
	return func(o *cluster.Observation) { o.Waiting = ptr(n) }
}

func users(n int64) func(*cluster.Observation) {
	return func(o *cluster.Observation) { o.Users = ptr(n) }
}

func TestSymptoms(t *testing.T) {
	slow := edge1(func(s *cluster.Sight) { s.Login = 900 * time.Millisecond })
	warn := func(node, check string, level actions.Level) cluster.Finding {
		return cluster.Finding{Node: node, Check: check, Result: level, Evidence: "seen"}
	}
	split := func(node string) cluster.Finding {
		return cluster.Finding{Node: node, Check: "views", Result: actions.Critical, Code: "split-brain", Evidence: "its Mnesia runs alone"}
	}
	apart := func(node string) cluster.Finding {
		return cluster.Finding{Node: node, Check: "connected", Result: actions.Advice, Evidence: "connected to none of 2 expected nodes"}
	}
	for _, c := range []struct {
		name   string
		rounds []Round
		want   []string
	}{
		{"no round", nil, nil},
		{"all is well", []Round{well(), well()}, nil},
		{"an edge killed", []Round{well(dead("edge1"))}, []string{"P1 node/edge1: edge1 is gone: edge1 down"}},
		{"the core killed", []Round{well(dead("core"))}, []string{"P1 node/core: core is gone: core down"}},
		{"core and an edge killed", []Round{well(dead("core", "edge2"))}, []string{"P1 node/core: core is gone: core down", "P1 node/edge2: edge2 is gone: edge2 down"}},
		{"all edges killed", []Round{well(dead("edge1", "edge2"))}, []string{"P0 outage: no clients can connect: no edge lets a client in; edge1 down; edge2 down"}},
		{"the core hangs, and takes every login with it", []Round{well(func(o *cluster.Observation) {
			o.Nodes[0] = cluster.Sight{Node: "core", Role: cluster.CoreRole, Code: actions.CodeHung, Process: cluster.Halted, Why: "core hung: pid 7 is stopped"}
			for i := 1; i < 3; i++ {
				o.Nodes[i].Login, o.Nodes[i].Delivery, o.Nodes[i].Trouble = 0, 0, "no answer in time"
			}
		})}, []string{"P0 outage: no clients can connect: no edge lets a client in; core hung: pid 7 is stopped"}},
		{"all killed", []Round{well(dead("core", "edge1", "edge2"))}, []string{"P0 outage: no clients can connect: no node answers, and no edge lets a client in"}},
		{"the core hangs", []Round{well(func(o *cluster.Observation) {
			o.Nodes[0] = cluster.Sight{Node: "core", Role: cluster.CoreRole, Code: actions.CodeHung, Process: cluster.Halted, Why: "core hung: pid 7 is stopped"}
		})}, []string{"P1 node/core: core is gone: core hung: pid 7 is stopped"}},
		{"an edge answers, but lets nobody in", []Round{well(edge1(func(s *cluster.Sight) { s.Login, s.Delivery, s.Trouble = 0, 0, "the port refuses connections" }))},
			[]string{"P1 node/edge1: edge1 lets no client in: the port refuses connections"}},
		{"the probe is not let in, which is the edge's right", []Round{well(edge1(func(s *cluster.Sight) { s.Login, s.Delivery, s.Untried = 0, 0, true }))}, nil},
		{"wrong cookie", []Round{well(locked(actions.CodeWrongCookie))}, []string{"P2 blind: irisops cannot see into core, edge1 and edge2, which may well serve clients: core does not answer irisops"}},
		{"epmd gone", []Round{well(locked(actions.CodeNoEPMD))}, []string{"P2 blind: irisops cannot see into core, edge1 and edge2, which may well serve clients: core does not answer irisops"}},
		{"messages do not come", []Round{well(edge1(func(s *cluster.Sight) { s.Delivery = 0 }))}, []string{"P2 delivery: messages are not delivered on edge1: the probe's message did not come"}},
		{"slow, now and before", []Round{well(slow), well(slow)}, []string{"P1 latency: logins and messages are slow: p99 over 500 ms: p99 900 ms, p50 1.0 ms over 5 min; slowest now 900 ms"}},
		{"slow, but not now", []Round{well(slow), well()}, nil},
		{"nobody is connected any more", []Round{well(), well(users(0))}, []string{"P0 outage: no clients can connect: no user is connected any more; there were 200 within 5 min"}},
		{"nobody was connected", []Round{well(users(49)), well(users(0))}, nil},
		{"nobody knows how many are connected", []Round{well(), well(func(o *cluster.Observation) { o.Users = nil })}, nil},
		{"mail grows", []Round{well(), well(mail(900)), well(mail(1010))}, []string{"P2 offline messages: offline messages grow and do not drain: 1010 wait, 1000 more than within the last 5 min"}},
		{"mail grows and drains", []Round{well(), well(mail(5000)), well(mail(1010))}, nil},
		{"mail for one user", []Round{well(finds(cluster.Finding{Node: "core", Check: "offline messages", Code: "stuck-user", Result: actions.Critical, Evidence: "all for bob"}))},
			[]string{"P2 offline messages: offline messages are stuck for one user: all for bob"}},
		{"split", []Round{well(finds(split("core"), split("core2"), apart("core")))}, []string{"P1 partition: the cores are split: their databases diverge: core: its Mnesia runs alone"}},
		{"an edge off the mesh", []Round{well(finds(apart("edge1")))}, []string{"P1 mesh: edge1 lost the connection to the core: edge1 is connected to none of 2 expected nodes"}},
		{"off the mesh, because the core is gone", []Round{well(dead("core"), finds(apart("edge1")))}, []string{"P1 node/core: core is gone: core down"}},
		{"warnings of one family", []Round{well(finds(warn("edge1", "binaries", actions.Warn), warn("edge2", "memory", actions.Warn)))},
			[]string{"P3 check/memory: binaries on edge1 and edge2: warning: edge1: seen"}},
		{"a critical finding", []Round{well(finds(warn("edge1", "mailboxes", actions.Warn), warn("edge2", "mailboxes", actions.Critical)))},
			[]string{"P2 check/mailboxes: mailboxes on edge1 and edge2: critical: edge2: seen"}},
		{"disk and load", []Round{well(finds(cluster.Finding{Node: "core", Check: "host", Code: "disk-full", Result: actions.Critical, Evidence: "1 GB free"}))},
			[]string{"P2 check/host disk-full: disk space on core: critical: core: 1 GB free"}},
		{"what is said of a dead node follows from it", []Round{well(dead("edge1"), finds(warn("edge1", "mailboxes", actions.Critical)))}, []string{"P1 node/edge1: edge1 is gone: edge1 down"}},
		{"unknown is no symptom", []Round{well(finds(warn("edge1", "mailboxes", actions.Unknown), warn("edge1", "guard", actions.NotAvailable), warn("core", "clock", actions.Advice)))}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got []string
			for _, s := range Symptoms(c.rounds, Rules{}) {
				got = append(got, fmt.Sprintf("%s %s: %s: %s", s.Priority, s.Cause, s.Title, s.Seen))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Whatever is seen: a cause stands there once, the gravest first, with words for
// people, and an outage leaves no node to be named beside it.
func TestSymptomsHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var rounds []Round
		for range rapid.IntRange(1, 5).Draw(t, "rounds") {
			r := well()
			for i := range r.Nodes {
				s := &r.Nodes[i]
				s.Answers = rapid.Bool().Draw(t, "answers")
				s.Process = rapid.SampledFrom([]cluster.Alive{cluster.Runs, cluster.Gone, cluster.Halted, cluster.Unclear}).Draw(t, "process")
				s.Code = rapid.SampledFrom([]string{"", actions.CodeHung, actions.CodeNoEPMD, actions.CodeWrongCookie}).Draw(t, "code")
				s.Login = time.Duration(rapid.IntRange(0, 2).Draw(t, "login")) * time.Second
				s.Delivery = min(s.Login, time.Duration(rapid.IntRange(0, 1).Draw(t, "delivery"))*time.Second)
				r.Findings = append(r.Findings, cluster.Finding{Node: s.Node, Evidence: "seen",
					Check:  rapid.SampledFrom([]string{"views", "host", "memory", "connected", "ping"}).Draw(t, "check"),
					Code:   rapid.SampledFrom([]string{"", "split-brain", "stuck-user"}).Draw(t, "finding"),
					Result: rapid.SampledFrom([]actions.Level{actions.OK, actions.Advice, actions.Warn, actions.Critical, actions.Unknown}).Draw(t, "level")})
			}
			rounds = append(rounds, r)
		}
		seen := map[string]bool{}
		before := ""
		found := Symptoms(rounds, Rules{})
		for _, s := range found {
			if seen[s.Cause] || s.Title == "" || s.Seen == "" || string(s.Priority) < before || damping[s.Priority].of == 0 || strings.Contains(s.Cause, ": ") {
				t.Fatalf("%+v", found)
			}
			seen[s.Cause], before = true, string(s.Priority)
			if found[0].Priority == "P0" && strings.HasPrefix(s.Cause, "node/") {
				t.Fatalf("%+v", found)
			}
		}
	})
}

func TestLatencyOf(t *testing.T) {
	var rounds []Round
	for i := range 50 { // 100 samples: 1 ms to 100 ms
		rounds = append(rounds, Round{Observation: cluster.Observation{Nodes: []cluster.Sight{{Login: time.Duration(2*i+1) * time.Millisecond, Delivery: time.Duration(2*i+2) * time.Millisecond}}}})
	}
	if l := latencyOf(rounds); l != (Latency{100, 50 * time.Millisecond, 99 * time.Millisecond}) {
		t.Errorf("%+v", l)
	}
	if l := latencyOf(rounds[:1]); l != (Latency{2, time.Millisecond, 2 * time.Millisecond}) {
		t.Errorf("%+v", l)
	}
	if l := latencyOf(nil); l != (Latency{}) {
		t.Errorf("%+v", l)
	}
}
