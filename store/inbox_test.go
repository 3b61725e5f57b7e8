package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/inbox"

	"github.com/google/go-cmp/cmp"
)

func delivery(id string, at time.Time) inbox.Delivery {
	return inbox.Delivery{ID: id, Via: "terminal", Caller: "unix:1000", Text: "status", Received: at}
}

func TestReceiveOnceAndAnswer(t *testing.T) {
	db := memory(t)
	for _, d := range []inbox.Delivery{delivery("b", t0.Add(2)), delivery("a", t0.Add(1)), delivery("c", t0.Add(2))} {
		if fresh := value(db.Receive(t.Context(), d))(t); !fresh {
			t.Errorf("%s is not fresh", d.ID)
		}
	}
	again := delivery("a", t0.Add(time.Hour))
	again.Text = "something else"
	if fresh := value(db.Receive(t.Context(), again))(t); fresh {
		t.Error("the same again is fresh")
	}
	want := []inbox.Delivery{delivery("a", t0.Add(1)), delivery("b", t0.Add(2)), delivery("c", t0.Add(2))}
	if diff := cmp.Diff(want, value(db.Unanswered())(t)); diff != "" {
		t.Error(diff)
	}
	must(t, db.Answer(t.Context(), "b", t0.Add(time.Minute)))
	must(t, db.Answer(t.Context(), "b", t0.Add(time.Hour)))
	if diff := cmp.Diff([]inbox.Delivery{want[0], want[2]}, value(db.Unanswered())(t)); diff != "" {
		t.Error(diff)
	}
	if err := db.Answer(t.Context(), "x", t0); !errors.Is(err, change.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	wantCode(t, db.Answer(t.Context(), "a", time.Time{}), CodeInvalid)
	_, err := db.Receive(t.Context(), inbox.Delivery{})
	wantCode(t, err, CodeInvalid)
}

func TestPruneKeepsWhatIsNotAnswered(t *testing.T) {
	db := memory(t)
	const n = pruneBatch*2 + 3
	for i := range n {
		id := fmt.Sprint(i)
		value(db.Receive(t.Context(), delivery(id, t0)))(t)
		if i != 7 {
			must(t, db.Answer(t.Context(), id, t0.Add(time.Duration(i))))
		}
	}
	if removed := value(db.Prune(t.Context(), t0.Add(n-1)))(t); removed != n-2 {
		t.Errorf("%d removed of %d", removed, n)
	}
	if fresh := value(db.Receive(t.Context(), delivery("0", t0)))(t); !fresh {
		t.Error("what was pruned is still known")
	}
	for _, id := range []string{"7", fmt.Sprint(n - 1)} {
		if fresh := value(db.Receive(t.Context(), delivery(id, t0)))(t); fresh {
			t.Errorf("%s was forgotten", id)
		}
	}
}

// What a delivery asks for is done once, however many try at the same time.
func TestADeliveryIsCarriedOutOnce(t *testing.T) {
	db := open(t, "", Options{})
	value(db.Receive(t.Context(), delivery("d", t0)))(t)
	var done atomic.Int32
	var group sync.WaitGroup
	for n := range 9 {
		group.Go(func() {
			var err error
			switch n % 2 {
			case 0:
				_, _, err = db.Declare(t.Context(), "", func(number uint64) change.Change {
					c := declaring("down", t0)(number)
					c.Delivery = "d"
					return c
				})
			case 1:
				_, err = db.Request(t.Context(), func(number uint64) change.Change {
					c := requesting("main/edge1")(number)
					c.Delivery = "d"
					return c
				})
			}
			if err == nil {
				done.Add(1)
			} else if !errors.Is(err, change.ErrCarriedOut) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	made := len(value(db.OpenIncidents())(t)) + len(value(db.Runs(runbook.Waiting))(t))
	if done.Load() != 1 || made != 1 {
		t.Errorf("carried out %d times, %d things made", done.Load(), made)
	}
	left := value(db.Unanswered())(t)
	if len(left) != 1 || left[0].CarriedOut.IsZero() {
		t.Errorf("unanswered: %+v", left)
	}
	wantCode(t, db.Commit(t.Context(), change.Change{Delivery: "d"}), CodeCarriedOut)
	wantCode(t, db.Commit(t.Context(), change.Change{Delivery: "never came"}), CodeInvalid)
	audited(t, db, t0)
}

func TestHaltSurvivesARestart(t *testing.T) {
	db := memory(t)
	if h := value(db.Halted())(t); h != nil {
		t.Errorf("halted from the beginning: %+v", h)
	}
	must(t, db.SetHalt(t.Context(), nil))
	want := &change.Halt{By: "operator", At: t0, Reason: "the wrong cluster"}
	must(t, db.SetHalt(t.Context(), want))
	path := db.Path()
	must(t, db.Close())
	db = open(t, path, Options{noSync: true})
	if diff := cmp.Diff(want, value(db.Halted())(t)); diff != "" {
		t.Error(diff)
	}
	must(t, db.SetHalt(t.Context(), nil))
	if h := value(db.Halted())(t); h != nil {
		t.Errorf("still halted: %+v", h)
	}
}
