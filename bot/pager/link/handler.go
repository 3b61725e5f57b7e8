package link

import (
	"context"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"time"
)

// Path is where the links lead, before their tokens.
const Path = "/ack/"

// State is what a link stands for now.
type State struct {
	Title string // of the incidents that it acknowledges: "INC-7 P0: no clients can connect"
	Done  string // why there is nothing to do: "acknowledged by operator"; "" if there is
	Used  bool   // this very link did it
}

// Desk is the bot, as the links see it.
type Desk interface {
	// Linked is what the claim stands for now. ErrUnknown if its page is not known.
	Linked(c Claim) (State, error)
	// AcknowledgeBy acknowledges as the person of the claim, once, and says what
	// came of it in a sentence.
	AcknowledgeBy(ctx context.Context, c Claim) (said string, err error)
}

// Handler answers for the links.
type Handler struct {
	Key  Key
	Desk Desk
	Log  *slog.Logger
}

// Routes are what to join to the listener, by pattern.
func (h *Handler) Routes() map[string]http.Handler {
	guard := http.NewCrossOriginProtection() // a page elsewhere cannot press the button
	return map[string]http.Handler{
		"GET " + Path + "{token}":  http.HandlerFunc(h.show),
		"POST " + Path + "{token}": guard.Handler(http.HandlerFunc(h.press)),
	}
}

type view struct {
	Title, Text string
	Person      string
	Button      bool
}

// show says what the button would do. It changes nothing.
func (h *Handler) show(w http.ResponseWriter, r *http.Request) {
	c, state, ok := h.read(w, r)
	if !ok {
		return
	}
	switch {
	case state.Used && state.Done == "":
		h.render(w, http.StatusOK, view{Title: "This link was used already", Text: state.Title + ": since then it waits for somebody again. Acknowledge in the conversation: `ack`."})
	case state.Used:
		h.render(w, http.StatusOK, view{Title: "This link was used already", Text: state.Title + ": " + state.Done + "."})
	case state.Done != "":
		h.render(w, http.StatusOK, view{Title: "Nothing to do", Text: state.Title + ": " + state.Done + "."})
	default:
		h.render(w, http.StatusOK, view{Title: state.Title, Text: "Acknowledging says that you have it. The clocks run on until recovery.", Person: c.Person, Button: true})
	}
}

func (h *Handler) press(w http.ResponseWriter, r *http.Request) {
	c, state, ok := h.read(w, r)
	if !ok {
		return
	}
	if state.Used || state.Done != "" {
		h.show(w, r)
		return
	}
	said, err := h.Desk.AcknowledgeBy(r.Context(), c)
	if err != nil {
		h.Log.Error("a link could not acknowledge", "page", c.Page, "err", err)
		h.render(w, http.StatusServiceUnavailable, view{Title: "NOT acknowledged", Text: "It could not be recorded. Acknowledge in the conversation, or try again."})
		return
	}
	h.render(w, http.StatusOK, view{Title: said, Text: "The others see it in every channel. What is going on stands in the conversation: `status`, `timeline`."})
}

// read is the link's claim and what it stands for, or the kind answer to a link
// that is no good.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) (c Claim, s State, ok bool) {
	c, err := h.Key.Read(r.PathValue("token"), time.Now())
	if err == nil {
		s, err = h.Desk.Linked(c)
	}
	switch {
	case err == nil:
		return c, s, true
	case errors.Is(err, ErrExpired):
		h.render(w, http.StatusGone, view{Title: "This link is too old", Text: "Links are good for three days. Acknowledge in the conversation: `ack`."})
	case errors.Is(err, ErrUnknown):
		h.render(w, http.StatusNotFound, view{Title: "This link is not known here", Text: "Is it whole? Mail programs sometimes break long links. Acknowledge in the conversation: `ack`."})
	default:
		h.Log.Error("a link could not be looked up", "err", err)
		h.render(w, http.StatusServiceUnavailable, view{Title: "irisops cannot look that up now", Text: "Acknowledge in the conversation, or try again."})
	}
	return c, s, false
}

func (h *Handler) render(w http.ResponseWriter, code int, v view) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	if err := page.Execute(w, v); err != nil {
		h.Log.Debug("a page of a link was not read to its end", "err", err)
	}
}

var page = template.Must(template.New("link").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{{.Title}}</title>
<style>
body { font: 18px/1.5 system-ui, sans-serif; max-width: 34em; margin: 3em auto; padding: 0 1em; color-scheme: light dark; }
h1 { font-size: 1.4em; }
button { font: inherit; font-weight: bold; padding: .8em 1.5em; width: 100%; cursor: pointer; }
</style>
</head>
<body>
<h1>{{.Title}}</h1>
<p>{{.Text}}</p>
{{if .Button}}<form method="post"><button type="submit">Acknowledge as {{.Person}}</button></form>
{{end}}</body>
</html>
`))
