package drill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// field is two cores and two edges that can be struck and recovered.
type field struct {
	mu        sync.Mutex
	down      map[string]cluster.Alive
	pid       map[string]int
	backup    time.Duration // its age; 0: there is none
	red       []bool        // the next diagnoses that find trouble
	takes     time.Duration // a recovery
	broken    error         // what recoveries end with
	noStrike  error
	noPort    error           // why ports cannot be blocked
	halfway   error           // a block is on, and yet its call fails
	blocked   map[string]bool // the node answers, and clients are refused
	recovered int
	struck    []string
	meanwhile func(f *field, after time.Duration) // other things that happen
	begun     time.Time
	slow      time.Duration // a login and a message take longer by so much
}

func newField() *field {
	return &field{down: map[string]cluster.Alive{}, blocked: map[string]bool{}, pid: map[string]int{"core1": 1, "core2": 2, "edge1": 3, "edge2": 4}, backup: time.Hour, takes: 3800 * time.Millisecond}
}

var nodes = []cluster.Node{
	{Cluster: "main", Short: "core1", Name: "iris_core1@h", Role: cluster.CoreRole}, {Cluster: "main", Short: "core2", Name: "iris_core2@h", Role: cluster.CoreRole},
	{Cluster: "main", Short: "edge1", Name: "iris_edge1@h", Role: cluster.EdgeRole}, {Cluster: "main", Short: "edge2", Name: "iris_edge2@h", Role: cluster.EdgeRole},
}

func (f *field) Observe(context.Context) cluster.Observation {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.meanwhile != nil && !f.begun.IsZero() {
		f.meanwhile(f, time.Since(f.begun))
	}
	var o cluster.Observation
	for _, n := range nodes {
		s := cluster.Sight{Node: n.Short, Role: n.Role, Answers: true, Process: cluster.Runs, PID: f.pid[n.Short]}
		if how, down := f.down[n.Short]; down {
			s.Answers, s.Process, s.PID, s.Why = false, how, 0, n.Short+" down"
			s.Trouble = "refused"
		} else if f.blocked[n.Short] {
			s.Trouble = "refused"
		} else if n.Role == cluster.EdgeRole {
			s.Login, s.Delivery = f.slow+10*time.Millisecond, f.slow+time.Millisecond
		}
		o.Nodes = append(o.Nodes, s)
	}
	return o
}

func (f *field) Green(context.Context) (bool, string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.red) > 0 {
		bad := f.red[0]
		f.red = f.red[1:]
		if bad {
			return false, "edge2: memory 61 %"
		}
	}
	return true, "all 4 nodes healthy"
}

func (f *field) NewestBackup() (time.Time, bool, error) {
	return time.Now().Add(-f.backup), f.backup > 0, nil
}

func (f *field) Strike(_ context.Context, node string, sig cluster.Signal) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.noStrike != nil {
		return "", f.noStrike
	}
	f.struck = append(f.struck, string(sig)+" "+node)
	switch sig {
	case cluster.Kill:
		f.down[node] = cluster.Gone
	case cluster.Pause:
		f.down[node] = cluster.Halted
	case cluster.Continue:
		delete(f.down, node)
	}
	f.begun = time.Now()
	return fmt.Sprintf("SIG%s to %s", sig, node), nil
}

func (f *field) Blocked(_ context.Context, node string) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, down := f.down[node]; down {
		return false, errors.New(node + " down")
	}
	return f.blocked[node], f.noPort
}

func (f *field) Block(_ context.Context, node string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.struck = append(f.struck, "block "+node)
	f.blocked[node] = true
	f.begun = time.Now()
	return node + " refuses", f.halfway
}

func (f *field) Unblock(_ context.Context, node string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.struck = append(f.struck, "unblock "+node)
	delete(f.blocked, node)
	return "login in 2 ms", nil
}

func (f *field) Settleable(context.Context, string) ([]string, error) {
	return nil, errors.New("nothing here is parted")
}

func (f *field) Recovery(_ context.Context, node string) ([]actions.Step, error) {
	return []actions.Step{{Name: "restart " + node, Perform: func(ctx context.Context) (string, error) {
		select {
		case <-time.After(f.takes):
		case <-ctx.Done():
			return "", ctx.Err()
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.recovered++
		if f.broken != nil {
			return "", f.broken
		}
		delete(f.down, node)
		delete(f.blocked, node)
		f.pid[node] += 100
		return "it serves", nil
	}}}, nil
}

// people keep what the drill tells.
type people struct {
	mu      sync.Mutex
	against string
	stop    func(r Record) string
	past    []Record
	kept    []Record
	alarms  []string
	ended   []Record
	full    bool
	settle  func(context.Context) (string, error)
}

func (p *people) Keep(_ context.Context, r Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.full {
		return errors.New("the disk is full")
	}
	p.kept = append(p.kept, r)
	return nil
}
func (p *people) Past() ([]Record, error)              { return p.past, nil }
func (p *people) Against() (string, error)             { return p.against, nil }
func (p *people) Begin(context.Context, Record) string { return "INC-7" }
func (p *people) Settle(ctx context.Context, _ Record) (string, error) {
	return p.settle(ctx)
}
func (p *people) Progress(Record)                                {}
func (p *people) Alarm(_ context.Context, _ Record, what string) { p.alarms = append(p.alarms, what) }
func (p *people) End(_ context.Context, r Record)                { p.ended = append(p.ended, r) }
func (p *people) Stop(r Record) string {
	if p.stop == nil {
		return ""
	}
	return p.stop(r)
}
