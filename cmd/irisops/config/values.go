package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes, written "10GiB".
type Size int64

const (
	kib Size = 1 << 10
	mib      = kib << 10
	gib      = mib << 10
	tib      = gib << 10
)

var units = map[string]Size{
	"B": 1, "KiB": kib, "MiB": mib, "GiB": gib, "TiB": tib,
	"kB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}

var sizeShape = regexp.MustCompile(`^([0-9]{1,15})(?:\.([0-9]{1,3}))? ?([A-Za-z]+)$`)

// UnmarshalText reads a whole or decimal number with a unit.
func (s *Size) UnmarshalText(text []byte) error {
	m := sizeShape.FindStringSubmatch(string(text))
	if m == nil || units[m[3]] == 0 {
		return fmt.Errorf("%s is not a size: write a number with a unit, like 10GiB or 500MB", quote(string(text)))
	}
	number, err := strconv.ParseFloat(m[1]+"."+m[2]+"0", 64)
	bytes := number * float64(units[m[3]])
	if err != nil || bytes > math.MaxInt64/2 {
		return fmt.Errorf("%s is more than any disk holds", quote(string(text)))
	}
	*s = Size(bytes)
	return nil
}

// String is the size in the largest unit that fits, "10GiB".
func (s Size) String() string {
	for _, u := range []struct {
		name  string
		bytes Size
	}{{"TiB", tib}, {"GiB", gib}, {"MiB", mib}, {"KiB", kib}} {
		if s >= u.bytes {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(s)/float64(u.bytes)), ".0") + u.name
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// Respond is how soon somebody has to have taken an incident.
type Respond struct {
	Within          time.Duration
	NextBusinessDay bool // then Within is 0
}

const nextBusinessDay = "next business day"

// UnmarshalText reads a duration, or "next business day".
func (r *Respond) UnmarshalText(text []byte) error {
	if strings.EqualFold(strings.Join(strings.Fields(string(text)), " "), nextBusinessDay) {
		*r = Respond{NextBusinessDay: true}
		return nil
	}
	within, err := parseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%w, or %s", err, nextBusinessDay)
	}
	*r = Respond{Within: within}
	return nil
}

func (r Respond) String() string {
	if r.NextBusinessDay {
		return nextBusinessDay
	}
	return spoken(r.Within)
}

// maxDuration bounds durations: longer ones are slips of the finger.
const maxDuration = 31 * 24 * time.Hour

var days = regexp.MustCompile(`^([0-9]{1,3})d`)

// parseDuration reads 0m, 90s, 1h30m, 2d: from 0 to 31 days.
func parseDuration(text string) (time.Duration, error) {
	rest, whole := text, time.Duration(0)
	if m := days.FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return 0, err
		}
		whole = time.Duration(n) * 24 * time.Hour
		if rest = text[len(m[0]):]; rest == "" {
			rest = "0"
		}
	}
	d, err := time.ParseDuration(rest)
	if _, isNumber := strconv.ParseFloat(text, 64); err != nil && isNumber == nil {
		return 0, fmt.Errorf("%s has no unit: write %[2]ss for seconds, %[2]sm for minutes, %[2]sh for hours", quote(text), plain(text))
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%s is not a duration: write 90s, 15m, 1h30m or 2d", quote(text))
	case d < 0 || whole+d > maxDuration:
		return 0, fmt.Errorf("%s is out of range: write a duration from 0s to 31d", quote(text))
	}
	return whole + d, nil
}

// spoken is a duration as people write it here: "15m", not "15m0s".
func spoken(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
