package soak

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"time"

	"irisops/actions/runbook"
	"irisops/bot/audit"
	"irisops/bot/incident"
	"irisops/bot/pager"
	"irisops/store"
)

// rest waits until nothing is under way: everything is answered and shown, every
// page is out, no step is due soon.
func (s *soak) rest() {
	s.t.Helper()
	left := ""
	if !s.comes(4*time.Minute, func() bool {
		left = "no record"
		s.record(func(db *store.DB) (err error) {
			left, err = unrest(db)
			return err
		})
		return left == ""
	}) {
		s.t.Fatalf("it does not come to rest: %s", left)
	}
	s.clients.collect(s)
	s.footprint()
}

func unrest(db *store.DB) (string, error) {
	deliveries, err := db.Unanswered()
	if err != nil {
		return "", err
	}
	posts, err := db.PendingPosts()
	if err != nil {
		return "", err
	}
	pages, _, err := db.PendingPages()
	if err != nil {
		return "", err
	}
	runs, err := db.Runs(runbook.Running)
	if err != nil {
		return "", err
	}
	due, armed, err := db.NextDue()
	if err != nil {
		return "", err
	}
	switch soon := armed && time.Until(due) < 6*time.Second; {
	case len(deliveries)+len(posts)+pages+len(runs) > 0:
		text := fmt.Sprintf("%d lines not answered, %d messages not shown, %d pages not out, %d requests running", len(deliveries), len(posts), pages, len(runs))
		for _, p := range posts {
			text += " " + p.Key
		}
		return text, nil
	case soon:
		return "a step is due soon", nil
	}
	return "", nil
}

// judge holds the records against each other and against what was counted outside.
func (s *soak) judge() {
	s.t.Helper()
	if !s.record(func(db *store.DB) error {
		all, err := db.LastIncidents(1 << 30)
		if err != nil {
			return err
		}
		runs, err := db.LastRuns(1 << 30)
		if err != nil {
			return err
		}
		s.people.incidents, s.people.requests = len(all), len(runs)
		s.counts["incidents"], s.counts["requests"] = len(all), len(runs)
		notes := map[string]int{}
		letters := map[string][]letter{}
		for _, l := range s.mail.all() {
			letters[l.root] = append(letters[l.root], l)
		}
		for _, inc := range all {
			entries, err := db.Timeline(inc.Number)
			if err != nil {
				return err
			}
			s.legal(inc, entries)
			for _, e := range entries {
				if e.Kind == incident.KindNote {
					notes[e.Text]++
				}
			}
			pages, err := db.PagesOf(inc.ID())
			if err != nil {
				return err
			}
			s.paged(inc, pages, letters)
		}
		s.once(all, notes)
		s.acted(db, runs)
		wrong, err := db.Audit(time.Now())
		if len(wrong) > 0 {
			s.t.Errorf("the auditor finds: %q", wrong)
		}
		return err
	}) {
		s.t.Error("irisops does not give its record")
	}
}

// legal follows an incident through its timeline.
func (s *soak) legal(inc incident.Incident, entries []incident.Entry) {
	s.t.Helper()
	state := incident.State("")
	for i, e := range entries {
		if e.Seq != i {
			s.t.Errorf("%s: line %d of its timeline has number %d", inc.ID(), i, e.Seq)
			return
		}
		from, to := "", state
		switch {
		case e.Kind == incident.KindDeclared:
			from, to = "", incident.Open
		case e.Kind == incident.KindAcked:
			from, to = "open reopened", incident.Acknowledged
		case e.Kind == incident.KindHandoff && strings.HasPrefix(e.Text, "took over") && (state == incident.Open || state == incident.Reopened):
			from, to = "open reopened", incident.Acknowledged
		case e.Kind == incident.KindMitigated:
			from, to = "open reopened acknowledged", incident.Mitigated
		case e.Kind == incident.KindRecovered:
			from, to = "open reopened acknowledged mitigated", incident.Recovered
		case e.Kind == incident.KindResolved, e.Kind == incident.KindMerged && strings.HasPrefix(e.Text, "merged into"):
			from, to = "open reopened acknowledged mitigated recovered", incident.Resolved
		case e.Kind == incident.KindReopened:
			from, to = "recovered resolved", incident.Reopened
		default:
			continue
		}
		if state == "" && from != "" || state != "" && !strings.Contains(" "+from+" ", " "+string(state)+" ") {
			s.t.Errorf("%s was %s when it became %s: %s", inc.ID(), state, to, e.Text)
		}
		state = to
	}
	if state != inc.State {
		s.t.Errorf("%s is %s, and by its timeline %s", inc.ID(), inc.State, state)
	}
}

// paged: every step that fired has its pages, and every page has reached the mail
// server, a second time only with a word about it.
func (s *soak) paged(inc incident.Incident, pages []pager.Page, letters map[string][]letter) {
	s.t.Helper()
	of := map[string]bool{}
	for _, p := range pages {
		of[p.Step] = true
		if p.Update != pager.NoUpdate {
			continue
		}
		if p.State != pager.Delivered {
			s.t.Errorf("%s: the page for %s to %s is %s: %s", inc.ID(), p.Step, p.Person, p.State, p.LastError)
			continue
		}
		sum := sha256.Sum256([]byte(p.Reference()))
		got := letters["<"+hex.EncodeToString(sum[:12])+"@example.org>"]
		if len(got) == 0 {
			s.t.Errorf("%s: the page for %s to %s counts as delivered and has not arrived", inc.ID(), p.Step, p.Person)
		}
		for i, l := range got {
			if i > 0 && !strings.Contains(l.text, "[possible duplicate]") {
				s.t.Errorf("%s: %s got a page again that does not say so: %s", inc.ID(), p.Person, l.text)
			}
		}
	}
	for _, step := range inc.Steps {
		if !step.Fired.IsZero() && !of[step.Name] {
			s.t.Errorf("%s: its step %s fired, and there is no page of it", inc.ID(), step.Name)
		}
	}
}

// once: what people were told is taken was done once, and what they were not told
// of once at most. A page for each declared P0 has arrived, whatever the record says.
func (s *soak) once(all []incident.Incident, notes map[string]int) {
	s.t.Helper()
	titles := map[string]int{}
	for _, inc := range all {
		titles[inc.Title]++
	}
	letters, refused := s.mail.all(), 0
	s.counts["declarations and notes acknowledged"], s.counts["declarations and notes not acknowledged"] = 0, 0
	for _, line := range s.people.said {
		times := notes[line.text]
		if line.declared {
			times = titles[line.text]
		}
		taken := line.d.Acknowledged()
		switch {
		case times > 1:
			s.t.Errorf("%q of %s was done %d times", line.text, line.by, times)
		case taken && times == 0:
			// On a full disk it may be kept and then refused, which has to be said.
			if !s.disk.fullSince(line.at) {
				s.t.Errorf("%q of %s was acknowledged and is nowhere", line.text, line.by)
			}
			refused++
		}
		if taken {
			s.counts["declarations and notes acknowledged"]++
		} else {
			s.counts["declarations and notes not acknowledged"]++
		}
		if times == 1 && line.declared && line.priority == "P0" && !reached(letters, line.text) {
			s.t.Errorf("P0 %q was declared, and no page to the operator has arrived", line.text)
		}
	}
	told := s.slack.Whispered("not recorded", "is full")
	if before := s.counts["declarations and notes refused because the disk was full"]; refused-before > told-s.people.told && !s.people.unsure {
		s.t.Errorf("%d lines were refused because the disk was full, and people were told so %d times", refused-before, told-s.people.told)
	}
	s.counts["declarations and notes refused because the disk was full"], s.people.told = refused, told
	s.counts["pages that arrived"] = len(letters)
	s.counts["pages marked as possible duplicates"] = 0
	for _, l := range letters {
		if strings.Contains(l.text, "[possible duplicate]") {
			s.counts["pages marked as possible duplicates"]++
		}
	}
}

// reached says whether a page with that title, or one that stands for many, came
// to who is on call.
func reached(letters []letter, title string) bool {
	for _, l := range letters {
		if strings.Contains(l.to, "operator@") && (strings.Contains(l.text, title) || strings.Contains(l.text, "pages at once")) {
			return true
		}
	}
	return false
}

// acted: the chain of the audit is whole, and make started no node oftener than
// the requests have steps for it that were begun, each once and once more for each
// time that a person let it go on after a crash.
func (s *soak) acted(db *store.DB, runs []runbook.Run) {
	s.t.Helper()
	var chain audit.Chain
	again := map[string]int{}
	broken := false
	s.must(db.Trail(1, func(e audit.Entry) error {
		if err := chain.Next(e); err != nil && !broken {
			broken = true
			s.t.Errorf("the audit: %v", err)
		}
		if e.Kind == audit.Begun && strings.HasPrefix(e.Text, "goes on") {
			again[e.Request]++
		}
		return nil
	}))
	s.counts["entries of the audit"] = int(chain.Count)
	if len(runs) > s.people.acts {
		s.t.Errorf("people asked for something %d times at most, and there are %d requests", s.people.acts, len(runs))
	}
	may, begun := map[string]int{}, 0
	for _, r := range runs {
		for _, step := range r.Steps {
			words := strings.FieldsFunc(step.Name, func(r rune) bool { return r == ' ' || r == ',' })
			if step.State == runbook.StepPending || step.State == runbook.StepSkipped && step.Started.IsZero() || len(words) == 0 || words[0] != "start" {
				continue
			}
			begun++
			for _, node := range words[1:] {
				may["start_"+node] += 1 + again[r.ID()]
			}
		}
		s.counts["requests "+string(r.State)] = 0
	}
	for _, r := range runs {
		s.counts["requests "+string(r.State)]++
	}
	lines, err := os.ReadFile(s.journal())
	if err != nil && !os.IsNotExist(err) {
		s.t.Fatal(err)
	}
	starts, total := map[string]int{}, 0
	for _, line := range strings.Split(string(lines), "\n") {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "-n" || !strings.HasPrefix(words[0], "start_") {
			continue
		}
		target := words[0]
		if target == "start_core" { // the config calls it core1
			target = "start_core1"
		}
		starts[target]++
		total++
	}
	s.counts["nodes started by irisops"], s.counts["steps that start a node"] = total, begun
	for target, n := range starts {
		if n > may[target] {
			s.t.Errorf("make %s ran %d times, and the record has %d occasions", target, n, may[target])
		}
	}
}
