package schedule

import (
	"fmt"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Spec says when an entry is due: five fields of cron (minute, hour, day of
// month, month, day of week), @daily and the like, or @every 30m; in the zone of
// people's hours. Week, where it is not 0, takes only those days that are the
// first, second, ... of their kind in the month, which cron cannot say.
//
// Days on which the clocks change: a time that the change leaves out (02:30 in
// spring) is due at the first moment after the gap, and one that comes twice (in
// autumn) is due the first time only. So nothing is lost and nothing repeated.
// @every counts elapsed time and knows no clocks.
type Spec struct {
	text string
	week int
	zone *time.Location
	cron cron.Schedule
}

// Parse reads a spec. A field for seconds is not known: schedules are for people.
func Parse(text string, week int, zone *time.Location) (Spec, error) {
	text = strings.Join(strings.Fields(text), " ")
	if strings.Contains(text, "TZ=") {
		return Spec{}, fmt.Errorf("%q has a zone of its own: schedules go by time_zone", text)
	}
	if len(text) > 100 {
		return Spec{}, fmt.Errorf("that is too long for a time of cron: %d characters", len(text))
	}
	if week < 0 || week > 5 {
		return Spec{}, fmt.Errorf("week is 1 to 5: the first to the fifth of its kind in the month")
	}
	s, err := cron.ParseStandard(text)
	if err != nil {
		return Spec{}, fmt.Errorf("%q is no time of cron: %s. For example \"30 3 * * *\" (03:30 every day) or \"0 10 * * TUE\" (Tuesdays at 10:00)", text, plain(err))
	}
	_, every := s.(cron.ConstantDelaySchedule)
	if every && week > 0 {
		return Spec{}, fmt.Errorf("%q and week contradict each other: week needs days", text)
	}
	spec := Spec{text: text, week: week, zone: zone, cron: s}
	if spec.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Spec{}, fmt.Errorf("%q never comes", text)
	}
	return spec, nil
}

// plain is an error of the library without its own prefix.
func plain(err error) string { return strings.TrimPrefix(err.Error(), "failed to parse ") }

// String is the spec as it stands in records: it changes when the spec does.
func (s Spec) String() string {
	text := s.text + " " + s.zone.String()
	if s.week > 0 {
		text += fmt.Sprintf(" week %d", s.week)
	}
	return text
}

// Next is the first time after now; zero if it never comes again.
func (s Spec) Next(now time.Time) time.Time {
	if every, ok := s.cron.(cron.ConstantDelaySchedule); ok {
		return every.Next(now).UTC()
	}
	// cron counts on a wall whose clock never changes; where its hands stand is a
	// moment then. An hour before now, because that one may come twice.
	wall := onWall(now.In(s.zone)).Add(-time.Hour)
	for range 1000 {
		if wall = s.cron.Next(wall); wall.IsZero() {
			return time.Time{}
		}
		if s.week > 0 && (wall.Day()-1)/7+1 != s.week {
			continue
		}
		if at := moment(wall, s.zone); at.After(now) {
			return at.UTC()
		}
	}
	return time.Time{}
}

// tooFar says that a recorded time cannot have come from this spec at a clock
// like this one: the clock was set back meanwhile, by more than from one time to
// the next. Then it had been wrong, and what is recorded may be years away.
func (s Spec) tooFar(next, now time.Time) bool {
	if every, ok := s.cron.(cron.ConstantDelaySchedule); ok {
		return next.Sub(now) > 2*every.Delay+time.Second
	}
	second := s.Next(s.Next(now))
	return !second.IsZero() && next.After(second)
}

// onWall is where the hands of the clock stand, as a time without a zone.
func onWall(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// moment is when the hands of the zone's clock first stand so, or, where a
// change leaves that out, when it happens.
func moment(wall time.Time, zone *time.Location) time.Time {
	y, m, d := wall.Date()
	t := time.Date(y, m, d, wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := t.ZoneBounds()
	if !onWall(t).Equal(wall) { // left out: time.Date moves it to one side or the other
		if onWall(t).After(wall) {
			return start
		}
		return end
	}
	if start.IsZero() {
		return t
	}
	// Before the change at start the hands were further by the difference.
	_, after := t.Zone()
	_, before := start.Add(-time.Nanosecond).Zone()
	if earlier := t.Add(-time.Duration(before-after) * time.Second); earlier.Before(start) && before > after {
		return earlier
	}
	return t
}
