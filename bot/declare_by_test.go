package bot_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot"
	"irisops/bot/incident"
)

// What the bot declares by itself is an incident like any other: durable with
// its first page when it is said, one for each cause, with a thread.
func TestTheBotDeclares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.stop()
		d := bot.Declaration{Priority: incident.P0, Title: "edge1 refuses logins", Cause: "watch: 3 probes in a row failed", Dedup: "edge1/login"}
		inc, existed, err := s.bot.DeclareBy(t.Context(), d)
		if err != nil || existed {
			t.Fatal(existed, err)
		}
		kept, err := s.db.Incident(inc.Number)
		if err != nil || kept.DeclaredBy != incident.Bot || kept.Cause != d.Cause || kept.Drill {
			t.Errorf("%+v, %v", kept, err)
		}
		if pages, err := s.db.PagesOf(inc.ID()); err != nil || len(pages) != 1 {
			t.Errorf("pages %v, %v", pages, err)
		}
		d.Priority, d.Title = incident.P1, "edge1 still refuses logins"
		again, existed, err := s.bot.DeclareBy(t.Context(), d)
		if err != nil || !existed || again.Number != inc.Number || again.Priority != incident.P0 {
			t.Errorf("the same cause again: %s %s, existed %v, %v", again.ID(), again.Priority, existed, err)
		}
		synctest.Wait()
		for range 2 { // the second time nothing is open to be confirmed
			if err := s.bot.SeemsRecovered(t.Context(), inc.Number, "edge1 lets clients in again"); err != nil {
				t.Error(err)
			}
			s.terminal.Say(t.Context(), "operator", "recovered")
			synctest.Wait()
		}
		s.terminal.Say(t.Context(), "operator", "resolve")
		synctest.Wait()
		if err := s.bot.SeemsRecovered(t.Context(), inc.Number, "edge1 lets clients in again"); err != nil {
			t.Error(err)
		}
		d.Dedup, d.Drill = "", true
		drill, _, err := s.bot.DeclareBy(t.Context(), d)
		if err != nil || !drill.Drill {
			t.Errorf("%+v, %v", drill, err)
		}
		<-time.After(time.Second)
		synctest.Wait()
		for want, times := range map[string]int{
			"INC-1 P0 open: edge1 refuses logins":                                           1,
			"Cause      watch: 3 probes in a row failed":                                    2,
			"INC-1 seems recovered by itself: edge1 lets clients in again. Please confirm.": 1,
			"INC-1 recovered after":                                                         2,
			"DRILL INC-2 P1 open: edge1 still refuses logins":                               1,
		} {
			if got := strings.Count(s.out.String(), want); got != times {
				t.Errorf("%q is said %d times, want %d", want, got, times)
			}
		}
		if t.Failed() {
			t.Log(s.out.String())
		}
	})
}

func TestTheBotDeclaresNothingWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.stop()
		for _, d := range []bot.Declaration{{Priority: "P9", Title: "x"}, {Title: "x"}, {Cluster: "nowhere", Priority: incident.P0, Title: "x"}} {
			if _, _, err := s.bot.DeclareBy(t.Context(), d); err == nil {
				t.Errorf("%+v was declared", d)
			}
		}
		if open, err := s.db.OpenIncidents(); err != nil || len(open) > 0 {
			t.Errorf("%v, %v", open, err)
		}
	})
}
