package mail_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"irisops/bot/pager"
	"irisops/bot/pager/mail"
	"irisops/bot/pager/pagertest"
)

const password = "a_planted_password"

// far is a real SMTP server on the loopback, and how it fails.
type far struct {
	auth, from, rcpt, data error // what these are answered with
	cut                    bool  // the connection breaks after the message, before the answer
	silent                 bool  // and this one never answers
	plain                  bool  // it knows no TLS
	implicit               bool  // TLS from the first byte
	stop                   chan struct{}

	mu    sync.Mutex
	mails []received
}

type received struct {
	to     []string
	header netmail.Header
	body   string
}

type session struct {
	*far
	conn *smtp.Conn
	to   []string
}

func (s *session) Reset()        { s.to = nil }
func (s *session) Logout() error { return nil }
func (s *session) AuthMechanisms() []string {
	return []string{sasl.Plain}
}
func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, pass string) error {
		if s.auth == nil && (user != "irisops" || pass != password) {
			return errors.New("wrong user or password")
		}
		return s.auth
	}), nil
}
func (s *session) Mail(string, *smtp.MailOptions) error { return s.from }
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return s.rcpt
}
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if s.silent {
		<-s.stop
	}
	if s.data != nil {
		return s.data
	}
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return err
	}
	var body io.Reader = m.Body
	if m.Header.Get("Content-Transfer-Encoding") == "quoted-printable" {
		body = quotedprintable.NewReader(m.Body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.mails = append(s.mails, received{s.to, m.Header, strings.ReplaceAll(string(text), "\r\n", "\n")})
	s.mu.Unlock()
	if s.cut {
		s.conn.Conn().Close()
	}
	return nil
}

func (f *far) bodies() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var bodies []string
	for _, m := range f.mails {
		bodies = append(bodies, m.body)
	}
	return bodies
}

var (
	once sync.Once
	cert tls.Certificate
	pool *x509.CertPool
)

func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	once.Do(func() {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "mail"}, DNSNames: []string{"localhost"},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		pool = x509.NewCertPool()
		pool.AddCert(parsed)
		cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	})
	return cert, pool
}

// serve starts the server and returns its address.
func (f *far) serve(t testing.TB) string {
	t.Helper()
	cert, _ := certificate(t)
	f.stop = make(chan struct{})
	server := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{far: f, conn: c}, nil }))
	server.Domain, server.AllowInsecureAuth = "localhost", true
	if !f.plain {
		server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if f.implicit {
		l = tls.NewListener(l, server.TLSConfig)
	}
	go server.Serve(l)
	t.Cleanup(func() { close(f.stop); server.Close() })
	return l.Addr().String()
}

func sender(t testing.TB, address string, change func(*mail.Options)) pager.Sender {
	t.Helper()
	_, roots := certificate(t)
	o := mail.Options{Server: address, Security: mail.STARTTLS, User: "irisops", Password: password, From: "irisops@example.org", Roots: roots,
		Address: func(person string) string {
			if person == "" {
				return "iris-team@example.org"
			}
			return person + "@example.org"
		},
		Link: func(p pager.Page) string { return "https://irisops.example.org/ack/x" }}
	if change != nil {
		change(&o)
	}
	s, err := mail.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func open(f *far, change func(*mail.Options)) func(testing.TB) (pager.Sender, func() []string) {
	return func(t testing.TB) (pager.Sender, func() []string) {
		one := &far{auth: f.auth, from: f.from, rcpt: f.rcpt, data: f.data, cut: f.cut, plain: f.plain, implicit: f.implicit}
		return sender(t, one.serve(t), change), one.bodies
	}
}

func reply(code int, text string) error { return &smtp.SMTPError{Code: code, Message: text} }

func TestConformance(t *testing.T) {
	pagertest.Test(t, pagertest.Backend{
		Channel: "mail", Secrets: []string{password},
		Cases: []pagertest.Case{
			{Name: "STARTTLS", Want: pager.Arrived, Open: open(&far{}, nil)},
			{Name: "TLS from the first byte", Want: pager.Arrived, Open: open(&far{implicit: true}, func(o *mail.Options) { o.Security = mail.TLS })},
			{Name: "in the clear, on this machine", Want: pager.Arrived, Open: open(&far{plain: true}, func(o *mail.Options) { o.Security, o.User, o.Password = mail.None, "", "" })},
			{Name: "a certificate that nobody trusts", Want: pager.Refused, Open: open(&far{}, func(o *mail.Options) { o.Roots = x509.NewCertPool() })},
			{Name: "the same from the first byte", Want: pager.Refused, Open: open(&far{implicit: true}, func(o *mail.Options) { o.Security, o.Roots = mail.TLS, x509.NewCertPool() })},
			{Name: "it knows no TLS", Want: pager.Refused, Open: open(&far{plain: true}, nil)},
			{Name: "a wrong password", Want: pager.Refused, Open: open(&far{auth: reply(535, "wrong: "+password)}, nil)},
			{Name: "550 for the sender", Want: pager.Refused, Open: open(&far{from: reply(550, "not you")}, nil)},
			{Name: "450 for the person", Want: pager.NotArrived, Open: open(&far{rcpt: reply(450, "later")}, nil)},
			{Name: "550 for the person", Want: pager.Refused, Open: open(&far{rcpt: reply(550, "no such user")}, nil)},
			{Name: "452 after the message", Want: pager.NotArrived, Open: open(&far{data: reply(452, "full")}, nil)},
			{Name: "554 after the message", Want: pager.Refused, Open: open(&far{data: reply(554, "spam")}, nil)},
			{Name: "the connection breaks after the message", Want: pager.Uncertain, Open: open(&far{cut: true}, nil)},
			{Name: "a person without an address", Want: pager.Refused, Open: open(&far{}, func(o *mail.Options) { o.Address = func(string) string { return "" } })},
			{Name: "nobody listens", Want: pager.NotArrived, Open: func(t testing.TB) (pager.Sender, func() []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				l.Close()
				return sender(t, l.Addr().String(), nil), func() []string { return nil }
			}},
			{Name: "the connection breaks at once", Want: pager.NotArrived, Open: func(t testing.TB) (pager.Sender, func() []string) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { l.Close() })
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						fmt.Fprint(c, "220 localhost\r\n")
						bufio.NewReader(c).ReadString('\n')
						c.Close()
					}
				}()
				return sender(t, l.Addr().String(), nil), func() []string { return nil }
			}},
		},
		Silent: func(t testing.TB) pager.Sender {
			f := &far{silent: true}
			return sender(t, f.serve(t), nil)
		},
	})
}

// What a person reads at three in the morning, and how their mail program shows
// it: one thread for a page, every attempt at it, and all word about it.
func TestTheMail(t *testing.T) {
	f := &far{}
	s := sender(t, f.serve(t), nil)
	at := time.Date(2026, 3, 1, 3, 15, 0, 0, time.UTC)
	p := pager.Page{Incident: "INC-7", Step: "P0/15m", Role: "sre", Person: "second", Channel: "mail", Attempts: 1, Queued: at, Due: at,
		Text: "INC-7 P0 not recovered after 15 minutes: Anmeldung schlägt fehl (not acknowledged)\nMore."}
	again := p
	again.Attempts, again.PossibleDuplicate = 2, true
	for _, p := range []pager.Page{p, again, p.About(pager.Acknowledged, "INC-7 acknowledged by operator", at)} {
		if err := s.Send(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	first, second, third := f.mails[0], f.mails[1], f.mails[2]
	subject, err := new(mime.WordDecoder).DecodeHeader(first.header.Get("Subject"))
	if err != nil || subject != "INC-7 P0 not recovered after 15 minutes: Anmeldung schlägt fehl (not acknowledged)" || first.to[0] != "second@example.org" {
		t.Errorf("%q for %v, %v", subject, first.to, err)
	}
	want := "INC-7 P0 not recovered after 15 minutes: Anmeldung schlägt fehl (not acknowledged)\nMore.\n\nCalled: second (sre), at 2026-03-01 03:15:00 UTC.\n\n" +
		"Acknowledge (a page with one button; the link works once):\nhttps://irisops.example.org/ack/x\n"
	if strings.TrimSpace(first.body) != strings.TrimSpace(want) {
		t.Errorf("%q\nwant %q", first.body, want)
	}
	root := first.header.Get("Message-Id")
	if root == "" || second.header.Get("Message-Id") == root || second.header.Get("In-Reply-To") != root || third.header.Get("References") != root {
		t.Errorf("threads: %q %q %q", first.header, second.header, third.header)
	}
	if strings.Contains(third.body, "Acknowledge (") || !strings.Contains(third.body, "acknowledged by operator") || first.header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("%q %v", third.body, first.header)
	}
}

func TestTheServersAddress(t *testing.T) {
	for _, bad := range []string{"", "smtp.example.org", "smtp.example.org:smtp"} {
		if _, err := mail.New(mail.Options{Server: bad}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
