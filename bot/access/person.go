// Package access says who someone is and what they may do: people, roles and
// rules. It is pure; the config fills a Policy, the channels say who their
// caller is, and everything that is not allowed here is refused.
//
// Four kinds of caller are known, told apart by their id:
//
//   - a person: an entry under people ("operator"), the same one whatever the
//     channel. Only people count as a second person.
//   - a member ("slack:U09"): a Slack user who is no entry under people and has
//     the roles of the Slack user groups they are in. A member never counts as a
//     second person, because they may be an entry under people in disguise.
//   - an account ("unix:deploy"): a Unix account that no entry names, root, and
//     the account irisops itself runs as. It may look.
//   - a schedule ("schedule:backup"): irisops itself at a time that the config
//     sets. It may use its one command, confirm what it asked for itself where
//     that needs no second person, and approve nothing.
//
// Anyone else is nobody, and nobody may do anything.
package access

import (
	"slices"
	"strings"
)

// Role is what a person is trusted with. A person has any number of them.
type Role string

const (
	Viewer    Role = "viewer"    // sees everything
	Responder Role = "responder" // declares, acknowledges, notes, recovers, resolves
	Operator  Role = "operator"  // acts on the cluster
	Approver  Role = "approver"  // approves what others ask for and could lose data or service
	Owner     Role = "owner"     // answers for the service: the last one to be called
)

// Roles are all of them, the least first.
var Roles = []Role{Viewer, Responder, Operator, Approver, Owner}

// includes says what each role brings with it. Operator, approver and owner
// stand side by side: who acts does not thereby approve, who approves does not
// thereby act, and an owner needs the other two written out. All three answer
// pages, so all three are responders.
var includes = map[Role][]Role{
	Viewer:    {Viewer},
	Responder: {Responder, Viewer},
	Operator:  {Operator, Responder, Viewer},
	Approver:  {Approver, Responder, Viewer},
	Owner:     {Owner, Responder, Viewer},
}

// Known says whether there is such a role.
func (r Role) Known() bool { return includes[r] != nil }

// Includes says whether holding r is holding other as well.
func (r Role) Includes(other Role) bool { return slices.Contains(includes[r], other) }

// Person is a caller as irisops knows them.
type Person struct {
	ID    string // "operator"; "slack:U09" and "unix:root" are no entries under people
	Roles []Role // as given; Has adds what they include
	Slack string // Slack user id, "U01"
	Unix  string // Unix account, by name or number
	UID   string // the number of that account on this machine; "" if not known
	Mail  string
}

const (
	unixScheme  = "unix"
	slackScheme = "slack"
	demoScheme  = "demo"
	linkScheme  = "link"

	scheduleScheme = "schedule"
)

// Listed says whether p is an entry under people, and so counts as a person.
func (p Person) Listed() bool { return p.ID != "" && !strings.Contains(p.ID, ":") }

// Account says whether p is a Unix account that stands for no person.
func (p Person) Account() bool { return strings.HasPrefix(p.ID, unixScheme+":") }

// Schedule is the name of the schedule that p is; "" for none.
func (p Person) Schedule() string {
	name, ok := strings.CutPrefix(p.ID, scheduleScheme+":")
	if !ok {
		return ""
	}
	return name
}

// Has says whether p holds the role, or one that includes it.
func (p Person) Has(role Role) bool {
	return slices.ContainsFunc(p.Roles, func(r Role) bool { return r.Includes(role) })
}

func (p Person) hasAny(roles []Role) bool { return slices.ContainsFunc(roles, p.Has) }
