package slack

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"irisops/bot/message"
)

func (r *renderer) blocks(blocks []message.Block) {
	for i, b := range blocks {
		if !r.block(b) {
			r.lost += len(blocks) - i - 1
			return
		}
	}
}

// block adds one part of a message, and says whether all of it fitted.
func (r *renderer) block(b message.Block) bool {
	switch {
	case b.Text != "":
		return r.paragraphs(b.Text)
	case len(b.Fields) > 0:
		return r.fields(b.Fields)
	case b.Table != nil:
		return r.code(tabular(*b.Table))
	case b.Code != nil:
		return r.code(b.Code.Text)
	case b.Checklist != nil:
		return r.checklist(*b.Checklist)
	case b.Fold != nil:
		return r.fold(*b.Fold)
	case b.File != nil:
		return r.paragraphs(fmt.Sprintf("File %s, %s: `irisops ctl --save FOLDER` and the same words keep it.", b.File.Name, sized(len(b.File.Bytes))))
	}
	return true
}

func (r *renderer) paragraphs(text string) bool {
	for _, part := range chunks(text, maxSection) {
		if strings.TrimSpace(part) != "" && !r.section(escaped(part)) {
			return false
		}
	}
	return true
}

func (r *renderer) fields(fields []message.Field) bool {
	for len(fields) > 0 {
		n := min(len(fields), maxFields)
		var texts []*slack.TextBlockObject
		for _, f := range fields[:n] {
			name := line(cut(f.Name, maxLabel))
			value := escaped(cut(f.Value, maxField/2))
			if !f.At.IsZero() { // Slack itself keeps it true
				value += fmt.Sprintf(" (<!date^%d^{ago}|%s UTC>)", f.At.Unix(), f.At.UTC().Format("2 Jan 15:04"))
			}
			texts = append(texts, mrkdwn("*"+name+"*\n"+value))
		}
		if !r.put(slack.NewSectionBlock(nil, texts, nil)) {
			return false
		}
		fields = fields[n:]
	}
	return true
}

const fence = "```"

// code shows text letter by letter. As much of it as fits is shown.
func (r *renderer) code(text string) bool {
	text = strings.ReplaceAll(text, fence, "'''")
	if strings.TrimSpace(text) == "" {
		return true
	}
	limit := maxSection - 2*len(fence) - 2
	for _, part := range chunks(text, limit) {
		if room := r.left - 2*len(fence) - 2; length(escaped(part)) > room {
			if room < 200 {
				r.lost++
				return false
			}
			part = chunks(part, room)[0]
			r.section(fence + "\n" + escaped(part) + "\n" + fence)
			r.lost++
			return false
		}
		if !r.section(fence + "\n" + escaped(part) + "\n" + fence) {
			return false
		}
	}
	return true
}

// marks say a step's state in a sign, and in a word where the sign alone could
// be taken for another.
var marks = map[message.ItemState]string{
	message.Pending:   "·",
	message.Running:   "… running:",
	message.Done:      "✓",
	message.Failed:    "✗ failed:",
	message.Uncertain: "? unknown:",
	message.Skipped:   "- skipped:",
}

func (r *renderer) checklist(list message.Checklist) bool {
	var b strings.Builder
	for _, i := range list.Items {
		mark, known := marks[i.State]
		if !known {
			mark = "? " + string(i.State) + ":"
		}
		l := mark + " " + strings.Join(strings.Fields(cut(i.Text, maxNote)), " ")
		if i.Note != "" {
			l += " — " + strings.Join(strings.Fields(cut(i.Note, maxNote)), " ")
		}
		b.WriteString(l + "\n")
	}
	return r.paragraphs(b.String())
}

// fold shows what is short; what is longer is a line, and is shown on demand. To
// one person alone nothing more can be shown, so the beginning has to do: Slack
// itself shortens a long section to a few lines with "See more".
func (r *renderer) fold(f message.Fold) bool {
	var parts []string
	for _, b := range f.Blocks {
		if text := strings.Trim(wholeBlock(b), "\n"); text != "" {
			parts = append(parts, text)
		}
	}
	text := strings.Join(parts, "\n")
	long := length(escaped(text)) > maxFold
	if long && !r.private {
		r.folds++
		return r.section(fmt.Sprintf("*%s*: %s", line(cut(f.Title, maxNote)), counted(text)))
	}
	if !r.section("*" + line(cut(f.Title, maxNote)) + "*") {
		return false
	}
	if long {
		all := strings.Count(text, "\n") + 1
		text = chunks(text, maxFold)[0]
		if rest := all - strings.Count(text, "\n") - 1; rest > 0 {
			text += fmt.Sprintf("\n… %d more lines", rest)
		}
		r.lost++
	}
	return r.code(text)
}

func counted(text string) string {
	if n := strings.Count(text, "\n") + 1; n > 1 {
		return fmt.Sprintf("%d lines, folded", n)
	}
	return "folded"
}

const (
	gap    = "  "
	widest = 60 // characters of a column that others follow
)

// tabular sets a table in columns. The last one is as long as it is.
func tabular(t message.Table) string {
	rows := t.Rows
	if len(t.Header) > 0 {
		head := make([]string, len(t.Header))
		for i, h := range t.Header {
			head[i] = strings.ToUpper(h)
		}
		rows = append([][]string{head}, rows...)
	}
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], min(length(one(cell)), widest))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		var l strings.Builder
		for i, cell := range row {
			cell = one(cell)
			l.WriteString(cell)
			if i+1 < len(row) {
				l.WriteString(strings.Repeat(" ", max(0, widths[i]-length(cell))) + gap)
			}
		}
		b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// one is a cell on one line.
func one(cell string) string { return strings.Join(strings.Fields(plain(cell)), " ") }
