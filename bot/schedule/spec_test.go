package schedule

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

func zone(t testing.TB, name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func spec(t testing.TB, text string, week int, z *time.Location) Spec {
	s, err := Parse(text, week, z)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Worked out by hand with a calendar. Paris goes from +01 to +02 on 2026-03-29 at
// 02:00 and back on 2026-10-25 at 03:00; Lord Howe goes by half an hour; Apia left
// out 2011-12-30; New York changes on other days than Paris.
func TestNext(t *testing.T) {
	for _, c := range []struct {
		spec  string
		week  int
		zone  string
		after string
		want  string // "; " between
	}{
		{"30 3 * * *", 0, "UTC", "2026-02-27 03:30", "2026-02-28 03:30; 2026-03-01 03:30"},
		{"30 3 * * *", 0, "Europe/Paris", "2026-03-28 00:00", "2026-03-28 02:30; 2026-03-29 01:30; 2026-03-30 01:30"},
		{"0 10 * * TUE", 1, "Europe/Paris", "2026-01-06 09:00", "2026-02-03 09:00; 2026-03-03 09:00; 2026-04-07 08:00; 2026-05-05 08:00"},
		{"0 10 * * TUE", 5, "UTC", "2026-01-01 00:00", "2026-03-31 10:00; 2026-06-30 10:00"},
		// Spring: 02:30 does not come, so it is due when the gap ends; once, however
		// many of its times fall into the gap.
		{"30 2 * * *", 0, "Europe/Paris", "2026-03-28 12:00", "2026-03-29 01:00; 2026-03-30 00:30"},
		{"*/20 2 * * *", 0, "Europe/Paris", "2026-03-28 12:00", "2026-03-29 01:00; 2026-03-30 00:00"},
		{"0 * * * *", 0, "Europe/Paris", "2026-03-28 23:30", "2026-03-29 00:00; 2026-03-29 01:00; 2026-03-29 02:00"},
		// Autumn: 02:30 comes twice, and is due the first time.
		{"30 2 * * *", 0, "Europe/Paris", "2026-10-24 12:00", "2026-10-25 00:30; 2026-10-26 01:30"},
		{"30 2 * * *", 0, "Europe/Paris", "2026-10-25 00:45", "2026-10-26 01:30"},
		{"30 2 * * *", 0, "Europe/Paris", "2026-10-25 01:15", "2026-10-26 01:30"},
		{"0 3 * * *", 0, "Europe/Paris", "2026-10-25 00:59", "2026-10-25 02:00"},
		{"30 2 * * *", 0, "America/New_York", "2026-03-07 12:00", "2026-03-08 07:00; 2026-03-09 06:30"},
		{"15 2 * * *", 0, "Australia/Lord_Howe", "2026-10-03 00:00", "2026-10-03 15:30; 2026-10-04 15:15"},
		{"0 12 * * *", 0, "Pacific/Apia", "2011-12-29 12:00", "2011-12-29 22:00; 2011-12-30 10:00; 2011-12-30 22:00"},
		{"@every 90m", 0, "Europe/Paris", "2026-10-25 00:00", "2026-10-25 01:30; 2026-10-25 03:00"},
		{"@daily", 0, "Europe/Paris", "2026-03-28 12:00", "2026-03-28 23:00; 2026-03-29 22:00"},
		{"0 0 29 2 *", 0, "UTC", "2026-01-01 00:00", "2028-02-29 00:00"},
	} {
		s := spec(t, c.spec, c.week, zone(t, c.zone))
		at, err := time.Parse("2006-01-02 15:04", c.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range strings.Split(c.want, "; ") {
			at = s.Next(at)
			if got := at.Format("2006-01-02 15:04"); got != want {
				t.Errorf("%s week %d in %s after %s: %s, want %s", c.spec, c.week, c.zone, c.after, got, want)
			}
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"30 3 * *":                "is no time of cron",
		"61 3 * * *":              "is no time of cron",
		"":                        "is no time of cron",
		"0 30 3 * * *":            "is no time of cron",
		"soon":                    "is no time of cron",
		"TZ=Asia/Tokyo 0 3 * * *": "has a zone of its own",
		"0 0 30 2 *":              "never comes",
	} {
		if _, err := Parse(text, 0, time.UTC); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, week := range []int{-1, 6} {
		if _, err := Parse("@daily", week, time.UTC); err == nil {
			t.Errorf("week %d is taken", week)
		}
	}
	if _, err := Parse("@every 1h", 1, time.UTC); err == nil {
		t.Error("an interval has no week")
	}
}

// Whatever the zone and the spec: the next time is after now, its hands stand
// where the spec says unless the clock skips them, and asked a moment later it is
// still the same one.
func TestNextHolds(t *testing.T) {
	zones := []string{"UTC", "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo", "Asia/Kolkata", "Africa/Casablanca"}
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		minute, hour := rapid.IntRange(0, 59).Draw(t, "minute"), rapid.IntRange(0, 23).Draw(t, "hour")
		s, err := Parse(strings.Join([]string{itoa(minute), itoa(hour), "* * *"}, " "), 0, z)
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(rapid.Int64Range(1_000_000_000, 2_000_000_000).Draw(t, "now"), 0)
		next := s.Next(now)
		if !next.After(now) || next.Sub(now) > 26*time.Hour {
			t.Fatalf("after %s comes %s", now, next)
		}
		if at := next.In(z); at.Hour() != hour || at.Minute() != minute {
			start, _ := at.ZoneBounds()
			if !start.Equal(at) {
				t.Fatalf("%s is not %d:%d, and no change is there", at, hour, minute)
			}
		}
		between := now.Add(time.Duration(rapid.Int64Range(0, int64(next.Sub(now))-1).Draw(t, "between")))
		if again := s.Next(between); !again.Equal(next) {
			t.Fatalf("after %s comes %s, after %s comes %s", now, next, between, again)
		}
	})
}

func itoa(n int) string { return string(rune('0'+n/10)) + string(rune('0'+n%10)) }

func TestDays(t *testing.T) {
	paris := zone(t, "Europe/Paris")
	var d Days
	if err := d.UnmarshalText([]byte("2026-12-24..2026-12-26")); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{"2026-12-23T22:59:00Z": false, "2026-12-23T23:00:00Z": true, "2026-12-26T22:59:00Z": true, "2026-12-26T23:00:00Z": false} {
		when, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if d.Covers(when, paris) != want {
			t.Errorf("%s covers %s: %v", d, at, !want)
		}
	}
	for _, text := range []string{"", "24.12.2026", "2026-13-01", "2026-02-30", "2026-12-26..2026-12-24", "2026-12-24..", "2026-1-2"} {
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
