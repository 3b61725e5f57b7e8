package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"irisops/bot"
	"irisops/cmd/irisops/config"
)

// letters is a real mail server on the loopback that keeps what it takes.
type letters struct {
	mu   sync.Mutex
	kept []string
}

func (l *letters) Reset()                               {}
func (l *letters) Logout() error                        { return nil }
func (l *letters) Mail(string, *smtp.MailOptions) error { return nil }
func (l *letters) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (l *letters) Data(r io.Reader) error {
	text, err := io.ReadAll(r)
	l.mu.Lock()
	defer l.mu.Unlock()
	// as a mail program undoes quoted-printable
	l.kept = append(l.kept, strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(text)))
	return err
}

func (l *letters) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.kept, "\n")
}

// Through the binary's own wiring, while Slack is not there: a page goes out by mail, the link in it
// acknowledges, and the word about it follows by mail.
func TestAPageByMailIsAcknowledgedByItsLink(t *testing.T) {
	inbox := &letters{}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return inbox, nil }))
	server.Domain = "localhost"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(l)
	defer server.Close()

	s := newSite(t)
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.write("mail.yaml", strings.Replace(string(text), "{id: operator,", "{id: operator, mail: operator@example.org, contact: [slack, mail],", 1)+
		fmt.Sprintf("mail: {server: %q, security: none, from: irisops@example.org}\n", l.Addr().String()))
	cfg, err := config.Load(s.dir + "/mail.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, err := newApp(cfg, overrides{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { a.Stop(context.Background()) }()
	if err := a.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.bot.DeclareBy(t.Context(), bot.Declaration{Priority: "P0", Title: "no clients can connect"}); err != nil {
		t.Fatal(err)
	}
	var link string
	eventually(t, "a mail with a link has come", func() bool {
		link = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+/ack/[A-Za-z0-9_-]+`).FindString(inbox.all())
		return link != ""
	})
	if info, err := os.Stat(s.dir + "/data/" + linkKey); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key of the links: %v %v", info, err)
	}
	resp, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	if inc, err := a.db.Incident(1); err != nil || !inc.Waiting() || !strings.Contains(string(body), "Acknowledge as operator") {
		t.Errorf("looking at the link: %v %v %s", inc.State, err, body)
	}
	resp, err = http.Post(link, "application/x-www-form-urlencoded", nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ = io.ReadAll(resp.Body)
	resp.Body.Close()
	if inc, err := a.db.Incident(1); err != nil || inc.AckedBy != "operator" || !strings.Contains(string(body), "INC-1 acknowledged by operator.") {
		t.Errorf("the button: %v %v %s", inc.AckedBy, err, body)
	}
	eventually(t, "the word about it has come by mail", func() bool { return strings.Contains(inbox.all(), "INC-1 acknowledged by operator") })
}
