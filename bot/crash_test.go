package bot_test

import (
	"bufio"
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

	"irisops/actions/runbook"
	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/escalation"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/bot/pager"
	"irisops/store"
)

// The whole conversation is killed at every commit, before and after it, in a
// process of its own with a real file. After the restart everything that was
// answered is there, nothing is there twice, and no step of an action ran a
// second time without a person saying so.

const (
	crashDir = "IRISOPS_CRASH_DIR"
	crashAt  = "IRISOPS_CRASH_AT"
)

// crashScript is what is said, and by whom.
var crashScript = []string{
	`operator: declare P0 "no clients can connect"`,
	`operator: ack`,
	`operator: severity P1`,
	`operator: severity P0`,
	`operator: handoff @second`,
	`second: accept`,
	`second: role commander @owner`,
	`operator: restart edge1`,
	`operator: confirm`,
	`operator: confirm REQ-1`,
	`operator: halt wait`,
	`operator: resume-actions`,
	`operator: stop core`,
	`second: approve REQ-2`,
	`operator: mitigated all users are on edge2`,
	`operator: recovered --force "core is stopped on purpose"`,
	`operator: reopen --incident INC-1`,
	`operator: declare P1 "clients time out"`,
	`operator: merge INC-1 --incident INC-2`,
	`operator: resolve power supply replaced`,
}

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		at, _ := strconv.Atoi(os.Getenv(crashAt))
		if server := os.Getenv(crashMail); server != "" {
			crashMailChild(dir, server, os.Getenv(crashLife), at)
		}
		crashChild(dir, at)
	}
	if dir := os.Getenv(crashDrill); dir != "" {
		at, _ := strconv.Atoi(os.Getenv(crashDrillAt))
		if err := crashDrillChild(dir, at); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(lifeLab); dir != "" {
		if err := life(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// crashChild plays the script, says how each line was answered, and kills itself
// with SIGKILL at the given failpoint, counted from 1; 0 is never.
func crashChild(dir string, at int) {
	reached := 0
	db, err := store.Open(filepath.Join(dir, "irisops.db"), store.Options{Failpoint: func(name string) {
		if !strings.HasPrefix(name, "commit/") {
			return
		}
		if reached++; reached == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	b, _, err := crashBot(db, dir)
	if err == nil {
		err = b.Start(context.Background())
	}
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	for i, line := range crashScript {
		say(b, line, fmt.Sprint("said/", i))
		fmt.Println("answered", i)
	}
	if err := errors.Join(b.Stop(context.Background()), db.Close()); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("failpoints", reached)
	os.Exit(0)
}

func say(b *bot.Bot, line, id string) int {
	who, text, _ := strings.Cut(line, ": ")
	return b.Handle(context.Background(), inbox.Delivery{ID: id, Via: "terminal", Caller: "demo:" + who, Text: text, Received: time.Now().UTC()}).Wait()
}

// crashBot is a bot on that database whose cluster's steps leave a line each in
// the file "acts".
func crashBot(db *store.DB, dir string) (*bot.Bot, *posts, error) {
	cluster := newFakeCluster()
	room := &posts{}
	list := cluster.actions()
	for i, a := range list {
		if a.Plan != nil {
			list[i].Plan = recording(a.Plan, filepath.Join(dir, "acts"))
		}
	}
	b, err := bot.New(bot.Options{
		Store: db, Rooms: []bot.Room{room},
		Access: access.Policy{People: access.DemoPeople(), Demo: true},
		OnCall: oncall.Roster{Roles: map[string]string{"primary": "operator", "sre": "second", "owner": "owner"}},
		Policies: map[incident.Priority]escalation.Policy{incident.P0: {Steps: []escalation.PolicyStep{{Role: "primary"}, {After: 15 * time.Minute, Role: "sre"}}},
			incident.P1: {Respond: 15 * time.Minute, Steps: []escalation.PolicyStep{{After: time.Hour, Role: "owner"}}}},
		Clusters: []bot.Cluster{{Name: "main", Actions: list, Summary: cluster.summary}},
	})
	return b, room, err
}

func TestKilledAtEveryCommit(t *testing.T) {
	whole := t.TempDir()
	lines, _ := child(t, whole, 0)
	last, ok := strings.CutPrefix(lines[len(lines)-1], "failpoints ")
	points, err := strconv.Atoi(last)
	if !ok || err != nil || points < 20 {
		t.Fatalf("the script does not reach its failpoints: %q", lines)
	}
	for at := 1; at <= points; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			dir := t.TempDir()
			lines, killed := child(t, dir, at)
			// Commits that come together share one, so that their number varies a little.
			if !killed && at < points*9/10 {
				t.Fatalf("of about %d failpoints the child did not reach this one: %q", points, lines)
			}
			answered := 0
			for _, l := range lines {
				if strings.HasPrefix(l, "answered") {
					answered++
				}
			}
			afterwards(t, dir, answered)
		})
	}
}

// child runs the script in a process of its own and returns its lines.
func child(t *testing.T, dir string, at int) (lines []string, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashAt+"="+fmt.Sprint(at))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewScanner(out); in.Scan(); {
		lines = append(lines, in.Text())
	}
	err = cmd.Wait()
	killed = cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
	if !killed && err != nil {
		t.Fatalf("child: %v: %q", err, lines)
	}
	return lines, killed
}

// afterwards opens what the killed process left, and checks the promises.
func afterwards(t *testing.T, dir string, answered int) {
	db, err := store.Open(filepath.Join(dir, "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	b, room, err := crashBot(db, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	settle(t, db)

	incidents, err := db.LastIncidents(10)
	if err != nil {
		t.Fatal(err)
	}
	if len(incidents) > 2 || answered > 0 && len(incidents) < 1 || answered > len(crashScript)-3 && len(incidents) != 2 {
		t.Fatalf("%d answers and %d incidents", answered, len(incidents))
	}
	for _, inc := range incidents {
		if inc.Number == 1 {
			checkIncident(t, db, inc, answered)
		} else {
			checkMerged(t, incidents[1], inc, answered)
		}
	}
	checkRuns(t, db, dir, room)
	if problems, err := db.Audit(time.Now()); err != nil || len(problems) > 0 {
		t.Errorf("the auditor finds: %q, %v", problems, err)
	}
	if err := b.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func checkIncident(t *testing.T, db *store.DB, inc incident.Incident, answered int) {
	t.Helper()
	if answered > 1 && inc.AnsweredAt.IsZero() {
		t.Error("the acknowledgement was answered and is lost")
	}
	if answered == len(crashScript) && inc.State != incident.Resolved {
		t.Errorf("the resolution was answered and is lost: %s", inc.State)
	}
	if _, armed := inc.NextStep(); inc.Armed() && !armed {
		t.Error("the incident is open and no step is armed")
	}
	entries, err := db.Timeline(inc.Number)
	if err != nil {
		t.Fatal(err)
	}
	once := map[incident.Kind]int{}
	for i, e := range entries {
		if e.Seq != i {
			t.Errorf("entry %d has the number %d", i, e.Seq)
		}
		once[e.Kind]++
	}
	for _, kind := range []incident.Kind{incident.KindDeclared, incident.KindAcked, incident.KindRecovered, incident.KindResolved} {
		if once[kind] > 1 {
			t.Errorf("%s stands %d times in the timeline", kind, once[kind])
		}
	}
	pages, err := db.PagesOf(inc.ID())
	if err != nil {
		t.Fatal(err)
	}
	first := 0
	for _, p := range pages {
		if p.State != pager.Delivered {
			t.Errorf("the page %s is %s", p.Key(), p.State)
		}
		if p.Step == "P0/0m" {
			first++
			if p.State != pager.Delivered {
				t.Errorf("the first page is %s", p.State)
			}
		}
	}
	if first != 1 {
		t.Errorf("%d first pages", first)
	}
}

// checkMerged: of two incidents that are merged in one transaction both know it,
// or none does.
func checkMerged(t *testing.T, host, duplicate incident.Incident, answered int) {
	t.Helper()
	merged := answered > len(crashScript)-2
	if gone, taken := duplicate.MergedInto == 1, len(host.Duplicates) == 1; gone != taken || merged && !gone {
		t.Errorf("INC-2 was merged: %v; INC-1 has taken it in: %v; answered: %v", gone, taken, merged)
	}
	if duplicate.MergedInto != 0 && !duplicate.Over() {
		t.Errorf("it was merged, and is %s", duplicate.State)
	}
}

// checkRuns: what was performed is at most what was agreed to, once each; what
// was under way is unknown, and asks a person.
func checkRuns(t *testing.T, db *store.DB, dir string, room *posts) {
	t.Helper()
	performed := map[string]int{}
	if acts, err := os.ReadFile(filepath.Join(dir, "acts")); err == nil {
		for _, l := range strings.Fields(string(acts)) {
			performed[l]++
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for step, n := range performed {
		if n > 1 {
			t.Errorf("%s was performed %d times", step, n)
		}
	}
	runs, err := db.Runs(runbook.Waiting, runbook.Dropped, runbook.Running, runbook.Uncertain, runbook.Done, runbook.Failed, runbook.Cancelled)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range runs {
		if r.State == runbook.Running {
			t.Errorf("%s is running and nobody runs it", r.ID())
		}
		if r.State == runbook.Uncertain && !room.said("run/"+r.ID()) {
			t.Errorf("%s was interrupted and nobody is asked", r.ID())
		}
		for i, s := range r.Steps {
			name := fmt.Sprintf("%s/%d", r.Title, i)
			name = strings.ReplaceAll(name, " ", "-")
			if s.State == runbook.StepDone && performed[name] != 1 {
				t.Errorf("%s is done and was performed %d times", name, performed[name])
			}
			if s.State == runbook.StepPending && performed[name] != 0 {
				t.Errorf("%s is pending and was performed", name)
			}
		}
	}
}

// settle waits until no page is queued and no delivery unanswered.
func settle(t *testing.T, db *store.DB) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it does not come to rest")
		}
		left, err := db.Unanswered()
		if err != nil {
			t.Fatal(err)
		}
		due, err := db.DuePages(time.Now().Add(time.Hour), 10)
		if err != nil {
			t.Fatal(err)
		}
		running, err := db.Runs(runbook.Running)
		if err != nil {
			t.Fatal(err)
		}
		pages, err := db.PagesOf("INC-1")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			if p.State == pager.Sending {
				due = append(due, p)
			}
		}
		if len(left)+len(due)+len(running) == 0 {
			return
		}
	}
}
