package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchfmt"
)

// measured are the values of each result by where they come from:
// "store.DurableTimers timers/s".
type measured map[string][]float64

// results reads what go test printed. Times per operation are in ns again, as
// they stood there.
func results(r io.Reader) (measured, error) {
	seen := measured{}
	reader := benchfmt.NewReader(r, "go test")
	for reader.Scan() {
		switch rec := reader.Result().(type) {
		case *benchfmt.Result:
			at := strings.TrimPrefix(rec.GetConfig("pkg"), "irisops/") + "." + nameOf(rec.Name)
			for _, v := range rec.Values {
				value, unit := v.Value, v.Unit
				if v.OrigUnit != "" {
					value, unit = v.OrigValue, v.OrigUnit
				}
				seen[at+" "+unit] = append(seen[at+" "+unit], value)
			}
		case *benchfmt.SyntaxError:
			// What a program under measurement printed into the line of its result.
			return nil, fmt.Errorf("a result cannot be read: %w", rec)
		}
	}
	return seen, reader.Err()
}

// nameOf is the name without the number of processors at its end.
func nameOf(n benchfmt.Name) string {
	base, parts := n.Parts()
	name := string(base)
	for _, p := range parts {
		if !bytes.HasPrefix(p, []byte("-")) {
			name += string(p)
		}
	}
	return name
}

// median of the runs; false if there is none.
func (m measured) median(at string) (float64, bool) {
	v := slices.Sorted(slices.Values(m[at]))
	if len(v) == 0 {
		return 0, false
	}
	return v[len(v)/2], true
}

// table prints all figures and returns those that nothing measured; only is true
// where not all benchmarks were run, and what was not is left out.
func table(out io.Writer, seen measured, only bool) (missing []string) {
	fmt.Fprintln(out, "The ratio is what part of the bound is used: up to 1 it is held.")
	var last string
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range figures {
		value, ok := seen.median(f.at)
		if !ok {
			if only {
				continue
			}
			missing = append(missing, f.what)
		}
		if f.part != last {
			w.Flush() // each part is aligned by itself
			fmt.Fprintf(out, "\n%s\n", f.part)
			fmt.Fprintln(w, "figure\tvalue\tbound\tratio\t")
			last = f.part
		}
		if !ok {
			fmt.Fprintf(w, "%s\tnot measured\t%s\t\t\n", f.what, f.boundText())
			continue
		}
		ratio, verdict := f.judge(value)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", f.what, show(value, f.unit), f.boundText(), ratio, verdict)
	}
	w.Flush()
	for _, c := range costs {
		names := seen.below(c.below)
		if len(names) == 0 {
			if !only {
				missing = append(missing, c.part)
			}
			continue
		}
		fmt.Fprintf(out, "\n%s\n", c.part)
		fmt.Fprintln(w, "what\ttime\tmemory\tallocations\t")
		for _, name := range names {
			took, _ := seen.median(c.below + name + " ns/op")
			bytes, _ := seen.median(c.below + name + " B/op")
			allocs, _ := seen.median(c.below + name + " allocs/op")
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t\n", strings.ReplaceAll(name, "_", " "), show(took/1000, "µs"), show(bytes/1024, "KiB"), show(allocs, ""))
		}
		w.Flush()
	}
	return missing
}

// below are the names of the benchmarks within one, by name.
func (m measured) below(prefix string) (names []string) {
	for at := range m {
		if rest, ok := strings.CutPrefix(at, prefix); ok {
			if name, ok := strings.CutSuffix(rest, " ns/op"); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// judge compares a value with the bound. The ratio is what part of the bound is
// used up, whether it is a most or a least: below 1 is good.
func (f figure) judge(value float64) (ratio, verdict string) {
	if f.bound == 0 {
		return "", ""
	}
	used := value / f.bound
	if f.least {
		used = f.bound / value
	}
	verdict = "held"
	if used > 1 || math.IsNaN(used) {
		verdict = "MISSED"
	}
	return strconv.FormatFloat(max(used, 0), 'f', 2, 64), verdict
}

func (f figure) boundText() string {
	switch {
	case f.bound == 0:
		return "-"
	case f.least:
		return ">= " + show(f.bound, f.unit)
	}
	return "<= " + show(f.bound, f.unit)
}

// show writes a value with three digits that count, and its unit.
func show(v float64, unit string) string {
	decimals := 0
	if a := math.Abs(v); a > 0 && a < 100 && v != math.Trunc(v) {
		decimals = min(max(2-int(math.Floor(math.Log10(a))), 0), 4)
	}
	digits := strconv.FormatFloat(v, 'f', decimals, 64)
	whole, rest, _ := strings.Cut(digits, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return strings.TrimSpace(whole + " " + unit)
}
