package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Days are calendar days in people's zone, from the first to the last: a
// blackout, in which nothing is practised.
type Days struct{ First, Last string } // "2026-12-24"

// UnmarshalText reads 2026-12-24, or 2026-12-20..2027-01-03.
func (d *Days) UnmarshalText(text []byte) error {
	first, last, span := strings.Cut(string(text), "..")
	if !span {
		last = first
	}
	for _, day := range []string{first, last} {
		if t, err := time.Parse(time.DateOnly, day); err != nil || t.Format(time.DateOnly) != day {
			return fmt.Errorf("%q is no day: write 2026-12-24, or 2026-12-20..2027-01-03", day)
		}
	}
	if last < first {
		return fmt.Errorf("%q ends before it begins", text)
	}
	*d = Days{first, last}
	return nil
}

func (d Days) String() string {
	if d.First == d.Last {
		return d.First
	}
	return d.First + ".." + d.Last
}

// Covers says whether the moment falls on one of the days.
func (d Days) Covers(at time.Time, zone *time.Location) bool {
	day := at.In(zone).Format(time.DateOnly)
	return d.First <= day && day <= d.Last
}
