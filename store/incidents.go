package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"
	"time"

	"irisops/bot/change"
	"irisops/bot/incident"
)

type incidentRecord struct {
	record
	Number     uint64    `json:"number"`
	Version    uint64    `json:"version"`
	Dedup      string    `json:"dedup,omitempty"`
	Cluster    string    `json:"cluster"`
	Title      string    `json:"title"`
	Priority   string    `json:"priority"`
	State      string    `json:"state"`
	DeclaredBy string    `json:"declared_by"`
	DeclaredAt time.Time `json:"declared_at,omitzero"`
	Cause      string    `json:"cause,omitempty"`
	Drill      bool      `json:"drill,omitempty"`
	AckedBy    string    `json:"acked_by,omitempty"`
	AckedAt    time.Time `json:"acked_at,omitzero"`
	AnsweredAt time.Time `json:"answered_at,omitzero"`

	Handoff     *handoffRecord `json:"handoff,omitempty"`
	Commander   string         `json:"commander,omitempty"`
	Scribe      string         `json:"scribe,omitempty"`
	MitigatedBy string         `json:"mitigated_by,omitempty"`
	MitigatedAt time.Time      `json:"mitigated_at,omitzero"`

	Verification *verificationRecord `json:"verification,omitempty"`

	RecoveredBy string    `json:"recovered_by,omitempty"`
	RecoveredAt time.Time `json:"recovered_at,omitzero"`
	Forced      string    `json:"forced,omitempty"`
	ResolvedBy  string    `json:"resolved_by,omitempty"`
	ResolvedAt  time.Time `json:"resolved_at,omitzero"`
	Resolution  string    `json:"resolution,omitempty"`

	MergedInto uint64   `json:"merged_into,omitempty"`
	Duplicates []uint64 `json:"duplicates,omitempty"`
	Reopenings int      `json:"reopenings,omitempty"`

	Steps         []escalationRecord `json:"steps,omitempty"`
	Arming        *armingRecord      `json:"arming,omitempty"`
	PagingStopped *stopRecord        `json:"paging_stopped,omitempty"`

	AnswerBy    time.Time     `json:"answer_by,omitzero"`
	AnswerFrom  time.Time     `json:"answer_from,omitzero"`
	Unanswered  time.Time     `json:"unanswered,omitzero"`
	RemindEvery time.Duration `json:"remind_every_ns,omitempty"`
	RemindAt    time.Time     `json:"remind_at,omitzero"`

	Entries int `json:"entries"`
}

type handoffRecord struct {
	By string    `json:"by"`
	To string    `json:"to"`
	At time.Time `json:"at,omitzero"`
}

// armingRecord stands only where the clocks were armed anew.
type armingRecord struct {
	Round int       `json:"round"`
	At    time.Time `json:"at,omitzero"`
	Why   string    `json:"why"`
}

type verificationRecord struct {
	At      time.Time `json:"at,omitzero"`
	OK      bool      `json:"ok"`
	Summary string    `json:"summary"`
}

type escalationRecord struct {
	Name    string        `json:"name"`
	After   time.Duration `json:"after_ns"`
	Role    string        `json:"role"`
	Unless  string        `json:"unless,omitempty"` // "": recovered
	Round   int           `json:"round,omitempty"`
	Due     time.Time     `json:"due,omitzero"`
	Fired   time.Time     `json:"fired,omitzero"`
	Dropped time.Time     `json:"dropped,omitzero"`
	Because string        `json:"because,omitempty"`
}

type stopRecord struct {
	By     string    `json:"by"`
	At     time.Time `json:"at,omitzero"`
	Reason string    `json:"reason"`
}

func recordIncident(i incident.Incident, version uint64, dedup string) incidentRecord {
	r := incidentRecord{
		record: record{recordVersion},
		Number: i.Number, Version: version, Dedup: dedup,
		Cluster: i.Cluster, Title: i.Title, Priority: string(i.Priority), State: string(i.State),
		DeclaredBy: i.DeclaredBy, DeclaredAt: utc(i.DeclaredAt), Cause: i.Cause, Drill: i.Drill,
		AckedBy: i.AckedBy, AckedAt: utc(i.AckedAt),
		RecoveredBy: i.RecoveredBy, RecoveredAt: utc(i.RecoveredAt), Forced: i.Forced,
		ResolvedBy: i.ResolvedBy, ResolvedAt: utc(i.ResolvedAt), Resolution: i.Resolution,
		AnsweredAt: utc(i.AnsweredAt), Commander: i.Commander, Scribe: i.Scribe,
		MitigatedBy: i.MitigatedBy, MitigatedAt: utc(i.MitigatedAt),
		MergedInto: i.MergedInto, Duplicates: i.Duplicates, Reopenings: i.Reopenings,
		AnswerBy: utc(i.AnswerBy), AnswerFrom: utc(i.AnswerFrom), Unanswered: utc(i.Unanswered), RemindEvery: i.RemindEvery, RemindAt: utc(i.RemindAt),
		Entries: i.Entries,
	}
	if v := i.Verification; v != nil {
		r.Verification = &verificationRecord{At: utc(v.At), OK: v.OK, Summary: v.Summary}
	}
	for _, s := range i.Steps {
		r.Steps = append(r.Steps, escalationRecord{Name: s.Name, After: s.After, Role: s.Role, Unless: string(s.Unless), Round: s.Round,
			Due: utc(s.Due), Fired: utc(s.Fired), Dropped: utc(s.Dropped), Because: s.Because})
	}
	if h := i.Handoff; h != nil {
		r.Handoff = &handoffRecord{By: h.By, To: h.To, At: utc(h.At)}
	}
	if a := i.Arming; a != (incident.Arming{}) {
		r.Arming = &armingRecord{Round: a.Round, At: utc(a.At), Why: a.Why}
	}
	if s := i.PagingStopped; s != nil {
		r.PagingStopped = &stopRecord{By: s.By, At: utc(s.At), Reason: s.Reason}
	}
	return r
}

func (r incidentRecord) incident() incident.Incident {
	i := incident.Incident{
		Number: r.Number, Version: r.Version,
		Cluster: r.Cluster, Title: r.Title, Priority: incident.Priority(r.Priority), State: incident.State(r.State),
		DeclaredBy: r.DeclaredBy, DeclaredAt: r.DeclaredAt, Cause: r.Cause, Drill: r.Drill,
		AckedBy: r.AckedBy, AckedAt: r.AckedAt,
		RecoveredBy: r.RecoveredBy, RecoveredAt: r.RecoveredAt, Forced: r.Forced,
		ResolvedBy: r.ResolvedBy, ResolvedAt: r.ResolvedAt, Resolution: r.Resolution,
		AnsweredAt: r.AnsweredAt, Commander: r.Commander, Scribe: r.Scribe,
		MitigatedBy: r.MitigatedBy, MitigatedAt: r.MitigatedAt,
		MergedInto: r.MergedInto, Duplicates: r.Duplicates, Reopenings: r.Reopenings,
		AnswerBy: r.AnswerBy, AnswerFrom: r.AnswerFrom, Unanswered: r.Unanswered, RemindEvery: r.RemindEvery, RemindAt: r.RemindAt,
		Entries: r.Entries,
	}
	if v := r.Verification; v != nil {
		i.Verification = &incident.Verification{At: v.At, OK: v.OK, Summary: v.Summary}
	}
	for _, s := range r.Steps {
		i.Steps = append(i.Steps, incident.Step{Name: s.Name, After: s.After, Role: s.Role, Unless: incident.Unless(s.Unless), Round: s.Round,
			Due: s.Due, Fired: s.Fired, Dropped: s.Dropped, Because: s.Because})
	}
	if h := r.Handoff; h != nil {
		i.Handoff = &incident.Handoff{By: h.By, To: h.To, At: h.At}
	}
	if i.AnsweredAt.IsZero() {
		i.AnsweredAt = i.AckedAt // a record from before the two were told apart
	}
	if a := r.Arming; a != nil {
		i.Arming = incident.Arming{Round: a.Round, At: a.At, Why: a.Why}
	}
	if s := r.PagingStopped; s != nil {
		i.PagingStopped = &incident.Stop{By: s.By, At: s.At, Reason: s.Reason}
	}
	return i
}

// incident reads the record with that number; a zero Version says there is none.
func (t *tx) incident(n uint64) (rec incidentRecord, err error) {
	for _, b := range []bucket{bOpen, bResolved} {
		body, err := t.get(b, numberKey(n))
		if err != nil {
			return rec, err
		}
		if body != nil {
			return rec, decode(b, body, &rec)
		}
	}
	return rec, nil
}

// putIncident writes the incident after old (zero: it is new) with its place
// among the open or resolved, its timer and its dedup key.
func (t *tx) putIncident(inc incident.Incident, old incidentRecord, dedup string) error {
	key := numberKey(inc.Number)
	from, to := home(old.incident()), home(inc)
	if old.Version > 0 && from != to {
		if err := t.del(from, key); err != nil {
			return err
		}
		if to == bOpen { // reopened; another one may have been declared with its key
			_, taken, err := t.sameIncident(dedup)
			if err != nil {
				return err
			}
			if taken {
				dedup = ""
			}
		}
	}
	if err := t.put(to, key, encode(recordIncident(inc, old.Version+1, dedup))); err != nil {
		return err
	}
	if err := t.moveRow(bDue, dueKey(old.incident()), dueKey(inc)); err != nil {
		return err
	}
	switch {
	case dedup == "":
		return nil
	case inc.Over():
		return t.delDedup(dedup, inc.Number)
	case old.Version == 0 || from != to: // new, or reopened
		return t.put(bDedup, dedupKey(dedup), key)
	}
	return nil
}

// home is the bucket in which the incident stands.
func home(inc incident.Incident) bucket {
	if inc.Over() {
		return bResolved
	}
	return bOpen
}

// dueKey is the row of the incident's next deadline in the due index; nil if
// none.
func dueKey(inc incident.Incident) []byte {
	at, ok := inc.NextDeadline()
	if !ok {
		return nil
	}
	return join(timeKey(at), numberKey(inc.Number))
}

func dedupKey(dedup string) []byte {
	sum := sha256.Sum256([]byte(dedup))
	return sum[:]
}

func (t *tx) delDedup(dedup string, n uint64) error {
	body, err := t.get(bDedup, dedupKey(dedup))
	if err != nil || body == nil || number(body) != n {
		return err
	}
	return t.del(bDedup, dedupKey(dedup))
}

// sameIncident is the unresolved incident that was declared with that key.
func (t *tx) sameIncident(dedup string) (inc incident.Incident, ok bool, err error) {
	if dedup == "" {
		return inc, false, nil
	}
	body, err := t.get(bDedup, dedupKey(dedup))
	if err != nil || body == nil {
		return inc, false, err
	}
	rec, err := t.incident(number(body))
	if err != nil || rec.Version == 0 || rec.incident().Over() {
		return inc, false, err
	}
	return rec.incident(), true, nil
}

// moveRow replaces the index row old by the row new; nil is none.
func (t *tx) moveRow(b bucket, old, new []byte) error {
	if slices.Equal(old, new) {
		return nil
	}
	if old != nil {
		if err := t.del(b, old); err != nil {
			return err
		}
	}
	if new != nil {
		return t.put(b, new, nil)
	}
	return nil
}

// Declare records a new incident. build gets its number and returns the change
// that makes it: the incident with that number and version 0, its entries from
// 0 on, its pages. If an incident with the same dedup key is still unresolved,
// that one is returned, existed is true and nothing is recorded; of two equal
// declarations at once one makes the incident and the other gets it. An empty
// key is equal to none. The incident is returned as it stands in the store.
//
// build may be called more than once, and must not call the store.
func (db *DB) Declare(ctx context.Context, dedup string, build func(number uint64) change.Change) (inc incident.Incident, existed bool, err error) {
	dedup = strings.ToValidUTF8(dedup, "\uFFFD") // as the record keeps it
	err = db.update(ctx, "The incident", func(t *tx) error {
		inc, existed = incident.Incident{}, false
		if inc, existed, err = t.sameIncident(dedup); err != nil || existed {
			return err
		}
		last, err := t.lastNumber(bOpen, bResolved)
		if err != nil {
			return err
		}
		c := ask(build, last+1)
		switch i := c.Incident; {
		case i == nil || i.Number != last+1 || i.Version != 0:
			return invalid("a new incident has to have the number it was given and version 0")
		case i.Over():
			return invalid("a new incident cannot be resolved already")
		}
		if err := t.applyIncident(c, incidentRecord{}, dedup); err != nil {
			return err
		}
		if err := t.applyRest(c); err != nil {
			return err
		}
		inc = recordIncident(*c.Incident, 1, dedup).incident()
		return nil
	})
	if err != nil {
		return incident.Incident{}, false, err
	}
	return inc, existed, nil
}

// Incident is the incident with that number, or change.ErrNotFound.
func (db *DB) Incident(n uint64) (incident.Incident, error) {
	var rec incidentRecord
	err := db.view(func(t *tx) (err error) {
		if rec, err = t.incident(n); err == nil && rec.Version == 0 {
			return notFound(incident.ID(n))
		}
		return err
	})
	return rec.incident(), err
}

// OpenIncidents are all that are not resolved, by number.
func (db *DB) OpenIncidents() ([]incident.Incident, error) {
	var list []incident.Incident
	err := db.view(func(t *tx) error {
		return t.walk(bOpen, nil, func(_, body []byte) error {
			var rec incidentRecord
			if err := decode(bOpen, body, &rec); err != nil {
				return err
			}
			list = append(list, rec.incident())
			return nil
		})
	})
	return list, err
}

// LastIncidents are the newest n incidents, resolved or not, newest first.
func (db *DB) LastIncidents(n int) ([]incident.Incident, error) {
	var list []incident.Incident
	err := db.view(func(t *tx) error {
		for _, b := range []bucket{bOpen, bResolved} {
			taken := 0
			err := t.walkBack(b, func(_, body []byte) error {
				if taken++; taken > n {
					return errStop
				}
				var rec incidentRecord
				if err := decode(b, body, &rec); err != nil {
					return err
				}
				list = append(list, rec.incident())
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b incident.Incident) int {
		if a.Number > b.Number {
			return -1
		}
		return 1
	})
	return list[:min(len(list), max(n, 0))], err
}

// IncidentsSince are all that were declared at that time or later, newest first.
func (db *DB) IncidentsSince(since time.Time) ([]incident.Incident, error) {
	var list []incident.Incident
	err := db.view(func(t *tx) error {
		for _, b := range []bucket{bOpen, bResolved} {
			err := t.walk(b, nil, func(_, body []byte) error {
				var rec incidentRecord
				if err := decode(b, body, &rec); err != nil {
					return err
				}
				if !rec.DeclaredAt.Before(since) {
					list = append(list, rec.incident())
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b incident.Incident) int { return cmp.Compare(b.Number, a.Number) })
	return list, err
}

// Due are the incidents whose next deadline is at now or before, the longest due
// first, at most limit (0: all). One that cannot be read does not hold up the
// others: then there is an error and a list.
func (db *DB) Due(now time.Time, limit int) ([]incident.Incident, error) {
	var list []incident.Incident
	var unreadable []error
	err := db.view(func(t *tx) error {
		return t.walk(bDue, nil, func(key, _ []byte) error {
			if keyTime(key).After(now) || limit > 0 && len(list) == limit {
				return errStop
			}
			rec, err := t.incident(number(key[8:]))
			switch {
			case err != nil:
				unreadable = append(unreadable, err)
			case rec.Version > 0: // else Audit tells of it
				list = append(list, rec.incident())
			}
			return nil
		})
	})
	return list, db.readFailed(errors.Join(append(unreadable, err)...))
}

// NextDue is the next deadline of any incident; false if none is armed.
func (db *DB) NextDue() (at time.Time, ok bool, err error) {
	err = db.view(func(t *tx) error {
		return t.walk(bDue, nil, func(key, _ []byte) error {
			at, ok = keyTime(key), true
			return errStop
		})
	})
	return at, ok, err
}
