package console

import (
	"io"
	"strings"

	"irisops/bot/message"
)

// Style is what the place where a message is shown can do.
type Style struct {
	Color   bool // terminal colours; nothing is said by colour alone
	Width   int  // columns: no line is longer, from 24 columns up; 0 wraps nothing
	Unicode bool // signs and dashes beyond ASCII
	All     bool // show what is folded

	Keep string // what to type to keep a file of the answer; "" is irisops ctl --save FOLDER
}

const (
	narrowest = 24
	endless   = 1 << 20 // columns where nothing is wrapped
)

// Render writes a message as lines of text: the outcome first, its level as a
// word; then the evidence, indented; then what can be typed next. Whatever the
// message holds, no control character reaches w but the colours asked for.
func Render(w io.Writer, m message.Message, s Style) error {
	r := newRenderer(s)
	r.headline(m)
	r.blocks(m.Blocks)
	if len(m.Buttons) > 0 {
		if len(m.Blocks) > 0 {
			r.blank()
		}
		r.buttons(m.Buttons)
	}
	_, err := io.WriteString(w, strings.Join(r.lines, "\n")+"\n")
	return err
}

// renderer gathers lines.
type renderer struct {
	Style
	width int
	left  string // the margin of blocks
	lines []string
}

func newRenderer(s Style) *renderer {
	r := &renderer{Style: s, width: endless}
	if s.Width > 0 {
		r.width = max(s.Width, narrowest)
	}
	return r
}

// put adds text, wrapped, behind a prefix: first on its first line, rest on the
// others, which is plain and as wide.
func (r *renderer) put(first, rest, text string, look paint) {
	for i, line := range wrap(text, r.width-columns(rest)) {
		if i > 0 {
			first = rest
		}
		r.add(first + r.painted(line, look))
	}
}

func (r *renderer) add(line string) { r.lines = append(r.lines, strings.TrimRight(line, " ")) }

func (r *renderer) blank() {
	if n := len(r.lines); n > 0 && r.lines[n-1] != "" {
		r.lines = append(r.lines, "")
	}
}

// paint is an SGR sequence's parameters (ECMA-48).
type paint string

const (
	normal paint = ""
	bold   paint = "1"
	dim    paint = "2"
	red    paint = "31"
	green  paint = "32"
	yellow paint = "33"
	shout  paint = "1;31"
	alarm  paint = "1;7;31"
)

func (r *renderer) painted(s string, look paint) string {
	bare := strings.TrimRight(s, " ")
	if !r.Color || look == normal || bare == "" {
		return s
	}
	return "\x1b[" + string(look) + "m" + bare + "\x1b[0m" + s[len(bare):]
}

// sign is how a level is said: a sign where the terminal has it, and a word for
// everything but a plain success.
type sign struct {
	sign, word string
	look       paint
}

var signs = map[message.Level]sign{
	message.OK:       {"✓ ", "", green},
	message.Advice:   {"", "advice: ", bold},
	message.Warn:     {"! ", "warning: ", yellow},
	message.Critical: {"✗ ", "CRITICAL: ", shout},
	message.Unknown:  {"? ", "unknown: ", yellow},
	message.Refused:  {"✗ ", "refused: ", yellow},
	message.Page:     {"", "PAGE: ", alarm},
}

func (r *renderer) headline(m message.Message) {
	title := r.line(m.Title)
	level, known := signs[m.Level]
	if !known && m.Level != message.Info {
		level.word = r.line(string(m.Level)) + ": "
	}
	start := level.word
	if strings.HasPrefix(strings.ToLower(title), strings.ToLower(level.word)) {
		start = ""
	}
	switch {
	case r.Unicode:
		start = level.sign + start
	case m.Level == message.OK:
		start = "ok: "
	}
	rule := ""
	if m.Level == message.Page {
		rule = strings.Repeat(r.either("═", "="), min(r.width, 72, columns(start+title)))
		r.add(r.painted(rule, level.look))
	}
	look := level.look
	if look == normal {
		look = bold
	}
	for i, line := range wrapFrom(start+title, r.width, r.width-2) {
		if i > 0 {
			line = "  " + line
		}
		r.add(r.painted(line, look))
	}
	if rule != "" {
		r.add(r.painted(rule, level.look))
	}
}

func (r *renderer) either(unicode, ascii string) string {
	if r.Unicode {
		return unicode
	}
	return ascii
}

// buttons are shown as the words that do the same.
func (r *renderer) buttons(buttons []message.Button) {
	arrow := r.either("→ ", "-> ")
	labels := 0
	for _, b := range buttons {
		if n := columns(r.line(b.Label)); n <= widest {
			labels = max(labels, n)
		}
	}
	for _, b := range buttons {
		label, words := r.line(b.Label)+":", r.line(b.Words)
		look := normal
		if b.Style == message.Primary {
			look = bold
		}
		first := "  " + arrow + pad(label+" ", labels+2)
		if columns(first)+columns(words) > r.width {
			r.put("  "+arrow, "      ", label, look)
			first = "      "
		}
		r.put(first, strings.Repeat(" ", columns(first)), words, look)
		if b.Style == message.Danger {
			warning := "This can lose data or service."
			if b.Confirm != "" {
				warning = r.line(b.Confirm)
			}
			r.put("      ! ", "        ", warning, yellow)
		}
	}
}
