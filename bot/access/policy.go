package access

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"irisops/actions"
	"irisops/actions/approval"
)

// Policy is who there is and how they are recognised.
type Policy struct {
	People []Person
	Groups map[Role]string // Slack user group that carries the role, "S0TEAM"

	// Self is the Unix account that irisops runs as, by number and by name. Like
	// root it is never a person, even where an entry under people names it:
	// whoever can act as the bot could otherwise be anyone.
	Self []string

	// Schedules are what irisops says by itself at its times: by the name of the
	// schedule, the command that it may use. Nobody else can be that caller.
	Schedules map[string]string

	// Demo accepts the callers of the terminal demo, "demo:operator". Nothing
	// checks who they are, so it is set there only.
	Demo bool
}

// DemoPeople are who the terminal demo can speak as.
func DemoPeople() []Person {
	return []Person{
		{ID: "operator", Roles: []Role{Operator, Approver}},
		{ID: "second", Roles: []Role{Operator, Approver}},
		{ID: "owner", Roles: []Role{Approver, Owner}},
		{ID: "guest", Roles: []Role{Viewer}},
	}
}

// Identify says who a delivery's caller is: "unix:1000" or "unix:ops1" (the
// peer of the socket), "slack:U01", "link:operator" (whoever has a link that was
// made for that person), or "demo:operator". groups are the Slack
// user groups that the caller is in. False means nobody.
func (p Policy) Identify(caller string, groups ...string) (Person, bool) {
	scheme, name, _ := strings.Cut(caller, ":")
	if name == "" {
		return Person{}, false
	}
	switch scheme {
	case unixScheme:
		return p.unix(name), true
	case slackScheme:
		return p.slack(name, groups)
	case scheduleScheme:
		_, known := p.Schedules[name]
		return Person{ID: caller}, known
	case linkScheme:
		return p.Person(name)
	case demoScheme:
		if p.Demo {
			return p.Person(name)
		}
	}
	return Person{}, false
}

// Person is the entry under people with that id.
func (p Policy) Person(id string) (Person, bool) {
	return p.find(func(q Person) bool { return q.ID == id && q.Listed() })
}

func (p Policy) find(is func(Person) bool) (Person, bool) {
	if i := slices.IndexFunc(p.People, is); i >= 0 {
		return p.People[i], true
	}
	return Person{}, false
}

func (p Policy) unix(name string) Person {
	person, ok := p.find(func(q Person) bool { return q.Listed() && (q.Unix == name || q.UID == name) })
	if ok && !p.reserved(name) && !p.reserved(person.Unix) && !p.reserved(person.UID) {
		return person
	}
	return Person{ID: unixScheme + ":" + name, Unix: name, Roles: []Role{Viewer}}
}

// reserved says whether a Unix account is never a person: root, and irisops's own.
func (p Policy) reserved(account string) bool {
	return account != "" && (account == "0" || account == "root" || slices.Contains(p.Self, account))
}

func (p Policy) slack(id string, groups []string) (Person, bool) {
	if person, ok := p.find(func(q Person) bool { return q.Listed() && q.Slack == id }); ok {
		return person, true
	}
	var roles []Role
	for _, r := range Roles {
		if g := p.Groups[r]; g != "" && slices.Contains(groups, g) {
			roles = append(roles, r)
		}
	}
	if roles == nil {
		return Person{}, false
	}
	return Person{ID: slackScheme + ":" + id, Slack: id, Roles: roles}, true
}

// Unknown is the answer to a caller whom Identify does not know.
func (p Policy) Unknown(caller string) error {
	e := &actions.Error{Code: "unknown-person"}
	scheme, name, _ := strings.Cut(printable(caller), ":")
	ask := "Ask whoever keeps the config"
	if owners := p.with(Owner); len(owners) > 0 {
		ask = "Ask " + strings.Join(owners, " or ")
	}
	switch scheme {
	case slackScheme:
		e.Text = fmt.Sprintf("You are the Slack user %s: no entry under people names you and you are in no group with a role, so there is nothing you may do here.", name)
		e.Hint = fmt.Sprintf("%s to add `slack: %s` to your entry under people.", ask, name)
	case demoScheme:
		e.Text = fmt.Sprintf("There is no %q here.", name)
		e.Hint = "Speak as one of: " + strings.Join(ids(p.People), ", ") + "."
		if !p.Demo {
			e.Text, e.Hint = "Only the terminal demo lets you choose who you are.", "Use `irisops ctl` from your own account."
		}
	default:
		e.Text = "It cannot be told who you are, so there is nothing you may do here."
		e.Hint = ask + " to look at the log of irisops."
	}
	return e
}

// Approvers are the people who may approve what the person with that id asked
// for, in the order of the config.
func (p Policy) Approvers(requester string) []Person {
	var approvers []Person
	for _, q := range p.People {
		if q.Listed() && q.ID != requester && q.Has(Approver) {
			approvers = append(approvers, q)
		}
	}
	return approvers
}

// Voter is how p counts when a request is settled.
func (p Policy) Voter(person Person) approval.Voter {
	return approval.Voter{
		Person:   person.ID,
		Approver: person.Listed() && person.Has(Approver),
		Bot:      person.Account(),
		Glass:    person.Account() || person.Listed() && person.Has(Owner),
	}
}

func (p Policy) with(role Role) []string {
	var ids []string
	for _, q := range p.People {
		if q.Listed() && q.Has(role) {
			ids = append(ids, q.ID)
		}
	}
	return ids
}

func ids(people []Person) []string {
	var ids []string
	for _, q := range people {
		ids = append(ids, q.ID)
	}
	return ids
}

// printable bounds text that came from outside before it is shown.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar || r == '`' {
			return -1
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 64 {
		return string(r[:64]) + "..."
	}
	return s
}
