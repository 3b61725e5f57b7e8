package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const printed = `goos: linux
pkg: irisops/store
BenchmarkDurableTimers-2    	       1	     33526 timers/s	 100 B/op
BenchmarkDurableTimers-2    	       1	     1000 timers/s	 100 B/op
BenchmarkDurableTimers-2    	       1	     1900 timers/s	 100 B/op
BenchmarkEvent/step_due,_with_its_page-2	 5000	  125000 ns/op	  2048 B/op	  31 allocs/op
PASS
pkg: irisops/actions/erlang
BenchmarkCall-2	 1	 0.0334 ms/call
`

// The table says of each figure what was measured (the median of several runs),
// its bound, what part of the bound is used, and whether it is held.
func TestTable(t *testing.T) {
	seen, err := results(strings.NewReader(printed))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	missing := table(&out, seen, false)
	for _, row := range []string{
		`(?m)^durable timers accepted per second +1,900 timers/s +>= 2,000 timers/s +1\.05 +MISSED$`,
		`(?m)^one rpc on a held connection +0\.0334 ms +<= 1 ms +0\.03 +held$`,
		`(?m)^cold start until connected to Slack +not measured +<= 50 ms`,
		`(?m)^step due, with its page +125 µs +2 KiB +31 *$`,
	} {
		if !regexp.MustCompile(row).MatchString(out.String()) {
			t.Errorf("no %s in:\n%s", row, out.String())
		}
	}
	if !slices.Contains(missing, "cold start until connected to Slack") || slices.Contains(missing, "one rpc on a held connection") {
		t.Errorf("missing: %q", missing)
	}
	out.Reset()
	if missing := table(&out, seen, true); len(missing) > 0 || strings.Contains(out.String(), "not measured") {
		t.Errorf("of some benchmarks only: missing %q in:\n%s", missing, out.String())
	}
}

// Every figure has its benchmark, so that none is waited for in vain.
func TestFiguresHaveBenchmarks(t *testing.T) {
	all := map[string]string{} // the benchmark files of each package
	for _, f := range figures {
		pkg, rest, _ := strings.Cut(f.at, ".")
		name, unit, _ := strings.Cut(rest, " ")
		name, _, _ = strings.Cut(name, "/")
		if all[pkg] == "" {
			files, err := os.ReadDir("../../" + pkg)
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range files {
				if strings.HasPrefix(file.Name(), "bench") && strings.HasSuffix(file.Name(), "_test.go") {
					text, err := os.ReadFile("../../" + pkg + "/" + file.Name())
					if err != nil {
						t.Fatal(err)
					}
					all[pkg] += string(text)
				}
			}
		}
		if !strings.Contains(all[pkg], "func Benchmark"+name+"(") || !strings.Contains(all[pkg], `"`+unit+`"`) {
			t.Errorf("%s: no benchmark in %s is called %s and reports %s", f.what, pkg, name, unit)
		}
	}
}

func TestShow(t *testing.T) {
	for want, v := range map[string]float64{"0.0335 ms": 0.03346, "1.80 ms": 1.8, "16.7 ms": 16.7, "364 ms": 363.9, "33,526 ms": 33526, "0 ms": 0, "-0.250 ms": -0.25, "10 ms": 10} {
		if got := show(v, "ms"); got != want {
			t.Errorf("%g is shown as %q, want %q", v, got, want)
		}
	}
}
