package slack

import (
	"context"
	"sync"
	"time"
)

// turns keep what one person says, and what is said in one thread, in its order:
// each thing is carried out once those before it are. What takes longer than
// turnWait is overtaken, so that an acknowledgement does not wait for a node that
// hangs.
type turns struct {
	mu   sync.Mutex
	last map[string]chan struct{} // by person and by thread
}

const turnWait = 5 * time.Second

// turn is one place in the line.
type turn struct {
	turns  *turns
	keys   []string
	before []chan struct{}
	done   chan struct{}
}

// take lines up behind everything that shares one of the keys.
func (t *turns) take(keys ...string) *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[string]chan struct{}{}
	}
	own := &turn{turns: t, keys: keys, done: make(chan struct{})}
	for _, key := range keys {
		if before := t.last[key]; before != nil {
			own.before = append(own.before, before)
		}
		t.last[key] = own.done
	}
	return own
}

// wait returns when it is this one's turn.
func (t *turn) wait(ctx context.Context) {
	if len(t.before) == 0 {
		return
	}
	patience := time.NewTimer(turnWait)
	defer patience.Stop()
	for _, before := range t.before {
		select {
		case <-before:
		case <-patience.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// free says whether it is this one's turn already.
func (t *turn) free() bool {
	for _, before := range t.before {
		select {
		case <-before:
		default:
			return false
		}
	}
	return true
}

// end lets the next ones pass.
func (t *turn) end() {
	t.turns.mu.Lock()
	defer t.turns.mu.Unlock()
	close(t.done)
	for _, key := range t.keys {
		if t.turns.last[key] == t.done {
			delete(t.turns.last, key)
		}
	}
}
