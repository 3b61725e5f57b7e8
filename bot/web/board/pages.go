package board

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"irisops/bot/incident"
	"irisops/bot/message"
)

// Caller is who the board says it is.
const Caller = "board"

// ErrNoWord says that the conversation has no such word here.
var ErrNoWord = errors.New("there is no such word")

// errNoPage says that there is nothing at that address.
var errNoPage = errors.New("there is no such page")

// Section is one titled part of a page. It is sent again as a whole when it
// changes.
type Section struct {
	ID    string
	Title string
	Cards []Card
	Empty string // what stands there when there are no cards
}

// Card is one message, or a picture.
type Card struct {
	Link    string // where its title leads; "" is nowhere
	Note    string // small, above it
	Message message.Message
	Picture template.HTML
}

// recent is how many ended incidents a page lists.
const recent = 20

// sections are the parts of the page at path. A page that is loaded is worth
// waiting for; one that is open already is not held up.
func (b *Board) sections(ctx context.Context, path string, loading bool) ([]Section, error) {
	switch path {
	case "/":
		return b.home(ctx, loading)
	case "/incidents":
		return b.list(ctx)
	case "/drills":
		drills := append([]Section{b.trend()}, b.peekEach(ctx, "drills", "Drills", "drill history")...)
		return append(drills, b.peek(ctx, "schedule", "Schedule", "schedule list")), nil
	case "/backups":
		return b.peekEach(ctx, "backups", "Backups", "backup list"), nil
	case "/oncall":
		return []Section{b.peek(ctx, "oncall", "Now", "oncall"), b.peek(ctx, "next", "Next", "oncall next"), b.peek(ctx, "roster", "Schedule", "oncall schedule")}, nil
	case "/audit":
		audit := []Section{b.peek(ctx, "audit", "Last entries", "audit")}
		if loading { // it reads all of the chain: not every second
			audit = append(audit, b.peek(ctx, "chain", "Is the chain whole?", "audit verify"))
		}
		return audit, nil
	}
	if number, ok := strings.CutPrefix(path, "/incidents/"); ok {
		return b.one(ctx, number)
	}
	return nil, errNoPage
}

func (b *Board) home(ctx context.Context, loading bool) ([]Section, error) {
	open, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	clusters := Section{ID: "clusters", Title: "Clusters"}
	for _, l := range b.looks.all {
		seen := l.see(ctx, time.Now(), loading)
		clusters.Cards = append(clusters.Cards, Card{Note: seen.note(b.Zone), Message: seen.Message})
	}
	waiting := Section{ID: "waiting", Title: "What waits for somebody", Empty: "Nothing waits for a decision."}
	if m, some := b.Conversation.Waiting(); some {
		waiting.Cards = []Card{{Message: m}}
	}
	return []Section{open, clusters, waiting,
		b.peek(ctx, "oncall", "On call", "oncall"),
		b.trend(),
	}, nil
}

func (b *Board) open(ctx context.Context) (Section, error) {
	s := Section{ID: "open", Title: "Open incidents", Empty: "No incident is open."}
	open, err := b.Incidents.OpenIncidents()
	if err != nil {
		return s, fmt.Errorf("the open incidents cannot be read: %w", err)
	}
	for _, inc := range open {
		s.Cards = append(s.Cards, b.head(inc))
	}
	return s, nil
}

func (b *Board) head(inc incident.Incident) Card {
	return Card{Link: fmt.Sprintf("/incidents/%d", inc.Number), Message: b.Conversation.Head(inc)}
}

func (b *Board) list(ctx context.Context) ([]Section, error) {
	open, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	last, err := b.Incidents.LastIncidents(recent)
	if err != nil {
		return nil, fmt.Errorf("the incidents cannot be read: %w", err)
	}
	table := message.Table{Header: []string{"Incident", "Priority", "State", "Declared", "Title"}}
	for _, inc := range last {
		table.Rows = append(table.Rows, []string{inc.ID(), string(inc.Priority), string(inc.State), inc.DeclaredAt.In(b.Zone).Format("2 Jan 2006 15:04"), inc.Title})
	}
	all := Section{ID: "last", Title: "The last incidents", Empty: "There was none yet."}
	if len(table.Rows) > 0 {
		all.Cards = []Card{{Message: message.Message{Blocks: []message.Block{{Table: &table}}}}}
	}
	return []Section{open, all, b.peek(ctx, "stats", "How it goes", "stats")}, nil
}

func (b *Board) one(ctx context.Context, text string) ([]Section, error) {
	number, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return nil, errNoPage
	}
	inc, err := b.Incidents.Incident(number)
	if err != nil {
		return nil, errNoPage
	}
	in := " --incident " + inc.ID()
	return []Section{
		{ID: "now", Title: "Now", Cards: []Card{{Message: b.Conversation.Head(inc)}}},
		b.diagnosed(ctx, inc),
		b.peek(ctx, "escalation", "What happens next", "escalation"+in),
		b.done(inc),
		b.peek(ctx, "timeline", "Timeline", "timeline"+in),
		b.peek(ctx, "pages", "Why people were paged", "why-paged"+in),
	}, nil
}

// diagnosed sets what was wrong first beside what is seen now.
func (b *Board) diagnosed(ctx context.Context, inc incident.Incident) Section {
	s := Section{ID: "diagnosis", Title: "Diagnosis, then and now"}
	entries, err := b.Incidents.Timeline(inc.Number)
	if err != nil {
		s.Cards = []Card{{Message: message.Message{Level: message.Unknown, Title: "The timeline cannot be read: " + err.Error()}}}
	}
	for _, e := range entries {
		if e.Kind == incident.KindDiagnosed {
			s.Cards = append(s.Cards, Card{Note: "then, at " + e.At.In(b.Zone).Format("15:04:05 MST"), Message: message.Message{Title: e.Text}})
			break
		}
	}
	for _, l := range b.looks.all {
		if l.Name == inc.Cluster && !inc.Over() {
			seen := l.see(ctx, time.Now(), false)
			s.Cards = append(s.Cards, Card{Note: "now, " + seen.note(b.Zone), Message: seen.Message})
		}
	}
	return s
}

func (b *Board) done(inc incident.Incident) Section {
	s := Section{ID: "done", Title: "What was asked for and done", Empty: "Nothing was asked for in this incident."}
	done, err := b.Conversation.Done(inc)
	if err != nil {
		s.Cards = []Card{{Message: message.Message{Level: message.Unknown, Title: err.Error()}}}
	}
	for _, m := range done {
		s.Cards = append(s.Cards, Card{Message: m})
	}
	return s
}

// peek is a section that shows what the conversation answers to words. Words
// that this irisops does not know make an empty section, which is left out.
func (b *Board) peek(ctx context.Context, id, title, words string) Section {
	s := Section{ID: id, Title: title}
	m, err := b.Conversation.Peek(ctx, words)
	switch {
	case errors.Is(err, ErrNoWord):
	case err != nil:
		s.Cards = []Card{{Message: message.Message{Level: message.Unknown, Title: err.Error()}}}
	default:
		s.Cards = []Card{{Message: m}}
	}
	return s
}

// peekEach is the answer for each cluster, where there are several to choose from.
func (b *Board) peekEach(ctx context.Context, id, title, words string) []Section {
	if len(b.Clusters) < 2 {
		return []Section{b.peek(ctx, id, title, words)}
	}
	var all []Section
	for i, c := range b.Clusters {
		all = append(all, b.peek(ctx, fmt.Sprintf("%s-%d", id, i+1), title+" of "+c.Name, words+" --cluster "+c.Name))
	}
	return all
}

// page serves a page whole.
func (b *Board) page(name, title string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		title := title
		sections, err := b.sections(r.Context(), r.URL.Path, true)
		if errors.Is(err, errNoPage) {
			http.NotFound(w, r)
			return
		}
		status := http.StatusOK
		if err != nil {
			b.Log.Error("the board cannot show a page", "page", name, "err", err)
			status = http.StatusInternalServerError
			sections = []Section{{ID: "trouble", Title: "This page cannot be shown", Cards: []Card{{Message: message.Message{Level: message.Critical, Title: err.Error(),
				Blocks: []message.Block{{Text: "irisops ctl answers without the board: `irisops ctl status`."}}}}}}}
		}
		if number := r.PathValue("number"); number != "" {
			title = "INC-" + number
		}
		var page bytes.Buffer
		err = b.pages.ExecuteTemplate(&page, "page.html", map[string]any{
			"Title": title, "Name": name, "Path": r.URL.Path, "Sections": sections,
			"Version": b.Version, "At": time.Now().In(b.Zone).Format("15:04:05 MST"),
		})
		if err != nil {
			b.Log.Error("the board cannot write a page", "page", name, "err", err)
			http.Error(w, "This page cannot be shown; the reason is in the log of irisops.", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		w.Write(page.Bytes()) //nolint:errcheck // a reader who left
	}
}

// html is the inside of a section.
func (b *Board) html(s Section) (string, error) {
	var out bytes.Buffer
	err := b.pages.ExecuteTemplate(&out, "section", s)
	return out.String(), err
}
