package store

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"irisops/actions"

	"go.etcd.io/bbolt"
)

func TestModes(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0))
	db := open(t, filepath.Join(t.TempDir(), "a", "b", "irisops.db"), Options{})
	for path, want := range map[string]os.FileMode{
		db.Path():                             0o600,
		filepath.Dir(db.Path()):               os.ModeDir | 0o700,
		filepath.Dir(filepath.Dir(db.Path())): os.ModeDir | 0o700,
	} {
		info, err := os.Stat(path)
		must(t, err)
		if info.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want)
		}
	}
	if names, _ := filepath.Glob(db.Path() + "*"); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
	if n := db.Notices(); len(n) != 1 || !strings.Contains(n[0], "new, empty database") {
		t.Errorf("notices: %q", n)
	}
	must(t, db.Close())
	if n := open(t, db.Path(), Options{}).Notices(); len(n) != 0 {
		t.Errorf("notices of the second opening: %q", n)
	}
}

// Every refusal has its code, says what happened and what to do, and leaves the
// file as it was.
func TestRefusedFiles(t *testing.T) {
	good := contentOf(t, worn(t))
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	must(t, withBolt(foreign, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("theirs"))
		if err != nil {
			return err
		}
		return b.Put([]byte("k"), []byte("v"))
	}))
	theirs, err := os.ReadFile(foreign)
	must(t, err)
	later := filepath.Join(t.TempDir(), "later.db")
	must(t, os.WriteFile(later, good, 0o600))
	must(t, withBolt(later, func(tx *bbolt.Tx) error {
		if err := newTx(tx).put(bMeta, keySchema, numberKey(uint64(len(migrations))+1)); err != nil {
			return err
		}
		b, err := tx.CreateBucket([]byte("sealed in another way"))
		if err != nil {
			return err
		}
		return b.Put([]byte("k"), []byte("v"))
	}))
	newer, err := os.ReadFile(later)
	must(t, err)
	header, _, err := newestMeta(bytes.NewReader(good), int64(len(good)))
	must(t, err)
	middle := bytes.Clone(good)
	clear(middle[header.root*header.pageSize : (header.root+1)*header.pageSize])
	meta := bytes.Clone(good)
	clear(meta[:2*os.Getpagesize()])

	for name, c := range map[string]struct {
		content []byte
		code    string
		says    string
	}{
		"empty":       {nil, CodeCorrupt, "lost its content"},
		"text":        {[]byte("people: []\n"), CodeCorrupt, "is damaged"},
		"noise":       {bytes.Repeat([]byte{0x5a, 0xa5}, 50_000), CodeCorrupt, "header pages"},
		"cut in half": {good[:header.highWater/2*header.pageSize], CodeCorrupt, "its end is missing"},
		"one page":    {good[:os.Getpagesize()], CodeCorrupt, "its end is missing"},
		"zeros":       {make([]byte, 65536), CodeCorrupt, "header pages"},
		"no headers":  {meta, CodeCorrupt, "header pages"},
		"a hole":      {middle, CodeCorrupt, "page"},
		"foreign":     {theirs, CodeCorrupt, "it is no database of irisops"},
		"newer":       {newer, CodeNewer, fmt.Sprintf("newer irisops: it has schema %d, this irisops knows up to %d", len(migrations)+1, len(migrations))},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "irisops.db")
			must(t, os.WriteFile(path, c.content, 0o600))
			db, err := Open(path, Options{})
			if err == nil {
				db.Close()
				t.Fatal("it was opened")
			}
			wantCode(t, err, c.code)
			for _, want := range []string{c.says, path, "left as it is"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if hint := err.(*actions.Error).Hint; !strings.Contains(hint, "backup") {
				t.Errorf("the hint %q tells no way out", hint)
			}
			after, readErr := os.ReadFile(path)
			must(t, readErr)
			if !bytes.Equal(after, c.content) {
				t.Error("the file was changed")
			}
			if _, err := Open(path, Options{}); actions.CodeOf(err) != c.code {
				t.Errorf("the second time: %v", err)
			}
			// What the hint says works.
			must(t, os.Rename(path, path+".damaged"))
			must(t, os.WriteFile(path, good, 0o600))
			if list := value(open(t, path, Options{}).OpenIncidents())(t); len(list) != 40 {
				t.Errorf("%d open incidents in the backup", len(list))
			}
		})
	}
}

func withBolt(path string, do func(*bbolt.Tx) error) error {
	b, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	defer b.Close()
	return b.Update(do)
}

func TestUnusablePlaces(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	for name, path := range map[string]string{
		"a folder":        dir,
		"below a file":    filepath.Join(dir, "file", "irisops.db"),
		"no plain file":   "/dev/null",
		"no such machine": "/proc/irisops/irisops.db",
	} {
		_, err := Open(path, Options{})
		if actions.CodeOf(err) != CodeUnusable || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func init() {
	children["hold"] = func() {
		db, err := Open(os.Args[1], Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		defer db.Close()
		fmt.Println("open")
		bufio.NewReader(os.Stdin).ReadString('\n')
	}
}

// child starts this test binary as one of the children.
func child(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), childVar+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestLockedByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "irisops.db")
	cmd := child(t, "hold", path)
	out, err := cmd.StdoutPipe()
	must(t, err)
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process says %q", line)
	}
	_, err = Open(path, Options{})
	wantCode(t, err, CodeLocked)
	if want := fmt.Sprintf("Process %d (store.test)", cmd.Process.Pid); !strings.Contains(err.Error(), want) {
		t.Errorf("%q does not name %s", err, want)
	}
	// It ends while we wait: then the database opens.
	opened := make(chan error)
	go func() {
		db, err := Open(path, Options{})
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	must(t, in.Close())
	must(t, cmd.Wait())
	must(t, <-opened)
}

// Many start at the same time on nothing: one has the database, the others are
// told so, and nothing is left behind.
func TestStartingTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "irisops.db")
	var group sync.WaitGroup
	var mu sync.Mutex
	var got []*DB
	for range 5 {
		group.Go(func() {
			db, err := Open(path, Options{})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				got = append(got, db)
			} else if actions.CodeOf(err) != CodeLocked {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(got) != 1 {
		t.Fatalf("%d have it open", len(got))
	}
	must(t, got[0].Close())
	if names, _ := filepath.Glob(path + "*"); len(names) != 1 {
		t.Errorf("left behind: %q", names)
	}
}
