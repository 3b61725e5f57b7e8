package store

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/bot/change"
	"irisops/bot/intake"
	"irisops/bot/oncall"
)

func TestOverrides(t *testing.T) {
	db := memory(t)
	value(db.Receive(t.Context(), delivery("d1", t0)))(t)
	first := value(db.PutOverride(t.Context(), oncall.Override{Role: "sre", Person: "second", From: t0, Until: t0.Add(time.Hour), By: "operator", At: t0}, "d1"))(t)
	if _, err := db.PutOverride(t.Context(), oncall.Override{Role: "sre", Person: "second", From: t0, Until: t0.Add(time.Hour)}, "d1"); err == nil {
		t.Error("the same delivery makes a second override")
	}
	second := value(db.PutOverride(t.Context(), oncall.Override{Role: "owner", Person: "operator", From: t0, Until: t0.Add(2 * time.Hour), By: "owner", At: t0}, ""))(t)
	second.Cancelled = "owner"
	value(db.PutOverride(t.Context(), second, ""))(t)
	if diff := cmp.Diff([]oncall.Override{first, second}, value(db.Overrides(t0))(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]oncall.Override{second}, value(db.Overrides(t0.Add(time.Hour)))(t)); diff != "" {
		t.Errorf("an hour later (-want +got):\n%s", diff)
	}
}

func TestAlerts(t *testing.T) {
	db := memory(t)
	one := intake.Alert{Key: "a/1", Incident: "INC-1", Cluster: "main", Title: "edge1 is down", Priority: "P1", Started: t0, Seen: t0}
	two := one
	two.Key = "a/2"
	must(t, db.Commit(t.Context(), change.Change{Alerts: []intake.Alert{one, two}}))
	one.Over = true
	must(t, db.Commit(t.Context(), change.Change{Alerts: []intake.Alert{one}}))
	if diff := cmp.Diff([]intake.Alert{two}, value(db.Alerts())(t)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := db.Commit(t.Context(), change.Change{Alerts: []intake.Alert{{}}}); err == nil {
		t.Error("an alert without a key is kept")
	}
}
