package cluster

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/actions"
)

func TestGC(t *testing.T) {
	for _, tt := range []struct {
		name    string
		trouble func(w *world)
		want    string
		code    string
	}{
		{"all", func(*world) {}, "250 processes collected in 170 ms: memory 100 MB (processes 40 MB, binaries 5 MB) before, 100 MB (processes 40 MB, binaries 5 MB) after", ""},
		{"some have ended", func(w *world) { w.ended = 3 }, "247 processes collected in 170 ms: memory 100 MB (processes 40 MB, binaries 5 MB) before, 100 MB (processes 40 MB, binaries 5 MB) after; 3 had ended", ""},
		{"it dies", func(w *world) {
			time.AfterFunc(100*time.Millisecond, func() { w.mu.Lock(); defer w.mu.Unlock(); w.die(w.get("edge1")) })
		}, "is not registered", actions.CodeNotRegistered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, c := trio()
				w.processes = 250
				p, err := planOf(c, "gc", actions.Args{"node": "edge1"}, 0)
				if err != nil || p.Class != actions.Do {
					t.Fatal(p.Class, err)
				}
				if want := "edge1: 120 processes, memory 100 MB (processes 40 MB, binaries 5 MB)"; p.Preview[0] != want {
					t.Errorf("%q", p.Preview)
				}
				tt.trouble(w)
				got, err := carryOut(p)
				if actions.CodeOf(err) != tt.code || !strings.Contains(got[0], tt.want) {
					t.Errorf("[%s] %s", actions.CodeOf(err), got[0])
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w, c := trio()
		w.kill("edge1")
		for _, args := range []actions.Args{{"node": "edge1"}, {"node": "edge9"}, {}} {
			if _, err := planOf(c, "gc", args, 0); err == nil {
				t.Errorf("%v is planned", args)
			}
		}
	})
}

func TestTune(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := build(Options{}, core("core1"), core("core2"), edge("edge1", 8085))
		w.kill("core2")
		args := actions.Args{"key": "dump_log_write_threshold", "value": "10000"}
		p, err := planOf(c, "mnesia tune", args, 0)
		if err != nil || p.Class != actions.Do {
			t.Fatal(p.Class, err)
		}
		preview := strings.Join(p.Preview, "\n")
		for _, want := range []string{"core1: dump_log_write_threshold is 1,000 now; set to 10,000; back with `mnesia tune dump_log_write_threshold 1000`", "WARNING: core2 does not run: it is left out", "0 reports of an overload in 10 min"} {
			if !strings.Contains(preview, want) {
				t.Errorf("no %q in %s", want, preview)
			}
		}
		got, err := carryOut(p)
		if err != nil {
			t.Fatal(got)
		}
		if want := "set dump_log_write_threshold on core1: was 1,000; back with `mnesia tune dump_log_write_threshold 1000`; log dumped in 0.6 ms, it is 10,000"; got[0] != want {
			t.Error(got[0])
		}
		if want := "set dump_log_write_threshold on core2: left out: does not run, core2 does not run"; got[1] != want {
			t.Error(got[1])
		}
		// Mnesia takes it, and keeps what it had.
		w.deafToTuning = true
		args["value"] = "500"
		p, err = planOf(c, "mnesia tune", args, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := carryOut(p); actions.CodeOf(err) != "not-set" {
			t.Errorf("%q", got)
		}
		for _, args := range []actions.Args{{"key": "dir", "value": "7"}, {"key": "dump_log_write_threshold", "value": "1"}, {"key": "dump_log_time_threshold", "value": "99999999999"}, {"key": "dump_log_time_threshold"}} {
			if _, err := planOf(c, "mnesia tune", args, 0); actions.CodeOf(err) != "usage" {
				t.Errorf("%v: %v", args, err)
			}
		}
		w.kill("core1")
		if _, err := planOf(c, "mnesia tune", actions.Args{"key": "dump_log_write_threshold", "value": "500"}, 0); actions.CodeOf(err) != "not-running" {
			t.Error(err)
		}
	})
}
