package watch

import (
	"context"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"irisops/actions/cluster"
)

// Desk is what becomes of what watch sees.
type Desk interface {
	// Declare opens an incident for the cause, or takes up the one that is open.
	Declare(ctx context.Context, cluster string, s Symptom) (Outcome, error)
	// Over is told that the cause of an incident has not shown for a while. It is
	// asked again after the next round as long as it answers false.
	Over(ctx context.Context, cluster string, number uint64, s Symptom) (settled bool, err error)
	// Open are the incidents that watch declared on the cluster and that are not
	// resolved, by their causes.
	Open(cluster string) (map[string]uint64, error)
	// Remember keeps what was done, or would have been; Remembered is what an earlier
	// life kept of it, the oldest first.
	Remember(ctx context.Context, cluster string, events []Event) error
	Remembered(cluster string) ([]Event, error)
}

// Outcome is what became of a cause that counts.
type Outcome struct {
	Number uint64 // of its incident; 0: there is none
	Text   string // for people: "INC-7 declared", "would declare P1", "silent: maintenance"
	Held   bool   // something kept it from being declared: it is asked again while it shows
}

// Event is something that watch did, or would have done.
type Event struct {
	At      time.Time
	Cluster string
	Symptom Symptom
	Became  string
}

// Snapshot is what watch knows of a cluster now.
type Snapshot struct {
	Cluster   string
	At        time.Time // of the last round; zero: none yet
	Took      time.Duration
	Expected  int
	Connected int
	Latency   Latency
	Probes    []Histogram // since irisops started
	Users     *int64
	Waiting   *int64
	Showing   []Showing
	Events    []Event // the newest first
}

// Showing is a cause that shows in the last round, or counts.
type Showing struct {
	Symptom
	Counts bool
	Rounds int // of the last rounds that its priority looks at, in how many it showed
	Of     int
	Number uint64 // its incident; 0: none
}

// MostEvents bounds what is remembered of a cluster for people; the oldest goes
// first.
const MostEvents = 50

// Watcher watches one cluster. Set the fields before Run.
type Watcher struct {
	Cluster string
	Observe func(ctx context.Context) cluster.Observation
	Every   time.Duration // 0: Every
	Rules   Rules
	Desk    Desk
	Log     *slog.Logger

	now func() time.Time // nil: time.Now

	mu     sync.Mutex
	rounds []Round
	causes map[string]*memory
	open   map[string]uint64 // cause: its incident
	over   map[string]Symptom
	asked  bool // for what an earlier life declared
	snap   Snapshot
	unkept []Event // the oldest first
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	every := w.Every
	if every <= 0 {
		every = Every
	}
	t := time.NewTicker(every)
	defer t.Stop()
	w.recall()
	for {
		w.round(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Snapshot is what is known now.
func (w *Watcher) Snapshot() Snapshot {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.snap
	s.Cluster = w.Cluster
	s.Showing, s.Events, s.Probes = slices.Clone(s.Showing), slices.Clone(s.Events), slices.Clone(s.Probes)
	for i := range s.Probes {
		s.Probes[i].Buckets = slices.Clone(s.Probes[i].Buckets)
	}
	return s
}

// round looks once and acts on it. No panic ends the loop.
func (w *Watcher) round(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			w.Log.Error("panic in the watch", "cluster", w.Cluster, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	begun := w.clock()
	o := w.Observe(ctx)
	if ctx.Err() != nil {
		return // cut short: what it saw is worth nothing
	}
	r := Round{At: w.clock(), Observation: o}
	begin, end := w.take(r, r.At.Sub(begun))
	for _, s := range begin {
		w.declare(ctx, s)
	}
	w.settle(ctx, end)
	w.keep(ctx)
}

// recall takes up what an earlier life did, or would have done.
func (w *Watcher) recall() {
	events, err := w.Desk.Remembered(w.Cluster)
	if err != nil {
		w.Log.Error("what watch did before cannot be read", "cluster", w.Cluster, "err", err)
		return
	}
	slices.Reverse(events)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.snap.Events = events
}

// keep writes down what this round did. What cannot be written is kept with the
// next round's.
func (w *Watcher) keep(ctx context.Context) {
	w.mu.Lock()
	events := slices.Clone(w.unkept)
	w.mu.Unlock()
	if len(events) == 0 {
		return
	}
	if err := w.Desk.Remember(context.WithoutCancel(ctx), w.Cluster, events); err != nil {
		w.Log.Error("what watch did could not be written down", "cluster", w.Cluster, "err", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unkept = nil // nobody but this loop adds to it
}

// take works out what the round means, and which causes begin and end to count.
func (w *Watcher) take(r Round, took time.Duration) (begin, end []Symptom) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.causes == nil {
		w.causes, w.open, w.over = map[string]*memory{}, map[string]uint64{}, map[string]Symptom{}
	}
	rules := w.Rules.withDefaults()
	w.rounds = append(w.rounds, r)
	w.rounds = slices.DeleteFunc(w.rounds, func(old Round) bool { // of a clock that was set back too
		return r.At.Sub(old.At) > rules.Window || old.At.After(r.At)
	})
	w.snap.Probes = count(w.snap.Probes, r)
	found := Symptoms(w.rounds, rules)
	showing := map[string]*Symptom{}
	for i := range found {
		showing[found[i].Cause] = &found[i]
		if w.causes[found[i].Cause] == nil {
			w.causes[found[i].Cause] = &memory{}
		}
	}
	w.snap.At, w.snap.Took, w.snap.Expected, w.snap.Connected = r.At, took, len(r.Nodes), r.Connected
	w.snap.Latency, w.snap.Users, w.snap.Waiting = latencyOf(w.rounds), r.Users, r.Waiting
	for cause, m := range w.causes {
		begins, ends := m.see(showing[cause])
		switch {
		case begins:
			begin = append(begin, m.last)
		case ends:
			end = append(end, m.last)
		}
		if m.forgotten() {
			delete(w.causes, cause)
		}
	}
	slices.SortFunc(begin, bySeverity)
	w.show()
	return begin, end
}

func bySeverity(a, b Symptom) int {
	switch {
	case a.Priority != b.Priority:
		if a.Priority < b.Priority {
			return -1
		}
		return 1
	case a.Cause < b.Cause:
		return -1
	}
	return 1
}

// show brings the snapshot up to date. The caller holds the lock.
func (w *Watcher) show() {
	w.snap.Showing = nil
	for _, m := range w.causes {
		s := Showing{Symptom: m.last, Counts: m.counts, Of: damping[m.last.Priority].of, Number: w.open[m.last.Cause]}
		for _, yes := range m.shown[max(0, len(m.shown)-s.Of):] {
			if yes {
				s.Rounds++
			}
		}
		w.snap.Showing = append(w.snap.Showing, s)
	}
	slices.SortFunc(w.snap.Showing, func(a, b Showing) int { return bySeverity(a.Symptom, b.Symptom) })
}

func (w *Watcher) declare(ctx context.Context, s Symptom) {
	out, err := w.Desk.Declare(ctx, w.Cluster, s)
	w.mu.Lock()
	defer w.mu.Unlock()
	if m := w.causes[s.Cause]; m != nil && (err != nil || out.Held) {
		m.counts = false // it is asked again while it shows
	}
	if err != nil {
		w.Log.Error("an incident could not be declared", "cluster", w.Cluster, "cause", s.Cause, "err", err)
		return
	}
	if out.Number != 0 {
		delete(w.over, s.Cause)
		w.open[s.Cause] = out.Number
	}
	if m := w.causes[s.Cause]; m == nil || !out.Held || m.told != out.Text { // once while it shows
		w.remember(s, out.Text)
	}
	if m := w.causes[s.Cause]; m != nil {
		m.told = out.Text
	}
	w.show()
}

func (w *Watcher) remember(s Symptom, became string) {
	e := Event{At: w.clock(), Cluster: w.Cluster, Symptom: s, Became: became}
	w.snap.Events = append([]Event{e}, w.snap.Events...)
	w.snap.Events = w.snap.Events[:min(len(w.snap.Events), MostEvents)]
	w.unkept = append(w.unkept, e)
	w.unkept = w.unkept[max(0, len(w.unkept)-MostEvents):]
}

// settle tells of causes that are over: those that end now, those that were told
// in an earlier round and not settled, and those that an earlier life declared
// and that have not shown since.
func (w *Watcher) settle(ctx context.Context, end []Symptom) {
	w.mu.Lock()
	for _, s := range end {
		if w.open[s.Cause] != 0 {
			w.over[s.Cause] = s
		} else {
			w.remember(s, "over")
		}
	}
	if !w.asked {
		w.adopt()
	}
	over := make(map[string]Symptom, len(w.over))
	for cause, s := range w.over {
		if m := w.causes[cause]; m == nil || !m.counts {
			over[cause] = s
		}
	}
	w.mu.Unlock()
	for cause, s := range over {
		number := w.open[cause]
		settled, err := w.Desk.Over(ctx, w.Cluster, number, s)
		if err != nil {
			w.Log.Error("the end of a cause could not be told", "cluster", w.Cluster, "cause", cause, "err", err)
		}
		if !settled {
			continue
		}
		w.mu.Lock()
		delete(w.over, cause)
		delete(w.open, cause)
		w.remember(s, "over")
		w.show()
		w.mu.Unlock()
	}
}

// adopt takes up the incidents of an earlier life, once there were rounds enough
// to know whether their causes still show. The caller holds the lock.
func (w *Watcher) adopt() {
	if len(w.rounds) < clear {
		return
	}
	open, err := w.Desk.Open(w.Cluster)
	if err != nil {
		w.Log.Error("the open incidents could not be read", "err", err)
		return
	}
	w.asked = true
	for cause, number := range open {
		if w.open[cause] != 0 {
			continue
		}
		w.open[cause] = number
		if m := w.causes[cause]; m != nil {
			m.counts, m.as = true, m.last.Priority // it shows, and is declared
			continue
		}
		w.over[cause] = Symptom{Cause: cause}
	}
}

func (w *Watcher) clock() time.Time {
	if w.now == nil {
		return time.Now().UTC().Round(0)
	}
	return w.now().UTC().Round(0)
}
