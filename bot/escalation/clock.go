package escalation

import "time"

// clockWatch notices a clock on the wall that was set back, by comparing it with
// the one that only counts (and stands still while the machine sleeps).
type clockWatch struct {
	wall    func() time.Time
	seen    time.Time // on the wall
	counted time.Time // at the same moment
}

// slack is what the two clocks may differ by between two looks: steering a clock
// slowly is no jump.
const slack = 2 * time.Second

func newClockWatch(wall func() time.Time) *clockWatch {
	return &clockWatch{wall: wall, seen: wall(), counted: time.Now()}
}

// setBack is by how much the clock was set back since the last look; 0 if it
// was not.
func (w *clockWatch) setBack() time.Duration {
	wall, counted := w.wall(), time.Now()
	back := counted.Sub(w.counted) - wall.Sub(w.seen)
	w.seen, w.counted = wall, counted
	if back < slack {
		return 0
	}
	return back.Round(time.Second)
}
