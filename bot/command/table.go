// Package command is the words people type: it reads a line as a command with
// typed arguments and flags, and says what is wrong with a line that is none.
// One table makes the parser, help, "did you mean" and whatever else lists the
// commands. It is pure: who is who is told to it by a Resolver, and it knows
// neither clusters nor incidents.
//
// # What a line may look like
//
// Command words and choices are read in any case, with spaces, dashes or
// underscores between the parts of a name. What chat programs do to text is
// undone first (see clean.go). An argument with spaces stands in quotes of any
// kind; an apostrophe inside a word opens none. Flags stand anywhere after the
// command words, as --name VALUE or --name=VALUE. A text takes the rest of the
// line as it stands, or one quoted string; inside it only flags that this
// command knows, and only at its very end, are flags. Two dashes alone end the
// flags, so that everything after them is text.
package command

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"irisops/actions"
)

// ByEffect is the class of a command whose class, Do or Harm, is known only
// once it has looked at what is alive.
const ByEffect actions.Class = -1

// Flags that the table adds to commands that do not define them themselves.
const (
	FlagCluster  = "cluster"  // every command: which cluster
	FlagIncident = "incident" // every command: which incident, an ID with the prefix INC
	FlagDryRun   = "dry-run"  // commands that may change a cluster: show, do not do
)

// Spec is one command.
type Spec struct {
	Words   string        // what is typed: "restart", "messages show", "stop-paging"
	Class   actions.Class // or ByEffect
	Summary string        // one line for help
	Long    string        // more, for the command's own help; may be empty
	Example string        // a whole line that works
	Params  []actions.Param
	Group   string // the heading in help under which it stands
}

// ChangesCluster says whether the command may change a cluster, and so can be
// asked to show only what it would do.
func (s *Spec) ChangesCluster() bool {
	return s.Class == actions.Do || s.Class == actions.Harm || s.Class == ByEffect
}

// Table is the commands. It is not changed after New.
type Table struct {
	entries []*entry // in the order given, which is help's order
}

// entry is a command as the parser needs it.
type entry struct {
	Spec
	words      []string // "stop-paging" is stop, paging
	positional []actions.Param
	own        []actions.Param // its flags
	global     []actions.Param // flags that the table added
}

// New makes a table of commands. It refuses one that contradicts itself, or
// whose examples do not work.
func New(specs []Spec) (*Table, error) {
	t := &Table{}
	for _, s := range specs {
		e := &entry{Spec: s, words: wordParts(s.Words)}
		for _, p := range s.Params {
			if p.Flag {
				p.Optional = true
				e.own = append(e.own, p)
			} else {
				e.positional = append(e.positional, p)
			}
		}
		e.global = e.globals()
		if err := e.check(); err != nil {
			return nil, fmt.Errorf("command %q: %w", s.Words, err)
		}
		for _, other := range t.entries {
			if slices.Equal(other.words, e.words) {
				return nil, fmt.Errorf("command %q stands twice in the table, also as %q", s.Words, other.Words)
			}
		}
		t.entries = append(t.entries, e)
	}
	for _, e := range t.entries {
		parsed, err := t.Parse(e.Example, anyone{})
		if err != nil {
			return nil, fmt.Errorf("command %q: its example %q does not work: %w", e.Words, e.Example, err)
		}
		if parsed.Spec != &e.Spec {
			return nil, fmt.Errorf("command %q: its example %q is read as %q", e.Words, e.Example, parsed.Spec.Words)
		}
	}
	return t, nil
}

// Specs lists the commands in table order.
func (t *Table) Specs() []*Spec {
	specs := make([]*Spec, len(t.entries))
	for i, e := range t.entries {
		specs[i] = &e.Spec
	}
	return specs
}

// Lookup finds a command by its words.
func (t *Table) Lookup(words string) (*Spec, bool) {
	if e := t.lookup(words); e != nil {
		return &e.Spec, true
	}
	return nil, false
}

func (t *Table) lookup(words string) *entry {
	parts := wordParts(words)
	for _, e := range t.entries {
		if slices.Equal(e.words, parts) {
			return e
		}
	}
	return nil
}

// under lists the commands that begin with parts and go on: "messages show"
// and "messages size" under "messages".
func (t *Table) under(parts []string) []*entry {
	var found []*entry
	for _, e := range t.entries {
		if len(e.words) > len(parts) && slices.Equal(e.words[:len(parts)], parts) {
			found = append(found, e)
		}
	}
	return found
}

func (e *entry) globals() []actions.Param {
	all := []actions.Param{
		{Name: FlagCluster, Kind: actions.Word, Doc: "which cluster", Example: "main"},
		{Name: FlagIncident, Kind: actions.ID, Doc: "which incident", Example: "INC-1"},
	}
	if e.ChangesCluster() {
		all = append(all, actions.Param{Name: FlagDryRun, Kind: actions.Bool, Doc: "show what would run, and run nothing"})
	}
	var added []actions.Param
	for _, g := range all {
		defined := slices.ContainsFunc(e.Params, func(p actions.Param) bool { return p.Name == g.Name })
		if !defined {
			g.Flag, g.Optional = true, true
			added = append(added, g)
		}
	}
	return added
}

// flag finds the flag that was meant by name, written in any case and with or
// without dashes between its parts.
func (e *entry) flag(name string) (actions.Param, bool) {
	name = squash(name)
	for _, flags := range [][]actions.Param{e.own, e.global} {
		for _, p := range flags {
			if squash(p.Name) == name {
				return p, true
			}
		}
	}
	return actions.Param{}, false
}

// flagNames lists the flags as they are typed.
func (e *entry) flagNames() []string {
	var names []string
	for _, p := range slices.Concat(e.own, e.global) {
		names = append(names, dashed(p.Name))
	}
	return names
}

var (
	wordsShape = regexp.MustCompile(`^[a-z0-9]+([ -][a-z0-9]+)*$`)
	nameShape  = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
)

func (e *entry) check() error {
	switch {
	case !wordsShape.MatchString(e.Words):
		return fmt.Errorf("its words are not lower-case words")
	case e.Summary == "" || e.Example == "" || e.Group == "":
		return fmt.Errorf("it lacks a summary, an example or a group")
	case e.Class != ByEffect && (e.Class < actions.See || e.Class > actions.Harm):
		return fmt.Errorf("it has no class")
	}
	seen := map[string]bool{}
	for i, p := range e.Params {
		if err := checkParam(p); err != nil {
			return fmt.Errorf("parameter %q: %w", p.Name, err)
		}
		if seen[squash(p.Name)] {
			return fmt.Errorf("parameter %q stands twice", p.Name)
		}
		seen[squash(p.Name)] = true
		if p.Flag {
			continue
		}
		later := slices.ContainsFunc(e.Params[i+1:], func(q actions.Param) bool { return !q.Flag })
		switch {
		case p.Kind == actions.Text && later:
			return fmt.Errorf("parameter %q: a text takes the rest of the line, so nothing can follow it", p.Name)
		case p.Optional && later && !tellable(p.Kind):
			return fmt.Errorf("parameter %q: a %s that may be left out cannot be told from what follows it", p.Name, p.Kind)
		}
	}
	return nil
}

// tellable kinds can be told from other arguments by their looks.
func tellable(k actions.Kind) bool {
	return k == actions.Choice || k == actions.Duration || k == actions.Count || k == actions.ID
}

func checkParam(p actions.Param) error {
	if !nameShape.MatchString(p.Name) {
		return fmt.Errorf("its name is not lower-case words with dashes")
	}
	if (p.Kind == actions.Choice) != (len(p.Choices) > 0) {
		return fmt.Errorf("a choice needs choices, and nothing else has them")
	}
	seen := map[string]bool{}
	for _, c := range p.Choices {
		if c == "" || seen[squash(c)] {
			return fmt.Errorf("choice %q is empty or cannot be told from another", c)
		}
		seen[squash(c)] = true
	}
	switch p.Kind {
	case actions.Bool:
		if !p.Flag {
			return fmt.Errorf("only a flag can be present or not")
		}
		return nil
	case actions.Word, actions.Text, actions.Target, actions.Node, actions.Person,
		actions.Choice, actions.ID, actions.Duration, actions.Count:
	default:
		return fmt.Errorf("there is no kind %q", p.Kind)
	}
	if p.Example == "" {
		return nil
	}
	if _, err := canonical(p, p.Example, anyone{}); err != nil {
		return fmt.Errorf("its example %q does not work: %w", p.Example, err)
	}
	return nil
}

// wordParts splits command words at spaces, dashes and underscores, so that
// "stop-paging", "Stop Paging" and "stop_paging" are the same.
func wordParts(words string) []string {
	return strings.FieldsFunc(strings.ToLower(asciiDashes(words)), func(r rune) bool {
		return r == ' ' || r == '-' || r == '_' || r == '\n' || r == '\t'
	})
}

// squash is a name with case and the separators of its parts taken out.
func squash(name string) string { return strings.Join(wordParts(name), "") }

// dashed is a flag as it is typed: --dry-run, and -n where the name is a letter.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
