package board

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync"
	"time"
)

const (
	beat       = time.Second      // how often an open page is compared with what is
	heartbeat  = 15 * time.Second // how often a quiet stream says that it lives
	writeWait  = 10 * time.Second // for a reader who does not read
	mostStream = 100              // readers at once; a further one is told to reload
	backlog    = 16               // news that a reader may be behind
)

// streams send the sections that changed to those who have a page open. Each
// page is made once a second for all who look at it, and not at all when nobody
// does.
type streams struct {
	sections func(ctx context.Context, path string, loading bool) ([]Section, error)
	html     func(Section) (string, error)

	stopping <-chan struct{} // nil: never
	log      *slog.Logger

	mu      sync.Mutex
	hubs    map[string]*hub
	readers int
}

// hub is a page that somebody has open. What its readers were told last is kept:
// whoever comes later may have loaded the page before that, or lost the stream
// for a night.
type hub struct {
	readers map[chan []byte]bool
	told    map[string][]byte // by section; whether the page can be read, by state
	order   []string          // of what was told first
	stop    context.CancelFunc
}

// state is the key of the event that says whether what is shown can be believed.
const state = ""

// serve is GET /live?page=/incidents/7.
func (s *streams) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Query().Get("page")
	if _, err := s.sections(r.Context(), path, false); errors.Is(err, errNoPage) {
		http.NotFound(w, r)
		return
	}
	h, news := s.join(path)
	if h == nil {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Too many pages are open: reload by hand.", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(path, h, news)
	stream := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	send := func(data []byte) bool {
		// Without a deadline that moves, the listener's own would end the stream.
		if err := stream.SetWriteDeadline(time.Now().Add(writeWait)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return false
		}
		if _, err := w.Write(data); err != nil {
			return false
		}
		return stream.Flush() == nil
	}
	if !send([]byte("retry: 2000\n\n")) {
		return
	}
	alive := time.NewTicker(heartbeat)
	defer alive.Stop()
	for {
		select {
		case data, keeps := <-news:
			if !keeps || !send(data) {
				return
			}
		case <-alive.C:
			if !send([]byte(": alive\n\n")) {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.stopping:
			return
		}
	}
}

// join is the page's hub with one reader more; nil if there are too many.
func (s *streams) join(path string) (*hub, chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers >= mostStream {
		return nil, nil
	}
	s.readers++
	h := s.hubs[path]
	if h == nil {
		ctx, stop := context.WithCancel(context.Background())
		h = &hub{readers: map[chan []byte]bool{}, told: map[string][]byte{}, stop: stop}
		s.hubs[path] = h
		go s.run(ctx, path, h)
	}
	news := make(chan []byte, len(h.order)+backlog)
	for _, id := range h.order {
		news <- h.told[id]
	}
	h.readers[news] = true
	return h, news
}

func (s *streams) leave(path string, h *hub, news chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers--
	delete(h.readers, news) // unless it was let go
	if len(h.readers) > 0 {
		return
	}
	h.stop()
	if s.hubs[path] == h {
		delete(s.hubs, path)
	}
}

// run compares the page with what it was, once a beat.
func (s *streams) run(ctx context.Context, path string, h *hub) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		s.compare(ctx, path, h)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		}
	}
}

func (s *streams) compare(ctx context.Context, path string, h *hub) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in the board", "page", path, "panic", p, "stack", string(debug.Stack()))
			s.tell(h, state, event("trouble", map[string]string{"text": "What stands here may be old: irisops broke while it looked; it is in its log."}))
		}
	}()
	sections, err := s.sections(ctx, path, false)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		s.tell(h, state, event("trouble", map[string]string{"text": "What stands here may be old: " + err.Error()}))
		return
	}
	for _, section := range sections {
		html, err := s.html(section)
		if err != nil {
			s.log.Error("the board cannot write a section", "page", path, "section", section.ID, "err", err)
			continue
		}
		// The first round tells all: the page may be older than the stream.
		s.tell(h, section.ID, event("section", map[string]string{"id": section.ID, "html": html}))
	}
	s.tell(h, state, event("fresh", map[string]string{}))
}

// event is one of a stream, with data that cannot break it.
func event(name string, data map[string]string) []byte {
	body, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings
	}
	return fmt.Appendf(nil, "event: %s\ndata: %s\n\n", name, body)
}

// tell gives the news to every reader of the page, if it is any. One who does not
// keep up is let go: the browser comes again, and is told all of it.
func (s *streams) tell(h *hub, key string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before, told := h.told[key]
	if told && bytes.Equal(before, data) {
		return
	}
	if !told {
		h.order = append(h.order, key)
	}
	h.told[key] = data
	for news := range h.readers {
		select {
		case news <- data:
		default:
			delete(h.readers, news)
			close(news)
		}
	}
}
