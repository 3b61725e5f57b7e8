package escalation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"
)

// memory keeps incidents as the store does, and fails where it is told to.
type memory struct {
	mu        sync.Mutex
	incidents map[uint64]incident.Incident
	entries   map[uint64][]incident.Entry
	pages     []pager.Page
	commits   int // that succeeded

	failDue    error
	failCommit error
	bad        map[uint64]bool                    // incidents that no commit takes
	meanwhile  func(n int, m *memory) (gone bool) // called before the n-th commit, with the lock held
	tries      int
}

func newMemory() *memory {
	return &memory{incidents: map[uint64]incident.Incident{}, entries: map[uint64][]incident.Entry{}}
}

func (m *memory) Due(now time.Time, limit int) ([]incident.Incident, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failDue != nil {
		return nil, m.failDue
	}
	var due []incident.Incident
	for _, inc := range m.incidents {
		if next, ok := inc.NextDeadline(); ok && !next.After(now) {
			due = append(due, inc)
		}
	}
	slices.SortFunc(due, func(a, b incident.Incident) int {
		x, _ := a.NextDeadline()
		y, _ := b.NextDeadline()
		if order := x.Compare(y); order != 0 {
			return order
		}
		return int(a.Number) - int(b.Number)
	})
	if limit > 0 && len(due) > limit {
		due = due[:limit]
	}
	return due, nil
}

func (m *memory) NextDue() (next time.Time, armed bool, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failDue != nil {
		return next, false, m.failDue
	}
	for _, inc := range m.incidents {
		if at, ok := inc.NextDeadline(); ok && (!armed || at.Before(next)) {
			next, armed = at, true
		}
	}
	return next, armed, nil
}

func (m *memory) Commit(ctx context.Context, changes ...change.Change) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tries++
	if m.meanwhile != nil && m.meanwhile(m.tries, m) {
		return change.ErrConflict
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.failCommit != nil {
		return m.failCommit
	}
	for _, c := range changes {
		if m.bad[c.Incident.Number] {
			return fmt.Errorf("%s cannot be written", c.Incident.ID())
		}
		if m.incidents[c.Incident.Number].Version != c.Incident.Version {
			return fmt.Errorf("%s: %w", c.Incident.ID(), change.ErrConflict)
		}
	}
	for _, c := range changes {
		inc := *c.Incident
		inc.Version++
		m.incidents[inc.Number] = inc
		m.entries[inc.Number] = append(m.entries[inc.Number], c.Entries...)
		m.pages = append(m.pages, c.Pages...)
	}
	m.commits++
	return nil
}

// declare opens a P0 with the clocks of this policy.
func (m *memory) declare(number uint64, p Policy, now time.Time) { m.open(number, incident.P0, p, now) }

func (m *memory) open(number uint64, priority incident.Priority, p Policy, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	inc, eff := incident.New(number, incident.Declaration{Cluster: "main", Title: "no clients can connect", Priority: priority, By: "operator", Clocks: Clocks(priority, p, now)}, now)
	inc.Version = 1
	m.incidents[number] = inc
	m.entries[number] = eff.Entries
	m.pages = append(m.pages, pagesFor(inc, eff.Pages, now)...)
}

// apply is what a person does to an incident.
func (m *memory) apply(number uint64, event incident.Event, now time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.applied(number, event, now)
}

func (m *memory) applied(number uint64, event incident.Event, now time.Time) error {
	inc, eff, err := incident.Apply(m.incidents[number], event, now)
	if err != nil {
		return err
	}
	inc.Version++
	m.incidents[number] = inc
	m.entries[number] = append(m.entries[number], eff.Entries...)
	m.pages = append(m.pages, pagesFor(inc, eff.Pages, now)...)
	return nil
}

// paged is every page so far: "INC-1 P0/15m sre", with how late it was.
func (m *memory) paged() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, p := range m.pages {
		s := fmt.Sprintf("%s %s %s", p.Incident, p.Step, p.Role)
		if late := p.Late(); late > 0 {
			s += fmt.Sprintf(" late by %s", late)
		}
		all = append(all, s)
	}
	return all
}

func pagesFor(inc incident.Incident, calls []incident.Call, now time.Time) []pager.Page {
	var pages []pager.Page
	for _, c := range calls {
		pages = append(pages, pager.Page{Incident: inc.ID(), Step: c.Step, Role: c.Role, Person: "operator", Channel: "conversation",
			Text: c.Text, Queued: now, Due: c.Due, State: pager.Queued})
	}
	return pages
}

// wall is a clock that can be set.
type wall struct {
	mu  sync.Mutex
	off time.Duration
}

func (w *wall) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Add(w.off)
}

func (w *wall) set(by time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off += by
}

// stage is a loop that runs over a memory.
type stage struct {
	*memory
	loop *Loop
	wall *wall
	stop func() // and wait for its end

	said   sync.Mutex
	alarms []string
	fired  []string
}

func start(t *testing.T, change func(*stage)) *stage {
	t.Helper()
	s := &stage{memory: newMemory(), wall: &wall{}}
	s.loop = &Loop{Incidents: s.memory, Pages: pagesFor, now: s.wall.now}
	s.loop.Alarm = func(err error) {
		s.said.Lock()
		defer s.said.Unlock()
		s.alarms = append(s.alarms, err.Error())
	}
	s.loop.Fired = func(inc incident.Incident, calls []incident.Call, _ []incident.Entry) {
		s.said.Lock()
		defer s.said.Unlock()
		for _, c := range calls {
			s.fired = append(s.fired, inc.ID()+" "+c.Step)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if kept := s.incidents[inc.Number].Version; inc.Version != kept {
			t.Errorf("the listener heard of version %d of %s, the store has %d", inc.Version, inc.ID(), kept)
		}
	}
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.loop.Run(ctx); close(ended) }()
	s.stop = func() { cancel(); <-ended }
	synctest.Wait()
	return s
}

func (s *stage) heard() (alarms, fired []string) {
	s.said.Lock()
	defer s.said.Unlock()
	return slices.Clone(s.alarms), slices.Clone(s.fired)
}

// pass lets time go by, until everything that it brings has happened.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
