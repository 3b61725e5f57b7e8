package command

import (
	"fmt"
	"strings"

	"irisops/actions"
)

// Parsed is a line that was understood.
type Parsed struct {
	Spec *Spec        // of the table; do not change it
	Args actions.Args // by parameter name, with the flags that the table added
}

// Parse reads a line. Every error is an *actions.Error that says what is wrong
// and, in its hint, what works instead; its code is one of empty, bad-encoding,
// too-long, unknown-command, incomplete, missing, bad-value, no-such-person,
// too-many, unknown-flag, flag-twice, unclosed-quote, question. A line in error
// means nothing at all: no part of it is to be carried out.
func (t *Table) Parse(text string, people Resolver) (Parsed, error) {
	if people == nil {
		people = nobody{}
	}
	line, err := clean(text, people)
	if err != nil {
		return Parsed{}, err
	}
	return t.parseLine(unwrap(line), people, true)
}

// parseLine reads a cleaned line. suggest is false while trying suggestions,
// which are not to bring forth further ones.
func (t *Table) parseLine(line string, people Resolver, suggest bool) (Parsed, error) {
	tokens := withoutCaller(lex(line))
	if len(tokens) == 0 {
		return Parsed{}, t.empty()
	}
	help := t.lookup("help")
	if help != nil && len(tokens) == 1 && strings.Trim(tokens[0].text, "?") == "" {
		return Parsed{Spec: &help.Spec, Args: actions.Args{}}, nil
	}
	e, n := t.match(tokens)
	if e == nil {
		if !suggest {
			return Parsed{}, actions.Errorf("unknown-command", "unknown command")
		}
		return Parsed{}, t.unknown(line, tokens, people)
	}
	if help != nil && e != help && asksForHelp(tokens[n:]) {
		return t.parseLine("help "+e.Words, people, false)
	}
	p := &parser{table: t, entry: e, line: line, tokens: tokens, words: n, i: n,
		people: people, args: actions.Args{}, suggest: suggest}
	if err := p.parse(); err != nil {
		return Parsed{}, err
	}
	return Parsed{Spec: &e.Spec, Args: p.args}, nil
}

// unwrap takes off what surrounds a whole line: code ticks, a code fence, quotes.
func unwrap(line string) string {
	const fence = "```"
	for range 3 {
		if strings.HasPrefix(line, fence) && strings.HasSuffix(line, fence) && len(line) > 2*len(fence) {
			line = strings.TrimSpace(line[len(fence) : len(line)-len(fence)])
			continue
		}
		tokens := lex(line)
		if len(tokens) == 0 || !tokens[0].quoted {
			break
		}
		t := tokens[0]
		switch inTicks := strings.HasPrefix(line, ticks) && strings.Contains(t.text, " "); {
		case len(tokens) == 1:
			line = strings.TrimSpace(t.text)
		case inTicks: // `restart edge1` --dry-run
			return t.text + line[t.end:]
		default:
			return line
		}
	}
	return line
}

// withoutCaller drops the bot's own name where people begin with it, as in
// "/iris status" or "irisops ctl status".
func withoutCaller(tokens []token) []token {
	if len(tokens) == 0 || tokens[0].quoted {
		return tokens
	}
	switch strings.TrimRight(strings.TrimLeft(strings.ToLower(tokens[0].text), "/@"), ":,") {
	case "iris":
		return tokens[1:]
	case "irisops":
		if len(tokens) > 1 && tokens[1].text == "ctl" {
			return tokens[2:]
		}
		return tokens[1:]
	}
	return tokens
}

// match finds the command with the most words at the beginning of tokens, and
// how many tokens its words take.
func (t *Table) match(tokens []token) (*entry, int) {
	var best *entry
	var taken int
	var parts []string
	for i, tok := range tokens {
		if tok.flag != "" || tok.ends || i == 8 || i > 0 && tok.quoted {
			break
		}
		word := wordParts(commandWord(tok, i == 0))
		if len(word) == 0 {
			break
		}
		parts = append(parts, word...)
		for _, e := range t.entries {
			if len(e.words) == len(parts) && strings.Join(e.words, " ") == strings.Join(parts, " ") {
				best, taken = e, i+1
			}
		}
	}
	return best, taken
}

// commandWord is a token as part of a command's name, without the slash before
// it and the punctuation after it.
func commandWord(t token, first bool) string {
	word := strings.TrimRight(t.text, ".,:;!?")
	if first {
		word = strings.TrimLeft(word, "/")
	}
	return word
}

// asksForHelp says whether what follows a command asks about it: restart --help.
func asksForHelp(rest []token) bool {
	if len(rest) == 0 {
		return false
	}
	if f := strings.ToLower(rest[0].flag); f == "help" || f == "h" {
		return true
	}
	return len(rest) == 1 && !rest[0].quoted && rest[0].text == "?"
}

// parser reads the arguments of one line.
type parser struct {
	table   *Table
	entry   *entry
	line    string
	tokens  []token
	words   int // tokens that are the command's words
	people  Resolver
	suggest bool

	i     int  // the next token
	next  int  // the next positional parameter
	ended bool // two dashes were met: no more flags
	text  bool // the last token belongs to a text
	args  actions.Args
}

func (p *parser) parse() error {
	for p.i < len(p.tokens) {
		tok := p.tokens[p.i]
		switch {
		case tok.ends && !p.ended:
			p.ended = true
			p.i++
		case tok.flag != "" && !p.ended && !p.isText(tok):
			if err := p.flag(tok); err != nil {
				return err
			}
		default:
			if err := p.argument(tok); err != nil {
				return err
			}
		}
	}
	for _, param := range p.entry.positional[p.next:] {
		if !param.Optional {
			return p.missing(param)
		}
	}
	last := p.tokens[len(p.tokens)-1]
	if p.entry.Class != actions.See && !p.text && !last.quoted && strings.HasSuffix(last.text, "?") {
		return p.question()
	}
	return nil
}

// isText says whether a token that looks like a flag is the beginning of a
// text: no command's flag is called that.
func (p *parser) isText(tok token) bool {
	if p.next == len(p.entry.positional) || p.entry.positional[p.next].Kind != actions.Text {
		return false
	}
	_, known := p.entry.flag(tok.flag)
	return !known
}

func (p *parser) flag(tok token) error {
	param, known := p.entry.flag(tok.flag)
	if !known {
		return p.unknownFlag(tok)
	}
	if _, twice := p.args[param.Name]; twice {
		return &actions.Error{Code: "flag-twice", Text: fmt.Sprintf("%s stands there twice.", dashed(param.Name)), Hint: "Say it once."}
	}
	p.i++
	if param.Kind == actions.Bool {
		if tok.hasValue {
			return &actions.Error{Code: "bad-value",
				Text: fmt.Sprintf("%s takes no value: it is there or it is not.", dashed(param.Name)),
				Hint: fmt.Sprintf("Say %s, or leave it out.", code(dashed(param.Name)))}
		}
		p.args[param.Name] = "true"
		return nil
	}
	if tok.hasValue {
		return p.set(param, tok.value)
	}
	if p.i == len(p.tokens) || p.tokens[p.i].ends || p.isKnownFlag(p.tokens[p.i]) {
		return p.noValue(param)
	}
	value := p.tokens[p.i]
	switch {
	case value.quoted:
	case param.Kind == actions.Text && !p.lacks():
		return p.rest(param)
	case value.unclosed:
		return p.unclosed(value)
	}
	typed, n := p.typed(param, p.i)
	p.i += n
	return p.set(param, typed)
}

// lacks says whether an argument is still missing; until it is there, a flag's
// text is one word or a quoted string.
func (p *parser) lacks() bool {
	for _, param := range p.entry.positional[p.next:] {
		if !param.Optional {
			return true
		}
	}
	return false
}

func (p *parser) isKnownFlag(tok token) bool {
	if tok.flag == "" || p.ended {
		return false
	}
	_, known := p.entry.flag(tok.flag)
	return known
}

// argument reads the next positional argument; optional ones that the token
// does not look like are passed over.
func (p *parser) argument(tok token) error {
	for ; p.next < len(p.entry.positional); p.next++ {
		param := p.entry.positional[p.next]
		if param.Kind == actions.Text {
			p.next++
			return p.rest(param)
		}
		if tok.unclosed {
			return p.unclosed(tok)
		}
		typed, n := p.typed(param, p.i)
		value, err := canonical(param, typed, p.people)
		if err == nil && !(param.Optional && tok.quoted && p.isWholeText(p.i)) {
			p.args[param.Name] = value
			p.i += n
			p.next++
			return nil
		}
		switch last := p.next == len(p.entry.positional)-1; {
		case !param.Optional || last:
			return p.bad(tok, err)
		case !tok.quoted && looksLike(param, tok.text):
			return p.mistaken(err)
		}
	}
	if p.i == len(p.tokens)-1 && !tok.quoted && strings.Trim(tok.text, ".,:;!?") == "" {
		p.i++ // a full stop or a question mark on its own
		return nil
	}
	return p.tooMany(tok)
}

// isWholeText says whether the token at i is all that is left for a text, so
// that in declare "P1" the quotes make it the title.
func (p *parser) isWholeText(i int) bool {
	final := p.entry.positional[len(p.entry.positional)-1]
	return final.Kind == actions.Text && (p.ended && i == len(p.tokens)-1 || !p.ended && p.beforeFlags(i) == i+1)
}

// split reads an id or a length of time that was typed as two words: "inc 7",
// "15 min".
func (p *parser) split(param actions.Param, one, two token) (string, bool) {
	if one.quoted || two.quoted || two.flag != "" || param.Kind != actions.ID && param.Kind != actions.Duration {
		return "", false
	}
	if _, err := canonical(param, one.text, p.people); err == nil {
		return "", false
	}
	joined := one.text + two.text
	_, err := canonical(param, joined, p.people)
	return joined, err == nil
}

// typed is what stands for param at token i, and how many tokens that is.
func (p *parser) typed(param actions.Param, i int) (string, int) {
	if i+1 < len(p.tokens) {
		if joined, ok := p.split(param, p.tokens[i], p.tokens[i+1]); ok {
			return joined, 2
		}
	}
	return p.tokens[i].text, 1
}

// rest reads a text: what is left of the line but for the flags at its end, or
// one quoted string.
func (p *parser) rest(param actions.Param) error {
	from, to := p.i, len(p.tokens)
	if !p.ended {
		to = p.beforeFlags(from)
	}
	p.i = to
	if from == to {
		return p.missing(param)
	}
	text := p.line[p.tokens[from].start:p.tokens[to-1].end]
	if to-from == 1 && p.tokens[from].quoted {
		text = p.tokens[from].text
	}
	p.text = to == len(p.tokens)
	return p.set(param, text)
}

// beforeFlags is where the flags begin with which the line ends: only those
// that the command knows.
func (p *parser) beforeFlags(from int) int {
	to := len(p.tokens)
	for to > from {
		n := p.flagAtEnd(p.tokens[from:to])
		if n == 0 {
			break
		}
		to -= n
	}
	return to
}

// flagAtEnd is how many tokens the flag takes with which tokens end; 0 for none.
func (p *parser) flagAtEnd(tokens []token) int {
	for n := 1; n <= 3 && n <= len(tokens); n++ {
		tok := tokens[len(tokens)-n]
		if !p.isKnownFlag(tok) {
			continue
		}
		param, _ := p.entry.flag(tok.flag)
		switch {
		case n == 1: // or its value is missing, which is said later
			return 1
		case param.Kind == actions.Bool || tok.hasValue:
			return 0
		case n == 2:
			return 2
		}
		if _, ok := p.split(param, tokens[len(tokens)-2], tokens[len(tokens)-1]); ok {
			return 3
		}
	}
	return 0
}

func (p *parser) set(param actions.Param, typed string) error {
	value, err := canonical(param, typed, p.people)
	if err != nil {
		if param.Flag && param.Example != "" {
			err.Hint = sentences(err.Hint, flagExample(param))
			return err
		}
		return p.fail(err)
	}
	p.args[param.Name] = value
	return nil
}
