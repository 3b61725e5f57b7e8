package bot_test

import (
	"context"
	"encoding/json"
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

	"irisops/actions/cluster"
	"irisops/actions/edge"
	"irisops/actions/erlang"
	"irisops/actions/erlang/epmd"
	"irisops/actions/erlang/term"
	"irisops/actions/host"
	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
	"irisops/actions/runbook"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/change"
	"irisops/bot/oncall"
	"irisops/store"
)

// A whole cluster of real nodes dies. The bot that recovers it is killed -9 at
// every boundary of every step: when the step's start is on disk and nothing has
// been done, when it is done and not on disk, and when that is on disk too. Each
// life of the bot is a process of its own on the same database, in which a person
// has it go on, until the next boundary.

const (
	lifeLab  = "IRISOPS_LIFE_LAB"
	lifeStep = "IRISOPS_LIFE_STEP"
	lifeEnd  = "IRISOPS_LIFE_END"
)

// Where a life ends.
const (
	begun    = "begun"    // the step's start is written down, nothing is done
	acted    = "acted"    // it is done, and that is not written down
	recorded = "recorded" // it is written down
	natural  = "natural"  // with the run
)

// mortal is a store whose process ends at a boundary of the first run.
type mortal struct {
	*store.DB
	step int
	end  string
}

func (m mortal) Commit(ctx context.Context, changes ...change.Change) error {
	var state runbook.StepState
	for _, c := range changes {
		if c.Run != nil && m.step < len(c.Run.Steps) {
			state = c.Run.Steps[m.step].State
		}
	}
	if m.end == acted && state == runbook.StepDone {
		die()
	}
	err := m.DB.Commit(ctx, changes...)
	if m.end == begun && state == runbook.StepStarted || m.end == recorded && state == runbook.StepDone {
		die()
	}
	return err
}

func die() {
	syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// counted is a host whose starts leave a line each in a file.
type counted struct {
	*host.Local
	file string
}

func (c counted) Make(ctx context.Context, n cluster.Node) error {
	f, err := os.OpenFile(c.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := fmt.Fprintln(f, n.Target); err != nil {
		return err
	}
	return c.Local.Make(ctx, n)
}

func lifeDatabase(l *lab.Lab) string { return filepath.Join(l.Dir(), "life.db") }
func lifeStarts(l *lab.Lab) string   { return filepath.Join(l.Dir(), "starts") }

// life is one life of the bot: it says what it finds, goes on, and dies.
func life(dir string) error {
	l, err := lab.Open(dir)
	if err != nil {
		return err
	}
	step, err := strconv.Atoi(os.Getenv(lifeStep))
	if err != nil {
		return err
	}
	db, err := store.Open(lifeDatabase(l), store.Options{})
	if err != nil {
		return err
	}
	link, err := erlang.New(erlang.Options{Cookie: lab.Cookie, EPMDPort: l.EPMDPort()})
	if err != nil {
		return err
	}
	defer link.Close()
	spec := cluster.Spec{Name: "lab"}
	for _, n := range l.Nodes() {
		spec.Nodes = append(spec.Nodes, cluster.Node{Cluster: "lab", Short: n.Short, Name: n.Name, Role: cluster.Role(n.Role), Host: "local",
			Dir: l.Dir(), Target: n.Target, Log: filepath.Base(n.Log), Port: n.Port, EPMDPort: l.EPMDPort()})
	}
	c := cluster.New(spec, link, counted{host.NewLocal(epmd.Names, lab.Cookie), lifeStarts(l)}, edge.NewProber(nil),
		cluster.Options{Secrets: []string{lab.Cookie}, Keeper: db, Diagnose: 5 * time.Second, Survey: 5 * time.Second})
	room := &posts{}
	b, err := bot.New(bot.Options{
		Store: mortal{db, step, os.Getenv(lifeEnd)}, Rooms: []bot.Room{room},
		Access:   access.Policy{People: access.DemoPeople(), Demo: true},
		OnCall:   oncall.Roster{Roles: map[string]string{"primary": "operator"}},
		Clusters: []bot.Cluster{{Name: "lab", Actions: c.Actions(), Summary: c.Summary}},
	})
	if err != nil {
		return err
	}
	if err := b.Start(context.Background()); err != nil {
		return err
	}
	run, err := db.Run(1)
	switch {
	case errors.Is(err, change.ErrNotFound):
		if code := say(b, "operator: diagnose", fmt.Sprint("diagnose/", os.Getpid())); code != 0 {
			return fmt.Errorf("diagnose ended with %d", code)
		}
		if os.Getenv(lifeEnd) == natural {
			break // only to have a healthy diagnosis
		}
		say(b, "operator: recover cluster", "recover")
		say(b, "operator: confirm REQ-1", "confirm/0")
	case err != nil:
		return err
	default:
		found, err := json.Marshal(run)
		if err != nil {
			return err
		}
		fmt.Printf("found %s\n", found)
		if run.State == runbook.Uncertain && !room.said("run/REQ-1") {
			return errors.New("nobody is asked")
		}
		say(b, "operator: confirm REQ-1", fmt.Sprint("confirm/", os.Getpid()))
	}
	return errors.Join(b.Stop(context.Background()), db.Close())
}

// live has a life end there. It returns the run as that life found it.
func live(t *testing.T, l *lab.Lab, step int, end string) (found runbook.Run) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), lifeLab+"="+l.Dir(), lifeStep+"="+fmt.Sprint(step), lifeEnd+"="+end)
	out, err := cmd.CombinedOutput()
	killed := cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
	if killed != (end != natural) || !killed && err != nil {
		t.Fatalf("step %d, %s: %v\n%s", step, end, err, out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if text, ok := strings.CutPrefix(line, "found "); ok {
			if err := json.Unmarshal([]byte(text), &found); err != nil {
				t.Fatal(err)
			}
		}
	}
	return found
}

func TestRecoveryKilledAtEveryBoundary(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	link, err := erlang.New(erlang.Options{Cookie: lab.Cookie, EPMDPort: l.EPMDPort()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { link.Close() })
	core, _ := l.Node("core")
	edge1, _ := l.Node("edge1")
	addr := fmt.Sprintf("127.0.0.1:%d", edge1.Port)

	// What users have sent and what waits is on disk before everything dies: IRIS
	// writes its log to disk within two seconds.
	const sent = 25
	alice := logIn(t, addr, "alice")
	for i := range sent {
		if err := alice.Send(t.Context(), "bob", fmt.Appendf(nil, "message %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	alice.Close()
	until(t, "the messages are kept", func() bool {
		reply, err := link.Call(t.Context(), core.Name, "mnesia", "table_info", term.Atom("offline_msg"), term.Atom("size"))
		n, _ := term.AsInt(reply)
		return err == nil && n == sent
	})
	if _, err := link.Call(t.Context(), core.Name, "mnesia", "dump_log"); err != nil {
		t.Fatal(err)
	}
	live(t, l, 0, natural)
	for _, n := range l.Nodes() {
		if err := l.Kill(t.Context(), n.Short); err != nil {
			t.Fatal(err)
		}
	}

	lives := 0
	began := time.Now()
	var run runbook.Run
	for step := 0; step == 0 || step < len(run.Steps); step++ {
		for _, end := range []string{begun, acted, recorded} {
			found := live(t, l, step, end)
			lives++
			if lives > 1 {
				checkFound(t, found, run)
			}
			run = left(t, l)
			checkLeft(t, run, step, end)
			if t.Failed() {
				return
			}
		}
	}
	if run.State != runbook.Done {
		t.Errorf("%s is %s: %s", run.ID(), run.State, run.Outcome)
	}
	t.Logf("%d lives, %d steps, %s\n%s", lives, len(run.Steps), time.Since(began).Round(time.Second), checklist(run))

	// Nothing ran twice.
	starts, err := os.ReadFile(lifeStarts(l))
	if err != nil || string(starts) != "start_core\nstart_edge1\n" {
		t.Errorf("started: %q, %v", starts, err)
	}
	for _, log := range []string{"core.log", "edge1.log"} {
		archived, err := filepath.Glob(filepath.Join(l.Dir(), log+".*Z*"))
		if err != nil || len(archived) != 1 {
			t.Errorf("archived: %q, %v", archived, err)
		}
	}
	// Nothing was lost.
	bob := logIn(t, addr, "bob")
	defer bob.Close()
	got := receive(t, bob, sent)
	alice = logIn(t, addr, "alice")
	defer alice.Close()
	for i := range 5 {
		if err := alice.Send(t.Context(), "bob", fmt.Appendf(nil, "afterwards %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	got = append(got, receive(t, bob, 5)...)
	seen := map[string]int{}
	for _, m := range got {
		seen[m]++
	}
	for m, n := range seen {
		if n != 1 {
			t.Errorf("%q was delivered %d times", m, n)
		}
	}
	if len(seen) != sent+5 {
		t.Errorf("%d messages of %d: %q", len(seen), sent+5, got)
	}
}

// left is the run as the dead process left it.
func left(t *testing.T, l *lab.Lab) runbook.Run {
	t.Helper()
	db, err := store.Open(lifeDatabase(l), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	run, err := db.Run(1)
	if err != nil {
		t.Fatal(err)
	}
	if problems, err := db.Audit(time.Now()); err != nil || len(problems) > 0 {
		t.Errorf("the auditor finds: %q, %v", problems, err)
	}
	return run
}

// checkLeft: what is on disk is what has happened, and not more.
func checkLeft(t *testing.T, run runbook.Run, step int, end string) {
	t.Helper()
	for i, s := range run.Steps {
		want := runbook.StepPending
		switch {
		case i < step, i == step && end == recorded:
			want = runbook.StepDone
		case i == step && end == begun:
			want = runbook.StepStarted
		case i == step: // acted: started, or found done after it was unknown
			if s.State == runbook.StepStarted || s.State == runbook.StepUnknown {
				continue
			}
			want = runbook.StepStarted
		}
		if s.State != want {
			t.Errorf("killed at step %d (%s), %s: %s is %s, want %s", step, run.Steps[step].Name, end, s.Name, s.State, want)
		}
	}
}

// checkFound: the next life shows the checklist as it was left, with the step
// that was under way as unknown, and asks a person.
func checkFound(t *testing.T, found, was runbook.Run) {
	t.Helper()
	if found.State != runbook.Uncertain {
		t.Errorf("after the restart %s is %s:\n%s", found.ID(), found.State, checklist(found))
	}
	for i, s := range found.Steps {
		want := was.Steps[i].State
		if want == runbook.StepStarted {
			want = runbook.StepUnknown
		}
		if s.State != want {
			t.Errorf("after the restart %s is %s, and was left %s", s.Name, s.State, was.Steps[i].State)
		}
	}
}

func checklist(r runbook.Run) string {
	var lines []string
	for _, s := range r.Steps {
		lines = append(lines, fmt.Sprintf("%-8s %s: %s", s.State, s.Name, s.Evidence))
	}
	return strings.Join(lines, "\n")
}

func logIn(t *testing.T, addr, user string) *edge.Conn {
	t.Helper()
	c, err := edge.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Login(t.Context(), user, ""); err != nil {
		t.Fatal(err)
	}
	return c
}

// receive takes and acknowledges so many messages.
func receive(t *testing.T, c *edge.Conn, n int) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for len(got) < n {
		d, err := c.Receive(ctx)
		if err != nil {
			t.Fatalf("after %d of %d messages: %v", len(got), n, err)
		}
		got = append(got, string(d.Body))
		if err := c.Ack(ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not in time: %s", what)
		}
	}
}
