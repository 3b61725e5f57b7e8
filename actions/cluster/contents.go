package cluster

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"irisops/actions"
	"irisops/actions/erlang/term"
)

// Bounds of what is shown of messages: enough to see what they are.
const (
	mostContents = 50  // messages
	mostContent  = 500 // bytes of each
)

const flagContents = "contents"

var contentsParam = actions.Param{Name: flagContents, Kind: actions.Bool, Flag: true, Own: true,
	Doc: fmt.Sprintf("what the first %d of them say: for your own eyes, over the socket, inside an incident", mostContents)}

// Content is one message that waits.
type Content struct {
	Bucket int64     `json:"bucket"`
	At     time.Time `json:"at,omitzero"`
	Bytes  int64     `json:"bytes"`
	Text   string    `json:"text"` // its beginning, as a Go string in quotes
	Cut    bool      `json:"cut,omitempty"`
}

// contents reads the beginnings of the first messages of a box, from its core.
func (c *Cluster) contents(ctx context.Context, box Mailbox) ([]Content, error) {
	n, err := c.one(box.Node)
	if err != nil {
		return nil, err
	}
	var shown []Content
	for _, b := range box.Buckets {
		if len(shown) == mostContents {
			break
		}
		t, err := c.eval(ctx, n.Name, beginnings, binding{"User", []byte(box.User)}, binding{"Bucket", b.Number},
			binding{"Top", mostContents - len(shown)}, binding{"Most", mostContent})
		if err != nil {
			return nil, err
		}
		some, err := readContents(t, b.Number)
		if err != nil {
			return nil, err
		}
		shown = append(shown, some[:min(len(some), mostContents-len(shown))]...)
	}
	return shown, nil
}

// readContents reads [{Time, Bytes, Beginning}].
func readContents(t term.Term, bucket int64) ([]Content, error) {
	list, ok := term.AsList(t)
	if !ok {
		return nil, unexpected(t)
	}
	var found []Content
	for _, e := range list {
		row, ok := e.(term.Tuple)
		if !ok || len(row) != 3 {
			return nil, unexpected(t)
		}
		at, ok1 := term.AsInt(row[0])
		size, ok2 := term.AsInt(row[1])
		text, ok3 := row[2].([]byte)
		if !ok1 || !ok2 || !ok3 {
			return nil, unexpected(t)
		}
		m := Content{Bucket: bucket, Bytes: size, Text: strconv.Quote(string(text)), Cut: int64(len(text)) < size}
		if at > 0 {
			m.At = time.UnixMilli(at).UTC()
		}
		found = append(found, m)
	}
	slices.SortStableFunc(found, func(a, b Content) int { return a.At.Compare(b.At) })
	return found, nil
}

func (c *Cluster) contentsSection(box Mailbox) actions.Section {
	s := actions.Section{Title: "Contents", Header: []string{"Bucket", "Stored", "Size", "Begins"}}
	for _, m := range box.Contents {
		text := m.Text
		if m.Cut {
			text += " ..."
		}
		s.Rows = append(s.Rows, []string{fmt.Sprint(m.Bucket), c.when(m.At), size(uint64(m.Bytes)), text})
	}
	if more := box.Messages - int64(len(box.Contents)); more > 0 {
		s.Lines = append(s.Lines, fmt.Sprintf("%s more are not shown.", plural64(more, "message")))
	}
	return s
}
