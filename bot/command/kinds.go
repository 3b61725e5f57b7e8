package command

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"irisops/actions"
)

// Resolver knows the people.
type Resolver interface {
	// Person finds the id under people for a name as typed, without its @: the
	// id itself, in any case, or a Slack user's id ("U01").
	Person(name string) (id string, ok bool)
	// People lists the ids, for "did you mean".
	People() []string
}

// nobody is known to a caller that gives no Resolver.
type nobody struct{}

func (nobody) Person(string) (string, bool) { return "", false }
func (nobody) People() []string             { return nil }

// anyone is taken for a person while the table checks its own examples.
type anyone struct{}

func (anyone) Person(name string) (string, bool) { return name, name != "" }
func (anyone) People() []string                  { return nil }

// Bounds on numbers: larger ones are slips of the finger.
const (
	maxCount    = 1_000_000_000
	maxDuration = 366 * 24 * time.Hour
)

// canonical brings what was typed for p into the form in which it is kept:
//
//	word      as typed
//	text      as typed, without spaces around it
//	target    lower case
//	node      lower case
//	person    the id under people
//	choice    as it stands in Choices
//	id        the bare number: "7" for INC-7. Which prefix belongs before it is
//	          said by the parameter's Example; another prefix is refused
//	duration  as time.Duration prints it
//	count     the number
//
// Punctuation that ends a sentence is not part of a value, but for words and
// texts, which may well end in it. Reading a canonical value again gives the
// same value.
func canonical(p actions.Param, typed string, people Resolver) (string, *actions.Error) {
	typed = strings.TrimSpace(typed)
	if p.Kind == actions.Text {
		if n := utf8.RuneCountInString(typed); n > MaxText {
			return "", &actions.Error{Code: "too-long",
				Text: fmt.Sprintf("The %s is %s characters; the limit is %s, so I did nothing with it.", spaced(p.Name), thousands(n), thousands(MaxText)),
				Hint: "Say the main point in a sentence, and where the long text can be found."}
		}
		if typed == "" {
			return "", &actions.Error{Code: "missing", Text: fmt.Sprintf("The %s is empty.", spaced(p.Name))}
		}
		return typed, nil
	}
	if n := utf8.RuneCountInString(typed); n > maxWord {
		return "", &actions.Error{Code: "too-long",
			Text: fmt.Sprintf("The %s is %s characters; the limit is %d.", spaced(p.Name), thousands(n), maxWord)}
	}
	if p.Kind == actions.Word {
		typed = strings.TrimRight(asciiDashes(typed), ",;!?")
		if !isWord(typed) {
			return "", badValue(p, typed, "Only letters, digits and _ . : @ - can stand in it, and no spaces.")
		}
		return typed, nil
	}
	typed = strings.TrimRight(asciiDashes(typed), ".,:;!?")
	switch p.Kind {
	case actions.Target, actions.Node:
		name := strings.ToLower(typed)
		if !isWord(name) {
			return "", badValue(p, typed, "Only letters, digits and _ . : @ - can stand in it, and no spaces.")
		}
		return name, nil
	case actions.Person:
		return person(p, typed, people)
	case actions.Choice:
		return choice(p, typed)
	case actions.ID:
		return number(p, typed)
	case actions.Duration:
		return duration(p, typed)
	case actions.Count:
		n, err := strconv.Atoi(typed)
		if err != nil || n < 1 || n > maxCount {
			return "", badValue(p, typed, "")
		}
		return strconv.Itoa(n), nil
	}
	return "", actions.Errorf("bad-value", "A %s cannot be read from text.", p.Kind) // Bool; check keeps it out
}

func badValue(p actions.Param, typed, hint string) *actions.Error {
	if typed == "" {
		return &actions.Error{Code: "missing", Text: fmt.Sprintf("The %s is empty.", spaced(p.Name))}
	}
	return &actions.Error{Code: "bad-value", Text: fmt.Sprintf("%s is not %s.", quoted(typed), meant(p)), Hint: hint}
}

// meant is what a parameter's value should have been: "a target", "a request
// id", "a length of time".
func meant(p actions.Param) string {
	switch p.Kind {
	case actions.ID:
		if what := idNames[prefix(p)]; what != "" {
			return withArticle(what + " id")
		}
		return "an id"
	case actions.Duration:
		return "a length of time"
	case actions.Person:
		return "a person"
	case actions.Count:
		return "a whole number from 1 to " + thousands(maxCount)
	}
	if p.Flag {
		return "a value for " + dashed(p.Name)
	}
	return withArticle(spaced(p.Name))
}

func isWord(s string) bool {
	if s == "" {
		return false
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_.:@-", r) {
			return false
		}
	}
	return true
}

func person(p actions.Param, typed string, people Resolver) (string, *actions.Error) {
	name := strings.TrimPrefix(typed, "@")
	if name == "" {
		return "", badValue(p, "", "")
	}
	if id, ok := people.Person(name); ok {
		return id, nil
	}
	if id, ok := people.Person(strings.ToLower(name)); ok {
		return id, nil
	}
	err := &actions.Error{Code: "no-such-person", Text: fmt.Sprintf("I know nobody called %s.", quoted(name))}
	known := people.People()
	if len(known) > 12 {
		known = known[:12]
	}
	if close := nearest(strings.ToLower(name), people.People()); len(close) > 0 {
		err.Hint = didYouMean(prefixed("@", close))
	} else if len(known) > 0 {
		err.Hint = "I know " + list(prefixed("@", known), "and") + "."
	}
	return "", err
}

func choice(p actions.Param, typed string) (string, *actions.Error) {
	for _, c := range p.Choices {
		if squash(c) == squash(typed) {
			return c, nil
		}
	}
	err := badValue(p, typed, "Say "+list(p.Choices, "or")+".")
	if err.Code != "missing" {
		if close := nearChoices(p, typed); len(close) > 0 && (len(close) < len(p.Choices) || len(close) == 1) {
			err.Hint = didYouMean(close) + " " + err.Hint
		}
	}
	return "", err
}

var (
	idShape  = regexp.MustCompile(`^(?:([A-Za-z]+)[-_ #]*|#)?0*([1-9][0-9]{0,17})$`)
	idNames  = map[string]string{"INC": "incident", "REQ": "request"}
	idPrefix = regexp.MustCompile(`^[A-Z]+`)
)

// prefix of a parameter's ids, as its example shows it: "REQ"; "" if none.
func prefix(p actions.Param) string { return idPrefix.FindString(p.Example) }

func number(p actions.Param, typed string) (string, *actions.Error) {
	want := prefix(p)
	m := idShape.FindStringSubmatch(typed)
	if m == nil {
		return "", badValue(p, typed, "")
	}
	got := strings.ToUpper(m[1])
	if got == "" || got == want {
		return m[2], nil
	}
	err := badValue(p, typed, "")
	if what := idNames[got]; what != "" {
		err.Text = fmt.Sprintf("%s-%s is %s, but here I need %s.", got, m[2], withArticle(what), meant(p))
	}
	return "", err
}

func idLike(prefix, number string) string {
	if prefix == "" {
		return number
	}
	return prefix + "-" + number
}

var (
	durationShape = regexp.MustCompile(`^(?:[0-9]+(?:\.[0-9]+)?[a-zµ]+)+$`)
	durationPart  = regexp.MustCompile(`([0-9]+(?:\.[0-9]+)?)([a-zµ]+)`)

	// units as people write them, as package time reads them
	units = map[string]string{
		"ns": "ns", "us": "us", "µs": "us", "ms": "ms",
		"s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
		"m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
		"h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
		"d": "d", "day": "d", "days": "d",
	}
)

func duration(p actions.Param, typed string) (string, *actions.Error) {
	bad := badValue(p, typed, "Say it like 90s, 15m, 2h or 1d.")
	tooLong := &actions.Error{Code: "bad-value", Text: fmt.Sprintf("%s is too long: 366d is the most.", quoted(typed))}
	s := strings.ToLower(strings.ReplaceAll(typed, " ", ""))
	if !durationShape.MatchString(s) {
		return "", bad
	}
	var total time.Duration
	for _, part := range durationPart.FindAllStringSubmatch(s, -1) {
		unit, times := units[part[2]], time.Duration(1)
		if unit == "d" {
			unit, times = "h", 24
		}
		if unit == "" {
			return "", bad
		}
		d, err := time.ParseDuration(part[1] + unit)
		if err != nil || d > maxDuration/times { // the only error left is overflow
			return "", tooLong
		}
		if total += d * times; total > maxDuration {
			return "", tooLong
		}
	}
	if total <= 0 {
		return "", bad
	}
	return total.String(), nil
}

// level is a priority as other teams write it: "sev1", "1", "prio 1".
var levelShape = regexp.MustCompile(`^(?:p|s|sev|prio|priority|severity|level)?([0-9])$`)

// digits undoes letters that look like them: PO for P0.
var digits = strings.NewReplacer("o", "0", "l", "1", "i", "1")

// nearChoices are the choices that may have been meant: one slip of the finger
// away, the beginning of one, or the same level in other words.
func nearChoices(p actions.Param, typed string) []string {
	typed = squash(typed)
	level := levelShape.FindStringSubmatch(typed)
	var found []string
	for _, c := range p.Choices {
		folded := squash(c)
		of := levelShape.FindStringSubmatch(folded)
		if level != nil && of != nil && of[1] == level[1] || digits.Replace(typed) == digits.Replace(folded) {
			return []string{c}
		}
		if len(typed) > 1 && distance(typed, folded) == 1 ||
			len(typed) > 2 && (strings.HasPrefix(folded, typed) || strings.HasPrefix(typed, folded)) {
			found = append(found, c)
		}
	}
	if found == nil {
		found = nearest(typed, p.Choices)
	}
	return found
}

// looksLike says whether what was typed was probably meant for p although it
// is none: then an optional p is not skipped in silence.
func looksLike(p actions.Param, typed string) bool {
	switch p.Kind {
	case actions.Choice:
		return len(nearChoices(p, typed)) > 0
	case actions.Duration, actions.Count:
		return typed != "" && typed[0] >= '0' && typed[0] <= '9'
	case actions.ID:
		return idShape.MatchString(typed)
	}
	return false
}
