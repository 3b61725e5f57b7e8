// Package store keeps what irisops must not forget: incidents with their
// timelines and timers, pages, runs of actions, what arrived, what is said in
// Slack, the last healthy diagnoses, schedules, drills,
// what watch did, and the halt. It owns one
// bbolt file and is the only package that knows bbolt.
//
// Every change is one fsynced transaction: the incident, its timeline entries,
// its timer and its pages are all there, or none is. Changes that arrive
// together share one fsync. A change names the version it was worked out from;
// if the store holds another, nothing of it is recorded.
//
// What is still going on stands apart from what is over (open and resolved
// incidents, pending and settled pages), so that the lively part stays small and
// Audit can look at all of it.
//
// The schema, drawn as a tree. Numbers are 8 bytes and times are nanoseconds
// since 1970 in 8 bytes, both big-endian, so that a cursor walks in order:
//
//	meta
//	├── schema                          schema version
//	├── halt                            halt record, while there is one
//	└── maintenance                     maintenance record, while there is one
//	incidents
//	├── open/       number              incident record
//	├── resolved/   number              incident record
//	├── timeline/   number seq          entry record
//	├── due/        time number         -       the next deadline of each incident that has one
//	└── dedup/      sha256 of the key   number  of the open incident with that key
//	pages
//	├── pending/    page key            page record, queued or sending
//	├── settled/    page key            page record, delivered or failed
//	├── outbox/     ready queued key    -       queued pages in sending order
//	└── sending/    page key            -       pages under way
//	runs
//	├── all/        number              run record
//	├── states/     state 0 number      -
//	└── locks/      target              number  of the run that holds it
//	inbox
//	├── all/        delivery id         delivery record
//	├── unanswered/ received id         -
//	└── answered/   answered id         -
//	slack
//	├── posts/      key                 post record
//	├── pending/    created key         -       posts that Slack does not show as it should
//	└── shown/      channel " " ts      key     of the post that stands there
//	diagnoses
//	└── healthy/    cluster " " mode    diagnosis record, the last that found no trouble
//	practice
//	├── schedules/  name                schedule record
//	└── drills/     id of the drill     drill record
//	backups
//	└── all/        cluster " " id      backup record
//	oncall
//	├── overrides/  number              override record
//	└── alerts/     alert key           alert record, firing
//	audit
//	└── entries/    number              entry, with the hash of the one before
//	watch
//	└── events/     cluster " " number  event record, the newest of each cluster
//
// A record is JSON with a version of its own; fields are only ever added. Every
// value starts with a checksum of its bucket, key and content (see row.go).
// Open reads the whole file and refuses one that is damaged; it never changes it.
package store
