package cluster

import (
	"testing"
	"time"
)

// Logs are in their machine's time, and what people read is in theirs.
func TestTimesAreInPeoplesZone(t *testing.T) {
	at := time.Date(2026, 7, 1, 22, 30, 0, 0, time.UTC)
	tokyo := time.FixedZone("JST", 9*60*60)
	for want, opt := range map[string]Options{
		"2026-07-02 07:30:00": {Zone: time.UTC, People: tokyo},
		"2026-07-01 22:30:00": {Zone: time.UTC},
	} {
		if _, c := build(opt, core("core")); c.when(at) != want {
			t.Errorf("%+v: %s, want %s", opt, c.when(at), want)
		}
	}
}
