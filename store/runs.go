package store

import (
	"context"
	"slices"
	"time"

	"irisops/actions"
	"irisops/actions/approval"
	"irisops/actions/runbook"
	"irisops/bot/change"
)

type runRecord struct {
	record
	Number   uint64            `json:"number"`
	Version  uint64            `json:"version"`
	Action   string            `json:"action"`
	Args     map[string]string `json:"args,omitempty"`
	Cluster  string            `json:"cluster,omitempty"`
	Incident string            `json:"incident,omitempty"`
	By       string            `json:"by"`
	Asked    time.Time         `json:"asked,omitzero"`

	Title   string   `json:"title"`
	Class   string   `json:"class"`
	Why     string   `json:"why,omitempty"`
	Targets []string `json:"targets,omitempty"`
	Preview []string `json:"preview,omitempty"`

	Approval approvalRecord `json:"approval"`
	State    string         `json:"state"`
	Steps    []stepRecord   `json:"steps,omitempty"`
	Started  time.Time      `json:"started,omitzero"`
	Ended    time.Time      `json:"ended,omitzero"`
	Outcome  string         `json:"outcome,omitempty"`
}

type approvalRecord struct {
	Needs     string    `json:"needs,omitempty"`
	Requester string    `json:"requester,omitempty"`
	Digest    string    `json:"digest,omitempty"`
	Asked     time.Time `json:"asked,omitzero"`
	Until     time.Time `json:"until,omitzero"`
	Verdict   string    `json:"verdict,omitempty"`
	By        string    `json:"by,omitempty"`
	At        time.Time `json:"at,omitzero"`
	Reason    string    `json:"reason,omitempty"`
	Glass     bool      `json:"glass,omitempty"`
}

type stepRecord struct {
	Name     string    `json:"name"`
	Describe string    `json:"describe,omitempty"`
	State    string    `json:"state"`
	Started  time.Time `json:"started,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Evidence string    `json:"evidence,omitempty"`
}

// classes by the names under which they are kept; a class without a name ("")
// is none.
var classes = map[string]actions.Class{
	actions.See.String():  actions.See,
	actions.Tell.String(): actions.Tell,
	actions.Do.String():   actions.Do,
	actions.Harm.String(): actions.Harm,
}

func recordRun(r runbook.Run, version uint64) runRecord {
	a := r.Approval
	rec := runRecord{
		record: record{recordVersion},
		Number: r.Number, Version: version, Action: r.Action, Args: r.Args, Cluster: r.Cluster, Incident: r.Incident,
		By: r.By, Asked: utc(r.Asked),
		Title: r.Title, Class: r.Class.String(), Why: r.Why, Targets: r.Targets, Preview: r.Preview,
		Approval: approvalRecord{
			Needs: string(a.Needs), Requester: a.Requester, Digest: a.Digest, Asked: utc(a.Asked), Until: utc(a.Until),
			Verdict: string(a.Verdict), By: a.By, At: utc(a.At), Reason: a.Reason, Glass: a.Glass,
		},
		State: string(r.State), Started: utc(r.Started), Ended: utc(r.Ended), Outcome: r.Outcome,
	}
	for _, s := range r.Steps {
		rec.Steps = append(rec.Steps, stepRecord{
			Name: s.Name, Describe: s.Describe, State: string(s.State), Started: utc(s.Started), Ended: utc(s.Ended), Evidence: s.Evidence,
		})
	}
	return rec
}

func (r runRecord) run() runbook.Run {
	a := r.Approval
	run := runbook.Run{
		Number: r.Number, Version: r.Version, Action: r.Action, Args: r.Args, Cluster: r.Cluster, Incident: r.Incident,
		By: r.By, Asked: r.Asked,
		Title: r.Title, Class: classes[r.Class], Why: r.Why, Targets: r.Targets, Preview: r.Preview,
		Approval: approval.Request{
			Needs: approval.Needs(a.Needs), Requester: a.Requester, Digest: a.Digest, Asked: a.Asked, Until: a.Until,
			Verdict: approval.Verdict(a.Verdict), By: a.By, At: a.At, Reason: a.Reason, Glass: a.Glass,
		},
		State: runbook.State(r.State), Started: r.Started, Ended: r.Ended, Outcome: r.Outcome,
	}
	for _, s := range r.Steps {
		run.Steps = append(run.Steps, runbook.StepRecord{
			Name: s.Name, Describe: s.Describe, State: runbook.StepState(s.State), Started: s.Started, Ended: s.Ended, Evidence: s.Evidence,
		})
	}
	return run
}

// run reads the record with that number; a zero Version says there is none.
func (t *tx) run(n uint64) (rec runRecord, err error) {
	body, err := t.get(bRuns, numberKey(n))
	if err != nil || body == nil {
		return rec, err
	}
	return rec, decode(bRuns, body, &rec)
}

// putRun writes the run after old (zero: it is new), with its state's row and
// its locks.
func (t *tx) putRun(r runbook.Run, old runRecord) error {
	if r.State == "" {
		return invalid("%s has no state", r.ID())
	}
	if _, ok := classes[r.Class.String()]; !ok {
		return invalid("%s has no class", r.ID())
	}
	if err := t.moveLocks(old.run(), r); err != nil {
		return err
	}
	if err := t.put(bRuns, numberKey(r.Number), encode(recordRun(r, old.Version+1))); err != nil {
		return err
	}
	var before []byte
	if old.Version > 0 {
		before = stateKey(old.run())
	}
	return t.moveRow(bRunStates, before, stateKey(r))
}

func stateKey(r runbook.Run) []byte {
	return join(statePrefix(r.State), numberKey(r.Number))
}

func statePrefix(s runbook.State) []byte { return append([]byte(s), 0) }

// targets that the run holds.
func held(r runbook.Run) []string {
	if !r.State.Locks() {
		return nil
	}
	return r.Targets
}

// moveLocks takes what the run holds now, and lets go of what it held before.
func (t *tx) moveLocks(before, now runbook.Run) error {
	for _, target := range held(now) {
		if err := checkKey("target", target); err != nil {
			return err
		}
		body, err := t.get(bLocks, []byte(target))
		if err != nil {
			return err
		}
		if body != nil && number(body) != now.Number {
			return busy(target, number(body))
		}
	}
	for _, target := range held(before) {
		if !slices.Contains(held(now), target) {
			if err := t.del(bLocks, []byte(target)); err != nil {
				return err
			}
		}
	}
	for _, target := range held(now) {
		if !slices.Contains(held(before), target) {
			if err := t.put(bLocks, []byte(target), numberKey(now.Number)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Request records a new run. build gets its number and returns the change that
// makes it: the run with that number and version 0, and, if it belongs to an
// incident, a change of that incident at the version it was read. The run is
// returned as it stands in the store. Errors are those of Commit.
//
// build may be called more than once, and must not call the store.
func (db *DB) Request(ctx context.Context, build func(number uint64) change.Change) (runbook.Run, error) {
	var run runbook.Run
	err := db.update(ctx, "The request", func(t *tx) error {
		last, err := t.lastNumber(bRuns)
		if err != nil {
			return err
		}
		c := ask(build, last+1)
		if c.Run == nil || c.Run.Number != last+1 || c.Run.Version != 0 {
			return invalid("a new run has to have the number it was given and version 0")
		}
		made := *c.Run
		c.Run = nil
		if err := t.apply(c); err != nil {
			return err
		}
		if err := t.putRun(made, runRecord{}); err != nil {
			return err
		}
		run = recordRun(made, 1).run()
		return nil
	})
	if err != nil {
		return runbook.Run{}, err
	}
	return run, nil
}

// Run is the run with that number, or change.ErrNotFound.
func (db *DB) Run(n uint64) (runbook.Run, error) {
	var rec runRecord
	err := db.view(func(t *tx) (err error) {
		if rec, err = t.run(n); err == nil && rec.Version == 0 {
			return notFound(runbook.ID(n))
		}
		return err
	})
	return rec.run(), err
}

// Runs are the runs in any of the states, by number.
func (db *DB) Runs(states ...runbook.State) ([]runbook.Run, error) {
	var list []runbook.Run
	err := db.view(func(t *tx) error {
		for _, s := range slices.Compact(slices.Sorted(slices.Values(states))) {
			prefix := statePrefix(s)
			err := t.walk(bRunStates, prefix, func(key, _ []byte) error {
				rec, err := t.run(number(key[len(prefix):]))
				list = append(list, rec.run())
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b runbook.Run) int {
		if a.Number < b.Number {
			return -1
		}
		return 1
	})
	return list, err
}

// Holder is the number of the run that holds the target; 0 if none does.
func (db *DB) Holder(target string) (n uint64, err error) {
	err = db.view(func(t *tx) error {
		body, err := t.get(bLocks, []byte(target))
		n = number(body)
		return err
	})
	return n, err
}

// LastRuns are the newest n runs, newest first.
func (db *DB) LastRuns(n int) ([]runbook.Run, error) {
	var list []runbook.Run
	err := db.view(func(t *tx) error {
		return t.walkBack(bRuns, func(_, body []byte) error {
			if len(list) >= n {
				return errStop
			}
			var rec runRecord
			if err := decode(bRuns, body, &rec); err != nil {
				return err
			}
			list = append(list, rec.run())
			return nil
		})
	})
	return list, err
}
