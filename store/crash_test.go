package store

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
	"irisops/bot/pager"
)

// The worker is a process that works on a database and tells, one line each,
// what it was told is recorded. It dies by SIGKILL at a failpoint, or when the
// test kills it.
func init() {
	children["work"] = func() {
		path, point, at := os.Args[1], os.Args[2], os.Args[3]
		left, _ := strconv.Atoi(at)
		var calls atomic.Int64
		db, err := Open(path, Options{Failpoint: func(name string) {
			if name == point && calls.Add(1) == int64(left) {
				syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}})
		if err == nil {
			_, err = db.RecoverPages(context.Background())
		}
		if err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
		var group sync.WaitGroup
		for n := range 4 {
			group.Go(func() { work(db, n) })
		}
		group.Wait()
	}
}

func work(db *DB, worker int) {
	ctx := context.Background()
	check := func(err error) {
		if err != nil {
			fmt.Println("failed", err)
			os.Exit(1)
		}
	}
	for n := 0; n < 100_000; n++ {
		id := fmt.Sprintf("%d/%d/%d", os.Getpid(), worker, n)
		_, err := db.Receive(ctx, delivery(id, t0))
		check(err)
		fmt.Println("received", id)

		inc, _, err := db.Declare(ctx, id, func(number uint64) change.Change {
			c := declaring(id, t0)(number)
			c.Delivery = id
			return c
		})
		check(err)
		fmt.Println("declared", inc.Number, id)

		for _, event := range []incident.Event{incident.Acked{By: "operator"}, incident.StepsDue{}, incident.StepsDue{}, incident.DeclaredResolved{By: "operator", Reason: "over"}} {
			if _, last := event.(incident.DeclaredResolved); last && n%3 > 0 {
				break // most stay open
			}
			now := t0
			if step, ok := inc.NextStep(); ok {
				now = step.Due
			}
			next, eff, err := incident.Apply(inc, event, now)
			check(err)
			check(db.Commit(ctx, changed(next, eff, now)))
			inc = next
			inc.Version++
			fmt.Println("version", inc.Number, inc.Version)
		}

		p, err := db.Page(fmt.Sprintf("%s/P0/15m/sre/conversation", inc.ID()))
		check(err)
		p.State, p.Attempts = pager.Sending, 1
		check(db.Commit(ctx, change.Change{Pages: []pager.Page{p}}))
		fmt.Println("page", p.Key(), p.State)
		p.State = pager.Delivered
		check(db.Commit(ctx, change.Change{Pages: []pager.Page{p}}))
		fmt.Println("page", p.Key(), p.State)

		run, err := db.Request(ctx, requesting("main/"+id))
		check(err)
		for _, state := range []runbook.State{runbook.Running, runbook.Done} {
			run, err = to(db, run, state)
			check(err)
			fmt.Println("run", run.Number, run.Version)
		}
		check(db.Answer(ctx, id, t0))
		fmt.Println("answered", id)
	}
}

// crash runs the worker on path until it dies, at the failpoint or after some
// lines, and returns what it was told.
func crash(t *testing.T, path, point string, at, lines int) (told []string) {
	t.Helper()
	cmd := child(t, "work", path, point, fmt.Sprint(at))
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	for read := bufio.NewScanner(out); read.Scan(); {
		told = append(told, read.Text())
		if strings.HasPrefix(read.Text(), "failed") {
			t.Error(read.Text())
		}
		if len(told) == lines {
			must(t, cmd.Process.Kill())
		}
	}
	cmd.Wait()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the worker ended by itself: %v", cmd.ProcessState)
	}
	return told
}

// kept checks that all that was told is there, and nothing by half.
func kept(t *testing.T, path string, told []string) {
	t.Helper()
	db, err := Open(path, Options{})
	must(t, err)
	defer db.Close()
	for _, n := range db.Notices() {
		if len(told) > 0 || !strings.Contains(n, "new, empty") {
			t.Errorf("notice: %s", n)
		}
	}
	sending := len(rowsOf(t, db, bSending))
	if n := value(db.RecoverPages(t.Context()))(t); n != sending {
		t.Errorf("%d pages recovered of %d", n, sending)
	}
	for _, wrong := range value(db.Audit(t0))(t) {
		t.Errorf("audit: %s", wrong)
	}
	lost := func(line string, err error) { t.Errorf("%q was told, and is not there: %v", line, err) }
	for _, line := range told {
		word := strings.Fields(line)
		number, _ := strconv.ParseUint(word[1], 10, 64)
		switch word[0] {
		case "received":
			if fresh, err := db.Receive(t.Context(), delivery(word[1], t0)); fresh || err != nil {
				lost(line, err)
			}
		case "declared":
			if inc, err := db.Incident(number); err != nil || inc.Title != word[2] {
				lost(line, err)
			}
		case "version":
			want, _ := strconv.ParseUint(word[2], 10, 64)
			if inc, err := db.Incident(number); err != nil || inc.Version < want {
				lost(line, err)
			}
		case "page":
			p, err := db.Page(word[1])
			delivered := p.State == pager.Delivered
			if err != nil || word[2] == "delivered" && !delivered || !delivered && !p.PossibleDuplicate {
				lost(line, err)
			}
		case "run":
			want, _ := strconv.ParseUint(word[2], 10, 64)
			if r, err := db.Run(number); err != nil || r.Version < want {
				lost(line, err)
			}
		case "answered":
			for _, d := range value(db.Unanswered())(t) {
				if d.ID == word[1] {
					lost(line, nil)
				}
			}
		}
	}
	for _, inc := range value(db.LastIncidents(1 << 30))(t) {
		fired, escalated := 0, 0
		for _, s := range inc.Steps {
			if !s.Fired.IsZero() {
				fired++
			}
		}
		timeline := value(db.Timeline(inc.Number))(t)
		for n, e := range timeline {
			if e.Kind == incident.KindEscalated {
				escalated++
			}
			if e.Seq != n {
				t.Errorf("%s: entry %d has number %d", inc.ID(), n, e.Seq)
			}
		}
		pages := value(db.PagesOf(inc.ID()))(t)
		if len(timeline) != inc.Entries || escalated != fired || len(pages) != fired {
			t.Errorf("%s is there by half: %d of %d entries, %d steps fired, %d told, %d pages",
				inc.ID(), len(timeline), inc.Entries, fired, escalated, len(pages))
		}
	}
}

func rowsOf(t testing.TB, db *DB, b bucket) (keys []string) {
	t.Helper()
	must(t, db.view(func(x *tx) error {
		return x.walk(b, nil, func(key, _ []byte) error { keys = append(keys, string(key)); return nil })
	}))
	return keys
}

func TestKilledAtEveryFailpoint(t *testing.T) {
	for _, point := range []string{"migrate/before", "migrate/after", "create/written", "create/linked"} {
		t.Run(point, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data", "irisops.db")
			crash(t, path, point, 1, -1)
			kept(t, path, nil) // opens it, and that sweeps what the crash has left
			if names, _ := filepath.Glob(path + "*"); len(names) != 1 {
				t.Errorf("left behind: %q", names)
			}
		})
	}
	for _, point := range []string{"commit/before", "commit/after"} {
		for _, at := range []int{1, 2, 3, 7, 40, 150} {
			t.Run(fmt.Sprint(point, at), func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "irisops.db")
				kept(t, path, crash(t, path, point, at, -1))
			})
		}
	}
}

// One database, killed again and again at moments that nobody chose.
func TestKilledAtRandomMoments(t *testing.T) {
	path := filepath.Join(t.TempDir(), "irisops.db")
	var told []string
	for range 8 {
		told = append(told, crash(t, path, "", 0, 1+rand.IntN(150))...)
		kept(t, path, told)
	}
	t.Logf("%d things told over 8 lives", len(told))
}

// A page that was being sent when the process died is sent again, and says so.
func TestKilledWhileSending(t *testing.T) {
	path := filepath.Join(t.TempDir(), "irisops.db")
	for range 100 {
		told := crash(t, path, "", 0, 1+rand.IntN(60))
		db, err := Open(path, Options{})
		must(t, err)
		under := rowsOf(t, db, bSending)
		_, err = db.RecoverPages(t.Context())
		must(t, err)
		again := map[string]bool{}
		for _, p := range value(db.DuePages(t0.Add(time.Hour), 0))(t) {
			again[p.Key()] = p.PossibleDuplicate
		}
		for _, key := range under {
			if dup, there := again[key]; !there || !dup {
				t.Errorf("%s: in the outbox %v, possible duplicate %v", key, there, dup)
			}
		}
		must(t, db.Close())
		if len(under) > 0 {
			t.Logf("%d pages were under way after %d things told", len(under), len(told))
			return
		}
	}
	t.Error("it never died while sending")
}
