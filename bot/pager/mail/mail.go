// Package mail pages people by mail, over SMTP with TLS that is verified. A
// refusal by the server's own words is final or tried again as they say (5xx,
// 4xx); a connection that breaks before the message is whole is tried again; one
// that breaks after it, before the answer, may have delivered it.
package mail

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/wneessen/go-mail"

	"irisops/bot/pager"
)

// Security is how the connection is protected.
type Security string

const (
	STARTTLS Security = "starttls" // begins in the clear, and is refused if it cannot change
	TLS      Security = "tls"      // from the first byte
	None     Security = "none"     // for a server on this machine
)

// Options are what a Sender is made of.
type Options struct {
	Server         string // host:port
	Security       Security
	User, Password string // "": the server asks for none
	From           string
	// Address is where the person ("": nobody in particular) gets mail; "" if nowhere.
	Address func(person string) string
	// Link is where the page can be acknowledged; "": nowhere. May be nil.
	Link  func(p pager.Page) string
	Roots *x509.CertPool // whom to trust; nil: whom this machine does
}

// Sender implements pager.Sender.
type Sender struct {
	o    Options
	host string
	port int
}

// New checks the server's address.
func New(o Options) (*Sender, error) {
	host, port, err := net.SplitHostPort(o.Server)
	if err != nil {
		return nil, fmt.Errorf("the mail server %q is not host:port", o.Server)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("the mail server %q has no port", o.Server)
	}
	return &Sender{o: o, host: host, port: n}, nil
}

// Channel implements pager.Sender.
func (*Sender) Channel() string { return "mail" }

// Follows says that word about a page is mailed after it, in its thread.
func (*Sender) Follows() bool { return true }

// dialTimeout is for the connection and its encryption.
const dialTimeout = 8 * time.Second

// Send implements pager.Sender.
func (s *Sender) Send(ctx context.Context, p pager.Page) error {
	if err := ctx.Err(); err != nil {
		return pager.Retry(err)
	}
	to := s.o.Address(p.Person)
	if to == "" {
		return pager.Final(fmt.Errorf("%s has no mail address", nameOf(p.Person)))
	}
	m, err := s.message(p, to)
	if err != nil {
		return pager.Final(err)
	}
	client, err := mail.NewClient(s.host, s.options(ctx)...)
	if err != nil {
		return pager.Final(fmt.Errorf("the mail server cannot be used: %w", s.hidden(err)))
	}
	dial, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := client.DialWithContext(dial); err != nil {
		return s.notConnected(err)
	}
	defer client.Close()
	if err := client.Send(m); err != nil && !m.IsDelivered() {
		return s.notSent(err)
	}
	return nil
}

func nameOf(person string) string {
	if person == "" {
		return "the team"
	}
	return person
}

// options make a client whose every read and write ends with ctx.
func (s *Sender) options(ctx context.Context) []mail.Option {
	options := []mail.Option{
		mail.WithPort(s.port), mail.WithTimeout(dialTimeout), mail.WithoutNoop(),
		mail.WithTLSConfig(&tls.Config{ServerName: s.host, RootCAs: s.o.Roots, MinVersion: tls.VersionTLS12}),
		mail.WithDialContextFunc(func(dial context.Context, network, address string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(dial, network, address)
			if err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			if s.o.Security == TLS {
				secure := tls.Client(conn, &tls.Config{ServerName: s.host, RootCAs: s.o.Roots, MinVersion: tls.VersionTLS12})
				if err := secure.HandshakeContext(dial); err != nil {
					conn.Close()
					return nil, err
				}
				return secure, nil
			}
			return conn, nil
		}),
	}
	if s.o.Security == STARTTLS {
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	} else {
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if s.o.User != "" {
		// Over TLS from the first byte the client does not know that it is protected.
		auth := mail.SMTPAuthAutoDiscover
		if s.o.Security != STARTTLS {
			auth = mail.SMTPAuthPlainNoEnc
		}
		options = append(options, mail.WithSMTPAuth(auth), mail.WithUsername(s.o.User), mail.WithPassword(s.o.Password))
	}
	return options
}

// notConnected judges a failure before anything of the message was said.
func (s *Sender) notConnected(err error) error {
	told := s.hidden(err)
	var code *mailError
	var unknown x509.UnknownAuthorityError
	var wrongName x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown), errors.As(err, &wrongName), errors.As(err, &invalid):
		return pager.Final(fmt.Errorf("the mail server's certificate is not trusted: %w", told))
	case errors.As(told, &code) && code.code/100 == 5, strings.Contains(err.Error(), "does not support STARTTLS"): // go-mail has no error of its own for it
		return pager.Final(fmt.Errorf("the mail server refuses: %w", told))
	}
	return pager.Retry(fmt.Errorf("no connection to the mail server: %w", told))
}

// notSent judges a failure on the way of the message.
func (s *Sender) notSent(err error) error {
	var e *mail.SendError
	if !errors.As(err, &e) {
		return pager.Unsure(s.hidden(err))
	}
	told := fmt.Errorf("the mail was not taken: %w", s.hidden(err))
	switch code := e.ErrorCode(); {
	case code/100 == 5:
		return pager.Final(told)
	case code/100 == 4:
		return pager.Retry(told)
	case e.Reason == mail.ErrSMTPDataClose, e.Reason == mail.ErrSMTPReset:
		return pager.Unsure(fmt.Errorf("the connection broke before the mail server answered: %w", s.hidden(err)))
	case e.Reason == mail.ErrGetSender, e.Reason == mail.ErrGetRcpts, e.Reason == mail.ErrNoUnencoded:
		return pager.Final(told)
	}
	return pager.Retry(told) // the message was never whole
}

// mailError is what the server said, without what it must not.
type mailError struct {
	code int
	text string
}

func (e *mailError) Error() string { return e.text }

// hidden is the error's text without the password, and the server's code.
func (s *Sender) hidden(err error) error {
	text := err.Error()
	if s.o.Password != "" {
		text = strings.ReplaceAll(text, s.o.Password, "[secret]")
	}
	e := &mailError{text: strings.Join(strings.Fields(text), " ")}
	var sent *mail.SendError
	if errors.As(err, &sent) {
		e.code = sent.ErrorCode()
	}
	for _, word := range strings.Fields(text) {
		if n, err := strconv.Atoi(word); err == nil && n >= 400 && n < 600 && e.code == 0 {
			e.code = n
		}
	}
	return e
}

// maxSubject is how much of the first line is the subject.
const maxSubject = 150

func (s *Sender) message(p pager.Page, to string) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := m.FromFormat("irisops", s.o.From); err != nil {
		return nil, fmt.Errorf("the address to send from cannot be used: %w", err)
	}
	if err := m.To(to); err != nil {
		return nil, fmt.Errorf("the address of %s cannot be used: %w", nameOf(p.Person), err)
	}
	words := printable(p.Words())
	subject, _, _ := strings.Cut(words, "\n")
	if r := []rune(subject); len(r) > maxSubject {
		subject = string(r[:maxSubject]) + "..."
	}
	m.Subject(subject)
	m.SetDate()
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	s.thread(m, p)
	body := words + "\n"
	if p.Update == pager.NoUpdate {
		m.SetImportance(mail.ImportanceUrgent)
		body += fmt.Sprintf("\nCalled: %s (%s), at %s.\n", nameOf(p.Person), p.Role, p.Queued.UTC().Format("2006-01-02 15:04:05 UTC"))
		if s.o.Link != nil {
			if link := s.o.Link(p); link != "" {
				body += "\nAcknowledge (a page with one button; the link works once):\n" + link + "\n"
			}
		}
	}
	m.SetBodyString(mail.TypeTextPlain, body)
	return m, nil
}

// thread gives the mail an id made from the page, so that every attempt at it and
// all word about it stand together.
func (s *Sender) thread(m *mail.Msg, p pager.Page) {
	domain := s.o.From[strings.LastIndexByte(s.o.From, '@')+1:]
	id := func(of string) string {
		sum := sha256.Sum256([]byte(of))
		return hex.EncodeToString(sum[:12]) + "@" + domain
	}
	root := id(p.Reference())
	switch {
	case p.Update != pager.NoUpdate:
		m.SetMessageIDWithValue(id(p.Reference() + string(p.Update)))
	case p.Attempts > 1:
		m.SetMessageIDWithValue(id(fmt.Sprintf("%s attempt %d", p.Reference(), p.Attempts)))
	default:
		m.SetMessageIDWithValue(root)
		return
	}
	m.SetGenHeader("In-Reply-To", "<"+root+">")
	m.SetGenHeader("References", "<"+root+">")
}

// printable leaves out what has no place in a mail.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
