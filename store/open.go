package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"irisops/actions"

	"go.etcd.io/bbolt"
)

// lockPatience is how long Open waits for another process to let go of the file:
// enough for one that is just ending.
const lockPatience = time.Second

// Open opens the database at path, and makes it, with its folder, if there is no
// such file. It reads all of the file first and refuses a damaged one; it never
// writes to a file that it refuses. Failures have the codes CodeLocked,
// CodeCorrupt, CodeNewer, CodeUnusable and actions.CodeDiskFull.
func Open(path string, opts Options) (*DB, error) {
	db := &DB{path: path, turn: make(chan struct{}, 1), failpoint: opts.Failpoint}
	if db.failpoint == nil {
		db.failpoint = func(string) {}
	}
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err := db.create(); err != nil {
			return nil, unusable(path, "made", err)
		}
		db.notices = append(db.notices, fmt.Sprintf("A new, empty database was made at %s.", path))
		file, err = os.OpenFile(path, os.O_RDWR, 0)
	}
	if err != nil {
		return nil, unusable(path, "opened", err)
	}
	if err := db.open(file, opts); err != nil {
		file.Close() // bbolt may have closed it; then this does nothing
		return nil, err
	}
	return db, nil
}

// open takes the lock, checks the file and hands it to bbolt, still locked, so
// that nobody can change it between the check and its use.
func (db *DB) open(file *os.File, opts Options) error {
	if err := lock(file, lockPatience); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return locked(db.path, file)
		}
		return unusable(db.path, "locked", err)
	}
	info, err := file.Stat()
	if err != nil {
		return unusable(db.path, "read", err)
	}
	if !info.Mode().IsRegular() {
		return unusable(db.path, "used", errors.New("it is no plain file"))
	}
	state, err := verify(file, info.Size())
	if err != nil {
		return refused(db.path, err)
	}
	if known := uint64(len(migrations)); state.schema > known {
		return newer(db.path, state.schema, known)
	}
	if state.tornHeader {
		db.notices = append(db.notices, fmt.Sprintf(
			"One of the two header pages of %s is damaged, as after a power failure in the middle of writing. "+
				"Everything else is in order; the very last change before that may be missing: look at the open incidents.", db.path))
	}
	if state.stray > 0 {
		db.notices = append(db.notices, fmt.Sprintf(
			"%d pages of %s belong to nothing. That wastes a little space; but if its disk has failed before, look whether all open incidents are there.", state.stray, db.path))
	}
	db.sweep()
	err = guard(func() error {
		bolt, err := bbolt.Open(db.path, 0o600, boltOptions(opts, file))
		if err != nil {
			return err
		}
		if err := migrate(bolt, state.schema, migrations, db.failpoint); err != nil {
			return errors.Join(err, bolt.Close())
		}
		db.bolt = bolt
		return nil
	})
	if _, damaged := errors.AsType[fault](err); damaged {
		return corrupt(db.path, err)
	}
	if err != nil {
		return unusable(db.path, "opened", err)
	}
	return nil
}

func boltOptions(opts Options, file *os.File) *bbolt.Options {
	o := &bbolt.Options{
		Timeout:      lockPatience,
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		NoSync:       opts.noSync,
	}
	if file != nil {
		o.OpenFile = func(string, int, os.FileMode) (*os.File, error) { return file, nil }
	}
	return o
}

// create makes the database under another name and then links it to its own, so
// that a file at path is always complete: an empty one there is a loss, not a
// beginning, and two processes that start at once do not disturb each other.
func (db *DB) create() (err error) {
	dir := filepath.Dir(db.path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, filepath.Base(db.path)+unfinished) // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	if err := temp.Close(); err != nil {
		return err
	}
	bolt, err := bbolt.Open(temp.Name(), 0o600, boltOptions(Options{}, nil))
	if err != nil {
		return err
	}
	if err := errors.Join(migrate(bolt, 0, migrations, db.failpoint), bolt.Close()); err != nil {
		return err
	}
	db.failpoint("create/written")
	if err := os.Link(temp.Name(), db.path); err != nil {
		if _, other := os.Stat(db.path); other != nil {
			return err
		}
		// Another process that started at the same time was faster.
	}
	db.failpoint("create/linked")
	return syncDir(dir)
}

// unfinished is the pattern of the names under which databases are made.
const unfinished = ".new-*"

// sweep removes what a crash in create has left. The caller holds the lock.
func (db *DB) sweep() {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(db.path), filepath.Base(db.path)+unfinished))
	if err != nil {
		return // the path has characters that Glob takes for a pattern: nothing is removed
	}
	for _, name := range left {
		os.Remove(name)
	}
}

// syncDir makes a new name in the folder durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func refused(path string, cause error) error {
	err := corrupt(path, cause)
	switch {
	case errors.Is(cause, errEmpty):
		err.Text = fmt.Sprintf("The database %s has lost its content: %v. It was left as it is.", path, cause)
	case errors.Is(cause, errForeign):
		err.Text = fmt.Sprintf("The file %s cannot be used: %v. It was left as it is.", path, cause)
	}
	return err
}

func newer(path string, schema, known uint64) error {
	return &actions.Error{
		Code: CodeNewer,
		Text: fmt.Sprintf("The database %s was written by a newer irisops: it has schema %d, this irisops knows up to %d. It was left as it is.", path, schema, known),
		Hint: "Start the newer irisops again. To stay with this one, move the file aside and copy a backup from before the upgrade to " + path + ".",
	}
}

func unusable(path, verb string, cause error) error {
	if known := (*actions.Error)(nil); errors.As(cause, &known) {
		return known
	}
	if diskFull(cause) {
		return &actions.Error{
			Code: actions.CodeDiskFull, Err: cause,
			Text: fmt.Sprintf("The database %s could not be %s: the disk is full.", path, verb),
			Hint: "Free some space on that disk and start irisops again.",
		}
	}
	hint := "Check the data folder in the config."
	if errors.Is(cause, fs.ErrPermission) {
		hint = "irisops needs to read and write it: check its owner and mode, and the data folder in the config."
	}
	return &actions.Error{
		Code: CodeUnusable, Err: cause, Hint: hint,
		Text: fmt.Sprintf("The database %s cannot be %s: %v.", path, verb, cause),
	}
}
