package cluster_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/edge"
	"irisops/actions/erlang/term"
	"irisops/actions/lab"
)

// client is a user at an edge who counts what arrives, and acknowledges it.
type client struct {
	*edge.Conn
	mu    sync.Mutex
	got   map[string]int
	acked int
	done  chan struct{}
}

// login connects a client. It leaves when it has got so many messages, and does
// not acknowledge the last one; 0: never.
func (p *postOffice) login(user, edgeName string, leaveAfter int) *client {
	p.Helper()
	conn, err := edge.Dial(p.Context(), p.node(edgeName).Addr())
	p.must(err)
	p.must(conn.Login(p.Context(), user, ""))
	c := &client{Conn: conn, got: map[string]int{}, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		defer conn.Close()
		for n := 1; ; n++ {
			d, err := conn.Receive(p.Context())
			if err != nil {
				return
			}
			c.mu.Lock()
			c.got[string(d.Body)]++
			c.mu.Unlock()
			if n == leaveAfter {
				return // without acknowledging the last one
			}
			if conn.Ack(p.Context(), d) != nil {
				return
			}
			c.mu.Lock()
			c.acked++
			c.mu.Unlock()
		}
	}()
	return c
}

func (c *client) count() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, times := range c.got {
		n += times
	}
	return n
}

func (c *client) acknowledged() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.acked
}

func (c *client) copy() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.got)
}

// mail stores records for the user: messages alone and in lists, in two buckets
// and in one that no login reads. It returns the messages.
func (p *postOffice) mail(user string, records int) []string {
	at := time.Now().Add(-time.Hour).UnixMilli()
	var all []string
	for i := range records {
		one := fmt.Sprintf("%s %d", user, i)
		if i%5 == 4 {
			list := term.List{[]byte(one + " a"), term.List{[]byte(one + " b")}, []byte(one + " c")}
			all = append(all, one+" a", one+" b", one+" c")
			p.store(user, i%2*5, at+int64(i/3), list)
			continue
		}
		all = append(all, one)
		p.store(user, i%2*5, at+int64(i/3), []byte(one))
	}
	return all
}

// Real clients at real edges count what they get.
func TestRedelivery(t *testing.T) {
	p := newPostOffice(t, lab.Options{Cores: 1, Edges: 2})

	t.Run("nothing is lost and nothing comes twice", func(t *testing.T) {
		bystander := p.login("bob", "edge2", 0)
		alice := p.login("alice", "edge2", 0)
		sent := p.mail("alice", 40)
		p.store("alice", 0, 1, term.Atom("odd"))
		plan := p.planned("messages redeliver", actions.Args{"user": "alice"})
		if !slices.Contains(plan.Targets, p.node("edge2").Key()) {
			t.Errorf("edge2 may be stopped in the middle of it: %q", plan.Targets)
		}
		if plan.Class != actions.Do || plan.Title != "Redeliver 41 records of alice through edge2" {
			t.Errorf("%s %q", plan.Class, plan.Title)
		}
		seen, err := p.perform(plan.Steps)
		if err != nil || !strings.Contains(seen, "alice took 56 messages of 40 records on edge2") {
			t.Fatalf("%v\n%s", err, seen)
		}
		p.eventually("alice has got all", func() bool { return alice.acknowledged() >= len(sent) })
		left := p.waiting("core", "alice")
		if len(left) != 1 {
			t.Errorf("%d records are left; the odd one alone should be", len(left))
		}
		alice.Close()
		<-alice.done
		for _, m := range sent {
			if alice.got[m] != 1 {
				t.Errorf("%q came %d times", m, alice.got[m])
			}
		}
		if alice.count() != len(sent) || bystander.count() != 0 {
			t.Errorf("alice got %d of %d, bob %d", alice.count(), len(sent), bystander.count())
		}
		bystander.Close()
	})

	t.Run("a user who is not there", func(t *testing.T) {
		p.mail("carol", 6)
		before := p.waiting("core", "carol")
		_, err := p.bare("messages redeliver", actions.Request{Args: actions.Args{"user": "carol"}})
		if actions.CodeOf(err) != "not-connected" || !strings.Contains(err.Error(), "carol is connected to no edge: 8 messages wait, and are delivered at the next login.") ||
			!strings.Contains(err.Error(), "3 records lie in buckets that no login reads") {
			t.Error(err)
		}
		p.same("nothing was done", p.waiting("core", "carol"), before)
	})

	t.Run("the client leaves in the middle", func(t *testing.T) {
		all := map[string]int{}
		p.mail("erin", 60)
		erin := p.login("erin", "edge1", 0)
		p.eventually("the login's own mail has come", func() bool { return erin.acknowledged() == 30+12 })
		erin.Close()
		<-erin.done
		p.eventually("erin is forgotten", func() bool {
			return strings.Contains(p.ask("presence", actions.Args{"user": "erin"}).Headline, "not connected")
		})
		// erin's other half waits where no login reads it. She leaves after seven.
		for m, n := range erin.copy() {
			all[m] += n
		}
		erin = p.login("erin", "edge1", 7)
		plan := p.planned("messages redeliver", actions.Args{"user": "erin"})
		seen, err := p.perform(plan.Steps)
		t.Log(seen, err)
		<-erin.done
		for m, n := range erin.copy() {
			all[m] += n
		}
		p.eventually("erin is forgotten again", func() bool {
			return strings.Contains(p.ask("presence", actions.Args{"user": "erin"}).Headline, "not connected")
		})
		// What was on its way is among the waiting messages again; the rest never left.
		_, err = p.link.Call(t.Context(), p.node("core").Name, "iris_durable_batcher", "force_flush")
		p.must(err)
		erin = p.login("erin", "edge2", 0)
		p.eventually("the login's mail has come", func() bool { return len(p.inReach("erin")) == 0 })
		if len(p.waiting("core", "erin")) > 0 {
			rest := p.planned("messages redeliver", actions.Args{"user": "erin"})
			if seen, err := p.perform(rest.Steps); err != nil {
				t.Fatal(err, seen)
			}
		}
		want := 60 + 24
		p.eventually("erin has everything", func() bool {
			together := maps.Clone(all)
			for m, n := range erin.copy() {
				together[m] += n
			}
			return len(together) == want
		})
		erin.Close()
		<-erin.done
		for m, n := range erin.copy() {
			all[m] += n
		}
		var twice []string
		for m, n := range all {
			if n > 1 {
				twice = append(twice, m)
			}
		}
		slices.Sort(twice)
		t.Logf("came twice: %v", twice)
		if len(twice) > 1+3 { // the message that was not acknowledged, and the record that was under way
			t.Errorf("%d messages came twice: %v", len(twice), twice)
		}
	})

	t.Run("a connection that has just ended", func(t *testing.T) {
		p.mail("frank", 6)
		frank := p.login("frank", "edge1", 0)
		p.eventually("the login's mail has come", func() bool { return len(p.inReach("frank")) == 0 })
		before := p.waiting("core", "frank")
		plan := p.planned("messages redeliver", actions.Args{"user": "frank"})
		rows, err := p.link.Call(t.Context(), p.node("edge1").Name, "ets", "lookup", term.Atom("local_presence_v2"), []byte("frank"))
		p.must(err)
		pid := rows.(term.List)[0].(term.Tuple)[1]
		_, err = p.link.Call(t.Context(), p.node("edge1").Name, "erlang", "exit", pid, term.Atom("kill"))
		p.must(err)
		seen, err := p.perform(plan.Steps)
		if actions.CodeOf(err) != "not-connected" && actions.CodeOf(err) != "not-taken" {
			t.Errorf("%v\n%s", err, seen)
		}
		p.same("nothing is lost", p.waiting("core", "frank"), before)
		frank.Close()
	})
}

// inReach are the records that a login reads.
func (p *postOffice) inReach(user string) []string {
	var all []string
	for _, raw := range p.waiting("core", user) {
		t, _, err := term.Decode([]byte(raw))
		p.must(err)
		if t.(term.Tuple)[1].(term.Tuple)[1] == int64(0) {
			all = append(all, raw)
		}
	}
	return all
}
