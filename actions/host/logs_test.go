package host

import (
	"bytes"
	"context"
	"encoding/json"
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
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"irisops/actions"
	"irisops/actions/cluster"
)

func TestLogTail(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	tests := []struct {
		name string
		text string
		max  int
		want []string
	}{
		{"empty", "", 5, nil},
		{"one line", "a\n", 5, []string{"a"}},
		{"no line end", "a", 5, []string{"a"}},
		{"last line unfinished", "a\nb", 5, []string{"a", "b"}},
		{"fewer than asked", "a\nb\n", 5, []string{"a", "b"}},
		{"exactly as asked", "a\nb\n", 2, []string{"a", "b"}},
		{"more than asked", "a\nb\nc\n", 2, []string{"b", "c"}},
		{"none asked", "a\n", 0, nil},
		{"fewer than none", "a\n", -3, nil},
		{"empty lines", "\n\na\n\n", 9, []string{"", "", "a", ""}},
		{"carriage returns", "a\r\nb\r\n", 9, []string{"a", "b"}},
		{"a long line", long + "\nb\n", 9, []string{long[:maxLine-3] + "...", "b"}},
		{"cut between characters", strings.Repeat("é", 5000), 9, []string{strings.Repeat("é", (maxLine-3)/2) + "..."}},
		{"not UTF-8", "a\xff\xfeb\n", 9, []string{"a\uFFFDb"}},
		{"terminal codes", "\x1b[31mred\x1b[0m\a\tend\n", 9, []string{"\uFFFD[31mred\uFFFD[0m\uFFFD\tend"}},
		{"a hole where it was truncated", strings.Repeat("\x00", 100_000) + "a\nb\n", 9, []string{"a", "b"}},
		{"a cookie", "erl -setcookie iris_secret -x\n", 9, []string{"erl -setcookie *** -x"}},
		{"a known secret", "says hushhush!\n", 9, []string{"says ***!"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, "edge1.log"), tt.text)
			got, err := NewLocal(nil, "hushhush").LogTail(t.Context(), node(dir), tt.max)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// However a log is cut into lines and chunks, its tail is its last lines.
func TestLogTailIsTheEndOfTheFile(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.StringMatching(`[a-z ]{0,300}`), 1, 900).Draw(t, "lines")
		max := rapid.IntRange(1, 1000).Draw(t, "max")
		if err := os.WriteFile(filepath.Join(dir, "edge1.log"), []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := NewLocal(nil).LogTail(t.Context(), node(dir), max)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(lines[len(lines)-min(max, len(lines)):], got); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestLogTailOfALargeLog(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	for i := 0; log.Len() < 8<<20; i++ {
		fmt.Fprintf(&log, "line %d %s\n", i, strings.Repeat("x", 1000))
	}
	write(t, filepath.Join(dir, "edge1.log"), log.String())
	l := NewLocal(nil)
	got, err := l.LogTail(t.Context(), node(dir), 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, line := range got {
		size += len(line) + 1
		if !strings.HasPrefix(line, "line ") {
			t.Fatalf("a line without its beginning: %.40q", line)
		}
	}
	if size > maxTail || size < maxTail-2000 {
		t.Errorf("%d bytes", size)
	}
	// One endless line: its end.
	write(t, filepath.Join(dir, "edge1.log"), strings.Repeat("y", 3<<20))
	got, err = l.LogTail(t.Context(), node(dir), 10)
	if err != nil || len(got) != 1 || len(got[0]) > maxLine {
		t.Errorf("%d lines, %v", len(got), err)
	}
}

// shrinking is a file that is truncated while it is read.
type shrinking struct{ left []byte }

func (s shrinking) ReadAt(p []byte, at int64) (int, error) {
	if at >= int64(len(s.left)) {
		return 0, io.EOF
	}
	n := copy(p, s.left[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func TestLogTailOfALogTruncatedMeanwhile(t *testing.T) {
	end, whole, err := readEnd(t.Context(), shrinking{[]byte("new\n")}, 500_000, 10)
	if err != nil || !whole || string(end) != "new\n" {
		t.Fatalf("%q %v %v", end, whole, err)
	}
}

func TestLogTailRefusals(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "folder.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(filepath.Join(dir, "pipe.log"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*cluster.Node)
		code   string
	}{
		{"missing", func(*cluster.Node) {}, CodeNoLog},
		{"a folder", func(n *cluster.Node) { n.Log = "folder.log" }, CodeBadValue},
		{"a pipe", func(n *cluster.Node) { n.Log = "pipe.log" }, CodeBadValue},
		{"no name", func(n *cluster.Node) { n.Log = "" }, CodeBadValue},
		{"outside", func(n *cluster.Node) { n.Log = "../edge1.log" }, CodeBadValue},
		{"absolute", func(n *cluster.Node) { n.Log = "/etc/passwd" }, CodeBadValue},
		{"NUL", func(n *cluster.Node) { n.Log = "a\x00b" }, CodeBadValue},
		{"elsewhere", func(n *cluster.Node) { n.Host = "h2" }, actions.CodeNotHere},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := node(dir)
			tt.change(&n)
			if _, err := NewLocal(nil).LogTail(t.Context(), n, 5); actions.CodeOf(err) != tt.code {
				t.Errorf("tail: %v", err)
			}
			path, err := NewLocal(nil).ArchiveLog(t.Context(), n, time.Now())
			if tt.code == CodeNoLog {
				if path != "" || err != nil {
					t.Errorf("archive: %q, %v", path, err)
				}
			} else if actions.CodeOf(err) != tt.code {
				t.Errorf("archive: %v", err)
			}
		})
	}
}

var three = time.Date(2026, 11, 23, 4, 15, 2, 0, time.FixedZone("CET", 3600)) // 03:15:02 UTC

func TestArchiveLogNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	l := NewLocal(nil)
	log := filepath.Join(dir, "edge1.log")
	for i, want := range []string{"", "-2", "-3"} {
		write(t, log, fmt.Sprint("log ", i))
		got, err := l.ArchiveLog(t.Context(), node(dir), three)
		if err != nil {
			t.Fatal(err)
		}
		if want = log + ".20261123T031502Z" + want; got != want {
			t.Fatalf("archived as %s, want %s", got, want)
		}
		if _, err := os.Lstat(log); err == nil {
			t.Error("the log is still there")
		}
	}
	for i, suffix := range []string{"", "-2", "-3"} {
		text, err := os.ReadFile(log + ".20261123T031502Z" + suffix)
		if err != nil || string(text) != fmt.Sprint("log ", i) {
			t.Errorf("%s holds %q, %v", suffix, text, err)
		}
	}
}

// A link to a log elsewhere stays a link, and the old log stays beside its target.
func TestArchiveLogFollowsALink(t *testing.T) {
	dir, logs := t.TempDir(), t.TempDir()
	write(t, filepath.Join(logs, "e.log"), "old")
	if err := os.Symlink(filepath.Join(logs, "e.log"), filepath.Join(dir, "edge1.log")); err != nil {
		t.Fatal(err)
	}
	got, err := NewLocal(nil).ArchiveLog(t.Context(), node(dir), three)
	if err != nil || got != filepath.Join(logs, "e.log.20261123T031502Z") {
		t.Fatal(got, err)
	}
	write(t, filepath.Join(dir, "edge1.log"), "new") // as the start would
	if text, _ := os.ReadFile(filepath.Join(logs, "e.log")); string(text) != "new" {
		t.Errorf("the link was lost: %q", text)
	}
}

func TestClassify(t *testing.T) {
	for errno, code := range map[syscall.Errno]string{
		syscall.ENOSPC: actions.CodeDiskFull, syscall.EDQUOT: actions.CodeDiskFull, syscall.EROFS: CodeReadOnly,
		syscall.EACCES: CodeNotAllowed, syscall.EPERM: CodeNotAllowed, syscall.EIO: CodeFailed,
	} {
		err := archiveError(&os.LinkError{Op: "rename", Old: "a", New: "b", Err: errno})
		if actions.CodeOf(err) != code || !errors.Is(err, errno) || !strings.Contains(err.Error(), "--no-archive") {
			t.Errorf("%v: %q %v", errno, actions.CodeOf(err), err)
		}
	}
}

// badDisk is what a program on a bad disk saw.
type badDisk struct{ Setup, Full, Make, ReadOnly, Kept string }

// A full and a read-only file system, real ones, in a mount namespace of a child
// of this test.
func TestBadDisks(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "play-bad-disk", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got badDisk
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := badDisk{Full: "", Make: actions.CodeDiskFull, ReadOnly: CodeReadOnly, Kept: "precious"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func playBadDisk(dir string) {
	var saw badDisk
	fail := func(err error) {
		if err != nil && saw.Setup == "" {
			saw.Setup = err.Error()
		}
	}
	ctx, l, n := context.Background(), NewLocal(nil), node(dir)
	fail(unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128k"))
	fail(os.WriteFile(filepath.Join(dir, "Makefile"), []byte("start_edge1:\n\thead -c 300000 /dev/zero >big\n"), 0o644))
	fail(os.WriteFile(filepath.Join(dir, "edge1.log"), []byte("old"), 0o644))
	saw.Make = actions.CodeOf(l.Make(ctx, n))
	// Renaming needs no space: the archive works on the full disk.
	_, err := l.ArchiveLog(ctx, n, three)
	saw.Full = actions.CodeOf(err)
	fail(os.Remove(filepath.Join(dir, "big")))
	fail(os.WriteFile(filepath.Join(dir, "edge1.log"), []byte("precious"), 0o644))
	fail(unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""))
	_, err = l.ArchiveLog(ctx, n, three)
	saw.ReadOnly = actions.CodeOf(err)
	kept, err := os.ReadFile(filepath.Join(dir, "edge1.log"))
	fail(err)
	saw.Kept = string(kept)
	_ = json.NewEncoder(os.Stdout).Encode(saw)
}

// What a core would start from: its Mnesia folder, the write-ahead log, the log.
func TestCoreData(t *testing.T) {
	dir := t.TempDir()
	n := node(dir)
	got, err := NewLocal(nil).CoreData(t.Context(), n)
	if err != nil || got.Mnesia.Exists || got.WAL.Exists || got.Log.Exists || time.Since(got.Clock) > time.Minute {
		t.Fatalf("nothing there: %+v, %v", got, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "data/wal"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "data/wal/shard_1.wal"), "1234")
	write(t, filepath.Join(dir, "edge1.log"), "12")
	got, err = NewLocal(nil).CoreData(t.Context(), n)
	if err != nil || got.WAL.Files != 1 || got.WAL.Bytes != 4 || !got.Log.Exists || got.Log.Bytes != 2 || got.Log.Newest.IsZero() {
		t.Fatalf("%+v, %v", got, err)
	}
	n.Log = "../x"
	if _, err := NewLocal(nil).CoreData(t.Context(), n); actions.CodeOf(err) != CodeBadValue {
		t.Fatal(err)
	}
}

func TestDataFolder(t *testing.T) {
	dir := t.TempDir()
	l := NewLocal(nil)
	n := node(dir)
	path := filepath.Join(dir, "Mnesia.iris_edge1@h1")
	got, err := l.dataFolder(t.Context(), n)
	if err != nil || got != (cluster.Folder{Path: path}) {
		t.Fatalf("missing: %+v, %v", got, err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	got, err = l.dataFolder(t.Context(), n)
	if err != nil || got != (cluster.Folder{Path: path, Exists: true}) {
		t.Fatalf("empty: %+v, %v", got, err)
	}
	write(t, filepath.Join(path, "schema.DAT"), "12345")
	write(t, filepath.Join(path, "LATEST.LOG"), "123")
	newest := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, at := range map[string]time.Time{"schema.DAT": newest, "LATEST.LOG": newest.Add(-time.Hour)} {
		if err := os.Chtimes(filepath.Join(path, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	got, err = l.dataFolder(t.Context(), n)
	if err != nil || got.Files != 2 || got.Bytes != 8 || !got.Newest.Equal(newest) {
		t.Fatalf("filled: %+v, %v", got, err)
	}
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	write(t, path, "not a folder")
	if _, err := l.dataFolder(t.Context(), n); actions.CodeOf(err) != CodeBadValue {
		t.Fatal(err)
	}
	n.Host = "h2"
	if _, err := l.dataFolder(t.Context(), n); actions.CodeOf(err) != actions.CodeNotHere {
		t.Fatal(err)
	}
}

func TestMask(t *testing.T) {
	tests := []struct{ text, want string }{
		{"erl -sname a -setcookie iris_secret -config x", "erl -sname a -setcookie *** -config x"},
		{"-setcookie 'a b' -x", "-setcookie *** -x"},
		{`-setcookie "a b" -x`, "-setcookie *** -x"},
		{"-setcookie=s3", "-setcookie=***"},
		{"make start_core_dist COOKIE=s3 NAME=x", "make start_core_dist COOKIE=*** NAME=x"},
		{"COOKIE := s3", "COOKIE := ***"},
		{`["-sname","a","-setcookie","s3","-noshell"]`, `["-sname","a","-setcookie","***","-noshell"]`},
		{`{setcookie,[["s3"]]}`, `{setcookie,[["***"]]}`},
		{`{cookie,s3}`, `{cookie,***}`},
		{`"cookie":"s3"`, `"cookie":"***"`},
		{"nothing to hide", "nothing to hide"},
		{"the cookie is wrong", "the cookie is wrong"},
		{"known: topsecret.", "known: ***."},
		{"abc", "abc"},
	}
	for _, tt := range tests {
		if got := Mask(tt.text, "topsecret", "abc", ""); got != tt.want {
			t.Errorf("%s became %s, want %s", tt.text, got, tt.want)
		}
	}
}

// Whatever a log holds, what is shown is short, valid and without the secret.
func TestShownLinesAreSafe(t *testing.T) {
	l := NewLocal(nil, "iris_secret")
	rapid.Check(t, func(t *rapid.T) {
		before, after := rapid.SliceOf(rapid.Byte()).Draw(t, "before"), rapid.SliceOf(rapid.Byte()).Draw(t, "after")
		text := append(append(before, "iris_secret"...), after...)
		for _, line := range l.secrets.lines(text) {
			if !utf8.ValidString(line) || len(line) > maxLine || strings.Contains(line, "iris_secret") || strings.ContainsAny(line, "\x00\n\x1b") {
				t.Fatalf("%q", line)
			}
		}
	})
}
