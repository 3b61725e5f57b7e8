package watch

import (
	"irisops/bot/incident"
)

// damping says in how many of the last rounds a symptom has to show before it
// counts, by its priority: what is graver counts sooner.
var damping = map[incident.Priority]struct{ n, of int }{
	incident.P0: {2, 3},
	incident.P1: {3, 5},
	incident.P2: {4, 6},
	incident.P3: {8, 10},
}

// clear is for how many rounds in a row a cause has not shown when it is over.
const clear = 4

// memory is what is remembered of one cause.
type memory struct {
	shown  []bool // the last rounds, the newest last
	last   Symptom
	counts bool
	as     incident.Priority // with which it counts
	told   string            // what became of it last
	worse  int               // rounds in a row in which it was graver than that
}

// see takes one round in: symptom is nil if the cause did not show. begins says
// that it counts from now on, or counts as graver than before; ends that it does
// not any more.
func (m *memory) see(s *Symptom) (begins, ends bool) {
	m.shown = append(m.shown, s != nil)
	if s != nil {
		m.last = *s
	}
	rule := damping[m.last.Priority]
	if longest := max(rule.of, clear); len(m.shown) > longest {
		m.shown = m.shown[len(m.shown)-longest:]
	}
	if m.counts {
		m.worse++
		if s == nil || s.Priority >= m.as {
			m.worse = 0
		} else if m.worse >= rule.n {
			m.as, m.worse = s.Priority, 0
			return true, false
		}
		if quiet(m.shown) >= clear {
			m.counts = false
			return false, true
		}
		return false, false
	}
	shown := 0
	for _, yes := range m.shown[max(0, len(m.shown)-rule.of):] {
		if yes {
			shown++
		}
	}
	if s != nil && shown >= rule.n {
		m.counts, m.as, m.worse = true, s.Priority, 0
		return true, false
	}
	return false, false
}

// forgotten: nothing of it is left to remember.
func (m *memory) forgotten() bool { return !m.counts && quiet(m.shown) == len(m.shown) }

// quiet is how many rounds at the end did not show it.
func quiet(shown []bool) (n int) {
	for i := len(shown) - 1; i >= 0 && !shown[i]; i-- {
		n++
	}
	return n
}
