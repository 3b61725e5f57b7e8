package cluster_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"irisops/actions/cluster"
	"irisops/actions/lab"
)

// diskVar names the folder for the small disk to the copy of the test program
// that mounts it, in a name space of its own, and has the lab there.
const diskVar = "IRISOPS_MATRIX_DISK"

const (
	smallSize = 24 << 20
	rowMark   = "row of the matrix: "
)

// smallDisk are the faults of a disk, on a real one: a small tmpfs.
func smallDisk(t *testing.T, rows *[]string) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "lab") // short: a socket's path has to be
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(t.Context(), "unshare", "-rm", exe, "-test.run", "^TestFaultMatrix$", "-test.v")
	cmd.Env = append(os.Environ(), diskVar+"="+dir)
	out, err := cmd.CombinedOutput()
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		if _, row, ok := strings.Cut(lines.Text(), rowMark); ok {
			*rows = append(*rows, row)
		}
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestFaultMatrix")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// onSmallDisk is the story that the copy tells.
func onSmallDisk(t *testing.T, dir string) {
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d", smallSize)); err != nil {
		t.Fatal(err)
	}
	f := newFieldOf(t, lab.Options{Dir: dir})
	var rows []string
	m := matrix{rows: &rows}.on(f)
	m.c = f.withBounds(f.link, func(b *cluster.Bounds) { b.DiskFree = cluster.Bound{Warn: 8 << 20, Critical: 2 << 20} })
	m.healthy()

	host := hostOf(f.node("core"))
	full := filepath.Join(dir, "filler")
	fill(t, full, dir, 4<<20)
	m.look("disk nearly full", m.c, "disk nearly full on "+host+": ", " of 24 MB free in "+dir)
	fill(t, full, dir, 0)
	m.look("disk full", m.c, "disk full on "+host+": 0 bytes of 24 MB free in "+dir)
	f.kill("core")
	m.look("disk full, and the core died", m.c, "disk full on "+host+": ", "; core down")
	f.must(os.Remove(full))
	for _, row := range rows {
		fmt.Println(rowMark + row)
	}
}

// fill writes into the file until so much is free on the disk.
func fill(t *testing.T, file, dir string, free uint64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for begin := time.Now(); time.Since(begin) < time.Minute; {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		if st.Bavail*uint64(st.Bsize) <= free {
			return
		}
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("the disk never became that full")
}
