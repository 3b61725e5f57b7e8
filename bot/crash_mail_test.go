package bot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	netmail "net/mail"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"irisops/bot"
	"irisops/bot/access"
	"irisops/bot/escalation"
	"irisops/bot/incident"
	"irisops/bot/oncall"
	"irisops/bot/pager"
	"irisops/bot/pager/mail"
	"irisops/store"
)

// Pages go by real mail out of a process that is killed at every failpoint of
// declaring, arming, firing, enqueueing, sending and recording: before and after
// each commit, and before and after the mail server has a page. No page is lost,
// a second one says that it may be one, and no deadline moves.

const (
	crashMail = "IRISOPS_CRASH_MAIL" // where the mail server listens
	crashLife = "IRISOPS_CRASH_LIFE" // which life this is
	soakKills = "IRISOPS_SOAK"       // how many kills TestKilledAgainAndAgain makes
)

// secondStep is when the second page is due: soon, so that it fires in the life.
const secondStep = 150 * time.Millisecond

// deadly is the mail sender with failpoints around it.
type deadly struct {
	pager.Sender
	point func(string)
}

func (d deadly) Follows() bool { return false }
func (d deadly) Send(ctx context.Context, p pager.Page) error {
	d.point("send/before")
	err := d.Sender.Send(ctx, p)
	d.point("send/after")
	return err
}

// crashMailChild declares an incident of its life, sees its pages out, takes it,
// and ends; or kills itself at the given failpoint, counted from 1.
func crashMailChild(dir, server, life string, at int) {
	var mu sync.Mutex
	reached := 0
	point := func(name string) {
		if !strings.HasPrefix(name, "commit/") && !strings.HasPrefix(name, "send/") {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if reached++; reached == at {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	fail := func(err error) {
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
	}
	db, err := store.Open(filepath.Join(dir, "irisops.db"), store.Options{Failpoint: point})
	fail(err)
	sender, err := mail.New(mail.Options{Server: server, Security: mail.None, From: "irisops@example.org", Address: func(p string) string { return p + "@example.org" }})
	fail(err)
	cluster := newFakeCluster()
	b, err := bot.New(bot.Options{
		Store: db, Rooms: []bot.Room{&posts{}}, Senders: []pager.Sender{deadly{sender, point}},
		Access:   access.Policy{People: access.DemoPeople(), Demo: true},
		OnCall:   oncall.Roster{Roles: map[string]string{"primary": "operator", "sre": "second"}, Contacts: map[string][]string{"operator": {"mail"}, "second": {"mail"}}},
		Policies: map[incident.Priority]escalation.Policy{incident.P0: {Steps: []escalation.PolicyStep{{Role: "primary"}, {After: secondStep, Role: "sre"}}}},
		Clusters: []bot.Cluster{{Name: "main", Actions: cluster.actions(), Summary: cluster.summary}},
	})
	fail(err)
	fail(b.Start(context.Background()))
	say(b, `operator: declare P0 "trouble `+life+`"`, "declare/"+life) // the same words again are the same delivery
	fmt.Println("answered", life)
	for deadline := time.Now().Add(20 * time.Second); !paged(db) && time.Now().Before(deadline); {
		<-time.After(5 * time.Millisecond)
	}
	fail(errors.Join(b.Stop(context.Background()), db.Close()))
	fmt.Println("failpoints", reached)
	os.Exit(0)
}

// paged says that every step of every incident has fired, and every page is out.
func paged(db *store.DB) bool {
	open, err := db.OpenIncidents()
	if err != nil {
		return false
	}
	for _, inc := range open {
		pages, err := db.PagesOf(inc.ID())
		if _, more := inc.NextStep(); err != nil || more || len(pages) < 2 {
			return false
		}
		for _, p := range pages {
			if p.State != pager.Delivered {
				return false
			}
		}
	}
	return len(open) > 0
}

// mailbox is a real SMTP server that keeps the subjects of what it takes.
type mailbox struct {
	mu       sync.Mutex
	subjects []string
	address  string
}

func (m *mailbox) Reset()                               {}
func (m *mailbox) Logout() error                        { return nil }
func (m *mailbox) Mail(string, *smtp.MailOptions) error { return nil }
func (m *mailbox) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (m *mailbox) Data(r io.Reader) error {
	message, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(message.Body)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subjects = append(m.subjects, message.Header.Get("To")+" "+strings.Join(strings.Fields(strings.ReplaceAll(string(body), "=\r\n", "")), " "))
	return nil
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return m, nil }))
	server.Domain = "localhost"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = l.Addr().String()
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return m
}

func (m *mailbox) of(what ...string) (got []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.subjects {
		all := true
		for _, w := range what {
			all = all && strings.Contains(s, w)
		}
		if all {
			got = append(got, s)
		}
	}
	return got
}

// mailChild lives one life in a process of its own.
func mailChild(t *testing.T, dir string, m *mailbox, life string, at int) (points int, answered, killed bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashDir+"="+dir, crashAt+"="+strconv.Itoa(at), crashMail+"="+m.address, crashLife+"="+life)
	out, err := cmd.Output()
	killed = cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
	if err != nil && !killed {
		t.Fatalf("life %s: %v: %s", life, err, out)
	}
	for _, line := range strings.Split(string(out), "\n") {
		if n, ok := strings.CutPrefix(line, "failpoints "); ok {
			points, _ = strconv.Atoi(n)
		}
		answered = answered || strings.HasPrefix(line, "answered")
	}
	return points, answered, killed
}

// inOrder checks what a database and a mailbox say after the last life.
func inOrder(t *testing.T, dir string, m *mailbox, answered map[string]bool) {
	t.Helper()
	db, err := store.Open(filepath.Join(dir, "irisops.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	incidents, err := db.OpenIncidents()
	if err != nil {
		t.Fatal(err)
	}
	titles := map[string]int{}
	for _, inc := range incidents {
		titles[inc.Title]++
		for _, s := range inc.Steps {
			if want := inc.DeclaredAt.Add(s.After); !s.Due.Equal(want) || s.Fired.Before(s.Due) {
				t.Errorf("%s: %s was due at %s, want %s, and fired at %s", inc.ID(), s.Name, s.Due, want, s.Fired)
			}
		}
		pages, err := db.PagesOf(inc.ID())
		if err != nil || len(pages) != 2 {
			t.Errorf("%s has %d pages, %v", inc.ID(), len(pages), err)
		}
		for i, person := range []string{"operator@", "second@"} {
			got := m.of(person, inc.ID()+" P0", inc.Title)
			together := m.of(person, "pages at once") // names it among others
			if len(got) == 0 && len(together) == 0 {
				t.Errorf("%s: the page to %s is lost; it is %s", inc.ID(), person, pages[i].State)
			}
			for _, again := range got[min(1, len(got)):] {
				if !strings.Contains(again, "[possible duplicate]") {
					t.Errorf("%s: %s got another one that does not say so: %s", inc.ID(), person, again)
				}
			}
		}
	}
	for life := range answered {
		if titles["trouble "+life] != 1 {
			t.Errorf("the declaration of life %s was answered, and there are %d", life, titles["trouble "+life])
		}
	}
	if wrong, err := db.Audit(time.Now()); err != nil || len(wrong) > 0 {
		t.Errorf("the auditor finds %q, %v", wrong, err)
	}
}

func TestPagesByMailKilledAtEveryFailpoint(t *testing.T) {
	points, _, _ := mailChild(t, t.TempDir(), newMailbox(t), "1", 0)
	if points < 20 {
		t.Fatalf("only %d failpoints are reached", points)
	}
	for at := 1; at <= points; at++ {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			dir, m := t.TempDir(), newMailbox(t)
			_, answered, killed := mailChild(t, dir, m, "1", at)
			// Commits that come together share one, so that their number varies a little.
			if !killed && at < points*9/10 {
				t.Fatalf("of about %d failpoints this one was not reached", points)
			}
			mailChild(t, dir, m, "1", 0)
			inOrder(t, dir, m, map[string]bool{"1": answered})
		})
	}
}

// One database, killed again and again at moments that nobody chose; `make soak`
// makes a thousand of it.
func TestKilledAgainAndAgain(t *testing.T) {
	kills := 6
	if n, err := strconv.Atoi(os.Getenv(soakKills)); err == nil {
		kills = n
	}
	dir, m, answered := t.TempDir(), newMailbox(t), map[string]bool{}
	for n, life := 0, 1; n < kills; life++ {
		_, said, killed := mailChild(t, dir, m, fmt.Sprint(life), 1+rand.IntN(45))
		if said {
			answered[fmt.Sprint(life)] = true
		}
		if killed {
			n++
		}
	}
	mailChild(t, dir, m, "last", 0)
	answered["last"] = true
	inOrder(t, dir, m, answered)
	t.Logf("%d kills, %d mails", kills, len(m.of()))
}
