package soak

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// disk is a small one of its own, for the data of irisops.
type disk struct {
	t     *testing.T
	dir   string
	full  bool
	until time.Time // when it was full last
}

func newDisk(t *testing.T, dir string, size int) *disk {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, sizeOption(size)); err != nil {
		t.Fatal("mount: ", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error("unmount: ", err)
		}
	})
	return &disk{t: t, dir: dir}
}

func sizeOption(size int) string { return fmt.Sprintf("size=%d", size) }

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill takes all the space that is left.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.Create(d.filler())
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 20, 4 << 10} {
		for block := make([]byte, size); err == nil; {
			_, err = f.Write(block)
		}
		if !errors.Is(err, syscall.ENOSPC) {
			d.t.Fatal(err)
		}
		err = nil
	}
	d.full = true
}

// free gives it back.
func (d *disk) free() {
	d.t.Helper()
	if !d.full {
		return
	}
	if err := os.Remove(d.filler()); err != nil {
		d.t.Fatal(err)
	}
	d.full, d.until = false, time.Now()
}

// fullSince says whether it was full at some time after that.
func (d *disk) fullSince(at time.Time) bool { return d.full || d.until.After(at) }

func (d *disk) wasFull(lately time.Duration) bool { return d.full || time.Since(d.until) < lately }
