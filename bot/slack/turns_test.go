package slack

import (
	"testing"
	"testing/synctest"
)

// What comes a second time lets nothing pass that comes after the first.
func TestASecondDeliveryLetsNothingPassTheFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var l Listener
		first := l.turns.take("user U01")
		again := &parcel{turn: l.turns.take("user U01"), fate: known}
		next := l.turns.take("user U01")
		go func() {
			defer again.end()
			l.carryOut(again)
		}()
		synctest.Wait()
		if next.free() {
			t.Error("the first is under way, and what came after it is let pass")
		}
		first.end()
		synctest.Wait()
		if !next.free() {
			t.Error("what came after both still waits")
		}
		next.end()
	})
}
