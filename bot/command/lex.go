package command

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is a word, a quoted string or a flag, with its place in the line.
type token struct {
	start, end int    // bytes
	text       string // unquoted
	quoted     bool   // the whole token is one quoted string
	flag       string // the name as typed, where it looks like a flag
	value      string // of --flag=value
	hasValue   bool
	ends       bool // two dashes alone: no flags after it
	unclosed   bool // begins with a quote that nothing closes
}

// Kinds of quotes. Chat programs and keyboards turn each into any other of its
// kind, so any closes any; the exact partner is looked for first.
const (
	doubles = "\"“”„‟«»"
	singles = "'‘’‚‛‹›"
	ticks   = "`"
)

var partners = map[rune]string{
	'"': `"`, '“': "”“", '”': "”", '„': "“”", '‟': "”", '«': "»", '»': "«",
	'\'': "'", '‘': "’‘", '’': "’", '‚': "‘’", '‛': "’", '‹': "›", '›': "‹",
	'`': "`",
}

// lexer splits a cleaned line.
type lexer struct {
	line string
	none map[string]bool // closers that do not occur from here on
}

func lex(line string) []token {
	l := &lexer{line: line, none: map[string]bool{}}
	var tokens []token
	for i := 0; i < len(line); {
		r, n := utf8.DecodeRuneInString(line[i:])
		if unicode.IsSpace(r) {
			i += n
			continue
		}
		t := l.token(i)
		tokens = append(tokens, t)
		i = t.end
	}
	return tokens
}

func (l *lexer) token(start int) token {
	t := token{start: start}
	if r, _ := utf8.DecodeRuneInString(l.line[start:]); partners[r] != "" {
		if text, end, ok := l.quoted(start); ok {
			t.text, t.end, t.quoted = text, end, true
			return t
		}
		t.unclosed = strings.ContainsRune(doubles, r) || strings.ContainsRune(ticks, r)
	}
	t.end = l.wordEnd(start)
	t.text = l.line[start:t.end]
	switch dashes, rest := cutDashes(t.text); {
	case rest == "" && (dashes == "--" || dashes == "—" || dashes == "–"):
		t.ends = true
	case dashes != "" && startsWithLetter(rest):
		l.flag(&t, start+len(dashes))
	}
	return t
}

// flag reads --name and --name=value, the value perhaps quoted; the name starts
// at byte name.
func (l *lexer) flag(t *token, name int) {
	t.flag, t.value, t.hasValue = strings.Cut(l.line[name:t.end], "=")
	if t.value == "" {
		return
	}
	value := name + len(t.flag) + 1
	if r, _ := utf8.DecodeRuneInString(l.line[value:]); partners[r] != "" {
		if text, end, ok := l.quoted(value); ok {
			t.value, t.end = text, end
			t.text = l.line[t.start:end]
		}
	}
}

// quoted reads the quoted string that begins at start. It is one only if a
// closing quote stands before a space or the end, so that an apostrophe is
// never taken for one. Inside, \" is a quote and \\ a backslash, except between
// code ticks, where everything is itself.
func (l *lexer) quoted(start int) (text string, end int, ok bool) {
	open, n := utf8.DecodeRuneInString(l.line[start:])
	kind := kindOf(open)
	for _, closers := range []string{partners[open], kind} {
		if end, ok := l.closing(start+n, closers, kind != ticks); ok {
			_, width := utf8.DecodeLastRuneInString(l.line[:end])
			text := l.line[start+n : end-width]
			if kind != ticks {
				text = unescape(text)
			}
			return text, end, true
		}
	}
	return "", 0, false
}

// closing finds the end of the first of closers that stands before a space or
// the end of the line.
func (l *lexer) closing(from int, closers string, escapes bool) (end int, ok bool) {
	if l.none[closers] {
		return 0, false
	}
	for i := from; i < len(l.line); {
		if escapes && escaped(l.line[i:]) > 0 {
			i += escaped(l.line[i:])
			continue
		}
		r, n := utf8.DecodeRuneInString(l.line[i:])
		i += n
		if strings.ContainsRune(closers, r) && l.breaks(i) {
			return i, true
		}
	}
	l.none[closers] = true
	return 0, false
}

// wordEnd is where the space after i begins, or the end of the line.
func (l *lexer) wordEnd(i int) int {
	if n := strings.IndexFunc(l.line[i:], unicode.IsSpace); n >= 0 {
		return i + n
	}
	return len(l.line)
}

// breaks says whether a space or the end of the line is at i.
func (l *lexer) breaks(i int) bool {
	r, n := utf8.DecodeRuneInString(l.line[i:])
	return n == 0 || unicode.IsSpace(r)
}

func kindOf(quote rune) string {
	for _, kind := range []string{doubles, singles} {
		if strings.ContainsRune(kind, quote) {
			return kind
		}
	}
	return ticks
}

// escaped is the length of \" or \\ at the start of s, or 0.
func escaped(s string) int {
	if len(s) < 2 || s[0] != '\\' {
		return 0
	}
	r, n := utf8.DecodeRuneInString(s[1:])
	if r == '\\' || partners[r] != "" {
		return 1 + n
	}
	return 0
}

func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if n := escaped(s[i:]); n > 0 {
			b.WriteString(s[i+1 : i+n])
			i += n
			continue
		}
		b.WriteByte(s[i])
		i++
	}
	return b.String()
}

func isDash(r rune) bool {
	return r == '-' || r >= '\u2010' && r <= '\u2015' || r == '\u2212'
}

// asciiDashes makes every dash in a name a plain one.
func asciiDashes(s string) string {
	return strings.Map(func(r rune) rune {
		if isDash(r) {
			return '-'
		}
		return r
	}, s)
}

func cutDashes(s string) (dashes, rest string) {
	i := strings.IndexFunc(s, func(r rune) bool { return !isDash(r) })
	if i < 0 {
		return s, ""
	}
	return s[:i], s[i:]
}

func startsWithLetter(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return unicode.IsLetter(r)
}
