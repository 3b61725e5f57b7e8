package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"irisops/actions"

	"go.etcd.io/bbolt"
)

// Group commit: an fsync costs the same for one change as for a thousand. A
// caller puts its change into the queue and then either gets the turn and
// commits all that is queued in one transaction, or finds that someone else has
// committed it meanwhile. A caller alone never waits for company, unless nobody
// waits for it either.
//
// (bbolt's own Batch makes a lone caller wait for its delay, and runs each
// refused function a second time in a transaction of its own.)

// call is one change on its way. do may run more than once.
type call struct {
	do    func(*tx) error
	what  string
	err   error
	panic *foreignPanic
	done  chan struct{}
}

// update has do committed. The caller gets do's error, or why the transaction
// failed; either way nothing of do is then recorded, unless the error says that
// it is not known. what names the change in that sentence. Ending ctx takes
// back what no transaction has begun with.
func (db *DB) update(ctx context.Context, what string, do func(*tx) error) error {
	return db.updateWithin(ctx, 0, what, do)
}

// company is how long what is in no hurry waits for a commit that it can share.
const company = 25 * time.Millisecond

// updateWithin has do committed with whatever is committed next, but waits no
// longer than that for it.
func (db *DB) updateWithin(ctx context.Context, wait time.Duration, what string, do func(*tx) error) error {
	if err := ctx.Err(); err != nil {
		return cancelled(what, err)
	}
	c := &call{do: do, what: what, done: make(chan struct{})}
	db.mu.Lock()
	db.queue = append(db.queue, c)
	db.mu.Unlock()
	if wait > 0 {
		patience := time.NewTimer(wait)
		defer patience.Stop()
		select {
		case <-c.done:
		case <-patience.C:
		case <-ctx.Done():
		}
	}
	select {
	case <-c.done:
	case db.turn <- struct{}{}:
		db.lead()
	case <-ctx.Done():
		if db.withdraw(c) {
			return cancelled(what, ctx.Err())
		}
		<-c.done
	}
	if c.panic != nil {
		panic(c.panic.String())
	}
	if c.err != nil && actions.CodeOf(c.err) == "" {
		return corrupt(db.path, c.err)
	}
	return c.err
}

func (db *DB) withdraw(c *call) bool {
	db.mu.Lock()
	defer db.mu.Unlock()
	at := slices.Index(db.queue, c)
	if at < 0 {
		return false
	}
	db.queue = slices.Delete(db.queue, at, at+1)
	return true
}

// lead commits all that is queued and passes on the turn, which the caller holds.
func (db *DB) lead() {
	defer func() { <-db.turn }()
	db.mu.Lock()
	batch := db.queue
	db.queue = nil
	db.mu.Unlock()
	for rest := batch; len(rest) > 0; {
		rest = db.attempt(rest)
	}
	for _, c := range batch {
		close(c.done)
	}
}

// errAgain rolls the transaction back because one call failed half-way.
var errAgain = errors.New("again without the failed one")

// attempt runs the calls in one transaction and commits it. A call that fails
// before it has written anything leaves no trace, and the others go on; after
// one that fails later the transaction is begun again without it: attempt then
// returns the calls that are still to be done.
func (db *DB) attempt(batch []*call) (rest []*call) {
	if earlier := db.stopped(); earlier != nil {
		for _, c := range batch {
			c.err = stoppedWriting(db.path, c.what, earlier)
		}
		return nil
	}
	id := 0
	written := 0
	err := db.through(func(began func()) error {
		return db.bolt.Update(func(bt *bbolt.Tx) error {
			began()
			id = bt.ID()
			t := newTx(bt)
			for n, c := range batch {
				before := t.writes
				c.run(t)
				if c.err != nil && t.writes > before {
					rest = slices.Delete(slices.Clone(batch), n, n+1)
					return errAgain
				}
			}
			if written = t.writes; written == 0 {
				return errNothing
			}
			db.failpoint("commit/before")
			return nil
		})
	})
	switch {
	case err == nil:
		db.failpoint("commit/after")
		return nil
	case errors.Is(err, errAgain):
		return rest
	case errors.Is(err, errNothing):
		return nil
	}
	landed := false
	if f, ok := errors.AsType[fault](err); ok {
		db.dead.Store(&f) // in the middle of a commit: bbolt may hold its locks
	} else if landed = written > 0 && db.landed(id); landed {
		db.broken = err // what is in memory may not be what is on the disk
	}
	for _, c := range batch {
		if c.err == nil { // what it saw may come from the calls before it
			c.err = writeFailed(db.path, c.what, err, landed)
		}
	}
	return nil
}

// errNothing rolls back a transaction in which there was nothing to write.
var errNothing = errors.New("nothing to write")

// run runs one call within a transaction.
func (c *call) run(t *tx) {
	c.err, c.panic = nil, nil
	defer func() {
		switch p := recover().(type) {
		case nil:
		case foreignPanic:
			c.err, c.panic = errors.New("panic"), &p
		default:
			c.err = fault{p}
		}
	}()
	c.err = c.do(t)
}

// stopped is the failure after which nothing is written any more; nil while all
// is well.
func (db *DB) stopped() error {
	if f := db.dead.Load(); f != nil {
		return *f
	}
	return db.broken
}

// landed says whether the transaction with that id is the one now visible.
func (db *DB) landed(id int) bool {
	var newest int
	err := db.through(func(began func()) error {
		return db.bolt.View(func(bt *bbolt.Tx) error { began(); newest = bt.ID(); return nil })
	})
	return err == nil && newest >= id
}
