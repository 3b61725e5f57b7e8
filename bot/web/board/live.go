package board

import (
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

type hub struct {
	readers map[chan []byte]bool
	stop    context.CancelFunc
}

// serve is GET /live?page=/incidents/7.
func (s *streams) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Query().Get("page")
	if _, err := s.sections(r.Context(), path, false); err != nil {
		http.NotFound(w, r)
		return
	}
	news, ok := s.join(path)
	if !ok {
		w.Header().Set("Retry-After", "30")
		http.Error(w, "Too many pages are open: reload by hand.", http.StatusServiceUnavailable)
		return
	}
	defer s.leave(path, news)
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
		case data := <-news:
			if !send(data) {
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

func (s *streams) join(path string) (chan []byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.readers >= mostStream {
		return nil, false
	}
	s.readers++
	news := make(chan []byte, 16)
	h := s.hubs[path]
	if h == nil {
		ctx, stop := context.WithCancel(context.Background())
		h = &hub{readers: map[chan []byte]bool{}, stop: stop}
		s.hubs[path] = h
		go s.run(ctx, path)
	}
	h.readers[news] = true
	return news, true
}

func (s *streams) leave(path string, news chan []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.readers--
	h := s.hubs[path]
	delete(h.readers, news)
	if len(h.readers) == 0 {
		h.stop()
		delete(s.hubs, path)
	}
}

// run compares the page with what it was, once a beat.
func (s *streams) run(ctx context.Context, path string) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	shown := map[string]string{}
	for {
		s.compare(ctx, path, shown)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-s.stopping:
			return
		}
	}
}

func (s *streams) compare(ctx context.Context, path string, shown map[string]string) {
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("panic in the board", "page", path, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	sections, err := s.sections(ctx, path, false)
	if err != nil {
		return // the page says so when it is loaded; the stream only brings news
	}
	for _, section := range sections {
		html, err := s.html(section)
		if err != nil || shown[section.ID] == html {
			continue
		}
		// The first round tells all: the page may be older than the stream.
		shown[section.ID] = html
		body, err := json.Marshal(map[string]string{"id": section.ID, "html": html})
		if err != nil {
			continue
		}
		s.tell(path, fmt.Appendf(nil, "event: section\ndata: %s\n\n", body))
	}
}

// tell gives the news to every reader of the page. One who does not keep up
// misses some, and gets the section whole the next time it changes.
func (s *streams) tell(path string, data []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.hubs[path]
	if h == nil {
		return
	}
	for news := range h.readers {
		select {
		case news <- data:
		default:
		}
	}
}
