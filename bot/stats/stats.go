// Package stats says how well incidents were answered and mended: how long it
// took to acknowledge and to recover, by month and priority. It is pure.
//
// Drills are left out, and duplicates that were merged into another incident:
// the trouble counts once. An incident that was reopened is recovered when it
// was for the last time; one that was resolved without ever being recovered (a
// false alarm) counts, but took no time to recover.
package stats

import (
	"cmp"
	"slices"
	"time"

	"irisops/bot/incident"
)

// Row is what happened in one month at one priority.
type Row struct {
	Month       time.Time // its first moment, in people's zone
	Priority    incident.Priority
	Count       int
	Open        int // not resolved yet
	Unanswered  int // nobody acknowledged them in time, or at all
	Reopened    int
	Acknowledge Span
	Recover     Span
}

// Span is how long something took.
type Span struct {
	Count   int // 0: it never happened, and the rest says nothing
	Median  time.Duration
	Longest time.Duration
}

// Compute puts incidents together by the month in which they were declared, the
// latest month first, and by priority.
func Compute(list []incident.Incident, zone *time.Location) []Row {
	type key struct {
		year     int
		month    time.Month
		priority incident.Priority
	}
	groups := map[key][]incident.Incident{}
	for _, inc := range list {
		if inc.Drill || inc.MergedInto != 0 {
			continue
		}
		at := inc.DeclaredAt.In(zone)
		k := key{at.Year(), at.Month(), inc.Priority}
		groups[k] = append(groups[k], inc)
	}
	var rows []Row
	for k, group := range groups {
		row := Row{Month: time.Date(k.year, k.month, 1, 0, 0, 0, 0, zone), Priority: k.priority}
		row.sum(group)
		rows = append(rows, row)
	}
	slices.SortFunc(rows, func(a, b Row) int {
		return cmp.Or(b.Month.Compare(a.Month), cmp.Compare(a.Priority, b.Priority))
	})
	return rows
}

func (r *Row) sum(group []incident.Incident) {
	var acknowledge, mend []time.Duration
	for _, inc := range group {
		r.Count++
		if !inc.Over() {
			r.Open++
		}
		if inc.Reopenings > 0 {
			r.Reopened++
		}
		if !inc.Unanswered.IsZero() || inc.AnsweredAt.IsZero() && inc.Over() {
			r.Unanswered++
		}
		if took, ok := TimeToAcknowledge(inc); ok {
			acknowledge = append(acknowledge, took)
		}
		if took, ok := TimeToRecover(inc); ok {
			mend = append(mend, took)
		}
	}
	r.Acknowledge, r.Recover = span(acknowledge), span(mend)
}

// TimeToAcknowledge is from the declaration until somebody had it. False if
// nobody has.
func TimeToAcknowledge(inc incident.Incident) (time.Duration, bool) {
	return between(inc.DeclaredAt, inc.AnsweredAt)
}

// TimeToRecover is from the declaration until it was recovered for good. False
// if it never was.
func TimeToRecover(inc incident.Incident) (time.Duration, bool) {
	return between(inc.DeclaredAt, inc.RecoveredAt)
}

// between is never negative: the clock may have been set back.
func between(from, to time.Time) (time.Duration, bool) {
	if to.IsZero() {
		return 0, false
	}
	return max(to.Sub(from), 0), true
}

func span(all []time.Duration) Span {
	if len(all) == 0 {
		return Span{}
	}
	slices.Sort(all)
	middle := len(all) / 2
	median := all[middle]
	if len(all)%2 == 0 {
		median = all[middle-1] + (median-all[middle-1])/2
	}
	return Span{Count: len(all), Median: median, Longest: all[len(all)-1]}
}
