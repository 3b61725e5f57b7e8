package oncall

import (
	"fmt"
	"testing"

	"irisops/bot/pager"
)

// A page that fails goes on by the person's other channels in their order, then
// to everyone else, each by theirs, and then it is at its end.
func TestAfterAFailure(t *testing.T) {
	r := Roster{Contacts: map[string][]string{"owner": {"conversation", "mail", "pagerduty"}, "": {"mail"}}}
	p := r.Direct(pager.Page{Incident: "INC-7", Step: "P0/30m", Role: "owner", Person: "owner", Text: "it is down", Due: due, Queued: due})[0]
	everybody := []string{"operator", "owner", "second"}
	said := func(pages []pager.Page) string {
		text := ""
		for _, p := range pages {
			text += fmt.Sprintf("%s %s by %s then %v wide %v: %q; ", p.Role, p.Person, p.Channel, p.Next, p.Wide, p.Text)
		}
		return text
	}
	for _, want := range []string{
		`owner owner by mail then [pagerduty] wide false: "it is down"; `,
		`owner owner by pagerduty then [] wide false: "it is down"; `,
	} {
		next := r.After(p, everybody, "owner was not reached", now)
		if got := said(next); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		p = next[0]
		if p.Late() == 0 || p.State != pager.Queued {
			t.Errorf("%+v", p)
		}
	}
	all := r.After(p, everybody, "owner was not reached", now)
	if got, want := said(all), `owner:operator operator by conversation then [] wide true: "it is down\nowner was not reached"; `+
		`owner:second second by conversation then [] wide true: "it is down\nowner was not reached"; `+
		`owner:team  by mail then [] wide true: "it is down\nowner was not reached"; `; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	alone := r.Direct(pager.Page{Incident: "INC-7", Step: "P0/30m", Role: "owner", Person: "operator", Text: "it is down", Due: due, Queued: due})[0]
	if got, want := said((Roster{}).After(alone, []string{"operator"}, "operator was not reached", now)), `owner:again operator by conversation then [] wide true: "it is down"; `; got != want {
		t.Errorf("with nobody else: %s, want %s", got, want)
	}
	for _, p := range all {
		if more := r.After(p, everybody, "again", now); len(more) > 0 {
			t.Errorf("after the page to everyone: %s", said(more))
		}
	}
}
