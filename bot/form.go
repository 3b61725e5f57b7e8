package bot

import (
	"context"
	"slices"

	"irisops/actions"
	"irisops/bot/command"
)

// Form is a command to be filled in, where only its name was said.
type Form struct {
	command.Form
	Clusters []string // to choose from; nil: there is only one, or an incident says which
	Targets  []string // what a target or a node can be; nil is not known
}

// Form is for words that need more than was said, from somebody who may say
// them. ok is false if they need none; then they are a command as they stand.
func (b *Bot) Form(ctx context.Context, caller, text, incident string) (f Form, ok bool) {
	form, ok := b.table.Form(text, b.people())
	if !ok {
		return f, false
	}
	var groups []string
	if b.Groups != nil {
		groups = b.Groups(ctx, caller)
	}
	who, known := b.Access.Identify(caller, groups...)
	if !known || !b.Access.May(who, form.Spec.Words, accessClass(form.Spec)).Allowed {
		return f, false // the command itself says why not
	}
	f = Form{Form: form}
	for _, c := range b.Clusters {
		f.Clusters = append(f.Clusters, c.Name)
		for _, t := range c.Targets {
			if !slices.Contains(f.Targets, t) {
				f.Targets = append(f.Targets, t)
			}
		}
	}
	if len(b.Clusters) == 1 || incident != "" {
		f.Clusters = nil
	}
	return f, true
}

// Fill writes what was filled in as a line to carry out, or says what is wrong
// with which field.
func (b *Bot) Fill(words string, values map[string]string) (line string, faults map[string]string) {
	return b.table.Fill(words, values, b.people())
}

// Changes says whether words change anything, as far as they are understood.
func (b *Bot) Changes(text string) bool {
	parsed, err := b.table.Parse(text, b.people())
	return err == nil && parsed.Spec.Class != actions.See
}
