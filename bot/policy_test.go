package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot/escalation"
	"irisops/bot/incident"
)

// A change of the policy counts for new incidents. An open one keeps its steps
// until its severity changes, it is reopened, or somebody says rearm; escalation
// says so.
func TestAChangeOfThePolicy(t *testing.T) {
	paged := func(s *stage, id string) string {
		pages, err := s.db.PagesOf(id)
		if err != nil {
			s.t.Fatal(err)
		}
		var all []string
		for _, p := range pages {
			if p.Due.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) > 0 && p.Role != "primary" {
				all = append(all, fmt.Sprintf("%s at %s", p.Role, p.Due.Format("15:04")))
			}
		}
		return strings.Join(all, ", ")
	}
	for said, want := range map[string]string{
		"note looking":      "sre at 00:15, owner at 00:30",
		"ack":               "sre at 00:15, owner at 00:30",
		"rearm":             "owner at 00:06, sre at 00:08, owner at 00:08",
		"severity P1":       "owner at 00:20",
		"recovered, reopen": "owner at 00:06, sre at 00:08, owner at 00:08",
	} {
		t.Run(said, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStage(t)
				defer func() { s.stop() }()
				s.ask("operator", `declare P0 "no clients can connect"`)
				if m := s.ask("operator", "escalation"); !strings.Contains(fmt.Sprint(m.Blocks), "by the policy as it still is") {
					t.Errorf("before: %+v", m)
				}
				s.stop()
				s.policies = map[incident.Priority]escalation.Policy{
					incident.P0: {Steps: []escalation.PolicyStep{{After: time.Minute, Role: "owner", Repeat: escalation.Repeat{Every: 2 * time.Minute, Times: 1}}, {After: 3 * time.Minute, Role: "sre"}}},
					incident.P1: {Steps: []escalation.PolicyStep{{After: 15 * time.Minute, Role: "owner"}}},
				}
				s.start()
				s.pass(5*time.Minute - time.Duration(time.Now().UnixNano()%int64(time.Minute)))
				m := s.ask("operator", "escalation")
				if !strings.Contains(fmt.Sprint(m.Blocks), "The policy has changed since") || !strings.Contains(fmt.Sprint(m.Buttons), "rearm --incident INC-1") {
					t.Errorf("after: %+v", m)
				}
				for _, words := range strings.Split(said, ", ") {
					if words == "reopen" {
						words += " --incident INC-1"
					}
					s.ask("operator", words)
				}
				s.pass(time.Hour)
				if got := paged(s, "INC-1"); got != want {
					t.Errorf("paged %s, want %s", got, want)
				}
			})
		})
	}
}

// escalation names the person, the channel, and what is tried where that fails.
func TestEscalationNamesTheChannels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer func() { s.stop() }()
		s.stop()
		s.contacts = map[string][]string{"second": {"mail", "webhook", "conversation"}, "owner": {"conversation"}}
		s.start()
		s.ask("operator", `declare P0 "no clients can connect"`)
		var got []string
		for _, row := range s.ask("operator", "escalation").Blocks[0].Table.Rows {
			got = append(got, strings.Join(row[1:], " | "))
		}
		want := []string{"P0/15m | second (sre) | mail, else webhook, then conversation | recovered, resolve, stop-paging",
			"P0/30m | owner (owner) | conversation | recovered, resolve, stop-paging"}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
