package access

import (
	"fmt"
	"slices"
	"strings"

	"irisops/actions"
)

// Decision is whether someone may, and why.
type Decision struct {
	Allowed bool
	Why     string   // a sentence or two
	Who     []string // ids of the people who may
}

// rule is who may: whoever holds one of the roles, unless listed is set and
// they are no entry under people.
type rule struct {
	any      []Role
	everyone bool   // whoever is known at all, even without a role
	accounts bool   // Unix accounts that are no person may as well
	listed   bool   // only entries under people
	note     string // what the roles alone do not say
}

// byClass is who may when no rule names the command. A class that is not here
// is refused.
var byClass = map[actions.Class]rule{
	actions.See:  {any: []Role{Viewer}, accounts: true},
	actions.Tell: {any: []Role{Responder}},
	actions.Do:   {any: []Role{Operator}, note: "The requester confirms what will run."},
	actions.Harm: {any: []Role{Operator}, note: "A second person approves it."},
}

// byName is who may use the commands whose class does not say it.
var byName = map[string]rule{
	"help":           {everyone: true},
	"whoami":         {everyone: true},
	"access explain": {everyone: true},

	// Stopping work is never dangerous and may be urgent; taking it up again
	// only lets through what was agreed to.
	"halt":           {any: Roles},
	"resume-actions": {any: Roles},

	// "Never refused" means by the incident: whatever its state, with no second
	// person and no confirmation. It still takes a responder, whom a page can
	// reach, because it silences the clocks for everyone.
	"stop-paging": {any: []Role{Responder}, note: "It is refused to no responder, at any time, and recorded."},

	// Schedules run by themselves, in the name of nobody: who answers for the
	// service says which.
	"schedule pause":  {any: []Role{Owner}},
	"schedule resume": {any: []Role{Owner}},
	"schedule run":    {any: []Role{Owner}, note: "It runs as the schedule itself would, and what needs a second person still does."},

	"drill postpone": {any: []Role{Approver}, listed: true},

	"confirm":     {any: []Role{Operator}, note: "Only for what you asked for yourself, or to go on with what was interrupted."},
	"approve":     {any: []Role{Approver}, listed: true, note: "Never for what you asked for yourself."},
	"break-glass": {any: []Role{Operator, Owner}, accounts: true, listed: true, note: "An operator for what they asked for themselves; an owner, and an account of this machine, for anyone. Everybody on call is paged."},
	"deny":        {any: []Role{Operator, Approver}, note: "An approver denies anything; an operator withdraws what they asked for."},

	// What people wrote to each other is nobody's business but in need.
	"messages show --contents": {any: []Role{Approver, Owner}, listed: true, note: "Over the socket only, inside an open incident, and recorded there."},
}

// May says whether the person may use the command: its words as the command
// table has them, "access explain", and its class.
func (p Policy) May(person Person, words string, class actions.Class) Decision {
	r, known := ruleOf(words, class)
	d := Decision{Who: p.who(r)}
	if name := person.Schedule(); name != "" {
		d.Allowed = known && p.Schedules[name] == words
		d.Why = fmt.Sprintf("The schedule %s may use `%s`.", name, p.Schedules[name])
		if !d.Allowed {
			d.Why = fmt.Sprintf("The schedule %s may use `%s` only, not `%s`.", name, p.Schedules[name], words)
		}
		return d
	}
	if !known {
		d.Why = fmt.Sprintf("No rule says who may use `%s`, so nobody may.", words)
		return d
	}
	d.Allowed = r.allows(person)
	if d.Allowed {
		d.Why = fmt.Sprintf("%s; you are %s.", r.needs(words), describe(person))
		return d
	}
	d.Why = fmt.Sprintf("%s; you are %s.%s %s", r.needs(words), describe(person), p.unfit(r, person), p.whoMay(d.Who, r))
	return d
}

func ruleOf(words string, class actions.Class) (rule, bool) {
	if r, ok := byName[words]; ok {
		return r, true
	}
	r, ok := byClass[class]
	return r, ok
}

func (r rule) allows(p Person) bool {
	switch {
	case p.ID == "":
		return false
	case r.everyone:
		return true
	case p.Account():
		return r.accounts
	case r.listed && !p.Listed():
		return false
	}
	return p.hasAny(r.any)
}

func (r rule) needs(words string) string {
	switch {
	case r.everyone:
		return fmt.Sprintf("`%s` is for everyone known here", words)
	case slices.Equal(r.any, Roles):
		return fmt.Sprintf("`%s` needs any role", words)
	}
	return fmt.Sprintf("`%s` needs %s", words, join(r.any, " or "))
}

// unfit says what stands in the way beside the roles; it begins with a space.
func (p Policy) unfit(r rule, q Person) string {
	switch {
	case q.Account() && (q.Unix == "root" || q.Unix == "0"):
		return " Root may look and break glass, nothing else: use your own account."
	case q.Account() && p.reserved(q.Unix):
		return " The account irisops itself runs as may look and break glass, nothing else: use your own."
	case q.Account():
		return fmt.Sprintf(" Such an account may look and break glass, nothing else: use your own, or have `unix: %s` added to your entry under people.", printable(q.Unix))
	case r.listed && !q.Listed() && q.hasAny(r.any):
		return fmt.Sprintf(" A second person has to be an entry under people: have `slack: %s` added to yours.", printable(q.Slack))
	}
	return ""
}

func (p Policy) who(r rule) []string {
	var who []string
	for _, q := range p.People {
		if q.Listed() && r.allows(q) {
			who = append(who, q.ID)
		}
	}
	return who
}

func (p Policy) whoMay(who []string, r rule) string {
	who = slices.Clone(who)
	for _, role := range Roles {
		if g := p.Groups[role]; g != "" && r.allows(Person{ID: slackScheme + ":" + g, Roles: []Role{role}}) {
			who = append(who, "the Slack group "+g)
		}
	}
	if len(who) == 0 {
		return "Nobody in the config may: someone under people has to be given the role."
	}
	return "Who may: " + strings.Join(who, ", ") + "."
}

// describe is who someone is and what they hold: "guest with viewer".
func describe(p Person) string {
	switch {
	case p.ID == "":
		return "nobody irisops knows"
	case p.Account():
		return "the Unix account " + printable(p.Unix) + ", which is no person here"
	case len(p.Roles) == 0:
		return printable(p.ID) + " with no role"
	}
	return printable(p.ID) + " with " + join(p.Roles, ", ")
}

func join(roles []Role, sep string) string {
	words := make([]string, len(roles))
	for i, r := range roles {
		words[i] = string(r)
	}
	return strings.Join(words, sep)
}
