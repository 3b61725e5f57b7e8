// Package labtest brings labs up for tests and takes them down again.
package labtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"irisops/actions/lab"
)

// ForTest brings a lab up, in a new folder unless o.Dir names one. When the test
// ends it takes the lab down and removes the new folder; if the test failed it logs the ends of the
// nodes' logs first.
func ForTest(t testing.TB, o lab.Options) *lab.Lab {
	t.Helper()
	l, remove, err := up(o, func(line string) { t.Log("lab: " + line) })
	if err != nil {
		t.Fatalf("the lab did not come up: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(Logs(l, 30))
		}
		if err := remove(); err != nil {
			t.Errorf("the lab did not go down: %v", err)
		}
	})
	return l
}

// Main runs a package's tests with one lab between them, for TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(labtest.Main(m, lab.Options{}, &shared)) }
func Main(m *testing.M, o lab.Options, shared **lab.Lab) int {
	l, remove, err := up(o, nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the lab did not come up:", err)
		return 1
	}
	*shared = l
	code := m.Run()
	if code != 0 {
		fmt.Fprintln(os.Stderr, Logs(l, 30))
	}
	if err := remove(); err != nil {
		fmt.Fprintln(os.Stderr, "the lab did not go down:", err)
		return 1
	}
	return code
}

// up chooses a short path, because a socket's path must be short and the names
// of tests are not. A folder that the caller chose is the caller's to remove.
func up(o lab.Options, progress func(string)) (*lab.Lab, func() error, error) {
	removeFolder := func() error { return nil }
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "lab")
		if err != nil {
			return nil, nil, err
		}
		o.Dir = dir
		removeFolder = func() error { return os.RemoveAll(dir) }
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	l, err := lab.Up(ctx, o, progress)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%w\n%s", err, logs(o.Dir, 30)), removeFolder())
	}
	release, err := guard(l)
	if err != nil {
		return nil, nil, errors.Join(err, l.Down(ctx))
	}
	return l, func() error {
		release()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := l.Down(ctx); err != nil {
			return err
		}
		return removeFolder()
	}, nil
}

// guarded names the lab's folder to a copy of the test program that guards it.
const guarded = "IRISOPS_LABTEST_GUARD"

// init makes a copy of the test program a guard before its tests begin: every
// package that uses a lab has it, whatever its own TestMain does.
func init() {
	dir := os.Getenv(guarded)
	if dir == "" {
		return
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the program that is guarded ends
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if l, err := lab.Open(dir); err == nil {
		_ = l.Down(ctx) // nobody is left to be told
	}
	os.Exit(0)
}

// guard ends the lab if this program ends without doing so: nothing else would
// after a test that panics or runs out of time. A copy of the program waits for
// the end of a pipe whose other end only this program holds.
func guard(l *lab.Lab) (release func(), err error) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), guarded+"="+l.Dir())
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if _, err := cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // says only that it was killed
	}, nil
}

// Logs are the last lines of each node's log, without the noise of os_mon.
func Logs(l *lab.Lab, lines int) string { return logs(l.Dir(), lines) }

func logs(dir string, lines int) string {
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil {
		return err.Error()
	}
	var out strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		var kept []string
		all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
		for i, line := range all {
			heading := i+1 < len(all) && strings.HasPrefix(all[i+1], "OS_MON")
			if line != "" && !heading && !strings.HasPrefix(line, "OS_MON") {
				kept = append(kept, line)
			}
		}
		fmt.Fprintf(&out, "--- %s\n%s\n", filepath.Base(file), strings.Join(kept[max(0, len(kept)-lines):], "\n"))
	}
	return out.String()
}
