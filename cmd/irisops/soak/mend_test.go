package soak

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"irisops/actions/approval"
	"irisops/actions/edge"
	"irisops/actions/erlang/term"
	"irisops/actions/lab"
	"irisops/actions/runbook"
	"irisops/bot/console"
	"irisops/store"
)

// record opens a copy of the database that irisops makes, and closes it again.
// It says whether there was one.
func (s *soak) record(look func(db *store.DB) error) bool {
	s.t.Helper()
	file := filepath.Join(s.dir, "copy.db")
	f, err := os.Create(file)
	s.must(err)
	ctx, cancel := context.WithTimeout(s.t.Context(), 10*time.Second)
	defer cancel()
	_, err = console.Copy(ctx, s.socket, f)
	f.Close()
	if err != nil {
		return false
	}
	db, err := store.Open(file, store.Options{})
	if err != nil {
		s.t.Fatalf("the copy of the database is not whole: %v", err)
	}
	defer db.Close()
	s.must(look(db))
	return true
}

// mend lifts what is still broken, and has people mend the cluster with the words
// that irisops has for it.
func (s *soak) mend() {
	s.t.Helper()
	began := time.Now()
	s.until("irisops listens to Slack again", time.Minute, s.slack.Connected)
	if st, err := s.lab.Status(s.t.Context()); err == nil {
		for _, n := range st.Nodes {
			if n.State == lab.Paused {
				s.must(s.lab.Resume(s.t.Context(), n.Short))
			}
		}
	}
	if s.parted {
		s.until("the network heals", time.Minute, func() bool { _, err := s.lab.Heal(s.t.Context()); return err == nil })
		s.parted = false
	}
	last := ""
	if !s.comes(3*time.Minute, func() bool { last = s.amiss(); return last == "" }) {
		s.t.Fatalf("people cannot mend it with irisops: %s", last)
	}
	s.counts["seconds that mending took"] += int(time.Since(began).Seconds())
}

// amiss says what is still wrong, after it has had somebody do something about it.
func (s *soak) amiss() string {
	s.t.Helper()
	var runs []runbook.Run
	halted := false
	if !s.record(func(db *store.DB) error {
		h, err := db.Halted()
		if err != nil {
			return err
		}
		halted = h != nil
		runs, err = db.Runs(runbook.Waiting, runbook.Running, runbook.Uncertain)
		return err
	}) {
		return "irisops does not answer on its socket"
	}
	if halted {
		s.order(operator, "resume-actions")
		return "everything is halted"
	}
	for _, r := range runs {
		switch r.State {
		case runbook.Running:
			return r.ID() + " is being carried out"
		case runbook.Uncertain:
			if s.rand.IntN(2) == 0 {
				s.counts["interrupted requests that went on"]++
				s.agree(r)
				return r.ID() + " was interrupted"
			}
			s.counts["interrupted requests given up"]++
		}
		s.order(owner, "deny "+r.ID()+" tidying up")
	}
	if len(runs) > 0 {
		return fmt.Sprintf("%d requests wait", len(runs))
	}
	st, err := s.lab.Status(s.t.Context())
	s.must(err)
	for _, n := range st.Nodes {
		if n.State != lab.Running {
			s.have("recover cluster")
			return fmt.Sprintf("%s is %s", n.Short, n.State)
		}
	}
	if s.split() {
		s.have("recover split-brain --loser core2")
		return "the cores run apart"
	}
	if err := s.served(); err != nil {
		s.have("recover cluster")
		return err.Error()
	}
	return ""
}

// split says that the cores' Mnesia do not run together.
func (s *soak) split() bool {
	for _, short := range []string{"core1", "core2"} {
		n, err := s.lab.Node(short)
		s.must(err)
		ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
		reply, err := s.link.Call(ctx, n.Name, "mnesia", "system_info", term.Atom("running_db_nodes"))
		cancel()
		if running, ok := term.AsList(reply); err == nil && ok && len(running) < 2 {
			return true
		}
	}
	return false
}

// served says why clients are not served on both edges.
func (s *soak) served() error {
	for _, short := range []string{"edge1", "edge2"} {
		n, err := s.lab.Node(short)
		s.must(err)
		ctx, cancel := context.WithTimeout(s.t.Context(), 5*time.Second)
		_, err = edge.NewProber(nil).Offline(ctx, fmt.Sprintf("127.0.0.1:%d", n.Port), "soak-probe-a", s.clients.user("probe"))
		cancel()
		if err != nil {
			return fmt.Errorf("%s: %w", short, err)
		}
	}
	return nil
}

// order has somebody say something, and waits until it is answered.
func (s *soak) order(who, words string) {
	s.t.Helper()
	s.counts["commands to mend"]++
	d := s.slack.SayAndGoOn(who, "C0OPS", "/iris "+words)
	s.until("the answer to "+words, 2*time.Minute, func() bool {
		return d.Acknowledged() && s.idle()
	})
}

// idle says that nothing which was said is still being carried out.
func (s *soak) idle() (idle bool) {
	return s.record(func(db *store.DB) error {
		left, err := db.Unanswered()
		idle = len(left) == 0
		return err
	}) && idle
}

// have has the operator ask for an action, lets it run with whoever has to agree,
// and waits until it has ended.
func (s *soak) have(words string) {
	s.t.Helper()
	s.people.acts++
	before := s.newest().Number
	s.order(operator, words)
	if run := s.newest(); run.Number > before {
		s.agree(run)
	}
}

func (s *soak) newest() (run runbook.Run) {
	s.t.Helper()
	s.until("the record", time.Minute, func() bool {
		return s.record(func(db *store.DB) error {
			runs, err := db.LastRuns(1)
			if len(runs) > 0 {
				run = runs[0]
			}
			return err
		})
	})
	return run
}

// agree lets a request run, or go on.
func (s *soak) agree(run runbook.Run) {
	s.t.Helper()
	switch {
	case run.Approval.Needs == approval.Confirmation && run.State == runbook.Waiting:
		s.order(personOf(run.By), "confirm "+run.ID())
	case run.Approval.Needs == approval.Confirmation:
		s.order(operator, "confirm "+run.ID())
	case run.By == "second":
		s.order(operator, "approve "+run.ID())
	default:
		s.order(second, "approve "+run.ID())
	}
	s.until(run.ID()+" ends", 3*time.Minute, func() bool {
		over := false
		s.record(func(db *store.DB) error {
			now, err := db.Run(run.Number)
			over = now.State != runbook.Running
			return err
		})
		return over
	})
}

// personOf is the Slack user of a person.
func personOf(id string) string {
	return map[string]string{"operator": operator, "second": second, "owner": owner, "responder": responder}[id]
}
