package command

import (
	"strings"

	"irisops/actions"
	"irisops/bot/message"
)

// Usage is how a command is typed: restart TARGET [--no-archive]. The flags that
// every command takes are not shown.
func (t *Table) Usage(s *Spec) string {
	e := t.lookup(s.Words)
	if e == nil {
		return s.Words
	}
	return e.usage(true)
}

func (e *entry) usage(flags bool) string {
	parts := []string{e.Words}
	for _, p := range e.positional {
		parts = append(parts, bracketed(placeholder(p), p.Optional))
	}
	if flags {
		for _, p := range e.own {
			parts = append(parts, bracketed(flagUsage(p), true))
		}
	}
	return strings.Join(parts, " ")
}

func flagUsage(p actions.Param) string {
	if p.Kind == actions.Bool {
		return dashed(p.Name)
	}
	if p.Kind == actions.Choice {
		return dashed(p.Name) + " " + strings.Join(p.Choices, "|")
	}
	return dashed(p.Name) + " " + strings.ToUpper(string(p.Kind))
}

func placeholder(p actions.Param) string {
	switch p.Kind {
	case actions.Choice:
		return strings.Join(p.Choices, "|")
	case actions.Person:
		return "@" + strings.ToUpper(p.Name)
	}
	return strings.ToUpper(p.Name)
}

func bracketed(s string, optional bool) string {
	if optional {
		return "[" + s + "]"
	}
	return s
}

// Help is the overview of all commands, by group.
func (t *Table) Help() message.Message {
	m := message.Message{Title: "What you can ask of me"}
	var groups []string
	rows := map[string][][]string{}
	for _, e := range t.entries {
		if _, ok := rows[e.Group]; !ok {
			groups = append(groups, e.Group)
		}
		rows[e.Group] = append(rows[e.Group], []string{e.usage(false), e.Summary})
	}
	for _, g := range groups {
		m.Blocks = append(m.Blocks, message.Block{Text: g}, message.Block{Table: &message.Table{Rows: rows[g]}})
	}
	var more []string
	if t.lookup("help") != nil {
		more = append(more, "`help COMMAND` tells more about one, with its flags and an example.")
	}
	more = append(more, "Every command takes --cluster NAME and --incident ID; every one that may change a cluster takes --dry-run, which shows what would run and runs nothing.")
	m.Blocks = append(m.Blocks, message.Block{Text: strings.Join(more, " ")})
	return m
}

// HelpFor is the help of one command, or of those that begin with words. The
// error says that there is none, and which may have been meant.
func (t *Table) HelpFor(words string) (message.Message, error) {
	line, err := clean(words, nobody{})
	if err != nil {
		return message.Message{}, err
	}
	tokens := withoutCaller(lex(unwrap(line)))
	if len(tokens) == 0 {
		return t.Help(), nil
	}
	if e, _ := t.match(tokens); e != nil {
		return t.helpOf(e), nil
	}
	if group, subs := t.group(tokens); len(subs) > 0 {
		return groupHelp(group, subs), nil
	}
	return message.Message{}, t.noneMeant(tokens, "so no help for it", "help")
}

// Meant is the command that a line begins with, as Parse would take it, whatever
// stands behind it.
func (t *Table) Meant(words string) (*Spec, bool) {
	line, err := clean(words, nobody{})
	if err != nil {
		return nil, false
	}
	tokens := withoutCaller(lex(unwrap(line)))
	if len(tokens) == 0 {
		return nil, false
	}
	e, _ := t.match(tokens)
	if e == nil {
		return nil, false
	}
	return &e.Spec, true
}

// NoneMeant is an error unless words begin like a command, or like several: it
// says which may have been meant, each behind ask.
func (t *Table) NoneMeant(words, so, ask string) error {
	line, err := clean(words, nobody{})
	if err != nil {
		return err
	}
	tokens := withoutCaller(lex(unwrap(line)))
	if len(tokens) == 0 {
		return nil
	}
	if e, _ := t.match(tokens); e != nil {
		return nil
	}
	if _, subs := t.group(tokens); len(subs) > 0 {
		return nil
	}
	return t.noneMeant(tokens, so, ask)
}

func (t *Table) noneMeant(tokens []token, so, ask string) error {
	e := &actions.Error{Code: "unknown-command", Text: "I have no command " + quoted(commandWord(tokens[0], true)) + ", " + so + "."}
	var close []string
	for _, words := range synonyms[squash(commandWord(tokens[0], true))] {
		if known := t.lookup(words); known != nil {
			close = append(close, ask+" "+known.Words)
		}
	}
	for _, c := range t.near(tokens) {
		if len(close) < mostSuggestions {
			close = append(close, ask+" "+c.entry.Words)
		}
	}
	e.Hint = sentences(didYouMean(codes(close)), t.pointToHelp())
	return e
}

func groupHelp(group string, subs []*entry) message.Message {
	var rows [][]string
	for _, s := range subs {
		rows = append(rows, []string{s.usage(false), s.Summary})
	}
	return message.Message{Title: group + ": " + list(endings(group, subs), "or"),
		Blocks: []message.Block{{Table: &message.Table{Rows: rows}}}}
}

func endings(group string, subs []*entry) []string {
	var out []string
	for _, s := range subs {
		out = append(out, strings.TrimPrefix(s.Words, group+" "))
	}
	return out
}

func (t *Table) helpOf(e *entry) message.Message {
	m := message.Message{Title: e.Words + ": " + lowerFirst(e.Summary)}
	add := func(b message.Block) { m.Blocks = append(m.Blocks, b) }
	add(message.Block{Code: &message.Code{Text: e.usage(true)}})
	if e.Long != "" {
		add(message.Block{Text: e.Long})
	}
	var rows [][]string
	for _, p := range e.positional {
		rows = append(rows, []string{strings.ToUpper(p.Name), explained(p)})
	}
	for _, p := range e.own {
		rows = append(rows, []string{flagUsage(p), explained(p)})
	}
	for _, p := range e.global {
		rows = append(rows, []string{flagUsage(p), explained(p)})
	}
	if len(rows) > 0 {
		add(message.Block{Table: &message.Table{Rows: rows}})
	}
	add(message.Block{Fields: []message.Field{
		{Name: "Example", Value: e.Example},
		{Name: "Effect", Value: effects[e.Class]},
	}})
	if subs := t.under(e.words); len(subs) > 0 {
		rows := [][]string{}
		for _, s := range subs {
			rows = append(rows, []string{s.usage(false), s.Summary})
		}
		add(message.Block{Text: "See also"})
		add(message.Block{Table: &message.Table{Rows: rows}})
	}
	return m
}

// effects tell what each class means for who types the command.
var effects = map[actions.Class]string{
	actions.See:  "changes nothing",
	actions.Tell: "changes the incident's record, not the cluster; done at once",
	actions.Do:   "changes the cluster: you see what will run and confirm it",
	actions.Harm: "can lose data or service: a second person has to approve it",
	ByEffect:     "changes the cluster: you confirm it; if it could lose data or service, a second person has to approve it",
}

// explained is a parameter in help: what it is, and how it looks.
func explained(p actions.Param) string {
	doc := p.Doc
	if doc == "" {
		doc = spaced(p.Name)
	}
	if p.Kind == actions.Choice && len(p.Choices) > 1 {
		doc += ": " + list(p.Choices, "or")
	}
	if p.Example != "" && p.Kind != actions.Choice {
		doc += ", for example " + p.Example
	}
	return doc
}

func lowerFirst(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' {
		return strings.ToLower(s[:1]) + s[1:]
	}
	return s
}
