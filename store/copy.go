package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"irisops/actions"
)

// Copy writes the database as it stands, while it is used: whatever was
// committed before is in it, and nothing by half. size is told first how many
// bytes follow.
func (db *DB) Copy(size func(int64) error, to io.Writer) error {
	return db.readFailed(db.through(func(began func()) error {
		return db.bolt.View(func(bt *bbolt.Tx) error {
			began()
			if err := size(bt.Size()); err != nil {
				return err
			}
			_, err := bt.WriteTo(to)
			return err
		})
	}))
}

// CopyUnused writes the database at path as it stands, with the schema that it
// has, while nobody has it open; it says so if somebody has. It changes nothing.
func CopyUnused(path string, to io.Writer) (size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, unusable(path, "opened", err)
	}
	defer file.Close() // and with it the lock
	if err := lock(file, lockPatience); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return 0, locked(path, file)
		}
		return 0, unusable(path, "locked", err)
	}
	return io.Copy(to, file)
}

// Check reads the whole file at path and says which schema it has, or why it
// cannot be used. It changes nothing, and the file must not be in use.
func Check(path string) (schema uint64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, unusable(path, "opened", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, unusable(path, "read", err)
	}
	if !info.Mode().IsRegular() {
		return 0, unusable(path, "used", errors.New("it is no plain file"))
	}
	state, err := verify(file, info.Size())
	if err != nil {
		return 0, refused(path, err)
	}
	if known := uint64(len(migrations)); state.schema > known {
		return state.schema, newer(path, state.schema, known)
	}
	return state.schema, nil
}

// Restore puts a copy of the checked backup in the place of the database at
// path, and keeps the one that stood there under the returned name ("" if none
// did). Nobody may have the database open; it says so if somebody has. Until the
// very last step the old one stands; a crash leaves one or the other, whole.
func Restore(path, backup string, now time.Time) (kept string, err error) {
	if _, err := Check(backup); err != nil {
		return "", err
	}
	old, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return "", unusable(path, "opened", err)
	default:
		defer old.Close() // and with it the lock
		if err := lock(old, lockPatience); err != nil {
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return "", locked(path, old)
			}
			return "", unusable(path, "locked", err)
		}
		if same(old, backup) {
			return "", &actions.Error{Code: CodeUnusable, Text: fmt.Sprintf("%s is the database itself.", backup), Hint: "Name the backup to restore."}
		}
		kept = fmt.Sprintf("%s.before-restore-%s", path, now.UTC().Format("20060102T150405Z"))
		if err := os.Link(path, kept); err != nil {
			return "", unusable(path, "kept aside", err)
		}
	}
	if err := place(backup, path); err != nil {
		return kept, unusable(path, "replaced", err)
	}
	return kept, nil
}

func same(file *os.File, path string) bool {
	a, err := file.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// place copies from over to, which is one or the other at any moment.
func place(from, to string) error {
	dir := filepath.Dir(to)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	temp, err := os.CreateTemp(dir, filepath.Base(to)+unfinished) // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := give(temp, to); err != nil {
		return errors.Join(err, temp.Close())
	}
	if _, err := io.Copy(temp, in); err != nil {
		return errors.Join(err, temp.Close())
	}
	if err := errors.Join(temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), to); err != nil {
		return err
	}
	return syncDir(dir)
}

// give makes the file's owner that of the one whose place it takes, or of its
// folder: root restores, and irisops has to be able to open it.
func give(file *os.File, to string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	old, err := os.Stat(to)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = os.Stat(filepath.Dir(to))
	}
	if err != nil {
		return err
	}
	owner, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}
