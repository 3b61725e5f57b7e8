package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDurations(t *testing.T) {
	good := map[string]time.Duration{
		"0m": 0, "0": 0, "90s": 90 * time.Second, "15m": 15 * time.Minute, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour,
		"1d12h": 36 * time.Hour, "200ms": 200 * time.Millisecond, "31d": maxDuration, "0.5h": 30 * time.Minute,
	}
	for text, want := range good {
		if d, err := parseDuration(text); err != nil || d != want {
			t.Errorf("%q is %s, %v; want %s", text, d, err, want)
		}
	}
	for text, want := range map[string]string{
		"15":        `"15" has no unit: write 15s for seconds, 15m for minutes, 15h for hours`,
		"soon":      `"soon" is not a duration: write 90s, 15m, 1h30m or 2d`,
		"":          `"" is not a duration: write 90s, 15m, 1h30m or 2d`,
		"15 m":      `"15 m" is not a duration: write 90s, 15m, 1h30m or 2d`,
		"1w":        `"1w" is not a duration: write 90s, 15m, 1h30m or 2d`,
		"-5m":       `"-5m" is out of range: write a duration from 0s to 31d`,
		"1d-5h":     `"1d-5h" is out of range: write a duration from 0s to 31d`,
		"31d1s":     `"31d1s" is out of range: write a duration from 0s to 31d`,
		"32d":       `"32d" is out of range: write a duration from 0s to 31d`,
		"999999h":   `"999999h" is out of range: write a duration from 0s to 31d`,
		"9999999h":  `"9999999h" is not a duration: write 90s, 15m, 1h30m or 2d`,
		"99999999d": `"99999999d" is not a duration: write 90s, 15m, 1h30m or 2d`,
	} {
		if d, err := parseDuration(text); err == nil || err.Error() != want {
			t.Errorf("%q is %s, %v; want %s", text, d, err, want)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 15 * time.Minute: "15m", time.Hour: "1h", 90 * time.Minute: "1h30m", 200 * time.Millisecond: "200ms", time.Hour + time.Second: "1h0m1s"} {
		if got := spoken(d); got != want {
			t.Errorf("%d is %s, want %s", d, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(maxDuration)).Draw(t, "d"))
		if again, err := parseDuration(spoken(d)); err != nil || again != d {
			t.Fatalf("%s is read as %s, %v", spoken(d), again, err)
		}
	})
}

func TestRespond(t *testing.T) {
	for text, want := range map[string]Respond{
		"0m": {}, "1h": {Within: time.Hour}, "next business day": {NextBusinessDay: true}, "Next  Business Day": {NextBusinessDay: true},
	} {
		var r Respond
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want {
			t.Errorf("%q is %v, %v", text, r, err)
		}
		var again Respond
		if err := again.UnmarshalText([]byte(r.String())); err != nil || again != r {
			t.Errorf("%v is read as %v, %v", r, again, err)
		}
	}
	if err := new(Respond).UnmarshalText([]byte("tomorrow")); err == nil || !strings.HasSuffix(err.Error(), ", or next business day") {
		t.Errorf("tomorrow: %v", err)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"10GiB": 10 * gib, "2 GiB": 2 * gib, "1.5MiB": 1536 * kib, "0B": 0, "500MB": 500_000_000, "1kB": 1000, "2TiB": 2 * tib} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q is %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{"", "10", "GiB", "-1GiB", "10 gib", "10GB/s", "1e9B", "999999999999999TiB"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
	for s, want := range map[Size]string{10 * gib: "10GiB", 1536 * mib: "1.5GiB", 12: "12B", 2 * tib: "2TiB"} {
		if s.String() != want {
			t.Errorf("%d is %s, want %s", int64(s), s, want)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := []string{"name", "cookie_file", "epmd_port", "nodes"}
	got := map[string]string{}
	for _, typed := range []string{"epdm_port", "epmdport", "node", "Names", "cookie", "zzz", "", "n", "cookie_fil", strings.Repeat("name", 100)} {
		got[typed[:min(len(typed), 10)]] = nearest(typed, keys)
	}
	want := map[string]string{"epdm_port": "epmd_port", "epmdport": "epmd_port", "node": "nodes", "Names": "name", "cookie": "", "zzz": "", "": "", "n": "", "cookie_fil": "cookie_file", "namenamena": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.StringN(0, 12, 20).Draw(t, "a"), rapid.StringN(0, 12, 20).Draw(t, "b")
		d := distance(a, b)
		if d != distance(b, a) || (d == 0) != (a == b) || d > max(len(a), len(b)) {
			t.Fatalf("distance(%q, %q) = %d", a, b, d)
		}
	})
}
