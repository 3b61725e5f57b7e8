package keep_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"irisops/actions"
	"irisops/actions/keep"
)

func TestAFileIsWholeAndStaysAsItIs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "exports")
	d := keep.In(path)
	if names, err := d.Names(); err != nil || names != nil {
		t.Errorf("before there is a folder: %v, %v", names, err)
	}
	if _, err := d.Read("a.export"); !errors.Is(err, fs.ErrNotExist) || actions.CodeOf(err) != "no-such-file" {
		t.Errorf("reading what is not there: %v", err)
	}
	for range 2 { // the same again is no fault
		if err := d.Write("a.export", []byte("one")); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Write("a.export", []byte("two")); actions.CodeOf(err) != "exists" {
		t.Errorf("another content: %v", err)
	}
	if got, err := d.Read("a.export"); err != nil || string(got) != "one" {
		t.Errorf("read %q, %v", got, err)
	}
	if names, err := d.Names(); err != nil || !slices.Equal(names, []string{"a.export"}) {
		t.Errorf("names %v, %v", names, err)
	}
	all, err := os.ReadDir(path)
	if err != nil || len(all) != 1 {
		t.Errorf("something else is left in the folder: %v, %v", all, err)
	}
	for file, mode := range map[string]fs.FileMode{path: 0o700, d.Path("a.export"): 0o600} {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s has the mode %v, want %v (%v)", file, info.Mode().Perm(), mode, err)
		}
	}
}

func TestNamesAreNoPaths(t *testing.T) {
	d := keep.In(t.TempDir())
	for _, name := range []string{"", ".", "..", "../a", "a/b", ".new-1", "a b", "a\x00", "ä"} {
		if err := d.Write(name, nil); actions.CodeOf(err) != "bad-name" {
			t.Errorf("writing %q: %v", name, err)
		}
		if _, err := d.Read(name); actions.CodeOf(err) != "bad-name" {
			t.Errorf("reading %q: %v", name, err)
		}
	}
}
