package drill

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/actions/cluster"
)

// makeDrill plans and makes a drill, and returns its end.
func makeDrill(t *testing.T, f *field, p *people, args actions.Args, change ...func(*Options)) (Record, error) {
	t.Helper()
	o := Options{Cluster: "main", Nodes: nodes, OptedIn: []string{"core1", "core2", "edge1", "edge2"}, Field: f, Desk: p}
	for _, c := range change {
		c(&o)
	}
	d := New(o)
	req := actions.Request{Args: args, By: "operator", Now: time.Now().UTC()}
	plan, err := d.Plan(t.Context(), req)
	if err != nil {
		return Record{}, err
	}
	again := actions.Request{Args: plan.Bound, By: "operator", Now: time.Now().UTC().Add(time.Second)}
	same, err := d.Plan(t.Context(), again)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(names(plan), names(same)); diff != "" {
		t.Fatalf("planned again it is another one:\n%s", diff)
	}
	for _, s := range same.Steps {
		if _, err = s.Perform(t.Context()); err != nil {
			break
		}
	}
	if len(p.ended) != 1 {
		t.Fatalf("it ended %d times: %v", len(p.ended), err)
	}
	return p.ended[0], err
}

func names(p actions.Plan) []string {
	lines := []string{p.Title, fmt.Sprint(p.Targets)}
	for _, s := range p.Steps {
		lines = append(lines, s.Name+": "+s.Describe)
	}
	return lines
}

func TestDrills(t *testing.T) {
	edge1 := actions.Args{"node": "edge1"}
	for _, c := range []struct {
		name     string
		args     actions.Args
		field    func(*field)
		people   func(*people)
		options  func(*Options)
		want     string // headline
		struck   []string
		alarms   int
		restarts int
	}{
		{name: "it passes", args: edge1, want: "passed: edge1 was back after 4 s, and may take 5 min", struck: []string{"KILL edge1"}, restarts: 1},
		{name: "a core", args: actions.Args{"node": "core2"}, want: "passed: core2 was back after 4 s, and may take 5 min", struck: []string{"KILL core2"}, restarts: 1},
		{name: "it hangs", args: actions.Args{"node": "edge1", "fault": "pause"}, want: "passed: edge1 was back after 4 s, and may take 5 min", struck: []string{"STOP edge1"}, restarts: 1},
		{name: "its port is blocked", args: actions.Args{"node": "edge1", "fault": "block"}, want: "passed: edge1 was back after 4 s, and may take 5 min", struck: []string{"block edge1"}, restarts: 1},
		{name: "a blocked port is unblocked when it is aborted", args: actions.Args{"node": "edge1", "mode": "observe", "fault": "block"},
			people: func(p *people) {
				p.stop = func(r Record) string {
					if !r.Struck.IsZero() && time.Since(r.Struck) > 20*time.Second {
						return "aborted by second"
					}
					return ""
				}
			}, want: "aborted: aborted by second; everything serves again", struck: []string{"block edge1", "unblock edge1"}},
		{name: "a block that nobody lifts", args: actions.Args{"node": "edge1", "mode": "observe", "fault": "block"},
			want: "too slow: edge1 was not back within 5 min", struck: []string{"block edge1", "unblock edge1"}, alarms: 1},
		{name: "a block that was not seen to work is lifted", args: actions.Args{"node": "edge1", "fault": "block"}, field: func(f *field) { f.halfway = errors.New("no reply") },
			want: "failed: the victim could not be struck: no reply; everything serves again", struck: []string{"block edge1", "unblock edge1"}},
		{name: "a blocked edge that dies is restarted", args: actions.Args{"node": "edge1", "mode": "observe", "fault": "block"},
			field: func(f *field) {
				f.meanwhile = func(f *field, after time.Duration) {
					if after > 10*time.Second && f.recovered == 0 {
						f.down["edge1"] = cluster.Gone
					}
				}
			},
			want: "too slow: edge1 was not back within 5 min", struck: []string{"block edge1"}, alarms: 1, restarts: 1},
		{name: "people recover it", args: actions.Args{"node": "edge1", "mode": "observe"},
			field: func(f *field) {
				f.meanwhile = func(f *field, after time.Duration) {
					if after > 90*time.Second {
						delete(f.down, "edge1")
						f.pid["edge1"] = 99
					}
				}
			}, want: "passed: edge1 was back after 90.5 s, and may take 5 min", struck: []string{"KILL edge1"}},
		{name: "nobody recovers it: the watchdog does", args: actions.Args{"node": "edge1", "mode": "observe"},
			want: "too slow: edge1 was not back within 5 min", struck: []string{"KILL edge1"}, alarms: 1, restarts: 1},
		{name: "the recovery is too slow", args: edge1, field: func(f *field) { f.takes = 40 * time.Second }, options: func(o *Options) { o.Limit = 30 * time.Second },
			want: "too slow: edge1 was not back within 30 s", struck: []string{"KILL edge1"}, alarms: 1, restarts: 1},
		{name: "it is aborted, and recovered at once", args: actions.Args{"node": "edge1", "mode": "observe"},
			people: func(p *people) {
				p.stop = func(r Record) string {
					if !r.Struck.IsZero() && time.Since(r.Struck) > 20*time.Second {
						return "aborted by second"
					}
					return ""
				}
			}, want: "aborted: aborted by second; everything serves again", struck: []string{"KILL edge1"}, restarts: 1},
		{name: "a paused node is let go when it is aborted", args: actions.Args{"node": "edge1", "mode": "observe", "fault": "pause"},
			people: func(p *people) {
				p.stop = func(r Record) string {
					if !r.Struck.IsZero() && time.Since(r.Struck) > 20*time.Second {
						return "halted by owner"
					}
					return ""
				}
			}, want: "aborted: halted by owner; everything serves again", struck: []string{"STOP edge1", "CONT edge1"}},
		{name: "a second node fails", args: actions.Args{"node": "edge1", "mode": "observe"},
			field: func(f *field) {
				f.meanwhile = func(f *field, after time.Duration) {
					if after > 10*time.Second && f.recovered == 0 {
						f.down["core2"] = cluster.Gone
					} else {
						delete(f.down, "core2")
					}
				}
			}, want: "aborted: a second node failed: core2 down; everything serves again", struck: []string{"KILL edge1"}, restarts: 1},
		{name: "clients outside are not served", args: actions.Args{"node": "core1", "mode": "observe"},
			field: func(f *field) {
				f.meanwhile = func(f *field, after time.Duration) {
					if after > 10*time.Second && f.recovered == 0 {
						f.down["edge2"] = cluster.Unclear
					} else {
						delete(f.down, "edge2")
					}
				}
			}, want: "aborted: clients outside of the victim are not served: edge2; everything serves again", struck: []string{"KILL core1"}, restarts: 1},
		{name: "clients outside wait too long", args: actions.Args{"node": "edge1", "mode": "observe"},
			field: func(f *field) {
				f.meanwhile = func(f *field, after time.Duration) {
					f.slow = 0
					if after > 10*time.Second && f.recovered == 0 {
						f.slow = 700 * time.Millisecond
					}
				}
			}, want: "aborted: clients outside of the victim are served too slowly: edge2 in 710 ms; everything serves again", struck: []string{"KILL edge1"}, restarts: 1},
		{name: "clients outside wait a moment", args: actions.Args{"node": "edge1", "mode": "observe"},
			field: func(f *field) {
				f.meanwhile = func(f *field, after time.Duration) {
					f.slow = 0
					if after > 10*time.Second && after < 14*time.Second {
						f.slow = 700 * time.Millisecond
					}
				}
			}, want: "too slow: edge1 was not back within 5 min", struck: []string{"KILL edge1"}, alarms: 1, restarts: 1},
		{name: "the rollback fails", args: edge1, field: func(f *field) { f.broken = errors.New("make ended with 2") }, options: func(o *Options) { o.Rollback = time.Minute },
			want: "failed: clients were not served again within 5 min; the cluster is NOT in order: edge1 down", struck: []string{"KILL edge1"}, alarms: 2, restarts: 2},
		{name: "it cannot be struck", args: edge1, field: func(f *field) { f.noStrike = errors.New("the process is another one by now") },
			want: "failed: the victim could not be struck: the process is another one by now; everything serves again"},
		{name: "vetoed while it is announced", args: edge1, options: func(o *Options) { o.Notice = 15 * time.Minute },
			people: func(p *people) {
				begun := time.Now()
				p.stop = func(r Record) string {
					if time.Since(begun) > 5*time.Minute {
						return "postponed by second"
					}
					return ""
				}
			}, want: "aborted before the strike: postponed by second"},
		{name: "the second diagnosis is not green", args: edge1, field: func(f *field) { f.red = []bool{false, false, false, true} },
			want: "skipped, nothing was done: green diagnosis again: edge2: memory 61 %"},
		{name: "its intent cannot be recorded", args: edge1, people: func(p *people) { p.full = true }, want: "skipped, nothing was done: its beginning could not be recorded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, p := newField(), &people{}
				if c.field != nil {
					c.field(f)
				}
				if c.people != nil {
					c.people(p)
				}
				var changes []func(*Options)
				if c.options != nil {
					changes = append(changes, c.options)
				}
				begun := time.Now()
				r, err := makeDrill(t, f, p, c.args, changes...)
				if r.Headline() != c.want {
					t.Errorf("%s, want %s (%v)", r.Headline(), c.want, err)
				}
				if (err == nil) != (r.Verdict == Passed) {
					t.Errorf("%s: %v", r.Verdict, err)
				}
				if diff := cmp.Diff(c.struck, f.struck); diff != "" {
					t.Errorf("struck (-want +got):\n%s", diff)
				}
				if len(p.alarms) != c.alarms || f.recovered != c.restarts {
					t.Errorf("%d alarms %q, %d restarts", len(p.alarms), p.alarms, f.recovered)
				}
				if !r.Struck.IsZero() && f.noStrike == nil && f.broken == nil && len(f.down)+len(f.blocked) > 0 {
					t.Errorf("it left %v %v", f.down, f.blocked)
				}
				if !r.Struck.IsZero() && (len(r.Rollbacks) == 0 || r.Rollbacks[len(r.Rollbacks)-1].What != "everything serves") {
					t.Errorf("rollbacks: %+v", r.Rollbacks)
				}
				if len(f.struck) > 0 && r.Struck.Before(begun.Add(0)) {
					t.Errorf("struck at %s", r.Struck)
				}
			})
		})
	}
}

// A block is offered only where there is a port that can be blocked.
func TestBlockIsRefused(t *testing.T) {
	d := func(f *field) *Drill {
		return New(Options{Cluster: "main", Nodes: nodes, OptedIn: []string{"core1", "core2", "edge1", "edge2"}, Field: f, Desk: &people{}})
	}
	plan := func(f *field, args actions.Args) (actions.Plan, error) {
		return d(f).Plan(t.Context(), actions.Request{Args: args, By: "operator", Now: time.Now().UTC()})
	}
	without := newField()
	without.noPort = errors.New("edge1 has no iris_tcp_listener")
	if _, err := plan(without, actions.Args{"node": "edge1", "fault": "block"}); actions.CodeOf(err) != "not-blocked" || !strings.Contains(err.Error(), "iris_tcp_listener") {
		t.Errorf("where there is no listener: %v", err)
	}
	if _, err := plan(without, actions.Args{"node": "edge1", "fault": "pause"}); err != nil {
		t.Errorf("a pause there: %v", err)
	}
	core := newField()
	if _, err := plan(core, actions.Args{"node": "core1", "fault": "block"}); actions.CodeOf(err) != "not-blocked" {
		t.Errorf("a core: %v", err)
	}
	for seed := range 40 {
		p, err := plan(newField(), actions.Args{"seed": fmt.Sprint(seed), "fault": "block"})
		if err != nil || !strings.HasPrefix(p.Bound["node"], "edge") || p.Class != actions.Harm {
			t.Fatalf("seed %d: %v, %v", seed, p.Bound, err)
		}
	}
}

// What is in the record of a drill that passed: docs/drills.md shows one.
func TestRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newField(), &people{}
		seed := uint64(1) // the first that draws edge1
		for {
			if n, err := Choose(Weigh([]string{"core1", "core2", "edge1", "edge2"}, nil, time.Now()), seed); err != nil {
				t.Fatal(err)
			} else if n == "edge1" {
				break
			}
			seed++
		}
		r, err := makeDrill(t, f, p, actions.Args{"seed": fmt.Sprint(seed)}, func(o *Options) { o.Notice = 15 * time.Minute })
		if err != nil {
			t.Fatal(err)
		}
		var seen []string
		for _, s := range r.Stages {
			seen = append(seen, s.Name)
		}
		if diff := cmp.Diff(stages, seen); diff != "" {
			t.Errorf("stages (-want +got):\n%s", diff)
		}
		if !slices.IsSortedFunc(r.Stages, func(a, b Stage) int { return int(a.After - b.After) }) {
			t.Errorf("%+v", r.Stages)
		}
		if r.Others.Lost != 0 || r.Others.Delivered != r.Others.Sent || r.Others.Sent == 0 || r.Victims.Lost == 0 || r.Victims.Delivered == 0 || r.Victims.Sent != r.Victims.Lost+r.Victims.Delivered {
			t.Errorf("outside %s, victim %s", r.Others, r.Victims)
		}
		if r.Struck.Sub(r.At) > time.Second || r.At.Sub(time.Date(2000, 1, 1, 0, 15, 0, 0, time.UTC)) != 0 {
			t.Errorf("announced for %s, struck at %s", r.At, r.Struck)
		}
		if len(r.Hypothesis) != 6 || r.Seed != seed || r.Victim != "edge1" || len(r.Draw) != 4 || r.Incident != "INC-7" || len(r.Never) != 3 || len(r.Method) != 5 {
			t.Errorf("%+v", r)
		}
		body, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var again Record
		if err := json.Unmarshal(body, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, again); diff != "" {
			t.Errorf("written and read:\n%s", diff)
		}
	})
}

// Each field that is kept is documented: the JSON is for others to read.
func TestTheRecordIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/drills.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "## The record")
	var fields func(of reflect.Type)
	fields = func(of reflect.Type) {
		for of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of.PkgPath() == "time" {
			return
		}
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if !strings.Contains(table, "`"+name+"`") {
				t.Errorf("%s.%s: docs/drills.md does not have `%s`", of.Name(), of.Field(i).Name, name)
			}
			fields(of.Field(i).Type)
		}
	}
	fields(reflect.TypeFor[Record]())
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		name    string
		args    actions.Args
		field   func(*field)
		people  func(*people)
		options func(*Options)
		want    string
	}{
		{name: "an open incident", people: func(p *people) { p.against = "INC-3 P2 is open: slow" }, want: "nothing is going on: INC-3 P2 is open: slow"},
		{name: "no backup", field: func(f *field) { f.backup = 0 }, want: "a fresh backup: there is no verified backup"},
		{name: "an old backup", field: func(f *field) { f.backup = 25 * time.Hour }, want: "a fresh backup: 25 h old; at most 24 h are allowed"},
		{name: "not healthy", field: func(f *field) { f.red = []bool{true} }, want: "green diagnosis: edge2: memory 61 %"},
		{name: "the other core is gone", args: actions.Args{"node": "core1"}, field: func(f *field) { f.down["core2"] = cluster.Gone }, want: "cores survive: 0 of 2 cores answer beside the victim"},
		{name: "an edge is gone", field: func(f *field) { f.down["edge2"] = cluster.Gone }, want: "clients are served: edge2: refused"},
		{name: "not opted in", args: actions.Args{"node": "edge2"}, options: func(o *Options) { o.OptedIn = []string{"edge1"} }, want: "edge2 is not drilled: not opted in"},
		{name: "nobody has opted in", args: actions.Args{}, options: func(o *Options) { o.OptedIn = nil }, want: "No node may be drilled"},
		{name: "the only core", args: actions.Args{"node": "core1"}, options: func(o *Options) { o.Nodes = []cluster.Node{nodes[0], nodes[2], nodes[3]} }, want: "core1 is not drilled: the only core"},
		{name: "the only edge", args: actions.Args{"node": "edge1"}, options: func(o *Options) { o.Nodes = nodes[:3] }, want: "edge1 is not drilled: the only edge"},
		{name: "no such node", args: actions.Args{"node": "edge9"}, want: `main has no node "edge9"`},
		{name: "several nodes", args: actions.Args{"node": "edge"}, want: `main has no node "edge"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, p := newField(), &people{}
			if c.field != nil {
				c.field(f)
			}
			if c.people != nil {
				c.people(p)
			}
			o := Options{Cluster: "main", Nodes: nodes, OptedIn: []string{"core1", "core2", "edge1", "edge2"}, Field: f, Desk: p}
			if c.options != nil {
				c.options(&o)
			}
			args := c.args
			if args == nil {
				args = actions.Args{"node": "edge1"}
			}
			_, err := New(o).Plan(t.Context(), actions.Request{Args: args, By: "operator", Now: time.Now().UTC()})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if len(f.struck)+len(p.kept) != 0 {
				t.Error("something was done")
			}
		})
	}
}

// irisops ended in the middle: what is planned again strikes nothing.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, p := newField(), &people{}
		d := New(Options{Cluster: "main", Nodes: nodes, OptedIn: []string{"edge1"}, Field: f, Desk: p})
		plan, err := d.Plan(t.Context(), actions.Request{Args: actions.Args{"node": "edge1"}, By: "operator", Now: time.Now().UTC()})
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339, plan.Bound["at"])
		if err != nil {
			t.Fatal(err)
		}
		p.past = []Record{{ID: IDOf(at, "edge1"), Victim: "edge1", Fault: Kill, Struck: at}}
		f.down["edge1"] = cluster.Gone
		again, err := d.Plan(t.Context(), actions.Request{Args: plan.Bound, By: "operator", Now: time.Now().UTC(), Agreed: actions.Harm})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(names(plan), names(again)); diff != "" {
			t.Errorf("another plan:\n%s", diff)
		}
		last := again.Steps[2]
		if seen, err := last.Check(t.Context()); err == nil {
			t.Errorf("edge1 is down, and it says %s", seen)
		}
		if _, err := last.Perform(t.Context()); err == nil || !strings.Contains(err.Error(), "irisops ended in the middle of it; everything serves again") {
			t.Error(err)
		}
		if len(f.struck) != 0 || f.recovered != 1 || len(f.down) != 0 {
			t.Errorf("struck %q, %d restarts, down %v", f.struck, f.recovered, f.down)
		}
	})
}

func TestChoose(t *testing.T) {
	now := time.Date(2026, 3, 3, 10, 0, 0, 0, time.UTC)
	past := []Record{{Victim: "edge1", Struck: now.AddDate(0, -1, 0)}, {Victim: "edge2", Struck: now.AddDate(0, -6, 0)}, {Victim: "core1", Verdict: Skipped}}
	got := Weigh([]string{"core1", "edge1", "edge2"}, past, now)
	want := []Chance{{"core1", 12, "never drilled"}, {"edge1", 1.93, "drilled 2026-02-03"}, {"edge2", 7.03, "drilled 2025-09-03"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	count := map[string]int{}
	for seed := range uint64(10_000) {
		n, err := Choose(got, seed)
		if err != nil {
			t.Fatal(err)
		}
		count[n]++
	}
	for _, c := range got {
		if share := float64(count[c.Node]) / 10_000; share < 0.9*c.Weight/20.96 || share > 1.1*c.Weight/20.96 {
			t.Errorf("%s was drawn %d times of 10,000, its weight is %g of 20.96", c.Node, count[c.Node], c.Weight)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		var chances []Chance
		for i := range rapid.IntRange(1, 9).Draw(t, "nodes") {
			chances = append(chances, Chance{Node: fmt.Sprint(i), Weight: rapid.Float64Range(0.01, 12).Draw(t, "weight")})
		}
		seed := rapid.Uint64().Draw(t, "seed")
		one, err := Choose(chances, seed)
		two, _ := Choose(chances, seed)
		if err != nil || one != two || !slices.ContainsFunc(chances, func(c Chance) bool { return c.Node == one }) {
			t.Fatalf("%s, %s, %v", one, two, err)
		}
	})
}

func TestHistory(t *testing.T) {
	at := time.Date(2026, 1, 6, 10, 0, 0, 0, time.UTC)
	var past []Record
	for i, seconds := range []Seconds{40, 30, 20, 0, 10} {
		v := Passed
		if seconds == 0 {
			v = TooSlow
		}
		past = append(past, Record{Victim: "edge1", Struck: at.AddDate(0, i, 0), Recovery: seconds, Verdict: v, Limit: 300})
	}
	past = append(past, Record{Victim: "edge2", Struck: at, Verdict: Aborted}, Record{Victim: "edge2", Verdict: Skipped})
	points := Points(past)
	if len(points) != 5 {
		t.Fatalf("%d points", len(points))
	}
	want := Distribution{Drills: 5, Passed: 4, Least: 10 * time.Second, Median: 20 * time.Second, P90: 40 * time.Second, Most: 40 * time.Second, Trend: -10 * time.Second}
	if diff := cmp.Diff(want, Distribute(points)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	bars := strings.Join(Bars(points), "\n")
	if want := `2026-01-06  edge1      ████████████████████████ 40 s
2026-02-06  edge1      ██████████████████ 30 s
2026-03-06  edge1      ████████████ 20 s
2026-04-06  edge1       did not recover
2026-05-06  edge1      ██████ 10 s`; bars != want {
		t.Errorf("%s", bars)
	}
	if d := Distribute(nil); d != (Distribution{}) {
		t.Errorf("%+v", d)
	}
}
