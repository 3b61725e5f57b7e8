package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/actions"
	"irisops/actions/cluster"
)

// line is the network between core1 with edge1 and core2 with edge2, and the Mnesia
// that it leaves behind.
type line struct {
	*field
	cut, split bool
	side       []string
	healed     int
	settled    int
	noHeal     error // it cannot be joined
	halfway    error // it is cut, and yet its call fails
	noSettle   []error
	noRoom     error
}

func (l *line) Part(_ context.Context, core string) ([]string, string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.struck = append(l.struck, "part "+core)
	l.cut, l.split, l.begun = true, true, time.Now()
	l.side = []string{core, "edge" + strings.TrimPrefix(core, "core")}
	return l.side, "core1 sees edge1; core2 sees edge2", l.halfway
}

func (l *line) Heal(context.Context) (string, error) {
	<-time.After(100 * time.Millisecond) // not at the same instant as a look
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.noHeal != nil {
		return "", l.noHeal
	}
	l.healed++
	l.cut = false
	return "all see each other", nil
}

func (l *line) Settleable(context.Context, string) ([]string, error) {
	return []string{"core2: 1 MB of data, 9 GB free"}, l.noRoom
}

func (l *line) settle(ctx context.Context) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.noSettle) > 0 {
		err := l.noSettle[0]
		if l.noSettle = l.noSettle[1:]; err != nil {
			return "", err
		}
	}
	if l.cut {
		return "", &actions.Error{Code: "parted", Text: "the network is still parted"}
	}
	if !l.split {
		return "Mnesia runs on all cores together", nil
	}
	l.settled++
	l.split = false
	return "REQ-2: core2 gave up its data", nil
}

// Observe sees cores that diverge, and while the line is cut cores that do not see
// each other.
func (l *line) Observe(ctx context.Context) cluster.Observation {
	o := l.field.Observe(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, core := range []string{"core1", "core2"} {
		if l.cut {
			o.Findings = append(o.Findings, cluster.Finding{Node: core, Check: "connected", Result: actions.Advice, Evidence: core + " does not see the other"})
		}
		if l.split {
			o.Findings = append(o.Findings, cluster.Finding{Node: core, Check: "views", Code: "split-brain", Result: actions.Critical, Evidence: "they diverge"})
		}
	}
	return o
}

func TestPartitions(t *testing.T) {
	// People join the line and settle it after a while.
	byPeople := func(l *line) {
		l.meanwhile = func(_ *field, after time.Duration) {
			l.cut = l.cut && after < 40*time.Second
			l.split = l.split && after < 80*time.Second
		}
	}
	aborted := func(r Record) string {
		if !r.Struck.IsZero() && time.Since(r.Struck) > 20*time.Second {
			return "aborted by second"
		}
		return ""
	}
	busy := &actions.Error{Code: "busy", Text: "REQ-9 is under way: Settle the split-brain."}
	for _, c := range []struct {
		name    string
		mode    Mode
		line    func(*line)
		people  func(*people)
		want    string
		alarms  int
		settled int
		cut     bool // it stays so
		split   bool
		rolls   []string // which rollbacks failed
	}{
		{name: "irisops joins and settles it", mode: Auto, want: "passed: core2 was back after 500 ms, and may take 5 min", settled: 1},
		{name: "it waits for a person's action", mode: Auto, line: func(l *line) { l.noSettle = slices.Repeat([]error{busy}, 100) },
			want: "passed: core2 was back after 50.5 s, and may take 5 min", settled: 1},
		{name: "people join and settle it", mode: Observe, line: byPeople, want: "passed: core2 was back after 80 s, and may take 5 min"},
		{name: "nobody does: the watchdog", mode: Observe, want: "too slow: core2 was not back within 5 min", alarms: 1, settled: 1},
		{name: "aborted", mode: Observe, people: func(p *people) { p.stop = aborted }, want: "aborted: aborted by second; everything serves again", settled: 1},
		{name: "the cut is not seen to work", mode: Auto, line: func(l *line) { l.halfway = errors.New("edge1 still sees core2") },
			want: "failed: the victim could not be struck: edge1 still sees core2; everything serves again", settled: 1},
		{name: "the line cannot be joined", mode: Auto, line: func(l *line) { l.noHeal = errors.New("core2 is paused") },
			want:   "failed: clients were not served again within 5 min; the cluster is NOT in order: core1: they diverge",
			alarms: 2, cut: true, split: true, rolls: []string{"the recovery that was under way", "join the network again", "everything serves"}},
		{name: "it is not settled", mode: Observe, line: func(l *line) {
			l.noSettle = slices.Repeat([]error{&actions.Error{Code: "halted", Text: "Actions are halted."}}, 9)
		}, people: func(p *people) { p.stop = aborted },
			want:   "failed: aborted by second; the cluster is NOT in order: core1: they diverge",
			alarms: 2, split: true, rolls: []string{"settle the split", "everything serves"}},
		{name: "they run together, and what was kept is not merged", mode: Observe, line: func(l *line) {
			l.meanwhile = func(_ *field, after time.Duration) {
				if after > 10*time.Second {
					l.cut, l.split = false, false
				}
			}
			l.noSettle = slices.Repeat([]error{&actions.Error{Code: "damaged", Text: "A piece is damaged."}}, 9)
		}, want: "failed: the cluster is not in order again; the cluster is NOT in order: A piece is damaged.", alarms: 1, rolls: []string{"settle the split"}},
		{name: "the first settlement fails, and the rollback's does not", mode: Auto, line: func(l *line) {
			l.noSettle = []error{&actions.Error{Code: "not-settled", Text: "REQ-2 failed."}}
		}, people: func(p *people) { p.stop = aborted }, want: "aborted: aborted by second; everything serves again", settled: 1, rolls: []string{"the recovery that was under way"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, p := &line{field: newField()}, &people{}
				p.settle = l.settle
				if c.line != nil {
					c.line(l)
				}
				if c.people != nil {
					c.people(p)
				}
				r, err := makeDrill(t, l.field, p, actions.Args{"node": "core2", "fault": "partition", "mode": string(c.mode)}, func(o *Options) { o.Field, o.Parter = l, l })
				if r.Headline() != c.want {
					t.Errorf("%s, want %s (%v)", r.Headline(), c.want, err)
				}
				if diff := cmp.Diff([]string{"part core2"}, l.struck); diff != "" {
					t.Errorf("struck (-want +got):\n%s", diff)
				}
				if l.settled != c.settled || len(p.alarms) != c.alarms || l.recovered != 0 {
					t.Errorf("settled %d times, %d alarms %q, %d restarts", l.settled, len(p.alarms), p.alarms, l.recovered)
				}
				if l.cut != c.cut || l.split != c.split || !c.cut && l.healed == 0 {
					t.Errorf("in the end cut is %v and split %v, joined %d times", l.cut, l.split, l.healed)
				}
				var bad []string
				for _, b := range r.Rollbacks {
					if !b.OK {
						bad = append(bad, b.What)
					}
				}
				if diff := cmp.Diff(c.rolls, bad); diff != "" {
					t.Errorf("failed rollbacks (-want +got):\n%s", diff)
				}
				if len(r.Hypothesis) != 7 || !slices.Equal(r.Side, []string{"core2", "edge2"}) || r.Victims.Sent != r.Others.Sent {
					t.Errorf("%+v", r)
				}
			})
		})
	}
}

// What is agreed to names who gives up data and what is lost, and is bound; and
// where cores cannot be parted, that is said with the way out.
func TestPartitionIsAgreedToOrRefused(t *testing.T) {
	whole := []string{"core1", "core2", "edge1", "edge2"}
	for _, c := range []struct {
		name    string
		args    actions.Args
		by      string
		options func(*Options, *line)
		want    []string // of the error; none: it is planned
	}{
		{name: "as it is named", args: actions.Args{"node": "core2"}},
		{name: "drawn", args: actions.Args{}},
		{name: "by the calendar", args: actions.Args{}, by: "schedule:drill", want: []string{"The calendar never parts cores", "An operator asks for it"}},
		{name: "one core", args: actions.Args{}, options: func(o *Options, _ *line) { o.Nodes = append(nodes[:1:1], nodes[2:]...) }, want: []string{"main has one core", "irisops lab up --cores 2"}},
		{name: "an edge", args: actions.Args{"node": "edge1"}, want: []string{"edge1 is an edge"}},
		{name: "no lab", args: actions.Args{}, options: func(o *Options, _ *line) { o.Parter = nil }, want: []string{"irisops parts those of a lab only", "irisops lab up --cores 2"}},
		{name: "no room", args: actions.Args{"node": "core2"}, options: func(_ *Options, l *line) { l.noRoom = errors.New("core2 needs 3 GB") }, want: []string{"could not be settled afterwards: core2 needs 3 GB"}},
		{name: "not opted in", args: actions.Args{"node": "core2"}, options: func(o *Options, _ *line) { o.OptedIn = []string{"edge1"} }, want: []string{"core2 is not drilled: not opted in"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &line{field: newField()}
			o := Options{Cluster: "main", Nodes: nodes, OptedIn: whole, Field: l, Parter: l, Desk: &people{}}
			if c.options != nil {
				c.options(&o, l)
			}
			c.args["fault"] = string(Partition)
			p, err := New(o).Plan(t.Context(), actions.Request{Args: c.args, By: first(c.by, "operator"), Now: time.Now().UTC()})
			if len(l.struck) > 0 {
				t.Error("something was done")
			}
			if len(c.want) > 0 {
				for _, part := range c.want {
					var e *actions.Error
					if !errors.As(err, &e) || !strings.Contains(e.Text+" "+e.Hint, part) {
						t.Errorf("%v, want %q", err, part)
					}
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			victim := p.Bound["node"]
			other := map[string]string{"core1": "core2", "core2": "core1"}[victim]
			said := strings.Join(append([]string{p.Title, p.Why, p.Steps[2].Describe}, p.Preview...), "\n")
			for _, part := range []string{
				fmt.Sprintf("DRILL: partition %s, recovered by irisops; %s gives up its data for that of %s", victim, victim, other),
				"`recover split-brain --loser " + victim + "`", "both sides are backed up", "all its revoked tokens are exported", "last seen, presence and the log of duplicates", "9 GB free",
			} {
				if !strings.Contains(said, part) {
					t.Errorf("missing %q in:\n%s", part, said)
				}
			}
			if other == "" || p.Class != actions.Harm || p.Bound["loser"] != victim || !slices.Equal(p.Targets, []string{"main/drill"}) {
				t.Errorf("%+v", p)
			}
		})
	}
}

// irisops ended while the line was cut: the next life joins and settles it.
func TestPartitionInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, p := &line{field: newField(), cut: true, split: true}, &people{}
		p.settle = l.settle
		d := New(Options{Cluster: "main", Nodes: nodes, OptedIn: []string{"core2"}, Field: l, Parter: l, Desk: p})
		at := time.Now().UTC().Truncate(time.Second)
		p.past = []Record{{ID: IDOf(at, "core2"), Victim: "core2", Fault: Partition, Struck: at, Verdict: Running}}
		plan, err := d.Plan(t.Context(), actions.Request{Args: actions.Args{"node": "core2", "fault": "partition", "at": at.Format(time.RFC3339)}, By: "operator", Now: time.Now().UTC(), Agreed: actions.Harm})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := plan.Steps[2].Check(t.Context()); err == nil {
			t.Error("nobody has joined it")
		}
		_, err = plan.Steps[2].Perform(t.Context())
		if actions.CodeOf(err) != "drill-interrupted" || !strings.Contains(err.Error(), "everything serves again") || l.cut || l.split || l.settled != 1 || len(l.struck) != 0 {
			t.Errorf("%v; cut %v, split %v, struck %q", err, l.cut, l.split, l.struck)
		}
	})
}
