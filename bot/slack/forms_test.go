package slack_test

import (
	"strings"
	"testing"

	"irisops/bot"
	"irisops/bot/message"
	"irisops/bot/slack"
	"irisops/bot/slack/slacktest"
)

// Every command that needs more than its name is asked for with a form; what is
// wrong is said at the field; what is filled in is done once, as if it was typed.
func TestForms(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	l := live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.Say(operator, ops, "/iris declare")
	form := s.ExpectForm(operator, "Declare", "Priority", "P0", "P3", "Title", "Symptoms")
	s.Submit(form, map[string]string{"priority": "P1", "title": "   "})
	s.ExpectErrorAt(form, "title", "This is needed.")
	if s.Closed(form) {
		t.Error("a form with a fault is gone")
	}
	s.DeliverTwice()
	s.Submit(form, map[string]string{"priority": "P1", "title": `slow "logins"`, "symptoms": "timeouts\nsince 10:40"}).Again()
	parent := s.ExpectPost(ops, `INC-1 P1 open: slow "logins"`)
	s.ExpectInThread(parent, "all 3 nodes answer")
	if !s.Closed(form) {
		t.Error("the form is still there")
	}
	entries, err := l.db.Timeline(1)
	if err != nil || len(entries) < 2 || entries[1].Text != "symptoms: timeouts since 10:40" {
		t.Errorf("%v %v", entries, err)
	}

	// By mention Slack opens no form: it is offered.
	s.Mention(operator, ops, parent, "restart")
	offer := s.ExpectEphemeral(operator, "`restart` needs a target", "For example: `restart edge1`", "[Fill In a Form]")
	s.ClickEphemeral(operator, offer, "Fill In a Form")
	form = s.ExpectForm(operator, "Restart", "Target", "edge1", "core", "all")
	s.Submit(form, map[string]string{"target": "edge1"})
	run := s.ExpectInThread(parent, "REQ-1 ready: Restart edge1")
	s.Click(operator, run, "Confirm")
	s.ExpectEdited(run, "REQ-1 done")

	// Who may not is told so, and shown no form; a form too late says what to type.
	s.Say(guest, ops, "/iris declare")
	s.ExpectEphemeral(guest, "Refused", "`declare` needs a priority")
	s.SlowTriggers()
	s.Say(operator, ops, "/iris declare")
	s.ExpectEphemeral(operator, "The form could not be opened", "For example: `declare P0")
	s.NothingElse()
}

// Each cluster has its channel; what is said there is about it, and its incidents
// are shown there.
func TestChannelsOfClusters(t *testing.T) {
	t.Parallel()
	const eu = "C0EU"
	s := slacktest.New(t, ops, eu, onCall)
	main, other := newWorld(), newWorld()
	other.set("edge2", "down")
	clusters := append(main.served(), other.served()...)
	clusters[1].Name = "eu"
	live(t, setting{api: s.API(), clusters: clusters, onCall: onCall, places: []slack.Place{{Channel: ops, Cluster: "main"}, {Channel: eu, Cluster: "eu"}}})

	s.Say(operator, eu, "/iris diagnose")
	s.ExpectPost(eu, "edge2 down", "[Restart edge2]")
	s.Say(operator, ops, "/iris diagnose")
	s.ExpectPost(ops, "all 3 nodes answer")
	s.Say(operator, ops, "/iris declare P0 \"eu is slow\" --cluster eu") // said in the other channel
	parent := s.ExpectPost(eu, "INC-1 P0 open: eu is slow", "eu")
	s.ExpectPost(onCall, "PAGE", "INC-1")
	s.ExpectInThread(parent, "PAGE", "INC-1")
	s.ExpectInThread(parent, "edge2 down")
	s.Mention(operator, eu, parent, "restart edge2")
	run := s.ExpectInThread(parent, "REQ-1 ready: Restart edge2")
	s.Click(operator, run, "Confirm")
	s.ExpectEdited(run, "REQ-1 done")
	s.Say(operator, ops, "/iris restart edge1")
	s.ExpectPost(ops, "REQ-2 ready: Restart edge1")
	s.Say(operator, eu, "/iris declare")
	form := s.ExpectForm(operator, "Cluster", "main", "eu")
	s.Submit(form, map[string]string{"priority": "P2", "title": "here", "cluster": "main"})
	second := s.ExpectPost(ops, "INC-2 P2 open: here")
	s.ExpectInThread(second, "all 3 nodes answer")
	s.NothingElse()
}

// Whoever comes from another workspace is not heard.
func TestForeignTeam(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	live(t, setting{api: s.API(), clusters: newWorld().served()})
	s.Say(operator, ops, "/iris whoami")
	s.ExpectPost(ops, "operator")
	s.Deliver("events_api", map[string]any{"type": "event_callback", "event_id": "Ev9", "team_id": "T0TEAM",
		"event":          map[string]any{"type": "app_mention", "user": operator, "user_team": "T0OTHER", "text": "<@U0IRIS> halt now", "ts": "1.1", "channel": ops},
		"authorizations": []any{map[string]any{"user_id": slacktest.BotUser}}})
	s.NothingElse()
}

// A button that changes something works once, for whoever is first, and is then
// gone for everybody; who may not does not use it up.
func TestButtonsWorkOnce(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	c := newWorld()
	c.set("edge1", "down")
	live(t, setting{api: s.API(), clusters: c.served()})
	s.Say(operator, ops, "/iris diagnose")
	answer := s.ExpectPost(ops, "edge1 down", "[Restart edge1]")
	s.Click(guest, answer, "Restart edge1")
	s.ExpectEphemeral(guest, "Refused", "needs operator")
	stale := s.Copy(answer)
	s.Click(operator, answer, "Restart edge1")
	s.ExpectInThread(answer, "REQ-1 ready: Restart edge1")
	s.ExpectEdited(answer, "Restart edge1: pressed by operator.")
	if left := s.Buttons(answer); len(left) != 0 {
		t.Errorf("there is still %q", left)
	}
	s.Click(second, stale, "Restart edge1") // whose screen is old
	s.ExpectEphemeral(second, "This was pressed already", "pressed by operator")
	s.NothingElse()
}

// What is too long, or folded, is shown below when somebody asks for it, once and
// for everybody; a file that a message holds is shown as one.
func TestShowMore(t *testing.T) {
	t.Parallel()
	s := slacktest.New(t, ops)
	long := strings.Repeat("a line of the log that says <nothing> & more\n", 400)
	l := live(t, setting{api: s.API(), clusters: newWorld().served()})
	publish := func(key string, m message.Message) *slacktest.Message {
		t.Helper()
		if err := l.room.Publish(t.Context(), bot.Post{Key: key, Message: m}); err != nil {
			t.Fatal(err)
		}
		return s.ExpectPost(ops, m.Title)
	}
	m := publish("a", message.Message{Title: "long", Blocks: []message.Block{{Code: &message.Code{Text: long}}}})
	s.Click(stranger, m, "Show More")
	s.ExpectEphemeral(stranger, "U99")
	s.LoseAnswer("files.completeUploadExternal", 1)
	s.Click(guest, m, "Show More").Again()
	file := s.ExpectInThread(m, "[file answer.txt]")
	if got := s.FileIn(file); !strings.Contains(got, strings.TrimSpace(long)) {
		t.Errorf("the file holds %d bytes", len(got))
	}
	s.ExpectEdited(m, "all of it is shown below")
	folds := publish("b", message.Message{Title: "folds", Blocks: []message.Block{
		{Fold: &message.Fold{Title: "core", Blocks: []message.Block{{Code: &message.Code{Text: strings.Repeat("healthy\n", 100)}}}}},
		{Fold: &message.Fold{Title: "short", Blocks: []message.Block{{Text: "shown at once"}}}}}})
	if shown := s.Shown(folds); !strings.Contains(shown, "100 lines, folded") || !strings.Contains(shown, "shown at once") {
		t.Error(shown)
	}
	s.Click(guest, folds, "Show Evidence")
	s.ExpectInThread(folds, "Evidence: folds", "healthy")
	s.ExpectEdited(folds, "The evidence is shown below.")
	s.LoseAnswer("files.getUploadURLExternal", 1)
	kept := publish("c", message.Message{Title: "kept", Blocks: []message.Block{{File: &message.File{Name: "postmortem-INC-7.md", MediaType: "text/markdown", Bytes: []byte("# what happened")}}}})
	if shown := s.Shown(kept); !strings.Contains(shown, "postmortem-INC-7.md, 15 bytes") {
		t.Error(shown)
	}
	if got := s.FileIn(s.ExpectPost(ops, "[file postmortem-INC-7.md]")); got != "# what happened" {
		t.Error(got)
	}
	s.NothingElse()
}
