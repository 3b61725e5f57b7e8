// Package web is irisops's one HTTP listener: health and readiness, and
// whatever else the wiring joins to it (links to acknowledge by, alerts from
// outside, the board, Slack over HTTP). It owns the address, the limits that
// hold for everyone who asks, and the way it stops; what is answered is the
// business of whoever is joined.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"irisops/actions"
)

const (
	// MaxBody is the most that a request may carry; a route may allow less.
	MaxBody = 4 << 20

	maxHeader   = 32 << 10
	headTimeout = 5 * time.Second
	readTimeout = 20 * time.Second
	// answerTimeout is for a whole answer. A route that answers for longer sets
	// its own deadline with http.ResponseController, and ends with Stopping.
	answerTimeout = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	readyTimeout  = 2 * time.Second
)

// Options are what a Server is made of.
type Options struct {
	Address string // host:port to listen on; port 0 is any free one
	// External is what links begin with, where people reach it by another
	// address; "": the address itself.
	External string
	// Ready says why irisops cannot do its work now; nil: it can. May be nil.
	Ready func(ctx context.Context) error
	Log   *slog.Logger
}

// Server is the listener. Make one with New, join routes with Handle, Start it,
// Stop it.
type Server struct {
	o        Options
	mux      *http.ServeMux
	http     *http.Server
	listener net.Listener
	stopping chan struct{}
	once     sync.Once
	serving  sync.WaitGroup
	failed   error // why serving ended before Stop
}

// New takes the address, so that nobody else can, and answers nobody yet. Stop
// gives it back, also if Start was never called.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	listener, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, notListening(o.Address, err)
	}
	s := &Server{o: o, mux: http.NewServeMux(), listener: listener, stopping: make(chan struct{})}
	s.http = &http.Server{
		Handler:           s.bounded(s.mux),
		ReadHeaderTimeout: headTimeout, ReadTimeout: readTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	s.mux.HandleFunc("GET /healthz", s.healthz)
	s.mux.HandleFunc("GET /readyz", s.readyz)
	return s, nil
}

// Handle joins a route, by a pattern of http.ServeMux ("POST /alerts"). It has
// to be called before Start; a pattern that stands there already panics.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Address is where it listens, "127.0.0.1:8642".
func (s *Server) Address() string { return s.listener.Addr().String() }

// URL is what links begin with, without a slash at the end.
func (s *Server) URL() string {
	if s.o.External != "" {
		return strings.TrimRight(s.o.External, "/")
	}
	return "http://" + s.Address()
}

// Stopping is closed when it begins to stop: answers that go on for long have to
// end then.
func (s *Server) Stopping() <-chan struct{} { return s.stopping }

// Start begins to answer.
func (s *Server) Start() error {
	s.serving.Go(func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed = err
			s.o.Log.Error("the web listener has ended", "address", s.Address(), "err", err)
		}
	})
	return nil
}

// Stop takes no more requests, and waits for those being answered as long as ctx
// lasts.
func (s *Server) Stop(ctx context.Context) error {
	s.once.Do(func() { close(s.stopping) })
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("requests were still being answered: %w", err)
		s.http.Close()
	}
	s.listener.Close() // if it was never started
	s.serving.Wait()
	return errors.Join(err, s.failed)
}

func notListening(address string, err error) error {
	e := &actions.Error{Code: "not-listening", Err: err,
		Text: fmt.Sprintf("irisops cannot listen on %s: %v.", address, reason(err)),
		Hint: "Set listen: to an address and port of this machine, like 127.0.0.1:8642, or to none."}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		e.Code, e.Text = CodeTaken, fmt.Sprintf("Another program listens on %s already.", address)
		e.Hint = "Is another irisops running? Stop it, or set listen: to another port, or to none."
	case errors.Is(err, syscall.EACCES):
		e.Text = fmt.Sprintf("irisops may not listen on %s: ports below 1024 need rights that it does not have.", address)
		e.Hint = "Set listen: to a port above 1023, and put a web server in front where another one is wanted."
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		e.Text = fmt.Sprintf("%s is no address of this machine.", address)
	}
	return e
}

// CodeTaken is the code of New's error if somebody else has the address.
const CodeTaken = "port-taken"

func reason(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

// bounded is what holds for every request: its size, what browsers may make of
// the answer, and that a panic answers too. Links may carry what only their
// reader may know, so that they are told to nobody.
func (s *Server) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		r.Body = http.MaxBytesReader(w, r.Body, MaxBody)
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler {
				panic(p)
			}
			s.o.Log.Error("panic while answering", "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
			http.Error(w, "Something in irisops broke while answering; it is in its log.", http.StatusInternalServerError)
		}()
		next.ServeHTTP(w, r)
	})
}

// healthz: the process answers.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "ok")
}

// readyz: irisops can do its work.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if err := s.ready(r.Context()); err != nil {
		http.Error(w, "not ready: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
}

func (s *Server) ready(ctx context.Context) error {
	select {
	case <-s.stopping:
		return errors.New("irisops is stopping")
	default:
	}
	if s.o.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return s.o.Ready(ctx)
}
