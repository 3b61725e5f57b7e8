package store

import (
	"encoding/binary"
	"time"

	"irisops/bot/incident"
)

type entryRecord struct {
	record
	Seq  int       `json:"seq"`
	At   time.Time `json:"at,omitzero"`
	By   string    `json:"by"`
	Kind string    `json:"kind"`
	Text string    `json:"text"`
	Data []byte    `json:"data,omitempty"`

	Attachments []attachmentRecord `json:"attachments,omitempty"`
}

type attachmentRecord struct {
	Name      string `json:"name"`
	MediaType string `json:"media_type,omitempty"`
	Size      int64  `json:"size,omitempty"`
	Link      string `json:"link,omitempty"`
}

func recordEntry(e incident.Entry) entryRecord {
	r := entryRecord{record: record{recordVersion}, Seq: e.Seq, At: utc(e.At), By: e.By, Kind: string(e.Kind), Text: e.Text, Data: e.Data}
	for _, a := range e.Attachments {
		r.Attachments = append(r.Attachments, attachmentRecord(a))
	}
	return r
}

func (r entryRecord) entry() incident.Entry {
	e := incident.Entry{Seq: r.Seq, At: r.At, By: r.By, Kind: incident.Kind(r.Kind), Text: r.Text, Data: r.Data}
	for _, a := range r.Attachments {
		e.Attachments = append(e.Attachments, incident.Attachment(a))
	}
	return e
}

func entryKey(n uint64, seq int) []byte {
	return join(numberKey(n), binary.BigEndian.AppendUint32(nil, uint32(seq)))
}

// appendEntries adds entries to the timeline of an incident that had some before.
func (t *tx) appendEntries(inc incident.Incident, before int, entries []incident.Entry) error {
	for n, e := range entries {
		if e.Seq != before+n {
			return invalid("%s has %d timeline entries, and the next one has number %d", inc.ID(), before+n, e.Seq)
		}
	}
	if inc.Entries != before+len(entries) {
		return invalid("%s says %d timeline entries, and there are %d", inc.ID(), inc.Entries, before+len(entries))
	}
	for _, e := range entries {
		if err := t.put(bTimeline, entryKey(inc.Number, e.Seq), encode(recordEntry(e))); err != nil {
			return err
		}
	}
	return nil
}

// Timeline is the incident's timeline in order; empty if there is no such
// incident.
func (db *DB) Timeline(n uint64) ([]incident.Entry, error) {
	var list []incident.Entry
	err := db.view(func(t *tx) error {
		return t.walk(bTimeline, numberKey(n), func(_, body []byte) error {
			var rec entryRecord
			if err := decode(bTimeline, body, &rec); err != nil {
				return err
			}
			list = append(list, rec.entry())
			return nil
		})
	})
	return list, err
}
