package bot_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"irisops/bot/incident"
	"irisops/bot/intake"
)

func firing(names ...string) []intake.Incoming {
	var list []intake.Incoming
	for _, n := range names {
		priority := "P0"
		if name, minor := strings.CutSuffix(n, "?"); minor {
			n, priority = name, "P2"
		}
		list = append(list, intake.Incoming{Key: "alertmanager/" + n, Firing: true, Title: n, Priority: priority, Started: time.Now()})
	}
	return list
}

func over(names ...string) []intake.Incoming {
	list := firing(names...)
	for i := range list {
		list[i].Firing = false
	}
	return list
}

func (p *paging) take(alerts []intake.Incoming) string {
	p.t.Helper()
	ids, err := p.bot.TakeAlerts(p.t.Context(), alerts)
	if err != nil {
		p.t.Fatal(err)
	}
	synctest.Wait()
	return strings.Join(ids, " ")
}

// One alert is one incident however often it is told; it is recovered when the
// alert is over and clients are seen to be served, and not before.
func TestAnAlertIsOneIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator", "mail P0/0m operator")
		for range 3 {
			if got := p.take(firing("edge1 is down")); got != "INC-1" {
				t.Errorf("%q", got)
			}
		}
		if inc := p.incident(); inc.Priority != incident.P0 || inc.Title != "edge1 is down" || !inc.Waiting() {
			t.Errorf("%+v", inc)
		}
		contains(t, "the mailbox", p.mail.said(), "P0/0m to operator: INC-1 P0: edge1 is down")
		p.say("operator: stop edge1")
		p.say("operator: confirm")
		p.take(over("edge1 is down"))
		<-time.After(3 * time.Minute)
		synctest.Wait()
		if inc := p.incident(); inc.State == incident.Recovered {
			t.Error("recovered, though edge1 refuses logins")
		}
		contains(t, "the conversation", strings.Join(p.room.titles(), "\n"), "All alerts of INC-1 are over, but it is not recovered: edge1 refuses logins")
		p.say("operator: restart edge1")
		p.say("operator: confirm")
		<-time.After(2 * time.Minute)
		synctest.Wait()
		if inc := p.incident(); inc.State != incident.Recovered || inc.RecoveredBy != incident.Bot || inc.Forced != "" {
			t.Errorf("%+v", inc)
		}
		p.say("operator: resolve")
		if got := p.take(firing("edge1 is down")); got != "INC-2" {
			t.Errorf("it fires again: %q", got)
		}
		if got := p.take(over("something else")); got != "" {
			t.Errorf("what never fired is over: %q", got)
		}
	})
}

// 6,000 alerts at once are one incident, each of them remembered, and it ends
// with the last.
func TestAStormOfAlertsIsOneIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator")
		var names []string
		for i := range 6000 {
			names = append(names, fmt.Sprintf("session %04d is stuck?", i))
		}
		names = append(names, "core is down")
		if got := p.take(firing(names...)); got != "INC-1" {
			t.Errorf("%q", got)
		}
		if inc := p.incident(); inc.Priority != incident.P0 || !strings.Contains(inc.Title, "6001 alerts at once, first core is down") {
			t.Errorf("%+v", inc)
		}
		if firing, err := p.db.Alerts(); err != nil || len(firing) != 6001 {
			t.Errorf("%d alerts, %v", len(firing), err)
		}
		if got := p.take(firing("and one more?")); got != "INC-1" {
			t.Errorf("shortly after: %q", got)
		}
		p.take(over("core is down", "and one more?"))
		<-time.After(2 * time.Minute)
		synctest.Wait()
		if p.incident().State == incident.Recovered {
			t.Error("recovered while 6,000 alerts fire")
		}
	})
}

// Alerts that come one by one become one as well, when they are many; the more
// urgent one is not hidden in it.
func TestAlertsThatComeOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.expect("mail P0/0m operator")
		var got []string
		for i := range 8 {
			got = append(got, p.take(firing(fmt.Sprintf("alert %d?", i))))
			<-time.After(time.Second)
		}
		got = append(got, p.take(firing("core is down")))
		<-time.After(10 * time.Minute)
		got = append(got, p.take(firing("much later?")))
		if all := strings.Join(got, ", "); all != "INC-1, INC-2, INC-3, INC-4, INC-5, INC-5, INC-5, INC-5, INC-6, INC-7" {
			t.Error(all)
		}
	})
}

// What was firing before a restart is known after it; a merged incident takes its
// alerts along.
func TestAlertsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPaging(t)
		defer p.stop()
		p.take(firing("edge1 is down?"))
		p.take(firing("edge2 is down?"))
		p.say("operator: merge INC-1 --incident INC-2")
		contains(t, "what was said", strings.Join(p.room.titles(), "\n"), "INC-2")
		if got := p.take(firing("edge2 is down?")); got != "INC-1" {
			t.Errorf("the merged one: %q", got)
		}
	})
}
