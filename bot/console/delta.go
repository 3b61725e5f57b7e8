package console

import (
	"reflect"
	"slices"
	"strings"
	"unicode"

	"irisops/bot/message"
)

// Delta is what to print where lines cannot be rewritten, after old became new:
// the outcome if it changed, the steps that moved, what else was added or
// changed. What is gone is not mentioned. Nothing to say is no lines.
func Delta(old, new message.Message, s Style) []string {
	r := newRenderer(s)
	if old.Level != new.Level || old.Title != new.Title {
		r.headline(new)
	}
	before := gather(old.Blocks)
	kinds := map[string]int{} // how many of each kind of block were met
	for i, b := range new.Blocks {
		changed, ok := b, false
		switch {
		case b.Checklist != nil:
			r.steps(before.checklist(kinds["checklist"]), *b.Checklist)
			kinds["checklist"]++
		case len(b.Fields) > 0:
			changed, ok = before.newFields(b)
		case b.Table != nil:
			changed, ok = before.newRows(kinds["table"], b)
			kinds["table"]++
		default:
			ok = !before.has(b)
			ok = ok && !(i+1 < len(new.Blocks) && heads(b, new.Blocks[i+1])) // comes with what it stands over
		}
		if !ok {
			continue
		}
		if i > 0 && heads(new.Blocks[i-1], b) {
			r.block(new.Blocks[i-1], true)
		}
		r.block(changed, false)
	}
	var offered []message.Button
	for _, b := range new.Buttons {
		if !slices.Contains(old.Buttons, b) {
			offered = append(offered, b)
		}
	}
	r.buttons(offered)
	return r.lines
}

// steps adds the items that moved.
func (r *renderer) steps(old, new message.Checklist) {
	for i, item := range new.Items {
		if i >= len(old.Items) {
			if item.State != message.Pending {
				r.item(new, i)
			}
			continue
		}
		was := old.Items[i]
		waits := was.State == message.Pending && item.State == message.Pending
		if was != item && !waits && !ticked(was, item) {
			r.item(new, i)
		}
	}
}

// ticked says whether a running step only counted on: "3 s" became "4 s".
func ticked(was, is message.Item) bool {
	return is.State == message.Running && was.State == message.Running && was.Text == is.Text &&
		withoutDigits(was.Note) == withoutDigits(is.Note)
}

func withoutDigits(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsDigit(c) {
			return -1
		}
		return c
	}, s)
}

// gather is the blocks of the old message.
type gather []message.Block

func (g gather) has(b message.Block) bool {
	return slices.ContainsFunc(g, func(old message.Block) bool { return reflect.DeepEqual(old, b) })
}

// checklist is the nth one; empty if there is none.
func (g gather) checklist(n int) message.Checklist {
	for _, b := range g {
		if b.Checklist == nil {
			continue
		}
		if n == 0 {
			return *b.Checklist
		}
		n--
	}
	return message.Checklist{}
}

func (g gather) newFields(b message.Block) (message.Block, bool) {
	var fresh []message.Field
	for _, f := range b.Fields {
		if !slices.ContainsFunc(g, func(old message.Block) bool { return slices.Contains(old.Fields, f) }) {
			fresh = append(fresh, f)
		}
	}
	return message.Block{Fields: fresh}, len(fresh) > 0
}

// newRows are the rows that the nth table did not have, under their header.
func (g gather) newRows(n int, b message.Block) (message.Block, bool) {
	var old message.Table
	for _, o := range g {
		if o.Table == nil {
			continue
		}
		if n == 0 {
			old = *o.Table
		}
		n--
	}
	fresh := message.Table{Header: b.Table.Header}
	for _, row := range b.Table.Rows {
		if !slices.ContainsFunc(old.Rows, func(was []string) bool { return slices.Equal(was, row) }) {
			fresh.Rows = append(fresh.Rows, row)
		}
	}
	return message.Block{Table: &fresh}, len(fresh.Rows) > 0
}
