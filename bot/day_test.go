package bot_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot/console"
	"irisops/bot/message"
	"irisops/bot/watch"
)

// dayResult names a file: the whole day is replayed, and what was measured is
// written there.
const dayResult = "IRISOPS_BENCH_DAY"

// day is what a day's events came to.
type day struct {
	Hours       int
	Early, Late weight  // after half of them, and at the end
	Growth      float64 // bytes of the database for each incident between the two
	Rounds      int     // of the watch
	Incidents   int
	Said        int // commands
}

// weight is what the process holds.
type weight struct {
	Heap       float64 // MB in use after a collection
	Process    float64 // MB, VmRSS less RssFile
	Goroutines int
}

// TestDay lives through hours of events in which every half hour something
// breaks: the watch sees it or a person does, people are paged, acknowledge, mend
// it and close it, and look every few minutes. Nothing of it may stay behind in
// memory, but for the last 500 messages, which the terminal can still edit.
func TestDay(t *testing.T) {
	d := day{Hours: 5}
	result := os.Getenv(dayResult)
	if result != "" {
		d.Hours = 24
	}
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.stop()
		s.watch, s.calendar = watch.Declare, true
		s.terminal = console.NewTerminal(io.Discard, false, s.terminal.Style, time.UTC, []string{"operator"}) // what it shows is not the bot's to hold
		s.start()
		defer s.stop()
		var size int64
		for half := range 2 * d.Hours {
			d.halfHour(s, half)
			if half == d.Hours-1 {
				d.Early, size = weigh(t), sizeOf(t, s.path)
			}
		}
		d.Late = weigh(t)
		d.Growth = float64(sizeOf(t, s.path)-size) / float64(d.Hours)
		if open, err := s.db.OpenIncidents(); err != nil || len(open) > 0 {
			t.Errorf("%d incidents are left open: %v", len(open), err)
		}
		all, err := s.db.LastIncidents(1000)
		if err != nil || len(all) != 2*d.Hours {
			t.Errorf("%d incidents in %d hours: %v", len(all), d.Hours, err)
		}
		d.Incidents = len(all)
		for _, w := range s.bot.Watched() {
			d.Rounds += int(time.Duration(d.Hours) * time.Hour / watch.Every)
			if time.Since(w.At) > 2*watch.Every {
				t.Errorf("the watch looked last at %s", w.At)
			}
		}
	})
	t.Logf("%+v", d)
	if more := d.Late.Heap - d.Early.Heap; more > 1 {
		t.Errorf("%.1f MB more in use than at half-time", more)
	}
	if more := d.Late.Goroutines - d.Early.Goroutines; more > 0 {
		t.Errorf("%d goroutines more than at half-time", more)
	}
	if result == "" {
		return
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(result, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// halfHour is an incident from its beginning to its end, and people who look.
func (d *day) halfHour(s *stage, n int) {
	begun := time.Now()
	say := func(text string) {
		s.t.Helper()
		d.Said++
		m := s.ask("operator", text)
		if m.Level == message.Refused {
			s.t.Fatalf("half hour %d, %s: %s", n, text, m.Title)
		}
	}
	if n%2 == 0 {
		s.cluster.set("edge1", "down")
		s.pass(2 * time.Minute) // until the watch is sure
	} else {
		say(fmt.Sprintf("declare P0 \"outage %d\"", n))
		s.pass(16 * time.Minute) // nobody comes: the next one is paged
	}
	say("ack")
	say("note \"looking at edge1\"")
	say("diagnose")
	say("restart edge1")
	say("confirm")
	s.pass(time.Minute)
	say("verify")
	say("recovered")
	s.pass(2 * time.Minute)
	say("resolve")
	for time.Since(begun) < 25*time.Minute {
		say("status")
		say("incidents")
		s.pass(5 * time.Minute)
	}
	say("stats")
	say("audit")
	s.pass(30*time.Minute - time.Since(begun))
}

func weigh(t *testing.T) weight {
	runtime.GC()
	runtime.GC() // what sync.Pool held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w := weight{Heap: float64(m.HeapAlloc) / 1e6, Goroutines: runtime.NumGoroutine()}
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var kb float64
		if n, _ := fmt.Sscanf(string(line), "VmRSS: %f kB", &kb); n == 1 {
			w.Process += kb / 1024
		}
		if n, _ := fmt.Sscanf(string(line), "RssFile: %f kB", &kb); n == 1 {
			w.Process -= kb / 1024
		}
	}
	return w
}

func sizeOf(t *testing.T, path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
