package command

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"irisops/actions"
)

// Bounds on what is read, in characters.
const (
	MaxLine = 10_000 // a whole line; longer ones are not looked at
	MaxText = 3_000  // a text argument
	maxWord = 255    // any other argument: longer than any name in use
)

// clean undoes what chat programs do to text:
//   - spaces of every kind become plain ones; line ends become \n
//   - terminal escapes, control characters, zero-width and text-direction
//     characters go; joiners stay where they hold letters or emoji together
//   - a mention <@U01> becomes @ and the person's id, or @U01 if nobody is known
//     by that; a channel <#C01|ops> becomes #ops; a link becomes its text, with
//     its address after it where the two differ; &amp; &lt; &gt; become & < >
//
// Quotes and dashes stay as typed: what they mean depends on where they stand.
func clean(text string, people Resolver) (string, error) {
	if !utf8.ValidString(text) {
		return "", actions.Errorf("bad-encoding",
			"Byte %d of what you sent is not valid UTF-8, so I did nothing with it. Please type it again.", firstInvalid(text)+1)
	}
	if n := utf8.RuneCountInString(text); n > MaxLine {
		return "", &actions.Error{Code: "too-long",
			Text: fmt.Sprintf("That is %s characters; I read at most %s, so I did nothing with it.", thousands(n), thousands(MaxLine)),
			Hint: "Say the main point in a sentence, and where the long text can be found."}
	}
	text = escapes.ReplaceAllString(text, "")
	var b strings.Builder
	for i := 0; i < len(text); {
		if s, n := markup(text[i:], people); n > 0 {
			b.WriteString(s)
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		i += n
		if r == '\r' && strings.HasPrefix(text[i:], "\n") {
			continue
		}
		if r = plain(r); r >= 0 {
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(joiners(b.String())), nil
}

func firstInvalid(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return len(s)
}

// escapes are terminal escape sequences: colours and cursor keys as they end up
// in pasted text, and titles or links (ECMA-48, CSI and OSC).
var escapes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\)|[@-Z\\\\^_])")

// plain is the character to keep for r; -1 for none.
func plain(r rune) rune {
	switch {
	case r == '\n' || r == '\t':
		return r
	case r == '\r' || r == '\u0085' || r == '\u2028' || r == '\u2029':
		return '\n'
	case r == '\v' || r == '\f' || unicode.Is(unicode.Zs, r):
		return ' '
	case r == zwnj || r == zwj:
		return r // joiners decides
	case unicode.Is(unicode.Cc, r) || unseen(r):
		return -1
	}
	return r
}

// unseen characters have no width, or turn the direction of the text around
// them: a word that looks right could be another one.
func unseen(r rune) bool {
	switch {
	case r == '\u00ad', r == '\u061c', r == '\u180e', r == '\ufeff',
		r == '\u200b', r == '\u200e', r == '\u200f',
		r >= '\u202a' && r <= '\u202e', r >= '\u2060' && r <= '\u206f':
		return true
	}
	return false
}

const (
	zwnj = '\u200c'
	zwj  = '\u200d'
)

// joiners takes out the joiners that do not stand between letters, marks or
// symbols beyond ASCII, where they have a meaning (Persian, Hindi, emoji).
func joiners(s string) string {
	if !strings.ContainsAny(s, string(zwnj)+string(zwj)) {
		return s
	}
	in := []rune(s)
	out := in[:0:0]
	for i, r := range in {
		if r == zwnj || r == zwj {
			if len(out) == 0 || i+1 == len(in) || !joins(out[len(out)-1]) || !joins(in[i+1]) {
				continue
			}
		}
		out = append(out, r)
	}
	return string(out)
}

func joins(r rune) bool {
	return r > unicode.MaxASCII && unicode.In(r, unicode.L, unicode.M, unicode.So, unicode.Sk)
}

// Slack's mark-up of what it recognised in a text: https://docs.slack.dev/messaging/formatting-message-text
var (
	mentionShape = regexp.MustCompile(`^@([A-Z0-9]+)(\|.*)?$`)
	channelShape = regexp.MustCompile(`^#([A-Z0-9]+)(?:\|(.*))?$`)
	specialShape = regexp.MustCompile(`^!([^|]+)(?:\|(.+))?$`)
	linkShape    = regexp.MustCompile(`^((?:[A-Za-z][A-Za-z0-9+.-]*://|mailto:|tel:)[^\s|]+)(?:\|(.+))?$`)
)

// markup reads one piece of mark-up at the start of s: what stands for it, and
// how many bytes it takes. 0 bytes means that there is none.
func markup(s string, people Resolver) (string, int) {
	switch s[0] {
	case '&':
		for _, e := range entities {
			if strings.HasPrefix(s, e.code) {
				return e.char, len(e.code)
			}
		}
	case '<':
		end := strings.IndexAny(s[1:], "<>\n")
		if end < 0 || s[1+end] != '>' {
			return "", 0
		}
		if text, ok := reference(s[1:1+end], people); ok {
			return text, end + 2
		}
	}
	return "", 0
}

var entities = []struct{ code, char string }{{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}}

// reference is the text for what stands between < and >.
func reference(s string, people Resolver) (string, bool) {
	if m := mentionShape.FindStringSubmatch(s); m != nil {
		if id, ok := people.Person(m[1]); ok {
			return "@" + id, true
		}
		return "@" + m[1], true
	}
	if m := channelShape.FindStringSubmatch(s); m != nil {
		return "#" + shown(first(m[2], m[1])), true
	}
	if m := specialShape.FindStringSubmatch(s); m != nil { // <!here>, <!subteam^S01|@sre>
		return shown(first(m[2], "@"+m[1])), true
	}
	if m := linkShape.FindStringSubmatch(s); m != nil {
		address, label := shown(m[1]), shown(m[2])
		switch bare := bareAddress(address); {
		case label == "" && bare != address && !strings.Contains(address, "://"):
			return bare, true // mailto: and tel: alone
		case label == "":
			return address, true
		case bareAddress(label) == bare:
			return label, true
		default:
			return label + " (" + address + ")", true
		}
	}
	return "", false
}

// bareAddress is an address as people type it: without scheme and final slash.
func bareAddress(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "mailto:"), "tel:")
	if _, rest, ok := strings.Cut(s, "://"); ok {
		s = rest
	}
	return strings.TrimSuffix(s, "/")
}

// shown is the text of mark-up with its entities and unwanted characters undone.
func shown(s string) string {
	for _, e := range [...]int{1, 2, 0} { // &amp; last, so that &amp;lt; is &lt;
		s = strings.ReplaceAll(s, entities[e].code, entities[e].char)
	}
	return strings.Map(plain, s)
}

func first(s, otherwise string) string {
	if s != "" {
		return s
	}
	return otherwise
}

// thousands is a count as people read it: 9,990.
func thousands(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
