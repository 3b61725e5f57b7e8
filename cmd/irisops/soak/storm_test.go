package soak

import (
	"context"
	"slices"
	"time"
)

// event is something that happens in a storm, so long after its beginning.
type event struct {
	at time.Duration
	do func()
}

// fault is a way to break things. It is given the length of the storm, and adds
// its events to it.
type fault struct {
	name    string
	cluster bool // something of the nodes: what clients send may be lost, people may act
	add     func(s *soak, length time.Duration) []event
}

var faults = map[string]fault{
	"kills of nodes": {"kills of nodes", true, func(s *soak, length time.Duration) (all []event) {
		for range 1 + s.rand.IntN(3) {
			node := s.node()
			all = append(all, event{s.within(length), func() { s.strike("node killed", s.lab.Kill, node) }})
		}
		return all
	}},
	"stopped nodes": {"stopped nodes", true, func(s *soak, length time.Duration) (all []event) {
		node, at := s.node(), s.within(length)
		return []event{{at, func() { s.strike("node stopped for a while", s.lab.Pause, node) }},
			{at + s.within(4*time.Second), func() { s.strike("", s.lab.Resume, node) }}}
	}},
	"a parted network": {"a parted network", false, func(s *soak, length time.Duration) []event {
		return []event{{0, s.part}, {time.Second, func() {
			s.clients.stream(s, "edge1", true)
			s.clients.stream(s, "edge2", true)
		}}, {length - time.Second, s.clients.hush}} // it heals when people mend
	}},
	"kills of irisops": {"kills of irisops", false, func(s *soak, length time.Duration) (all []event) {
		for range 1 + s.rand.IntN(3) {
			at := s.within(length)
			node := s.edge()
			all = append(all, event{at - 2*time.Second, func() { s.act("restart " + node) }}, event{at - time.Second - s.within(time.Second), func() { s.act("confirm") }})
			all = append(all, event{at, func() {
				if !s.bot.over() {
					s.bot.kill()
					s.counts["irisops killed"]++
					s.asleep = time.Now().Add(s.within(time.Second))
				}
			}})
		}
		return all
	}},
	"faults of Slack": {"faults of Slack", false, func(s *soak, length time.Duration) (all []event) {
		for range int(length / (400 * time.Millisecond)) {
			all = append(all, event{s.within(length), s.slip})
		}
		if s.rand.IntN(2) == 0 {
			at := s.within(length)
			all = append(all, event{at, func() { s.slack.Refuse("service_unavailable"); s.slack.Cut(); s.counts["times Slack was down"]++ }},
				event{at + s.within(3*time.Second), func() { s.slack.Refuse("") }})
		}
		return all
	}},
	"a full disk": {"a full disk", false, func(s *soak, length time.Duration) []event {
		at := s.within(length)
		return []event{{at, func() {
			s.disk.free() // if it was
			s.disk.fill()
			s.counts["times the disk was full"]++
		}}, {at + 500*time.Millisecond + s.within(3*time.Second), s.disk.free}}
	}},
	"no mail": {"no mail", false, func(s *soak, length time.Duration) []event {
		at := s.within(length)
		return []event{{at, func() { s.mail.fail(true); s.counts["times mail was refused"]++ }}, {at + s.within(3*time.Second), func() { s.mail.fail(false) }}}
	}},
}

// node is one of the lab's.
func (s *soak) node() string { return pick(s.rand, "core1", "core2", "edge1", "edge2") }

func (s *soak) within(d time.Duration) time.Duration {
	return time.Duration(s.rand.Int64N(int64(d)))
}

// strike does something to a node, which may be down already.
func (s *soak) strike(what string, do func(context.Context, string) error, node string) {
	err := do(s.t.Context(), node)
	if err == nil && what != "" {
		s.counts[what]++
	}
}

// act has somebody act, so that irisops is killed in the middle of it.
func (s *soak) act(words string) {
	s.t.Helper()
	if s.parted || !s.slack.Connected() {
		return
	}
	s.people.acts++
	s.counts["commands"]++
	s.say(second, "C0OPS", words)
}

// part parts the two cores, each with its edge.
func (s *soak) part() {
	s.t.Helper()
	if _, err := s.lab.Partition(s.t.Context(), []string{"core1"}, []string{"core2"}); err != nil {
		s.t.Fatalf("the network cannot be parted: %v", err)
	}
	s.parted = true
	s.counts["times the network was parted"]++
}

// slip is one small fault of Slack.
func (s *soak) slip() {
	s.counts["faults of Slack"]++
	switch s.rand.IntN(12) {
	case 0:
		s.slack.Disconnect([]string{"warning", "refresh_requested"}[s.rand.IntN(2)])
	case 1:
		s.slack.Cut()
	case 2, 3:
		s.slack.RateLimit("chat.postMessage", 1, time.Second)
	case 4:
		s.slack.RateLimit("chat.update", 1, 0)
	case 5, 6:
		s.slack.Break("chat.postMessage", 1+s.rand.IntN(2), 503)
	case 7, 8:
		s.slack.LoseAnswer("chat.postMessage", 1)
	case 9:
		s.slack.LoseAnswer("chat.update", 1)
	default:
		s.slack.DeliverTwice()
	}
}

// choose draws the faults of a round. The first two have all of them between
// them; a parted network goes with nothing else that breaks nodes.
func (s *soak) choose(round int) []string {
	switch round {
	case 1:
		return []string{"kills of nodes", "stopped nodes", "kills of irisops", "faults of Slack"}
	case 2:
		return []string{"a parted network", "a full disk", "no mail"}
	}
	names := []string{"kills of nodes", "stopped nodes", "kills of irisops", "faults of Slack", "a full disk", "no mail"}
	s.rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = names[:1+s.rand.IntN(4)]
	if s.rand.IntN(4) == 0 {
		names = slices.DeleteFunc(names, func(n string) bool { return faults[n].cluster })
		names = append(names, "a parted network")
	}
	return names
}

// storm breaks things while people talk and clients send.
func (s *soak) storm(round int) []string {
	s.t.Helper()
	names := s.choose(round)
	s.people.unsure = slices.Contains(names, "faults of Slack") || slices.Contains(names, "kills of irisops")
	length := 4*time.Second + s.within(4*time.Second)
	var events []event
	kinds := []kind{sees, tells, acts}
	for _, name := range names {
		events = append(events, faults[name].add(s, length)...)
		s.counts["storms with "+name]++
	}
	if slices.Contains(names, "a parted network") {
		kinds = []kind{sees, tells} // what people do to nodes would lose what is owed
	} else {
		s.clients.stream(s, "edge1", false)
		s.clients.stream(s, "edge2", false)
	}
	slices.SortStableFunc(events, func(a, b event) int { return int(a.at - b.at) })
	s.pass(length, func(gone time.Duration) {
		for len(events) > 0 && events[0].at <= gone {
			events[0].do()
			events = events[1:]
		}
		s.talk(8, kinds...)
	})
	for _, e := range events { // those that end something
		e.do()
	}
	s.clients.hush()
	s.slack.Refuse("")
	s.mail.fail(false)
	s.disk.free()
	return names
}
