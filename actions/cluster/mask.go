package cluster

import (
	"errors"
	"regexp"
	"strings"

	"irisops/actions"
)

// masker is the one place where text from a node's log, from make or from an
// error loses what people in a channel must not read: cookies, tokens, and
// message bodies.
//
// In a log a message body is an Erlang binary in a crash report, and nothing
// tells it from any other binary. So every binary is masked, but for the names
// of users where IRIS prints them in words ("for <<"bob">>", "user <<"bob">>"),
// which an operator needs.
type masker struct {
	secrets []string
}

func newMasker(secrets []string) masker {
	var m masker
	for _, s := range secrets {
		if len(s) >= 4 { // shorter ones would eat ordinary words
			m.secrets = append(m.secrets, s)
		}
	}
	return m
}

const masked = "***"

var (
	cookieArg   = regexp.MustCompile(`(?i)(-setcookie[\s=,"'\[\]]+)([^\s,"'\[\]{})]+)`)
	cookieValue = regexp.MustCompile(`(?i)\b((?:[a-z_]*cookie|jwt_secret)(?:["']?\s*(?:=>?|,)\s*|["']?:)["']?)([^\s,"'<>\[\]{}()]+)`)
	jwt         = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}(\.[A-Za-z0-9_-]*){0,2}`)

	// A binary as ~p prints it: <<"text">>, over several lines <<"te"\n "xt">>,
	// <<1,2,3>>, <<"text"/utf8>>, <<1,2,...>>. What the log's end cuts off is
	// masked to the end.
	binary    = regexp.MustCompile(`(\b(?:for|[Uu]ser) )?<<(?:"(?:[^"\\]|\\.)*"|[^">])*(?:>>|"(?:[^"\\]|\\.)*\z|\z)`)
	userName  = regexp.MustCompile(`^[A-Za-z0-9_.@-]{1,64}$`)
	maybeText = regexp.MustCompile(`["<>]|^[\s\d,.]+$`)
)

// line masks text that holds no Erlang terms: a command line, an error.
func (m masker) line(text string) string {
	for _, s := range m.secrets {
		text = strings.ReplaceAll(text, s, masked)
	}
	if strings.Contains(strings.ToLower(text), "cookie") || strings.Contains(text, "jwt_secret") {
		text = cookieArg.ReplaceAllString(text, "${1}"+masked)
		text = cookieValue.ReplaceAllString(text, "${1}"+masked)
	}
	return jwt.ReplaceAllString(text, masked)
}

// log masks one entry of a log, lines joined. A fragment is one whose beginning
// was not read: nothing tells in it whether a line stands inside of a binary, so
// every line that could is masked as a whole.
func (m masker) log(entry string, fragment bool) string {
	if fragment {
		lines := strings.Split(entry, "\n")
		for i, line := range lines {
			if maybeText.MatchString(line) {
				lines[i] = masked
			}
		}
		entry = strings.Join(lines, "\n")
	}
	entry = binary.ReplaceAllStringFunc(entry, func(found string) string {
		before, content, _ := strings.Cut(found, "<<")
		content = strings.Trim(strings.TrimSuffix(content, ">>"), `"`)
		if before != "" && userName.MatchString(content) {
			return found
		}
		return before + "<<" + masked + ">>"
	})
	return m.line(entry)
}

// err is an error's text for people, without its hint.
func (m masker) err(err error) string {
	var e *actions.Error
	if errors.As(err, &e) {
		return m.line(e.Text)
	}
	return m.line(err.Error())
}

func asError(err error) (*actions.Error, bool) {
	var e *actions.Error
	ok := errors.As(err, &e)
	return e, ok
}
