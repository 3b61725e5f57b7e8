package bot

import (
	"context"
	"errors"
	"log/slog"
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

// booth is a wall where one person alone can be spoken to, or refuses that.
type booth struct {
	wall
	err error
}

func (b *booth) PublishDirect(ctx context.Context, p Post) error {
	if b.err != nil {
		return b.err
	}
	return b.Publish(ctx, p)
}

func TestADirectMessageIsASender(t *testing.T) {
	open := func(rooms ...Room) func(testing.TB) (pager.Sender, func() []string) {
		return func(testing.TB) (pager.Sender, func() []string) {
			b := &booth{}
			return direct{&Bot{joined: append(rooms, b), log: slog.New(slog.DiscardHandler)}}, b.read
		}
	}
	refusing := func(err error) func(testing.TB) (pager.Sender, func() []string) {
		return func(testing.TB) (pager.Sender, func() []string) {
			b := &booth{err: err}
			return direct{&Bot{joined: []Room{b}, log: slog.New(slog.DiscardHandler)}}, b.read
		}
	}
	pagertest.Test(t, pagertest.Backend{Channel: pager.DirectMessage, Cases: []pagertest.Case{
		{Name: "the room takes it", Want: pager.Arrived, Open: open()},
		{Name: "and another one does not", Want: pager.Arrived, Open: open(&wall{broken: true})},
		{Name: "the person cannot be spoken to", Want: pager.Refused, Open: refusing(pager.Final(errors.New("no such user")))},
		{Name: "the room does not answer", Want: pager.NotArrived, Open: refusing(errors.New("the line is dead"))},
		{Name: "no room can", Want: pager.Refused, Open: func(testing.TB) (pager.Sender, func() []string) {
			return direct{&Bot{joined: []Room{&wall{}}, log: slog.New(slog.DiscardHandler)}}, func() []string { return nil }
		}},
	}})
}
