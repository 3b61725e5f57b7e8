package bot

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"irisops/actions"
	"irisops/bot/change"
	"irisops/bot/command"
	"irisops/bot/incident"
	"irisops/bot/message"
	"irisops/bot/pager"
)

// pagingWords call people, and say how that goes.
var pagingWords = []word{
	{command.Spec{Words: "page", Class: actions.Tell, Group: onCallGroup, Summary: "call a person, by each of their channels until one works",
		Example: "page @second please look at edge1",
		Params: []actions.Param{
			{Name: "person", Kind: actions.Person, Doc: "whom to call", Example: "@second"},
			{Name: "text", Kind: actions.Text, Doc: "what they read", Example: "please look at edge1"}}}, page},
	{command.Spec{Words: "page test", Class: actions.Tell, Group: onCallGroup, Summary: "try every channel of a person, or of everyone on call",
		Example: "page test @second", Params: []actions.Param{{Name: "person", Kind: actions.Person, Optional: true, Doc: "whom to call; everyone on call if left out", Example: "@second"}}}, pageTest},
	{command.Spec{Words: "page status", Class: actions.See, Group: onCallGroup, Summary: "pages under way and the last ones, and whether paging is well", Example: "page status"}, pageStatus},
	{command.Spec{Words: "decline", Class: actions.Tell, Group: onCallGroup, Summary: "you cannot take it: the next person is called at once", Example: "decline I am on a train",
		Long: "Whom the next step of the escalation would page is called now, and again when it is due; if there is nobody left, everyone else on call is paged. " +
			"If you had it, nobody has it any more. If you were asked to take it over, it stays with whoever has it, and they are told. It is recorded.",
		Params: []actions.Param{{Name: "reason", Kind: actions.Text, Optional: true, Doc: "why not", Example: "I am on a train"}}}, decline},
}

const (
	directStep = "page/"
	testStep   = "test/"
)

// mark of a delivery, short enough for the name of a step.
func stepMark(delivery string) string {
	sum := sha256.Sum256([]byte(delivery))
	return hex.EncodeToString(sum[:6])
}

func page(c *call) error {
	person := c.args["person"]
	p := pager.Page{Step: directStep + stepMark(c.d.ID), Role: "direct", Person: person, Queued: c.now, Due: c.now,
		Text: fmt.Sprintf("%s pages you: %s", c.who.ID, c.args["text"])}
	channels := strings.Join(channelNames(c.roster().Channels(person)), ", then by ")
	m := message.Message{Level: message.OK, Title: fmt.Sprintf("Paging %s by %s.", person, channels),
		Buttons: []message.Button{{Label: "Show Pages", Words: "page status"}}}
	id := firstOf(c.args["incident"], c.d.Incident)
	if id == "" {
		if err := c.Store.Commit(c.ctx, change.Change{Pages: c.roster().Direct(p), Delivery: c.d.ID}); err != nil {
			return err
		}
		c.reply(m)
		c.drain.Kick()
		return nil
	}
	number, err := numberOf(id)
	if err != nil {
		return err
	}
	p.Incident = incident.ID(number)
	noted := incident.Noted{By: c.who.ID, Kind: incident.KindPage, Text: fmt.Sprintf("pages %s: %s", person, c.args["text"])}
	inc, err := c.amend(c.ctx, number, c.now, []incident.Event{noted}, func(ch *change.Change) error {
		ch.Pages = append(ch.Pages, c.roster().Direct(p)...)
		return c.mark(ch)
	})
	if err != nil {
		return whyNot(inc, err)
	}
	c.replyIn(inc.ID(), m)
	c.drain.Kick()
	return nil
}

// pageTest sends a page by every channel of a person at once, none as a way out
// for another: each has to work.
func pageTest(c *call) error {
	r := c.roster()
	people := []string{c.args["person"]}
	if people[0] == "" {
		if people = r.Everyone(c.now); len(people) == 0 {
			return &actions.Error{Code: "nobody-on-call", Text: "Nobody is on call, so nobody can be tested.", Hint: "Name a person: `page test @operator`."}
		}
	}
	step := testStep + stepMark(c.d.ID)
	var pages []pager.Page
	for _, person := range people {
		for _, channel := range r.Channels(person) {
			pages = append(pages, pager.Page{Step: step, Role: "test:" + person, Person: person, Channel: channel, State: pager.Queued, Queued: c.now, Due: c.now,
				Text: fmt.Sprintf("Test page from %s: nothing is wrong, and there is nothing to do.", c.who.ID)})
		}
	}
	if err := c.Store.Commit(c.ctx, change.Change{Pages: pages, Delivery: c.d.ID}); err != nil {
		return err
	}
	c.post(Post{Key: testKey(step), Message: testMessage(pages)})
	c.drain.Kick()
	return nil
}

// tellAsker brings the answer to `page` and `page test` up to date.
func (b *Bot) tellAsker(p pager.Page) {
	switch {
	case strings.HasPrefix(p.Step, testStep):
		pages, err := b.Store.PagesOf("/" + p.Step)
		if err != nil {
			b.log.Error("a test page could not be told of", "page", p.Key(), "err", err)
			return
		}
		b.publish(b.ctx, Post{Key: testKey(p.Step), Message: testMessage(pages)})
	case strings.HasPrefix(p.Step, directStep) && p.Incident == "" && p.State == pager.Delivered:
		b.publish(b.ctx, Post{Key: p.Step + "/the page", Message: message.Message{Level: message.OK, Title: fmt.Sprintf("Paged %s %s.", p.Person, byChannel(p.Channel))}})
	}
}

func testKey(step string) string { return step + "/the test page" }

func testMessage(pages []pager.Page) message.Message {
	var list message.Checklist
	failed, waiting := 0, 0
	for _, p := range pages {
		item := message.Item{Text: fmt.Sprintf("%s %s", p.Person, byChannel(p.Channel))}
		switch p.State {
		case pager.Delivered:
			item.State, item.Note = message.Done, fmt.Sprintf("delivered after %s", spoken(p.Sent.Sub(p.Queued)))
		case pager.Failed:
			item.State, item.Note = message.Failed, p.LastError
			failed++
		default:
			item.State, item.Note = message.Running, firstOf(p.LastError, "under way")
			waiting++
		}
		if p.PossibleDuplicate {
			item.Note += ", possible duplicate"
		}
		list.Items = append(list.Items, item)
	}
	m := message.Message{Level: message.OK, Title: fmt.Sprintf("Test page delivered by all of %s.", plural(len(pages), "channel")), Blocks: []message.Block{{Checklist: &list}}}
	switch {
	case failed > 0:
		m.Level, m.Title = message.Critical, fmt.Sprintf("Test page NOT delivered by %d of %s.", failed, plural(len(pages), "channel"))
		m.Blocks = append(m.Blocks, message.Block{Text: "Mend that before it is needed: docs/paging.md says what each error means."})
	case waiting > 0:
		m.Level, m.Title = message.Info, fmt.Sprintf("Test page under way by %s.", plural(len(pages), "channel"))
	}
	return m
}

// recentPages is how many of the last pages are shown.
const recentPages = 12

func pageStatus(c *call) error {
	open, err := c.Store.OpenIncidents()
	if err != nil {
		return err
	}
	last, err := c.Store.LastIncidents(10)
	if err != nil {
		return err
	}
	ids := []string{""}
	for _, inc := range append(open, last...) {
		if !slices.Contains(ids, inc.ID()) {
			ids = append(ids, inc.ID())
		}
	}
	var pages []pager.Page
	for _, id := range ids {
		of, err := c.Store.PagesOf(id)
		if err != nil {
			return err
		}
		pages = append(pages, slices.DeleteFunc(of, func(p pager.Page) bool { return p.Update != pager.NoUpdate })...)
	}
	slices.SortStableFunc(pages, func(a, b pager.Page) int { return b.Queued.Compare(a.Queued) })
	waiting, failed := 0, 0
	var rows [][]string
	for i, p := range pages {
		pending := p.State == pager.Queued || p.State == pager.Sending
		if pending {
			waiting++
		}
		if p.State == pager.Failed && c.now.Sub(p.Queued) < 24*time.Hour {
			failed++
		}
		if i < recentPages || pending && len(rows) < 3*recentPages {
			rows = append(rows, []string{c.clock(p.Queued, c.now), firstOf(p.Incident, "-"), firstOf(p.Person, "everybody"), pager.Spoken(p.Channel), pageState(p), p.LastError})
		}
	}
	m := message.Message{Level: message.OK, Title: "Paging is well: no page waits."}
	switch {
	case waiting > 0 && failed > 0:
		m.Level, m.Title = message.Warn, fmt.Sprintf("%s under way; %d failed in the last day.", plural(waiting, "page"), failed)
	case waiting > 0:
		m.Level, m.Title = message.Info, plural(waiting, "page")+" under way."
	case failed > 0:
		m.Level, m.Title = message.Warn, plural(failed, "page")+" failed in the last day."
	}
	m.Blocks = []message.Block{{Fields: c.watchFields()}}
	if len(rows) > 0 {
		m.Blocks = append(m.Blocks, message.Block{Table: &message.Table{Header: []string{"WHEN", "INCIDENT", "WHO", "BY", "STATE", "WHY"}, Rows: rows}})
	}
	c.reply(m)
	return nil
}

func pageState(p pager.Page) string {
	s := string(p.State)
	if p.PossibleDuplicate {
		s += ", possible duplicate"
	}
	if p.Together() {
		s += ", together with others"
	}
	return s
}
