// Package pagerduty pages people through PagerDuty's Events API v2, and takes
// back what they answer there by its V3 webhooks. A page triggers an event; that
// it is taken or over acknowledges and resolves the same one, by its dedup key,
// which is the page's reference. The format is from
// https://developer.pagerduty.com/docs/events-api-v2-overview; sending again is
// harmless there, because PagerDuty knows the key.
package pagerduty

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"unicode"

	"irisops/bot/pager"
	"irisops/bot/pager/post"
)

// Events is where events go, unless the account is in the EU.
const Events = "https://events.pagerduty.com/v2/enqueue"

// Options are what a Sender is made of.
type Options struct {
	URL string // "": Events
	// Key is the routing key (integration key) of the person; "" if there is none.
	Key func(person string) string
	// Link is where the page can be acknowledged; "": nowhere. May be nil.
	Link   func(p pager.Page) string
	Source string // what the event comes from, as PagerDuty shows it
}

// Sender implements pager.Sender.
type Sender struct {
	o      Options
	client *http.Client
}

// New makes a Sender.
func New(o Options) *Sender {
	if o.URL == "" {
		o.URL = Events
	}
	if o.Source == "" {
		o.Source = "irisops"
	}
	return &Sender{o, post.Client()}
}

// Channel implements pager.Sender.
func (*Sender) Channel() string { return "pagerduty" }

// Follows says that PagerDuty wants to know what became of a page.
func (*Sender) Follows() bool { return true }

// What PagerDuty takes at most.
const (
	maxSummary = 1024
	maxDedup   = 255
	maxText    = 100_000
)

type event struct {
	RoutingKey string   `json:"routing_key"`
	Action     string   `json:"event_action"`
	DedupKey   string   `json:"dedup_key"`
	Client     string   `json:"client,omitempty"`
	Links      []link   `json:"links,omitempty"`
	Payload    *payload `json:"payload,omitempty"`
}

type link struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

type payload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp string            `json:"timestamp"`
	Group     string            `json:"group,omitempty"`
	Details   map[string]string `json:"custom_details"`
}

// Send implements pager.Sender.
func (s *Sender) Send(ctx context.Context, p pager.Page) error {
	if err := ctx.Err(); err != nil {
		return pager.Retry(err)
	}
	key := s.o.Key(p.Person)
	if key == "" {
		return pager.Final(fmt.Errorf("%s has no PagerDuty key", nameOf(p.Person)))
	}
	e := event{RoutingKey: key, Action: "trigger", DedupKey: DedupKey(p), Client: "irisops"}
	if p.Update != pager.NoUpdate {
		e.Action = string(p.Update)
	} else {
		e.Payload = s.payload(p)
		if s.o.Link != nil {
			if href := s.o.Link(p); href != "" {
				e.Links = []link{{href, "Acknowledge in irisops"}}
			}
		}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return pager.Final(err)
	}
	r, err := http.NewRequest(http.MethodPost, s.o.URL, bytes.NewReader(body))
	if err != nil {
		return pager.Final(fmt.Errorf("the address of PagerDuty cannot be used"))
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := post.Do(ctx, s.client, r)
	if err != nil {
		return err
	}
	return answer.Verdict(key)
}

func nameOf(person string) string {
	if person == "" {
		return "the team"
	}
	return person
}

// DedupKey is what PagerDuty knows the page by.
func DedupKey(p pager.Page) string {
	ref := p.Reference()
	return ref[:min(len(ref), maxDedup)]
}

func (s *Sender) payload(p pager.Page) *payload {
	words := printable(p.Words())
	summary, _, _ := strings.Cut(words, "\n")
	if r := []rune(summary); len(r) > maxSummary {
		summary = string(r[:maxSummary-3]) + "..."
	}
	if len(words) > maxText {
		words = strings.ToValidUTF8(words[:maxText], "")
	}
	return &payload{
		Summary: summary, Source: s.o.Source, Severity: severity(p), Timestamp: p.Queued.UTC().Format("2006-01-02T15:04:05.000Z"), Group: p.Incident,
		Details: map[string]string{"text": words, "incident": p.Incident, "step": p.Step, "role": p.Role},
	}
}

// severity is PagerDuty's word for the priority in the step's name.
func severity(p pager.Page) string {
	for prefix, word := range map[string]string{"P1": "error", "P2": "warning", "P3": "info", "test/": "info"} {
		if strings.HasPrefix(p.Step, prefix) {
			return word
		}
	}
	return "critical"
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
