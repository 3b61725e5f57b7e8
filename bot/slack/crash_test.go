package slack_test

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"irisops/bot/slack/slacktest"
	"irisops/store"
)

// irisops runs in a process of its own, with a real file, and is killed with
// SIGKILL at a commit in the middle of the loop: before or after what arrived
// was kept, after Slack took a message and before that is recorded, in the
// middle of an action. It is started again, and Slack delivers again what was
// not acknowledged. Nothing is lost, nothing is there twice.

const (
	crashDir = "IRISOPS_SLACK_CRASH_DIR"
	crashAPI = "IRISOPS_SLACK_CRASH_API"
	crashAt  = "IRISOPS_SLACK_CRASH_AT"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashDir); dir != "" {
		if err := crashChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if which := os.Getenv(benchBot); which != "" {
		if err := benchChild(which); err != nil {
			fmt.Fprintln(os.Stderr, which+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	// These tests mostly wait, for Slack's pace.
	flag.Parse()
	if fuzzing := flag.Lookup("test.fuzz").Value.String() != ""; !fuzzing { // which has a worker for each
		if err := flag.Set("test.parallel", "12"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// crashChild is one life of irisops. It ends when its stdin does, or dies at the
// given commit, counted from 1.
func crashChild(dir string) error {
	at, err := strconv.Atoi(os.Getenv(crashAt))
	if err != nil {
		return err
	}
	var reached atomic.Int64
	c := newWorld()
	c.set("edge1", "down")
	c.acts = filepath.Join(dir, "acts")
	log, err := os.OpenFile(filepath.Join(dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	var kept func(*store.DB) outboxOf
	if at == behindDirect {
		kept = func(db *store.DB) outboxOf { return killer{db} }
	}
	l, err := begin(setting{log: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})), dir: dir, api: os.Getenv(crashAPI), clusters: c.served(), onCall: onCall, contacts: directly(), outbox: kept, options: store.Options{Failpoint: func(name string) {
		if strings.HasPrefix(name, "commit/") && reached.Add(1) == int64(at) {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}}})
	if err != nil {
		return err
	}
	signal.Ignore(syscall.SIGINT)
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	fmt.Println(reached.Load())
	return l.end()
}

// lives starts irisops, and again whenever it was killed; only the first life
// dies by itself. stop ends it in order and says how many lives there were.
func lives(t *testing.T, dir, api string, at int) (stop func() int) {
	t.Helper()
	start := func(at int) (*exec.Cmd, io.WriteCloser) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashDir+"="+dir, crashAPI+"="+api, crashAt+"="+strconv.Itoa(at))
		cmd.Stderr = os.Stderr
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Error(err)
		}
		return cmd, in
	}
	count := 1
	quit, over := make(chan struct{}), make(chan error, 1)
	cmd, in := start(at)
	go func() {
		for {
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			select {
			case err := <-ended:
				var exit *exec.ExitError
				if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
					over <- fmt.Errorf("irisops ended by itself: %v", err)
					return
				}
				count++
				cmd, in = start(0)
			case <-quit:
				in.Close()
				over <- <-ended
				return
			}
		}
	}()
	stopped := false
	stop = func() int {
		if !stopped {
			stopped = true
			close(quit)
			if err := <-over; err != nil {
				t.Error(err)
			}
		}
		return count
	}
	t.Cleanup(func() {
		lives := stop()
		if log, err := os.ReadFile(filepath.Join(dir, "log")); err == nil && t.Failed() {
			t.Logf("%d lives:\n%s", lives, log)
		}
	})
	return stop
}

func TestKilledInTheMiddle(t *testing.T) {
	for _, at := range []int{0, 1, 2, 5, 8, 11, 14, 17, 20, 24, 27, 30, 33, 36, 39, 41} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s := slacktest.New(t, ops, onCall)
			s.Patience(40 * time.Second)
			stop := lives(t, dir, s.API(), at)
			loop(s)
			s.Settle()
			want := 2
			if at == 0 {
				want = 1
			}
			if n := stop(); n != want {
				t.Errorf("there were %d lives; was commit %d never reached?", n, at)
			}
			checkOnce(t, s, dir)
		})
	}
}

// loop is the conversation, as people have it whatever happens.
func loop(s *slacktest.Slack) {
	s.Say(operator, ops, `/iris declare P0 "no clients can connect"`)
	parent := s.ExpectPost(ops, "INC-1 P0 open")
	s.Mention(operator, ops, parent, "restart edge1")
	run := s.ExpectInThread(parent, "REQ-1 ready")
	s.Click(operator, run, "Confirm")
	switch s.ExpectEither(run, "REQ-1 done", "was interrupted in the middle", "`confirm REQ-1` was not carried out") {
	case 1:
		s.Click(operator, run, "Check and Go On")
		s.ExpectEdited(run, "REQ-1 done")
	case 2: // an agreement is not taken up after a restart: it has to be given again
		s.Click(operator, run, "Confirm")
		s.ExpectEdited(run, "REQ-1 done")
	}
	s.Mention(operator, ops, parent, "ack")
	s.ExpectEdited(parent, "INC-1 P0 acknowledged")
	s.Say(operator, ops, "/iris whoami") // kept with its answer
	s.ExpectPost(ops, "You are operator")
}

func checkOnce(t *testing.T, s *slacktest.Slack, dir string) {
	t.Helper()
	keys := map[string]int{}
	for _, channel := range []string{ops, onCall, s.Direct(operator)} {
		for _, m := range s.Messages(channel) {
			if m.Bot {
				keys[channel+" "+m.Key()]++
			}
		}
	}
	for key, n := range keys {
		if n != 1 {
			t.Errorf("%s is shown %d times", key, n)
		}
	}
	for _, key := range []string{ops + " incident/INC-1", ops + " run/REQ-1", ops + " page/INC-1/P0/0m/primary/conversation", onCall + " oncall/page/INC-1/P0/0m/primary/conversation",
		s.Direct(operator) + " direct/page/INC-1/P0/0m/primary/conversation"} {
		if keys[key] == 0 {
			t.Errorf("%s is lost; there is %v", key, keys)
		}
	}
	acts, err := os.ReadFile(filepath.Join(dir, "acts"))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"stop edge1", "start edge1"} {
		if n := strings.Count(string(acts), step); n != 1 {
			t.Errorf("%q was performed %d times", step, n)
		}
	}
	db, err := store.Open(filepath.Join(dir, "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	incidents, err := db.LastIncidents(10)
	if err != nil || len(incidents) != 1 {
		t.Errorf("%d incidents, %v", len(incidents), err)
	}
	pending, err := db.PendingPosts()
	if err != nil || len(pending) != 0 {
		t.Errorf("pending: %v, %v", pending, err)
	}
	if problems, err := db.Audit(time.Now()); err != nil || len(problems) > 0 {
		t.Errorf("the auditor finds %q, %v", problems, err)
	}
}
