package oncall

import (
	"slices"
	"time"

	"github.com/rickar/cal/v2"
)

// Business is when people work.
type Business struct {
	Zone     *time.Location // nil: UTC
	Days     []time.Weekday // none: Monday to Friday
	Until    time.Duration  // after midnight, by the clock on the wall: when a day ends; 0: DayEnds
	Country  string         // one of Countries, for its public holidays; "": none
	Holidays []Holiday      // beside those
}

// Holiday is a day on which nobody works.
type Holiday struct {
	Year  int // 0: every year
	Month time.Month
	Day   int
}

// DayEnds is when a business day ends if nothing else is said.
const DayEnds = 17 * time.Hour

// farthest bounds the search for a business day.
const farthest = 366

// NextDayEnds is the end of the first business day after the day of t. Without
// any within a year it is the end of the day after t: to wait for ever would be
// to forget.
func (b Business) NextDayEnds(t time.Time) time.Time {
	calendar := b.calendar()
	y, m, d := t.In(b.zone()).Date()
	for ahead := 1; ahead <= farthest; ahead++ {
		if calendar.IsWorkday(time.Date(y, m, d+ahead, 12, 0, 0, 0, b.zone())) {
			return b.end(y, m, d+ahead)
		}
	}
	return b.end(y, m, d+1)
}

func (b Business) end(y int, m time.Month, d int) time.Time {
	until := b.Until
	if until == 0 {
		until = DayEnds
	}
	return time.Date(y, m, d, int(until/time.Hour), int(until%time.Hour/time.Minute), 0, 0, b.zone())
}

func (b Business) zone() *time.Location {
	if b.Zone == nil {
		return time.UTC
	}
	return b.Zone
}

func (b Business) calendar() *cal.BusinessCalendar {
	c := cal.NewBusinessCalendar() // Monday to Friday
	for day := time.Sunday; len(b.Days) > 0 && day <= time.Saturday; day++ {
		c.SetWorkday(day, slices.Contains(b.Days, day))
	}
	c.AddHoliday(countries[b.Country]...)
	for _, h := range b.Holidays {
		c.AddHoliday(&cal.Holiday{Month: h.Month, Day: h.Day, StartYear: h.Year, EndYear: h.Year, Func: cal.CalcDayOfMonth})
	}
	return c
}
