package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"irisops/actions/cluster"
)

// restore puts the cluster back in order, whatever has happened: a victim that is
// held is let go, one that does not serve is recovered, and then everything is
// looked at. It outlives the end of ctx as far as it can.
func (x *exercise) restore(ctx context.Context, why string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.d.Rollback)
	defer cancel()
	roll := func(what string, seen string, err error) {
		b := Rollback{What: what, OK: err == nil, Seen: seen}
		if err != nil {
			b.Seen = err.Error()
		}
		x.r.Rollbacks = append(x.r.Rollbacks, b)
		x.r.note(x.now(), "rollback: %s: %s", what, first(b.Seen, "done"))
		x.keep(ctx)
	}
	within := x.d.Rollback
	if x.recover != nil {
		select {
		case err := <-x.recover:
			roll("the recovery that was under way", "done", err)
		case <-ctx.Done():
			roll("the recovery that was under way", "", errors.New("it did not end in time"))
		}
	}
	if x.r.Fault == Pause && x.halted(ctx) {
		seen, err := x.d.Field.Strike(ctx, x.r.Victim, cluster.Continue)
		roll("let "+x.r.Victim+" go on", seen, err)
	}
	if x.r.Fault == Block {
		// A node that does not answer is recovered below, which lifts the block too.
		if blocked, err := x.d.Field.Blocked(ctx, x.r.Victim); err == nil && blocked {
			seen, err := x.d.Field.Unblock(ctx, x.r.Victim)
			roll("unblock the port of "+x.r.Victim, seen, err)
		}
	}
	if x.r.Fault == Partition {
		seen, err := x.d.heal(ctx)
		roll("join the network again", seen, err)
		if err == nil {
			if seen, err = x.d.settle(ctx, x.r); err != nil {
				within = min(within, afresh) // nobody but people can mend that, and they are called
				x.d.Desk.Alarm(ctx, x.r, fmt.Sprintf("The split that the drill of %s has left is not settled: %v", x.r.Victim, err))
			}
			roll(settleSplit, seen, err)
		}
	} else if bad := x.inOrder(ctx, x.d.Every); bad != "" && ctx.Err() == nil {
		roll("recover "+x.r.Victim, "done", x.d.takeSteps(ctx, x.r.Victim))
	}
	bad := x.inOrder(ctx, within)
	if bad == "" {
		roll(everythingServes, "every node answers, every edge lets a client in and delivers", nil)
		return
	}
	roll(everythingServes, "", errors.New(bad))
	x.d.Desk.Alarm(ctx, x.r, fmt.Sprintf("The rollback of the drill of %s failed: %s", x.r.Victim, bad))
}

func (x *exercise) halted(ctx context.Context) bool {
	for _, s := range x.d.Field.Observe(ctx).Nodes {
		if s.Node == x.r.Victim {
			return s.Process == cluster.Halted
		}
	}
	return false
}

// inOrder looks until everything serves or the time is up; it returns what does
// not.
func (x *exercise) inOrder(ctx context.Context, within time.Duration) (bad string) {
	bounded, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(x.d.Every)
	defer tick.Stop()
	for {
		if bad = disorder(x.d.Field.Observe(context.WithoutCancel(ctx))); bad == "" {
			return ""
		}
		select {
		case <-bounded.Done():
			return bad
		case <-tick.C:
		}
	}
}

// disorder is what does not serve; "" if all does.
func disorder(o cluster.Observation) string {
	for _, s := range o.Nodes {
		switch {
		case !s.Answers:
			return first(s.Why, s.Node+" does not answer")
		case s.Role == cluster.EdgeRole && !s.Untried && s.Delivery == 0:
			return s.Node + ": " + first(s.Trouble, "no message comes")
		}
	}
	for _, f := range o.Findings {
		if f.Tables() {
			return f.Node + ": " + f.Evidence
		}
	}
	return ""
}
