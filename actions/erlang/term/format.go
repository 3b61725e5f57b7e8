package term

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Format prints t on one line as Erlang's shell does, in at most max bytes, 4
// or more: what does not fit is "...". Secrets and people's messages can stand in a term, so
// what is printed is for those who asked for it, not for errors or logs: Outline
// is.
func Format(t Term, max int) string {
	p := printer{max: max}
	p.term(t, 0)
	return p.text()
}

// Outline prints the shape of t with its atoms, and _ for every other value: of
// {badmatch,<<"dear Ann">>} it shows {badmatch,_}.
func Outline(t Term, max int) string {
	p := printer{max: max, outline: true}
	p.term(t, 0)
	return p.text()
}

type printer struct {
	strings.Builder
	max     int
	outline bool
}

func (p *printer) full() bool { return p.Len() > p.max }

func (p *printer) text() string {
	s := p.String()
	if len(s) <= p.max {
		return s
	}
	cut := max(0, p.max-len("..."))
	for cut > 0 && !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "..."
}

func (p *printer) term(t Term, depth int) {
	if p.full() || depth > maxDepth {
		return
	}
	switch t := t.(type) {
	case Atom:
		p.WriteString(atomText(string(t)))
	case Tuple:
		p.WriteByte('{')
		p.terms(t, depth)
		p.WriteByte('}')
	case List:
		p.WriteByte('[')
		p.terms(t, depth)
		p.WriteByte(']')
	case Improper:
		p.WriteByte('[')
		p.terms(t.Items, depth)
		p.WriteByte('|')
		p.term(t.Tail, depth+1)
		p.WriteByte(']')
	case Map:
		p.WriteString("#{")
		for i, e := range t {
			if p.full() {
				return
			}
			if i > 0 {
				p.WriteByte(',')
			}
			p.term(e.Key, depth+1)
			p.WriteString(" => ")
			p.term(e.Value, depth+1)
		}
		p.WriteByte('}')
	default:
		if p.outline {
			p.WriteByte('_')
			return
		}
		p.leaf(t)
	}
}

func (p *printer) terms(ts []Term, depth int) {
	for i, t := range ts {
		if p.full() {
			return
		}
		if i > 0 {
			p.WriteByte(',')
		}
		p.term(t, depth+1)
	}
}

func (p *printer) leaf(t Term) {
	switch t := t.(type) {
	case int64:
		p.WriteString(strconv.FormatInt(t, 10))
	case *big.Int:
		if t.BitLen() > 4*p.max { // more digits than fit; writing them all could take minutes
			fmt.Fprintf(p, "#integer<%d bits>", t.BitLen())
		} else {
			p.WriteString(t.String())
		}
	case float64:
		p.WriteString(floatText(t))
	case string:
		if text := latin1(t[:min(len(t), p.max+1)]); printable(text) {
			p.quoted(text)
		} else {
			p.WriteByte('[')
			p.bytes(t)
			p.WriteByte(']')
		}
	case []byte:
		end := min(len(t), p.max)
		for end < len(t) && !utf8.RuneStart(t[end]) {
			end++
		}
		p.binary(string(t[:end]))
	case Pid:
		p.WriteString(t.Text)
	case Ref:
		p.WriteString("#Ref<" + t.Node + ">")
	case Opaque:
		p.WriteString("#" + t.Kind)
	default:
		fmt.Fprintf(p, "#%T", t)
	}
}

func (p *printer) binary(s string) {
	p.WriteString("<<")
	switch {
	case s == "":
	case utf8.ValidString(s) && printable(s):
		p.quoted(s)
		if strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII }) {
			p.WriteString("/utf8")
		}
	default:
		p.bytes(s)
	}
	p.WriteString(">>")
}

func (p *printer) bytes(s string) {
	for i := range len(s) {
		if p.full() {
			return
		}
		if i > 0 {
			p.WriteByte(',')
		}
		p.WriteString(strconv.Itoa(int(s[i])))
	}
}

var escapes = strings.NewReplacer(
	`"`, `\"`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\v", `\v`, "\b", `\b`, "\f", `\f`, "\x1b", `\e`)

func (p *printer) quoted(s string) { p.WriteString(`"` + escapes.Replace(s) + `"`) }

func printable(s string) bool {
	for _, r := range s {
		if !unicode.IsPrint(r) && !strings.ContainsRune("\n\r\t\v\b\f\x1b", r) {
			return false
		}
	}
	return true
}

var (
	bareAtom = regexp.MustCompile(`^[a-z][a-zA-Z0-9_@]*$`)
	reserved = strings.Fields("after and andalso band begin bnot bor bsl bsr bxor case catch cond div else end " +
		"fun if let not of or orelse receive rem try when xor")
)

func atomText(s string) string {
	if bareAtom.MatchString(s) && !slices.Contains(reserved, s) {
		return s
	}
	return "'" + strings.NewReplacer("'", `\'`, `\`, `\\`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + "'"
}

// floatText is the shortest text that reads back as f, written out or with an
// exponent, whichever Erlang finds shorter; always with one from 2^53 on, where
// digits before the point are no longer exact.
func floatText(f float64) string {
	s := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, ok := strings.Cut(s, "e")
	exp, err := strconv.Atoi(exponent)
	if !ok || err != nil {
		return s // infinite or not a number, which Erlang does not have
	}
	sign := ""
	if mantissa[0] == '-' {
		sign, mantissa = "-", mantissa[1:]
	}
	digits := strings.Replace(mantissa, ".", "", 1)
	n, point := len(digits), exp+1 // the point stands after so many of the digits
	if digits == "0" {
		return sign + "0.0"
	}
	withExp := digits[:1] + "." + digits[1:]
	if n == 1 {
		withExp += "0"
	}
	cost := len(strconv.Itoa(exp)) + 2
	if n == 1 {
		cost++
	}
	withExp += "e" + strconv.Itoa(exp)
	switch {
	case point <= 0 && 2-point > cost, point >= n && point-n+2 > cost, math.Abs(f) >= 1<<53:
		return sign + withExp
	case point <= 0:
		return sign + "0." + strings.Repeat("0", -point) + digits
	case point >= n:
		return sign + digits + strings.Repeat("0", point-n) + ".0"
	}
	return sign + digits[:point] + "." + digits[point:]
}
