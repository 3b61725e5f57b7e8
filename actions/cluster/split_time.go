package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// splitTime is when the sides lost each other, as well as it can be known.
type splitTime struct {
	from time.Time // what was written from here on may be on one side only
	how  string    // how that is known, and how sure it is
}

// splitWhen asks the cores when they lost the other side. Mnesia notes that
// itself, on disk, to the second and by its node's clock, and forgets it only when
// the sides run together again. A silent line is found dead a while after it died
// (net_ticktime and a quarter), so what was written that long before counts too:
// rather a message twice than none.
//
// The line inconsistent_database in the log is of no use for this: it comes when
// the sides meet again.
func (c *Cluster) splitWhen(ctx context.Context, sides []side) (splitTime, error) {
	var first, last time.Time
	var silentFor time.Duration
	var said, missing []string
	for i, s := range sides {
		for _, n := range s {
			for j, other := range sides {
				if i == j {
					continue
				}
				for _, lost := range other {
					at, ok, err := c.lostAt(ctx, n, lost)
					switch {
					case err != nil:
						missing = append(missing, fmt.Sprintf("%s cannot be asked: %s", n.Short, c.mask.err(err)))
						continue
					case !ok:
						missing = append(missing, fmt.Sprintf("%s has noted nothing about %s", n.Short, lost.Short))
						continue
					}
					said = append(said, fmt.Sprintf("%s lost %s at %s", n.Short, lost.Short, stampOf(at)))
					if first.IsZero() || at.Before(first) {
						first = at
					}
					if at.After(last) {
						last = at
					}
				}
			}
			silentFor = max(silentFor, c.tickTime(ctx, n))
		}
	}
	if len(said) == 0 {
		return splitTime{}, &actions.Error{Code: "time-unknown",
			Text: fmt.Sprintf("When the sides lost each other is not known: %s. Nothing was done.", strings.Join(missing, "; ")),
			Hint: "`logs NODE --grep down` shows when a core saw another one go. Then say it: `--since 2026-03-01T03:15:00Z`, or how long ago: `--since 2h`; rather too early than too late."}
	}
	from := first.Add(-silentFor)
	how := fmt.Sprintf("Mnesia's own notes: %s; %s earlier, because a dead line is noticed late", strings.Join(said, ", "), spoken(silentFor))
	switch {
	case len(missing) > 0:
		how += "; only part of it is known: " + strings.Join(missing, ", ")
	case last.Sub(first) > 5*time.Minute:
		how += fmt.Sprintf("; these are %s apart, so clocks differ or there was more than one split: the earliest counts", spoken(last.Sub(first)))
	}
	return splitTime{from: from, how: how}, nil
}

// lostAt is when Mnesia on a core noted that it lost another one.
func (c *Cluster) lostAt(ctx context.Context, n, lost Node) (time.Time, bool, error) {
	ctx, cancel := c.brief(ctx)
	defer cancel()
	t, err := c.erlang.Call(ctx, n.Name, "ets", "lookup", term.Atom("mnesia_decision"), term.Atom(lost.Name))
	if err != nil {
		return time.Time{}, false, err
	}
	rows, _ := term.AsList(t)
	for _, row := range rows {
		note, ok := row.(term.Tuple)
		if !ok || len(note) != 4 || note[0] != term.Atom("mnesia_down") {
			continue
		}
		t, err := c.erlang.Call(ctx, n.Name, "calendar", "local_time_to_universal_time_dst", term.Tuple{note[2], note[3]})
		if err != nil {
			return time.Time{}, false, err
		}
		if times, ok := term.AsList(t); ok && len(times) > 0 { // two when clocks go back: the earlier
			at, err := dateTime(times[0])
			return at, err == nil, err
		}
	}
	return time.Time{}, false, nil
}

// dateTime reads {{Year, Month, Day}, {Hour, Minute, Second}} in UTC.
func dateTime(t term.Term) (time.Time, error) {
	pair, ok := t.(term.Tuple)
	if !ok || len(pair) != 2 {
		return time.Time{}, unexpected(t)
	}
	date, err1 := numbers(pair[0], 3)
	clock, err2 := numbers(pair[1], 3)
	if err1 != nil || err2 != nil {
		return time.Time{}, unexpected(t)
	}
	return time.Date(int(date[0]), time.Month(date[1]), int(date[2]), int(clock[0]), int(clock[1]), int(clock[2]), 0, time.UTC), nil
}

// tickTime is how long a connection may be dead before the node sees it.
func (c *Cluster) tickTime(ctx context.Context, n Node) time.Duration {
	seconds := int64(60) // Erlang's default, where the node does not say
	t, err := c.erlang.Call(ctx, n.Name, "net_kernel", "get_net_ticktime")
	if err == nil {
		if s, ok := term.AsInt(t); ok {
			seconds = s
		}
	}
	return time.Duration(seconds) * time.Second * 5 / 4
}

// sinceTyped reads what a person says about the time of the split.
func sinceTyped(text string, now time.Time) (time.Time, error) {
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return now.Add(-d).UTC().Truncate(time.Second), nil
	}
	at, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	if err != nil || at.After(now) {
		return time.Time{}, &actions.Error{Code: "bad-value", Text: fmt.Sprintf("--since %s is no time in the past.", cut(text, 40)),
			Hint: fmt.Sprintf("Say it in UTC, as in %s, or how long ago: 2h.", stampOf(now.Add(-time.Hour)))}
	}
	return at.UTC(), nil
}

func stampOf(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func firstOfPair(t term.Term) (int64, bool) {
	pair, ok := t.(term.Tuple)
	if !ok || len(pair) == 0 {
		return 0, false
	}
	return term.AsInt(pair[0])
}
