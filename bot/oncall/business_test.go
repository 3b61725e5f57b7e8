package oncall

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func TestTheNextBusinessDay(t *testing.T) {
	paris, kolkata := zone(t, "Europe/Paris"), zone(t, "Asia/Kolkata")
	const form = "2006-01-02 15:04 -0700"
	for _, tt := range []struct {
		name     string
		business Business
		now      string
		want     string
	}{
		{"a Tuesday", Business{}, "2026-11-24 10:00 +0000", "2026-11-25 17:00 +0000"},
		{"before the day begins", Business{}, "2026-11-24 03:00 +0000", "2026-11-25 17:00 +0000"},
		{"the last moment of a day", Business{}, "2026-11-24 23:59 +0000", "2026-11-25 17:00 +0000"},
		{"a Friday", Business{}, "2026-11-27 10:00 +0000", "2026-11-30 17:00 +0000"},
		{"a Sunday", Business{}, "2026-11-29 10:00 +0000", "2026-11-30 17:00 +0000"},
		{"it is Saturday there already", Business{Zone: kolkata}, "2026-11-27 20:00 +0000", "2026-11-30 17:00 +0530"},
		{"it is Thursday there already", Business{Zone: kolkata}, "2026-11-25 20:00 +0000", "2026-11-27 17:00 +0530"},
		{"a week of its own", Business{Days: []time.Weekday{time.Sunday, time.Monday}, Until: 18*time.Hour + 30*time.Minute}, "2026-11-23 10:00 +0000", "2026-11-29 18:30 +0000"},
		{"a holiday once", Business{Holidays: []Holiday{{2026, 11, 25}}}, "2026-11-24 10:00 +0000", "2026-11-26 17:00 +0000"},
		{"the year before", Business{Holidays: []Holiday{{2025, 11, 25}}}, "2026-11-24 10:00 +0000", "2026-11-25 17:00 +0000"},
		{"a holiday every year", Business{Holidays: []Holiday{{0, 11, 25}}}, "2026-11-24 10:00 +0000", "2026-11-26 17:00 +0000"},
		{"Christmas in France, a Friday", Business{Zone: paris, Country: "fr"}, "2026-12-24 10:00 +0100", "2026-12-28 17:00 +0100"},
		{"Easter Monday in Germany", Business{Country: "de"}, "2026-04-02 10:00 +0000", "2026-04-07 17:00 +0000"},
		{"the clocks go forward", Business{Zone: paris}, "2026-03-27 10:00 +0100", "2026-03-30 17:00 +0200"},
		{"the clocks go back", Business{Zone: paris}, "2026-10-23 10:00 +0200", "2026-10-26 17:00 +0100"},
		{"no day at all", Business{Days: []time.Weekday{time.Monday}, Holidays: mondays()}, "2026-11-24 10:00 +0000", "2026-11-25 17:00 +0000"},
	} {
		now, err := time.Parse(form, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.business.NextDayEnds(now).Format(form); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// mondays are all Mondays of the next year as holidays.
func mondays() []Holiday {
	var all []Holiday
	for day := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC); day.Year() < 2028; day = day.AddDate(0, 0, 7) {
		all = append(all, Holiday{day.Year(), day.Month(), day.Day()})
	}
	return all
}

// Every country is one that the calendar can work with, and some of its days in a
// year are holidays.
func TestCountries(t *testing.T) {
	for _, country := range Countries() {
		c := Business{Country: country}.calendar()
		holidays := 0
		for day := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC); day.Year() == 2026; day = day.AddDate(0, 0, 1) {
			if actual, observed, _ := c.IsHoliday(day); actual || observed {
				holidays++
			}
		}
		if holidays < 5 {
			t.Errorf("%s has %d holidays", country, holidays)
		}
	}
	if n := len(Countries()); n < 30 {
		t.Errorf("%d countries", n)
	}
}

// Whatever the calendar: the day comes later, on a day of the week that is one,
// and at that hour on the wall.
func TestNextDayEndsIsABusinessDay(t *testing.T) {
	zones := []*time.Location{time.UTC, zone(t, "America/Sao_Paulo"), zone(t, "Pacific/Apia"), zone(t, "Australia/Lord_Howe")}
	rapid.Check(t, func(t *rapid.T) {
		b := Business{Zone: rapid.SampledFrom(zones).Draw(t, "zone"), Until: time.Duration(rapid.IntRange(1, 23*60).Draw(t, "until")) * time.Minute,
			Days:    rapid.SliceOfNDistinct(rapid.Map(rapid.IntRange(0, 6), func(d int) time.Weekday { return time.Weekday(d) }), 1, 7, rapid.ID).Draw(t, "days"),
			Country: rapid.SampledFrom(append(Countries(), "")).Draw(t, "country")}
		now := time.Unix(rapid.Int64Range(1_600_000_000, 1_900_000_000).Draw(t, "now"), 0)
		ends := b.NextDayEnds(now)
		day := func(t time.Time) int { return t.Year()*1000 + t.YearDay() }
		if day(ends) <= day(now.In(b.Zone)) {
			t.Fatalf("%s is not after %s", ends, now.In(b.Zone))
		}
		if !b.calendar().IsWorkday(ends) {
			t.Fatalf("%s is no business day", ends)
		}
	})
}
