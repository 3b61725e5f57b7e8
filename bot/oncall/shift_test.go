package oncall

import (
	"fmt"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

func zoneOf(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// year is a weekly rotation of three in Paris with the hand-over on Monday at
// 09:00, from 29 December 2025, written out by hand: in UTC the hand-over is at 08:00
// in winter, and at 07:00 from 29 March to 25 October 2026.
const year = `
2025-12-29 08 anna  2026-01-05 08 ben   2026-01-12 08 carl
2026-01-19 08 anna  2026-01-26 08 ben   2026-02-02 08 carl
2026-02-09 08 anna  2026-02-16 08 ben   2026-02-23 08 carl
2026-03-02 08 anna  2026-03-09 08 ben   2026-03-16 08 carl
2026-03-23 08 anna  2026-03-30 07 ben   2026-04-06 07 carl
2026-04-13 07 anna  2026-04-20 07 ben   2026-04-27 07 carl
2026-05-04 07 anna  2026-05-11 07 ben   2026-05-18 07 carl
2026-05-25 07 anna  2026-06-01 07 ben   2026-06-08 07 carl
2026-06-15 07 anna  2026-06-22 07 ben   2026-06-29 07 carl
2026-07-06 07 anna  2026-07-13 07 ben   2026-07-20 07 carl
2026-07-27 07 anna  2026-08-03 07 ben   2026-08-10 07 carl
2026-08-17 07 anna  2026-08-24 07 ben   2026-08-31 07 carl
2026-09-07 07 anna  2026-09-14 07 ben   2026-09-21 07 carl
2026-09-28 07 anna  2026-10-05 07 ben   2026-10-12 07 carl
2026-10-19 07 anna  2026-10-26 08 ben   2026-11-02 08 carl
2026-11-09 08 anna  2026-11-16 08 ben   2026-11-23 08 carl
2026-11-30 08 anna  2026-12-07 08 ben   2026-12-14 08 carl
2026-12-21 08 anna  2026-12-28 08 ben   2027-01-04 08 carl
`

var weekly = Shift{People: []string{"anna", "ben", "carl"}, Every: Weekly, Weekday: time.Monday, HandOver: At(9, 0), Start: Date{2025, 12, 29}}

func TestAYearOfAWeeklyRotation(t *testing.T) {
	r := Roster{Shifts: map[string][]Shift{"sre": {weekly}}, Zone: zoneOf(t, "Europe/Paris")}
	words := strings.Fields(year)
	var last string
	for i := 0; i < len(words); i += 3 {
		at, err := time.Parse("2006-01-02 15", words[i]+" "+words[i+1])
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			if got, _ := r.Now("sre", at.Add(-time.Second)); got != last {
				t.Errorf("a second before %s: %s, want %s", at, got, last)
			}
		}
		last = words[i+2]
		if got, _ := r.Now("sre", at); got != last {
			t.Errorf("at %s: %s, want %s", at, got, last)
		}
		if next, ok := r.Next("sre", at); !ok || i+3 < len(words) && (next.Person != words[i+5] || next.From.Format("2006-01-02 15") != words[i+3]+" "+words[i+4]) {
			t.Errorf("after %s: %+v", at, next)
		}
	}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if turns := r.Schedule("sre", from, from.AddDate(1, 0, 0)); len(turns) != 53 {
		t.Errorf("%d turns in the year", len(turns))
	}
	if gaps := r.Gaps(from, from.AddDate(1, 0, 0)); len(gaps) > 0 {
		t.Errorf("gaps %v", gaps)
	}
}

// The hand-over at 02:30 falls into the hour that is skipped in spring and into
// the one that comes twice in autumn.
func TestDailyHandOverInTheHourThatIsSetForwardAndBack(t *testing.T) {
	s := Shift{People: []string{"anna", "ben"}, Every: Daily, HandOver: At(2, 30), Start: Date{2026, 3, 27}}
	r := Roster{Shifts: map[string][]Shift{"sre": {s}}, Zone: zoneOf(t, "Europe/Paris")}
	for _, span := range []struct{ from, until, want string }{
		{"2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z", "28 00:00 anna, 28 01:30 ben, 29 01:00 anna, 30 00:30 ben"},
		{"2026-10-24T00:00:00Z", "2026-10-26T12:00:00Z", "24 00:00 anna, 24 00:30 ben, 25 00:30 anna, 26 01:30 ben"},
	} {
		from, _ := time.Parse(time.RFC3339, span.from)
		until, _ := time.Parse(time.RFC3339, span.until)
		var got []string
		for _, turn := range r.Schedule("sre", from, until) {
			got = append(got, turn.From.Format("02 15:04 ")+turn.Person)
		}
		if g := strings.Join(got, ", "); g != span.want {
			t.Errorf("%s, want %s", g, span.want)
		}
	}
}

func TestGapsAndDoubles(t *testing.T) {
	office := Hours{At(9, 0), At(18, 0)}
	days := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	r := Roster{
		Roles: map[string]string{"owner": "olga"},
		Shifts: map[string][]Shift{
			"primary": {{People: []string{"anna"}, Days: days, Hours: office}, {People: []string{"ben"}, Hours: Hours{At(17, 0), At(9, 0)}}},
			"sre":     {{People: []string{"anna", "ben"}, Every: Daily, HandOver: At(12, 0), Start: Date{2026, 1, 1}}},
		},
	}
	from := time.Date(2026, 6, 5, 0, 0, 0, 0, time.UTC) // a Friday
	until := from.AddDate(0, 0, 3)
	say := func(t time.Time) string { return t.Format("Mon 15:04") }
	var gaps, doubles []string
	for _, g := range r.Gaps(from, until) {
		gaps = append(gaps, fmt.Sprintf("%s %s to %s", g.Role, say(g.From), say(g.Until)))
	}
	for _, d := range r.Doubles(from, until) {
		doubles = append(doubles, fmt.Sprintf("%s/%s %s %s %s to %s", d.Role, d.Other, d.Person, d.And, say(d.From), say(d.Until)))
	}
	if got, want := strings.Join(gaps, ", "), "primary Sat 09:00 to Sat 17:00, primary Sun 09:00 to Sun 17:00"; got != want {
		t.Errorf("gaps: %s\nwant %s", got, want)
	}
	if got, want := strings.Join(doubles, ", "), "primary/primary anna ben Fri 17:00 to Fri 18:00, primary/sre anna  Fri 09:00 to Fri 12:00, "+
		"primary/sre ben  Fri 18:00 to Sat 09:00, primary/sre ben  Sun 17:00 to Mon 00:00"; got != want {
		t.Errorf("doubles: %s\nwant %s", got, want)
	}
}

func TestOverrides(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 6, 5, hour, 0, 0, 0, time.UTC) }
	r := Roster{Roles: map[string]string{"sre": "anna"}, Overrides: []Override{
		{Number: 1, Role: "sre", Person: "ben", From: at(8), Until: at(12)},
		{Number: 2, Role: "sre", Person: "carl", From: at(10), Until: at(11)},
		{Number: 3, Role: "sre", Person: "dora", From: at(9), Until: at(20), Cancelled: "anna"},
		{Number: 4, Role: "owner", Person: "dora", From: at(0), Until: at(20)},
	}}
	var got []string
	for _, turn := range r.Schedule("sre", at(0), at(23)) {
		got = append(got, fmt.Sprintf("%d %s %s", turn.From.Hour(), turn.Person, turn.Override))
	}
	if g, want := strings.Join(got, ", "), "0 anna , 8 ben OVR-1, 10 carl OVR-2, 11 ben OVR-1, 12 anna "; g != want {
		t.Errorf("%s, want %s", g, want)
	}
	if _, changes := r.Next("sre", at(13)); changes {
		t.Error("nothing changes any more")
	}
}

// Whatever the zone and the shift: hand-overs go by the wall, the people come in
// their order, and each moment has exactly one of them.
func TestRotationsGoByTheWall(t *testing.T) {
	zones := []string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "America/Sao_Paulo", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		z, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		people := []string{"anna", "ben", "carl", "dora"}[:rapid.IntRange(2, 4).Draw(t, "people")]
		s := Shift{People: people, Every: rapid.SampledFrom([]Period{Daily, Weekly}).Draw(t, "every"),
			Weekday: time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday")), HandOver: At(rapid.IntRange(0, 23).Draw(t, "hour"), rapid.SampledFrom([]int{0, 15, 30}).Draw(t, "minute")),
			Start: dateOf(time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)).plus(rapid.IntRange(0, 600).Draw(t, "start"))}
		r := Roster{Shifts: map[string][]Shift{"sre": {s}}, Zone: z}
		from := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 600).Draw(t, "from"))
		turns := r.Schedule("sre", from, from.AddDate(0, 0, 60))
		for i, turn := range turns[1:] {
			before := turns[i]
			if !before.Until.Equal(turn.From) {
				t.Fatalf("a break between %+v and %+v", before, turn)
			}
			n := 0
			for people[n] != before.Person {
				n++
			}
			if want := people[(n+1)%len(people)]; turn.Person != want {
				t.Fatalf("after %s comes %s, want %s", before.Person, turn.Person, want)
			}
			l := turn.From.In(z)
			if got := At(l.Hour(), l.Minute()); got != s.HandOver {
				// Only where the clock skips the hour.
				if start, _ := l.ZoneBounds(); !start.Equal(l) {
					t.Fatalf("the hand-over is at %s", l)
				}
			}
			if s.Every == Weekly && l.Weekday() != s.Weekday {
				t.Fatalf("the hand-over is on %s", l)
			}
		}
	})
}

func TestTheNextHours(t *testing.T) {
	paris := zoneOf(t, "Europe/Paris")
	for _, tt := range []struct{ now, hours, want string }{
		{"2026-06-05T10:00:00Z", "18:00 08:00", "05 16:00 to 06 06:00"},
		{"2026-06-05T16:30:00Z", "18:00 08:00", "05 16:00 to 06 06:00"}, // just begun
		{"2026-06-05T17:30:00Z", "18:00 08:00", "06 16:00 to 07 06:00"},
		{"2026-06-05T22:30:00Z", "18:00 08:00", "06 16:00 to 07 06:00"},
		{"2026-06-05T10:00:00Z", "09:00 17:00", "06 07:00 to 06 15:00"},
		{"2026-03-28T18:30:00Z", "20:00 08:00", "28 19:00 to 29 06:00"}, // an hour less of the night
		{"2026-10-24T12:00:00Z", "18:00 08:00", "24 16:00 to 25 07:00"}, // and one more
	} {
		now, _ := time.Parse(time.RFC3339, tt.now)
		one, other, _ := strings.Cut(tt.hours, " ")
		begin, err1 := ParseClock(one)
		end, err2 := ParseClock(other)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		from, until := NextHours(begin, end, now, paris)
		if got := from.Format("02 15:04") + " to " + until.Format("02 15:04"); got != tt.want {
			t.Errorf("%s at %s: %s, want %s", tt.hours, tt.now, got, tt.want)
		}
	}
	for _, bad := range []string{"", "9:00", "24:00", "18", "18:0", "abc"} {
		if c, err := ParseClock(bad); err == nil {
			t.Errorf("%q is %s", bad, c)
		}
	}
}
