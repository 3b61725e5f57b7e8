package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"irisops/bot/oncall"
)

// Business is when people work: what "next business day" means.
type Business struct {
	Days     []Weekday `yaml:"days"`
	Until    HourOfDay `yaml:"until"`   // when a day ends
	Country  string    `yaml:"country"` // whose public holidays count; "": none
	Holidays []DayOff  `yaml:"holidays"`
}

// Weekday is written "mon".
type Weekday time.Weekday

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// UnmarshalText reads a weekday, short or whole.
func (w *Weekday) UnmarshalText(text []byte) error {
	for day := time.Sunday; day <= time.Saturday; day++ {
		if s := strings.ToLower(string(text)); s == weekdays[day] || s == strings.ToLower(day.String()) {
			*w = Weekday(day)
			return nil
		}
	}
	return fmt.Errorf("%s is no day. %s", quote(string(text)), strings.TrimRight(didYouMean(string(text), weekdays), ".?"))
}

// HourOfDay is a time on the wall, written "17:00"; how long after midnight.
type HourOfDay time.Duration

var hourShape = regexp.MustCompile(`^([01]?[0-9]|2[0-3]):([0-5][0-9])$`)

// UnmarshalText reads hours and minutes.
func (h *HourOfDay) UnmarshalText(text []byte) error {
	if string(text) == "24:00" {
		*h = HourOfDay(24 * time.Hour)
		return nil
	}
	m := hourShape.FindStringSubmatch(string(text))
	if m == nil {
		return fmt.Errorf("%s is no time of day: write it like 17:00", quote(string(text)))
	}
	hours, err := strconv.Atoi(m[1])
	if err != nil {
		return err
	}
	minutes, err := strconv.Atoi(m[2])
	*h = HourOfDay(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
	return err
}

// DayOff is a day on which nobody works: "2026-12-24", or every year "12-24".
type DayOff oncall.Holiday

// UnmarshalText reads a date with or without its year.
func (d *DayOff) UnmarshalText(text []byte) error {
	if day, err := time.Parse(time.DateOnly, string(text)); err == nil {
		*d = DayOff{Year: day.Year(), Month: day.Month(), Day: day.Day()}
		return nil
	}
	day, err := time.Parse(time.DateOnly, "2024-"+string(text)) // a leap year
	if err != nil {
		return fmt.Errorf("%s is no date: write 2026-12-24, or 12-24 for every year", quote(string(text)))
	}
	*d = DayOff{Month: day.Month(), Day: day.Day()}
	return nil
}

var defaultBusiness = Business{
	Days:  []Weekday{Weekday(time.Monday), Weekday(time.Tuesday), Weekday(time.Wednesday), Weekday(time.Thursday), Weekday(time.Friday)},
	Until: HourOfDay(oncall.DayEnds),
}

func (k *checker) checkBusiness() {
	b := &k.c.Business
	if !k.given("business.days") {
		b.Days = defaultBusiness.Days
	} else if k.usable("business.days") && len(b.Days) == 0 {
		k.fault("business.days", "days: without any business day nothing would ever be answered. For example [mon, tue, wed, thu, fri]")
	}
	if !k.given("business.until") {
		b.Until = defaultBusiness.Until
	} else if k.usable("business.until") && b.Until == 0 {
		k.fault("business.until", "until: a day that ends when it begins has no hours. Write it like 17:00.")
	}
	if k.usable("business.country") && !slices.Contains(oncall.Countries(), b.Country) {
		k.fault("business.country", "country: the public holidays of %s are not known; list them under holidays. Known: %s.", quote(b.Country), strings.Join(oncall.Countries(), ", "))
	}
}

func (c Config) business() oncall.Business {
	b := oncall.Business{Zone: c.Zone(), Until: time.Duration(c.Business.Until), Country: c.Business.Country}
	for _, d := range c.Business.Days {
		b.Days = append(b.Days, time.Weekday(d))
	}
	for _, h := range c.Business.Holidays {
		b.Holidays = append(b.Holidays, oncall.Holiday(h))
	}
	return b
}
