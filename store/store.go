package store

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"irisops/actions"
	"irisops/bot/change"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// DB is an open database. Its methods may be called from any goroutine.
type DB struct {
	bolt      *bbolt.DB
	path      string
	notices   []string
	failpoint func(string)

	// Whoever holds turn commits for all that stand in the queue; see group.go.
	turn   chan struct{}
	mu     sync.Mutex
	queue  []*call
	broken error // set under turn: nothing is written any more

	// dead is set when bbolt met a fault while it held its own locks: a further
	// call to it would wait for ever.
	dead atomic.Pointer[fault]
}

// Options of Open.
type Options struct {
	// Failpoint is for tests: it is called with the name of each point at which
	// the process may die: "create/written", "create/linked", "migrate/before",
	// "migrate/after", and around every transaction "commit/before" and
	// "commit/after". Nil in production.
	Failpoint func(name string)

	noSync bool // tests of logic need no disk
}

// Notices are sentences about the opening that a person should read: that a new
// database was made, or that an old crash left a mark.
func (db *DB) Notices() []string { return db.notices }

// Path is the path that was given to Open.
func (db *DB) Path() string { return db.path }

// Close waits for the transactions under way and closes the file. Later calls
// fail with CodeClosed.
func (db *DB) Close() error {
	db.turn <- struct{}{}
	defer func() { <-db.turn }()
	if f := db.dead.Load(); f != nil {
		return corrupt(db.path, *f)
	}
	return db.bolt.Close()
}

// view reads in one transaction. A damaged page that is met here is an error of
// this reading, and no end of the process.
func (db *DB) view(do func(*tx) error) error {
	return db.readFailed(db.through(func(began func()) error {
		return db.bolt.View(func(bt *bbolt.Tx) error {
			began()
			return do(newTx(bt))
		})
	}))
}

// through runs a transaction, with faults as errors. run calls began once the
// transaction has begun; a fault before that leaves bbolt's locks taken.
func (db *DB) through(run func(began func()) error) error {
	if f := db.dead.Load(); f != nil {
		return *f
	}
	begun := false
	err := guard(func() error { return run(func() { begun = true }) })
	if f, ok := errors.AsType[fault](err); ok && !begun {
		db.dead.Store(&f)
	}
	return err
}

// readFailed classifies an error of reading.
func (db *DB) readFailed(err error) error {
	if err == nil || actions.CodeOf(err) != "" {
		return err
	}
	switch {
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return &actions.Error{Code: CodeClosed, Err: err, Text: "The database is closed: irisops is stopping."}
	case errors.Is(err, bolterrors.ErrInvalidMapping):
		return &actions.Error{
			Code: CodeFailed, Err: err,
			Text: fmt.Sprintf("The database %s cannot be read any more: %v.", db.path, err),
			Hint: "Is the machine out of memory? Restart irisops.",
		}
	}
	return corrupt(db.path, err)
}

// fault is a panic of bbolt, or of memory behind the mapped file: damage that
// came after Open had checked the file, or a disk that fails.
type fault struct{ reason any }

func (f fault) Error() string { return fmt.Sprintf("a damaged place was met: %v", f.reason) }

// guard turns a fault into an error. Panics of the caller's own functions pass.
func guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch p := recover().(type) {
		case nil:
		case foreignPanic:
			panic(p)
		default:
			err = fault{p}
		}
	}()
	return do()
}

// foreignPanic is a panic of a function that the caller gave.
type foreignPanic struct {
	reason any
	stack  []byte
}

func (p foreignPanic) String() string { return fmt.Sprintf("%v\n\n%s", p.reason, p.stack) }

// ask calls the caller's function inside of a transaction.
func ask(build func(uint64) change.Change, number uint64) change.Change {
	defer func() {
		if p := recover(); p != nil {
			panic(foreign(p))
		}
	}()
	return build(number)
}

func foreign(reason any) foreignPanic { return foreignPanic{reason, debug.Stack()} }
