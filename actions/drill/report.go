package drill

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Headline is the outcome in one line.
func (r Record) Headline() string {
	switch r.Verdict {
	case Passed:
		return fmt.Sprintf("passed: %s was back after %s, and may take %s", r.Victim, spoken(r.Recovery.Duration()), spoken(r.Limit.Duration()))
	case TooSlow:
		return fmt.Sprintf("too slow: %s was not back within %s", r.Victim, spoken(r.Limit.Duration()))
	case Planned:
		return fmt.Sprintf("planned: %s %s at %s UTC", r.Fault, r.Victim, r.At.Format("2006-01-02 15:04:05"))
	case Running:
		return fmt.Sprintf("under way: %s %s", r.Fault, r.Victim)
	case Skipped:
		return "skipped, nothing was done: " + r.Why
	}
	if r.Struck.IsZero() {
		return fmt.Sprintf("%s before the strike: %s", r.Verdict, r.Why)
	}
	state := "everything serves again"
	if bad := r.disorder(); bad != "" {
		state = "the cluster is NOT in order: " + bad
	}
	return fmt.Sprintf("%s: %s; %s", r.Verdict, r.Why, state)
}

// Rows are the stages for people.
func (r Record) Rows() [][]string {
	var rows [][]string
	for _, name := range stages {
		after := "not seen"
		if s, ok := r.stage(name); ok {
			after = spoken(s.After.Duration())
		}
		rows = append(rows, []string{name, after})
	}
	return rows
}

// Point is one drill in the trend.
type Point struct {
	At       time.Time
	Node     string
	Recovery time.Duration // 0: it did not recover
	Passed   bool
}

// Points are the drills that struck, the oldest first: for the history and the
// plot on the board.
func Points(past []Record) []Point {
	var points []Point
	for _, r := range past {
		if !r.Struck.IsZero() && r.Verdict != Running && r.Verdict != Aborted && r.Verdict != Interrupted {
			points = append(points, Point{r.Struck, r.Victim, r.Recovery.Duration(), r.Verdict == Passed})
		}
	}
	slices.SortFunc(points, func(a, b Point) int { return a.At.Compare(b.At) })
	return points
}

// Distribution of the recoveries that there were.
type Distribution struct {
	Drills, Passed int
	Least, Median  time.Duration
	P90, Most      time.Duration
	// Trend is how much a recovery changes from one drill to the next, by the line
	// through all of them; 0 with less than three.
	Trend time.Duration
}

// Distribute sums the points up.
func Distribute(points []Point) Distribution {
	d := Distribution{Drills: len(points)}
	var all []time.Duration
	var sx, sy, sxx, sxy, n float64
	for _, p := range points {
		if p.Passed {
			d.Passed++
		}
		if p.Recovery > 0 {
			x := float64(len(all))
			all = append(all, p.Recovery)
			sx, sy, sxx, sxy, n = sx+x, sy+p.Recovery.Seconds(), sxx+x*x, sxy+x*p.Recovery.Seconds(), n+1
		}
	}
	if len(all) == 0 {
		return d
	}
	if n >= 3 {
		d.Trend = time.Duration(math.Round((n*sxy-sx*sy)/(n*sxx-sx*sx)*1000)) * time.Millisecond
	}
	slices.Sort(all)
	rank := func(percent int) time.Duration { return all[(len(all)*percent+99)/100-1] }
	d.Least, d.Median, d.P90, d.Most = all[0], rank(50), rank(90), all[len(all)-1]
	return d
}

// Bars is the history as text: a bar each, as long as the recovery took.
func Bars(points []Point) []string {
	most := time.Duration(1)
	for _, p := range points {
		most = max(most, p.Recovery)
	}
	lines := make([]string, len(points))
	for i, p := range points {
		bar, end := strings.Repeat("█", max(1, int(24*p.Recovery/most))), spoken(p.Recovery)
		if p.Recovery == 0 {
			bar, end = "", "did not recover"
		} else if !p.Passed {
			end += ", too slow"
		}
		lines[i] = fmt.Sprintf("%s  %-10s %s %s", p.At.UTC().Format("2006-01-02"), p.Node, bar, end)
	}
	return lines
}

func spoken(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 100*time.Second:
		return strings.Replace(fmt.Sprintf("%.1f s", d.Seconds()), ".0 s", " s", 1)
	}
	d = d.Round(time.Second)
	return strings.TrimSuffix(fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60), " 0 s")
}
