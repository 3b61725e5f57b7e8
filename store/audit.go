package store

import (
	"bytes"
	"fmt"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/incident"
	"irisops/bot/pager"
)

// Overdue is how long after its time a step may still be unfired before Audit
// complains: what the promise allows after a restart.
const Overdue = 5 * time.Second

// Audit looks whether everything that is still going on is armed: every open
// incident has its timer, none is overdue, every unsent page is in the outbox or
// under way, every locked target has its run, and nothing else is in those
// indexes. It returns a sentence for each thing that is wrong; none means that
// all is well. It reads what is open only, in one transaction.
func (db *DB) Audit(now time.Time) ([]string, error) {
	a := &auditor{now: now}
	err := db.view(func(t *tx) error {
		a.tx = t
		for _, check := range []func() error{a.timers, a.dedups, a.pages, a.locks} {
			if err := check(); err != nil {
				return err
			}
		}
		return nil
	})
	return a.wrong, err
}

type auditor struct {
	tx    *tx
	now   time.Time
	wrong []string
	open  map[uint64]expected
}

// expected are the index rows that an open incident has to have.
type expected struct {
	due   []byte // nil: none
	dedup string
}

func (a *auditor) say(format string, args ...any) {
	a.wrong = append(a.wrong, fmt.Sprintf(format, args...))
}

func (a *auditor) timers() error {
	a.open = map[uint64]expected{}
	err := a.tx.walk(bOpen, nil, func(_, body []byte) error {
		var rec incidentRecord
		if err := decode(bOpen, body, &rec); err != nil {
			return err
		}
		inc := rec.incident()
		row := dueKey(inc)
		a.open[rec.Number] = expected{row, rec.Dedup}
		if inc.Over() {
			a.say("%s is resolved, but stands among the open incidents.", inc.ID())
		}
		if row == nil {
			return nil
		}
		armed, err := a.tx.has(bDue, row)
		if err != nil {
			return err
		}
		at, what := deadline(inc)
		if late := a.now.Sub(at); !armed {
			a.say("%s has no timer for its next %s, due at %s.", inc.ID(), what, at.Format(time.RFC3339))
		} else if late > Overdue {
			a.say("%s: %s is overdue by %s and has not fired.", inc.ID(), what, late.Round(time.Second))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return a.tx.walk(bDue, nil, func(key, _ []byte) error {
		n := number(key[8:])
		if want, ok := a.open[n]; !ok || !bytes.Equal(want.due, key) {
			a.say("There is a timer for %s at %s that it does not have.", incident.ID(n), keyTime(key).Format(time.RFC3339))
		}
		return nil
	})
}

// deadline is the next one, and what it is.
func deadline(inc incident.Incident) (time.Time, string) {
	at, _ := inc.NextDeadline()
	if step, ok := inc.NextStep(); ok && step.Due.Equal(at) {
		return at, "step " + step.Name
	}
	if inc.Waiting() && inc.AnswerBy.Equal(at) {
		return at, "response time"
	}
	return at, "reminder"
}

func (a *auditor) dedups() error {
	for n, want := range a.open {
		if want.dedup == "" {
			continue
		}
		body, err := a.tx.get(bDedup, dedupKey(want.dedup))
		if err != nil {
			return err
		}
		if number(body) != n {
			a.say("%s could be declared a second time: its key is not known.", incident.ID(n))
		}
	}
	return a.tx.walk(bDedup, nil, func(key, body []byte) error {
		n := number(body)
		if want, ok := a.open[n]; !ok || !bytes.Equal(dedupKey(want.dedup), key) {
			a.say("A declaration would be taken for %s, which is not open with that key.", incident.ID(n))
		}
		return nil
	})
}

func (a *auditor) pages() error {
	err := a.tx.walk(bPending, nil, func(key, body []byte) error {
		var rec pageRecord
		if err := decode(bPending, body, &rec); err != nil {
			return err
		}
		b, row := pageRow(rec.page())
		if row == nil {
			a.say("The page %s is %s, but stands among the pending ones.", key, rec.State)
			return nil
		}
		there, err := a.tx.has(b, row)
		if err == nil && !there {
			a.say("The page %s is %s, but nobody will send it: it is not in %s.", key, rec.State, b)
		}
		return err
	})
	if err != nil {
		return err
	}
	for b, keyAt := range map[bucket]int{bOutbox: 16, bSending: 0} {
		err := a.tx.walk(b, nil, func(row, _ []byte) error {
			p, ok, err := a.tx.page(string(row[keyAt:]))
			if err != nil {
				return err
			}
			if home, want := pageRow(p); !ok || home != b || !bytes.Equal(want, row) {
				a.say("The page %s is in %s, but it is %s.", row[keyAt:], b, stateOr(p.State, ok))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func stateOr(s pager.State, ok bool) string {
	if !ok {
		return "not known"
	}
	return string(s)
}

func (a *auditor) locks() error {
	for _, s := range []runbook.State{runbook.Running, runbook.Uncertain} {
		prefix := statePrefix(s)
		err := a.tx.walk(bRunStates, prefix, func(key, _ []byte) error {
			rec, err := a.tx.run(number(key[len(prefix):]))
			if err != nil {
				return err
			}
			for _, target := range held(rec.run()) {
				body, err := a.tx.get(bLocks, []byte(target))
				if err != nil {
					return err
				}
				if number(body) != rec.Number {
					a.say("%s works on %s without holding it.", runbook.ID(rec.Number), target)
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return a.tx.walk(bLocks, nil, func(key, body []byte) error {
		rec, err := a.tx.run(number(body))
		if err != nil {
			return err
		}
		for _, target := range held(rec.run()) {
			if target == string(key) {
				return nil
			}
		}
		a.say("%s is held by %s, which does not work on it.", key, runbook.ID(number(body)))
		return nil
	})
}
