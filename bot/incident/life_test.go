package incident_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"irisops/bot/incident"
)

// p1 are the clocks of a P1 from that moment on: to be acknowledged within 15
// minutes, else the primary is paged; not recovered after an hour, the owner.
func p1(at time.Time) incident.Clocks {
	return incident.Clocks{AnswerBy: at.Add(15 * time.Minute), Remind: 20 * time.Minute, Steps: []incident.Step{
		{Name: "P1/15m", After: 15 * time.Minute, Role: "primary", Unless: incident.UnlessAcknowledged, Due: at.Add(15 * time.Minute)},
		{Name: "P1/1h", After: time.Hour, Role: "owner", Due: at.Add(time.Hour)}}}
}

// p0Clocks are those of a P0.
func p0Clocks(at time.Time) incident.Clocks {
	c := incident.Clocks{Remind: 20 * time.Minute}
	for _, s := range p0() {
		s.Due = at.Add(s.After)
		c.Steps = append(c.Steps, s)
	}
	return c
}

func openP1() incident.Incident {
	inc, _ := incident.New(8, incident.Declaration{Cluster: "main", Priority: incident.P1, Title: "slow", By: "operator", Clocks: p1(declared)}, declared)
	return inc
}

func at(minutes int) time.Time { return declared.Add(time.Duration(minutes) * time.Minute) }

// calls are the pages of an event: step, role and text.
func calls(t *testing.T, inc incident.Incident, event incident.Event, now time.Time) (incident.Incident, []string) {
	t.Helper()
	next, eff, err := incident.Apply(inc, event, now)
	if err != nil && !errors.Is(err, incident.ErrNothingToDo) {
		t.Fatal(err)
	}
	var all []string
	for _, c := range eff.Pages {
		all = append(all, c.Step+" "+c.Role+": "+c.Text)
	}
	return next, all
}

func same(t *testing.T, what string, got any, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// The response clock stops when somebody acknowledges, and with it the steps that
// wait for that; the recovery clock runs on.
func TestAcknowledgingStopsTheResponseClockOnly(t *testing.T) {
	inc, paged := calls(t, openP1(), incident.StepsDue{}, at(15))
	same(t, "unanswered", paged, []string{"P1/15m primary: INC-8 P1 not acknowledged within 15 minutes: slow"})
	if !inc.Unanswered.Equal(at(15)) {
		t.Errorf("told at %s", inc.Unanswered)
	}

	acked := after(t, openP1(), at(10), incident.Acked{By: "second"})
	step := acked.Steps[0]
	if step.Pending() || !step.Dropped.Equal(at(10)) || step.Because != "second acknowledged it" {
		t.Errorf("the step is %+v", step)
	}
	inc, paged = calls(t, acked, incident.StepsDue{}, at(59))
	same(t, "acknowledged, after 59 minutes", paged, []string(nil))
	if !inc.Unanswered.IsZero() {
		t.Error("answered, and called unanswered")
	}
	_, paged = calls(t, inc, incident.StepsDue{}, at(60))
	same(t, "acknowledged, after 60 minutes", paged, []string{"P1/1h owner: INC-8 P1 not recovered after 60 minutes: slow (acknowledged by second)"})
}

func TestMitigatingIsAnAnswerAndNoRecovery(t *testing.T) {
	inc := after(t, openP1(), at(5), incident.DeclaredMitigated{By: "second", Text: "moved to edge2"})
	if inc.State != incident.Mitigated || inc.AckedBy != "second" || !inc.AnsweredAt.Equal(at(5)) {
		t.Errorf("%+v", inc)
	}
	_, paged := calls(t, inc, incident.StepsDue{}, at(60))
	same(t, "paged", paged, []string{"P1/1h owner: INC-8 P1 not recovered after 60 minutes: slow (mitigated by second)"})
	acked := after(t, openP1(), at(1), incident.Acked{By: "operator"}, incident.DeclaredMitigated{By: "second"})
	if acked.AckedBy != "operator" {
		t.Errorf("mitigating took it from its owner: %s", acked.AckedBy)
	}
	for state, inc := range map[string]incident.Incident{
		"mitigated": inc, "recovered": after(t, inc, at(6), incident.DeclaredRecovered{By: "second", Force: "seen"}),
	} {
		want := map[string]error{"mitigated": incident.ErrNothingToDo, "recovered": incident.ErrRecovered}[state]
		if _, _, err := incident.Apply(inc, incident.DeclaredMitigated{By: "x"}, at(7)); !errors.Is(err, want) {
			t.Errorf("%s again: %v", state, err)
		}
	}
}

// Raised, an incident is paged for as the new priority says, from that moment on;
// what the old one had armed never fires, and says why.
func TestSeverityArmsTheClocksAnew(t *testing.T) {
	acked := after(t, openP1(), at(5), incident.Acked{By: "second"})
	inc, paged := calls(t, acked, incident.PriorityChanged{By: "owner", To: incident.P0, Clocks: p0Clocks(at(10))}, at(10))
	same(t, "raised", paged, []string{"P0/0m~2 primary: INC-8 P0: slow (it was raised from P1 to P0 by owner)"})
	if s := inc.Steps[1]; s.Because != "it was raised from P1 to P0 by owner" || !s.Dropped.Equal(at(10)) {
		t.Errorf("the old step: %+v", s)
	}
	inc, paged = calls(t, inc, incident.StepsDue{}, at(25))
	same(t, "15 minutes later", paged, []string{"P0/15m~2 sre: INC-8 P0 not recovered after 15 minutes, since it was raised from P1 to P0 by owner: slow (acknowledged by second)"})

	inc, paged = calls(t, inc, incident.PriorityChanged{By: "owner", To: incident.P1, Clocks: p1(at(26))}, at(26))
	same(t, "lowered", paged, []string(nil))
	inc, paged = calls(t, inc, incident.StepsDue{}, at(26+59))
	same(t, "the response is there", paged, []string(nil))
	inc, paged = calls(t, inc, incident.StepsDue{}, at(26+60))
	same(t, "an hour after it was lowered", paged, []string{"P1/1h~3 owner: INC-8 P1 not recovered after 60 minutes, since it was lowered from P0 to P1 by owner: slow (acknowledged by second)"})
	if _, _, err := incident.Apply(inc, incident.PriorityChanged{By: "owner", To: incident.P1}, at(90)); !errors.Is(err, incident.ErrNothingToDo) {
		t.Errorf("the same again: %v", err)
	}
	names := map[string]bool{}
	for _, s := range inc.Steps {
		if names[s.Name] {
			t.Errorf("two steps are called %s", s.Name)
		}
		names[s.Name] = true
	}
}

func TestRaisingLiftsAStopAndLoweringKeepsIt(t *testing.T) {
	stopped := after(t, openP1(), at(1), incident.PagingStop{By: "operator", Reason: "known"})
	lowered := after(t, stopped, at(2), incident.PriorityChanged{By: "operator", To: incident.P2, Clocks: p1(at(2))})
	if lowered.PagingStopped == nil || len(lowered.Current()) > 0 {
		t.Errorf("lowered: %+v", lowered.Current())
	}
	raised, paged := calls(t, stopped, incident.PriorityChanged{By: "operator", To: incident.P0, Clocks: p0Clocks(at(2))}, at(2))
	if raised.PagingStopped != nil || len(paged) != 1 {
		t.Errorf("raised: stopped %v, paged %v", raised.PagingStopped, paged)
	}
	rearmed, paged := calls(t, lowered, incident.Rearmed{By: "operator", Reason: "new policy", Clocks: p0Clocks(at(3))}, at(3))
	if rearmed.PagingStopped != nil || len(paged) != 1 {
		t.Errorf("re-armed: stopped %v, paged %v", rearmed.PagingStopped, paged)
	}
}

func TestARecoveredIncidentHasNoClocks(t *testing.T) {
	inc := after(t, openP1(), at(1), incident.DeclaredRecovered{By: "operator", Force: "seen"})
	raised, paged := calls(t, inc, incident.PriorityChanged{By: "operator", To: incident.P0, Clocks: p0Clocks(at(2))}, at(2))
	if raised.Priority != incident.P0 || len(paged) > 0 {
		t.Errorf("%s, paged %v", raised.Priority, paged)
	}
	if when, armed := raised.NextDeadline(); armed {
		t.Errorf("armed for %s", when)
	}
	if _, _, err := incident.Apply(raised, incident.Rearmed{By: "operator", Clocks: p1(at(2))}, at(2)); !errors.Is(err, incident.ErrRecovered) {
		t.Errorf("re-armed: %v", err)
	}
}

// What was called recovered or resolved and is not, begins again.
func TestReopening(t *testing.T) {
	recovered := after(t, openP1(), at(5), incident.Acked{By: "second"}, incident.DeclaredRecovered{By: "second", Force: "seen"})
	resolved := after(t, recovered, at(6), incident.DeclaredResolved{By: "owner"})
	for name, inc := range map[string]incident.Incident{"recovered": recovered, "resolved": resolved} {
		again, paged := calls(t, inc, incident.DeclaredReopened{By: "operator", Reason: "edge1 again", Clocks: p1(at(30))}, at(30))
		if again.State != incident.Reopened || again.AckedBy != "" || again.Over() || !again.Waiting() || len(paged) > 0 ||
			!again.RecoveredAt.IsZero() || !again.ResolvedAt.IsZero() || again.Reopenings != 1 {
			t.Errorf("%s: %+v", name, again)
		}
		if !again.AnsweredAt.Equal(at(5)) {
			t.Errorf("%s: the first answer is forgotten: %s", name, again.AnsweredAt)
		}
		_, paged = calls(t, again, incident.StepsDue{}, at(45))
		same(t, name, paged, []string{"P1/15m~2 primary: INC-8 P1 not acknowledged within 15 minutes, since it was reopened by operator: slow"})
	}
	if _, _, err := incident.Apply(openP1(), incident.DeclaredReopened{By: "x"}, at(1)); !errors.Is(err, incident.ErrNotRecovered) {
		t.Errorf("open: %v", err)
	}
}

// Merging never loses the more urgent clocks.
func TestMerging(t *testing.T) {
	older, p0inc := openP1(), open() // INC-8 and INC-7
	younger, _ := incident.New(9, incident.Declaration{Priority: incident.P1, Title: "slow too", By: "second", Clocks: p1(at(5))}, at(5))
	silent := after(t, older, at(6), incident.PagingStop{By: "x", Reason: "y"})
	recovered := after(t, older, at(6), incident.DeclaredRecovered{By: "x", Force: "y"})
	over := after(t, older, at(6), incident.DeclaredResolved{By: "x", Reason: "y"})
	for _, tt := range []struct {
		name      string
		inc, into incident.Incident
		want      error
	}{
		{"the younger into the older", younger, older, nil},
		{"the older into the younger", older, younger, incident.ErrUrgentLost},
		{"P1 into P0", older, p0inc, nil},
		{"P0 into P1", p0inc, older, incident.ErrUrgentLost},
		{"into one that pages nobody", younger, silent, incident.ErrUrgentLost},
		{"into one that is recovered", younger, recovered, incident.ErrUrgentLost},
		{"what is recovered into one that is not", recovered, younger, nil},
		{"into one that is over", younger, over, incident.ErrOver},
		{"into itself", older, older, incident.ErrSame},
		{"what is over", over, p0inc, incident.ErrOver},
	} {
		merged, eff, err := incident.Apply(tt.inc, incident.Merged{By: "operator", Into: tt.into}, at(10))
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if tt.want != nil {
			continue
		}
		if merged.State != incident.Resolved || merged.MergedInto != tt.into.Number || len(eff.Entries) != 1 {
			t.Errorf("%s: %+v", tt.name, merged)
		}
		if at, armed := merged.NextDeadline(); armed {
			t.Errorf("%s: still armed for %s", tt.name, at)
		}
	}
	host := after(t, older, at(10), incident.TookIn{By: "operator", From: younger})
	same(t, "duplicates", host.Duplicates, []uint64{9})
	if step, ok := host.NextStep(); !ok || step.Name != "P1/15m" {
		t.Errorf("taking one in changed the clocks: %+v", step)
	}
	again := after(t, host, at(11), incident.TookIn{By: "operator", From: p0inc})
	if len(host.Duplicates) != 1 || len(again.Duplicates) != 2 {
		t.Error("Apply wrote into the incident it was given")
	}
}

func TestHandingOver(t *testing.T) {
	inc := after(t, openP1(), at(1), incident.HandoffAsked{By: "operator", To: "second"})
	if !inc.Waiting() || inc.Handoff.To != "second" {
		t.Errorf("asking is not accepting: %+v", inc)
	}
	for by, want := range map[string]error{"owner": incident.ErrNotAsked, "operator": incident.ErrNotAsked} {
		if _, _, err := incident.Apply(inc, incident.HandoffAccepted{By: by}, at(2)); !errors.Is(err, want) {
			t.Errorf("%s accepts: %v", by, err)
		}
	}
	if _, _, err := incident.Apply(inc, incident.HandoffAsked{By: "owner", To: "second"}, at(2)); !errors.Is(err, incident.ErrNothingToDo) {
		t.Errorf("asked twice: %v", err)
	}
	taken := after(t, inc, at(3), incident.HandoffAccepted{By: "second"})
	if taken.AckedBy != "second" || taken.State != incident.Acknowledged || taken.Handoff != nil || taken.Steps[0].Pending() {
		t.Errorf("accepted: %+v", taken)
	}
	if _, _, err := incident.Apply(taken, incident.HandoffAccepted{By: "second"}, at(4)); !errors.Is(err, incident.ErrNothingToDo) {
		t.Errorf("accepted twice: %v", err)
	}
	if _, _, err := incident.Apply(taken, incident.HandoffAccepted{By: "owner"}, at(4)); !errors.Is(err, incident.ErrNoHandoff) {
		t.Errorf("nobody asked: %v", err)
	}
	given := after(t, taken, at(5), incident.HandoffAsked{By: "owner", To: "operator"})
	next, eff, err := incident.Apply(given, incident.HandoffAccepted{By: "operator"}, at(6))
	if err != nil || next.AckedBy != "operator" || eff.Entries[0].Text != "took over from second, as owner asked" {
		t.Errorf("%v %+v", err, eff.Entries)
	}
}

func TestRoles(t *testing.T) {
	inc := after(t, open(), at(1), incident.RoleGiven{By: "operator", Role: incident.Commander, To: "owner"}, incident.RoleGiven{By: "operator", Role: incident.Scribe, To: "second"})
	if inc.Commander != "owner" || inc.Scribe != "second" {
		t.Errorf("%+v", inc)
	}
	if _, _, err := incident.Apply(inc, incident.RoleGiven{By: "x", Role: incident.Scribe, To: "second"}, at(2)); !errors.Is(err, incident.ErrNothingToDo) {
		t.Errorf("again: %v", err)
	}
	_, eff, err := incident.Apply(inc, incident.RoleGiven{By: "x", Role: incident.Scribe, To: "operator"}, at(2))
	if err != nil || eff.Entries[0].Text != "operator is scribe, instead of second" {
		t.Errorf("%v %+v", err, eff.Entries)
	}
}

// Nobody says anything for 20 minutes: a reminder, every 20 minutes, until
// somebody does or it is over.
func TestReminders(t *testing.T) {
	reminders := func(inc incident.Incident, until int, said map[int]incident.Event) (minutes []int) {
		for m := 1; m <= until; m++ {
			for _, event := range []incident.Event{said[m], incident.StepsDue{}} {
				if event == nil {
					continue
				}
				next, eff, err := incident.Apply(inc, event, at(m))
				if err != nil {
					continue
				}
				inc = next
				if slices.ContainsFunc(eff.Entries, func(e incident.Entry) bool { return e.Kind == incident.KindReminder }) {
					minutes = append(minutes, m)
				}
			}
		}
		return minutes
	}
	note := incident.Noted{By: "second", Kind: incident.KindNote, Text: "looking"}
	bots := incident.Noted{By: incident.Bot, Kind: incident.KindDiagnosed, Text: "all well"}
	step := incident.Noted{By: incident.Bot, Kind: incident.KindStep, Text: "edge1 is stopped"}
	for name, tt := range map[string]struct {
		said map[int]incident.Event
		want []int
	}{
		"silence":               {nil, []int{20, 40, 60, 80}},
		"a note":                {map[int]incident.Event{15: note}, []int{35, 55, 75}},
		"what the bot says":     {map[int]incident.Event{15: bots}, []int{20, 40, 60, 80}},
		"a step of an action":   {map[int]incident.Event{15: step}, []int{35, 55, 75}},
		"recovered":             {map[int]incident.Event{30: incident.DeclaredRecovered{By: "x", Force: "y"}}, []int{20}},
		"resolved":              {map[int]incident.Event{30: incident.DeclaredResolved{By: "x", Reason: "y"}}, []int{20}},
		"paging stopped":        {map[int]incident.Event{30: incident.PagingStop{By: "x", Reason: "y"}}, []int{20, 50, 70}},
		"noted after the end":   {map[int]incident.Event{30: incident.DeclaredResolved{By: "x", Reason: "y"}, 40: note}, []int{20}},
		"less urgent and quiet": {map[int]incident.Event{30: incident.PriorityChanged{By: "x", To: incident.P2}}, []int{20}},
	} {
		same(t, name, reminders(openP1(), 80, tt.said), tt.want)
	}
	if got := reminders(open(), 80, nil); len(got) > 0 {
		t.Errorf("without the key in the policy: %v", got)
	}
}

func TestADrillSaysSo(t *testing.T) {
	inc, eff := incident.New(9, incident.Declaration{Priority: incident.P0, Title: "failover", By: "owner", Drill: true, Cause: "the drill of June", Clocks: p0Clocks(declared)}, declared)
	if eff.Entries[0].Text != "drill, P0 declared: failover (the drill of June)" {
		t.Errorf("%q", eff.Entries[0].Text)
	}
	_, eff, err := incident.Apply(inc, incident.StepsDue{}, at(30))
	if err != nil || len(eff.Pages) != 2 {
		t.Fatal(err, eff)
	}
	for _, c := range eff.Pages {
		if !strings.HasPrefix(c.Text, "DRILL INC-9 P0 ") {
			t.Errorf("%q", c.Text)
		}
	}
}

// Whatever fires late says by how much.
func TestUnansweredLate(t *testing.T) {
	_, eff, err := incident.Apply(openP1(), incident.StepsDue{}, at(15+24*60))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a day later", texts(eff.Entries), []string{
		"irisops escalated: escalation P1/15m: paging primary, late by 24h0m0s",
		"irisops escalated: escalation P1/1h: paging owner, late by 23h15m0s",
		"irisops unanswered: nobody has acknowledged it in time, late by 24h0m0s",
		"irisops reminder: no update for 20 minutes"})
}

// Declining calls the next one early and uses nothing up: the runbook's pages come
// at their time, however many have declined.
func TestDecliningUsesNoStepUp(t *testing.T) {
	inc, _ := incident.New(8, incident.Declaration{Cluster: "main", Priority: incident.P0, Title: "down", By: "operator", Drill: true, Clocks: p0Clocks(declared)}, declared)
	next := inc.Steps[1]
	inc, paged := calls(t, inc, incident.Declined{By: "operator", Step: next.Name}, at(1))
	if len(paged) != 1 || !strings.HasPrefix(paged[0], next.Name+incident.Early) || !strings.Contains(paged[0], ": DRILL INC-8 P0: down (operator cannot take it") {
		t.Errorf("paged %q", paged)
	}
	_, paged = calls(t, inc, incident.StepsDue{}, next.Due)
	if len(paged) != 1 || !strings.HasPrefix(paged[0], next.Name+" "+next.Role+": ") {
		t.Errorf("when it is due: %q", paged)
	}
}

// Whoever had it and declines has it no more: it waits for somebody, and the
// response clock begins anew.
func TestTheOwnerDeclines(t *testing.T) {
	inc := after(t, openP1(), at(5), incident.Acked{By: "second"})
	inc = after(t, inc, at(40), incident.Declined{By: "second", Reason: "my shift ends"})
	if !inc.Waiting() || inc.AckedBy != "" || !inc.AnsweredAt.Equal(at(5)) {
		t.Errorf("%+v", inc)
	}
	if next, ok := inc.NextStep(); !ok || next.Name != "P1/15m" || !next.Due.Equal(at(55)) || !inc.AnswerBy.Equal(at(55)) {
		t.Errorf("next is %+v, to be answered by %s", next, inc.AnswerBy)
	}
	other := after(t, after(t, openP1(), at(5), incident.Acked{By: "second"}), at(6), incident.Declined{By: "owner"})
	if other.AckedBy != "second" || other.State != incident.Acknowledged {
		t.Errorf("somebody else declines: %+v", other)
	}
}

// Who is asked to take it over may say no; a request does not outlive the end of
// the incident.
func TestAHandoffIsDeclined(t *testing.T) {
	asked := after(t, openP1(), at(5), incident.Acked{By: "second"}, incident.HandoffAsked{By: "second", To: "owner"})
	if _, _, err := incident.Apply(asked, incident.HandoffDeclined{By: "operator"}, at(6)); !errors.Is(err, incident.ErrNotAsked) {
		t.Errorf("by another: %v", err)
	}
	inc := after(t, asked, at(6), incident.HandoffDeclined{By: "owner", Reason: "on a train"})
	if inc.Handoff != nil || inc.AckedBy != "second" {
		t.Errorf("%+v", inc)
	}
	if _, _, err := incident.Apply(inc, incident.HandoffDeclined{By: "owner"}, at(7)); !errors.Is(err, incident.ErrNoHandoff) {
		t.Errorf("twice: %v", err)
	}
	again := after(t, asked, at(10), incident.DeclaredRecovered{By: "second", Force: "seen"}, incident.DeclaredReopened{By: "second", Clocks: p1(at(20))})
	if again.Handoff != nil {
		t.Error("a request from before is open after it was reopened")
	}
}
