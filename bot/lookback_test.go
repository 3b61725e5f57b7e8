package bot_test

import (
	"bytes"
	"encoding/json"
	"image/png"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot"
	"irisops/bot/console"
	"irisops/bot/inbox"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// ask says something and returns the answer; empty if it was not answered by a
// message of its own.
func (s *stage) ask(who, text string) message.Message {
	return s.send(inbox.Delivery{Caller: "demo:" + who, Text: text})
}

func (s *stage) send(d inbox.Delivery) message.Message {
	s.t.Helper()
	room := &posts{}
	s.bot.Join(room)
	defer s.bot.Leave(room)
	s.asked++
	d.ID, d.Via, d.Received = "asked/"+string(rune('a'+s.asked)), "terminal", time.Now()
	s.bot.Handle(s.t.Context(), d).Wait()
	synctest.Wait()
	for i := len(room.all) - 1; i >= 0; i-- {
		if room.all[i].Key == "reply/"+d.ID {
			return room.all[i].Message
		}
	}
	return message.Message{}
}

func (s *stage) pass(d time.Duration) {
	<-time.After(d) // fake time
	synctest.Wait()
}

func TestLookingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.stop()
		if m := s.ask("operator", "stats"); !strings.HasPrefix(m.Title, "There were no incidents") {
			t.Errorf("at first: %q", m.Title)
		}
		if m := s.ask("operator", "incidents"); m.Title != "Incidents: none." {
			t.Errorf("at first: %q", m.Title)
		}
		s.cluster.set("edge1", "down")
		s.ask("operator", `declare P0 "no clients can connect"`)
		s.pass(2 * time.Minute)
		s.ask("second", "ack")
		s.ask("second", "restart edge1")
		s.ask("second", "confirm")
		s.pass(time.Minute)
		s.ask("second", "recovered")
		s.ask("second", "resolve")
		if _, _, err := s.bot.DeclareBy(t.Context(), bot.Declaration{Priority: incident.P0, Title: "failover", Drill: true}); err != nil {
			t.Fatal(err)
		}
		s.pass(time.Second)

		m := s.ask("operator", "stats --last 30d")
		if m.Title != "1 incident in the last 30 days, drills and duplicates left out." {
			t.Errorf("stats: %q", m.Title)
		}
		if row := strings.Join(m.Blocks[0].Table.Rows[0], "|"); row != "Jan 2000|P0|1|0|0|2 minutes|2 minutes|3 minutes|3 minutes" {
			t.Errorf("stats: %s", row)
		}
		files := console.Files(m)
		if len(files) != 1 || files[0].Name != "stats-2000-01-01.png" {
			t.Fatalf("files %+v", files)
		}
		if _, err := png.Decode(bytes.NewReader(files[0].Bytes)); err != nil {
			t.Errorf("the picture: %v", err)
		}

		m = s.ask("operator", "postmortem --incident INC-1")
		files = console.Files(m)
		if len(files) != 1 || files[0].Name != "postmortem-INC-1.md" {
			t.Fatalf("%+v", m)
		}
		for _, want := range []string{"# INC-1: no clients can connect", "REQ-1 Restart edge1: done", "| stop edge1 | done |", "P0/0m", "P0/15m", "because second called it recovered", "acknowledged after 2m0s"} {
			if !strings.Contains(string(files[0].Bytes), want) {
				t.Errorf("the post-mortem lacks %q:\n%s", want, files[0].Bytes)
			}
		}
		m = s.ask("operator", "incidents export INC-1")
		var whole struct {
			ID       string
			State    string
			Runs     []map[string]any
			Pages    []map[string]any
			Timeline []map[string]any
		}
		if err := json.Unmarshal(console.Files(m)[0].Bytes, &whole); err != nil || whole.ID != "INC-1" || whole.State != "resolved" ||
			len(whole.Runs) != 1 || len(whole.Pages) != 1 || len(whole.Timeline) < 8 {
			t.Errorf("export: %+v, %v", whole, err)
		}
		for words, want := range map[string]string{
			"incidents":                   "Incidents: 2.",
			"incidents --open":            "Open incidents: 1.",
			"incidents --last 30d":        "Incidents of the last 30 days: 2.",
			"incidents --last 2m":         "Incidents of the last 2 minutes: 1.",
			"incidents export INC-9":      "There is no INC-9.",
			"postmortem --incident INC-2": "The post-mortem of INC-2 as far as it goes: it is open, not resolved.",
		} {
			if m := s.ask("operator", words); m.Title != want {
				t.Errorf("%s: %q, want %q", words, m.Title, want)
			}
		}
	})
}

// A message of the thread that somebody pins comes into the timeline, with who
// said it, and with its pictures where they stand.
func TestPinnedMessagesAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		defer s.stop()
		s.ask("operator", `declare P0 "no clients can connect"`)
		s.pass(time.Minute)
		d := inbox.Delivery{Caller: "demo:second", Text: "note", Incident: "INC-1", Pinned: &inbox.Pinned{By: "demo:owner", At: time.Now().Add(-10 * time.Second),
			Text: "the light is red --force", Link: "https://example.org/p/1", Files: []inbox.File{{Name: "rack4.jpg", MediaType: "image/jpeg", Size: 210_000, Link: "https://example.org/f/1"}}}}
		if m := s.send(d); m.Title != "Noted in the timeline of INC-1." {
			t.Errorf("%q", m.Title)
		}
		d.Pinned = &inbox.Pinned{By: "slack:U99", At: time.Now(), Files: d.Pinned.Files}
		s.send(d)
		entries, err := s.db.Timeline(1)
		if err != nil {
			t.Fatal(err)
		}
		first, last := entries[len(entries)-2], entries[len(entries)-1]
		if first.By != "second" || first.Text != "owner said at 00:00:50: the light is red --force" || len(first.Attachments) != 2 ||
			first.Attachments[1] != (incident.Attachment{Name: "rack4.jpg", MediaType: "image/jpeg", Size: 210_000, Link: "https://example.org/f/1"}) {
			t.Errorf("%+v", first)
		}
		if last.Text != "slack:U99 said at 00:01:00: 1 file" || len(last.Attachments) != 1 {
			t.Errorf("%+v", last)
		}
		if m := s.ask("operator", "note"); m.Title != "The note is empty." {
			t.Errorf("%q", m.Title)
		}
		if m := s.ask("operator", "timeline"); !strings.Contains(m.Blocks[0].Table.Rows[len(entries)-2][2], "[rack4.jpg https://example.org/f/1]") {
			t.Errorf("%v", m.Blocks[0].Table.Rows)
		}
	})
}
