package bot

import (
	"context"
	"errors"
	"sync"
	"testing"

	"irisops/bot/pager"
	"irisops/bot/pager/pagertest"
)

// wall is a room that keeps the titles on it, or takes none.
type wall struct {
	mu     sync.Mutex
	titles []string
	broken bool
}

func (w *wall) Publish(ctx context.Context, p Post) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.broken {
		return errors.New("the wall is wet")
	}
	w.titles = append(w.titles, p.Message.Title)
	return nil
}

func (w *wall) read() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.titles...)
}

func TestTheConversationIsASender(t *testing.T) {
	open := func(broken bool) func(testing.TB) (pager.Sender, func() []string) {
		return func(testing.TB) (pager.Sender, func() []string) {
			w := &wall{broken: broken}
			return conversation{&Bot{joined: []Room{w}}}, w.read
		}
	}
	pagertest.Test(t, pagertest.Backend{Channel: "conversation", Cases: []pagertest.Case{
		{Name: "a room takes it", Want: pager.Arrived, Open: open(false)},
		{Name: "a room does not", Want: pager.NotArrived, Open: open(true)},
	}})
}
