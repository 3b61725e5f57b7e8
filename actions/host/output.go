package host

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxLine bounds one line of output or log, in bytes.
const maxLine = 4 << 10

// headBuffer keeps the first max bytes written to it, and swallows the rest so
// that the writer never waits.
type headBuffer struct {
	max  int
	kept bytes.Buffer
	cut  bool
}

func (b *headBuffer) Write(p []byte) (int, error) {
	room := min(len(p), b.max-b.kept.Len())
	b.kept.Write(p[:room])
	b.cut = b.cut || room < len(p)
	return len(p), nil
}

func (b *headBuffer) Bytes() []byte { return b.kept.Bytes() }

// tailBuffer keeps the last max bytes written to it.
type tailBuffer struct {
	max  int
	kept []byte
}

func (b *tailBuffer) Write(p []byte) (int, error) {
	b.kept = append(b.kept, p...)
	if len(b.kept) > 2*b.max {
		b.kept = append(b.kept[:0], b.kept[len(b.kept)-b.max:]...)
	}
	return len(p), nil
}

func (b *tailBuffer) Bytes() []byte { return b.kept[max(0, len(b.kept)-b.max):] }

// cookieArg is -setcookie X as an argument or inside a printed Erlang term, and
// cookieValue any COOKIE=X, cookie: X, {cookie,x}.
var (
	cookieArg   = regexp.MustCompile(`(?i)(-setcookie[\s=]+)(?:"[^"]*"|'[^']*')|(-setcookie[\s=,"'<>\[\]]+)[^\s,"'<>\[\]{})]+`)
	cookieValue = regexp.MustCompile(`(?i)(cookie["'>]*\s*[:?+]?[=:,]+[\s"'<\[{]*)[^\s,"'<>\[\]{}()]+`)
)

// Mask replaces what looks like a cookie, and the given secrets wherever they
// stand, by ***. Secrets shorter than 4 bytes are left alone: they would eat
// ordinary words.
func Mask(text string, secrets ...string) string {
	for _, s := range secrets {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	if !strings.Contains(strings.ToLower(text), "cookie") {
		return text
	}
	text = cookieArg.ReplaceAllString(text, "${1}${2}***")
	return cookieValue.ReplaceAllString(text, "${1}***")
}

// secrets are the clusters' cookies, masked by value wherever output shows them.
type secrets []string

// lines splits output for people: valid UTF-8, no control characters but tabs,
// secrets masked, each at most maxLine bytes.
func (s secrets) lines(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	parts := bytes.Split(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	lines := make([]string, len(parts))
	for i, p := range parts {
		lines[i] = cutLine(Mask(printable(p), s...), maxLine)
	}
	return lines
}

// said is the end of what a program printed, for an error's text.
func (s secrets) said(printed []byte) string {
	const most = 8
	lines := s.lines(printed)
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	for i, line := range lines {
		lines[i] = cutLine(line, 300)
	}
	if len(lines) == 0 {
		return " It printed nothing."
	}
	return " It said: " + strings.Join(lines, "\n")
}

// printable drops NUL bytes (a log truncated under a live writer begins with a
// hole of them) and shows other control characters, which could move a
// terminal's cursor, as U+FFFD.
func printable(line []byte) string {
	line = bytes.TrimSuffix(line, []byte("\r"))
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0:
			return -1
		case r == '\t':
			return r
		case unicode.IsControl(r):
			return utf8.RuneError
		}
		return r
	}, strings.ToValidUTF8(string(line), "\uFFFD"))
}

// cutLine shortens a line to at most max bytes, at a character's boundary.
func cutLine(line string, max int) string {
	const mark = "..."
	if len(line) <= max {
		return line
	}
	end := max - len(mark)
	for end > 0 && !utf8.RuneStart(line[end]) {
		end--
	}
	return line[:end] + mark
}
