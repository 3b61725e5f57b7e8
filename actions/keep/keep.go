// Package keep is a folder of files that only irisops may read: exports of
// messages, and of the audit. A file is there whole or not at all, and is never
// changed once it is.
package keep

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"irisops/actions"
	"irisops/actions/cluster"
)

// Dir is one such folder. It is made when the first file is written.
type Dir struct{ path string }

var _ cluster.Files = Dir{}

// In is the folder at that path.
func In(path string) Dir { return Dir{path} }

// Path implements cluster.Files.
func (d Dir) Path(name string) string { return filepath.Join(d.path, name) }

// unfinished begins the names of files that are being written.
const unfinished = ".new-"

// check refuses what is not a plain name.
func check(name string) error {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '_' || r == '-'
	}
	if name == "" || len(name) > 128 || name[0] == '.' || strings.ContainsFunc(name, func(r rune) bool { return !plain(r) }) {
		return actions.Errorf("bad-name", "%.80q is not the name of a file that irisops keeps.", name)
	}
	return nil
}

// Write implements cluster.Files.
func (d Dir) Write(name string, content []byte) error {
	if err := check(name); err != nil {
		return err
	}
	switch old, err := d.Read(name); {
	case err == nil && bytes.Equal(old, content):
		return nil
	case err == nil:
		return actions.Errorf("exists", "%s is there already with other content; it was left as it is.", d.Path(name))
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := d.write(name, content); err != nil {
		return d.failed("cannot be written", name, err)
	}
	return nil
}

// write puts the content under another name on disk first, then gives it its
// own, which fails where somebody was faster.
func (d Dir) write(name string, content []byte) (err error) {
	if err := os.MkdirAll(d.path, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(d.path, unfinished+"*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), d.Path(name)); err != nil {
		return err
	}
	folder, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// Read implements cluster.Files.
func (d Dir) Read(name string) ([]byte, error) {
	if err := check(name); err != nil {
		return nil, err
	}
	content, err := os.ReadFile(d.Path(name))
	if err != nil {
		return nil, d.failed("cannot be read", name, err)
	}
	return content, nil
}

// Names implements cluster.Files.
func (d Dir) Names() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, d.failed("cannot be listed", "", err)
	}
	var names []string
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (d Dir) failed(how, name string, err error) error {
	e := &actions.Error{Code: "file", Text: fmt.Sprintf("%s %s: %v.", d.Path(name), how, err), Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Code, e.Text = "no-such-file", fmt.Sprintf("There is no file %s.", d.Path(name))
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Code, e.Hint = actions.CodeDiskFull, "Make room on the disk of data:, and say it again."
	case errors.Is(err, fs.ErrPermission):
		e.Hint = "The folder has to belong to the user that irisops runs as."
	}
	return e
}
