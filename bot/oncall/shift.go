package oncall

import (
	"fmt"
	"slices"
	"time"
)

// Shift is one rule of who holds a role: several people in turn, or one, all the
// time or in some hours of some days. Everything in it is by the clock on the
// team's wall.
type Shift struct {
	People   []string     // in their order
	Every    Period       // when the next one takes over; "" is never: the first holds it
	HandOver Clock        // at which hour
	Weekday  time.Weekday // of a weekly hand-over
	Start    Date         // the first of People begins at the first hand-over of this day or after it
	Days     []time.Weekday
	Hours    Hours // of those days; the zero Hours are the whole day
}

// Period is how often the next one takes over.
type Period string

const (
	Never  Period = ""
	Daily  Period = "day"
	Weekly Period = "week"
)

// Clock is a time of day, in minutes since midnight.
type Clock int

// At is the time of day of hour:minute.
func At(hour, minute int) Clock { return Clock(hour*60 + minute) }

// ParseClock reads "18:00".
func ParseClock(s string) (Clock, error) {
	t, err := time.Parse("15:04", s)
	if err != nil || len(s) != 5 {
		return 0, fmt.Errorf("%q is no time of day: write it like 09:00 or 18:30", s)
	}
	return At(t.Hour(), t.Minute()), nil
}

func (c Clock) String() string { return fmt.Sprintf("%02d:%02d", int(c)/60, int(c)%60) }

// Hours are from one time of day until another, which is on the next day if it is
// not later.
type Hours struct{ From, Until Clock }

// Always says that they are the whole day.
func (h Hours) Always() bool { return h.From == h.Until }

// Date is a day in the calendar.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

func dateOf(t time.Time) Date { y, m, d := t.Date(); return Date{y, m, d} }

func (d Date) plus(days int) Date {
	return dateOf(time.Date(d.Year, d.Month, d.Day+days, 12, 0, 0, 0, time.UTC))
}

func (d Date) weekday() time.Weekday {
	return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC).Weekday()
}

// since is how many days d is after other.
func (d Date) since(other Date) int {
	noon := func(d Date) time.Time { return time.Date(d.Year, d.Month, d.Day, 12, 0, 0, 0, time.UTC) }
	return int(noon(d).Sub(noon(other)).Hours()) / 24
}

// at is when the clock on the wall shows c on that day: the first time, where it
// does so twice because it is set back; when it is set forward, where it skips c.
func (d Date) at(c Clock, zone *time.Location) time.Time {
	wall := time.Date(d.Year, d.Month, d.Day, int(c)/60, int(c)%60, 0, 0, time.UTC)
	offset := func(t time.Time) time.Duration {
		_, seconds := t.In(zone).Zone()
		return time.Duration(seconds) * time.Second
	}
	before := wall.Add(-offset(wall.Add(-24 * time.Hour)))
	if shows(before, wall, zone) {
		return before
	}
	if after := wall.Add(-offset(wall.Add(24 * time.Hour))); shows(after, wall, zone) {
		return after
	}
	skipped, _ := before.In(zone).ZoneBounds()
	return skipped.UTC()
}

func shows(t, wall time.Time, zone *time.Location) bool {
	l := t.In(zone)
	return l.Hour() == wall.Hour() && l.Minute() == wall.Minute() && dateOf(l) == dateOf(wall)
}

// person is who has the turn at t, whether or not the shift covers t.
func (s Shift) person(t time.Time, zone *time.Location) string {
	switch {
	case len(s.People) == 0:
		return ""
	case s.Every == Never:
		return s.People[0]
	}
	turns := 0
	if s.Every == Daily {
		turns = s.day(t, zone).since(s.Start)
	} else {
		first := s.Start
		for first.weekday() != s.Weekday {
			first = first.plus(1)
		}
		days := s.day(t, zone).since(first)
		turns = days / 7
		if days < 0 && days%7 != 0 {
			turns--
		}
	}
	n := len(s.People)
	return s.People[(turns%n+n)%n]
}

// day is the day of the last hand-over hour at or before t.
func (s Shift) day(t time.Time, zone *time.Location) Date {
	d := dateOf(t.In(zone))
	if t.Before(d.at(s.HandOver, zone)) {
		return d.plus(-1)
	}
	return d
}

// covers says whether the shift is on at t.
func (s Shift) covers(t time.Time, zone *time.Location) bool {
	today := dateOf(t.In(zone))
	for _, d := range []Date{today.plus(-1), today} {
		if from, until, on := s.span(d, zone); on && !t.Before(from) && t.Before(until) {
			return true
		}
	}
	return false
}

// span is when the shift that begins on that day is on.
func (s Shift) span(d Date, zone *time.Location) (from, until time.Time, on bool) {
	if len(s.Days) > 0 && !slices.Contains(s.Days, d.weekday()) {
		return from, until, false
	}
	last := d
	if s.Hours.Until <= s.Hours.From {
		last = d.plus(1)
	}
	return d.at(s.Hours.From, zone), last.at(s.Hours.Until, zone), true
}

// edges are when something about the shift may change on that day.
func (s Shift) edges(d Date, zone *time.Location) []time.Time {
	var edges []time.Time
	if s.Every != Never {
		edges = append(edges, d.at(s.HandOver, zone))
	}
	if from, until, on := s.span(d, zone); on {
		edges = append(edges, from, until)
	}
	return edges
}

// Override puts somebody else on call for a while.
type Override struct {
	Number      uint64
	Role        string
	Person      string
	From, Until time.Time
	By          string
	At          time.Time
	Cancelled   string // by whom; "" is not
}

// ID is what people call it: "OVR-3".
func (o Override) ID() string { return fmt.Sprintf("OVR-%d", o.Number) }

func (o Override) on(t time.Time) bool {
	return o.Cancelled == "" && !t.Before(o.From) && t.Before(o.Until)
}

// justBegun is how long after their beginning hours are still meant by whoever
// names them.
const justBegun = time.Hour

// NextHours are the hours from begin until end that are next at now, or have just
// begun, by the clock on the wall in zone.
func NextHours(begin, end Clock, now time.Time, zone *time.Location) (from, until time.Time) {
	s := Shift{Hours: Hours{begin, end}}
	for d := dateOf(now.In(zone)).plus(-1); ; d = d.plus(1) {
		if from, until, _ = s.span(d, zone); until.After(now) && now.Sub(from) <= justBegun {
			return from.UTC(), until.UTC()
		}
	}
}
