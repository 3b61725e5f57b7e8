// Package webhook pages people by an HTTP request to any address: a gateway to
// phones, ntfy, a service like Opsgenie, a script. The request is signed, dated,
// and carries a key by which the far end can tell the same page again.
// docs/paging.md has examples.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"text/template"
	"time"

	"irisops/bot/pager"
	"irisops/bot/pager/post"
)

// Options are what a Sender is made of.
type Options struct {
	Name          string
	URL           string // may be a secret, and is never told
	Secret        string // the key of the signature; "": not signed
	Authorization string // the header of that name; "": none
	// Body is a template of what is sent, with the fields of Call; "": Call as JSON.
	Body string
	// Updates says that word about earlier pages is sent too.
	Updates bool
	Link    func(p pager.Page) string // may be nil
}

// Call is what the far end is told. Its fields are only ever added.
type Call struct {
	Type      string `json:"type"` // "page", "acknowledge" or "resolve"
	ID        string `json:"id"`   // the same for a page, each attempt at it, and all word about it
	Incident  string `json:"incident,omitempty"`
	Priority  string `json:"priority,omitempty"` // "P0" to "P3", if a policy's step calls
	Step      string `json:"step"`
	Role      string `json:"role"`
	Person    string `json:"person,omitempty"`
	Title     string `json:"title"` // the first line of Text
	Text      string `json:"text"`
	Duplicate bool   `json:"possible_duplicate"`
	Attempt   int    `json:"attempt"`
	Queued    string `json:"queued"`
	AckURL    string `json:"ack_url,omitempty"`
}

// Sender implements pager.Sender.
type Sender struct {
	o      Options
	body   *template.Template
	client *http.Client
}

// New reads the template.
func New(o Options) (*Sender, error) {
	s := &Sender{o: o, client: post.Client()}
	if o.Body == "" {
		return s, nil
	}
	t, err := Template(o.Body)
	s.body = t
	return s, err
}

// Template reads the template of a body: {{.Text}} is a field of Call as it is,
// {{json .Text}} the same as a JSON string. It is tried, so that a wrong field is
// seen before the night in which it is needed.
func Template(body string) (*template.Template, error) {
	t, err := template.New("body").Option("missingkey=error").Funcs(template.FuncMap{"json": func(v any) (string, error) {
		text, err := json.Marshal(v)
		return string(text), err
	}}).Parse(body)
	if err == nil {
		err = t.Execute(&bytes.Buffer{}, Call{})
	}
	if err != nil {
		return nil, fmt.Errorf("the body is no template that can be used: %w", err)
	}
	return t, nil
}

// Channel implements pager.Sender.
func (s *Sender) Channel() string { return Channel(s.o.Name) }

// Channel is the channel of the webhook with that name.
func Channel(name string) string { return "webhook:" + name }

// Follows says whether word about earlier pages is sent.
func (s *Sender) Follows() bool { return s.o.Updates }

// Send implements pager.Sender.
func (s *Sender) Send(ctx context.Context, p pager.Page) error {
	if err := ctx.Err(); err != nil {
		return pager.Retry(err)
	}
	c := s.call(p)
	body, kind, err := s.render(c)
	if err != nil {
		return pager.Final(err)
	}
	r, err := http.NewRequest(http.MethodPost, s.o.URL, bytes.NewReader(body))
	if err != nil {
		return pager.Final(errors.New("the address cannot be used"))
	}
	r.Header.Set("Content-Type", kind)
	r.Header.Set("User-Agent", "irisops")
	r.Header.Set("Idempotency-Key", strconv.Quote(c.ID+" "+c.Type))
	if s.o.Authorization != "" {
		r.Header.Set("Authorization", s.o.Authorization)
	}
	if s.o.Secret != "" {
		at := strconv.FormatInt(time.Now().Unix(), 10)
		r.Header.Set("X-Irisops-Timestamp", at)
		r.Header.Set("X-Irisops-Signature", "v1="+Sign(s.o.Secret, at, body))
	}
	answer, err := post.Do(ctx, s.client, r)
	if err != nil {
		return err
	}
	return answer.Verdict(s.o.Secret, s.o.Authorization, s.o.URL, c.AckURL)
}

// Sign is the signature of a body at a time: the HMAC-SHA256 of "time.body", in
// hexadecimal.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func (s *Sender) call(p pager.Page) Call {
	words := strings.ToValidUTF8(p.Words(), "\uFFFD")
	title, _, _ := strings.Cut(words, "\n")
	c := Call{Type: "page", ID: p.Reference(), Incident: p.Incident, Step: p.Step, Role: p.Role, Person: p.Person,
		Title: title, Text: words, Duplicate: p.PossibleDuplicate, Attempt: p.Attempts, Queued: p.Queued.UTC().Format(time.RFC3339)}
	if len(p.Step) >= 2 && p.Step[0] == 'P' && p.Step[1] >= '0' && p.Step[1] <= '3' {
		c.Priority = p.Step[:2]
	}
	if p.Update != pager.NoUpdate {
		c.Type = string(p.Update)
	} else if s.o.Link != nil {
		c.AckURL = s.o.Link(p)
	}
	return c
}

func (s *Sender) render(c Call) (body []byte, kind string, err error) {
	if s.body == nil {
		body, err = json.Marshal(c)
		return body, "application/json", err
	}
	var out bytes.Buffer
	if err := s.body.Execute(&out, c); err != nil {
		return nil, "", fmt.Errorf("the body cannot be made: %w", err)
	}
	kind = "text/plain; charset=utf-8"
	if json.Valid(out.Bytes()) {
		kind = "application/json"
	}
	return out.Bytes(), kind, nil
}
