package store

import (
	"context"
	"fmt"

	"irisops/actions/runbook"
	"irisops/bot/change"
	"irisops/bot/incident"
)

// Commit records the changes, all of them or none, in one durable transaction.
// Incidents and runs in them carry the version at which they were read, and are
// stored with the next one; a caller that goes on with its copy adds one to it,
// or reads again. With another version the error is change.ErrConflict. It is a
// *change.ErrBusy for a target that another run holds, change.ErrCarriedOut for
// a delivery that was carried out before, change.ErrNotFound for an unknown
// incident or run, or says why it could not be written.
//
// A page that is new (queued, never tried) and whose key is known already is not
// recorded a second time. A delivered page stays delivered.
func (db *DB) Commit(ctx context.Context, changes ...change.Change) error {
	return db.update(ctx, naming(changes), func(t *tx) error {
		for _, c := range changes {
			if err := t.apply(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// naming is what the changes are called in a sentence.
func naming(changes []change.Change) string {
	if len(changes) != 1 {
		return "The change"
	}
	switch c := changes[0]; {
	case c.Incident != nil:
		return "The change of " + c.Incident.ID()
	case c.Run != nil:
		return "The change of " + c.Run.ID()
	case len(c.Pages) > 0:
		return fmt.Sprintf("The state of a page of %s", c.Pages[0].Incident)
	}
	return "The change"
}

// apply writes a change of what exists.
func (t *tx) apply(c change.Change) error {
	if i := c.Incident; i != nil {
		old, err := t.incident(i.Number)
		switch {
		case err != nil:
			return err
		case old.Version == 0:
			return notFound(incident.ID(i.Number))
		case old.Version != i.Version:
			return conflict(i.ID())
		}
		if err := t.applyIncident(c, old, old.Dedup); err != nil {
			return err
		}
	}
	return t.applyRest(c)
}

// applyIncident writes the incident of c over old, with its entries.
func (t *tx) applyIncident(c change.Change, old incidentRecord, dedup string) error {
	if err := t.appendEntries(*c.Incident, old.Entries, c.Entries); err != nil {
		return err
	}
	return t.putIncident(*c.Incident, old, dedup)
}

// applyRest writes what stands beside the incident: the mark of the delivery,
// pages and the run.
func (t *tx) applyRest(c change.Change) error {
	if c.Delivery != "" {
		if err := t.markCarriedOut(c.Delivery); err != nil {
			return err
		}
	}
	if c.Incident == nil && len(c.Entries) > 0 {
		return invalid("timeline entries came without their incident")
	}
	for _, p := range c.Pages {
		if err := t.applyPage(p); err != nil {
			return err
		}
	}
	for _, a := range c.Alerts {
		if err := t.applyAlert(a); err != nil {
			return err
		}
	}
	if err := t.appendTrail(c.Audit); err != nil {
		return err
	}
	if c.Run == nil {
		return nil
	}
	old, err := t.run(c.Run.Number)
	switch {
	case err != nil:
		return err
	case old.Version == 0:
		return notFound(runbook.ID(c.Run.Number))
	case old.Version != c.Run.Version:
		return conflict(c.Run.ID())
	}
	return t.putRun(*c.Run, old)
}
