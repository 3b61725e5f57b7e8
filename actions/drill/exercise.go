package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/actions/cluster"
)

// exercise is one drill being made.
type exercise struct {
	d       *Drill
	r       Record
	resumed bool // irisops ended in the middle: nothing is struck any more, only put back in order

	lost    int // rounds in a row in which clients outside of the victim were not served
	slow    int // rounds in a row in which some of them waited longer than the SLO
	second  map[string]int
	served  int // rounds in a row in which clients were served again
	first   time.Duration
	pid     int // of the victim before the strike
	recover chan error
}

// rounds in a row that count: one bad look is not yet a failure.
const rounds = 3

// slowRounds in a row that are too slow count: a moment of it is in the report only.
const slowRounds = 10

func (x *exercise) now() time.Time { return time.Now().UTC().Round(0) }

// wait lets the announced time come, unless somebody stops it.
func (x *exercise) wait(ctx context.Context) (string, error) {
	x.keep(ctx)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if why := x.d.Desk.Stop(x.r); why != "" {
			return "", x.skip(ctx, Aborted, why)
		}
		if !x.now().Before(x.r.At) {
			return "it is time", nil
		}
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case <-tick.C:
		}
	}
}

// skip ends a drill that has struck nothing.
func (x *exercise) skip(ctx context.Context, v Verdict, why string) error {
	x.r.Verdict, x.r.Why, x.r.Ended = v, why, x.now()
	x.r.note(x.r.Ended, "%s before the strike: %s", v, why)
	x.keep(ctx)
	x.d.Desk.End(context.WithoutCancel(ctx), x.r)
	return &actions.Error{Code: "drill-" + string(v), Text: fmt.Sprintf("The drill was %s, and nothing was done: %s.", v, why)}
}

func (x *exercise) preflight(ctx context.Context) (string, error) {
	x.r.Hypothesis = x.d.Steady(ctx, x.r.Victim, x.now(), true)
	if x.r.Fault == Partition {
		room, err := x.d.Field.Settleable(ctx, x.r.Victim)
		c := Check{"a split could be settled", err == nil, strings.Join(room, "; ")}
		if err != nil {
			c.Seen = err.Error()
		}
		x.r.Hypothesis = append(x.r.Hypothesis, c)
	}
	if bad := failing(x.r.Hypothesis); len(bad) > 0 {
		return "", x.skip(ctx, Skipped, strings.Join(bad, "; "))
	}
	x.keep(ctx)
	return fmt.Sprintf("all %d parts hold", len(x.r.Hypothesis)), nil
}

// keep records how it stands; what cannot be recorded is not worth ending a drill
// for, once it has struck.
func (x *exercise) keep(ctx context.Context) {
	if err := x.d.Desk.Keep(context.WithoutCancel(ctx), x.r); err != nil {
		x.d.Log.Error("a drill could not be recorded", "drill", x.r.ID, "err", err)
	}
	x.d.Desk.Progress(x.r)
}

// perform strikes, watches and recovers. It ends with the cluster in order, or
// with an alarm.
func (x *exercise) perform(ctx context.Context) (string, error) {
	if x.resumed {
		return x.afterwards(ctx)
	}
	before := x.d.Field.Observe(ctx)
	for _, s := range before.Nodes {
		if s.Node == x.r.Victim {
			x.pid = s.PID
		}
	}
	x.r.Incident = x.d.Desk.Begin(ctx, x.r)
	// From here on it counts as struck: a crash between the strike and its record must
	// not leave a victim that nobody knows of.
	x.r.Verdict, x.r.Struck = Running, x.now()
	if err := x.d.Desk.Keep(ctx, x.r); err != nil { // no strike without its intent on record
		x.r.Verdict, x.r.Why, x.r.Struck, x.r.Ended = Skipped, "its beginning could not be recorded", time.Time{}, x.now()
		x.d.Desk.End(context.WithoutCancel(ctx), x.r)
		return "", fmt.Errorf("the drill did not begin, because it could not be recorded: %w", err)
	}
	x.r.Struck = x.now()
	seen, err := x.strike(ctx)
	why := ""
	if err != nil {
		x.r.Verdict, why = Failed, "the victim could not be struck: "+err.Error()
	} else {
		x.r.note(x.now(), "%s %s: %s", x.r.Fault, x.r.Victim, seen)
		x.keep(ctx)
		why = x.watch(ctx)
	}
	x.restore(ctx, why)
	return x.conclude(ctx, why)
}

// strike does to the victim what the drill is for.
func (x *exercise) strike(ctx context.Context) (string, error) {
	switch x.r.Fault {
	case Kill:
		return x.d.Field.Strike(ctx, x.r.Victim, cluster.Kill)
	case Pause:
		return x.d.Field.Strike(ctx, x.r.Victim, cluster.Pause)
	case Block:
		return x.d.Field.Block(ctx, x.r.Victim)
	case Partition:
		side, seen, err := x.d.Parter.Part(ctx, x.r.Victim)
		x.r.Side = side
		return seen, err
	}
	return "", fmt.Errorf("there is no fault %q", x.r.Fault)
}

// watch looks until clients are served again. It returns why it had to end before
// that; "" if they are.
func (x *exercise) watch(ctx context.Context) string {
	x.second = map[string]int{}
	tick := time.NewTicker(x.d.Every)
	defer tick.Stop()
	for {
		o := x.d.Field.Observe(ctx)
		after := x.now().Sub(x.r.Struck)
		if ctx.Err() != nil {
			return "irisops is being stopped"
		}
		if why := x.take(ctx, o, after); why != "" {
			return why
		}
		if x.served >= 2 {
			x.r.Recovery = Of(x.first)
			return ""
		}
		if why := x.d.Desk.Stop(x.r); why != "" {
			return why
		}
		if after > x.d.Limit {
			why := "clients were not served again within " + spoken(x.d.Limit)
			x.d.Desk.Alarm(ctx, x.r, "The drill of "+x.r.Victim+" goes wrong: "+why+". irisops recovers it now")
			return why
		}
		select {
		case <-ctx.Done():
			return "irisops is being stopped"
		case <-tick.C:
		}
	}
}

// take takes one look in; it returns why the drill has to end.
func (x *exercise) take(ctx context.Context, o cluster.Observation, after time.Duration) string {
	var victim cluster.Sight
	outside := true
	edge := false
	for _, s := range o.Nodes {
		if s.Node == x.r.Victim {
			victim = s
			edge = s.Role == cluster.EdgeRole
		}
	}
	bad, slow := "", ""
	for _, s := range o.Nodes {
		if s.Role != cluster.EdgeRole || s.Untried {
			continue
		}
		p := &x.r.Others
		if x.r.cutOff(s.Node) {
			p = &x.r.Victims
		}
		p.Sent++
		switch {
		case s.Delivery == 0:
			p.Lost++
			if !x.r.cutOff(s.Node) {
				outside, bad = false, s.Node
			}
		default:
			p.Delivered++
			if took := max(s.Login, s.Delivery); took > x.d.Late {
				p.Late++
				if !x.r.cutOff(s.Node) {
					slow = s.Node + " in " + spoken(took)
				}
			}
		}
	}
	x.stages(ctx, o, victim, edge, after)
	if _, detected := x.r.stage(StageDetected); detected && x.r.Mode == Auto && x.recover == nil {
		x.r.note(x.now(), "irisops recovers %s", x.r.Victim)
		x.keep(ctx)
		x.begin(ctx)
	}
	alone := !edge && x.d.cores() == 1 // without its only core IRIS may let nobody in: that is what this drill is about
	if x.lost++; outside || alone {
		x.lost = 0
	}
	if x.lost >= rounds {
		return "clients outside of the victim are not served: " + bad
	}
	if x.slow++; slow == "" || alone {
		x.slow = 0
	}
	if x.slow >= slowRounds {
		return "clients outside of the victim are served too slowly: " + slow
	}
	for _, s := range o.Nodes {
		gone := !s.Answers && (s.Process == cluster.Gone || s.Process == cluster.Halted)
		if x.second[s.Node]++; x.r.cutOff(s.Node) || !gone {
			x.second[s.Node] = 0
		}
		if x.second[s.Node] >= rounds-1 {
			return "a second node failed: " + first(s.Why, s.Node)
		}
	}
	return ""
}

// stages notes what is seen for the first time, in its order.
func (x *exercise) stages(ctx context.Context, o cluster.Observation, v cluster.Sight, edge bool, after time.Duration) {
	reached := func(name string) bool { _, ok := x.r.stage(name); return ok }
	reach := func(name string, now bool) bool {
		if now && !reached(name) {
			x.r.Stages = append(x.r.Stages, Stage{name, Of(after)})
			x.r.note(x.now(), "%s after %s", name, after.Round(time.Millisecond))
			x.keep(ctx) // a crash from here on leaves it on record
		}
		return now
	}
	up := v.Answers && v.Process != cluster.Gone && v.Process != cluster.Halted
	parted, split := x.apart(o)
	again := up && v.PID != 0 && v.PID != x.pid && x.r.Fault == Kill
	refuses := edge && !v.Untried && v.Login == 0
	reach(StageDetected, !up || refuses || again || parted || split)
	if !reached(StageDetected) {
		return
	}
	tables := !slices.ContainsFunc(o.Findings, func(f cluster.Finding) bool { return f.Tables() || f.Apart() && f.Node == x.r.Victim })
	login, message := true, true
	for _, s := range o.Nodes {
		if s.Role == cluster.EdgeRole && !s.Untried && (!edge || s.Node == x.r.Victim) {
			login = login && s.Login > 0
			message = message && s.Delivery > 0
		}
	}
	ok := reach(StageUp, up && !parted)
	ok = ok && reach(StageTables, tables && !split)
	ok = ok && reach(StageLogin, login)
	if ok && reach(StageMessage, message) {
		if x.served++; x.served == 1 {
			x.first = after
		}
		return
	}
	x.served = 0
}

// begin starts the recovery, which is carried out beside the watching.
func (x *exercise) begin(ctx context.Context) {
	done := make(chan error, 1)
	x.recover = done
	r := x.r
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v", p)
			}
		}()
		if r.Fault == Partition {
			_, err := x.d.rejoin(ctx, r)
			done <- err
			return
		}
		done <- x.d.takeSteps(ctx, r.Victim)
	}()
}

// takeSteps carries out the steps that have a node serve again.
func (d *Drill) takeSteps(ctx context.Context, victim string) error {
	steps, err := d.Field.Recovery(ctx, victim)
	if err != nil {
		return err
	}
	for _, s := range steps {
		limit := s.Timeout
		if limit <= 0 {
			limit = time.Minute
		}
		bounded, cancel := context.WithTimeout(ctx, limit)
		_, err := s.Perform(bounded)
		if err == nil && s.Check != nil {
			_, err = s.Check(bounded)
		}
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
	}
	return nil
}

// conclude is the verdict.
func (x *exercise) conclude(ctx context.Context, why string) (string, error) {
	r := &x.r
	r.Ended, r.Why = x.now(), why
	switch {
	case r.disorder() != "":
		r.Verdict = Failed
		r.Why = first(why, "the cluster is not in order again")
	case r.Verdict == Failed:
	case x.resumed:
		r.Verdict = Interrupted
	case why == "" && r.Recovery.Duration() <= x.d.Limit:
		r.Verdict = Passed
	case why == "" || strings.HasPrefix(why, "clients were not served again within"):
		r.Verdict = TooSlow
	default:
		r.Verdict = Aborted
	}
	r.note(r.Ended, "verdict: %s", r.Headline())
	x.keep(ctx)
	x.d.Desk.End(context.WithoutCancel(ctx), *r)
	return x.said()
}

// said is the verdict as the end of a step.
func (x *exercise) said() (string, error) {
	r := x.r
	if r.Verdict != Passed {
		return "", &actions.Error{Code: "drill-" + strings.ReplaceAll(string(r.Verdict), " ", "-"), Text: r.Headline() + "."}
	}
	return r.Headline(), nil
}

// EndedMidway is why a drill ended that nobody ended.
const EndedMidway = "irisops ended in the middle of it"

// afterwards is the step of a drill in whose middle irisops ended: nothing is
// struck, the cluster is put back in order.
func (x *exercise) afterwards(ctx context.Context) (string, error) {
	if err := x.recall(); err != nil {
		return "", err
	}
	switch {
	case x.r.concluded():
		return x.said()
	case x.r.Struck.IsZero():
		return "", x.skip(ctx, Interrupted, EndedMidway)
	}
	x.r.Ended = time.Time{}
	x.r.note(x.now(), "%s; it is put back in order", EndedMidway)
	x.keep(ctx)
	x.restore(ctx, EndedMidway)
	return x.conclude(ctx, EndedMidway)
}

// recall takes up what an earlier life has recorded.
func (x *exercise) recall() error {
	past, err := x.d.Desk.Past()
	if err != nil {
		return err
	}
	for _, r := range past {
		if r.ID == x.r.ID {
			x.r = r
		}
	}
	return nil
}

// check says whether the cluster is in order: what a person wants to know of a
// drill that was interrupted.
func (x *exercise) check(ctx context.Context) (string, error) {
	if x.resumed {
		if err := x.recall(); err != nil {
			return "", err
		}
	}
	if x.r.Verdict == Passed {
		return "", nil // perform has looked
	}
	if bad := disorder(x.d.Field.Observe(ctx)); bad != "" {
		return "", errors.New(bad)
	}
	if x.resumed {
		return "", errors.New("everything serves by now, and the drill is not concluded")
	}
	return "everything serves", nil
}
