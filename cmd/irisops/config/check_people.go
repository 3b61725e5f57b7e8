package config

import (
	"fmt"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"irisops/bot/access"
	"irisops/bot/incident"
)

var (
	slackUserShape  = regexp.MustCompile(`^[UW][A-Z0-9]{1,20}$`)
	slackGroupShape = regexp.MustCompile(`^S[A-Z0-9]{1,20}$`)
	// accountShape is a Unix account or group by name (useradd(8)) or number.
	accountShape = regexp.MustCompile(`^([a-z_][a-z0-9_.-]{0,31}|[0-9]{1,9})$`)
)

// reservedIDs already mean something where a person's id stands.
var reservedIDs = []string{incident.Bot, "nobody", "everyone", "all", "me", "root"}

func roleNames() []string {
	var names []string
	for _, r := range access.Roles {
		names = append(names, string(r))
	}
	return names
}

func (k *checker) checkPeople() {
	if !k.required("people", "people is missing: without people nobody may do anything. For example people: [{id: operator, unix: ops1, roles: [operator]}]") {
		return
	}
	if len(k.c.People) == 0 {
		k.fault("people", "people is empty: without people nobody may do anything. For example [{id: operator, unix: ops1, roles: [operator]}]")
	}
	ids, slacks, accounts, uids := k.unique("id"), k.unique("Slack user"), k.unique("account"), k.unique("account number")
	for i := range k.c.People {
		p := &k.c.People[i]
		at := fmt.Sprintf("people[%d]", i)
		if k.bad[at] {
			continue
		}
		who := k.who(at, p.ID)
		if k.required(at+".id", "This person has no id: a short name like operator, which stands in every record.") {
			switch {
			case !idShape.MatchString(p.ID):
				k.fault(at+".id", "id: %s cannot be used. %s", quote(p.ID), idRule)
			case slices.Contains(reservedIDs, p.ID):
				k.fault(at+".id", "id: %s is a word that already means something here. Choose another.", quote(p.ID))
			}
			ids(at+".id", p.ID)
		}
		if k.usable(at + ".slack") {
			if !slackUserShape.MatchString(p.Slack) {
				k.fault(at+".slack", "%s: %s is not a Slack user's id. It begins with U or W: in Slack, open the profile, then More, Copy member ID.", who, quote(p.Slack))
			}
			slacks(at+".slack", p.Slack)
		}
		if k.usable(at + ".mail") {
			if a, err := mail.ParseAddress(p.Mail); err != nil || a.Address != p.Mail {
				k.fault(at+".mail", "%s: %s is not a mail address. For example operator@example.org", who, quote(p.Mail))
			}
		}
		k.checkAccount(at+".unix", p, who)
		accounts(at+".unix", p.Unix)
		if p.UID != "" {
			uids(at+".unix", p.UID)
		}
		k.checkRoles(at, p, who)
		if !k.given(at+".slack") && !k.given(at+".unix") {
			k.warn(at, "%s has neither slack nor unix, so nobody will ever be recognised as them.", capital(who))
		}
	}
	k.checkEnoughPeople()
}

// checkAccount finds the account's number on this machine.
func (k *checker) checkAccount(path string, p *Person, who string) {
	if !k.usable(path) {
		return
	}
	if !accountShape.MatchString(p.Unix) {
		k.fault(path, "%s: %s is not a Unix account. Write its name, like ops1, or its number.", who, quote(p.Unix))
		return
	}
	if u, err := k.machine.account(p.Unix); err == nil {
		p.UID = u.Uid
	}
	switch {
	case p.Unix == "root" || p.UID == "0":
		k.warn(path, "%s: root is nobody's account. Whoever comes as root may look, nothing else.", capital(who))
	case p.UID == "":
		k.warn(path, "%s: this machine has no account %s, so nobody can come by it.", capital(who), p.Unix)
	case p.UID == k.machine.self:
		k.warn(path, "%s: %s is the account that this runs as. If the bot runs as it too, then whoever comes by it may look, nothing else.", capital(who), p.Unix)
	}
}

func (k *checker) checkRoles(at string, p *Person, who string) {
	for j, role := range p.Roles {
		path := fmt.Sprintf("%s.roles[%d]", at, j)
		switch {
		case !k.usable(path):
		case !role.Known():
			k.fault(path, "%s: there is no role %s. %s", who, quote(string(role)), didYouMean(string(role), roleNames()))
		case slices.Contains(p.Roles[:j], role):
			k.fault(path, "%s: the role %s stands there twice. Take one out.", who, role)
		}
	}
	if len(p.Roles) == 0 && !k.bad[at+".roles"] {
		k.warn(at, "%s has no role, and so may do nothing. Roles are: %s.", capital(who), strings.Join(roleNames(), ", "))
	}
}

// checkEnoughPeople warns of what will not work at night.
func (k *checker) checkEnoughPeople() {
	policy := k.c.people()
	var operators, stuck []string
	for _, p := range policy.People {
		if p.Has(access.Operator) {
			operators = append(operators, p.ID)
			if len(policy.Approvers(p.ID)) == 0 {
				stuck = append(stuck, p.ID)
			}
		}
	}
	if len(operators) == 0 && k.c.Groups[access.Operator] == "" {
		k.warn("people", "Nobody has the role operator, so nobody can start, stop or repair anything.")
	}
	if len(stuck) > 0 {
		k.warn("people", "Nobody but themselves could approve what %s asks for, so what needs a second person cannot run. Give another person the role approver.", strings.Join(stuck, " or "))
	}
}

func (k *checker) checkGroups() {
	for _, role := range slices.Sorted(maps.Keys(k.c.Groups)) {
		path, group := join("groups", string(role)), k.c.Groups[role]
		switch {
		case !k.usable(path):
		case !role.Known():
			k.fault(path, "groups: there is no role %s. %s", quote(string(role)), didYouMean(string(role), roleNames()))
		case !slackGroupShape.MatchString(group):
			k.fault(path, "groups: %s is not a Slack user group's id. It begins with S and stands in the link to the group, not its @name.", quote(group))
		case role == access.Approver:
			k.warn(path, "A group's members do not count as a second person, so they cannot approve. Approvers are entries under people.")
		case role == access.Operator:
			k.warnHiddenApprovers(path)
		}
	}
}

// warnHiddenApprovers says who could ask as a group's member in Slack and
// approve as themselves by another way, unrecognised.
func (k *checker) warnHiddenApprovers(path string) {
	var hidden []string
	for i, p := range k.c.People {
		if p.access().Has(access.Approver) && !k.given(fmt.Sprintf("people[%d].slack", i)) {
			hidden = append(hidden, plain(p.ID))
		}
	}
	if len(hidden) > 0 {
		k.warn(path, "A member of this group is not recognised as %s, and could approve their own request that way. Give every approver their slack user.", strings.Join(hidden, " or "))
	}
}

func (k *checker) checkOnCall() {
	for _, role := range slices.Sorted(maps.Keys(k.c.OnCallRoles)) {
		path, id := join("oncall", role), k.c.OnCallRoles[role]
		if !k.usable(path) {
			continue
		}
		if !idShape.MatchString(role) {
			k.fault(path, "oncall: the role %s cannot be used. %s", quote(role), idRule)
			continue
		}
		i := slices.IndexFunc(k.c.People, func(p Person) bool { return p.ID == id })
		switch {
		case i < 0 && k.bad["people"]:
		case i < 0:
			k.fault(path, "oncall: %s is held by %s, who is not under people. %s", role, quote(id), didYouMean(id, k.personIDs()))
		case !k.c.People[i].access().Has(access.Responder):
			k.warn(path, "Person %s is on call as %s and may not even acknowledge. Give them the role responder.", plain(id), role)
		}
	}
}

func (k *checker) personIDs() []string {
	var ids []string
	for _, p := range k.c.People {
		ids = append(ids, p.ID)
	}
	return ids
}

// who names an entry for sentences.
func (k *checker) who(at, id string) string {
	if k.usable(at+".id") && id != "" {
		return "person " + plain(id)
	}
	return "this person"
}

// unique remembers values and says which stands in the file twice.
func (k *checker) unique(what string) func(path, value string) {
	lines := map[string]int{}
	return func(path, value string) {
		if !k.usable(path) {
			return
		}
		if first, twice := lines[value]; twice {
			k.fault(path, "The %s %s stands there twice, first on line %d. No two may share it.", what, value, first)
			return
		}
		lines[value] = k.line(path)
	}
}
