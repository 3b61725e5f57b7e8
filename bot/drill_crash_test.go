package bot_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
	"irisops/actions/drill"
	"irisops/actions/runbook"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/change"
	"irisops/bot/oncall"
	"irisops/store"
)

// A drill is killed -9 at every commit, before and after it, in a process of its
// own with a real file, on a cluster that outlives it. The next life finishes it:
// the victim serves, nothing was struck twice, and the record says how it ended.

const (
	crashDrill   = "IRISOPS_CRASH_DRILL"
	crashDrillAt = "IRISOPS_CRASH_DRILL_AT"
)

// ground is a cluster of a core and two edges whose state is files: a node that was
// struck is a file with its name.
type ground struct{ dir string }

func (g ground) file(node string) string { return filepath.Join(g.dir, "down-"+node) }

func (g ground) tell(format string, args ...any) {
	f, err := os.OpenFile(filepath.Join(g.dir, "acts"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, format+"\n", args...)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		panic(err)
	}
}

func (g ground) Observe(context.Context) cluster.Observation {
	o := cluster.Observation{Cluster: "main"}
	for _, n := range groundNodes {
		s := cluster.Sight{Node: n.Short, Role: n.Role, Answers: true, Process: cluster.Runs, PID: 1}
		if n.Role == cluster.EdgeRole {
			s.Login, s.Delivery = time.Millisecond, time.Millisecond
		}
		if _, err := os.Stat(g.file(n.Short)); err == nil {
			s = cluster.Sight{Node: n.Short, Role: n.Role, Process: cluster.Gone, Why: n.Short + " down", Trouble: "refused"}
		}
		o.Nodes = append(o.Nodes, s)
	}
	return o
}

func (g ground) Green(context.Context) (bool, string) { return true, "healthy" }

func (g ground) NewestBackup() (time.Time, bool, error) { return time.Now(), true, nil }

func (g ground) Strike(_ context.Context, node string, sig cluster.Signal) (string, error) {
	g.tell("%s %s", sig, node)
	return "it is gone", os.WriteFile(g.file(node), nil, 0o600)
}

func (g ground) Blocked(context.Context, string) (bool, error)   { return false, nil }
func (g ground) Block(context.Context, string) (string, error)   { return "", nil }
func (g ground) Unblock(context.Context, string) (string, error) { return "", nil }
func (g ground) Settleable(context.Context, string) ([]string, error) {
	return nil, errors.New("there is one core")
}

func (g ground) Recovery(_ context.Context, node string) ([]actions.Step, error) {
	return []actions.Step{{Name: "restart " + node, Perform: func(context.Context) (string, error) {
		g.tell("restart %s", node)
		return "it serves", os.Remove(g.file(node))
	}}}, nil
}

var groundNodes = []cluster.Node{
	{Cluster: "main", Short: "core", Name: "iris_core@h1", Role: cluster.CoreRole},
	{Cluster: "main", Short: "edge1", Name: "iris_edge1@h1", Role: cluster.EdgeRole},
	{Cluster: "main", Short: "edge2", Name: "iris_edge2@h1", Role: cluster.EdgeRole},
}

func groundBot(db *store.DB, dir string) (*bot.Bot, *posts, error) {
	room := &posts{}
	g := ground{dir}
	fake := newFakeCluster()
	b, err := bot.New(bot.Options{
		Store: db, Rooms: []bot.Room{room},
		Access: access.Policy{People: access.DemoPeople(), Demo: true},
		OnCall: oncall.Roster{Roles: map[string]string{"primary": "operator", "sre": "second", "owner": "owner"}},
		Clusters: []bot.Cluster{{Name: "main", Actions: fake.actions(), Summary: fake.summary, Drill: &drill.Options{
			Cluster: "main", Nodes: groundNodes, OptedIn: []string{"edge1", "edge2"}, Field: g,
			Every: 2 * time.Millisecond, Limit: 5 * time.Second, Rollback: 5 * time.Second}}},
	})
	return b, room, err
}

// crashDrillChild makes a drill, and kills itself at the given failpoint, counted
// from 1; 0 is never.
func crashDrillChild(dir string, at int) error {
	reached := 0
	db, err := store.Open(filepath.Join(dir, "irisops.db"), store.Options{Failpoint: func(name string) {
		if strings.HasPrefix(name, "commit/") {
			if reached++; reached == at {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	}})
	if err != nil {
		return err
	}
	b, _, err := groundBot(db, dir)
	if err == nil {
		err = b.Start(context.Background())
	}
	if err != nil {
		return err
	}
	say(b, "operator: drill run --node edge1", "ask")
	say(b, "second: approve REQ-1", "approve")
	for deadline := time.Now().Add(20 * time.Second); ; {
		run, err := db.Run(1)
		if err != nil || !run.Ended.IsZero() {
			err = errors.Join(err, b.Stop(context.Background()), db.Close())
			fmt.Println("failpoints", reached)
			return err
		}
		if time.Now().After(deadline) {
			return errors.New("the drill does not end")
		}
		<-time.After(5 * time.Millisecond)
	}
}

// drillLife is a life of the bot that makes a drill, in a process of its own.
func drillLife(t *testing.T, dir string, at int) (out string, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDrill+"="+dir, crashDrillAt+"="+fmt.Sprint(at))
	text, err := cmd.CombinedOutput()
	killed = cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
	if !killed && err != nil {
		t.Fatalf("failpoint %d: %v\n%s", at, err, text)
	}
	return string(text), killed
}

// While actions are halted nothing is put back in order: that is a real incident,
// and a person has it done once the halt is lifted.
func TestInterruptedDrillUnderAHalt(t *testing.T) {
	dir := ""
	for at := 30; ; at++ { // until one dies with the victim down
		dir = t.TempDir()
		if _, killed := drillLife(t, dir, at); !killed {
			t.Fatalf("no failpoint up to %d leaves edge1 down", at)
		}
		if _, err := os.Stat(ground{dir}.file("edge1")); err == nil {
			break
		}
	}
	db, err := store.Open(filepath.Join(dir, "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.SetHalt(t.Context(), &change.Halt{By: "owner", At: time.Now().UTC(), Reason: "look first"}); err != nil {
		t.Fatal(err)
	}
	b, _, err := groundBot(db, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	record := func() drill.Record {
		past, err := db.Drills("main")
		if err != nil || len(past) != 1 {
			t.Fatalf("%+v, %v", past, err)
		}
		return past[0]
	}
	until(t, "it is a real incident", func() bool {
		open, err := db.OpenIncidents()
		return err == nil && len(open) == 1 && !open[0].Drill && strings.Contains(open[0].Title, "`confirm REQ-1` by an approver") && !record().Ended.IsZero()
	})
	if r := record(); r.Verdict != drill.Interrupted || len(r.Rollbacks) != 0 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(ground{dir}.file("edge1")); err != nil {
		t.Error("something was done while actions are halted")
	}
	if code := say(b, "operator: confirm REQ-1", "too early"); code == 0 {
		t.Error("who asked for the drill lets it go on, while actions are halted")
	}
	say(b, "owner: resume-actions", "resume")
	say(b, "second: confirm REQ-1", "confirm")
	until(t, "it is put back in order", func() bool {
		run, err := db.Run(1)
		return err == nil && !run.Ended.IsZero()
	})
	if r := record(); r.Verdict != drill.Interrupted || !strings.HasSuffix(r.Headline(), "everything serves again") {
		t.Errorf("%s", r.Headline())
	}
	if acts, err := os.ReadFile(filepath.Join(dir, "acts")); err != nil || string(acts) != "KILL edge1\nrestart edge1\n" {
		t.Errorf("%q, %v", acts, err)
	}
}

func TestDrillKilledAtEveryCommit(t *testing.T) {
	life := func(dir string, at int) (string, bool) { return drillLife(t, dir, at) }
	out, _ := life(t.TempDir(), 0)
	points, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(out, "failpoints ")))
	if err != nil || points < 30 {
		t.Fatalf("the drill does not reach its failpoints: %q", out)
	}
	ends := map[drill.Verdict]int{}
	stages := map[int]bool{}
	for at := 1; at <= points; at++ {
		dir := t.TempDir()
		if _, killed := life(dir, at); !killed {
			continue // commits that come together share one
		}
		r := finished(t, dir, at, stages)
		ends[r.Verdict]++
		if t.Failed() {
			return
		}
	}
	t.Logf("%d failpoints: %v", points, ends)
	if ends[drill.Interrupted] < 10 || len(stages) < 4 {
		t.Errorf("%d failpoints: %v; found with so many stages on record: %v", points, ends, stages)
	}
}

// finished opens what the killed process left, lets the bot finish it, and checks
// what has become of it.
func finished(t *testing.T, dir string, at int, stages map[int]bool) drill.Record {
	t.Helper()
	db, err := store.Open(filepath.Join(dir, "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	acts := func() string {
		text, err := os.ReadFile(filepath.Join(dir, "acts"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return string(text)
	}
	drills := func() []drill.Record {
		past, err := db.Drills("main")
		if err != nil {
			t.Fatal(err)
		}
		return past
	}
	left := drills()
	struck := strings.Contains(acts(), "KILL")
	if struck && (len(left) != 1 || left[0].Struck.IsZero()) {
		t.Errorf("killed at %d: edge1 was struck, and the record is %+v", at, left)
	}
	if len(left) == 1 {
		stages[len(left[0].Stages)] = true
	}
	b, _, err := groundBot(db, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	until(t, fmt.Sprintf("after failpoint %d everything is finished", at), func() bool {
		runs, err := db.Runs(runbook.Running, runbook.Uncertain)
		if err != nil {
			t.Fatal(err)
		}
		past := drills()
		return len(runs) == 0 && (len(past) == 0 || !past[0].Ended.IsZero())
	})
	if _, err := os.Stat(ground{dir}.file("edge1")); err == nil {
		t.Errorf("killed at %d: edge1 is still down", at)
	}
	if n := strings.Count(acts(), "KILL"); n > 1 {
		t.Errorf("killed at %d: it was struck %d times", at, n)
	}
	open, err := db.OpenIncidents()
	if err != nil || len(open) > 0 {
		t.Errorf("killed at %d: open incidents %+v, %v", at, open, err)
	}
	if problems, err := db.Audit(time.Now()); err != nil || len(problems) > 0 {
		t.Errorf("killed at %d: %q, %v", at, problems, err)
	}
	past := drills()
	if len(past) == 0 {
		return drill.Record{}
	}
	r := past[0]
	switch {
	case len(left) == 1 && !left[0].Ended.IsZero() && r.Verdict == left[0].Verdict: // it had ended
	case r.Verdict != drill.Interrupted:
		t.Errorf("killed at %d: %s, and was %+v", at, r.Headline(), left)
	case struck && !strings.HasSuffix(r.Headline(), "everything serves again"):
		t.Errorf("killed at %d: %s", at, r.Headline())
	}
	return r
}
