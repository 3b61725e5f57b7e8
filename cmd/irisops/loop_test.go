package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/actions/lab"
	"irisops/actions/lab/labtest"
)

// planted is in the environment of every bot here, and must be nowhere else.
const planted = "xoxb-planted-secret-token"

// player is a bot in a process of its own that takes lines and can be killed.
type player struct {
	t   *testing.T
	cmd *exec.Cmd
	in  io.WriteCloser

	mu    sync.Mutex
	text  strings.Builder
	news  chan struct{}
	ended chan struct{}
}

func newPlayer(t *testing.T, configFile string, env ...string) *player {
	t.Helper()
	p := &player{t: t, cmd: exec.Command(os.Args[0]), news: make(chan struct{}, 1), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), playConfig+"="+configFile, "SLACK_BOT_TOKEN="+planted)
	p.cmd.Env = append(p.cmd.Env, env...)
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	errs := &bytes.Buffer{}
	p.cmd.Stderr = errs
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.mu.Lock()
			p.text.WriteString(lines.Text() + "\n")
			p.mu.Unlock()
			select {
			case p.news <- struct{}{}:
			default:
			}
		}
	}()
	t.Cleanup(func() {
		p.in.Close()
		<-p.ended
		p.cmd.Wait()
		if t.Failed() {
			t.Logf("it said:\n%s\nand logged:\n%s", p.said(), errs)
		}
		if strings.Contains(p.said()+errs.String(), lab.Cookie) || strings.Contains(p.said()+errs.String(), planted) {
			t.Error("a secret was said or logged")
		}
	})
	return p
}

func (p *player) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// await waits until what was said from that place on contains text.
func (p *player) await(from int, text string) string {
	p.t.Helper()
	deadline := time.After(60 * time.Second)
	for {
		if said := p.said()[from:]; strings.Contains(said, text) {
			return said
		}
		select {
		case <-p.news:
		case <-p.ended:
			if said := p.said()[from:]; strings.Contains(said, text) {
				return said
			}
			p.t.Fatalf("it ended without saying %q", text)
		case <-deadline:
			p.t.Fatalf("it did not say %q", text)
		}
	}
}

func (p *player) type_(who, text string) int {
	from := len(p.said())
	if _, err := fmt.Fprintf(p.in, "%s %s\n", who, text); err != nil {
		p.t.Fatal(err)
	}
	return from
}

// say types a line and returns what came of it; code is what it must end with.
func (p *player) say(who, text string, code int) string {
	p.t.Helper()
	from := p.type_(who, text)
	said := p.await(from, "\ncode ")
	p.mu.Lock()
	defer p.mu.Unlock()
	if !strings.Contains(said, fmt.Sprintf("\ncode %d\n", code)) {
		p.t.Errorf("%s: %s did not end with code %d:\n%s", who, text, code, said)
	}
	return said
}

func (p *player) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

func want(t *testing.T, said string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(said, part) {
			t.Errorf("missing %q in:\n%s", part, said)
		}
	}
}

func pids(t *testing.T, l *lab.Lab) map[string]int {
	t.Helper()
	st, err := l.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	for _, n := range st.Nodes {
		found[n.Short] = n.PID
	}
	return found
}

// TestTheWholeLoop is the main job on real input: a node dies, a person
// declares, the bot says what is wrong, mends it, proves it, and writes it down.
func TestTheWholeLoop(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{})
	p := newPlayer(t, l.ConfigFile())
	want(t, p.say("operator", "status", 0), "No incident is open", "3 nodes answer")
	want(t, p.say("operator", "diagnose", 0), "all 3 nodes healthy")
	before := pids(t, l)
	if err := l.Kill(t.Context(), "edge1"); err != nil {
		t.Fatal(err)
	}
	said := p.say("operator", `declare P0 “no clients can connect”`, 0) // smart quotes, as a phone types them
	want(t, said, "INC-1 P0 open: no clients can connect", "PAGE: operator (primary)", "edge1 down", "core, edge2 healthy", "start edge1",
		"Changed since the healthy diagnosis of", fmt.Sprintf("ok: pid %d", before["edge1"]))
	want(t, p.say("operator", "ack", 0), "acknowledged by operator", "does not stop the clocks")
	want(t, p.say("operator", "recovered", 1), "INC-1 is not recovered", "edge1")
	want(t, p.say("guest", "restart edge1", 1), "`restart` needs operator")
	want(t, p.say("operator", "restart edge1", 0), "REQ-1 ready", "make start_edge1", "-setcookie ***")
	want(t, p.say("operator", "confirm", 0), "REQ-1 done", "log in to edge1")
	want(t, p.say("operator", "verify", 0), "verified on all 2 edges")
	want(t, p.say("operator", "recovered", 0), "INC-1 recovered after")
	want(t, p.say("operator", "resolve", 0), "INC-1 resolved by operator")
	want(t, p.say("operator", "timeline --incident INC-1", 0), "P0 declared", "diagnosed: edge1 down", "REQ-1 confirmed",
		"REQ-1 step done: start edge1", "recovered, verified", "resolved")
	want(t, p.say("operator", "why-not-paged --incident INC-1", 0), "P0/15m", "P0/30m", "operator called it recovered")
	want(t, p.say("operator", "postmortem --incident INC-1 --all", 0), "### REQ-1 Restart edge1: done", "| start edge1 | done |", "## Action items")
	want(t, p.say("operator", "stats", 0), "1 incident in the last", "stats-")

	after := pids(t, l)
	if after["core"] != before["core"] || after["edge2"] != before["edge2"] {
		t.Errorf("healthy nodes were touched: %v, then %v", before, after)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", after["edge1"]))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(environ, []byte(planted)) {
		t.Error("the node inherited a secret of the bot's")
	}
	archived, err := filepath.Glob(filepath.Join(l.Dir(), "edge1.log.*Z"))
	if err != nil || len(archived) != 1 {
		t.Errorf("archived logs: %q, %v", archived, err)
	}

	// The last core is another matter.
	want(t, p.say("operator", "stop core", 0), "REQ-2 needs a second person", "last live core")
	want(t, p.say("operator", "approve REQ-2", 1), "a second person has to")
	want(t, p.say("second", "deny REQ-2 not tonight", 0), "Nothing was run")
	p.in.Close()
	<-p.ended
	if after := pids(t, l); after["edge1"] == 0 || after["core"] == 0 {
		t.Errorf("the nodes did not outlive the bot: %v", after)
	}
}

// TestKilledInTheMiddle kills the bot -9 while it restarts a node: incident,
// clocks and the half-done step are there again, and nothing runs by itself.
func TestKilledInTheMiddle(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{})
	p := newPlayer(t, l.ConfigFile())
	said := p.say("operator", `declare P0 "edge1 is slow"`, 0)
	_, rest, _ := strings.Cut(said, "Next page  sre (second) at ")
	due, _, _ := strings.Cut(rest, " ")
	p.say("operator", "restart edge1", 0)
	from := p.type_("operator", "confirm")
	p.await(from, "[ .. ] start edge1")
	p.kill()

	p = newPlayer(t, l.ConfigFile())
	p.await(0, "was interrupted in the middle")
	want(t, p.await(0, "What can be seen now"), "start edge1")
	want(t, p.say("operator", "status", 0), "INC-1", due, "REQ-1", "unknown")
	want(t, p.say("second", "restart edge1", 0), "REQ-2")
	want(t, p.say("second", "confirm REQ-2", 1), "REQ-1 is already working on lab/edge1")
	want(t, p.say("operator", "confirm REQ-1", 0), "REQ-1 done")
	want(t, p.say("operator", "recovered", 0), "INC-1 recovered")
	if running := pids(t, l); running["edge1"] == 0 || running["edge2"] == 0 {
		t.Errorf("after the recovery: %v", running)
	}
}

// TestHungNode: a node that is there and does not answer is told from a dead one.
func TestHungNode(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{})
	if err := l.Pause(t.Context(), "edge2"); err != nil {
		t.Fatal(err)
	}
	p := newPlayer(t, l.ConfigFile())
	want(t, p.say("operator", "diagnose", 0), "edge2 hung")
	want(t, p.say("operator", "verify", 1), "edge2")
	want(t, p.say("operator", "restart edge2", 0), "REQ-1 ready")
	want(t, p.say("operator", "confirm", 0), "REQ-1 done")
	want(t, p.say("operator", "verify", 0), "verified on all 2 edges")
}

// TestMissingTarget: a Makefile without the target is an answer before anything
// is done.
func TestMissingTarget(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	text, err := os.ReadFile(l.ConfigFile())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(l.Dir(), "other.yaml")
	if err := os.WriteFile(file, bytes.ReplaceAll(text, []byte("target: start_edge1"), []byte("target: start_nothing")), 0o600); err != nil {
		t.Fatal(err)
	}
	before := pids(t, l)
	p := newPlayer(t, file)
	want(t, p.say("operator", "restart edge1", 1), "start_nothing", "Makefile")
	if after := pids(t, l); after["edge1"] != before["edge1"] {
		t.Error("edge1 was stopped although it cannot be started")
	}
}

// TestDiagnoseOnce: the one-shot needs no running bot, and its exit code tells.
func TestDiagnoseOnce(t *testing.T) {
	l := labtest.ForTest(t, lab.Options{Edges: 1})
	diagnose := func() (code int, verdict string) {
		var out, errs bytes.Buffer
		code = run(t.Context(), []string{"diagnose", "--config", l.ConfigFile(), "--json"}, streams{os.Stdin, &out, &errs})
		var d struct {
			Verdict, State string
			Findings       []struct{ Check, Node, Result, Evidence, Next string }
		}
		if err := json.Unmarshal(out.Bytes(), &d); err != nil {
			t.Fatalf("%v: %s%s", err, out.String(), errs.String())
		}
		seen := map[string]bool{}
		for _, f := range d.Findings {
			seen[f.Check] = true
			if f.Node == "" || f.Result == "" || f.Evidence == "" {
				t.Errorf("half a finding: %+v", f)
			}
		}
		if len(seen) != 31 || len(d.Findings) != 2*31 || d.State == "" {
			t.Errorf("%d checks, %d findings: %s", len(seen), len(d.Findings), out.String())
		}
		if t.Failed() {
			t.Log(out.String())
		}
		return code, d.Verdict
	}
	if code, verdict := diagnose(); code != 0 {
		t.Errorf("a healthy lab: %d, %s", code, verdict)
	}
	if err := l.Kill(t.Context(), "edge1"); err != nil {
		t.Fatal(err)
	}
	if code, verdict := diagnose(); code != 2 || !strings.Contains(verdict, "edge1 down") {
		t.Errorf("edge1 killed: %d, %s", code, verdict)
	}
}

// TestTour: the tour needs no keyboard and leaves nothing behind.
func TestTour(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	var out, errs bytes.Buffer
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if code := run(t.Context(), nil, streams{null, &out, &errs}); code != 0 {
		t.Fatalf("exit %d: %s\n%s", code, errs.String(), out.String())
	}
	want(t, out.String(), "edge1 down", "PAGE: second (sre)", "not recovered", "REQ-1 done", "INC-1 recovered", "INC-1 resolved")
	left, err := filepath.Glob(filepath.Join(temp, "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	if strings.Contains(out.String(), lab.Cookie) {
		t.Error("the cookie was said")
	}
}
