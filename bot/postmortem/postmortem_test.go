package postmortem

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"irisops/actions/approval"
	"irisops/actions/runbook"
	"irisops/bot/incident"
	"irisops/bot/pager"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

var declared = time.Date(2026, 5, 10, 1, 0, 0, 0, time.UTC)

func at(minutes float64) time.Time {
	return declared.Add(time.Duration(minutes * float64(time.Minute)))
}

// night is an incident with everything in it.
func night(t *testing.T) Case {
	t.Helper()
	clocks := incident.Clocks{Remind: 20 * time.Minute, AnswerBy: at(15), Steps: []incident.Step{
		{Name: "P0/0m", Role: "primary", Due: declared}, {Name: "P0/15m", After: 15 * time.Minute, Role: "sre", Due: at(15)},
		{Name: "P0/30m", After: 30 * time.Minute, Role: "owner", Due: at(30)}}}
	inc, eff := incident.New(7, incident.Declaration{Cluster: "main", Title: "no clients can connect | at all", Priority: incident.P0, By: "operator", Clocks: clocks}, declared)
	entries := eff.Entries
	for _, e := range []struct {
		minutes float64
		event   incident.Event
	}{
		{0.1, incident.Noted{By: incident.Bot, Kind: incident.KindPage, Text: "paged operator (primary) in the conversation"}},
		{0.2, incident.Noted{By: incident.Bot, Kind: incident.KindDiagnosed, Text: "diagnosed: edge1 is down", Data: []byte(`{"verdict":"edge1 is down"}`)}},
		{2, incident.Acked{By: "second"}},
		{2.5, incident.RoleGiven{By: "second", Role: incident.Commander, To: "owner"}},
		{3, incident.Noted{By: "second", Kind: incident.KindNote, Text: "operator said at 03:02: the light is red <!channel>", Attachments: []incident.Attachment{
			{Name: "rack4.jpg", MediaType: "image/jpeg", Size: 210_000, Link: "https://example.org/f/1"}}}},
		{4, incident.Noted{By: "second", Kind: incident.KindRequested, Text: "REQ-3 asked for: Restart edge1"}},
		{4.2, incident.Noted{By: "second", Kind: incident.KindDecided, Text: "REQ-3 confirmed: Restart edge1"}},
		{15, incident.StepsDue{}},
		{16, incident.DeclaredMitigated{By: "second", Text: "moved all users to edge2"}},
		{17, incident.Noted{By: "second", Kind: incident.KindNote, Text: "action: give edge1 a second power supply"}},
		{20, incident.Verified{By: "second", OK: true, Summary: "2 of 2 edges let clients in and deliver"}},
		{20, incident.DeclaredRecovered{By: "second"}},
		{25, incident.DeclaredResolved{By: "owner", Reason: "power supply replaced"}},
	} {
		next, eff, err := incident.Apply(inc, e.event, at(e.minutes))
		if err != nil {
			t.Fatalf("%T: %v", e.event, err)
		}
		inc, entries = next, append(entries, eff.Entries...)
	}
	return Case{Incident: inc, Timeline: entries,
		Runs: []runbook.Run{
			{Number: 3, Action: "restart", Args: map[string]string{"target": "edge1"}, Incident: "INC-7", By: "second", Asked: at(4), Title: "Restart edge1", State: runbook.Done, Started: at(4.2), Ended: at(4.5),
				Approval: approval.Request{Needs: approval.Confirmation, Requester: "second", Verdict: approval.Approved, By: "second", At: at(4.2)}, Outcome: "edge1 answers",
				Steps: []runbook.StepRecord{{Name: "stop edge1", State: runbook.StepDone, Started: at(4.2), Ended: at(4.3), Evidence: "pid 4711 is gone"},
					{Name: "start edge1", State: runbook.StepDone, Started: at(4.3), Ended: at(4.5), Evidence: "pid 4712"}}},
			{Number: 4, Action: "stop", Incident: "INC-7", By: "second", Asked: at(5), Title: "Stop core", State: runbook.Dropped,
				Approval: approval.Request{Needs: approval.SecondPerson, Requester: "second", Verdict: approval.Denied, By: "owner", At: at(6), Reason: "no"}, Steps: []runbook.StepRecord{{Name: "stop core"}}},
		},
		Pages: []pager.Page{
			{Incident: "INC-7", Step: "P0/0m", Role: "primary", Person: "operator", Channel: "conversation", Queued: declared, Due: declared, Sent: at(0.1), State: pager.Delivered, Attempts: 1},
			{Incident: "INC-7", Step: "P0/15m", Role: "sre", Person: "second", Channel: "mail", Queued: at(15.5), Due: at(15), State: pager.Failed, Attempts: 5, PossibleDuplicate: true, LastError: "connection refused"},
		}}
}

func TestMarkdown(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "night.md", Markdown(night(t), paris, at(60)))
	bare, eff := incident.New(8, incident.Declaration{Cluster: "main", Title: "slow", Priority: incident.P2, By: incident.Bot, Cause: "watch: 3 probes failed", Drill: true}, declared)
	bare.Reopenings = 1
	golden(t, "bare.md", Markdown(Case{Incident: bare, Timeline: eff.Entries}, time.UTC, at(60)))
}

func TestJSON(t *testing.T) {
	data, err := JSON(night(t))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "night.json", string(data)+"\n")
	stopped := Case{Incident: incident.Incident{Number: 1, AnswerBy: at(15), PagingStopped: &incident.Stop{By: "owner", At: at(3), Reason: "a test"}}}
	if data, err = JSON(stopped); err != nil || !strings.Contains(string(data), `"reason": "a test"`) || !strings.Contains(string(data), `"acknowledge_by"`) {
		t.Errorf("%s, %v", data, err)
	}
	data, err = JSON(Case{Timeline: []incident.Entry{{Data: []byte("no JSON")}}})
	if err != nil || !json.Valid(data) || strings.Contains(string(data), "null") {
		t.Errorf("%s, %v", data, err)
	}
}

// Whatever people and machines have said, it stays a text in its cell: no
// mention, no picture from elsewhere, no heading of its own.
func TestNothingSaidIsTakenForMarkdown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		said := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"# heading", "a | b", "<script>", "<!channel>", "![x](http://evil)", "`code`", "*bold*", "two\nlines", "\x1b[31m"})).Draw(t, "said")
		inc, eff := incident.New(1, incident.Declaration{Cluster: "main", Title: said, Priority: incident.P0, By: "operator", Cause: said}, declared)
		inc, more, err := incident.Apply(inc, incident.Noted{By: "x", Kind: incident.KindNote, Text: "action: " + said}, at(1))
		if err != nil {
			t.Fatal(err)
		}
		plain := Markdown(Case{Incident: inc, Timeline: append(eff.Entries, more.Entries...)}, time.UTC, at(60))
		inc.Title, inc.Cause = "x", "x"
		harmless := append(eff.Entries[:0:0], eff.Entries...)
		harmless[0].Text = "P0 declared: x (x)"
		more.Entries[0].Text = "action: x"
		want := Markdown(Case{Incident: inc, Timeline: append(harmless, more.Entries...)}, time.UTC, at(60))
		if got, want := shape(plain), shape(want); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q changes the shape of the page: %v, want %v", said, got, want)
		}
		if plain := strings.NewReplacer(`\\`, "", `\<`, "", `\[`, "").Replace(plain); strings.Contains(plain, "<!") || strings.Contains(plain, "![") || strings.Contains(plain, "\x1b") {
			t.Fatalf("%q is taken for something: %s", said, plain)
		}
	})
}

// shape is what each line begins with, and how many cells it has.
func shape(page string) (lines []int) {
	for line := range strings.Lines(page) {
		cells := strings.Count(strings.ReplaceAll(strings.ReplaceAll(line, `\\`, ""), `\|`, ""), "|")
		kind := strings.IndexByte("#|-\n", line[0])
		lines = append(lines, kind*100+cells)
	}
	return lines
}
