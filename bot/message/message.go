// Package message is what the bot says, free of any channel: a terminal, a
// socket and Slack each render it in their own way. It is pure data, and it
// encodes as JSON, so that it can be kept, compared and sent to ctl --json.
//
// The first line of a message (Title) says the outcome; then comes the evidence
// (Blocks); then what can be done next (Buttons). No meaning is carried by
// colour or emoji alone.
package message

import "time"

// Level colours a message and is always written out as a word too where it
// matters.
type Level string

const (
	Info     Level = ""
	OK       Level = "ok"
	Advice   Level = "advice"
	Warn     Level = "warn"
	Critical Level = "critical"
	Unknown  Level = "unknown"
	Refused  Level = "refused" // the caller's request was not carried out
	Page     Level = "page"    // someone is being called: must not be overlooked
)

// Message is one thing the bot says.
type Message struct {
	Level   Level    `json:"level,omitempty"`
	Title   string   `json:"title"`
	Blocks  []Block  `json:"blocks,omitempty"`
	Buttons []Button `json:"buttons,omitempty"`
	Data    any      `json:"data,omitempty"` // the same for machines; rooms for people leave it out
}

// Block is one part of a message. Exactly one field is set.
type Block struct {
	Text      string     `json:"text,omitempty"`
	Fields    []Field    `json:"fields,omitempty"`
	Table     *Table     `json:"table,omitempty"`
	Code      *Code      `json:"code,omitempty"`
	Checklist *Checklist `json:"checklist,omitempty"`
	Fold      *Fold      `json:"fold,omitempty"`
	File      *File      `json:"file,omitempty"`
}

// Field is a short name with a short value.
type Field struct {
	Name  string    `json:"name"`
	Value string    `json:"value"`
	At    time.Time `json:"at,omitzero"` // the moment that Value tells of: rooms that can say how long ago, do
}

// Table has rows of equal length; Header may be empty.
type Table struct {
	Header []string   `json:"header,omitempty"`
	Rows   [][]string `json:"rows"`
}

// Code is text that a machine printed, or that a person may copy.
type Code struct {
	Text string `json:"text"`
}

// Fold is a part that is shown on demand where the channel can; elsewhere its
// title is shown, and the blocks when the caller asked for all.
type Fold struct {
	Title  string  `json:"title"`
	Blocks []Block `json:"blocks"`
}

// File is something to keep: a post-mortem, a picture, an export. Rooms that can
// carry files do; others say its name and size.
type File struct {
	Name      string `json:"name"`       // letters, digits and . _ -, no folder: "postmortem-INC-7.md"
	MediaType string `json:"media_type"` // "text/markdown; charset=utf-8", "image/png"
	Bytes     []byte `json:"bytes"`
}

// Checklist shows work as it goes: one line a step.
type Checklist struct {
	Items []Item `json:"items"`
}

// Item is one line of a checklist.
type Item struct {
	State ItemState `json:"state"`
	Text  string    `json:"text"`
	Note  string    `json:"note,omitempty"` // evidence, error, or time taken
}

// ItemState is where a step stands.
type ItemState string

const (
	Pending   ItemState = "pending"
	Running   ItemState = "running"
	Done      ItemState = "done"
	Failed    ItemState = "failed"
	Uncertain ItemState = "unknown" // it was under way when the bot died: a person decides
	Skipped   ItemState = "skipped"
)

// Button offers a command: pressing it is the same as the clicker typing Words.
type Button struct {
	Label   string `json:"label"` // Title Case, a specific verb: "Restart Edge 1"
	Words   string `json:"words"`
	Style   Style  `json:"style,omitempty"`
	Confirm string `json:"confirm,omitempty"` // asked before a danger button acts
}

// Style is at most one Primary a message; Danger for what can lose data or service.
type Style string

const (
	Plain   Style = ""
	Primary Style = "primary"
	Danger  Style = "danger"
)
