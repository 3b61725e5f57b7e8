package oncall

import (
	"slices"
	"time"
)

// Turn is a stretch of time with one person on call, or nobody.
type Turn struct {
	Role        string
	From, Until time.Time
	Person      string // "" is nobody
	Override    string // its ID, if that is why
}

// look is how far ahead the next change of a role is looked for.
const look = 400 * 24 * time.Hour

// Next is when somebody else than now holds the role, and who; false if that does
// not change within a year.
func (r Roster) Next(role string, now time.Time) (Turn, bool) {
	for _, span := range []time.Duration{15 * 24 * time.Hour, look} { // mostly soon
		turns := r.Schedule(role, now, now.Add(span))
		if len(turns) > 1 {
			return turns[1], true
		}
	}
	return Turn{}, false
}

// Schedule is who holds the role from one time until another, in order, without
// a break: where nobody does, a Turn says so.
func (r Roster) Schedule(role string, from, until time.Time) []Turn {
	var turns []Turn
	edges := r.edges(role, from, until)
	for i, at := range edges[:len(edges)-1] {
		turn := Turn{Role: role, From: at, Until: edges[i+1]}
		turn.Person, turn.Override = r.holder(role, at)
		if n := len(turns); n > 0 && turns[n-1].Person == turn.Person && turns[n-1].Override == turn.Override {
			turns[n-1].Until = turn.Until
			continue
		}
		turns = append(turns, turn)
	}
	return turns
}

// Gaps are when nobody holds a role that somebody holds at other times, or that
// is in the roster at all.
func (r Roster) Gaps(from, until time.Time) []Turn {
	var gaps []Turn
	for _, role := range r.Names() {
		for _, t := range r.Schedule(role, from, until) {
			if t.Person == "" {
				gaps = append(gaps, t)
			}
		}
	}
	return gaps
}

// Double is one person who would be called twice, or one role that two hold.
type Double struct {
	Role, Other string // the same where two people hold one role
	From, Until time.Time
	Person      string
	And         string // the other one, where two hold one role
}

// Doubles are the bookings that collide: two shifts of a role that are on at the
// same time with different people, of whom the first counts; and one person who
// has two roles at once because of a rotation or an override. Who holds two
// roles by name is meant to.
func (r Roster) Doubles(from, until time.Time) []Double {
	var doubles []Double
	names := r.Names()
	for i, role := range names {
		doubles = append(doubles, r.twoInOne(role, from, until)...)
		for _, other := range names[i+1:] {
			if len(r.Shifts[role]) > 0 || len(r.Shifts[other]) > 0 {
				doubles = append(doubles, r.oneInTwo(role, other, from, until)...)
			}
		}
	}
	return doubles
}

func (r Roster) twoInOne(role string, from, until time.Time) []Double {
	var doubles []Double
	edges := r.edges(role, from, until)
	for i, at := range edges[:len(edges)-1] {
		var on []string
		for _, s := range r.Shifts[role] {
			if p := s.person(at, r.zone()); s.covers(at, r.zone()) && !slices.Contains(on, p) {
				on = append(on, p)
			}
		}
		if len(on) > 1 {
			doubles = joined(doubles, Double{Role: role, Other: role, From: at, Until: edges[i+1], Person: on[0], And: on[1]})
		}
	}
	return doubles
}

func (r Roster) oneInTwo(role, other string, from, until time.Time) []Double {
	var doubles []Double
	edges := append(r.edges(role, from, until), r.edges(other, from, until)...)
	slices.SortFunc(edges, time.Time.Compare)
	edges = slices.CompactFunc(edges, time.Time.Equal)
	for i, at := range edges[:len(edges)-1] {
		one, _ := r.holder(role, at)
		two, _ := r.holder(other, at)
		if one != "" && one == two {
			doubles = joined(doubles, Double{Role: role, Other: other, From: at, Until: edges[i+1], Person: one})
		}
	}
	return doubles
}

// joined adds d, to the last one if it goes on.
func joined(doubles []Double, d Double) []Double {
	if n := len(doubles); n > 0 {
		last := &doubles[n-1]
		if last.Until.Equal(d.From) && last.Person == d.Person && last.And == d.And {
			last.Until = d.Until
			return doubles
		}
	}
	return append(doubles, d)
}

// edges are from, until, and when in between the holder may change.
func (r Roster) edges(role string, from, until time.Time) []time.Time {
	edges := []time.Time{from, until}
	add := func(t time.Time) {
		if t.After(from) && t.Before(until) {
			edges = append(edges, t)
		}
	}
	last := dateOf(until.In(r.zone())).plus(1)
	for d := dateOf(from.In(r.zone())).plus(-1); d.since(last) <= 0; d = d.plus(1) {
		for _, s := range r.Shifts[role] {
			for _, t := range s.edges(d, r.zone()) {
				add(t)
			}
		}
	}
	for _, o := range r.Overrides {
		if o.Role == role && o.Cancelled == "" {
			add(o.From)
			add(o.Until)
		}
	}
	slices.SortFunc(edges, time.Time.Compare)
	return slices.CompactFunc(edges, time.Time.Equal)
}
