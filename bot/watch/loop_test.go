package watch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions/cluster"
	"irisops/bot/incident"
)

// desk writes down what it is told.
type desk struct {
	mu      sync.Mutex
	begun   time.Time
	told    []string
	open    map[string]uint64
	held    string // why nothing is declared
	broken  error
	refuses int // how often Over is not settled
	kept    []Event
	full    bool // nothing can be kept
}

func (d *desk) say(format string, args ...any) {
	d.told = append(d.told, fmt.Sprintf("%s ", time.Since(d.begun))+fmt.Sprintf(format, args...))
}

func (d *desk) Declare(_ context.Context, cluster string, s Symptom) (Outcome, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.broken != nil:
		return Outcome{}, d.broken
	case d.held != "":
		return Outcome{Text: d.held, Held: true}, nil
	}
	if n := d.open[s.Cause]; n != 0 {
		return Outcome{Number: n, Text: "open"}, nil
	}
	n := uint64(len(d.open) + 1)
	d.open[s.Cause] = n
	d.say("declare %s %s", s.Priority, s.Cause)
	return Outcome{Number: n, Text: "declared"}, nil
}

func (d *desk) Over(_ context.Context, _ string, number uint64, s Symptom) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.refuses > 0 {
		d.refuses--
		return false, nil
	}
	d.say("over %d %s", number, s.Cause)
	delete(d.open, s.Cause)
	return true, nil
}

func (d *desk) Open(string) (map[string]uint64, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	open := map[string]uint64{}
	for c, n := range d.open {
		open[c] = n
	}
	return open, nil
}

func (d *desk) Remember(_ context.Context, _ string, events []Event) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full {
		return errors.New("the disk is full")
	}
	d.kept = append(d.kept, events...)
	return nil
}

func (d *desk) Remembered(string) ([]Event, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.kept), nil
}

// scene is a cluster whose state changes at set times.
type scene struct {
	begun time.Time
	acts  []act
}

type act struct {
	from time.Duration
	do   []func(*cluster.Observation)
}

func (s *scene) observe(context.Context) cluster.Observation {
	at := time.Since(s.begun)
	var now []func(*cluster.Observation)
	for _, a := range s.acts {
		if at >= a.from {
			now = a.do
		}
	}
	return well(now...).Observation
}

// play runs a watcher over the acts for so long of fake time.
func play(t *testing.T, d *desk, length time.Duration, acts ...act) *Watcher {
	t.Helper()
	d.begun = time.Now()
	if d.open == nil {
		d.open = map[string]uint64{}
	}
	s := &scene{begun: d.begun, acts: acts}
	w := &Watcher{Cluster: "main", Observe: s.observe, Desk: d, Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.Run(ctx); close(done) }()
	<-time.After(length)
	synctest.Wait()
	cancel()
	<-done
	return w
}

func TestWatch(t *testing.T) {
	for _, c := range []struct {
		name   string
		length time.Duration
		acts   []act
		want   []string
	}{
		{"an hour of health", time.Hour, nil, nil},
		{"an edge dies and comes back", 10 * time.Minute, []act{{time.Minute, []func(*cluster.Observation){dead("edge1")}}, {5 * time.Minute, nil}},
			[]string{"2m0s declare P1 node/edge1", "6m30s over 1 node/edge1"}},
		{"one bad round", 5 * time.Minute, []act{{time.Minute, []func(*cluster.Observation){dead("edge1")}}, {90 * time.Second, nil}}, nil},
		{"it flaps every other round", 4 * time.Minute, []act{{30 * time.Second, []func(*cluster.Observation){dead("edge1")}}, {60 * time.Second, nil},
			{90 * time.Second, []func(*cluster.Observation){dead("edge1")}}, {120 * time.Second, nil}, {150 * time.Second, []func(*cluster.Observation){dead("edge1")}}, {180 * time.Second, nil}},
			[]string{"2m30s declare P1 node/edge1"}},
		{"an outage is seen first, and is one", 8 * time.Minute, []act{{time.Minute, []func(*cluster.Observation){dead("core", "edge1", "edge2")}}}, []string{"1m30s declare P0 outage"}},
		{"one edge, and a round later the other", 8 * time.Minute, []act{{time.Minute, []func(*cluster.Observation){dead("edge1")}}, {90 * time.Second, []func(*cluster.Observation){dead("edge1", "edge2")}}},
			[]string{"2m0s declare P0 outage"}},
		{"a warning takes longer", 8 * time.Minute, []act{{0, []func(*cluster.Observation){finds(cluster.Finding{Node: "core", Check: "memory", Result: "warn", Evidence: "60 %"})}}},
			[]string{"3m30s declare P3 check/memory"}},
		{"it comes back", 12 * time.Minute, []act{{0, []func(*cluster.Observation){dead("edge1")}}, {3 * time.Minute, nil}, {6 * time.Minute, []func(*cluster.Observation){dead("edge1")}}},
			[]string{"1m0s declare P1 node/edge1", "4m30s over 1 node/edge1", "7m0s declare P1 node/edge1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &desk{}
				play(t, d, c.length, c.acts...)
				if diff := cmp.Diff(c.want, d.told); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		})
	}
}

// What was declared by an earlier life is taken up: what still shows is not
// declared again, what does not show any more is over.
func TestAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{open: map[string]uint64{"node/edge1": 7, "node/edge2": 8}}
		w := play(t, d, 5*time.Minute, act{0, []func(*cluster.Observation){dead("edge1")}})
		if diff := cmp.Diff([]string{"1m30s over 8 node/edge2"}, d.told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if s := w.Snapshot().Showing; len(s) != 1 || s[0].Number != 7 || !s[0].Counts {
			t.Errorf("%+v", s)
		}
	})
}

// Every probe is counted on its edge; one that failed is in no bucket.
func TestProbesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{}
		w := play(t, d, 4*time.Minute+10*time.Second, act{time.Minute, []func(*cluster.Observation){dead("edge1")}}, act{2 * time.Minute, nil})
		for _, h := range w.Snapshot().Probes {
			var failed uint64
			if h.Edge == "edge1" && h.What == "login" {
				failed = 2 // at 1:00 and 1:30
			}
			rounds := uint64(9)
			if h.Edge == "edge1" {
				rounds = 7
			}
			if h.Count != rounds || h.Failed != failed || h.Buckets[len(Bounds)-1] != h.Count || h.Sum <= 0 || !slices.IsSorted(h.Buckets) {
				t.Errorf("%+v", h)
			}
		}
		if n := len(w.Snapshot().Probes); n != 4 {
			t.Errorf("%d histograms of two edges", n)
		}
	})
}

// What it did, or would have done, outlives it; what could not be kept at once is
// kept later.
func TestWhatItDidIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{full: true}
		go func() {
			<-time.After(4 * time.Minute)
			d.mu.Lock()
			defer d.mu.Unlock()
			d.full = false
		}()
		play(t, d, 10*time.Minute, act{0, []func(*cluster.Observation){dead("edge1")}}, act{3 * time.Minute, nil})
		became := func(events []Event) (all []string) {
			for _, e := range events {
				all = append(all, e.Symptom.Cause+" "+e.Became)
			}
			return all
		}
		if diff := cmp.Diff([]string{"node/edge1 declared", "node/edge1 over"}, became(d.kept)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		w := play(t, d, time.Minute)
		if diff := cmp.Diff([]string{"node/edge1 over", "node/edge1 declared"}, became(w.Snapshot().Events)); diff != "" {
			t.Errorf("the next life (-want +got):\n%s", diff)
		}
	})
}

// Something holds it back, or the store is down: it is declared as soon as that
// is over, if it still shows.
func TestHeldBack(t *testing.T) {
	for name, d := range map[string]*desk{"maintenance": {held: "silent: maintenance"}, "the disk is full": {broken: errors.New("full")}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				go func() {
					<-time.After(5*time.Minute + 10*time.Second)
					d.mu.Lock()
					defer d.mu.Unlock()
					d.held, d.broken = "", nil
				}()
				w := play(t, d, 7*time.Minute, act{0, []func(*cluster.Observation){dead("edge1")}})
				if diff := cmp.Diff([]string{"5m30s declare P1 node/edge1"}, d.told); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				silent := 0
				for _, e := range w.Snapshot().Events {
					if e.Became == "silent: maintenance" {
						silent++
					}
				}
				if name == "maintenance" && silent != 1 {
					t.Errorf("it was told %d times that it is silent", silent)
				}
			})
		})
	}
}

// Clients are not served yet, so it is asked again until they are.
func TestOverIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{refuses: 2}
		play(t, d, 10*time.Minute, act{0, []func(*cluster.Observation){dead("edge1")}}, act{3 * time.Minute, nil})
		if diff := cmp.Diff([]string{"1m0s declare P1 node/edge1", "5m30s over 1 node/edge1"}, d.told); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAPanicEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{begun: time.Now(), open: map[string]uint64{}}
		n := 0
		w := &Watcher{Cluster: "main", Desk: d, Log: slog.New(slog.DiscardHandler), Observe: func(context.Context) cluster.Observation {
			if n++; n == 1 {
				panic("broken")
			}
			return well(dead("edge1")).Observation
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.Run(ctx); close(done) }()
		<-time.After(3 * time.Minute)
		cancel()
		<-done
		if len(d.told) != 1 {
			t.Errorf("told %q", d.told)
		}
	})
}

// Every priority has its damping, and the graver counts sooner.
func TestDamping(t *testing.T) {
	last := 0
	for _, p := range incident.Priorities {
		rule := damping[p]
		if rule.n <= last || rule.of < rule.n {
			t.Errorf("%s: %+v", p, rule)
		}
		last = rule.n
	}
}
