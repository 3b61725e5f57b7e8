package slack

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Text that people or machines wrote is shown and never obeyed: no mention, no
// link that says another address than it leads to, no control character.
// https://docs.slack.dev/messaging/formatting-message-text

// escapes are terminal escape sequences (ECMA-48, CSI and OSC).
var escapes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[@-Z\\\\^_])")

// calls are what Slack turns into a call to everybody where it looks for names.
var calls = regexp.MustCompile(`(?i)@(channel|here|everyone|group)\b`)

// plain takes out what is not seen: control characters but line ends, and
// characters of no width that turn or hide text.
func plain(s string) string {
	s = escapes.ReplaceAllString(strings.ToValidUTF8(s, "\uFFFD"), "")
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.Is(unicode.Cc, r), r == '\u2028', r == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, r) && r != '\u200c' && r != '\u200d': // joiners hold letters and emoji together
			return -1
		}
		return r
	}, s)
}

// wordJoiner has no width and ends a name.
const wordJoiner = "\u2060"

// escaped is text as Slack shows it to the letter.
func escaped(s string) string {
	s = calls.ReplaceAllString(plain(s), "@"+wordJoiner+"$1")
	return escaper.Replace(s)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// line is text on one line.
func line(s string) string { return strings.Join(strings.Fields(escaped(s)), " ") }

// length is how Slack counts: characters of the escaped text.
func length(s string) int { return utf8.RuneCountInString(s) }

// cut shortens raw text so that it has at most limit characters once escaped.
func cut(s string, limit int) string {
	if length(escaped(s)) <= limit {
		return s
	}
	room := limit - 2
	var b strings.Builder
	for _, r := range plain(s) {
		if room -= width(r); room < 0 {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimRight(b.String(), " \n") + " …"
}

// width is how many characters one becomes at most: a joiner may be put after @.
func width(r rune) int {
	switch r {
	case '&':
		return len("&amp;")
	case '<', '>':
		return len("&lt;")
	case '@':
		return 2
	}
	return 1
}

// chunks splits raw text at line ends into parts that have at most limit
// characters each once escaped. A longer line is split where it has to be.
func chunks(s string, limit int) []string {
	var parts []string
	var b strings.Builder
	size := 0
	flush := func() {
		if b.Len() > 0 {
			parts = append(parts, strings.Trim(b.String(), "\n"))
			b.Reset()
			size = 0
		}
	}
	for _, l := range strings.Split(strings.Trim(plain(s), "\n"), "\n") {
		for _, piece := range pieces(l, limit-1) {
			n := length(escaped(piece)) + 1
			if size+n > limit {
				flush()
			}
			b.WriteString(piece)
			b.WriteByte('\n')
			size += n
		}
	}
	flush()
	return parts
}

// pieces splits one line.
func pieces(l string, limit int) []string {
	if length(escaped(l)) <= limit {
		return []string{l}
	}
	var parts []string
	var b strings.Builder
	size := 0
	for _, r := range l {
		n := width(r)
		if size+n > limit {
			parts = append(parts, b.String())
			b.Reset()
			size = 0
		}
		b.WriteRune(r)
		size += n
	}
	return append(parts, b.String())
}
