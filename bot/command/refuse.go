package command

import (
	"fmt"
	"strconv"
	"strings"

	"irisops/actions"
)

// What is said about a line that is not understood: what is wrong, what may
// have been meant, and an example that works.

func (t *Table) empty() error {
	e := &actions.Error{Code: "empty", Text: "Say what I should do."}
	for _, words := range []string{"status", "help"} {
		if known := t.lookup(words); known != nil {
			e.Hint = example(known.Example)
			break
		}
	}
	e.Hint = sentences(e.Hint, t.pointToHelp())
	return e
}

func (t *Table) pointToHelp() string {
	if t.lookup("help") == nil {
		return ""
	}
	return code("help") + " lists what I can do."
}

// unknown is said where no command has these words.
func (t *Table) unknown(line string, tokens []token, people Resolver) error {
	if tokens[0].flag != "" {
		return &actions.Error{Code: "unknown-command",
			Text: fmt.Sprintf("A line begins with a command; flags such as %s come after it.", dashed(clip(tokens[0].flag))),
			Hint: t.pointToHelp()}
	}
	if group, subs := t.group(tokens); len(subs) > 0 {
		return t.incomplete(group, subs, line, tokens, people)
	}
	e := &actions.Error{Code: "unknown-command",
		Text: fmt.Sprintf("I do not know the command %s.", quoted(commandWord(tokens[0], true)))}
	e.Hint = sentences(didYouMean(codes(t.suggestions(line, tokens, people))), t.pointToHelp())
	return e
}

// group finds the commands whose first words, set apart by spaces, are what the
// line begins with: messages size and messages show for "messages".
func (t *Table) group(tokens []token) (string, []*entry) {
	word := strings.ToLower(commandWord(tokens[0], true))
	var subs []*entry
	for _, e := range t.entries {
		if strings.HasPrefix(e.Words, word+" ") {
			subs = append(subs, e)
		}
	}
	return word, subs
}

func (t *Table) incomplete(group string, subs []*entry, line string, tokens []token, people Resolver) error {
	next := endings(group, subs)
	e := &actions.Error{Code: "incomplete",
		Text: fmt.Sprintf("%s needs one more word: %s.", code(group), list(next, "or")),
		Hint: example(subs[0].Example)}
	if len(tokens) > 1 && tokens[1].flag == "" {
		word := commandWord(tokens[1], false)
		e.Text = fmt.Sprintf("%s has no %s. After it comes %s.", code(group), quoted(word), list(next, "or"))
		var close []string
		for _, n := range nearest(strings.ToLower(word), next) {
			close = append(close, t.completed(t.lookup(group+" "+n), line[tokens[1].end:], people))
		}
		if len(close) > 0 {
			e.Hint = didYouMean(codes(close))
		}
	}
	return e
}

// fail gives an error the command's own example, if it has no other way out.
func (p *parser) fail(e *actions.Error) error {
	e.Hint = sentences(e.Hint, example(p.entry.Example))
	return e
}

// bad is said where an argument is not of its kind.
func (p *parser) bad(tok token, e *actions.Error) error {
	if !p.suggest || strings.HasPrefix(e.Hint, "Did you mean") {
		return e
	}
	// diagnose edge1: perhaps diagnose node edge1 was meant.
	for _, sub := range p.table.under(p.entry.words) {
		fixed := sub.Words + " " + p.line[tok.start:]
		if p.works(fixed) {
			e.Hint = sentences(didYouMean(codes([]string{fixed})), e.Hint)
			return e
		}
	}
	return p.fail(e)
}

// mistaken is said where an argument that may be left out seems to be there and
// is wrong: it is not taken for the beginning of the text after it in silence.
func (p *parser) mistaken(e *actions.Error) error {
	if final := p.entry.positional[len(p.entry.positional)-1]; final.Kind == actions.Text {
		e.Hint = sentences(e.Hint, fmt.Sprintf("If it belongs to the %s, put the %[1]s in quotes.", spaced(final.Name)))
	}
	return p.fail(e)
}

// works says whether a line can be offered instead.
func (p *parser) works(line string) bool {
	if !p.suggest || !short(line) {
		return false
	}
	_, err := p.table.parseLine(line, p.people, false)
	return err == nil
}

func (p *parser) missing(param actions.Param) error {
	text := fmt.Sprintf("%s needs %s", code(p.entry.Words), withArticle(spaced(param.Name)))
	if param.Doc != "" {
		text += ": " + param.Doc
	}
	return p.fail(&actions.Error{Code: "missing", Text: text + "."})
}

func (p *parser) noValue(param actions.Param) error {
	e := &actions.Error{Code: "missing", Text: fmt.Sprintf("%s needs a value after it", dashed(param.Name))}
	if param.Doc != "" {
		e.Text += ": " + param.Doc
	}
	e.Text += "."
	if param.Example == "" {
		return p.fail(e)
	}
	e.Hint = flagExample(param)
	return e
}

// flagExample is a flag with a value that works, which the table may give with
// its quotes or without.
func flagExample(param actions.Param) string {
	value := param.Example
	if len(lex(value)) > 1 {
		value = Quote(value)
	}
	return example(dashed(param.Name) + " " + value)
}

func (p *parser) unknownFlag(tok token) error {
	e := &actions.Error{Code: "unknown-flag",
		Text: fmt.Sprintf("%s has no flag %s.", code(p.entry.Words), dashed(clip(tok.flag)))}
	if close := nearest(squash(tok.flag), p.entry.flagNames()); len(close) > 0 {
		e.Hint = didYouMean(codes(close))
		return e
	}
	e.Hint = "Its flags are " + list(p.entry.flagNames(), "and") + "."
	return e
}

func (p *parser) unclosed(tok token) error {
	return p.fail(&actions.Error{Code: "unclosed-quote",
		Text: fmt.Sprintf("A quote opens before %s and is never closed.", quoted(strings.Trim(tok.text, doubles+ticks)))})
}

func (p *parser) question() error {
	var hint []string
	hint = append(hint, "Leave the question mark out to have it done.")
	if p.table.lookup("help") != nil {
		hint = append(hint, code("help "+p.entry.Words)+" tells what it does.")
	}
	return &actions.Error{Code: "question",
		Text: fmt.Sprintf("That reads like a question, so I did nothing: %s is a command.", code(p.entry.Words)),
		Hint: strings.Join(hint, " ")}
}

// tooMany is said where nothing is left that the token could be.
func (p *parser) tooMany(tok token) error {
	e := &actions.Error{Code: "too-many"}
	extra := quoted(p.line[tok.start:])
	switch n := len(p.entry.positional); {
	case n == 0:
		e.Text = fmt.Sprintf("%s takes nothing after it but flags; I do not know what to do with %s.", code(p.entry.Words), extra)
	default:
		var names []string
		for _, param := range p.entry.positional {
			names = append(names, "one "+spaced(param.Name))
		}
		e.Text = fmt.Sprintf("%s takes %s; I do not know what to do with %s.", code(p.entry.Words), list(names, "and"), extra)
	}
	for _, fixed := range p.instead(tok) {
		if p.works(fixed) {
			e.Hint = didYouMean(codes([]string{fixed}))
			return e
		}
	}
	e.Hint = "Its form is " + code(p.entry.usage(true)) + "."
	if len(p.entry.positional)+len(p.entry.own) == 0 {
		e.Hint = "Say " + code(p.entry.Words) + " alone."
	}
	return e
}

// instead lists lines that may have been meant by one with a word too many.
func (p *parser) instead(tok token) []string {
	var lines []string
	if _, err := strconv.Atoi(tok.text); err == nil && p.i > p.words { // edge 1
		lines = append(lines, p.line[:p.tokens[p.i-1].end]+p.line[tok.start:])
	}
	if m := idShape.FindStringSubmatch(tok.text); m != nil && (m[1] == "" || strings.EqualFold(m[1], "INC")) { // ack INC-7
		lines = append(lines, p.line[:tok.start]+"--"+FlagIncident+" INC-"+m[2]+p.line[tok.end:])
	}
	for _, sub := range p.table.under(p.entry.words) {
		lines = append(lines, sub.Words+p.line[p.tokens[p.words-1].end:])
		if len(nearest(tok.text, sub.words[len(p.entry.words):])) > 0 {
			lines = append(lines, sub.Words+p.line[tok.end:])
		}
	}
	return lines
}
