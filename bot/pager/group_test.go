package pager

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// 6,000 steps that are due at once are a handful of messages to one person, and
// each page is settled and named.
func TestAStormIsAHandfulOfMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var words []string
		s := begin(t, func(s *stage) {
			s.answer = func(_ context.Context, p Page, _ int) error {
				s.note(&words, p.Words())
				<-time.After(300 * time.Millisecond)
				return nil
			}
		})
		defer s.stop()
		const many = 6000
		var pages []Page
		for i := range many {
			pages = append(pages, Page{Incident: fmt.Sprintf("INC-%d", i+1), Step: "P1/15m", Role: "sre", Person: "second", Channel: "conversation",
				Text: fmt.Sprintf("INC-%d P1 not recovered", i+1), Queued: time.Now(), Due: time.Now(), State: Queued})
		}
		s.add(pages...)
		s.drain.Kick()
		pass(time.Minute)
		if s.sends > many/fetch+2 {
			t.Errorf("%d messages", s.sends)
		}
		for _, p := range pages {
			got := s.page(p)
			if got.State != Delivered || got.Ref == "" {
				t.Fatalf("%+v", got)
			}
		}
		next := 1 // each message names those after the one before
		for _, said := range words {
			var n, from, to int
			if _, err := fmt.Sscanf(said, "%d pages at once, for INC-%d to INC-%d", &n, &from, &to); err != nil || from != next || to-from+1 != n {
				t.Fatalf("after INC-%d: %.100q", next-1, said)
			}
			next = to + 1
		}
		if next != many+1 {
			t.Errorf("%d of %d are named", next-1, many)
		}
	})
}

func TestAFewPagesGoAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, nil)
		defer s.stop()
		s.queue("operator", "P0/0m", "P0/15m", "P0/30m")
		s.drain.Kick()
		pass(time.Second)
		if s.sends != 3 {
			t.Errorf("%d messages", s.sends)
		}
	})
}

// What is sent as one fails as one: each page is given up, in one loud word, and
// each says so.
func TestAGroupThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, func(s *stage) {
			s.answer = func(context.Context, Page, int) error { return Final(errors.New("unknown person")) }
		})
		defer s.stop()
		pages := s.queue("operator", "1", "2", "3", "4", "5")
		s.drain.Kick()
		pass(time.Second)
		for _, p := range pages {
			want(t, "states", s.history(p), Queued, Sending, Failed)
		}
		if s.sends != 1 {
			t.Errorf("%d messages", s.sends)
		}
	})
}

// Word about an earlier page is never hidden in a group, and keeps its reference.
func TestUpdatesGoAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := begin(t, nil)
		defer s.stop()
		var updates []Page
		for _, p := range s.queue("operator", "1", "2", "3", "4", "5", "6") {
			updates = append(updates, p.About(Acknowledged, "acknowledged", time.Now()))
		}
		s.add(updates...)
		s.drain.Kick()
		pass(time.Second)
		if s.sends != 1+len(updates) {
			t.Errorf("%d messages", s.sends)
		}
		for _, u := range updates {
			if got := s.page(u); got.State != Delivered || got.Ref != u.Ref || KeyOf(got.Ref) != "INC-7/"+strings.TrimSuffix(u.Step, "+acknowledge")+"/role of operator/conversation" {
				t.Errorf("%+v", got)
			}
		}
	})
}

func TestEveryIncidentOfAGroupIsNamed(t *testing.T) {
	var pages []Page
	for _, n := range []int{3, 1, 2, 9, 12, 11, 1} {
		pages = append(pages, Page{Incident: fmt.Sprintf("INC-%d", n)})
	}
	pages = append(pages, Page{})
	if got, want := named(pages), "INC-1 to INC-3, INC-9, INC-11, INC-12, no incident"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// The most urgent are quoted, though they came last.
func TestTheMostUrgentAreQuoted(t *testing.T) {
	var pages []Page
	for n := range 30 {
		priority := "P3"
		if n >= 28 {
			priority = "P0"
		}
		pages = append(pages, Page{Incident: fmt.Sprintf("INC-%d", n+1), Step: priority + "/0m", Text: fmt.Sprintf("INC-%d %s: it is down\nmore", n+1, priority)})
	}
	got := groupText(pages)
	if !strings.HasPrefix(got, "30 pages at once, for INC-1 to INC-30\nINC-29 P0: it is down\nINC-30 P0: it is down\nINC-1 P3") || !strings.HasSuffix(got, "and 20 more of those named above; `status` shows each.") {
		t.Error(got)
	}
}
