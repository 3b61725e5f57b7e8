package store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"irisops/bot/pager"
)

type pageRecord struct {
	record
	Incident          string    `json:"incident"`
	Step              string    `json:"step"`
	Role              string    `json:"role"`
	Person            string    `json:"person,omitempty"`
	Channel           string    `json:"channel"`
	Text              string    `json:"text"`
	Queued            time.Time `json:"queued,omitzero"`
	Due               time.Time `json:"due,omitzero"`
	State             string    `json:"state"`
	Attempts          int       `json:"attempts"`
	PossibleDuplicate bool      `json:"possible_duplicate,omitempty"`
	LastError         string    `json:"last_error,omitempty"`
	Sent              time.Time `json:"sent,omitzero"`
	NotBefore         time.Time `json:"not_before,omitzero"`
	Next              []string  `json:"next,omitempty"`
	Wide              bool      `json:"wide,omitempty"`
	Update            string    `json:"update,omitempty"`
	Ref               string    `json:"ref,omitempty"`
	Group             []string  `json:"group,omitempty"`
}

func recordPage(p pager.Page) pageRecord {
	return pageRecord{
		record:   record{recordVersion},
		Incident: p.Incident, Step: p.Step, Role: p.Role, Person: p.Person, Channel: p.Channel, Text: p.Text,
		Queued: utc(p.Queued), Due: utc(p.Due), State: string(p.State), Attempts: p.Attempts,
		PossibleDuplicate: p.PossibleDuplicate, LastError: p.LastError, Sent: utc(p.Sent), NotBefore: utc(p.NotBefore),
		Next: p.Next, Wide: p.Wide, Update: string(p.Update), Ref: p.Ref, Group: p.Group,
	}
}

func (r pageRecord) page() pager.Page {
	return pager.Page{
		Incident: r.Incident, Step: r.Step, Role: r.Role, Person: r.Person, Channel: r.Channel, Text: r.Text,
		Queued: r.Queued, Due: r.Due, State: pager.State(r.State), Attempts: r.Attempts,
		PossibleDuplicate: r.PossibleDuplicate, LastError: r.LastError, Sent: r.Sent, NotBefore: r.NotBefore,
		Next: r.Next, Wide: r.Wide, Update: pager.Update(r.Update), Ref: r.Ref, Group: r.Group,
	}
}

// page reads the page with that key; false if there is none.
func (t *tx) page(key string) (p pager.Page, ok bool, err error) {
	for _, b := range []bucket{bPending, bSettled} {
		body, err := t.get(b, []byte(key))
		if err != nil {
			return p, false, err
		}
		if body != nil {
			var rec pageRecord
			err := decode(b, body, &rec)
			return rec.page(), err == nil, err
		}
	}
	return p, false, nil
}

// applyPage writes a new page or a new state of a known one.
func (t *tx) applyPage(p pager.Page) error {
	key := p.Key()
	if err := checkKey("page key", key); err != nil {
		return err
	}
	switch p.State {
	case pager.Queued, pager.Sending, pager.Delivered, pager.Failed:
	default:
		return invalid("the page %s has the unknown state %q", key, p.State)
	}
	old, known, err := t.page(key)
	switch {
	case err != nil:
		return err
	case known && untried(p):
		return nil
	case known && old.State == pager.Delivered && p.State != pager.Delivered:
		return conflict("the page " + key)
	}
	if known {
		if err := t.removePage(old); err != nil {
			return err
		}
	}
	return t.addPage(p)
}

// untried says that the page is as new: nobody has begun to send it. A page that
// goes back to the outbox after an attempt shows the attempt.
func untried(p pager.Page) bool {
	return p.State == pager.Queued && p.Attempts == 0 && p.LastError == "" && p.NotBefore.IsZero() && !p.PossibleDuplicate
}

func (t *tx) addPage(p pager.Page) error {
	if err := t.put(pageHome(p), []byte(p.Key()), encode(recordPage(p))); err != nil {
		return err
	}
	if b, row := pageRow(p); row != nil {
		return t.put(b, row, nil)
	}
	return nil
}

func (t *tx) removePage(p pager.Page) error {
	if err := t.del(pageHome(p), []byte(p.Key())); err != nil {
		return err
	}
	if b, row := pageRow(p); row != nil {
		return t.del(b, row)
	}
	return nil
}

func pageHome(p pager.Page) bucket {
	if p.State == pager.Delivered || p.State == pager.Failed {
		return bSettled
	}
	return bPending
}

// pageRow is the index row of a pending page. Queued pages stand in the order in
// which they are sent: first by when they may be (NotBefore, at once if that is
// not set, even when the clock was set back), then by when they were queued.
func pageRow(p pager.Page) (bucket, []byte) {
	switch p.State {
	case pager.Queued:
		return bOutbox, join(timeKey(p.NotBefore), timeKey(p.Queued), []byte(p.Key()))
	case pager.Sending:
		return bSending, []byte(p.Key())
	}
	return bucket{}, nil
}

// PendingPages says how many pages are queued or under way, and when the oldest
// of those queued was queued; zero if none is.
func (db *DB) PendingPages() (n int, oldest time.Time, err error) {
	err = db.view(func(t *tx) error {
		queued := func(key, _ []byte) error {
			n++
			if at := keyTime(key[8:16]); oldest.IsZero() || at.Before(oldest) {
				oldest = at
			}
			return nil
		}
		if err := t.walk(bOutbox, nil, queued); err != nil {
			return err
		}
		return t.walk(bSending, nil, func(_, _ []byte) error { n++; return nil })
	})
	return n, oldest, err
}

// DuePages are the queued pages that may be sent at now, in sending order, at
// most limit (0: all). One that cannot be read does not hold up the others: then
// there is an error and a list.
func (db *DB) DuePages(now time.Time, limit int) ([]pager.Page, error) {
	var list []pager.Page
	var unreadable []error
	err := db.view(func(t *tx) error {
		return t.walk(bOutbox, nil, func(row, _ []byte) error {
			if keyTime(row).After(now) || limit > 0 && len(list) == limit {
				return errStop
			}
			p, ok, err := t.page(string(row[16:]))
			switch {
			case err != nil:
				unreadable = append(unreadable, err)
			case ok: // else Audit tells of it
				list = append(list, p)
			}
			return nil
		})
	})
	return list, db.readFailed(errors.Join(append(unreadable, err)...))
}

// PagesOf are all pages of an incident ("INC-7"), in the order they were queued.
func (db *DB) PagesOf(incident string) ([]pager.Page, error) {
	var list []pager.Page
	err := db.view(func(t *tx) error {
		for _, b := range []bucket{bPending, bSettled} {
			err := t.walk(b, []byte(incident+"/"), func(_, body []byte) error {
				var rec pageRecord
				if err := decode(b, body, &rec); err != nil {
					return err
				}
				list = append(list, rec.page())
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	slices.SortFunc(list, func(a, b pager.Page) int {
		if order := a.Queued.Compare(b.Queued); order != 0 {
			return order
		}
		return strings.Compare(a.Key(), b.Key())
	})
	return list, err
}

// Page is the page with that key, or change.ErrNotFound.
func (db *DB) Page(key string) (pager.Page, error) {
	var p pager.Page
	err := db.view(func(t *tx) (err error) {
		var ok bool
		if p, ok, err = t.page(key); err == nil && !ok {
			return notFound("page " + key)
		}
		return err
	})
	return p, err
}

// RecoverPages puts pages that were being sent when the process died back into the
// outbox, marked as possible duplicates, and says how many. Those that wait for
// another attempt wait no longer: the clock by which they did may have been set
// since. It is called once after Open, before anything is sent.
func (db *DB) RecoverPages(ctx context.Context) (int, error) {
	recovered := 0
	err := db.update(ctx, "The state of the pages that were under way", func(t *tx) error {
		recovered = 0
		var keys, waiting []string
		err := t.walk(bOutbox, nil, func(row, _ []byte) error {
			if number(row) != 0 { // it has a NotBefore
				waiting = append(waiting, string(row[16:]))
			}
			return nil
		})
		if err != nil {
			return err
		}
		err = t.walk(bSending, nil, func(key, _ []byte) error {
			keys = append(keys, string(key))
			return nil
		})
		if err != nil {
			return err
		}
		for _, key := range waiting {
			if _, err := t.requeue(key, func(p *pager.Page) { p.NotBefore = time.Time{} }); err != nil {
				return err
			}
		}
		for _, key := range keys {
			there, err := t.requeue(key, func(p *pager.Page) {
				p.State, p.PossibleDuplicate, p.NotBefore = pager.Queued, true, time.Time{}
			})
			if err != nil {
				return err
			}
			if there {
				recovered++
			}
		}
		return nil
	})
	return recovered, err
}

// requeue changes a page, if it is there, and its rows with it.
func (t *tx) requeue(key string, change func(*pager.Page)) (there bool, err error) {
	p, ok, err := t.page(key)
	if err != nil || !ok {
		return false, err
	}
	if err := t.removePage(p); err != nil {
		return false, err
	}
	change(&p)
	return true, t.addPage(p)
}
