package pager

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memory is an outbox that keeps every state of every page, and fails where it
// is told to.
type memory struct {
	mu     sync.Mutex
	pages  map[string]Page
	order  []string // keys, as they were queued
	states map[string][]State

	failDue, failBegin, failSettle error
	begins                         int
	limit                          int // that DuePages was last asked for
}

func newMemory() *memory { return &memory{pages: map[string]Page{}, states: map[string][]State{}} }

func (m *memory) put(p Page) {
	m.pages[p.Key()] = p
	m.states[p.Key()] = append(m.states[p.Key()], p.State)
}

func (m *memory) add(pages ...Page) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range pages {
		m.order = append(m.order, p.Key())
		m.put(p)
	}
}

func (m *memory) DuePages(now time.Time, limit int) ([]Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.limit = limit
	if m.failDue != nil {
		return nil, m.failDue
	}
	var due []Page
	for _, key := range m.order {
		if p := m.pages[key]; p.State == Queued && !p.NotBefore.After(now) && len(due) < limit {
			due = append(due, p)
		}
	}
	return due, nil
}

func (m *memory) Begin(ctx context.Context, pages []Page) ([]Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begins++
	if m.failBegin != nil {
		return nil, m.failBegin
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for _, p := range pages {
		m.put(p)
	}
	return pages, nil
}

func (m *memory) Settle(ctx context.Context, pages []Page) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failSettle != nil {
		return m.failSettle
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	for _, p := range pages {
		m.put(p)
	}
	return nil
}

func (m *memory) set(change func(m *memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *memory) page(p Page) Page {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.pages[p.Key()]
}

func (m *memory) history(p Page) []State {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.states[p.Key()])
}

// sent is one call of a Sender.
type sent struct {
	step string
	at   time.Duration // since the start
	dup  bool
}

// fake is a Sender that answers as it is told.
type fake struct {
	channel string
	out     *memory
	start   time.Time
	answer  func(ctx context.Context, p Page, n int) error // n is the number of the call, from 1

	mu        sync.Mutex
	calls     []sent // a page each, however they were sent
	sends     int
	now, most int             // sends at a time
	lanes     map[string]int  // the same for one person
	wrong     []string        // what the drain did wrong
	inFlight  map[string]bool // keys
}

func (f *fake) Channel() string { return f.channel }

func (f *fake) Send(ctx context.Context, p Page) error {
	n := f.begin(p)
	defer f.end(p)
	if f.answer == nil {
		return nil
	}
	return f.answer(ctx, p, n)
}

// members are the pages that are sent as this one.
func (m *memory) members(p Page) []Page {
	if len(p.Group) == 0 {
		return []Page{p}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Page
	for _, key := range p.Group {
		list = append(list, m.pages[key])
	}
	return list
}

func (f *fake) begin(p Page) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.inFlight == nil {
		f.inFlight, f.lanes = map[string]bool{}, map[string]int{}
	}
	for _, one := range f.out.members(p) {
		if kept := f.out.page(one); kept.State != Sending {
			f.wrong = append(f.wrong, fmt.Sprintf("%s is sent, but recorded as %s", one.Key(), kept.State))
		}
		if f.inFlight[one.Key()] {
			f.wrong = append(f.wrong, one.Key()+" is sent twice at a time")
		}
		f.inFlight[one.Key()] = true
	}
	f.now++
	f.most = max(f.most, f.now)
	if f.lanes[p.Person]++; f.lanes[p.Person] > 1 {
		f.wrong = append(f.wrong, "two pages at a time for "+p.Person)
	}
	for _, one := range f.out.members(p) {
		f.calls = append(f.calls, sent{one.Step, time.Since(f.start), one.PossibleDuplicate})
	}
	f.sends++
	return f.sends
}

func (f *fake) end(p Page) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now--
	f.lanes[p.Person]--
	for _, one := range f.out.members(p) {
		delete(f.inFlight, one.Key())
	}
}

func (f *fake) sent() []sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

func (f *fake) steps() []string {
	var steps []string
	for _, s := range f.sent() {
		steps = append(steps, s.step)
	}
	return steps
}

// stage is a drain that runs over a memory with one Sender, "conversation".
type stage struct {
	*memory
	*fake
	t     *testing.T
	drain *Drain
	stop  func() // and wait for its end

	mu     sync.Mutex
	lost   []string // undeliverable
	alarms []string
	off    time.Duration // of the clock on the wall
}

func begin(t *testing.T, change func(*stage)) *stage {
	t.Helper()
	m := newMemory()
	s := &stage{t: t, memory: m, fake: &fake{channel: "conversation", out: m, start: time.Now()}}
	s.drain = &Drain{
		Outbox:  m,
		Senders: []Sender{s.fake},
		Undeliverable: func(p Page) {
			for _, one := range s.members(p) {
				s.note(&s.lost, one.Step+": "+p.LastError)
			}
		},
		Alarm: func(err error) { s.note(&s.alarms, err.Error()) },
		now: func() time.Time {
			s.mu.Lock()
			defer s.mu.Unlock()
			return time.Now().Add(s.off)
		},
	}
	if change != nil {
		change(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { s.drain.Run(ctx); close(ended) }()
	stopped := false
	s.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		<-ended
		s.fake.mu.Lock()
		defer s.fake.mu.Unlock()
		for _, w := range s.wrong {
			t.Error(w)
		}
	}
	synctest.Wait()
	return s
}

func (s *stage) note(list *[]string, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*list = append(*list, line)
}

func (s *stage) heard() (lost, alarms []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lost), slices.Clone(s.alarms)
}

// queue puts pages for one person into the outbox, and returns them.
func (s *stage) queue(person string, steps ...string) []Page {
	var pages []Page
	for _, step := range steps {
		pages = append(pages, Page{Incident: "INC-7", Step: step, Role: "role of " + person, Person: person, Channel: "conversation",
			Text: "INC-7 P0: no clients can connect", Queued: time.Now(), Due: time.Now(), State: Queued})
	}
	s.add(pages...)
	return pages
}

// pass lets time go by, until everything that it brings has happened.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}
