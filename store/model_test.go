package store

import (
	gocmp "cmp"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// model is what the store promises, as plain maps.
type model struct {
	incidents map[uint64]incident.Incident
	dedups    map[uint64]string
	timelines map[uint64][]incident.Entry
	pages     map[string]pager.Page
	runs      map[uint64]runbook.Run
}

func newModel() *model {
	return &model{
		incidents: map[uint64]incident.Incident{}, dedups: map[uint64]string{}, timelines: map[uint64][]incident.Entry{},
		pages: map[string]pager.Page{}, runs: map[uint64]runbook.Run{},
	}
}

func (m *model) clone() *model {
	c := &model{maps.Clone(m.incidents), maps.Clone(m.dedups), map[uint64][]incident.Entry{}, maps.Clone(m.pages), maps.Clone(m.runs)}
	for n, list := range m.timelines {
		c.timelines[n] = slices.Clone(list)
	}
	return c
}

func (m *model) holder(target string) uint64 {
	for n, r := range m.runs {
		if r.State.Locks() && slices.Contains(r.Targets, target) {
			return n
		}
	}
	return 0
}

// commit is what Commit should do to the model: the error, and the model after.
func (m *model) commit(changes []change.Change) (*model, error) {
	c := m.clone()
	for _, ch := range changes {
		if i := ch.Incident; i != nil {
			if c.incidents[i.Number].Version != i.Version {
				return m, change.ErrConflict
			}
			if c.incidents[i.Number].Over() && !i.Over() { // reopened: its key may be taken
				for n, key := range c.dedups {
					if key == c.dedups[i.Number] && n != i.Number && !c.incidents[n].Over() {
						c.dedups[i.Number] = ""
					}
				}
			}
			next := *i
			next.Version++
			c.incidents[i.Number] = next
			c.timelines[i.Number] = append(c.timelines[i.Number], ch.Entries...)
		}
		for _, p := range ch.Pages {
			old, known := c.pages[p.Key()]
			if known && p.State == pager.Queued && p.Attempts == 0 {
				continue
			}
			if known && old.State == pager.Delivered && p.State != pager.Delivered {
				return m, change.ErrConflict
			}
			c.pages[p.Key()] = p
		}
		if r := ch.Run; r != nil {
			if c.runs[r.Number].Version != r.Version {
				return m, change.ErrConflict
			}
			for _, target := range r.Targets {
				if n := c.holder(target); r.State.Locks() && n != 0 && n != r.Number {
					return m, &change.ErrBusy{Target: target, Run: n}
				}
			}
			next := *r
			next.Version++
			c.runs[r.Number] = next
		}
	}
	return c, nil
}

// machine drives the store and the model side by side.
type machine struct {
	t    testing.TB
	path string
	db   *DB
	m    *model
	now  time.Time
}

func TestTheStoreIsItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		path := filepath.Join(dir, "irisops.db")
		db, err := Open(path, Options{noSync: true})
		if err != nil {
			rt.Fatal(err)
		}
		s := &machine{t: t, path: path, db: db, m: newModel(), now: t0}
		defer func() { s.db.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"declare": s.declare, "event": s.event, "two at once": s.twoAtOnce, "stale": s.stale,
			"send": s.send, "request": s.request, "move run": s.moveRun, "hand on": s.handOn,
			"restart": s.restart, "time passes": s.pass, "": s.check,
		})
	})
}

func (s *machine) pass(t *rapid.T) {
	s.now = s.now.Add(time.Duration(rapid.IntRange(1, 1200).Draw(t, "seconds")) * time.Second)
}

func (s *machine) declare(t *rapid.T) {
	dedup := rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "dedup")
	var steps []incident.Step
	for n := range rapid.IntRange(0, 4).Draw(t, "steps") {
		steps = append(steps, incident.Step{Name: fmt.Sprintf("s%d", n), Role: "sre", Due: s.now.Add(time.Duration(rapid.IntRange(-60, 1800).Draw(t, "due")) * time.Second)})
	}
	clocks := incident.Clocks{Steps: steps, Remind: time.Duration(rapid.IntRange(0, 2).Draw(t, "remind")) * 20 * time.Minute}
	if rapid.Bool().Draw(t, "answer by") {
		clocks.AnswerBy = s.now.Add(15 * time.Minute)
	}
	var want change.Change
	inc, existed, err := s.db.Declare(s.t.Context(), dedup, func(n uint64) change.Change {
		inc, eff := incident.New(n, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "down", By: "operator", Clocks: clocks}, s.now)
		want = changed(inc, eff, s.now)
		return want
	})
	if err != nil {
		t.Fatal(err)
	}
	for n, key := range s.m.dedups {
		if key == dedup && key != "" && !s.m.incidents[n].Over() {
			if !existed || inc.Number != n {
				t.Fatalf("%s was made beside %s", inc.ID(), incident.ID(n))
			}
			return
		}
	}
	if existed || inc.Number != uint64(len(s.m.incidents)+1) {
		t.Fatalf("got %s, existed %v", inc.ID(), existed)
	}
	s.m.dedups[inc.Number] = dedup
	s.m, err = s.m.commit([]change.Change{want})
	if err != nil {
		t.Fatal(err)
	}
}

// commit tries the changes on both, and wants the same answer.
func (s *machine) commit(t *rapid.T, changes ...change.Change) {
	next, want := s.m.commit(changes)
	err := s.db.Commit(s.t.Context(), changes...)
	var busy, wantBusy *change.ErrBusy
	switch {
	case errors.As(want, &wantBusy):
		if !errors.As(err, &busy) || *busy != *wantBusy {
			t.Fatalf("got %v, want %v", err, want)
		}
	case !errors.Is(err, want):
		t.Fatalf("got %v, want %v", err, want)
	}
	s.m = next
}

func (s *machine) incident(t *rapid.T) incident.Incident {
	if len(s.m.incidents) == 0 {
		t.Skip("no incident")
	}
	return s.m.incidents[uint64(rapid.IntRange(1, len(s.m.incidents)).Draw(t, "incident"))]
}

func (s *machine) next(t *rapid.T, inc incident.Incident) change.Change {
	event := rapid.SampledFrom([]incident.Event{
		incident.Acked{By: "operator"},
		incident.Noted{By: "operator", Kind: incident.KindNote, Text: "note"},
		incident.Verified{By: "operator", OK: true, Summary: "fine"},
		incident.DeclaredRecovered{By: "operator", Force: "sure"},
		incident.DeclaredResolved{By: "operator", Reason: "over"},
		incident.PagingStop{By: "operator", Reason: "asleep"},
		incident.DeclaredReopened{By: "operator", Clocks: s.clocks()},
		incident.PriorityChanged{By: "operator", To: incident.P1, Clocks: s.clocks()},
		incident.HandoffAsked{By: "operator", To: "second"}, incident.HandoffAccepted{By: "second"},
		incident.StepsDue{}, incident.StepsDue{}, incident.StepsDue{},
	}).Draw(t, "event")
	inc, eff, err := incident.Apply(inc, event, s.now)
	if err != nil {
		t.Skip(err)
	}
	return changed(inc, eff, s.now)
}

func (s *machine) clocks() incident.Clocks {
	return incident.Clocks{AnswerBy: s.now.Add(time.Hour), Steps: []incident.Step{{Name: "again", Role: "sre", Due: s.now.Add(10 * time.Minute)}}}
}

func (s *machine) event(t *rapid.T) { s.commit(t, s.next(t, s.incident(t))) }

func (s *machine) twoAtOnce(t *rapid.T) {
	s.commit(t, s.next(t, s.incident(t)), s.next(t, s.incident(t)))
}

func (s *machine) stale(t *rapid.T) {
	good, bad := s.next(t, s.incident(t)), s.next(t, s.incident(t))
	bad.Incident.Version -= uint64(rapid.IntRange(1, 3).Draw(t, "behind"))
	s.commit(t, good, bad)
}

func (s *machine) send(t *rapid.T) {
	if len(s.m.pages) == 0 {
		t.Skip("no page")
	}
	p := s.m.pages[rapid.SampledFrom(slices.Sorted(maps.Keys(s.m.pages))).Draw(t, "page")]
	switch rapid.SampledFrom([]pager.State{pager.Queued, pager.Sending, pager.Sending, pager.Delivered, pager.Failed}).Draw(t, "to") {
	case pager.Queued:
		p.State, p.LastError, p.NotBefore = pager.Queued, "429", s.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "later"))*time.Second)
		p.Attempts = max(p.Attempts, 1)
	case pager.Sending:
		p.State = pager.Sending
		p.Attempts++
	case pager.Delivered:
		p.State, p.Sent = pager.Delivered, s.now
	case pager.Failed:
		p.State, p.LastError = pager.Failed, "no such user"
	}
	s.commit(t, change.Change{Pages: []pager.Page{p}})
}

var targets = []string{"main/core", "main/edge1", "main/edge2"}

func (s *machine) request(t *rapid.T) {
	want := rapid.SliceOfNDistinct(rapid.SampledFrom(targets), 0, 3, rapid.ID).Draw(t, "targets")
	r, err := s.db.Request(s.t.Context(), requesting(want...))
	if err != nil || r.Number != uint64(len(s.m.runs)+1) {
		t.Fatalf("got %s, %v", r.ID(), err)
	}
	s.m.runs[r.Number] = r
}

func (s *machine) run(t *rapid.T) runbook.Run {
	if len(s.m.runs) == 0 {
		t.Skip("no run")
	}
	r := s.m.runs[uint64(rapid.IntRange(1, len(s.m.runs)).Draw(t, "run"))]
	r.State = rapid.SampledFrom([]runbook.State{runbook.Running, runbook.Running, runbook.Uncertain, runbook.Done, runbook.Failed}).Draw(t, "state")
	return r
}

func (s *machine) moveRun(t *rapid.T) {
	r := s.run(t)
	s.commit(t, change.Change{Run: &r})
}

func (s *machine) handOn(t *rapid.T) {
	a, b := s.run(t), s.run(t)
	s.commit(t, change.Change{Run: &a}, change.Change{Run: &b})
}

func (s *machine) restart(t *rapid.T) {
	if err := s.db.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := Open(s.path, Options{noSync: true})
	if err != nil {
		t.Fatal(err)
	}
	s.db = db
	want := 0
	for key, p := range s.m.pages {
		if p.State == pager.Queued {
			p.NotBefore = time.Time{}
			s.m.pages[key] = p
		}
		if p.State == pager.Sending {
			p.State, p.PossibleDuplicate, p.NotBefore = pager.Queued, true, time.Time{}
			s.m.pages[key] = p
			want++
		}
	}
	if got, err := db.RecoverPages(s.t.Context()); err != nil || got != want {
		t.Fatalf("recovered %d pages of %d: %v", got, want, err)
	}
}

// check compares all that can be read.
func (s *machine) check(t *rapid.T) {
	same := func(what string, want, got any, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if reflect.DeepEqual(want, got) { // most of the time, and much faster
			return
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%s (-model +store):\n%s", what, diff)
		}
	}
	var open, due, last []incident.Incident
	for _, n := range slices.Sorted(maps.Keys(s.m.incidents)) {
		inc := s.m.incidents[n]
		last = append([]incident.Incident{inc}, last...)
		if !inc.Over() {
			open = append(open, inc)
		}
		if at, ok := inc.NextDeadline(); ok && !at.After(s.now) {
			due = append(due, inc)
		}
		got, err := s.db.Timeline(n)
		same("timeline", s.m.timelines[n], got, err)
	}
	slices.SortStableFunc(due, func(a, b incident.Incident) int { return deadlineOf(a).Compare(deadlineOf(b)) })
	got, err := s.db.OpenIncidents()
	same("open", open, got, err)
	got, err = s.db.Due(s.now, 0)
	same("due", due, got, err)
	got, err = s.db.LastIncidents(3)
	same("last", last[:min(3, len(last))], got, err)

	var queued []pager.Page
	for _, p := range s.m.pages {
		if p.State == pager.Queued && !p.NotBefore.After(s.now) {
			queued = append(queued, p)
		}
	}
	slices.SortFunc(queued, func(a, b pager.Page) int {
		return gocmp.Or(a.NotBefore.Compare(b.NotBefore), a.Queued.Compare(b.Queued), strings.Compare(a.Key(), b.Key()))
	})
	pages, err := s.db.DuePages(s.now, 0)
	same("due pages", queued, pages, err)
	for key, want := range s.m.pages {
		got, err := s.db.Page(key)
		same("page", want, got, err)
	}

	for _, target := range targets {
		n, err := s.db.Holder(target)
		same("holder of "+target, s.m.holder(target), n, err)
	}
	for _, state := range []runbook.State{runbook.Waiting, runbook.Running, runbook.Uncertain, runbook.Done, runbook.Failed} {
		var want []runbook.Run
		for _, n := range slices.Sorted(maps.Keys(s.m.runs)) {
			if s.m.runs[n].State == state {
				want = append(want, s.m.runs[n])
			}
		}
		got, err := s.db.Runs(state)
		same("runs", want, got, err)
	}
	wrong, err := s.db.Audit(t0.Add(-time.Hour))
	same("audit", []string(nil), wrong, err)
}

func deadlineOf(i incident.Incident) time.Time { at, _ := i.NextDeadline(); return at }
