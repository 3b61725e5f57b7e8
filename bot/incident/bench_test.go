package incident_test

import (
	"testing"
	"time"

	"irisops/bot/incident"
)

// BenchmarkApply is what each event of an incident's life takes, on one that was
// declared, acknowledged and noted on as far as the event needs it.
func BenchmarkApply(b *testing.B) {
	fresh := openP1()
	apply := func(inc incident.Incident, minutes int, events ...incident.Event) incident.Incident {
		for _, e := range events {
			next, _, err := incident.Apply(inc, e, at(minutes))
			if err != nil {
				b.Fatal(err)
			}
			inc = next
		}
		return inc
	}
	acked := apply(fresh, 1, incident.Acked{By: "operator"})
	acked = apply(acked, 9, incident.Verified{By: "operator", OK: true, Summary: "login and message verified on all 2 edges"})
	recovered := apply(acked, 10, incident.DeclaredRecovered{By: "operator"})
	for _, event := range []struct {
		name    string
		inc     incident.Incident
		event   incident.Event
		minutes int
	}{
		{"acknowledged", fresh, incident.Acked{By: "operator"}, 1},
		{"noted", acked, incident.Noted{By: "operator", Kind: incident.KindNote, Text: "restarting edge1"}, 2},
		{"step due", fresh, incident.StepsDue{}, 15},
		{"nothing due", acked, incident.StepsDue{}, 2},
		{"priority changed", acked, incident.PriorityChanged{By: "operator", To: incident.P0, Clocks: p0Clocks(at(3))}, 3},
		{"recovered", acked, incident.DeclaredRecovered{By: "operator"}, 10},
		{"resolved", recovered, incident.DeclaredResolved{By: "operator"}, 12},
	} {
		b.Run(event.name, func(b *testing.B) {
			b.ReportAllocs()
			now := at(event.minutes)
			for b.Loop() {
				_, _, _ = incident.Apply(event.inc, event.event, now)
			}
		})
	}
	b.Run("declared", func(b *testing.B) {
		b.ReportAllocs()
		now := time.Now()
		for b.Loop() {
			incident.New(8, incident.Declaration{Cluster: "main", Priority: incident.P1, Title: "slow", By: "operator", Clocks: p1(now)}, now)
		}
	})
}
