// Package board is the page for people who would rather look than read: nodes,
// incidents with their clocks, who is on call, drills, backups, the audit. It
// shows what the conversation would answer, as HTML, and changes nothing: what
// to do next stands there as words to type.
//
// Every page is whole without JavaScript and reloads itself then. With it, the
// sections of a page are sent again as server-sent events when they change.
// Nothing comes from outside: no font, no script, no picture.
package board

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"time"

	"irisops/actions/drill"
	"irisops/bot/incident"
	"irisops/bot/message"
)

// Conversation answers what the board shows.
type Conversation interface {
	// Peek answers words that only look, without a trace. An error is a refusal
	// that people can read; errors.Is(err, ErrNoWord) says there is no such word.
	Peek(ctx context.Context, words string) (message.Message, error)
	// Waiting is what waits for a decision, and whether anything does.
	Waiting() (message.Message, bool)
	// Done is what was asked for and done in an incident, the newest first.
	Done(inc incident.Incident) ([]message.Message, error)
	// Head is the incident's present state at a glance.
	Head(inc incident.Incident) message.Message
}

// Incidents is where incidents are read.
type Incidents interface {
	OpenIncidents() ([]incident.Incident, error)
	LastIncidents(n int) ([]incident.Incident, error)
	Incident(number uint64) (incident.Incident, error)
	Timeline(number uint64) ([]incident.Entry, error)
}

// Cluster is one cluster as the board looks at it.
type Cluster struct {
	Name string
	// Diagnose is the quick diagnosis, within a few seconds whatever hangs.
	Diagnose func(ctx context.Context) (message.Message, error)
}

// Options are what a Board is made of. Conversation and Incidents are needed.
type Options struct {
	Conversation Conversation
	Incidents    Incidents
	Clusters     []Cluster
	// Drills are the drills so far, the oldest first, for the trend. Nil: none.
	Drills func() ([]drill.Point, error)
	// Token opens the board: Basic authentication with any name and this
	// password, or a bearer token. "": whoever reaches the listener may look.
	Token string
	// Local: only this machine is to look, and asks by an address of loopback.
	Local bool
	// Stopping is closed when the listener begins to stop: open pages end then.
	Stopping <-chan struct{}
	Zone     *time.Location
	Version  string
	Log      *slog.Logger
}

// Board is the pages. Make one with New.
type Board struct {
	Options
	pages   *template.Template
	looks   *looks
	streams *streams
}

//go:embed assets
var assets embed.FS

// New prepares the pages. Nothing runs until somebody looks.
func New(o Options) (*Board, error) {
	if o.Conversation == nil || o.Incidents == nil {
		return nil, errors.New("a board needs the conversation and the incidents")
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	b := &Board{Options: o, looks: newLooks(o.Clusters)}
	pages, err := template.New("").Funcs(functions).ParseFS(assets, "assets/*.html")
	if err != nil {
		return nil, fmt.Errorf("the pages of the board: %w", err)
	}
	b.pages = pages
	b.streams = &streams{sections: b.sections, html: b.html, stopping: o.Stopping, log: o.Log, hubs: map[string]*hub{}}
	return b, nil
}

// Handler serves the board: GET and HEAD only.
func (b *Board) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", b.page("home", "Now"))
	mux.HandleFunc("GET /incidents", b.page("incidents", "Incidents"))
	mux.HandleFunc("GET /incidents/{number}", b.page("incident", "Incident"))
	mux.HandleFunc("GET /drills", b.page("drills", "Drills"))
	mux.HandleFunc("GET /backups", b.page("backups", "Backups"))
	mux.HandleFunc("GET /oncall", b.page("oncall", "On call"))
	mux.HandleFunc("GET /audit", b.page("audit", "Audit"))
	mux.HandleFunc("GET /live", b.streams.serve)
	static, err := fs.Sub(assets, "assets/static")
	if err != nil {
		panic(err) // embedded
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	shown := guard(b.Token, headers(mux))
	if b.Local {
		shown = local(shown)
	}
	return shown
}

// headers that every answer has.
func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
