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

// model is an incident with its clocks as docs/incidents.md means them, in the
// simplest words: alarms that ring at their time unless somebody has taken them
// away before.
type model struct {
	policies map[incident.Priority]Policy
	priority incident.Priority
	state    string
	verified time.Time // when it was last seen to work; zero: it was not, or failed since
	silenced bool
	again    bool   // reopened at least once
	asked    string // who was asked to take over
	owner    string

	steps    []alarm
	answered []alarm   // taken away because somebody had it
	answerBy time.Time // zero: not any more
	remindAt time.Time // the same
	quiet    time.Duration

	paged, unanswered, reminded []time.Time // what has rung, and when
}

type alarm struct {
	due       time.Time
	after     time.Duration
	untilAcks bool
}

func (m *model) waits() bool { return m.state == "open" || m.state == "reopened" }
func (m *model) ended() bool { return m.state == "recovered" || m.state == "resolved" }

// ring rings everything that is due.
func (m *model) ring(now time.Time) {
	var left []alarm
	for _, a := range m.steps {
		if a.due.After(now) {
			left = append(left, a)
		} else {
			m.paged = append(m.paged, a.due)
		}
	}
	m.steps = left
	slices.SortFunc(m.paged, time.Time.Compare)
	if !m.answerBy.IsZero() && !m.answerBy.After(now) {
		m.unanswered = append(m.unanswered, m.answerBy)
		m.answerBy = time.Time{}
	}
	for !m.remindAt.IsZero() && !m.remindAt.After(now) {
		m.reminded = append(m.reminded, m.remindAt)
		m.remindAt = m.remindAt.Add(m.quiet)
	}
}

// wind sets the clocks by the policy of the priority.
func (m *model) wind(now time.Time) {
	p := m.policies[m.priority]
	m.steps, m.answered, m.answerBy, m.remindAt, m.quiet = nil, nil, time.Time{}, time.Time{}, p.Remind
	for _, s := range p.Steps {
		untilAcks := s.Unless == incident.UnlessAcknowledged
		for n := range s.Repeat.Times + 1 {
			after := s.After + time.Duration(n)*s.Repeat.Every
			switch a := (alarm{now.Add(after), after, untilAcks}); {
			case m.silenced:
			case untilAcks && !m.waits():
				m.answered = append(m.answered, a)
			default:
				m.steps = append(m.steps, a)
			}
		}
	}
	if m.waits() && p.Respond > 0 {
		m.answerBy = now.Add(p.Respond)
	}
	m.heard(now)
	m.ring(now)
}

// heard: somebody has said something.
func (m *model) heard(now time.Time) {
	if m.quiet > 0 && !m.ended() {
		m.remindAt = now.Add(m.quiet)
	}
}

func (m *model) take(by string) {
	m.owner, m.answerBy = by, time.Time{}
	for _, a := range m.steps {
		if a.untilAcks {
			m.answered = append(m.answered, a)
		}
	}
	m.steps = slices.DeleteFunc(m.steps, func(a alarm) bool { return a.untilAcks })
}

// letGo: who had it has it no more.
func (m *model) letGo(now time.Time) {
	m.state, m.owner = "open", ""
	if m.again {
		m.state = "reopened"
	}
	if p := m.policies[m.priority]; p.Respond > 0 {
		m.answerBy = now.Add(p.Respond)
	}
	for _, a := range m.answered {
		m.steps = append(m.steps, alarm{now.Add(a.after), a.after, true})
	}
	m.answered = nil
	m.ring(now)
}

func (m *model) end(state string) {
	m.state, m.steps, m.answerBy, m.remindAt = state, nil, time.Time{}, time.Time{}
	if state == "resolved" {
		m.asked = ""
	}
}

// do is what a person does to the incident, and whether the model lets it.
func (m *model) do(what, reason string, to incident.Priority, now time.Time) (event incident.Event, fine bool) {
	defer func() {
		if fine {
			m.heard(now)
		}
	}()
	clocks := Clocks(to, m.policies[to], now)
	over := m.state == "resolved"
	switch what {
	case "ack":
		if fine = m.waits(); fine {
			m.state = "acknowledged"
			m.take("operator")
		}
		return incident.Acked{By: "operator"}, fine
	case "mitigated":
		if fine = !m.ended() && m.state != "mitigated"; fine {
			if m.waits() {
				m.take("second")
			}
			m.state = "mitigated"
		}
		return incident.DeclaredMitigated{By: "second"}, fine
	case "severity":
		if fine = !over && to != m.priority; fine {
			raised := to < m.priority
			m.priority = to
			if !m.ended() {
				m.silenced = m.silenced && !raised
				m.wind(now)
			}
		}
		return incident.PriorityChanged{By: "owner", To: to, Clocks: clocks}, fine
	case "rearm":
		if fine = !m.ended(); fine {
			m.silenced = false
			m.wind(now)
		}
		return incident.Rearmed{By: "owner", Clocks: Clocks(m.priority, m.policies[m.priority], now)}, fine
	case "reopen":
		if fine = m.ended(); fine {
			m.state, m.silenced, m.owner, m.asked, m.again, m.verified = "reopened", false, "", "", true, time.Time{}
			m.wind(now)
		}
		return incident.DeclaredReopened{By: "owner", Clocks: Clocks(m.priority, m.policies[m.priority], now)}, fine
	case "handoff":
		if fine = !over && m.asked != "second" && m.owner != "second"; fine {
			m.asked = "second"
		}
		return incident.HandoffAsked{By: "operator", To: "second"}, fine
	case "accept":
		if fine = !over && m.asked == "second"; fine {
			if m.waits() {
				m.state = "acknowledged"
			}
			m.asked = ""
			m.take("second")
		}
		return incident.HandoffAccepted{By: "second"}, fine
	case "decline":
		if fine = !m.ended() && !m.silenced; fine && m.state == "acknowledged" && m.owner == "operator" {
			m.letGo(now)
		}
		return incident.Declined{By: "operator", Reason: reason}, fine
	case "note":
		return incident.Noted{By: "operator", Kind: incident.KindNote, Text: "looking"}, true
	case "verify", "verify fails":
		if fine = !over; fine {
			m.verified = time.Time{}
			if what == "verify" {
				m.verified = now
			}
		}
		return incident.Verified{By: "operator", OK: what == "verify", Summary: "edge1"}, fine
	case "recovered":
		proven := !m.verified.IsZero() && now.Sub(m.verified) <= incident.VerificationHolds
		if fine = !m.ended() && (proven || reason != ""); fine {
			m.end("recovered")
		}
		return incident.DeclaredRecovered{By: "operator", Force: reason}, fine
	case "resolve":
		if fine = !over && (m.state == "recovered" || reason != ""); fine {
			m.end("resolved")
		}
		return incident.DeclaredResolved{By: "operator", Reason: reason}, fine
	default: // stop-paging
		if fine = !over && reason != ""; fine {
			m.silenced, m.steps = true, nil
		}
		return incident.PagingStop{By: "operator", Reason: reason}, fine
	}
}

// Whatever people do and whenever, the incidents and the loop do as the model
// says: every step, response time and reminder exactly once and exactly at its
// time, and acknowledging stops what waits for an answer and nothing else.
func TestIncidentsEscalateAsTheModelSays(t *testing.T) {
	// Rapid stops after a day of the bubble's time, and so after half a dozen lives.
	for range 60 {
		synctest.Test(t, func(t *testing.T) {
			rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
				s := start(t, nil)
				defer s.stop()
				live(rt, s)
			})
		})
	}
}

func anyPolicy(t *rapid.T) Policy {
	minutes := func(most int, what string) time.Duration {
		return time.Duration(rapid.IntRange(0, most).Draw(t, what)) * time.Minute
	}
	p := Policy{Respond: minutes(10, "respond"), Remind: minutes(2, "remind") * 10}
	for range rapid.IntRange(0, 4).Draw(t, "steps") {
		s := PolicyStep{After: minutes(30, "after"), Role: "sre", Unless: rapid.SampledFrom([]incident.Unless{incident.UnlessRecovered, incident.UnlessAcknowledged}).Draw(t, "unless")}
		if rapid.IntRange(0, 3).Draw(t, "repeats") == 0 {
			s.Repeat = Repeat{Every: time.Minute + minutes(5, "every"), Times: rapid.IntRange(1, 3).Draw(t, "times")}
		}
		p.Steps = append(p.Steps, s)
	}
	return p
}

var deeds = []string{"declare", "ack", "ack", "mitigated", "severity", "severity", "rearm", "reopen", "reopen", "handoff", "accept", "decline", "note",
	"verify", "verify fails", "recovered", "recovered", "resolve", "stop-paging", "wait", "wait"}

func live(t *rapid.T, s *stage) {
	var models []*model
	for range rapid.IntRange(1, 40).Draw(t, "events") {
		pass(rapid.SampledFrom([]time.Duration{0, 0, time.Millisecond, time.Second, 30 * time.Second, 5 * time.Minute, 15 * time.Minute}).Draw(t, "time passes"))
		now := time.Now()
		for _, m := range models {
			m.ring(now)
		}
		what := rapid.SampledFrom(deeds).Draw(t, "what")
		to := rapid.SampledFrom(incident.Priorities).Draw(t, "priority")
		switch {
		case what == "declare" || len(models) == 0:
			m := &model{state: "open", priority: to, policies: map[incident.Priority]Policy{}}
			for _, p := range incident.Priorities {
				m.policies[p] = anyPolicy(t)
			}
			m.wind(now)
			models = append(models, m)
			s.open(uint64(len(models)), to, m.policies[to], now)
			s.loop.Kick()
		case what != "wait":
			n := rapid.IntRange(1, len(models)).Draw(t, "which")
			reason := rapid.SampledFrom([]string{"", "because"}).Draw(t, "reason")
			event, fine := models[n-1].do(what, reason, to, now)
			if err := s.apply(uint64(n), event, now); (err == nil) != fine {
				t.Fatalf("%s of INC-%d: %v; the model says %v", what, n, err, fine)
			}
			s.loop.Kick()
		}
		synctest.Wait()
		agree(t, s, models)
	}
	pass(3 * time.Hour)
	for _, m := range models {
		m.ring(time.Now())
	}
	agree(t, s, models)
}

// agree compares what has happened with the models.
func agree(rt *rapid.T, s *stage, models []*model) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, m := range models {
		number := uint64(i + 1)
		inc := s.incidents[number]
		if string(inc.State) != m.state || (inc.PagingStopped != nil) != m.silenced || inc.Priority != m.priority || inc.AckedBy != m.owner {
			rt.Fatalf("%s is %s %s of %q, silenced %v; the model says %s %s of %q, %v", inc.ID(), inc.Priority, inc.State, inc.AckedBy, inc.PagingStopped != nil,
				m.priority, m.state, m.owner, m.silenced)
		}
		var paged, unanswered, reminded []time.Time
		keys := map[string]bool{}
		for _, p := range s.pages {
			if p.Incident != inc.ID() {
				continue
			}
			if keys[p.Key()] {
				rt.Fatalf("%s was paged twice", p.Key())
			}
			keys[p.Key()] = true
			paged = append(paged, p.Queued)
		}
		for _, e := range s.entries[number] {
			switch e.Kind {
			case incident.KindUnanswered:
				unanswered = append(unanswered, e.At)
			case incident.KindReminder:
				reminded = append(reminded, e.At)
			}
		}
		for what, pair := range map[string][2][]time.Time{"paged": {paged, m.paged}, "unanswered": {unanswered, m.unanswered}, "reminded": {reminded, m.reminded}} {
			if !slices.EqualFunc(pair[0], pair[1], time.Time.Equal) {
				rt.Fatalf("%s %s at %v, want %v (now %v)", inc.ID(), what, pair[0], pair[1], time.Now())
			}
		}
		fired := 0
		for _, step := range inc.Steps {
			if !step.Fired.IsZero() {
				fired++
			}
			if !step.Dropped.IsZero() && (step.Because == "" || !step.Fired.IsZero()) {
				rt.Fatalf("%s was dropped: %+v", step.Name, step)
			}
		}
		if fired != len(paged) {
			rt.Fatalf("%s has %d steps that fired, and %d pages", inc.ID(), fired, len(paged))
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
