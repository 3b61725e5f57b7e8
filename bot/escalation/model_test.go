package escalation

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"irisops/bot/incident"
)

// model is the escalation as the runbook means it, in the simplest words: a step
// fires at its time unless the incident was recovered, resolved or silenced by
// then.
type model struct {
	declared time.Time
	after    []time.Duration
	state    string
	verified time.Time // when it was last seen to work; zero: it was not, or failed since
	silenced bool
	stopped  time.Time // when the clocks were stopped; zero: they run
}

// fires are the times at which its steps have fired until now.
func (m *model) fires(now time.Time) []time.Time {
	var times []time.Time
	for _, after := range m.after {
		due := m.declared.Add(after)
		if !due.After(now) && (m.stopped.IsZero() || !due.After(m.stopped)) {
			times = append(times, due)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times
}

// do is what a person does to the incident, and whether the model lets it.
func (m *model) do(what, reason string, now time.Time) (incident.Event, bool) {
	over := m.state == "resolved"
	stop := func() {
		if m.stopped.IsZero() {
			m.stopped = now
		}
	}
	switch what {
	case "ack":
		fine := m.state == "open"
		if fine {
			m.state = "acknowledged"
		}
		return incident.Acked{By: "operator"}, fine
	case "note":
		return incident.Noted{By: "operator", Kind: incident.KindNote, Text: "looking"}, true
	case "verify", "verify fails":
		if !over {
			m.verified = time.Time{}
			if what == "verify" {
				m.verified = now
			}
		}
		return incident.Verified{By: "operator", OK: what == "verify", Summary: "edge1"}, !over
	case "recovered":
		proven := !m.verified.IsZero() && now.Sub(m.verified) <= incident.VerificationHolds
		fine := !over && m.state != "recovered" && (proven || reason != "")
		if fine {
			m.state = "recovered"
			stop()
		}
		return incident.DeclaredRecovered{By: "operator", Force: reason}, fine
	case "resolve":
		fine := !over && (m.state == "recovered" || reason != "")
		if fine {
			m.state = "resolved"
			stop()
		}
		return incident.DeclaredResolved{By: "operator", Reason: reason}, fine
	default: // stop-paging
		fine := !over && reason != ""
		if fine {
			m.silenced = true
			stop()
		}
		return incident.PagingStop{By: "operator", Reason: reason}, fine
	}
}

// Whatever people do and whenever, the incidents and the loop do as the model
// says: each armed step fires exactly once and exactly at its time, and
// acknowledging stops nothing.
func TestIncidentsEscalateAsTheModelSays(t *testing.T) {
	// Rapid stops after a day of the bubble's time, and so after a dozen lives.
	for range 6 {
		synctest.Test(t, func(t *testing.T) {
			rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
				s := start(t, nil)
				defer s.stop()
				live(rt, s)
			})
		})
	}
}

func live(t *rapid.T, s *stage) {
	var models []*model
	for range rapid.IntRange(1, 40).Draw(t, "events") {
		pass(rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, time.Second, 30 * time.Second, 5 * time.Minute, 15 * time.Minute}).Draw(t, "time passes"))
		now := time.Now()
		what := rapid.SampledFrom([]string{"declare", "ack", "ack", "note", "verify", "verify fails", "recovered", "recovered", "resolve", "stop-paging", "wait", "wait"}).Draw(t, "what")
		switch {
		case what == "declare" || len(models) == 0:
			m := &model{declared: now, state: "open"}
			var p Policy
			for _, minutes := range rapid.SliceOfN(rapid.IntRange(0, 30), 0, 4).Draw(t, "policy") {
				m.after = append(m.after, time.Duration(minutes)*time.Minute)
				p.Steps = append(p.Steps, PolicyStep{After: time.Duration(minutes) * time.Minute, Role: "sre"})
			}
			models = append(models, m)
			s.declare(uint64(len(models)), p, now)
			s.loop.Kick()
		case what != "wait":
			n := rapid.IntRange(1, len(models)).Draw(t, "which")
			reason := rapid.SampledFrom([]string{"", "because"}).Draw(t, "reason")
			event, fine := models[n-1].do(what, reason, now)
			if err := s.apply(uint64(n), event, now); (err == nil) != fine {
				t.Fatalf("%s of INC-%d: %v; the model says %v", what, n, err, fine)
			}
		}
		synctest.Wait()
		agree(t, s, models)
	}
	pass(31 * time.Minute)
	agree(t, s, models)
}

// agree compares what has happened with the models.
func agree(rt *rapid.T, s *stage, models []*model) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for i, m := range models {
		number := uint64(i + 1)
		inc := s.incidents[number]
		if string(inc.State) != m.state || (inc.PagingStopped != nil) != m.silenced {
			rt.Fatalf("%s is %s, silenced %v; the model says %s, %v", inc.ID(), inc.State, inc.PagingStopped != nil, m.state, m.silenced)
		}
		var fired []time.Time
		keys := map[string]bool{}
		for _, p := range s.pages {
			if p.Incident != inc.ID() {
				continue
			}
			if keys[p.Key()] {
				rt.Fatalf("%s was paged twice", p.Key())
			}
			keys[p.Key()] = true
			fired = append(fired, p.Queued)
		}
		if want := m.fires(now); !slices.EqualFunc(fired, want, time.Time.Equal) {
			rt.Fatalf("%s fired at %v, want %v (now %v)", inc.ID(), fired, want, now)
		}
		armed := 0
		for _, step := range inc.Steps {
			if step.Fired.IsZero() {
				armed++
			}
		}
		if fires := len(m.after) - armed; fires != len(fired) {
			rt.Fatalf("%s has %d steps that fired, and %d pages", inc.ID(), fires, len(fired))
		}
		if err := wellKept(inc, s.entries[number]); err != nil {
			rt.Fatal(err)
		}
	}
}

// wellKept: the timeline has no gaps and is in order, and says who did it.
func wellKept(inc incident.Incident, entries []incident.Entry) error {
	if inc.Entries != len(entries) {
		return fmt.Errorf("%s says %d entries, there are %d", inc.ID(), inc.Entries, len(entries))
	}
	for i, e := range entries {
		if e.Seq != i || e.By == "" || e.Text == "" || i > 0 && e.At.Before(entries[i-1].At) {
			return fmt.Errorf("%s: entry %d is %+v", inc.ID(), i, e)
		}
	}
	return nil
}
