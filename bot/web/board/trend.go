package board

import (
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"

	"irisops/actions/drill"
)

// target is the runbook's bound for a drill: "verify recovery < 5 min".
const target = 5 * time.Minute

// far is how many times higher than every bar the bound is not drawn any more.
const far = 3

const (
	width, height         = 720.0, 200.0
	left, right           = 56.0, 12.0
	top, bottom           = 12.0, 34.0
	mostDrills            = 36
	headroom      float64 = 1.1
)

// trend is the picture of the last drills, with the same as a table for those
// who do not see it.
func (b *Board) trend() Section {
	s := Section{ID: "trend", Title: "Recovery in drills"}
	if b.Drills == nil {
		return s
	}
	drills, err := b.Drills()
	switch {
	case err != nil:
		s.Empty = "The drills cannot be read: " + err.Error()
	case len(drills) == 0:
		s.Empty = "No drill was run yet. In the conversation: drill plan."
	default:
		s.Cards = []Card{{Picture: plot(drills[max(0, len(drills)-mostDrills):], b.Zone)}}
	}
	return s
}

// plot draws one bar a drill against the bound, where that is not so far above all
// of them that nothing could be told apart. A bar's height is the time to recovery;
// one that failed is drawn hatched and says so in its title.
func plot(drills []drill.Point, zone *time.Location) template.HTML {
	most := time.Duration(0)
	for _, d := range drills {
		most = max(most, d.Recovery)
	}
	above := most > 0 && most < target/far
	if !above {
		most = max(most, target)
	}
	span := most.Seconds() * headroom
	y := func(d time.Duration) float64 {
		return top + (height-top-bottom)*(1-d.Seconds()/span)
	}
	step := (width - left - right) / float64(len(drills))
	passed := 0
	var bars, words strings.Builder
	for i, d := range drills {
		class, outcome := "bar failed", "failed"
		if d.Passed {
			class, outcome = "bar", "passed"
			passed++
		}
		x := left + step*float64(i)
		title := fmt.Sprintf("%s, %s: %s, recovered after %s", d.At.In(zone).Format("2 Jan 2006"), d.Node, outcome, precise(d.Recovery))
		if d.Recovery <= 0 {
			title = fmt.Sprintf("%s, %s: %s, not recovered", d.At.In(zone).Format("2 Jan 2006"), d.Node, outcome)
		}
		h := max(height-bottom-y(d.Recovery), 2)
		fmt.Fprintf(&bars, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`,
			class, x+step*0.15, height-bottom-h, step*0.7, h, template.HTMLEscapeString(title))
		fmt.Fprintf(&words, "<li>%s</li>", template.HTMLEscapeString(title))
	}
	var out strings.Builder
	summary := fmt.Sprintf("%d of the last %d drills passed: recovery within %s", passed, len(drills), spoken(target))
	fmt.Fprintf(&out, `<figure><svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, summary)
	for _, at := range ticks(most) {
		fmt.Fprintf(&out, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`,
			left, width-right, y(at), y(at), left-8, y(at)+4, spoken(at))
	}
	out.WriteString(bars.String())
	line := "far above the picture"
	if !above {
		line = "dashed line"
		fmt.Fprintf(&out, `<line class="bound" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, left, width-right, y(target), y(target))
	}
	fmt.Fprintf(&out, `<text x="%g" y="%g">%s</text><text x="%g" y="%g" text-anchor="end">%s</text></svg>`,
		left, height-10, drills[0].At.In(zone).Format("Jan 2006"), width-right, height-10, drills[len(drills)-1].At.In(zone).Format("Jan 2006"))
	out.WriteString(spread(drills))
	fmt.Fprintf(&out, `<figcaption>%s (%s).</figcaption><details data-key="trend"><summary>The same in words</summary><ul>%s</ul></details></figure>`, summary, line, words.String())
	return template.HTML(out.String()) //nolint:gosec // numbers, and text that was escaped
}

// spread draws how the recoveries are distributed, on a scale of their own: a dot
// for each, a box from the fastest to the ninth in ten, a line at the median. The
// same stands below it in words.
func spread(drills []drill.Point) string {
	d := drill.Distribute(drills)
	if d.Most == 0 {
		return ""
	}
	const height, middle, half = 84.0, 28.0, 14.0
	span := d.Most.Seconds() * headroom
	x := func(t time.Duration) float64 { return left + (width-left-right)*t.Seconds()/span }
	words := fmt.Sprintf("Recoveries: median %s, nine in ten within %s, from %s to %s", precise(d.Median), precise(d.P90), precise(d.Least), precise(d.Most))
	var out strings.Builder
	fmt.Fprintf(&out, `<svg viewBox="0 0 %g %g" role="img" aria-label="%s"><rect class="box" x="%.1f" y="%g" width="%.1f" height="%g"/><line class="median" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/>`,
		width, height, words, x(d.Least), middle-half, x(d.P90)-x(d.Least), 2*half, x(d.Median), x(d.Median), middle-half, middle+half)
	for _, p := range drills {
		if p.Recovery > 0 {
			fmt.Fprintf(&out, `<circle class="dot" cx="%.1f" cy="%g" r="4"><title>%s</title></circle>`, x(p.Recovery), middle, precise(p.Recovery))
		}
	}
	fmt.Fprintf(&out, `<line class="grid" x1="%g" x2="%g" y1="%g" y2="%g"/><text x="%g" y="%g">0</text><text x="%.1f" y="%g" text-anchor="end">%s</text></svg><p class="note">%s.</p>`,
		left, width-right, middle+half+6, middle+half+6, left, middle+half+24, x(d.Most), middle+half+24, precise(d.Most), words)
	return out.String()
}

// precise is a recovery as people compare them.
func precise(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

// ticks are a few round heights up to most.
func ticks(most time.Duration) []time.Duration {
	const second = time.Second
	for _, step := range []time.Duration{second / 10, second / 5, second / 2, second, 2 * second, 5 * second, 10 * second, 20 * second, 30 * second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, time.Hour, 24 * time.Hour} {
		if most/step <= 6 {
			var all []time.Duration
			for at := time.Duration(0); at <= most; at += step {
				all = append(all, at)
			}
			return all
		}
	}
	return []time.Duration{0, most}
}

func spoken(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%d h", int(d.Hours()))
	case d == 0:
		return "0"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
	case d%time.Minute != 0:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d min", int(d.Minutes()))
}
