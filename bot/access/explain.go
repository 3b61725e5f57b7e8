package access

import (
	"fmt"
	"strings"

	"irisops/actions"
)

// Explain is the answer to `access explain COMMAND`: whether the person may,
// why, who may, and who would have to agree. The first line is the outcome.
func (p Policy) Explain(person Person, words string, class actions.Class) string {
	d := p.May(person, words, class)
	r, _ := ruleOf(words, class)
	lines := []string{fmt.Sprintf("You may not use `%s`.", words), d.Why}
	if d.Allowed {
		lines = []string{fmt.Sprintf("You may use `%s`.", words), d.Why, p.whoMay(d.Who, r)}
	}
	if r.note != "" {
		lines = append(lines, r.note)
	}
	if class == actions.Do || class == actions.Harm {
		lines = append(lines, "What is asked for is judged by its effect on what is alive. Where it could lose data or service, "+p.secondPerson(person))
	}
	return strings.Join(lines, "\n")
}

func (p Policy) secondPerson(requester Person) string {
	approvers := ids(p.Approvers(requester.ID))
	if len(approvers) == 0 {
		return "a second person has to approve it, and there is none: nobody else under people has the role approver."
	}
	return "a second person approves it: " + strings.Join(approvers, " or ") + "."
}

// can says what a role lets people do.
var can = map[Role]string{
	Viewer:    "look at everything",
	Responder: "declare, acknowledge, note, and call an incident recovered or resolved",
	Operator:  "act on the cluster, having seen what will run",
	Approver:  "approve what another person asks for and could lose data or service",
	Owner:     "answer for the service: is called last, and breaks the glass for others",
}

// Whoami is the answer to `whoami`. The first line says who.
func (p Policy) Whoami(person Person) string {
	lines := []string{"You are " + describe(person) + "."}
	var known []string
	if person.Slack != "" {
		known = append(known, "Slack user "+person.Slack)
	}
	if person.Unix != "" && person.Listed() {
		known = append(known, "Unix account "+person.Unix)
	}
	if len(known) > 0 {
		lines = append(lines, "Known as: "+strings.Join(known, ", ")+".")
	}
	for _, r := range Roles {
		if person.Has(r) {
			lines = append(lines, fmt.Sprintf("You can %s (%s).", can[r], r))
		}
	}
	switch {
	case person.Account():
		lines = append(lines, "You can break glass, and do nothing else.")
	case person.ID != "" && !person.Listed():
		lines = append(lines, "You do not count as a second person: only an entry under people does.")
	case person.ID != "" && len(person.Roles) == 0:
		lines = append(lines, "You can do nothing here until your entry under people has a role.")
	}
	return strings.Join(append(lines, "`access explain COMMAND` says why for each command."), "\n")
}
