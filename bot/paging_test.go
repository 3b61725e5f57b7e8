package bot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/bot/pager"
	"irisops/bot/pager/link"
	"irisops/store"
)

// far is a far end that takes pages, or does not.
type far struct {
	channel string
	mu      sync.Mutex
	fails   error
	taken   []pager.Page
}

func (f *far) Channel() string { return f.channel }
func (f *far) Follows() bool   { return true }
func (f *far) Send(_ context.Context, p pager.Page) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fails != nil {
		return f.fails
	}
	f.taken = append(f.taken, p)
	return nil
}

func (f *far) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = err
}

func (f *far) pages() []pager.Page {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.taken)
}

func (f *far) said() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, p := range f.taken {
		all = append(all, fmt.Sprintf("%s%s to %s: %s", p.Update, p.Step, p.Person, strings.ReplaceAll(p.Words(), "\n", " / ")))
	}
	return strings.Join(all, "\n")
}

// paging is a bot whose people are paged by mail first, then by PagerDuty. Every
// page that arrives has to be expected, and every one that is expected to arrive:
// stop compares them.
type paging struct {
	t          *testing.T
	db         *store.DB
	bot        *bot.Bot
	room       *posts
	mail, duty *far
	said       int
	expected   []string // "mail P0/0m operator"
}

func newPaging(t *testing.T) *paging {
	t.Helper()
	room := &posts{}
	return newPagingIn(t, room, room, map[string][]string{"operator": {"mail", "pagerduty"}, "second": {"mail", "pagerduty"}, "owner": {"pagerduty"}})
}

// newPagingIn has a room that keeps what is said in kept, and the contacts.
func newPagingIn(t *testing.T, room bot.Room, kept *posts, contacts map[string][]string) *paging {
	t.Helper()
	p := &paging{t: t, room: kept, mail: &far{channel: "mail"}, duty: &far{channel: "pagerduty"}}
	var err error
	if p.db, err = store.Open(t.TempDir()+"/irisops.db", store.Options{}); err != nil {
		t.Fatal(err)
	}
	cluster := newFakeCluster()
	p.bot, err = bot.New(bot.Options{
		Store: p.db, Rooms: []bot.Room{room}, Senders: []pager.Sender{p.mail, p.duty},
		Access: access.Policy{People: access.DemoPeople(), Demo: true},
		OnCall: oncall.Roster{Roles: map[string]string{"primary": "operator", "sre": "second", "owner": "owner"},
			Contacts: contacts},
		Policies: map[incident.Priority]escalation.Policy{incident.P0: {Steps: []escalation.PolicyStep{{Role: "primary"}, {After: 15 * time.Minute, Role: "sre"}, {After: 30 * time.Minute, Role: "owner"}}},
			incident.P1: {Respond: 15 * time.Minute, Steps: []escalation.PolicyStep{{Overdue: true, Role: "primary", Unless: incident.UnlessAcknowledged}}}},
		Clusters: []bot.Cluster{{Name: "main", Actions: cluster.actions(), Summary: cluster.summary}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.bot.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// expect names pages that arrive, each once for each time that it is named.
func (p *paging) expect(pages ...string) { p.expected = append(p.expected, pages...) }

func (p *paging) stop() {
	var got []string
	for _, f := range []*far{p.mail, p.duty} {
		for _, page := range f.pages() {
			if page.Update == pager.NoUpdate {
				got = append(got, fmt.Sprintf("%s %s %s", f.channel, page.Step, page.Person))
			}
		}
	}
	for _, key := range p.room.keys() {
		if strings.HasPrefix(key, "page/") {
			got = append(got, "conversation "+key)
		}
	}
	slices.Sort(got)
	slices.Sort(p.expected)
	if !slices.Equal(got, p.expected) {
		p.t.Errorf("these pages arrived:\n%s\nand these were expected:\n%s", strings.Join(got, "\n"), strings.Join(p.expected, "\n"))
	}
	if err := errors.Join(p.bot.Stop(context.Background()), p.db.Close()); err != nil {
		p.t.Error(err)
	}
}

func (p *paging) say(line string) {
	p.said++
	say(p.bot, line, fmt.Sprint("said/", p.said))
	synctest.Wait()
}

func (p *paging) timeline() string {
	p.t.Helper()
	entries, err := p.db.Timeline(1)
	if err != nil {
		p.t.Fatal(err)
	}
	var lines []string
	for _, e := range entries {
		lines = append(lines, e.Text)
	}
	return strings.Join(lines, "\n")
}

func (p *paging) incident() incident.Incident {
	p.t.Helper()
	inc, err := p.db.Incident(1)
	if err != nil {
		p.t.Fatal(err)
	}
	return inc
}

func contains(t *testing.T, what, got string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("%s does not say %q:\n%s", what, want, got)
		}
	}
}

// Promise 5: a page that cannot be delivered is loud: the next channel, then
// everyone in the policy, and the incident says so.
func TestPromise5AFailedPageGoesOnAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("pagerduty P0/0m operator")
		p.mail.fail(pager.Final(errors.New("no such mailbox")))
		p.say(`second: declare P0 "no clients can connect"`)
		if got := p.duty.said(); got != "P0/0m to operator: INC-1 P0: no clients can connect (declared by second)" {
			t.Errorf("PagerDuty got %s", got)
		}
		contains(t, "the timeline", p.timeline(), "could NOT page operator (primary) by mail: no such mailbox; trying by pagerduty instead", "paged operator (primary) by pagerduty")
		contains(t, "the conversation", strings.Join(p.room.titles(), "\n"), "operator was NOT reached by mail: no such mailbox")

		p.duty.fail(pager.Final(errors.New("invalid routing key")))
		<-time.After(15 * time.Minute)
		synctest.Wait()
		contains(t, "the timeline", p.timeline(), "could NOT page second (sre) by pagerduty: invalid routing key; paging everyone else instead: operator, owner",
			"could NOT page owner (sre:owner) by pagerduty: invalid routing key; everyone else is paged already",
			"could NOT page operator (sre:operator) by pagerduty: invalid routing key; everyone else is paged already")
		contains(t, "the conversation", strings.Join(p.room.titles(), "\n"), "second was NOT reached by pagerduty: invalid routing key", "owner was NOT reached by pagerduty")
	})
}

// Promise 3: each page is sent at least once, and known by its step, target and
// channel: however often the incident is looked at, it is sent once; what may
// have arrived is sent again with its mark.
func TestPromise3AtLeastOnceAndMarked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "mail P0/15m second", "pagerduty P0/30m owner")
		p.mail.fail(pager.Unsure(errors.New("the connection broke")))
		p.say(`second: declare P0 "no clients can connect"`)
		p.mail.fail(nil)
		<-time.After(31 * time.Minute)
		synctest.Wait()
		contains(t, "the mailbox", p.mail.said(), "P0/0m to operator: INC-1 P0: no clients can connect (declared by second) [possible duplicate]", "P0/15m to second: INC-1 P0 not recovered after 15 minutes")
		contains(t, "PagerDuty", p.duty.said(), "P0/30m to owner")
		contains(t, "the timeline", p.timeline(), "paged operator (primary) by mail, possible duplicate")
		pages, err := p.db.PagesOf("INC-1")
		if err != nil || len(pages) != 3 {
			t.Errorf("%d pages, %v", len(pages), err)
		}
		if n := len(p.mail.pages()) + len(p.duty.pages()); n != 3 {
			t.Errorf("%d sends that arrived", n)
		}
	})
}

// An acknowledgement, wherever it was made, is seen where pages went; so is the
// end, also by those whom a page reaches only afterwards.
func TestWhatBecameOfAPageIsToldWhereItWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "mail P0/15m second")
		p.say(`second: declare P0 "no clients can connect"`)
		p.say(`operator: ack`)
		contains(t, "the mailbox", p.mail.said(), "acknowledgeP0/0m+acknowledge to operator: INC-1 acknowledged by operator")
		<-time.After(15 * time.Minute)
		synctest.Wait()
		contains(t, "the mailbox", p.mail.said(), "P0/15m to second: INC-1 P0 not recovered", "acknowledgeP0/15m+acknowledge to second: INC-1 acknowledged by operator")
		p.say(`operator: resolve false alarm`)
		contains(t, "the mailbox", p.mail.said(), "resolveP0/0m+resolve to operator: INC-1 resolved by operator", "resolveP0/15m+resolve to second")
		if len(p.duty.pages()) > 0 {
			t.Errorf("PagerDuty was never paged, and got %s", p.duty.said())
		}
		refs := map[string]int{}
		for _, taken := range p.mail.pages() {
			refs[taken.Reference()]++
		}
		if len(refs) != 2 {
			t.Errorf("references %v", refs)
		}
	})
}

// What PagerDuty says was acknowledged there is acknowledged here, by whom it
// was, once.
func TestAcknowledgedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator")
		p.say(`second: declare P0 "no clients can connect"`)
		ref := p.mail.pages()[0].Reference()
		for range 2 {
			if err := p.bot.AcknowledgedThere(t.Context(), "pagerduty", "event-1", ref, "owner"); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.bot.AcknowledgedThere(t.Context(), "pagerduty", "event-2", "INC-9/P0/0m/primary/pagerduty@1", "owner"); err != nil {
			t.Errorf("what is not known: %v", err)
		}
		if inc := p.incident(); inc.AckedBy != "owner" {
			t.Errorf("acknowledged by %q", inc.AckedBy)
		}
		if n := strings.Count(p.timeline(), "acknowledged"); n != 1 {
			t.Errorf("acknowledged %d times:\n%s", n, p.timeline())
		}
	})
}

// The link in a mail: looking changes nothing, the button acknowledges as the
// person who was called, once, and every other use says kindly why not.
func TestAcknowledgingByLink(t *testing.T) {
	p := newPaging(t)
	defer p.stop()
	p.expect("mail P0/0m operator")
	key, err := link.Load(t.TempDir() + "/link.key")
	if err != nil {
		t.Fatal(err)
	}
	h := &link.Handler{Key: key, Desk: p.bot, Log: slog.New(slog.DiscardHandler)}
	mux := http.NewServeMux()
	for pattern, route := range h.Routes() {
		mux.Handle(pattern, route)
	}
	server := httptest.NewServer(mux)
	defer server.Close()
	ask := func(method, token string, header ...string) (int, string) {
		t.Helper()
		r, err := http.NewRequest(method, server.URL+link.Path+token, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(header) > 0 {
			r.Header.Set(header[0], header[1])
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	say(p.bot, `second: declare P0 "no <b>clients</b> can connect"`, "d1")
	settle(t, p.db)
	page := p.mail.pages()[0]
	token := key.Token(page)
	for range 3 { // a mail scanner
		code, body := ask(http.MethodGet, token)
		if code != 200 || !strings.Contains(body, "Acknowledge as operator") || !strings.Contains(body, "INC-1 P0: no &lt;b&gt;clients&lt;/b&gt;") {
			t.Fatalf("%d %s", code, body)
		}
	}
	if code, _ := ask(http.MethodPost, token, "Sec-Fetch-Site", "cross-site"); code != 403 || !p.incident().Waiting() {
		t.Errorf("from a page elsewhere: %d", code)
	}
	if code, body := ask(http.MethodPost, token); code != 200 || !strings.Contains(body, "INC-1 acknowledged by operator.") {
		t.Errorf("the button: %d %s", code, body)
	}
	if inc := p.incident(); inc.AckedBy != "operator" {
		t.Errorf("acknowledged by %q", inc.AckedBy)
	}
	settle(t, p.db)
	if !p.room.said("incident/INC-1") || !slices.ContainsFunc(p.mail.pages(), func(p pager.Page) bool { return p.Update == pager.Acknowledged }) {
		t.Error("the other channels do not know")
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		if code, body := ask(method, token); code != 200 || !strings.Contains(body, "used already") || strings.Contains(body, "<form") {
			t.Errorf("%s again: %d %s", method, code, body)
		}
	}
	p.expect("mail P0/0m~2 operator")
	say(p.bot, `second: recovered --force "a test"`, "d2")
	say(p.bot, `second: reopen --incident INC-1`, "d3")
	settle(t, p.db)
	if code, body := ask(http.MethodPost, token); code != 200 || !strings.Contains(body, "since then it waits for somebody again") || !p.incident().Waiting() {
		t.Errorf("used, and reopened since: %d %s", code, body)
	}
	late := page
	late.Queued = late.Queued.Add(-link.Lasts - time.Hour)
	if code, body := ask(http.MethodPost, key.Token(late)); code != 410 || !strings.Contains(body, "too old") {
		t.Errorf("too old: %d %s", code, body)
	}
	other, err := link.Load(t.TempDir() + "/link.key")
	if err != nil {
		t.Fatal(err)
	}
	stranger := page
	stranger.Person = "owner"
	unknown := page
	unknown.Incident, unknown.Ref = "INC-99", ""
	for what, token := range map[string]string{
		"signed by another": other.Token(page), "for another person": key.Token(stranger), "for a page that is not": key.Token(unknown), "cut": token[:len(token)-2], "nonsense": "nonsense",
	} {
		if code, body := ask(http.MethodPost, token); code != 404 || !strings.Contains(body, "not known here") {
			t.Errorf("%s: %d %s", what, code, body)
		}
	}
}
