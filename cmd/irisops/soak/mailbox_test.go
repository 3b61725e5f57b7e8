package soak

import (
	"io"
	"log"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"
)

// letter is a mail that was taken.
type letter struct {
	to, id, root string // root is the id of the mail that it follows, or its own
	urgent       bool   // a page, not word about one
	text         string
}

// mailbox is a real SMTP server that counts the pages that reach people. It is
// outside of irisops: what it has taken has arrived.
type mailbox struct {
	address string

	mu      sync.Mutex
	letters []letter
	sick    bool // it refuses for now
	refused int
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	m := &mailbox{}
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return m, nil }))
	server.Domain = "localhost"
	server.ErrorLog = log.New(io.Discard, "", 0) // connections of what was killed
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = l.Addr().String()
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return m
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
	h := message.Header
	l := letter{to: h.Get("To"), id: h.Get("Message-ID"), root: h.Get("In-Reply-To"), urgent: h.Get("Importance") != "",
		text: strings.Join(strings.Fields(strings.ReplaceAll(string(body), "=\r\n", "")), " ")}
	if l.root == "" {
		l.root = l.id
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sick {
		m.refused++
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "not now"}
	}
	m.letters = append(m.letters, l)
	return nil
}

func (m *mailbox) fail(yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sick = yes
}

// all are the pages that have arrived.
func (m *mailbox) all() (pages []letter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.letters {
		if l.urgent {
			pages = append(pages, l)
		}
	}
	return pages
}
