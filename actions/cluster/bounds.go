package cluster

import (
	"fmt"
	"strconv"

	"irisops/actions"
)

// Bound says from where on a figure is worth a warning, and from where on it is
// critical. A Critical of 0 means: never. A zero Bound means the default.
type Bound struct{ Warn, Critical float64 }

// Bounds are the thresholds of the checks. Their zero value means the defaults
// written beside each field.
type Bounds struct {
	Memory       Bound   // of a node, % of its host's memory: 60, 80
	NodeMemory   Bound   // of a node, bytes, as IRIS itself warns: 16 GiB, 24 GiB
	Processes    Bound   // % of process_limit: 70, 85
	Limits       Bound   // atoms, ETS tables and ports, % of their limits: 70, 85
	RunQueue     Bound   // run queue per scheduler: 2, 10
	Utilization  Bound   // of the schedulers, %: 80, 95
	Binaries     Bound   // % of the node's memory; counts from BinaryFloor on: 40, 60
	BinaryFloor  float64 // bytes of binaries that are nothing to speak of: 64 MiB
	Mailbox      Bound   // messages waiting in one process: 1,000, 10,000
	Transactions Bound   // failures and restarts of Mnesia, % of commits: 1, 5
	Overload     Bound   // "Mnesia ... overloaded" in a log in 10 minutes: 1, 5
	Pending      Bound   // messages waiting for the durable batcher: 1,000, 10,000
	SizeSkew     Bound   // of a table between cores, %: 5, 0
	PresenceSkew Bound   // users on edges that no core knows, %: 20, 0
	StuckUser    Bound   // messages waiting for one user: 10,000, 100,000
	Unacked      Bound   // deliveries without acknowledgement in an edge's log in 10 minutes: 2, 0
	Clock        Bound   // seconds between the clocks of two nodes: 0.5, 5
	DiskFree     Bound   // bytes, critical is the smaller: 10 GiB, 2 GiB
	HostMemory   Bound   // used on the host, %: 85, 95
	HostLoad     Bound   // 5 minute load per processor: 2, 10
	HostSwap     Bound   // used swap, %: 50, 90

	// MostProcesses is how many processes a node may have for all of them to be
	// looked at: 50,000 (0.2 s of one scheduler per 20,000, at low priority). On
	// larger nodes the registered ones are.
	MostProcesses int
	// MostKeys is how many keys of offline_msg are walked to find whose messages
	// fill it: 5,000.
	MostKeys int
}

// DefaultBounds are the thresholds that hold where nothing else is said.
func DefaultBounds() Bounds { return Bounds{}.withDefaults() }

func (b Bounds) withDefaults() Bounds {
	const gib = 1 << 30
	for _, d := range []struct {
		field *Bound
		value Bound
	}{
		{&b.Memory, Bound{60, 80}},
		{&b.NodeMemory, Bound{16 * gib, 24 * gib}},
		{&b.Processes, Bound{70, 85}},
		{&b.Limits, Bound{70, 85}},
		{&b.RunQueue, Bound{2, 10}},
		{&b.Utilization, Bound{80, 95}},
		{&b.Binaries, Bound{40, 60}},
		{&b.Mailbox, Bound{1_000, 10_000}},
		{&b.Transactions, Bound{1, 5}},
		{&b.Overload, Bound{1, 5}},
		{&b.Pending, Bound{1_000, 10_000}},
		{&b.SizeSkew, Bound{5, 0}},
		{&b.PresenceSkew, Bound{20, 0}},
		{&b.StuckUser, Bound{10_000, 100_000}},
		{&b.Unacked, Bound{2, 0}},
		{&b.Clock, Bound{0.5, 5}},
		{&b.DiskFree, Bound{10 * gib, 2 * gib}},
		{&b.HostMemory, Bound{85, 95}},
		{&b.HostLoad, Bound{2, 10}},
		{&b.HostSwap, Bound{50, 90}},
	} {
		if *d.field == (Bound{}) {
			*d.field = d.value
		}
	}
	if b.BinaryFloor <= 0 {
		b.BinaryFloor = 64 << 20
	}
	if b.MostProcesses <= 0 {
		b.MostProcesses = 50_000
	}
	if b.MostKeys <= 0 {
		b.MostKeys = 5_000
	}
	return b
}

// of is the level of a figure that is bad when it is large.
func (b Bound) of(value float64) actions.Level {
	switch {
	case b.Critical > 0 && value >= b.Critical:
		return actions.Critical
	case b.Warn > 0 && value >= b.Warn:
		return actions.Warn
	}
	return actions.OK
}

// below is the level of a figure that is bad when it is small.
func (b Bound) below(value float64) actions.Level {
	switch {
	case value < b.Critical:
		return actions.Critical
	case value < b.Warn:
		return actions.Warn
	}
	return actions.OK
}

// worse is the worse of two levels that a check came to.
func worse(a, b actions.Level) actions.Level {
	for _, l := range []actions.Level{actions.Critical, actions.Unknown, actions.Warn, actions.Advice} {
		if a == l || b == l {
			return l
		}
	}
	return a
}

// percent is part of whole in percent; 0 of nothing.
func percent(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// grouped is a number for people: "200,000".
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// share is "0 %", "3.4 %", "71 %".
func share(p float64) string {
	if p > 0 && p < 10 {
		return fmt.Sprintf("%.1f %%", p)
	}
	return fmt.Sprintf("%.0f %%", p)
}
