package soak

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"irisops/bot/slack/slacktest"
)

// kind is what a line does, at most.
type kind int

const (
	sees kind = iota
	tells
	acts
)

// Slack users; responder may not act, guest only sees, and nobody knows stranger.
const (
	operator  = "U01"
	second    = "U02"
	owner     = "U03"
	responder = "U04"
	guest     = "U05"
	stranger  = "U99"
)

// phrase is something that people type now and then: INC, REQ and NODE stand for
// one that there is.
type phrase struct {
	weight int
	kind   kind
	text   string
}

var phrases = []phrase{
	{20, tells, "declare"}, {24, tells, "note"}, // both are counted
	{8, sees, "status"}, {4, sees, "diagnose"}, {3, sees, "diagnose quick"}, {1, sees, "diagnose full"}, {2, sees, "diagnose mnesia"}, {1, sees, "diagnose node NODE"},
	{3, sees, "verify"}, {1, sees, "mnesia"}, {1, sees, "logs NODE -n 20"}, {1, sees, "presence size"}, {1, sees, "messages size"}, {2, sees, "incidents"},
	{1, sees, "oncall"}, {1, sees, "page status"}, {1, sees, "whoami"}, {1, sees, "help restart"}, {1, sees, "stats"}, {1, sees, "audit --since 1h"}, {1, sees, "audit verify"},
	{1, sees, "escalation --incident INC"}, {2, sees, "timeline --incident INC"}, {1, sees, "why-paged --incident INC"}, {1, sees, "why-not-paged --incident INC"},
	{1, sees, "postmortem --incident INC"}, {1, sees, "incidents export INC"}, {1, sees, "restrat edge1"}, {1, sees, "restart edge1 --dry-run"},
	{14, tells, "ack --incident INC"}, {2, tells, "severity P1 --incident INC"}, {1, tells, "severity P0 --incident INC"}, {1, tells, "mitigated --incident INC -- moved users away"},
	{3, tells, "recovered --incident INC"}, {2, tells, `recovered --incident INC --force "seen by eye"`}, {9, tells, "resolve --incident INC -- it was nothing"},
	{2, tells, "reopen --incident INC -- again"}, {1, tells, "merge INC --incident INC"}, {1, tells, "handoff @second --incident INC"}, {1, tells, "accept --incident INC"},
	{1, tells, "stop-paging --incident INC -- all are here"}, {1, tells, "rearm --incident INC -- try again"}, {1, tells, "decline --incident INC -- on a train"},
	{1, tells, "page @second look, please"}, {1, tells, "page test @second"}, {1, tells, "maintenance on 10m trying things"}, {1, tells, "maintenance off"},
	{1, acts, "halt wait a moment"}, {4, acts, "resume-actions"}, {2, acts, "deny REQ not now"}, {6, acts, "approve REQ"}, {8, acts, "confirm REQ"}, {2, acts, "approve"}, {2, acts, "confirm"},
	{5, acts, "restart NODE"}, {2, acts, "start NODE"}, {2, acts, "stop NODE"}, {3, acts, "recover NODE"}, {1, acts, "recover cluster"}, {2, acts, "mesh"}, {1, acts, "gc NODE"}, {1, acts, "backup now"},
	{16, acts, "press"},
}

// said is a line whose effect is counted at the end.
type said struct {
	d        *slacktest.Delivery
	by       string
	declared bool // else it is a note
	priority string
	text     string
	at       time.Time
}

// people are what several people have said.
type people struct {
	said      []said
	incidents int // there are so many at least
	requests  int
	asked     string // who has just asked for an action, and is to agree to it
	acts      int    // lines and buttons that may have become a request
	told      int    // how often somebody was told that the disk is full
	unsure    bool   // whether they were told in this round: Slack failed too, or irisops was killed
}

// talk is called ten times a second, and has somebody say something as often a
// second as it is told, of those kinds.
func (s *soak) talk(often float64, kinds ...kind) {
	s.t.Helper()
	if s.rand.Float64() > often/10 || !s.slack.Connected() {
		return
	}
	if who := s.people.asked; who != "" && slices.Contains(kinds, acts) {
		s.people.asked = ""
		other := second
		if who == second {
			other = operator
		}
		s.say(who, "C0OPS", "confirm")
		s.say(other, "C0OPS", "approve")
		s.counts["commands"] += 2
		return
	}
	var may []phrase
	total := 0
	for _, p := range phrases {
		for _, k := range kinds {
			if p.kind == k {
				may, total = append(may, p), total+p.weight
			}
		}
	}
	at := s.rand.IntN(total)
	for _, p := range may {
		if at -= p.weight; at < 0 {
			s.utter(p)
			return
		}
	}
}

// utter says a phrase, in one of the channels, by a slash command or a mention.
func (s *soak) utter(p phrase) {
	s.t.Helper()
	who := pick(s.rand, operator, operator, operator, second, second, owner, owner, responder)
	channel := pick(s.rand, channels...)
	s.counts["commands"]++
	if p.kind == acts {
		s.people.acts++
	}
	switch p.text {
	case "declare":
		s.declare(who, channel, pick(s.rand, "P0", "P0", "P1", "P2", "P3"))
		return
	case "note":
		if s.people.incidents == 0 {
			return
		}
		text := fmt.Sprintf("soak %05d.", len(s.people.said))
		d := s.say(who, channel, s.filled("note --incident INC -- "+text))
		s.people.said = append(s.people.said, said{d, who, false, "", text, time.Now()})
		return
	case "press":
		s.press(who, channel)
		return
	}
	if s.rand.IntN(8) == 0 { // somebody who may not, mostly
		who = pick(s.rand, guest, stranger)
	}
	s.say(who, channel, s.filled(p.text))
	if first, _, _ := strings.Cut(p.text, " "); slices.Contains([]string{"restart", "start", "stop", "recover", "backup"}, first) && p.kind == acts {
		s.people.asked = who
	}
}

func (s *soak) declare(who, channel, priority string) {
	s.t.Helper()
	text := fmt.Sprintf("soak %05d.", len(s.people.said))
	d := s.say(who, channel, fmt.Sprintf("declare %s %q", priority, text))
	s.people.said = append(s.people.said, said{d, who, true, priority, text, time.Now()})
}

func (s *soak) say(who, channel, words string) *slacktest.Delivery {
	s.t.Helper()
	if s.rand.IntN(3) == 0 {
		return s.slack.MentionAndGoOn(who, channel, nil, words)
	}
	return s.slack.SayAndGoOn(who, channel, "/iris "+words)
}

// press presses a button of one of the last messages.
func (s *soak) press(who, channel string) {
	s.t.Helper()
	newest := s.slack.Newest(channel, 30)
	if len(newest) == 0 {
		return
	}
	on := newest[s.rand.IntN(len(newest))]
	if labels := s.slack.Buttons(on); len(labels) > 0 {
		s.slack.PressAndGoOn(who, on, labels[s.rand.IntN(len(labels))])
		s.counts["buttons pressed"]++
	}
}

// filled puts an incident, a request and a node in a phrase, mostly new ones.
func (s *soak) filled(text string) string {
	for strings.Contains(text, "INC") {
		text = strings.Replace(text, "INC", "inc-"+strconv.Itoa(max(1, s.people.incidents-s.rand.IntN(8))), 1)
	}
	text = strings.ReplaceAll(text, "REQ", fmt.Sprintf("REQ-%d", max(1, s.people.requests+s.rand.IntN(4))))
	return strings.ReplaceAll(text, "NODE", pick(s.rand, "edge1", "edge1", "edge2", "edge2", "core1", "core2"))
}

func pick(r *rand.Rand, of ...string) string { return of[r.IntN(len(of))] }
