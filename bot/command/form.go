package command

import (
	"fmt"
	"strings"

	"irisops/actions"
)

// Form is a command as something to fill in: its arguments, then its own flags.
type Form struct {
	Spec   *Spec
	Fields []actions.Param
	Lacks  *actions.Error // what the line without arguments lacks, for those who cannot be shown a form
}

// MostFields is how many questions a form asks at most; what is left out can be
// typed.
const MostFields = 6

// Form is for a line that names a command that needs arguments, and gives none.
func (t *Table) Form(text string, people Resolver) (Form, bool) {
	line, err := clean(text, nobody{})
	if err != nil {
		return Form{}, false
	}
	tokens := withoutCaller(lex(unwrap(line)))
	if len(tokens) == 0 {
		return Form{}, false
	}
	e, n := t.match(tokens)
	if e == nil || n != len(tokens) || strings.HasSuffix(line, "?") {
		return Form{}, false
	}
	_, err = t.Parse(text, people)
	lacks, ok := err.(*actions.Error)
	if err == nil || !ok {
		return Form{}, false // it needs none
	}
	f := Form{Spec: &e.Spec, Lacks: lacks}
	for _, p := range append(append([]actions.Param(nil), e.positional...), e.own...) {
		if len(f.Fields) < MostFields {
			f.Fields = append(f.Fields, p)
		}
	}
	return f, true
}

// Fill writes what was filled in as a line that means just that. Where it cannot,
// it says what is wrong with which field. Values of the flags that the table adds
// count as well.
func (t *Table) Fill(words string, values map[string]string, people Resolver) (line string, faults map[string]string) {
	e := t.lookup(words)
	if e == nil {
		return "", map[string]string{"": "There is no such command any more."}
	}
	faults = map[string]string{}
	parts := []string{e.Words}
	for _, p := range append(append(append([]actions.Param(nil), e.positional...), e.own...), e.global...) {
		value := strings.TrimSpace(values[p.Name])
		switch {
		case value == "" && !p.Optional:
			faults[p.Name] = "This is needed."
			continue
		case value == "":
			continue
		case p.Kind == actions.Bool:
			if value == "true" {
				parts = append(parts, dashed(p.Name))
			}
			continue
		}
		if _, err := canonical(p, value, people); err != nil {
			faults[p.Name] = strings.TrimSpace(err.Text + " " + err.Hint)
			continue
		}
		written := Quote(value)
		if p.Kind == actions.Text {
			written = alwaysQuote(strings.Join(strings.Fields(value), " "))
		}
		if p.Flag {
			written = dashed(p.Name) + " " + written
		}
		parts = append(parts, written)
	}
	if len(faults) > 0 {
		return "", faults
	}
	line = strings.Join(parts, " ")
	parsed, err := t.Parse(line, people)
	if err != nil {
		return "", map[string]string{t.firstField(e): err.Error()}
	}
	if parsed.Spec != &e.Spec {
		return "", map[string]string{t.firstField(e): fmt.Sprintf("This would be read as %s.", code(parsed.Spec.Words))}
	}
	return line, nil
}

func (t *Table) firstField(e *entry) string {
	for _, p := range append(append([]actions.Param(nil), e.positional...), e.own...) {
		return p.Name
	}
	return ""
}
