package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"irisops/actions"
	"irisops/bot/inbox"
)

// The full disk is a real one: a small tmpfs in a mount namespace of its own.
func TestFullDisk(t *testing.T) {
	exe, err := os.Executable()
	must(t, err)
	for _, name := range []string{"full disk at work", "full disk at the start"} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "unshare", "-rm", exe, t.TempDir())
			cmd.Env = append(os.Environ(), childVar+"="+name)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.HasSuffix(string(out), "fine\n") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

func init() {
	children["full disk at work"] = func() { tell(fullAtWork(tmpfs(os.Args[1], 1<<20))) }
	children["full disk at the start"] = func() { tell(fullAtStart(tmpfs(os.Args[1], 1<<20))) }
}

func tell(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("fine")
}

func tmpfs(dir string, size int) string {
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)); err != nil {
		fmt.Println("mount:", err)
		os.Exit(1)
	}
	return dir
}

// filler takes all the space that is left.
func filler(dir string) (remove func() error, err error) {
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, err
	}
	return func() error { return os.Remove(path) }, nil
}

func fullAtWork(dir string) error {
	ctx := context.Background()
	path := filepath.Join(dir, "irisops.db")
	db, err := Open(path, Options{})
	if err != nil {
		return err
	}
	declared, received := 0, 0
	var remove func() error
	var full error
	for n := 0; n < 10_000 && full == nil; n++ {
		if n == 20 {
			if remove, err = filler(dir); err != nil {
				return err
			}
		}
		if _, _, full = db.Declare(ctx, "", declaring(fmt.Sprintf("down %d", n), t0)); full == nil {
			declared++
		}
	}
	var e *actions.Error
	switch {
	case full == nil:
		return errors.New("the disk never was full")
	case actions.CodeOf(full) != actions.CodeDiskFull || !errors.As(full, &e):
		return fmt.Errorf("the full disk says %q: %w", actions.CodeOf(full), full)
	case !strings.Contains(e.Text, "The incident was not recorded") || !strings.Contains(e.Text, path) || e.Hint == "":
		return fmt.Errorf("the full disk says: %w", full)
	}
	// It goes on refusing, loses nothing, and can be read all the time.
	for n := range 50 {
		if _, err := db.Receive(ctx, inbox.Delivery{ID: fmt.Sprint(n), Text: strings.Repeat("x", 10_000), Received: t0}); err == nil {
			received++
		} else if actions.CodeOf(err) != actions.CodeDiskFull {
			return fmt.Errorf("while it is full: %w", err)
		}
	}
	if received == 50 {
		return errors.New("half a megabyte went to a full disk")
	}
	if err := holds(db, declared, received); err != nil {
		return fmt.Errorf("while it is full: %w", err)
	}
	// There is space again: it works without a restart, and after one.
	if err := remove(); err != nil {
		return err
	}
	for range 20 {
		if _, _, err := db.Declare(ctx, "", declaring("after", t0)); err != nil {
			return fmt.Errorf("with space again: %w", err)
		}
		declared++
	}
	if err := holds(db, declared, received); err != nil {
		return fmt.Errorf("with space again: %w", err)
	}
	if err := db.Close(); err != nil {
		return err
	}
	if db, err = Open(path, Options{}); err != nil {
		return err
	}
	defer db.Close()
	if n := db.Notices(); len(n) > 0 {
		return fmt.Errorf("notices: %q", n)
	}
	return holds(db, declared, received)
}

func holds(db *DB, declared, received int) error {
	open, err := db.OpenIncidents()
	if err != nil {
		return err
	}
	left, err := db.Unanswered()
	if err != nil {
		return err
	}
	wrong, err := db.Audit(t0)
	if err != nil {
		return err
	}
	if len(open) != declared || len(left) != received || len(wrong) > 0 {
		return fmt.Errorf("%d of %d incidents, %d of %d deliveries, audit %q", len(open), declared, len(left), received, wrong)
	}
	return nil
}

func fullAtStart(dir string) error {
	path := filepath.Join(dir, "data", "irisops.db")
	remove, err := filler(dir)
	if err != nil {
		return err
	}
	_, err = Open(path, Options{})
	if actions.CodeOf(err) != actions.CodeDiskFull {
		return fmt.Errorf("making one on a full disk: %q: %w", actions.CodeOf(err), err)
	}
	if names, _ := filepath.Glob(path + "*"); len(names) > 0 {
		return fmt.Errorf("left behind: %q", names)
	}
	if err := remove(); err != nil {
		return err
	}
	db, err := Open(path, Options{})
	if err != nil {
		return err
	}
	if _, _, err := db.Declare(context.Background(), "", declaring("down", t0)); err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	// A database that is there opens on a full disk, so that it can be read.
	if _, err = filler(dir); err != nil {
		return err
	}
	if db, err = Open(path, Options{}); err != nil {
		return fmt.Errorf("opening on a full disk: %w", err)
	}
	defer db.Close()
	return holds(db, 1, 0)
}
