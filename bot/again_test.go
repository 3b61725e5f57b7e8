package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot/incident"
	"irisops/bot/pager"
)

func (p *paging) titles() string { return strings.Join(p.room.titles(), "\n") }

// wait lets time pass, and all that comes due in it happen.
func (p *paging) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// What was called recovered and never resolved, and is declared once more, calls
// somebody: an incident with its title is no reason to be silent.
func TestDeclaredAgainAfterRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "mail P0/0m~2 operator", "mail P0/15m~2 second")
		p.say(`second: declare P0 "no clients can connect"`)
		p.say(`second: recovered`)
		p.wait(20 * time.Hour)
		p.say(`owner: declare P0 "No clients can connect"`)
		if inc := p.incident(); inc.State != incident.Reopened || inc.Reopenings != 1 || inc.PagingStopped != nil {
			t.Errorf("%+v", inc)
		}
		contains(t, "the answer", p.titles(), "INC-1 reopened: owner declares it again. It was called recovered by second at 00:00:00, and never resolved.")
		contains(t, "the mailbox", p.mail.said(), "P0/0m~2 to operator: INC-1 P0: no clients can connect (it was reopened by owner)")
		p.say(`owner: declare P0 "no clients can connect"`) // once more changes nothing
		contains(t, "the answer", p.titles(), "INC-1 is open already for this")
		p.wait(16 * time.Minute)
	})
}

// Whoever declares a P0 means one, also where the incident was made less urgent
// since it was declared.
func TestDeclaredAgainMoreUrgently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "mail P0/0m~3 operator")
		p.say(`second: declare P0 "no clients can connect"`)
		p.say(`second: severity P2`)
		p.say(`owner: declare P0 "no clients can connect"`)
		contains(t, "the answer", p.titles(), "INC-1 is P0 now: owner declares it again, and it was P2.")
		if inc := p.incident(); inc.Priority != incident.P0 || inc.State != incident.Open {
			t.Errorf("%+v", inc)
		}
	})
}

// An alert that fires again after its incident had recovered calls people again:
// told as new, or told to have begun since where nobody told that it was over.
func TestAnAlertThatFiresAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "mail P0/0m~2 operator", "mail P0/0m~3 operator")
		p.take(firing("edge1 is down"))
		p.take(over("edge1 is down"))
		p.wait(2 * time.Minute)
		if inc := p.incident(); inc.State != incident.Recovered {
			t.Fatalf("%+v", inc)
		}
		p.wait(time.Hour)
		if got := p.take(firing("edge1 is down")); got != "INC-1" || p.incident().State != incident.Reopened {
			t.Errorf("%q, %s", got, p.incident().State)
		}
		contains(t, "the conversation", p.titles(), "INC-1 reopened: its alert fires again.")

		p.say("second: recovered")
		lagging := firing("edge1 is down")
		lagging[0].Started = time.Now().Add(-time.Hour)
		for range 3 {
			p.wait(4 * time.Minute)
			p.take(lagging)
		}
		if inc := p.incident(); inc.State != incident.Recovered {
			t.Errorf("an alert that lags behind reopened it: %+v", inc)
		}
		if n := strings.Count(p.titles(), "INC-1 is called recovered, and its alert still fires: edge1 is down"); n == 0 {
			t.Errorf("nobody is told that it still fires:\n%s", p.titles())
		}
		p.take(firing("edge1 is down")) // began now, and nobody told that it was over
		if inc := p.incident(); inc.State != incident.Reopened || inc.Reopenings != 2 {
			t.Errorf("%+v", inc)
		}
	})
}

// What a person has reopened stays open until a person says that it is recovered,
// though no alert fires and the probes are let in.
func TestWhatAPersonReopensStaysOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "mail P0/0m~2 operator", "mail P0/15m~2 second")
		p.take(firing("edge1 is down"))
		p.take(over("edge1 is down"))
		p.wait(2 * time.Minute)
		p.say("second: reopen --incident INC-1 clients still complain")
		p.wait(16 * time.Minute)
		if inc := p.incident(); inc.State != incident.Reopened {
			t.Errorf("%+v", inc)
		}
		contains(t, "the conversation", p.titles(), "No alert of INC-1 fires, and it stays open: second has reopened it.")
		p.say("second: recovered")
		if inc := p.incident(); inc.State != incident.Recovered {
			t.Errorf("%+v", inc)
		}
	})
}

// A storm swallows no alert into an incident that calls nobody.
func TestAStormThatIsSilenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "mail P0/0m operator")
		p.take(firing("a", "b", "c", "d", "e"))
		p.say("second: stop-paging a test of the alerts")
		if got := p.take(firing("core is down")); got != "INC-2" {
			t.Errorf("%q", got)
		}
	})
}

// Where pages went, it is told that a duplicate was merged: nothing stays open
// there for ever.
func TestAMergedDuplicateEndsWhereItsPagesWent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "mail P0/0m operator")
		p.say(`second: declare P0 "no clients can connect"`)
		p.say(`second: declare P0 "nobody can log in"`)
		p.say(`second: merge INC-1 --incident INC-2`)
		var ended []string
		for _, page := range p.mail.pages() {
			if page.Update == pager.Resolved {
				ended = append(ended, page.Incident+" "+page.Text)
			}
		}
		if got := strings.Join(ended, "\n"); got != "INC-2 INC-2 merged into INC-1 by second: it is the same trouble, and goes on as that" {
			t.Errorf("%q", got)
		}
	})
}

// Who will be paged is who will be on call then, by overrides too.
func TestTheEscalationKnowsOverrides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "pagerduty P0/15m owner")
		p.say(`second: declare P0 "no clients can connect"`)
		from := time.Now().Add(10 * time.Minute).UTC()
		p.say(`second: oncall override @owner ` + from.Format(time.RFC3339) + `/` + from.Add(10*time.Minute).Format(time.RFC3339) + ` --role sre`)
		p.say(`second: escalation`)
		m := p.room.reply("said/3")
		if len(m.Blocks) == 0 || m.Blocks[0].Table == nil {
			t.Fatalf("%+v", m)
		}
		if who := m.Blocks[0].Table.Rows[0][2]; who != "owner (sre)" {
			t.Errorf("the escalation says that %s is paged after 15 minutes", who)
		}
		p.say(`second: ack`)
		contains(t, "the answer to ack", p.room.reply("said/4").Blocks[0].Text, "Next page: sre (owner) at 00:15:00")
		p.wait(16 * time.Minute)
	})
}

// Giving an incident back changes its clocks, and not the policy.
func TestGivingBackIsNoChangeOfThePolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.say(`second: declare P1 "clients time out"`)
		p.say(`second: ack`)
		p.wait(5 * time.Minute)
		p.say(`second: decline`)
		p.expect("mail declined-3 operator", "pagerduty declined-3 owner", "mail P1/15m operator")
		p.say(`second: escalation`)
		blocks := p.room.reply("said/4").Blocks
		contains(t, "the escalation", blocks[len(blocks)-1].Text, "by the policy as it still is")
		contains(t, "the escalation", fmt.Sprint(blocks[0].Table.Rows), "00:20:00")
		p.wait(16 * time.Minute)
		contains(t, "the timeline", p.timeline(), "nobody has acknowledged it in time")
	})
}
