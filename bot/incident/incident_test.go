package incident_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/bot/incident"
)

var declared = time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC)

// p0 are the steps of the runbook's P0: at once, after 15 and after 30 minutes.
func p0() []incident.Step {
	var steps []incident.Step
	for _, s := range []struct {
		name, role string
		after      time.Duration
	}{{"P0/0m", "primary", 0}, {"P0/15m", "sre", 15 * time.Minute}, {"P0/30m", "owner", 30 * time.Minute}} {
		steps = append(steps, incident.Step{Name: s.name, After: s.after, Role: s.role, Due: declared.Add(s.after)})
	}
	return steps
}

func open() incident.Incident {
	inc, _ := incident.New(7, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "no clients can connect", By: "operator", Clocks: incident.Clocks{Steps: p0()}}, declared)
	return inc
}

// after is the incident after these events, all of which have to count.
func after(t testing.TB, inc incident.Incident, now time.Time, events ...incident.Event) incident.Incident {
	t.Helper()
	for _, e := range events {
		var err error
		if inc, _, err = incident.Apply(inc, e, now); err != nil {
			t.Fatalf("%T: %v", e, err)
		}
	}
	return inc
}

func texts(entries []incident.Entry) []string {
	var all []string
	for _, e := range entries {
		all = append(all, e.By+" "+string(e.Kind)+": "+e.Text)
	}
	return all
}

func TestDeclare(t *testing.T) {
	steps := p0()
	inc, eff := incident.New(7, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "no clients can connect", By: "operator", Clocks: incident.Clocks{Steps: steps}}, declared)
	want := incident.Incident{
		Number: 7, Cluster: "main", Title: "no clients can connect", Priority: incident.P0, State: incident.Open,
		DeclaredBy: "operator", DeclaredAt: declared, Steps: p0(), Entries: 2,
	}
	want.Steps[0].Fired = declared
	if diff := cmp.Diff(want, inc); diff != "" {
		t.Errorf("incident (-want +got):\n%s", diff)
	}
	wantEff := incident.Effects{
		Entries: []incident.Entry{
			{Seq: 0, At: declared, By: "operator", Kind: incident.KindDeclared, Text: "P0 declared: no clients can connect"},
			{Seq: 1, At: declared, By: incident.Bot, Kind: incident.KindEscalated, Text: "escalation P0/0m: paging primary"},
		},
		Pages: []incident.Call{{Step: "P0/0m", Role: "primary", Due: declared, Text: "INC-7 P0: no clients can connect (declared by operator)"}},
	}
	if diff := cmp.Diff(wantEff, eff); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
	if !steps[0].Fired.IsZero() {
		t.Error("Declare wrote into the steps it was given")
	}
	if next, ok := inc.NextStep(); !ok || next.Name != "P0/15m" {
		t.Errorf("next step %+v, %v", next, ok)
	}
	if inc.ID() != "INC-7" || incident.ID(12) != "INC-12" {
		t.Errorf("ids %s, %s", inc.ID(), incident.ID(12))
	}
}

// Every event in every state: what the incident is afterwards, or why not.
func TestEveryEventInEveryState(t *testing.T) {
	now := declared.Add(10 * time.Minute)
	verified := incident.Verified{By: "operator", OK: true, Summary: "edge1, edge2"}
	states := map[string]incident.Incident{
		"open":         open(),
		"acknowledged": after(t, open(), now, incident.Acked{By: "operator"}),
		"verified":     after(t, open(), now, verified),
		"failing":      after(t, open(), now, verified, incident.Verified{By: "operator", Summary: "edge2"}),
		"silenced":     after(t, open(), now, incident.PagingStop{By: "operator", Reason: "known"}),
		"recovered":    after(t, open(), now, verified, incident.DeclaredRecovered{By: "operator"}),
		"resolved":     after(t, open(), now, incident.DeclaredResolved{By: "operator", Reason: "false alarm"}),
	}
	over, nothing, reason, unproven := incident.ErrOver, incident.ErrNothingToDo, incident.ErrReasonNeeded, incident.ErrNotVerified
	for _, tt := range []struct {
		name  string
		event incident.Event
		moves map[string]incident.State // where it counts; elsewhere fails
		fails map[string]error
		entry string
	}{
		{"acknowledge", incident.Acked{By: "owner"},
			map[string]incident.State{"open": incident.Acknowledged, "verified": incident.Acknowledged, "failing": incident.Acknowledged, "silenced": incident.Acknowledged},
			map[string]error{"acknowledged": nothing, "recovered": nothing, "resolved": over}, "owner acknowledged: acknowledged"},
		{"verify", incident.Verified{By: "owner", OK: true, Summary: "all"},
			map[string]incident.State{"open": incident.Open, "acknowledged": incident.Acknowledged, "verified": incident.Open, "failing": incident.Open, "silenced": incident.Open, "recovered": incident.Recovered},
			map[string]error{"resolved": over}, "owner verified: verified: all"},
		{"verify in vain", incident.Verified{By: "owner", Summary: "edge2 refuses"},
			map[string]incident.State{"open": incident.Open, "acknowledged": incident.Acknowledged, "verified": incident.Open, "failing": incident.Open, "silenced": incident.Open, "recovered": incident.Recovered},
			map[string]error{"resolved": over}, "owner verified: not verified: edge2 refuses"},
		{"recovered", incident.DeclaredRecovered{By: "owner"},
			map[string]incident.State{"verified": incident.Recovered},
			map[string]error{"open": unproven, "acknowledged": unproven, "failing": unproven, "silenced": unproven, "recovered": nothing, "resolved": over},
			"owner recovered: recovered, verified: edge1, edge2"},
		{"recovered with a blank reason", incident.DeclaredRecovered{By: "owner", Force: " \n"},
			map[string]incident.State{"verified": incident.Recovered},
			map[string]error{"open": unproven, "acknowledged": unproven, "failing": unproven, "silenced": unproven, "recovered": nothing, "resolved": over},
			"owner recovered: recovered, verified: edge1, edge2"},
		{"resolve", incident.DeclaredResolved{By: "owner"},
			map[string]incident.State{"recovered": incident.Resolved},
			map[string]error{"open": reason, "acknowledged": reason, "verified": reason, "failing": reason, "silenced": reason, "resolved": over},
			"owner resolved: resolved"},
		{"resolve with a reason", incident.DeclaredResolved{By: "owner", Reason: " duplicate of INC-6 "},
			map[string]incident.State{"open": incident.Resolved, "acknowledged": incident.Resolved, "verified": incident.Resolved, "failing": incident.Resolved, "silenced": incident.Resolved, "recovered": incident.Resolved},
			map[string]error{"resolved": over}, "owner resolved: resolved: duplicate of INC-6"},
		{"stop paging", incident.PagingStop{By: "owner", Reason: "I sit here"},
			map[string]incident.State{"open": incident.Open, "acknowledged": incident.Acknowledged, "verified": incident.Open, "failing": incident.Open, "silenced": incident.Open, "recovered": incident.Recovered},
			map[string]error{"resolved": over}, "owner paging stopped: paging stopped: I sit here"},
		{"stop paging without a reason", incident.PagingStop{By: "owner", Reason: " "}, nil,
			map[string]error{"open": reason, "acknowledged": reason, "verified": reason, "failing": reason, "silenced": reason, "recovered": reason, "resolved": over}, ""},
		{"note", incident.Noted{By: "owner", Kind: incident.KindNote, Text: "looking"},
			map[string]incident.State{"open": incident.Open, "acknowledged": incident.Acknowledged, "verified": incident.Open, "failing": incident.Open, "silenced": incident.Open, "recovered": incident.Recovered, "resolved": incident.Resolved},
			nil, "owner note: looking"},
		{"nothing is due", incident.StepsDue{}, nil,
			map[string]error{"open": nothing, "acknowledged": nothing, "verified": nothing, "failing": nothing, "silenced": nothing, "recovered": nothing, "resolved": over}, ""},
	} {
		for state, inc := range states {
			t.Run(tt.name+" when "+state, func(t *testing.T) {
				got, eff, err := incident.Apply(inc, tt.event, now)
				want, counts := tt.moves[state]
				if !counts {
					if !errors.Is(err, tt.fails[state]) || err == nil {
						t.Fatalf("error %v, want %v", err, tt.fails[state])
					}
					if diff := cmp.Diff(inc, got); diff != "" || len(eff.Entries)+len(eff.Pages) > 0 {
						t.Errorf("refused, but changed:\n%s", diff)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got.State != want {
					t.Errorf("state %s, want %s", got.State, want)
				}
				if got := texts(eff.Entries); len(got) != 1 || got[0] != tt.entry {
					t.Errorf("timeline %q, want %q", got, tt.entry)
				}
				if eff.Entries[0].Seq != inc.Entries || got.Entries != inc.Entries+1 || !eff.Entries[0].At.Equal(now) {
					t.Errorf("entry %+v after %d", eff.Entries[0], inc.Entries)
				}
				if len(eff.Pages) > 0 {
					t.Errorf("pages %+v", eff.Pages)
				}
			})
		}
	}
}

// Who did what and when stands in the incident.
func TestWhatIsKept(t *testing.T) {
	at := func(m int) time.Time { return declared.Add(time.Duration(m) * time.Minute) }
	inc := after(t, open(), at(1), incident.Acked{By: "a"})
	inc = after(t, inc, at(2), incident.Verified{By: "b", OK: true, Summary: "all"})
	inc = after(t, inc, at(3), incident.PagingStop{By: "c", Reason: "because"})
	inc = after(t, inc, at(4), incident.DeclaredRecovered{By: "d"})
	inc = after(t, inc, at(5), incident.DeclaredResolved{By: "e", Reason: "disk replaced"})
	want := open()
	want.State = incident.Resolved
	want.AckedBy, want.AckedAt, want.AnsweredAt = "a", at(1), at(1)
	for i := range want.Steps[1:] {
		want.Steps[i+1].Dropped, want.Steps[i+1].Because = at(3), "c stopped the paging: because"
	}
	want.Verification = &incident.Verification{At: at(2), OK: true, Summary: "all"}
	want.PagingStopped = &incident.Stop{By: "c", At: at(3), Reason: "because"}
	want.RecoveredBy, want.RecoveredAt = "d", at(4)
	want.ResolvedBy, want.ResolvedAt, want.Resolution = "e", at(5), "disk replaced"
	want.Entries = 7
	if diff := cmp.Diff(want, inc); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRecoveryNeedsAFreshVerification(t *testing.T) {
	verified := after(t, open(), declared, incident.Verified{By: "operator", OK: true, Summary: "all edges"})
	for _, tt := range []struct {
		name  string
		later time.Duration
		force string
		text  string // "" is refused
	}{
		{"at once", 0, "", "recovered, verified: all edges"},
		{"in time", incident.VerificationHolds, "", "recovered, verified: all edges"},
		{"too late", incident.VerificationHolds + time.Nanosecond, "", ""},
		{"much too late", time.Hour, "", ""},
		{"the clock went back a little", -time.Second, "", "recovered, verified: all edges"},
		{"the clock went back an hour", -time.Hour, "", ""},
		{"too late, with a reason", time.Hour, " seen by hand ", "recovered without verification, because: seen by hand"},
		{"in time, with a reason", 0, "seen by hand", "recovered, verified: all edges"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inc, eff, err := incident.Apply(verified, incident.DeclaredRecovered{By: "operator", Force: tt.force}, declared.Add(tt.later))
			if tt.text == "" {
				if !errors.Is(err, incident.ErrNotVerified) || inc.State != incident.Open {
					t.Errorf("error %v, state %s", err, inc.State)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if inc.State != incident.Recovered || eff.Entries[0].Text != tt.text {
				t.Errorf("state %s, timeline %q, want %q", inc.State, eff.Entries[0].Text, tt.text)
			}
			if forced := inc.Forced != ""; forced != strings.Contains(tt.text, "without") {
				t.Errorf("forced: %q", inc.Forced)
			}
		})
	}
}

func TestStepsFireWhenTheyAreDue(t *testing.T) {
	acked := after(t, open(), declared.Add(time.Minute), incident.Acked{By: "second"})
	for _, tt := range []struct {
		name  string
		inc   incident.Incident
		after time.Duration
		calls []string
		lines []string
	}{
		{"just before", open(), 15*time.Minute - time.Nanosecond, nil, nil},
		{"to the second", open(), 15 * time.Minute,
			[]string{"P0/15m sre INC-7 P0 not recovered after 15 minutes: no clients can connect (not acknowledged)"},
			[]string{"irisops escalated: escalation P0/15m: paging sre"}},
		{"acknowledged and forgotten", acked, 15 * time.Minute,
			[]string{"P0/15m sre INC-7 P0 not recovered after 15 minutes: no clients can connect (acknowledged by second)"},
			[]string{"irisops escalated: escalation P0/15m: paging sre"}},
		{"a second late is on time", open(), 15*time.Minute + time.Second,
			[]string{"P0/15m sre INC-7 P0 not recovered after 15 minutes: no clients can connect (not acknowledged)"},
			[]string{"irisops escalated: escalation P0/15m: paging sre"}},
		{"a little late", open(), 15*time.Minute + 5*time.Second,
			[]string{"P0/15m sre INC-7 P0 not recovered after 15 minutes: no clients can connect (not acknowledged)"},
			[]string{"irisops escalated: escalation P0/15m: paging sre, late by 5s"}},
		{"both, late", open(), 40 * time.Minute,
			[]string{"P0/15m sre INC-7 P0 not recovered after 15 minutes: no clients can connect (not acknowledged)",
				"P0/30m owner INC-7 P0 not recovered after 30 minutes: no clients can connect (not acknowledged)"},
			[]string{"irisops escalated: escalation P0/15m: paging sre, late by 25m0s", "irisops escalated: escalation P0/30m: paging owner, late by 10m0s"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.inc
			now := declared.Add(tt.after)
			inc, eff, err := incident.Apply(before, incident.StepsDue{}, now)
			if (err == nil) != (tt.calls != nil) || err != nil && !errors.Is(err, incident.ErrNothingToDo) {
				t.Fatalf("error %v", err)
			}
			var calls []string
			for _, c := range eff.Pages {
				calls = append(calls, c.Step+" "+c.Role+" "+c.Text)
				if !c.Due.Equal(declared.Add(map[string]time.Duration{"P0/15m": 15 * time.Minute, "P0/30m": 30 * time.Minute}[c.Step])) {
					t.Errorf("%s was due at %s", c.Step, c.Due)
				}
			}
			if diff := cmp.Diff(tt.calls, calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.lines, texts(eff.Entries)); diff != "" {
				t.Errorf("timeline (-want +got):\n%s", diff)
			}
			if !tt.inc.Steps[1].Fired.IsZero() {
				t.Error("Apply wrote into the incident it was given")
			}
			if _, _, err := incident.Apply(inc, incident.StepsDue{}, now); !errors.Is(err, incident.ErrNothingToDo) {
				t.Errorf("the same again: %v", err)
			}
			// Nor when the clock has gone back.
			if _, _, err := incident.Apply(inc, incident.StepsDue{}, declared); !errors.Is(err, incident.ErrNothingToDo) {
				t.Errorf("an hour back: %v", err)
			}
		})
	}
}

func TestHowLongIsSpoken(t *testing.T) {
	for after, want := range map[time.Duration]string{
		10 * time.Second: "after 10s:", time.Minute: "after 1 minute:", 15 * time.Minute: "after 15 minutes:", 90 * time.Second: "after 1m30s:", time.Hour: "after 60 minutes:",
	} {
		steps := []incident.Step{{Name: "x", After: after, Role: "sre", Due: declared.Add(after)}}
		inc, _ := incident.New(1, incident.Declaration{Cluster: "main", Priority: incident.P1, Title: "slow", By: "operator", Clocks: incident.Clocks{Steps: steps}}, declared)
		_, eff, err := incident.Apply(inc, incident.StepsDue{}, declared.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(eff.Pages[0].Text, want) {
			t.Errorf("%q does not say %q", eff.Pages[0].Text, want)
		}
	}
}

func TestNextStepIsTheEarliestThatHasNotFired(t *testing.T) {
	inc := open()
	inc.Steps[1], inc.Steps[2] = inc.Steps[2], inc.Steps[1]
	if next, ok := inc.NextStep(); !ok || next.Name != "P0/15m" {
		t.Errorf("next %+v, %v", next, ok)
	}
	for _, stopped := range []incident.Incident{
		after(t, open(), declared, incident.DeclaredRecovered{By: "operator", Force: "by hand"}),
		after(t, open(), declared, incident.DeclaredResolved{By: "operator", Reason: "false alarm"}),
		after(t, open(), declared, incident.PagingStop{By: "operator", Reason: "known"}),
		after(t, open(), declared.Add(time.Hour), incident.StepsDue{}),
	} {
		if next, ok := stopped.NextStep(); ok {
			t.Errorf("%s, stopped %v: next %+v", stopped.State, stopped.PagingStopped != nil, next)
		}
	}
}

func TestAnUnknownEventIsAFault(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a nil event was taken")
		}
	}()
	_, _, _ = incident.Apply(open(), nil, declared)
}

// Whatever events come in whatever order, and however the clock jumps: the
// timeline has no gaps, no step fires twice or unless armed and due, what is
// over stays as it is, and an incident that was given is never written into.
func TestWhateverHappensTheIncidentIsWellKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inc, eff := incident.New(7, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "no clients can connect", By: "operator", Clocks: incident.Clocks{Steps: p0()}}, declared)
		other, _ := incident.New(8, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "down", By: "operator", Clocks: incident.Clocks{Steps: p0()}}, declared)
		timeline := eff.Entries
		paged := map[string]bool{"P0/0m": true}
		now := declared
		for range rapid.IntRange(1, 40).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(-2, 10).Draw(t, "minutes")) * time.Minute)
			reason := rapid.SampledFrom([]string{"", " ", "because"}).Draw(t, "reason")
			event := rapid.SampledFrom([]incident.Event{
				incident.Acked{By: "a"}, incident.StepsDue{}, incident.StepsDue{}, incident.StepsDue{},
				incident.Noted{By: "a", Kind: incident.KindNote, Text: "x"},
				incident.Verified{By: "a", OK: true}, incident.Verified{By: "a"},
				incident.DeclaredRecovered{By: "a", Force: reason}, incident.DeclaredResolved{By: "a", Reason: reason},
				incident.PagingStop{By: "a", Reason: reason}, incident.DeclaredMitigated{By: "b"}, incident.Rearmed{By: "a", Clocks: p0Clocks(now)},
				incident.PriorityChanged{By: "a", To: incident.P1, Clocks: p1(now)}, incident.PriorityChanged{By: "a", To: incident.P0, Clocks: p0Clocks(now)},
				incident.DeclaredReopened{By: "a", Reason: reason, Clocks: p0Clocks(now)}, incident.HandoffAsked{By: "a", To: "b"}, incident.HandoffAccepted{By: "b"},
				incident.RoleGiven{By: "a", Role: incident.Scribe, To: "b"}, incident.TookIn{By: "a", From: openP1()}, incident.Merged{By: "a", Into: other},
			}).Draw(t, "event")
			kept := inc
			kept.Steps = append([]incident.Step(nil), inc.Steps...)
			kept.Duplicates = append([]uint64(nil), inc.Duplicates...)
			next, eff, err := incident.Apply(inc, event, now)
			if diff := cmp.Diff(kept, inc); diff != "" {
				t.Fatalf("%T wrote into the incident it was given:\n%s", event, diff)
			}
			if err != nil {
				if diff := cmp.Diff(inc, next); diff != "" || len(eff.Entries)+len(eff.Pages) > 0 {
					t.Fatalf("%T was refused (%v), but: %+v\n%s", event, err, eff, diff)
				}
				continue
			}
			_, note := event.(incident.Noted)
			if _, again := event.(incident.DeclaredReopened); inc.Over() && !note && !again {
				t.Fatalf("%T counts after the end", event)
			}
			for _, c := range eff.Pages {
				if paged[c.Step] || !next.Armed() || c.Due.After(now) {
					t.Fatalf("%s fired (again %v, armed %v, due %s) at %s", c.Step, paged[c.Step], next.Armed(), c.Due, now)
				}
				paged[c.Step] = true
			}
			if _, due := event.(incident.StepsDue); due {
				for _, s := range next.Steps {
					if s.Pending() && next.Armed() && !s.Due.After(now) {
						t.Fatalf("%s is due and did not fire", s.Name)
					}
				}
			}
			if when, armed := next.NextDeadline(); armed && next.Over() {
				t.Fatalf("it is over, and something is due at %s", when)
			}
			if _, acked := event.(incident.Acked); acked && next.Armed() != inc.Armed() {
				t.Fatal("acknowledging has stopped the clocks")
			}
			inc = next
			timeline = append(timeline, eff.Entries...)
		}
		for i, e := range timeline {
			if e.Seq != i {
				t.Fatalf("entry %d has number %d", i, e.Seq)
			}
		}
		if inc.Entries != len(timeline) {
			t.Fatalf("%d entries, the incident says %d", len(timeline), inc.Entries)
		}
	})
}
