package slack_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"irisops/bot/slack"
	"irisops/bot/slack/slacktest"
)

// faultRun says how many commands TestFaultRun gives, in how many channels:
// `make soak` sets 10,000.
func faultRun() (commands, channels int) {
	if n, err := strconv.Atoi(os.Getenv("IRISOPS_COMMANDS")); err == nil {
		return n, 100
	}
	return 240, 24
}

// Many commands under random faults of the Web API and of the connection: each is
// carried out and answered exactly once, none is lost, and what is said in one
// thread is carried out and answered in its order.
func TestFaultRun(t *testing.T) {
	t.Parallel()
	commands, n := faultRun()
	var ids, users []string
	var places []slack.Place
	for i := range n {
		ids = append(ids, fmt.Sprintf("C0RUN%d", i))
		users = append(users, fmt.Sprintf("U1RUN%d", i)) // nobody types 50 commands a second alone
		places = append(places, slack.Place{Channel: ids[i], Cluster: "main"})
	}
	s := slacktest.New(t, append([]string{ops}, ids...)...)
	s.Group("S0TEAM", users...)
	s.Generous() // nobody has so many channels, and is cut off that often
	s.Patience(2*time.Minute + time.Duration(commands/n)*3*time.Second)
	l := live(t, setting{api: s.API(), clusters: newWorld().served(), places: places, silence: 2 * time.Second})

	heads := map[string]*slacktest.Message{}
	for i, id := range ids {
		s.Say(operator, id, fmt.Sprintf("/iris declare P3 \"run %d\"", i))
		heads[id] = s.ExpectPost(id, fmt.Sprintf("P3 open: run %d", i))
	}
	stop := make(chan struct{})
	var faults sync.WaitGroup
	faults.Go(func() { breakThings(s, stop) })
	s.Cut()                                       // at least once
	tick := time.NewTicker(20 * time.Millisecond) // 50 a second
	defer tick.Stop()
	for i := range commands {
		<-tick.C
		id := ids[i%n]
		s.MentionAndGoOn(users[i%n], id, heads[id], fmt.Sprintf("note %d", i/n))
	}
	// The faults go on until half of it is answered, and then all has to come.
	count := func() (answers int) {
		for _, id := range ids {
			for _, m := range s.Messages(id) {
				if m.Bot && strings.Contains(m.Text(), "Noted in the timeline") {
					answers++
				}
			}
		}
		return answers
	}
	s.Await("half of the answers", func() bool { return count() >= commands/2 })
	close(stop)
	faults.Wait()
	s.Await("all answers", func() bool { return count() >= commands })
	s.Settle()
	if got := count(); got != commands {
		t.Errorf("%d answers to %d commands", got, commands)
	}
	for i, id := range ids {
		checkThread(t, s, l, id, i, heads[id], commands/n)
	}
	t.Logf("%d commands, %d answers, %d connections, %d calls that came too fast", commands, count(), s.Connections(), s.Limited())
}

func breakThings(s *slacktest.Slack, stop chan struct{}) {
	for {
		wait := time.NewTimer(time.Duration(50+rand.IntN(250)) * time.Millisecond)
		select {
		case <-stop:
			wait.Stop()
			return
		case <-wait.C:
		}
		switch rand.IntN(43) {
		case 0:
			s.Disconnect([]string{"warning", "refresh_requested"}[rand.IntN(2)])
		case 1:
			s.Cut()
		case 2:
			s.Mute()
		case 3, 4, 5, 6, 7, 8:
			s.RateLimit("chat.postMessage", 1, time.Second)
		case 9, 10, 11, 12, 13, 14:
			s.RateLimit("chat.postMessage", 1, 0)
		case 15, 16, 17, 18, 19, 20:
			s.Break("chat.postMessage", 1+rand.IntN(2), 503)
		case 21, 22, 23, 24, 25, 26, 27, 28:
			s.LoseAnswer("chat.postMessage", 1)
		case 29, 30, 31:
			s.LateAcks(1)
		default:
			s.DeliverTwice()
		}
	}
}

func checkThread(t *testing.T, s *slacktest.Slack, l *life, id string, i int, head *slacktest.Message, want int) {
	t.Helper()
	inc, err := l.db.LastIncidents(1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, inc := range inc {
		if inc.Title != fmt.Sprintf("run %d", i) {
			continue
		}
		entries, err := l.db.Timeline(inc.Number)
		if err != nil {
			t.Fatal(err)
		}
		next := 0
		for _, e := range entries {
			if e.Kind != "note" {
				continue
			}
			if e.Text != strconv.Itoa(next) {
				t.Errorf("%s: note %s came where %d was due", id, e.Text, next)
				return
			}
			next++
		}
		if next != want {
			t.Errorf("%s: %d notes, not %d", id, next, want)
		}
	}
	seen, last := map[string]bool{}, ""
	for _, m := range s.Messages(id) {
		key := m.Key()
		if !m.Bot || m.Thread != head.TS || !strings.HasPrefix(key, "reply/") {
			continue
		}
		said := key[strings.LastIndex(key, "/")+1:]
		if seen[key] {
			t.Errorf("%s: %s is answered twice", id, said)
		}
		if seen[key] = true; said < last {
			t.Errorf("%s: the answer to %s came after that to %s", id, said, last)
		}
		last = said
	}
}
