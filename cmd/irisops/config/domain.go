package config

import (
	"maps"
	"os"
	"os/user"
	"slices"
	"strconv"
	"time"

	"irisops/actions/cluster"
	"irisops/bot/access"
	"irisops/bot/oncall"
	"irisops/bot/pager"
	"irisops/bot/pager/webhook"
)

// Access is who there is and what they may. The account that this process runs
// as is nobody's.
func (c Config) Access() access.Policy {
	p := c.people()
	uid := strconv.Itoa(os.Geteuid())
	p.Self = []string{uid}
	if self, err := user.LookupId(uid); err == nil {
		p.Self = append(p.Self, self.Username)
	}
	return p
}

func (c Config) people() access.Policy {
	p := access.Policy{Groups: maps.Clone(c.Groups)}
	for _, person := range c.People {
		p.People = append(p.People, person.access())
	}
	return p
}

func (p Person) access() access.Person {
	return access.Person{ID: p.ID, Roles: slices.Clone(p.Roles), Slack: p.Slack, Unix: p.Unix, UID: p.UID, Mail: p.Mail}
}

// OnCall is who is on call, and how they are reached.
func (c Config) OnCall() oncall.Roster {
	r := oncall.Roster{Roles: maps.Clone(c.OnCallRoles), Zone: c.Zone(), Contacts: c.contacts()}
	for role, shifts := range c.Rotations {
		if r.Shifts == nil {
			r.Shifts = map[string][]oncall.Shift{}
		}
		for _, s := range shifts {
			r.Shifts[role] = append(r.Shifts[role], s.shift)
		}
	}
	return r
}

// contacts are the channels of each person, in order. Who names none is paged in
// Slack, then by mail and by PagerDuty, as far as that is possible.
func (c Config) contacts() map[string][]string {
	contacts := map[string][]string{}
	for _, p := range c.People {
		names := p.Contact
		if len(names) == 0 {
			names = []string{bySlack}
			if c.Mail != nil && p.Mail != "" {
				names = append(names, byMail)
			}
			if p.PagerDutyKeyFrom != "" {
				names = append(names, byPagerDuty)
			}
		}
		for _, n := range names {
			contacts[p.ID] = append(contacts[p.ID], channelsOf(p, n)...)
		}
	}
	if c.Mail != nil && c.Mail.Team != "" {
		contacts[""] = []string{oncall.Conversation, byMail}
	}
	return contacts
}

// channelsOf are the channels that a contact of a person stands for, in order. In
// Slack they get a direct message, which the conversation shows as well; where
// Slack refuses it, the conversation is where they are called.
func channelsOf(p Person, contact string) []string {
	switch {
	case contact == bySlack && p.Slack != "":
		return []string{pager.DirectMessage, oncall.Conversation}
	case contact == bySlack:
		return []string{oncall.Conversation}
	case contact == byMail, contact == byPagerDuty:
		return []string{contact}
	}
	return []string{webhook.Channel(contact)}
}

// Zone is the zone of people's hours.
func (c Config) Zone() *time.Location {
	if c.zone == nil {
		return time.UTC
	}
	return c.zone
}

// Listens says where to listen for web requests; "" is nowhere. If it may be done
// without, because the file asks for nothing that needs it, needed is false.
func (c Config) Listens() (address string, needed bool) {
	if c.Listen == noListener {
		return "", false
	}
	answers := c.Alerts != nil || c.PagerDuty != nil && c.PagerDuty.WebhookFrom != "" // others count on it
	return c.Listen, c.listens || answers
}

// Warnings are what is allowed and probably not meant, in the order of the file.
func (c Config) Warnings() Faults { return c.warnings }

// Spec is the cluster as the actions know it.
func (c Cluster) Spec() cluster.Spec {
	s := cluster.Spec{Name: c.Name}
	for _, n := range c.Nodes {
		s.Nodes = append(s.Nodes, cluster.Node{
			Cluster: c.Name, Short: n.Short, Name: n.Name, Role: cluster.Role(n.Role), Host: n.Host, Dir: n.Dir,
			Target: n.Target, MakeVars: maps.Clone(n.MakeVars), Log: n.Log, Port: n.Port, EPMDPort: c.EPMDPort,
		})
	}
	if c.Smoke != nil {
		s.Smoke = &cluster.Smoke{Node: c.Smoke.Node, Run: slices.Clone(c.Smoke.Run), Within: c.Smoke.Within}
	}
	return s
}
