package command

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"irisops/actions"
)

var bareShape = regexp.MustCompile(`^[\p{L}\p{N}_.:@/+][\p{L}\p{N}_.:@/+-]*$`)

// Quote writes a value so that it is read back as one argument or text. What
// cleaning would take away (control characters, spaces around it) is not
// brought back.
func Quote(s string) string {
	if bareShape.MatchString(s) {
		return s
	}
	return alwaysQuote(s)
}

func alwaysQuote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == '\\' || strings.ContainsRune(doubles, r) {
			b.WriteByte('\\')
		}
		b.WriteString(s[i : i+n]) // bytes that are no UTF-8 too: the parser refuses them
		i += n
	}
	b.WriteByte('"')
	return protect(b.String())
}

// protect writes & and < so that they are not taken for a chat program's mark-up.
func protect(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch {
		case s[i] == '&' && startsEntity(s[i:]):
			b.WriteString("&amp;")
		case s[i] == '<' && startsReference(s[i+1:]):
			b.WriteString("&lt;")
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func startsEntity(s string) bool {
	return slices.ContainsFunc(entities, func(e struct{ code, char string }) bool { return strings.HasPrefix(s, e.code) })
}

func startsReference(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return strings.ContainsRune("@#!", r) || unicode.IsLetter(r)
}

// Join makes a line of the words that a shell has already taken apart, so that
// `irisops ctl note "no clients"` is read as it was meant. A single word may be
// a whole line.
func Join(argv []string) string {
	if len(argv) == 1 {
		return argv[0]
	}
	words := make([]string, len(argv))
	for i, arg := range argv {
		switch name, value, ok := strings.Cut(arg, "="); {
		case ok && strings.HasPrefix(name, "-") && !strings.ContainsFunc(name, unicode.IsSpace):
			words[i] = protect(name) + "=" + asArgument(value)
		default:
			words[i] = asArgument(arg)
		}
	}
	return strings.Join(words, " ")
}

// asArgument quotes only what would fall apart, and so keeps a text of many
// words free of quotes that nobody typed.
func asArgument(arg string) string {
	r, _ := utf8.DecodeRuneInString(arg)
	if arg == "" || partners[r] != "" || strings.ContainsFunc(arg, unicode.IsSpace) {
		return alwaysQuote(arg)
	}
	return protect(arg)
}

// Format writes a command as a line that is read back as the same command with
// the same arguments: for buttons, records and "what will run".
func (t *Table) Format(s *Spec, args actions.Args) string {
	e := t.lookup(s.Words)
	if e == nil {
		return s.Words
	}
	line := []string{e.Words}
	for i, p := range e.positional {
		value, ok := args[p.Name]
		if !ok {
			continue
		}
		written := written(p, value)
		if i == 0 && t.readAsCommand(e, value) {
			written = alwaysQuote(value)
		}
		line = append(line, written)
	}
	for _, p := range slices.Concat(e.own, e.global) {
		switch value, ok := args[p.Name]; {
		case !ok:
		case p.Kind == actions.Bool:
			line = append(line, dashed(p.Name))
		default:
			line = append(line, dashed(p.Name), written(p, value))
		}
	}
	return strings.Join(line, " ")
}

// readAsCommand says whether an argument looks like the next word of a longer
// command: presence "size" is about a user of that name.
func (t *Table) readAsCommand(e *entry, value string) bool {
	parts := wordParts(value)
	return len(parts) > 0 && slices.ContainsFunc(t.under(e.words), func(sub *entry) bool {
		return sub.words[len(e.words)] == parts[0]
	})
}

// written is a canonical value as people type it.
func written(p actions.Param, value string) string {
	switch p.Kind {
	case actions.Text:
		return alwaysQuote(value)
	case actions.Person:
		return Quote("@" + value)
	case actions.ID:
		return idLike(prefix(p), value)
	case actions.Duration:
		if d, err := time.ParseDuration(value); err == nil {
			return shortDuration(d)
		}
	case actions.Choice:
		return strings.ReplaceAll(value, " ", "-")
	}
	return Quote(value)
}

// shortDuration is 2h rather than 2h0m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
