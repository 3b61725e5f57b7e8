package oncall

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/bot/incident"
	"irisops/bot/pager"
)

var (
	due = time.Date(2026, 3, 1, 3, 15, 0, 0, time.UTC)
	now = due.Add(4 * time.Second)
)

var roster = Roster{
	Roles:    map[string]string{"primary": "operator", "sre": "operator", "owner": "owner", "vacant": ""},
	Contacts: map[string][]string{"owner": {"conversation", "mail"}},
}

func TestNow(t *testing.T) {
	for role, want := range map[string]string{"primary": "operator", "owner": "owner", "vacant": "", "nobody": "", "": ""} {
		person, ok := roster.Now(role, now)
		if person != want || ok != (want != "") {
			t.Errorf("Now(%q) = %q, %v; want %q", role, person, ok, want)
		}
	}
	if diff := cmp.Diff([]string{"operator", "owner"}, roster.Everyone(now)); diff != "" {
		t.Errorf("everyone (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"owner", "primary", "sre", "vacant"}, roster.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

func TestPages(t *testing.T) {
	const plain = "INC-7 P0 not recovered after 15 minutes: no clients can connect (not acknowledged)"
	const text = plain
	const vacant = text + "\nNobody holds the on-call role dba, so everyone on call is paged: operator, owner."
	const empty = text + "\nNobody holds the on-call role dba, and nobody is on call at all: whoever reads this, take it."
	page := func(target, person, channel, text string, next ...string) pager.Page {
		return pager.Page{Incident: "INC-7", Step: "P0/15m", Role: target, Person: person, Channel: channel, Text: text,
			Queued: now, Due: due, State: pager.Queued, Next: next, Wide: text != plain}
	}
	tests := []struct {
		name   string
		roster Roster
		role   string
		want   []pager.Page
	}{
		{"one person, one channel", roster, "sre", []pager.Page{page("sre", "operator", "conversation", text)}},
		{"one person, two channels", roster, "owner", []pager.Page{page("owner", "owner", "conversation", text, "mail")}},
		{"a role nobody holds", roster, "dba", []pager.Page{
			page("dba:operator", "operator", "conversation", vacant),
			page("dba:owner", "owner", "conversation", vacant, "mail")}},
		{"nobody on call", Roster{}, "dba", []pager.Page{page("dba", "", "conversation", empty)}},
	}
	for _, tt := range tests {
		call := incident.Call{Step: "P0/15m", Role: tt.role, Due: due, Text: text}
		got := tt.roster.Pages("INC-7", []incident.Call{call}, now)
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if len(got) > 0 && got[0].Late() != 4*time.Second {
			t.Errorf("%s: late by %s", tt.name, got[0].Late())
		}
	}
	if pages := roster.Pages("INC-7", nil, now); pages != nil {
		t.Errorf("no call makes %v", pages)
	}
}

func TestDirect(t *testing.T) {
	p := pager.Page{Incident: "INC-7", Step: "REQ-3/approval", Role: "approver", Person: "owner", Text: "REQ-3 waits for your approval", Queued: now, Due: now}
	here := p
	here.Channel, here.State, here.Next = "conversation", pager.Queued, []string{"mail"}
	if diff := cmp.Diff([]pager.Page{here}, roster.Direct(p)); diff != "" {
		t.Errorf("owner (-want +got):\n%s", diff)
	}
	p.Person, here.Person, here.Next = "second", "second", nil
	if diff := cmp.Diff([]pager.Page{here}, roster.Direct(p)); diff != "" {
		t.Errorf("a person without contacts (-want +got):\n%s", diff)
	}
}

// Whatever the roster, no call stays without a page, each page has a key of its
// own, and it begins with what the call says.
func TestNoCallIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z]{1,3}`)
		r := Roster{
			Roles:    rapid.MapOf(name, rapid.OneOf(name, rapid.Just(""))).Draw(t, "roles"),
			Contacts: rapid.MapOf(name, rapid.SliceOfDistinct(rapid.SampledFrom([]string{"conversation", "mail", "webhook"}), rapid.ID[string])).Draw(t, "contacts"),
		}
		roles := rapid.SliceOfDistinct(name, rapid.ID[string]).Draw(t, "calls")
		var calls []incident.Call
		for _, role := range roles {
			calls = append(calls, incident.Call{Step: "P0/0m", Role: role, Due: due, Text: "INC-7 P0: it is down"})
		}
		keys := map[string]bool{}
		paged := map[string]bool{}
		for _, p := range r.Pages("INC-7", calls, now) {
			if keys[p.Key()] {
				t.Fatalf("two pages have the key %s", p.Key())
			}
			keys[p.Key()] = true
			role, _, _ := strings.Cut(p.Role, ":")
			paged[role] = true
			if p.Channel == "" || p.State != pager.Queued || !strings.HasPrefix(p.Text, "INC-7 P0: it is down") {
				t.Fatalf("not a page: %+v", p)
			}
		}
		for _, role := range roles {
			if !paged[role] {
				t.Fatalf("the call for %s is lost", role)
			}
		}
	})
}
