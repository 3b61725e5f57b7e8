package console

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/rivo/uniseg"
)

// What machines print can hold anything: colours, cursor movements, a title for
// the window, text that runs backwards. Here it becomes text that is only read.

// escapes are terminal escape sequences (ECMA-48), in their seven-bit and
// eight-bit forms.
var escapes = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\x1b[\\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\x07\x1b\u009c\n]*(?:\x07|\x1b\\\\|\u009c)|\x1b[ -/]*[0-OQ-WYZ\\\\`-~]")

func beginsEscape(c rune) bool { return c == '\x1b' || c >= '\u0080' && c <= '\u009f' }

// text makes s safe to print. Line ends stay; tabs become spaces. Control and
// text-direction characters that are left become visible as \x07 or \u202e.
func (r *renderer) text(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.ContainsFunc(s, beginsEscape) { // seldom, and the search is slow
		s = escapes.ReplaceAllString(s, "")
	}
	s = strings.ReplaceAll(s, "\r\n", "\n")
	var b strings.Builder
	column := 0
	for _, c := range s {
		switch {
		case c == '\n' || c == '\r' || c == '\u0085' || c == '\u2028' || c == '\u2029':
			b.WriteByte('\n')
			column = 0
			continue
		case c == '\t':
			n := 8 - column%8
			b.WriteString(strings.Repeat(" ", n))
			column += n
			continue
		case c == '\u00ad' || c == '\u200b' || c == '\u2060' || c == '\ufeff':
			continue
		case unicode.Is(unicode.Zs, c):
			b.WriteByte(' ')
		case unicode.IsControl(c) && c < 0x100:
			fmt.Fprintf(&b, `\x%02x`, c)
		case unicode.Is(unicode.Bidi_Control, c) || unicode.Is(unicode.Cc, c) || c >= '\u2061' && c <= '\u206f':
			fmt.Fprintf(&b, `\u%04x`, c)
		case !r.Unicode && ascii[c] != "":
			b.WriteString(ascii[c])
		default:
			b.WriteRune(c)
		}
		column++
	}
	return b.String()
}

// line is text on one line.
func (r *renderer) line(s string) string {
	return strings.Join(strings.Fields(r.text(s)), " ")
}

// ascii stands for the signs that we write ourselves and chat programs like.
// Letters stay: a name in another form would be another name.
var ascii = map[rune]string{
	'“': `"`, '”': `"`, '„': `"`, '«': `"`, '»': `"`, '‘': "'", '’': "'",
	'–': "-", '—': "-", '−': "-", '…': "...", '→': "->", '←': "<-", '·': "-", '•': "-",
	'✓': "ok", '✗': "x", '≥': ">=", '≤': "<=", '×': "x", 'µ': "u", '\uFFFD': "?",
}

// columns is the width of s on a terminal.
func columns(s string) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return uniseg.StringWidth(s)
		}
	}
	return len(s)
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-columns(s)))
}

// wrap breaks text into lines of at most width columns: at spaces where it can,
// within a word that is longer than a line where it must.
func wrap(text string, width int) []string { return wrapFrom(text, width, width) }

// wrapFrom gives the first line another width than the others.
func wrapFrom(text string, width, others int) []string {
	width, others = max(width, 1), max(others, 1)
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		for columns(line) > width {
			end := fits(line, width)
			lines = append(lines, strings.TrimRight(line[:end], " "))
			line = strings.TrimLeft(line[end:], " ")
			width = others
		}
		lines = append(lines, line)
		width = others
	}
	return lines
}

// fits is how many bytes of line go into width columns: up to the last space,
// if it ends a word, and at least one character.
func fits(line string, width int) int {
	end, space, used := 0, 0, 0
	indent := len(line) - len(strings.TrimLeft(line, " "))
	state, rest := -1, line
	for rest != "" {
		cluster, after, w, next := uniseg.FirstGraphemeClusterInString(rest, state)
		if cluster == " " && end >= indent {
			space = end // the word before it fits
		}
		if used+w > width && end > 0 {
			break
		}
		end, used = end+len(cluster), used+w
		rest, state = after, next
	}
	if space > indent {
		return space
	}
	return end
}
