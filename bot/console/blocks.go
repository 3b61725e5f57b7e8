package console

import (
	"strings"
	"unicode"

	"irisops/bot/message"
)

const (
	margin   = "  " // before every block
	gap      = 2    // columns between two columns
	widest   = 40   // columns for names and steps, at most
	smallest = 16   // columns for what stands beside them, at least
)

// blocks are set apart by an empty line, but for those that belong together: a
// heading and what it stands over, texts, and parts that are folded.
func (r *renderer) blocks(blocks []message.Block) {
	for i, b := range blocks {
		if i > 0 && !r.joined(blocks[i-1], b) {
			r.blank()
		}
		r.block(b, i+1 < len(blocks) && heads(b, blocks[i+1]))
	}
}

func (r *renderer) joined(before, b message.Block) bool {
	switch {
	case b.Fold != nil:
		return !r.All
	case before.Fold != nil:
		return false
	case b.Text != "":
		return before.Text != ""
	}
	return heads(before, b)
}

// heads says whether b is a heading: a short line over something that is no text.
func heads(b, next message.Block) bool {
	return b.Text != "" && next.Text == "" && next.Fold == nil &&
		!strings.Contains(b.Text, "\n") && columns(b.Text) <= 60 && !strings.HasSuffix(b.Text, ".")
}

func (r *renderer) block(b message.Block, heading bool) {
	switch {
	case b.Text != "" && heading:
		text := r.line(b.Text)
		if !strings.ContainsAny(text[max(0, len(text)-1):], ":?!") {
			text += ":"
		}
		r.put(r.left+margin, r.left+margin, text, bold)
	case b.Text != "":
		r.paragraphs(b.Text)
	case len(b.Fields) > 0:
		r.fields(b.Fields)
	case b.Table != nil:
		r.table(*b.Table)
	case b.Code != nil:
		r.code(b.Code.Text)
	case b.Checklist != nil:
		r.checklist(*b.Checklist)
	case b.Fold != nil:
		r.fold(*b.Fold)
	case b.File != nil:
		r.file(*b.File)
	}
}

// paragraphs hang the lines of a list under its text.
func (r *renderer) paragraphs(text string) {
	for _, p := range strings.Split(strings.Trim(r.text(text), "\n"), "\n") {
		p = strings.TrimRight(p, " ")
		bare := strings.TrimLeft(p, " ")
		first := r.left + margin + strings.Repeat(" ", min(len(p)-len(bare), 8))
		rest := first
		for _, bullet := range []string{"- ", "• ", "* "} {
			if item, ok := strings.CutPrefix(bare, bullet); ok {
				first, rest, bare = first+bullet, rest+"  ", item
				break
			}
		}
		r.put(first, rest, bare, normal)
	}
}

func (r *renderer) fields(fields []message.Field) {
	names := 0
	for _, f := range fields {
		if n := columns(r.line(f.Name)); n <= widest {
			names = max(names, n)
		}
	}
	names = min(names, r.width/2)
	for _, f := range fields {
		r.pair(r.line(f.Name), r.text(f.Value), names)
	}
}

// pair puts a value beside its name, which has that many columns.
func (r *renderer) pair(name, value string, names int) {
	left := r.left + margin
	rest := left + strings.Repeat(" ", names+gap)
	first := left + r.painted(name, dim) + strings.Repeat(" ", max(0, names-columns(name))+gap)
	if columns(name) > names {
		r.put(left, left, name, dim)
		first, rest = left+margin, left+margin
	}
	r.put(first, rest, value, normal)
}

// code is shown as it is, set in further than everything else.
func (r *renderer) code(text string) {
	left := r.left + margin + "  "
	for _, line := range strings.Split(strings.Trim(r.text(text), "\n"), "\n") {
		line = strings.TrimRight(line, " ")
		for i, part := range wrapFrom(line, r.width-len(left), r.width-len(left)-2) {
			if i > 0 {
				part = "  " + part
			}
			r.add(left + part)
		}
	}
}

func (r *renderer) fold(f message.Fold) {
	if !r.All {
		r.put(r.left+margin, r.left+margin+"   ", "(+ "+r.line(f.Title)+", shown with --all)", dim)
		return
	}
	r.put(r.left+margin, r.left+margin, r.line(f.Title)+":", bold)
	left := r.left
	r.left += margin
	r.blocks(f.Blocks)
	r.left = left
}

// mark is how a step's state is shown. Words stand where a sign alone could be
// taken for another.
type mark struct {
	sign, word, ascii string
	look              paint
}

var marks = map[message.ItemState]mark{
	message.Pending:   {"·", "", "[    ]", dim},
	message.Running:   {"…", "", "[ .. ]", normal},
	message.Done:      {"✓", "", "[ ok ]", green},
	message.Failed:    {"✗", "failed", "[FAIL]", red},
	message.Uncertain: {"?", "unknown", "[ ?? ]", yellow},
	message.Skipped:   {"-", "skipped", "[skip]", dim},
}

func (r *renderer) checklist(list message.Checklist) {
	for i := range list.Items {
		r.item(list, i)
	}
}

// item is one line of a checklist; the notes of all its items stand in one
// column.
func (r *renderer) item(list message.Checklist, i int) {
	steps := 0
	for _, item := range list.Items {
		if n := columns(r.line(item.Text)); n <= widest {
			steps = max(steps, n)
		}
	}
	item := list.Items[i]
	m, known := marks[item.State]
	if !known {
		m = mark{sign: "?", word: r.line(string(item.State)), ascii: "[ ?? ]"}
	}
	sign := r.either(m.sign, m.ascii)
	text, note := r.line(item.Text), r.line(item.Note)
	if m.word != "" && !strings.HasPrefix(strings.ToLower(note), m.word) {
		note = strings.TrimSuffix(m.word+": "+note, ": ")
	}
	left := r.left + margin + r.painted(sign, m.look) + " "
	under := r.left + margin + strings.Repeat(" ", columns(sign)+1)
	look := normal
	if item.State == message.Pending {
		look = dim
	}
	beside := columns(under) + steps + gap
	switch {
	case note == "":
		r.put(left, under, text, look)
	case columns(text) <= steps && r.width-beside >= max(smallest, min(columns(note), r.width/2)):
		first := left + r.painted(text, look) + strings.Repeat(" ", steps-columns(text)+gap)
		r.put(first, strings.Repeat(" ", beside), note, normal)
	default:
		r.put(left, under, text, look)
		r.put(under+"  ", under+"  ", note, normal)
	}
}

// isNumber says whether a cell reads as a figure, and so is set to the right.
func isNumber(s string) bool {
	digits := false
	for i, c := range s {
		switch {
		case unicode.IsDigit(c):
			digits = true
		case strings.ContainsRune(".,%", c), i == 0 && (c == '-' || c == '+' || c == '<' || c == '>'):
		default:
			return false
		}
	}
	return digits
}
